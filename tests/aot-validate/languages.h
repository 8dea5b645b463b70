/* The sets of features that modules of tests are read with, by name. */
#ifndef TESSERA_TESTS_LANGUAGES_H
#define TESSERA_TESTS_LANGUAGES_H

#include <stddef.h>
#include <string.h>

#include "wasm/module.h"

static const struct language {
    const char *name;
    unsigned features;
} languages[] = {
    {"2", FEATURES_WASM_2},
    {"3", FEATURES_WASM_3},
    {"threads", FEATURES_WASM_2 | FEATURE_THREADS},
    {"legacy", FEATURES_WASM_3 | FEATURE_LEGACY_EXCEPTIONS},
    /* What wabt 1.0.32 knows, too. */
    {"wabt", FEATURES_WASM_2 | FEATURE_TAIL_CALL | FEATURE_EXTENDED_CONST | FEATURE_MULTI_MEMORY | FEATURE_MEMORY64 |
                 FEATURE_LEGACY_EXCEPTIONS | FEATURE_THREADS},
    {"all", FEATURES_ALL},
};

/* Null when there is none of this name. */
static inline const struct language *language_find(const char *name)
{
    for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++) {
        if (strcmp(languages[i].name, name) == 0)
            return &languages[i];
    }
    return NULL;
}

#endif
