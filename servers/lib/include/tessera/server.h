/* What every native server and native program stands on: entry, messages longer than the registers, and the log.
 *
 * A native program defines program_main(); crt.c enters it and ends the process with what it returns.
 */
#ifndef TESSERA_SERVER_H
#define TESSERA_SERVER_H

#include "proto/start.h"
#include "tessera/syscall.h"

int program_main(const struct start_page *start);

/* Ends the process. */
_Noreturn void program_exit(int status);

/* This thread's IPC buffer (the main thread's; the root task has its own, see server_set_buffer). */
struct ipc_buffer *server_buffer(void);
void server_set_buffer(struct ipc_buffer *buffer);

/* Bytes into message words from `word` on, and out of them. The caller has checked that they fit MESSAGE_WORDS. */
void message_put(struct message *m, unsigned word, const void *bytes, size_t count);
void message_get(const struct message *m, unsigned word, void *bytes, size_t count);
static inline unsigned message_words(size_t bytes)
{
    return (unsigned)((bytes + 7) / 8);
}

/* A call of the console, which may be started again meanwhile: *m is sent once more then, a few times. */
enum error console_call(struct message *m);

/* Writes one line's worth of text to the console (or part of a line); blocks while the console is busy. */
void log_write(uint32_t stream, const char *text, size_t length);
/* Formats and writes; the text should end with a line feed. */
void log_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
