/* Read and validate many modules: the C half of spec_check.py and of comparisons by hand.
 *
 * Standard input has one module a line, "SET PATH", SET being the language that it is read
 * as (languages.h). For each line one line comes out: "ok", or "malformed", "invalid" or "unsupported" and the error as
 * tessera-aot shows it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_bytes.h"
#include "languages.h"

static const char *const result_texts[] = {
    [MODULE_OK] = "ok",
    [MODULE_MALFORMED] = "malformed",
    [MODULE_INVALID] = "invalid",
    [MODULE_UNSUPPORTED] = "unsupported",
    [MODULE_NO_MEMORY] = "no-memory",
};

static unsigned features_find(const char *set)
{
    const struct language *language = language_find(set);
    if (language)
        return language->features;
    fprintf(stderr, "check_modules: no such set of features: %s\n", set);
    exit(2);
}

static void module_check(const char *set, const char *path)
{
    size_t size;
    uint8_t *bytes = file_bytes(path, &size);
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
