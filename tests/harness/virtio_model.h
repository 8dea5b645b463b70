/* What a test on the host runs a virtio driver's own source in: a function on PCI with its four structures in one BAR,
 * the driver's start page, chance, and lives of the driver in processes of their own.
 *
 * The driver's system calls come to the test (TESSERA_SYSCALL_MODEL). Queues and features are what the test says.
 */
#ifndef HARNESS_VIRTIO_MODEL_H
#define HARNESS_VIRTIO_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/start.h"

#define MODEL_POOL_BYTES      (1u << 15)
#define MODEL_POOL_PHYSICAL   0x7000000ul
#define MODEL_SHARED_PHYSICAL 0x9000000ul

extern uint8_t model_pool[MODEL_POOL_BYTES]; /* the driver's pool, where it puts its queues */

/* A function that offers `features` in both halves of the word, with the device's own configuration; the pool zeroed.
 */
void model_card_reset(uint32_t features, const void *configuration, uint32_t bytes);
/* The device says that it needs a reset; its own configuration, which may change at any time. */
void model_card_fails(void);
uint8_t *model_card_configuration(void);
/* What the driver is started with; `shared` is its client's region. */
const struct start_page *model_start_page(void *shared, uint32_t shared_bytes);

void model_random_seed(uint64_t seed);
uint64_t model_random(void);

/* Where the device finds what it was given an address of: in the pool, or (if it may be) in the shared region from
 * `shared_from` on. Anything else fails the test. */
uint8_t *model_physical(uint64_t address, uint64_t bytes, bool may_be_shared, uint32_t shared_from);
_Noreturn void model_fail(const char *what);

/* Runs rounds 0 to `rounds` - 1, each in a process of its own: a driver's state is static. False: one failed. */
bool model_rounds(unsigned long rounds, void (*run)(unsigned long round));
/* Zeroed memory that rounds share. */
void *model_shared_new(uint64_t bytes);

#endif
