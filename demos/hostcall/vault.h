/* The functions that the hostcall server provides, as operation numbers with their arguments and results.
 *
 * Integers travel as their little-endian bytes. A status other than 0 comes without a result.
 */
#ifndef DEMOS_HOSTCALL_VAULT_H
#define DEMOS_HOSTCALL_VAULT_H

#define VAULT_SERVICE  "vault"
#define VAULT_NOTE_MAX 256

enum vault_operation {
    VAULT_ADD = 1,     /* two uint64_t -> their sum modulo 2^64 */
    VAULT_REVERSE = 2, /* bytes -> the same bytes, last first */
    VAULT_SORT = 3,    /* uint32_t values -> the same values in ascending order */
    VAULT_WHO = 4,     /* nothing -> uint64_t, the caller's identity as the system reports it */
    VAULT_PUT = 5,     /* bytes, at most VAULT_NOTE_MAX -> nothing; becomes the caller's note */
    VAULT_GET = 6,     /* nothing -> the caller's note */
    VAULT_GET_OF = 7,  /* uint64_t, the identity that the caller claims -> that client's note */
    VAULT_DONE = 8,    /* nothing -> nothing; the caller will not call again */
};

enum vault_status {
    VAULT_BAD_REQUEST = 256, /* wrong length for the operation */
    VAULT_NO_NOTE,           /* the caller has not put one */
    VAULT_NOT_YOURS,         /* VAULT_GET_OF an identity that is not the caller's */
    VAULT_FULL,              /* more clients than the server has room for */
};

#endif
