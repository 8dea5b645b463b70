/* A mix in CoreMark's manner: a linked list that is searched, reversed and sorted, small integer matrices, and a state
 * machine that tells kinds of numbers apart; a CRC of 16 bits runs over all results. */
#include "harness.h"

enum { ITEMS = 80, SIDE = 16, TEXT = 1024, REPEATS = 100 };

const struct benchmark benchmark = {.name = "coremark", .rounds = 560, .checksum = 0x7da6};

static uint16_t crc16(uint16_t crc, uint32_t value, int bits)
{
    for (int i = 0; i < bits; i++, value >>= 1) {
        uint16_t carry = (uint16_t)((crc ^ value) & 1);
        crc = (uint16_t)(crc >> 1 ^ (carry ? 0xa001 : 0));
    }
    return crc;
}

/* ---- the list ---- */

struct item {
    struct item *next;
    int16_t value, position;
};

static struct item items[ITEMS];

static struct item *list_make(uint32_t seed)
{
    for (int i = 0; i < ITEMS; i++)
        items[i] =
            (struct item){i + 1 < ITEMS ? &items[i + 1] : NULL, (int16_t)(bench_random(&seed) & 0x7fff), (int16_t)i};
    return items;
}

static struct item *list_find(struct item *list, int16_t value)
{
    while (list && (list->value & 0xff) != value)
        list = list->next;
    return list;
}

static struct item *list_reverse(struct item *list)
{
    struct item *reversed = NULL;
    while (list) {
        struct item *next = list->next;
        list->next = reversed;
        reversed = list;
        list = next;
    }
    return reversed;
}

typedef int item_compare(const struct item *a, const struct item *b);

static int compare_values(const struct item *a, const struct item *b)
{
    return a->value - b->value;
}

static int compare_positions(const struct item *a, const struct item *b)
{
    return a->position - b->position;
}

static struct item *list_merge(struct item *a, struct item *b, item_compare *compare)
{
    struct item *merged = NULL, **end = &merged;
    while (a && b) {
        struct item **lower = compare(a, b) <= 0 ? &a : &b;
        *end = *lower;
        end = &(*end)->next;
        *lower = *end;
    }
    *end = a ? a : b;
    return merged;
}

BENCH_NOINLINE static struct item *list_sort(struct item *list, item_compare *compare)
{
    if (!list || !list->next)
        return list;
    struct item *middle = list;
    for (struct item *end = list->next; end && end->next; end = end->next->next)
        middle = middle->next;
    struct item *second = middle->next;
    middle->next = NULL;
    return list_merge(list_sort(list, compare), list_sort(second, compare), compare);
}

BENCH_NOINLINE static uint16_t run_list(struct item *list, uint16_t crc)
{
    for (int16_t value = 0; value < 32; value++) {
        struct item *found = list_find(list, value);
        if (found)
            crc = crc16(crc, (uint32_t)found->position, 16);
        list = list_reverse(list);
    }
    list = list_sort(list, compare_values);
    for (struct item *item = list; item; item = item->next)
        crc = crc16(crc, (uint32_t)item->value, 16);
    list_sort(list, compare_positions);
    return crc;
}

/* ---- matrices ---- */

static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];

static void matrix_make(uint32_t seed)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            left[i][j] = (int16_t)(bench_random(&seed) % 200 - 100);
            right[i][j] = (int16_t)(bench_random(&seed) % 200 - 100);
        }
}

BENCH_NOINLINE static void matrix_add(int16_t m[SIDE][SIDE], int16_t value)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            m[i][j] = (int16_t)(m[i][j] + value);
}

BENCH_NOINLINE static void matrix_multiply(int32_t to[SIDE][SIDE], int16_t a[SIDE][SIDE], int16_t b[SIDE][SIDE])
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            to[i][j] = 0;
            for (int k = 0; k < SIDE; k++)
                to[i][j] += (int32_t)a[i][k] * b[k][j];
        }
}

/* Every product's bits 2 to 5 by its bits 5 to 11. */
BENCH_NOINLINE static void matrix_multiply_bits(int32_t to[SIDE][SIDE], int16_t a[SIDE][SIDE], int16_t b[SIDE][SIDE])
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            to[i][j] = 0;
            for (int k = 0; k < SIDE; k++) {
                int32_t value = (int32_t)a[i][k] * b[k][j];
                to[i][j] += (value >> 2 & 15) * (value >> 5 & 127);
            }
        }
}

/* Sums what grows; a sum beyond the limit starts anew. */
BENCH_NOINLINE static int32_t matrix_sum(int32_t m[SIDE][SIDE], int32_t limit)
{
    int32_t sum = 0, result = 0, before = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t now = m[i][j];
            sum += now;
            result += sum > limit ? 10 : now > before;
            sum = sum > limit ? 0 : sum;
            before = now;
        }
    return result;
}

BENCH_NOINLINE static uint16_t run_matrix(int16_t value, uint16_t crc)
{
    matrix_add(left, value);
    matrix_multiply(product, left, right);
    crc = crc16(crc, (uint32_t)matrix_sum(product, 1000), 16);
    matrix_multiply_bits(product, left, right);
    crc = crc16(crc, (uint32_t)matrix_sum(product, 1000), 16);
    matrix_add(left, (int16_t)-value);
    return crc;
}

/* ---- the state machine ---- */

enum state { START, SIGN, INTEGER, POINT, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, INVALID, STATES };

static uint8_t text[TEXT];

static void text_make(uint32_t seed)
{
    static const char *const samples[] = {"5012",     "1234",     "-874",     "+122",     "35.54400", ".1234500",
                                          "-110.700", "+0.64400", "5.500e+3", "-.123e-2", "-87e+832", "+0.6e-12",
                                          "T0.3e-1F", "-T.T++Tq", "1T3.4e4z", "34.0e-T^"};
    size_t used = 0;
    for (;;) {
        const char *sample = samples[bench_random(&seed) % 16];
        size_t length = 0;
        while (sample[length])
            length++;
        if (used + length + 2 > TEXT)
            break;
        for (size_t i = 0; i < length; i++)
            text[used++] = (uint8_t)sample[i];
        text[used++] = ',';
    }
    while (used < TEXT)
        text[used++] = 0;
}

static int is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static int is_sign(uint8_t c)
{
    return c == '+' || c == '-';
}

static enum state state_next(enum state state, uint8_t c)
{
    switch (state) {
    case START:
        return is_digit(c) ? INTEGER : is_sign(c) ? SIGN : c == '.' ? POINT : INVALID;
    case SIGN:
        return is_digit(c) ? INTEGER : c == '.' ? POINT : INVALID;
    case INTEGER:
        return is_digit(c) ? INTEGER : c == '.' ? POINT : INVALID;
    case POINT:
        return is_digit(c) ? POINT : c == 'e' || c == 'E' ? EXPONENT : INVALID;
    case EXPONENT:
        return is_sign(c) ? EXPONENT_SIGN : INVALID;
    case EXPONENT_SIGN:
    case SCIENTIFIC:
        return is_digit(c) ? SCIENTIFIC : INVALID;
    default:
        return INVALID;
    }
}

/* Ends behind the comma, or at the terminator. */
static enum state state_scan(const uint8_t **next, uint32_t transitions[STATES])
{
    enum state state = START;
    for (; **next; (*next)++) {
        if (**next == ',') {
            (*next)++;
            break;
        }
        if (state == INVALID)
            continue;
        enum state before = state;
        state = state_next(state, **next);
        transitions[before] += state != before;
    }
    return state;
}

BENCH_NOINLINE static uint16_t run_states(uint8_t step, uint16_t crc)
{
    uint32_t transitions[STATES] = {0}, ends[STATES] = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (const uint8_t *next = text; *next;)
            ends[state_scan(&next, transitions)]++;
        for (int i = 0; i < TEXT && text[i]; i += step) /* damages the text, then repairs it */
            if (text[i] != ',')
                text[i] ^= 1;
    }
    for (int i = 0; i < STATES; i++)
        crc = crc16(crc16(crc, transitions[i], 32), ends[i], 32);
    return crc;
}

/* ---- the mix ---- */

uint32_t benchmark_round(void)
{
    uint16_t crc = 0;
    struct item *list = list_make(5);
    matrix_make(11);
    text_make(17);
    for (int i = 0; i < REPEATS; i++) {
        crc = run_list(list, crc);
        crc = run_matrix((int16_t)(i & 31), crc);
        crc = run_states((uint8_t)(7 + i % 13), crc);
    }
    return crc;
}
