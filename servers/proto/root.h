/* What the process server tells the root task, and what it is given.
 *
 * Calls on PROCESS_CAP_SERVER of the process server (the root task's endpoint). Also the root task's description of
 * its servers' start page words.
 */
#ifndef PROTO_ROOT_H
#define PROTO_ROOT_H

#include <abi/message.h>

/* How a program ended, in words, with its NUL: as much as a message holds beside the rest. */
#define ROOT_ENDING_BYTES 896u

enum root_operation {
    ROOT_PROGRAM_ENDED = 1, /* w0 index in the description, w1 enum process_end, w2 status, w3 1 = as expected,
                               w4 bytes of text, then the text (how it ended, without its NUL) */
    ROOT_ALL_ENDED,         /* every essential program has ended, w0 = programs started in all. Never answered. */
    ROOT_FAILED,            /* the system cannot go on: w0 bytes, then the text */
};

/* Capabilities of the process server, from PROCESS_CAP_FIRST_FREE on. Its CNode has 2^PROCESS_SERVER_CNODE_BITS. */
#define PROCESS_SERVER_CNODE_BITS 14
enum process_server_capability {
    SERVER_CAP_CNODE = 8,
    SERVER_CAP_TCB,
    SERVER_CAP_VSPACE,
    SERVER_CAP_SCHED_CONTROL,
    SERVER_CAP_ENDPOINT, /* its own: receive, and mint badges from */
    SERVER_CAP_TRACER,
    SERVER_CAP_CONSOLE_MINT, /* the console's endpoint, without badge: to mint from */
    SERVER_CAP_REPLY,
    SERVER_CAP_NOTIFICATION, /* its own, bound: to mint from */
    SERVER_CAP_SCHED_CONTEXT,
    SERVER_CAP_DISK_WAIT,   /* with SERVER_WORD_DISKS: what struct process_disk describes */
    SERVER_CAP_DISK_REGION, /* PROCESS_DISKS frames of BLOCK_REGION_BYTES */
    SERVER_CAP_DISK_SIGNAL = SERVER_CAP_DISK_REGION + 2,
    SERVER_CAP_ENTROPY_SIGNAL = SERVER_CAP_DISK_SIGNAL + 2, /* with SERVER_WORD_ENTROPY: wakes the driver */
    SERVER_CAP_CARD_WAIT,   /* with SERVER_WORD_CARD: what struct process_card describes */
    SERVER_CAP_CARD_REGION, /* a frame of PACKET_REGION_BYTES */
    SERVER_CAP_CARD_SIGNAL,
    SERVER_CAP_FAULT,         /* where its own faults go: to be named when its CSpace changes */
    SERVER_CAP_UNTYPEDS = 32, /* first of the untypeds; archive frames follow */
};
/* Bits of its notification, which no badge of a process has: always the first, and what happened. */
#define SERVER_SIGNAL         (1ul << 63)
#define SERVER_SIGNAL_INPUT   (SERVER_SIGNAL | 1ul << 62) /* the console: input for the program that has the terminal */
#define SERVER_SIGNAL_ENTROPY (SERVER_SIGNAL | 1ul << 61) /* the driver of the random number device: an answer */

enum process_server_word {
    SERVER_WORD_ARCHIVE = 0, /* address of the archive, mapped read-only */
    SERVER_WORD_ARCHIVE_BYTES,
    SERVER_WORD_ARCHIVE_ADDRESS, /* physical */
    SERVER_WORD_UNTYPEDS,        /* number of untypeds */
    SERVER_WORD_ARCHIVE_FRAMES,  /* number of archive frames */
    SERVER_WORD_EMPTY,           /* first free slot */
    SERVER_WORD_DISKS,           /* 1: there are disks */
    SERVER_WORD_ENTROPY,         /* address of a struct entropy_region (proto/entropy.h); 0: no such device */
    SERVER_WORD_CARD,            /* 1: there is a network card */
    SERVER_WORD_TABLE,           /* address of struct server_memory[untypeds + archive frames] */
};

/* What lies in the slots from SERVER_CAP_UNTYPEDS on. */
struct server_memory {
    uint64_t address; /* physical */
    uint64_t size_bits;
};

/* The tracer. Start page words: archive address and bytes. */
enum tracer_capability { TRACER_CAP_ENDPOINT = 8, TRACER_CAP_REPLY };
enum tracer_word { TRACER_WORD_ARCHIVE = 0, TRACER_WORD_ARCHIVE_BYTES };
enum tracer_operation {
    TRACER_REPORT = 1, /* w0 offset of the image in the archive, w1 its bytes, w2 enum fault, w3 fault address,
                          w4 trap kind found by the process server (0 = none), w5 number n of code addresses,
                          w6.. the addresses, innermost first -> w0 bytes, then the text */
};
#define TRACER_FRAMES 32

#endif
