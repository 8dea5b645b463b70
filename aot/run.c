/* Runs an image on this host; run.h has the contract. The program's folders are open files that it inherits;
 * runtime/linux/wasi_files.c finds them by variables of the environment, TESSERA_DIRECTORY_<descriptor>=<name>. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "image/image.h"
#include "memory.h"

#define PAGE_BYTES 4096

bool host_maps_page_zero(void)
{
    void *page = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (page == MAP_FAILED)
        return false;
    munmap(page, PAGE_BYTES);
    return true;
}

bool is_executable_image(const char *file)
{
    char magic[4] = {0};
    FILE *stream = fopen(file, "rb");
    bool is_elf = stream && fread(magic, 1, sizeof magic, stream) == sizeof magic && memcmp(magic, "\177ELF", 4) == 0;
    if (stream)
        fclose(stream);
    return is_elf;
}

/* The words of a command or an environment, NULL at the end. */
struct words {
    char **list;
    unsigned count;
};

static void add(struct words *words, char *word)
{
    words->list = reallocate(words->list, words->count + 2, sizeof *words->list);
    words->list[words->count++] = word;
    words->list[words->count] = NULL;
}

static void words_free(struct words *words)
{
    for (unsigned i = 0; i < words->count; i++)
        free(words->list[i]);
    free(words->list);
}

/* The platform library that an image was linked with, seen from its functions. */
static bool is_for_linux(const struct image *image)
{
    for (uint32_t i = 0; i < image->function_count; i++) {
        const struct image_function *function = &image->functions[i];
        const char *name = image->function_names + (function->name & ~IMAGE_FUNCTION_NATIVE);
        if ((function->name & IMAGE_FUNCTION_NATIVE) && strcmp(name, "linux_start") == 0)
            return true;
    }
    return false;
}

bool image_find_target(const char *file, enum target *target)
{
    static const uint32_t machines[] = {[TARGET_X86_64] = IMAGE_MACHINE_X86_64, [TARGET_ARM64] = IMAGE_MACHINE_ARM64};
    struct image image;
    size_t size, place;
    uint8_t *bytes = read_file(file, &size);
    if (!bytes) {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        return false;
    }
    const char *problem = "neither a module nor a program image";
    for (unsigned i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        if (image_check(bytes, size, machines[i], &image, &place) != IMAGE_OK)
            continue;
        problem = is_for_linux(&image) ? NULL : "an image for Tessera: this host can run its module";
        *target = (enum target)i;
    }
    free(bytes);
    if (problem)
        fprintf(stderr, "%s: %s\n", file, problem);
    return !problem;
}

/* Images for another machine go through QEMU's user emulation. */
static bool is_foreign(enum target target)
{
    struct utsname host;
    const char *machine = target == TARGET_ARM64 ? "aarch64" : "x86_64";
    return uname(&host) == 0 && strcmp(host.machine, machine) != 0;
}

static struct words make_command(const struct options *options, const char *image, enum target target)
{
    struct words words = {0};
    const char *slash = strrchr(options->input, '/'), *name = slash ? slash + 1 : options->input;
    if (is_foreign(target)) {
        add(&words, copy_text(target == TARGET_ARM64 ? "qemu-aarch64-static" : "qemu-x86_64-static"));
        add(&words, copy_text("-0"));
        add(&words, copy_text(name));
        add(&words, copy_text(image));
    } else {
        add(&words, copy_text(name));
    }
    for (unsigned i = 0; i < options->argument_count; i++)
        add(&words, copy_text(options->arguments[i]));
    return words;
}

/* False: said which folder cannot be opened. */
static bool make_environment(const struct options *options, struct words *words)
{
    words->list = allocate(1, sizeof *words->list);
    for (unsigned i = 0; i < options->directory_count; i++) {
        const struct link_option *directory = &options->directories[i];
        int descriptor = open(directory->file, O_RDONLY | O_DIRECTORY);
        if (descriptor < 0) {
            fprintf(stderr, "%s: %s\n", directory->file, strerror(errno));
            return false;
        }
        add(words, format_text("TESSERA_DIRECTORY_%d=%s", descriptor, directory->name));
    }
    for (unsigned i = 0; i < options->environment_count; i++)
        add(words, copy_text(options->environment[i]));
    return true;
}

/* What is typed at the terminal is for the program. */
static int await(pid_t child)
{
    int status;
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_image(const struct options *options, const char *image, enum target target)
{
    struct words command = make_command(options, image, target), environment = {0};
    int status = 1;
    fflush(NULL);
    pid_t child = make_environment(options, &environment) ? cleanup_fork() : -2;
    if (child == 0) {
        const char *file = is_foreign(target) ? command.list[0] : image;
        if (is_foreign(target))
            execvpe(file, command.list, environment.list);
        else
            execve(file, command.list, environment.list);
        fprintf(stderr, "tessera-aot: %s cannot be run: %s%s\n", file, strerror(errno),
                is_foreign(target) ? " (Debian package qemu-user-static)" : "");
        _exit(1);
    }
    if (child == -1)
        fprintf(stderr, "tessera-aot: cannot start the program: %s\n", strerror(errno));
    else if (child > 0)
        status = await(child);
    words_free(&command);
    words_free(&environment);
    return status;
}
