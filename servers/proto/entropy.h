/* What the process server and the driver of a random number device share: one page.
 *
 * The process server counts `asked` up and signals the driver; the driver fills `bytes`, sets `given` to what it read
 * in `asked`, and signals back. Then they are the process server's, which wipes them. FAILED: the device is of no use,
 * and nothing will come any more.
 */
#ifndef PROTO_ENTROPY_H
#define PROTO_ENTROPY_H

#include <stdint.h>

#define ENTROPY_REGION_BYTES 4096u
#define ENTROPY_BYTES        64u
#define ENTROPY_FAILED       1u

struct entropy_region {
    _Atomic uint32_t asked; /* written by the process server */
    uint32_t pad0[15];
    _Atomic uint32_t given; /* written by the driver */
    _Atomic uint32_t flags;
    uint32_t pad1[14];
    uint8_t bytes[ENTROPY_BYTES];
};
_Static_assert(sizeof(struct entropy_region) <= ENTROPY_REGION_BYTES, "one page");

#endif
