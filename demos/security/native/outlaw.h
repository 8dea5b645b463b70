/* Deeds of a hostile native program. Each machine's file ends its list with the deeds that only it knows.
 *
 * A deed that must not succeed is expected to be stopped by a fault; should it return, the program ends with the
 * exit status OUTLAW_ESCAPED, which the warden takes for a failure of the system.
 */
#ifndef DEMOS_SECURITY_NATIVE_OUTLAW_H
#define DEMOS_SECURITY_NATIVE_OUTLAW_H

#include <stdbool.h>
#include <stdint.h>

enum outcome {
    MUST_FAULT,  /* the program is killed */
    MUST_RETURN, /* the deed has no effect: it returns 0 */
    MAY_FAULT,   /* either; what counts is that nobody else notices */
    NO_DEED = 100
};

#define OUTLAW_ESCAPED 99

struct deed {
    const char *name;
    enum outcome outcome;
    /* Returns 0 when the deed had no effect, anything else when it had. */
    int (*run)(uint64_t argument);
    uint64_t argument;
};

extern const struct deed machine_deeds[];
extern const unsigned machine_deed_count;

/* Addresses that only the kernel may use. */
extern const uint64_t kernel_addresses[];
extern const unsigned kernel_address_count;

/* Calls an address. */
int jump_to(uint64_t address);

#endif
