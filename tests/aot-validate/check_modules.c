/* Read and validate many modules: the C half of spec_check.py and of comparisons by hand.
 *
 * Standard input has one module a line, "SET PATH", SET being 2, 3, all, threads, legacy or wabt: the language it is
 * read as. For each line one line comes out: "ok", or "malformed", "invalid" or "unsupported" and the error as
 * tessera-aot shows it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm/module.h"

static const char *const result_texts[] = {
    [MODULE_OK] = "ok",
    [MODULE_MALFORMED] = "malformed",
    [MODULE_INVALID] = "invalid",
    [MODULE_UNSUPPORTED] = "unsupported",
    [MODULE_NO_MEMORY] = "no-memory",
};

static unsigned features_find(const char *set)
{
    if (strcmp(set, "2") == 0)
        return FEATURES_WASM_2;
    if (strcmp(set, "3") == 0)
        return FEATURES_WASM_3;
    if (strcmp(set, "threads") == 0)
        return FEATURES_WASM_2 | FEATURE_THREADS;
    if (strcmp(set, "legacy") == 0)
        return FEATURES_WASM_3 | FEATURE_LEGACY_EXCEPTIONS;
    if (strcmp(set, "wabt") == 0) /* what wabt 1.0.32 knows, too */
        return FEATURES_WASM_2 | FEATURE_TAIL_CALL | FEATURE_EXTENDED_CONST | FEATURE_MULTI_MEMORY | FEATURE_MEMORY64 |
               FEATURE_LEGACY_EXCEPTIONS | FEATURE_THREADS;
    if (strcmp(set, "all") == 0)
        return FEATURES_ALL;
    fprintf(stderr, "check_modules: no such set of features: %s\n", set);
    exit(2);
}

/* The file's bytes, in exactly as much memory, so that a sanitizer sees a read beyond them. */
static uint8_t *file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(2);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size ? *size : 1);
    if (!bytes || fread(bytes, 1, *size, file) != *size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    return bytes;
}

static void module_check(const char *set, const char *path)
{
    size_t size;
    uint8_t *bytes = file_read(path, &size);
    struct module module;
    struct module_error error;
    char text[512] = "";
    if (!module_load(bytes, size, features_find(set), &module, &error)) {
        const char *slash = strrchr(path, '/');
        module_error_format(&error, &module, slash ? slash + 1 : path, text, sizeof text);
    }
    printf("%s%s%s\n", result_texts[error.result], text[0] ? " " : "", text);
    fflush(stdout);
    module_free(&module);
    free(bytes);
}

int main(void)
{
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        char *path = strchr(line, ' ');
        if (!path) {
            fprintf(stderr, "check_modules: not \"SET PATH\": %s\n", line);
            return 2;
        }
        *path++ = '\0';
        module_check(line, path);
    }
    return 0;
}
