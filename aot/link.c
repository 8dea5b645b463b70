/* Runs ld.lld with the program's linker script; link.h has the contract. */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"

/* aot/image/program.ld, within this program (script.S). */
extern const char program_script[], program_script_end[];

static bool has_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text), wanted = strlen(suffix);
    return length >= wanted && strcmp(text + length - wanted, suffix) == 0;
}

/* Waits for the linker and says how it ended. */
static bool await(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    if (WIFSIGNALED(status))
        fprintf(stderr, "tessera-aot: the linker was ended by signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run_linker(char **arguments)
{
    fflush(NULL);
    pid_t child = cleanup_fork();
    if (child < 0) {
        fprintf(stderr, "tessera-aot: cannot start the linker: %s\n", strerror(errno));
        return false;
    }
    if (child == 0) {
        execvp("ld.lld-19", arguments);
        execvp("ld.lld", arguments);
        fprintf(stderr, "tessera-aot: neither ld.lld-19 nor ld.lld can be run: %s (Debian package lld-19)\n",
                strerror(errno));
        _exit(127);
    }
    return await(child);
}

uint8_t *link_run(const struct link_input *input, size_t *size)
{
    char *script = format_text("%s/program.ld", input->folder), *output = format_text("%s/linked", input->folder);
    char *start = input->start ? format_text("--defsym=wasm_export__start=%s", input->start) : NULL;
    char **arguments = allocate(3 * (size_t)input->file_count + 32, sizeof *arguments);
    unsigned count = 0;
    const char *fixed[] = {"ld.lld",
                           "-static",
                           "-nostdlib",
                           "--build-id=none",
                           "--no-undefined",
                           "--fatal-warnings",
                           "-z",
                           "noexecstack",
                           "-z",
                           "max-page-size=4096",
                           "--gc-sections",
                           "--eh-frame-hdr",
                           "--orphan-handling=error",
                           "-m",
                           input->target == TARGET_ARM64 ? "aarch64elf" : "elf_x86_64",
                           "-T",
                           script,
                           "-o",
                           output};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        arguments[count++] = (char *)fixed[i];
    if (start)
        arguments[count++] = start;
    for (unsigned i = 0; i < input->file_count; i++) {
        bool is_blob = has_suffix(input->files[i], ".blob");
        if (is_blob)
            arguments[count++] = "--format=binary";
        arguments[count++] = input->files[i];
        if (is_blob)
            arguments[count++] = "--format=default";
    }
    uint8_t *linked = NULL;
    if (!write_file(script, program_script, (size_t)(program_script_end - program_script), false))
        fprintf(stderr, "tessera-aot: %s: %s\n", script, strerror(errno));
    else if (run_linker(arguments) && !(linked = read_file(output, size)))
        fprintf(stderr, "tessera-aot: %s: %s\n", output, strerror(errno));
    unlink(script);
    unlink(output);
    free(arguments);
    free(start);
    free(script);
    free(output);
    return linked;
}
