/* See ranges.h. */
#include <mm/ranges.h>

static paddr page_down(paddr address)
{
    return address & ~(PAGE_BYTES - 1);
}

static paddr page_up(paddr address)
{
    return address > UINT64_MAX - PAGE_BYTES ? page_down(UINT64_MAX) : page_down(address + PAGE_BYTES - 1);
}

static void ranges_sort(struct ranges *ranges)
{
    for (unsigned i = 1; i < ranges->count; i++) {
        struct range range = ranges->range[i];
        unsigned place = i;
        for (; place > 0 && ranges->range[place - 1].start > range.start; place--)
            ranges->range[place] = ranges->range[place - 1];
        ranges->range[place] = range;
    }
}

void ranges_normalize(struct ranges *ranges, bool is_usable)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ranges->count; i++) {
        struct range *range = &ranges->range[i];
        range->start = is_usable ? page_up(range->start) : page_down(range->start);
        range->end = is_usable ? page_down(range->end) : page_up(range->end);
        if (range->start < range->end)
            ranges->range[count++] = *range;
    }
    ranges->count = count;
    ranges_sort(ranges);
    count = 0;
    for (unsigned i = 0; i < ranges->count; i++) {
        struct range range = ranges->range[i];
        if (count > 0 && range.start <= ranges->range[count - 1].end) {
            if (range.end > ranges->range[count - 1].end)
                ranges->range[count - 1].end = range.end;
        } else {
            ranges->range[count++] = range;
        }
    }
    ranges->count = count;
}

bool ranges_subtract(struct ranges *ranges, const struct ranges *holes)
{
    struct ranges result = {0};
    for (unsigned i = 0; i < ranges->count; i++) {
        struct range rest = ranges->range[i];
        for (unsigned j = 0; j < holes->count && rest.start < rest.end; j++) {
            const struct range *hole = &holes->range[j];
            if (hole->end <= rest.start || hole->start >= rest.end)
                continue;
            if (!ranges_add(&result, rest.start, hole->start))
                return false;
            rest.start = hole->end;
        }
        if (!ranges_add(&result, rest.start, rest.end))
            return false;
    }
    *ranges = result;
    return true;
}

unsigned range_piece_bits(const struct range *range, unsigned most_bits)
{
    if (range->end <= range->start || range->end - range->start < PAGE_BYTES)
        return 0;
    unsigned bits = 63 - (unsigned)__builtin_clzl(range->end - range->start);
    if (range->start != 0 && (unsigned)__builtin_ctzl(range->start) < bits)
        bits = (unsigned)__builtin_ctzl(range->start);
    if (bits > most_bits)
        bits = most_bits;
    return bits < PAGE_BITS ? 0 : bits;
}
