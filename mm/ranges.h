/* Sets of physical address ranges, for boot. */
#ifndef MM_RANGES_H
#define MM_RANGES_H

#include <arch/platform.h>

/* Shrinks (is_usable) or widens each range to whole pages, sorts them and joins what touches or overlaps. */
void ranges_normalize(struct ranges *ranges, bool is_usable);

/* Takes `holes` out of `ranges`; both normalized. False when the result does not fit. */
bool ranges_subtract(struct ranges *ranges, const struct ranges *holes);

/* The largest power-of-two piece, aligned to its size, at the start of the range: log2 of its bytes, at most
 * `most_bits`; 0 when the range holds less than a page. */
unsigned range_piece_bits(const struct range *range, unsigned most_bits);

#endif
