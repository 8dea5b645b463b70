/* Runs wasm-opt; binaryen.h has the contract. */
#include "binaryen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"

/* What Debian's Binaryen 108 knows of the language that we translate. */
static const char *const words[] = {"wasm-opt",
                                    "-O2",
                                    "-g",
                                    "--enable-sign-ext",
                                    "--enable-mutable-globals",
                                    "--enable-nontrapping-float-to-int",
                                    "--enable-bulk-memory",
                                    "--enable-simd",
                                    "--enable-relaxed-simd",
                                    "--enable-reference-types",
                                    "--enable-multivalue",
                                    "--enable-tail-call",
                                    "--enable-extended-const",
                                    "--enable-exception-handling",
                                    "--enable-threads",
                                    "--enable-memory64"};

enum { WORDS = sizeof words / sizeof words[0], NOT_RUN = 127 };

static bool run(const char *input, const char *output)
{
    const char *arguments[WORDS + 4];
    memcpy(arguments, words, sizeof words);
    arguments[WORDS] = input;
    arguments[WORDS + 1] = "-o";
    arguments[WORDS + 2] = output;
    arguments[WORDS + 3] = NULL;
    fflush(NULL);
    pid_t child = cleanup_fork();
    if (child == 0) {
        execvp("wasm-opt", (char **)arguments);
        fprintf(stderr, "tessera-aot: wasm-opt cannot be run: %s (Debian package binaryen)\n", strerror(errno));
        _exit(NOT_RUN);
    }
    int status = 1;
    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    if (child < 0)
        fprintf(stderr, "tessera-aot: cannot start wasm-opt: %s\n", strerror(errno));
    else if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != NOT_RUN))
        fprintf(stderr, "tessera-aot: wasm-opt did not take the module\n");
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static uint8_t *optimise_in(const char *folder, const uint8_t *bytes, size_t size, size_t *optimised_size)
{
    char *input = format_text("%s/in.wasm", folder), *output = format_text("%s/out.wasm", folder);
    uint8_t *optimised = NULL;
    if (!write_file(input, bytes, size, false))
        fprintf(stderr, "%s: %s\n", input, strerror(errno));
    else if (run(input, output) && !(optimised = read_file(output, optimised_size)))
        fprintf(stderr, "%s: %s\n", output, strerror(errno));
    unlink(input);
    unlink(output);
    free(input);
    free(output);
    return optimised;
}

uint8_t *binaryen_optimise(const uint8_t *bytes, size_t size, size_t *optimised_size)
{
    const char *place = getenv("TMPDIR");
    char *folder = format_text("%s/tessera-aot.XXXXXX", place && place[0] ? place : "/tmp");
    uint8_t *optimised = NULL;
    if (cleanup_make_folder(folder)) {
        optimised = optimise_in(folder, bytes, size, optimised_size);
        cleanup_remove_folder(folder);
    } else {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
    }
    free(folder);
    return optimised;
}
