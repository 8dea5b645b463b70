/* The console server's protocol, and the UART driver's.
 *
 * CONSOLE_WRITE: w0 = bytes | stream << 32, then the bytes in the words that follow (at most CONSOLE_WRITE_BYTES). The
 * answer comes when they are queued. A program's output is held until its line ends, and each line goes out whole,
 * after the program's name. The badge is the writer: 0 for the system's own log, else a process's number.
 *
 * Framed, where the system description says so (`./tessera run app.wasm`): what leaves is not lines but frames, each
 *   0xf5, enum console_stream, bytes as u16 (little endian), the bytes as the program wrote them,
 * and what arrives, after the first frame that left, is frames of standard input, each its bytes as u16 and the bytes;
 * none: the end of the file. Text that the kernel or a failing root task writes has no frame, and no byte 0xf5, which
 * is in no UTF-8.
 *
 * CONSOLE_READ gives what arrived to the one program that has the terminal. It never waits: who found nothing is told
 * once there is something, by the process server, with PROCESS_SIGNAL_EVENT.
 *
 * The UART driver and the console share one page-aligned region: a ring each way with the layout below, and
 * notifications each way. The driver's side never blocks the console: what does not fit waits in the console.
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
    CONSOLE_NAME,  /* badge 0 only. w0 process number, w1 enum console_writer_flags, then the name's bytes */
    CONSOLE_GONE,  /* badge 0 only. w0 process number: write out its unfinished line and forget it */
    CONSOLE_FLUSH, /* badge 0 only. Answered when the UART has taken everything */
    CONSOLE_READ,  /* w0 bytes at most, w1 1 = leave them there -> w0 bytes, w1 1 = the end of the file, then the bytes.
                      Neither bytes nor end: none yet */
};
enum console_writer_flags {
    CONSOLE_PREFIX = 1 << 0,   /* lines begin with its name */
    CONSOLE_TERMINAL = 1 << 1, /* it may read */
    CONSOLE_SYSTEM = 1 << 2,   /* a server: what it says is the system's log, not a program's output */
};
#define CONSOLE_FRAME       0xf5u
#define CONSOLE_FRAME_BYTES 4u /* of the head */
#define CONSOLE_READ_BYTES  ((MESSAGE_WORDS - 2) * 8u)

/* What CONSOLE_STREAM_VERDICT holds, then the text of how it ended. */
struct console_verdict {
    uint32_t program, end, status; /* index in the description, enum process_end and its status */
};

#define UART_RING_BYTES  16384u
#define UART_INPUT_BYTES 4096u
struct uart_region {
    _Atomic uint32_t out_head; /* written by the console */
    uint32_t pad0[15];
    _Atomic uint32_t out_tail; /* written by the driver */
    uint32_t pad1[15];
    _Atomic uint32_t out_ask;  /* written by the console: changes when it wants a signal ... */
    _Atomic uint32_t out_want; /* ... once this many bytes are free; all of them: once the line is idle */
    uint32_t pad2[14];
    _Atomic uint32_t in_head; /* written by the driver */
    uint32_t pad3[15];
    _Atomic uint32_t in_tail; /* written by the console */
    uint32_t pad4[15];
    uint8_t out[UART_RING_BYTES];
    uint8_t in[UART_INPUT_BYTES];
};
#define UART_REGION_BYTES 32768u
_Static_assert(sizeof(struct uart_region) <= UART_REGION_BYTES, "the root task has room for it");

/* Where the machine has a virtio console, a framed console speaks through that one: its driver shares such a region
 * with the console in the UART driver's place. Its capabilities, beside those of every PCI driver (proto/pci.h): */
enum console_driver_capability { CONSOLE_DRIVER_CAP_ROOM = 9, CONSOLE_DRIVER_CAP_INPUT };

/* Start page words of the UART driver. */
enum uart_word { UART_WORD_KIND = 0, UART_WORD_BASE, UART_WORD_REGION, UART_WORD_CLOCK_HZ };
/* Its capabilities from PROCESS_CAP_FIRST_FREE on. */
enum uart_capability { UART_CAP_IRQ = 8, UART_CAP_PORT, UART_CAP_CONSOLE_SIGNAL, UART_CAP_CONSOLE_INPUT };
#define UART_SIGNAL_IRQ     (1ul << 0)
#define UART_SIGNAL_CONSOLE (1ul << 1)

/* Start page words and capabilities of the console server. */
enum console_word {
    CONSOLE_WORD_REGION = 0,
    CONSOLE_WORD_FRAMED,
    CONSOLE_WORD_STATE /* address of CONSOLE_STATE_BYTES that outlive it: names, unfinished lines, input */
};
#define CONSOLE_STATE_BYTES (256u << 10)
enum console_capability {
    CONSOLE_CAP_ENDPOINT = 8,
    CONSOLE_CAP_REPLY,
    CONSOLE_CAP_UART_SIGNAL,
    CONSOLE_CAP_INPUT_SIGNAL
};
/* Its notification is bound, so its bits must be no process's number. */
#define CONSOLE_SIGNAL_UART  (1ul << 32)
#define CONSOLE_SIGNAL_INPUT (1ul << 33)

#endif
