/* Put before a server's source (-include): it dies at a moment of chance, again and again. Each of its lives has its
 * own number of steps, of which many lie between any two messages; what is taken for chance are the timer's low bits.
 */
#ifndef TESTS_SERVERS_FAULTY_H
#define TESTS_SERVERS_FAULTY_H

#include <stdatomic.h>

#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/uart.h"

/* FAULTY_LEAST, FAULTY_RANGE: a life's steps are the least and up to so many more. */

static inline void faulty_step(void)
{
    static uint64_t life, steps;
    if (life == 0)
        life = FAULTY_LEAST + clock_ticks() / 7 % FAULTY_RANGE;
    if (++steps == life)
        __builtin_trap();
}

#define FAULTY(call)             (faulty_step(), call)
#define syscall_recv(...)        FAULTY(syscall_recv(__VA_ARGS__))
#define syscall_reply_recv(...)  FAULTY(syscall_reply_recv(__VA_ARGS__))
#define notification_signal(...) FAULTY(notification_signal(__VA_ARGS__))
#define notification_wait(...)   FAULTY(notification_wait(__VA_ARGS__))
#define message_get(...)         FAULTY(message_get(__VA_ARGS__))
#define message_put(...)         FAULTY(message_put(__VA_ARGS__))
#define uart_put(...)            FAULTY(uart_put(__VA_ARGS__))
#undef atomic_load_explicit
#ifdef __clang__ /* the analysers: what stdatomic.h has there */
#define atomic_load_explicit(at, order) FAULTY(__c11_atomic_load(at, order))
#else
#define atomic_load_explicit(at, order) FAULTY(__atomic_load_n(at, order))
#endif

#endif
