/* A client of the hostcall server: calls each function and checks the result, keeps a note that other clients
 * rewrite theirs beside, and tries to pass for somebody else. The argument is the client's own name.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <tessera.h>

#include "demos/lib/check.h"
#include "vault.h"

enum { ROUNDS = 200, IDENTITIES_TRIED = 256 };

static uint32_t vault;
static uint8_t out[TESSERA_MESSAGE_MAX];
static uint32_t out_len;

static int call(uint32_t operation, const void *in, size_t in_len)
{
    memset(out, 0xee, sizeof(out));
    out_len = UINT32_MAX;
    return tessera_service_call(vault, operation, in, (uint32_t)in_len, out, sizeof(out), &out_len);
}

static uint64_t out_u64(void)
{
    uint64_t value = 0;
    if (out_len == sizeof(value))
        memcpy(&value, out, sizeof(value));
    return value;
}

static void check_functions(struct check *check)
{
    uint64_t terms[2] = {UINT64_MAX, 43};
    uint32_t values[5] = {9, 1, 4294967295u, 0, 4}, sorted[5] = {0, 1, 4, 9, 4294967295u};
    static uint8_t large[TESSERA_MESSAGE_MAX];
    bool reversed = true;

    check_u64(check, "ADD answers", 0, (uint64_t)call(VAULT_ADD, terms, sizeof(terms)));
    check_u64(check, "2^64-1 + 43", 42, out_u64());
    check_u64(check, "SORT answers", 0, (uint64_t)call(VAULT_SORT, values, sizeof(values)));
    check_true(check, "five values in order", out_len == sizeof(sorted) && memcmp(out, sorted, sizeof(sorted)) == 0);
    check_u64(check, "REVERSE of nothing", 0, (uint64_t)call(VAULT_REVERSE, NULL, 0));
    check_u64(check, "is nothing", 0, out_len);
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (uint8_t)(i * 7 + i / 256);
    check_u64(check, "REVERSE of the longest message", 0, (uint64_t)call(VAULT_REVERSE, large, sizeof(large)));
    for (size_t i = 0; i < sizeof(large); i++)
        reversed = reversed && out[i] == large[sizeof(large) - 1 - i];
    check_true(check, "each of 4096 bytes is in its place", reversed && out_len == sizeof(large));
}

static void check_errors(struct check *check)
{
    static uint8_t too_long[TESSERA_MESSAGE_MAX + 1];
    uint8_t small[4] = {1, 2, 3, 4};
    uint32_t len = 0;
    check_u64(check, "unknown operation: ENOTSUP", TESSERA_ENOTSUP, (uint64_t)call(12345, NULL, 0));
    check_u64(check, "ADD of one byte: the server's own status", VAULT_BAD_REQUEST, (uint64_t)call(VAULT_ADD, "x", 1));
    check_u64(check, "request one byte too long: EMSGSIZE", TESSERA_EMSGSIZE,
              (uint64_t)call(VAULT_REVERSE, too_long, sizeof(too_long)));
    check_u64(check, "reply longer than the room: EMSGSIZE", TESSERA_EMSGSIZE,
              (uint64_t)tessera_service_call(vault, VAULT_REVERSE, "abcdef", 6, small, 4, &len));
    check_u64(check, "its length is told", 6, len);
    check_u64(check, "nothing was stored", 0x04030201,
              (uint64_t)small[0] | small[1] << 8 | small[2] << 16 | small[3] << 24);
    check_u64(check, "a handle that was never given: EBADF", TESSERA_EBADF,
              (uint64_t)tessera_service_call(vault + 1000, VAULT_WHO, NULL, 0, out, sizeof(out), &len));
}

/* Every round writes another note and finds it, although other clients write theirs meanwhile. */
static void check_notes(struct check *check, const char *name)
{
    char note[64];
    unsigned mine = 0;
    check_u64(check, "no note at first", VAULT_NO_NOTE, (uint64_t)call(VAULT_GET, NULL, 0));
    for (unsigned round = 0; round < ROUNDS; round++) {
        int len = snprintf(note, sizeof(note), "%s's note number %u", name, round);
        if (call(VAULT_PUT, note, (size_t)len) == 0 && call(VAULT_GET, NULL, 0) == 0 && out_len == (uint32_t)len &&
            memcmp(out, note, (size_t)len) == 0)
            mine++;
    }
    check_u64(check, "rounds in which the note was mine", ROUNDS, mine);
}

/* Claims identities in the message itself: only the one that the system vouches for is believed. */
static void check_identity(struct check *check)
{
    unsigned believed = 0, refused = 0;
    check_u64(check, "WHO answers", 0, (uint64_t)call(VAULT_WHO, NULL, 0));
    uint64_t self = out_u64();
    check_true(check, "an identity that is not 0", self != 0);
    for (uint64_t i = 0; i < IDENTITIES_TRIED; i++) {
        uint64_t claimed = self - IDENTITIES_TRIED / 2 + i;
        int status = call(VAULT_GET_OF, &claimed, sizeof(claimed));
        believed += status == 0 && claimed == self;
        refused += status == VAULT_NOT_YOURS && claimed != self;
    }
    check_u64(check, "own identity believed", 1, believed);
    check_u64(check, "claimed identities refused", IDENTITIES_TRIED - 1, refused);
    call(VAULT_WHO, NULL, 0);
    check_u64(check, "still the same identity", self, out_u64());
}

int main(int argc, char **argv)
{
    struct check check = {0};
    const char *name = argc > 1 ? argv[1] : "client";
    int error = tessera_service_open(VAULT_SERVICE, strlen(VAULT_SERVICE), &vault);
    if (error != 0) {
        printf("%s: open service '%s': errno %d\n", name, VAULT_SERVICE, error);
        return 1;
    }
    check_group(&check, name);
    check_functions(&check);
    check_errors(&check);
    check_notes(&check, name);
    check_identity(&check);
    check_u64(&check, "DONE answers", 0, (uint64_t)call(VAULT_DONE, NULL, 0));
    return check_finish(&check, name);
}
