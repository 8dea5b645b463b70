/* The console server's protocol, and the UART driver's.
 *
 * CONSOLE_WRITE: w0 = bytes | stream << 32, then the bytes in the words that follow (at most CONSOLE_WRITE_BYTES). The
 * answer comes when they are queued. A program's output is held until its line ends, and each line goes out whole,
 * after the program's name. The badge is the writer: 0 for the system's own log, else a process's number.
 *
 * The UART driver and the console share one page-aligned region: two rings with the layout below, and a notification
 * each way. The driver's side never blocks the console: what does not fit waits in the console.
 */
#ifndef PROTO_CONSOLE_H
#define PROTO_CONSOLE_H

#include <abi/message.h>

/* What w0's upper half says of the bytes. 3 to 5 only where the console is framed, and only from the system. */
enum console_stream {
    CONSOLE_STREAM_LOG = 0,
    CONSOLE_STREAM_OUTPUT = 1,
    CONSOLE_STREAM_ERROR = 2,
    CONSOLE_STREAM_FILES = 3,   /* host folders, as they are at the end: servers/fs/changes.c */
    CONSOLE_STREAM_VERDICT = 4, /* how a program ended: struct console_verdict */
};

#define CONSOLE_WRITE_BYTES ((MESSAGE_WORDS - 1) * 8u)
#define CONSOLE_NAME_BYTES  32u

enum console_operation {
    CONSOLE_WRITE = 1,
    CONSOLE_NAME,  /* badge 0 only. w0 process number, w1 1 = prefix lines with its name, then the name's bytes */
    CONSOLE_GONE,  /* badge 0 only. w0 process number: write out its unfinished line and forget it */
    CONSOLE_FLUSH, /* badge 0 only. Answered when the UART has taken everything */
};

#define UART_RING_BYTES 16384u
struct uart_region {
    _Atomic uint32_t out_head; /* written by the console */
    uint32_t pad0[15];
    _Atomic uint32_t out_tail; /* written by the driver */
    uint32_t pad1[15];
    _Atomic uint32_t out_ask;  /* written by the console: changes when it wants a signal ... */
    _Atomic uint32_t out_want; /* ... once this many bytes are free; all of them: once the line is idle */
    uint32_t pad2[14];
    uint8_t out[UART_RING_BYTES];
};
#define UART_REGION_BYTES 32768u

/* Start page words of the UART driver. */
enum uart_word { UART_WORD_KIND = 0, UART_WORD_BASE, UART_WORD_REGION, UART_WORD_CLOCK_HZ };
/* Its capabilities from PROCESS_CAP_FIRST_FREE on. */
enum uart_capability { UART_CAP_IRQ = 8, UART_CAP_PORT, UART_CAP_CONSOLE_SIGNAL };
#define UART_SIGNAL_IRQ     (1ul << 0)
#define UART_SIGNAL_CONSOLE (1ul << 1)

/* Start page words and capabilities of the console server. */
enum console_word { CONSOLE_WORD_REGION = 0 };
enum console_capability { CONSOLE_CAP_ENDPOINT = 8, CONSOLE_CAP_REPLY, CONSOLE_CAP_UART_SIGNAL };
#define CONSOLE_SIGNAL_UART (1ul << 0)

#endif
