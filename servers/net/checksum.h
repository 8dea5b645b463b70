/* The Internet checksum (RFC 1071), which is most of what TCP costs per byte where the card does not make it. */
#ifndef NET_CHECKSUM_H
#define NET_CHECKSUM_H

#include <stdint.h>

/* Of `count` bytes from anywhere: the sum, folded to 16 bits and not inverted, of words as they lie in memory. */
uint16_t checksum_sum(const void *bytes, int count);

#endif
