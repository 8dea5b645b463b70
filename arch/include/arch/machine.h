/* The arch contract, 7: console, power, caches, ports. */
#ifndef ARCH_MACHINE_H
#define ARCH_MACHINE_H

#include <arch/types.h>

/* Polled; '\n' is sent as "\r\n". Works as early as the machine can and does nothing where there is no console. */
void arch_console_put(char c);

/* status 0..100 leaves an emulator as its exit status where there is a way (isa-debug-exit, semihosting), else the
 * machine is switched off. Boot failures and panics leave with a status that is not 0. */
_Noreturn void arch_power_off(unsigned status);
_Noreturn void arch_power_reset(void);

/* Kernel addresses of ordinary memory. */
void arch_cache_clean(const void *start, size_t bytes); /* clean + invalidate to the point of coherency */
void arch_cache_sync_code(const void *start,
                          size_t bytes); /* data to the point of unification, instruction caches off */

/* x86-64 ports: bytes is 1, 2 or 4, checked. arm64 answers ERROR_ILLEGAL_OPERATION. */
enum error arch_port_in(uint16_t port, unsigned bytes, uint32_t *value);
enum error arch_port_out(uint16_t port, unsigned bytes, uint32_t value);

/* Has the machine ports and so an IOPortControl? */
bool arch_has_ports(void);

/* 256 bits from the CPU or zero. */
void arch_random(uint64_t seed[4]);

#endif
