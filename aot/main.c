/* tessera-aot: from a WebAssembly module to a native program.
 *
 * The passes, in order, are those of translate(): load (read and validate), link (resolve imports),
 * then for each part of the program (parts.h) lower, optimise and generate, in several processes, at last join
 * everything to an image. Each pass prints its own first error; any error ends the process with status 1 and leaves
 * no output. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "codegen.h"
#include "entry.h"
#include "image/image_write.h"
#include "link.h"
#include "lower/lower.h"
#include "memory.h"
#include "options.h"
#include "parallel.h"
#include "parts.h"
#include "program.h"
#include "run.h"

/* What a program's stack gets unless it is told otherwise. */
#define STACK_BYTES (1024ull * 1024)

struct translation {
    const struct options *options;
    struct program program;
    struct entry entry;
    struct codegen codegen;
    struct part_list parts;
    unsigned *job_ends; /* the parts that a process does one after the other end before this one */
    unsigned job_count;
    char *folder; /* intermediate files; NULL when none are needed */
    char **objects;
    unsigned object_count;
    double pass_started;
    bool shows_progress;
    bool is_child; /* one of several processes, which ends after its parts */
};

/* ---- progress ---- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pass_begin(struct translation *translation, const char *pass, const char *name)
{
    translation->pass_started = now();
    if (translation->shows_progress)
        fprintf(stderr, "\r\033[K%s %s", pass, name);
}

static void pass_end(struct translation *translation, const char *pass, const char *name)
{
    if (translation->shows_progress)
        fprintf(stderr, "\r\033[K");
    if (translation->options->is_verbose)
        fprintf(stderr, "%8.3f s  %s %s\n", now() - translation->pass_started, pass, name);
}

/* ---- output ---- */

static bool write_output(const char *file, const void *bytes, size_t size, bool is_executable)
{
    if (strcmp(file, "-") == 0) {
        if (fwrite(bytes, 1, size, stdout) == size && fflush(stdout) == 0)
            return true;
        file = "standard output";
    } else if (write_file(file, bytes, size, is_executable))
        return true;
    fprintf(stderr, "%s: %s\n", file, strerror(errno));
    return false;
}

static char *output_name(const struct options *options)
{
    static const char *const suffixes[] = {
        [EMIT_IMAGE] = ".image", [EMIT_OBJECT] = ".o", [EMIT_LLVM] = ".ll", [EMIT_ASSEMBLY] = ".s"};
    if (options->output)
        return copy_text(options->output);
    const char *dot = strrchr(options->input, '.'), *slash = strrchr(options->input, '/');
    size_t length = dot && (!slash || dot > slash) ? (size_t)(dot - options->input) : strlen(options->input);
    return format_text("%.*s%s", (int)length, options->input, suffixes[options->emit]);
}

/* ---- code ---- */

static bool add_object(struct translation *translation, char *file)
{
    translation->objects =
        reallocate(translation->objects, translation->object_count + 1, sizeof *translation->objects);
    translation->objects[translation->object_count++] = file;
    return file != NULL;
}

static bool generate(struct translation *translation, LLVMModuleRef llvm, enum emit emit, const char *file)
{
    LLVMMemoryBufferRef buffer = codegen_emit(&translation->codegen, llvm, emit);
    if (!buffer)
        return false;
    bool is_written = write_output(file, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer), false);
    LLVMDisposeMemoryBuffer(buffer);
    return is_written;
}

/* NULL: the reason has been printed. */
static LLVMModuleRef lower_part(struct translation *translation, LLVMContextRef context, const struct part *part)
{
    struct module_error error;
    const struct instance *instance = part->instance;
    enum target target = translation->options->target;
    if (!instance)
        return lower_program(context, &translation->program, target);
    LLVMModuleRef llvm = lower_instance(context, &translation->program, instance, &part->lower, target, &error);
    if (llvm)
        return llvm;
    char text[1024];
    module_error_format(&error, &instance->module, instance->file, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return NULL;
}

/* From WebAssembly to what is emitted. */
static bool translate_part(struct translation *translation, const struct part *part, enum emit emit, const char *file)
{
    LLVMContextRef context = LLVMContextCreate();
    LLVMContextSetDiscardValueNames(context, emit != EMIT_LLVM);
    bool is_plain = part->lower.is_plain;
    pass_begin(translation, "lower", part->name);
    LLVMModuleRef llvm = lower_part(translation, context, part);
    pass_end(translation, "lower", part->name);
    bool is_done = llvm && codegen_open(&translation->codegen, translation->options->target,
                                        is_plain ? 0 : translation->options->level, translation->options->is_verified);
    if (is_done) {
        pass_begin(translation, "optimise", part->name);
        is_done = codegen_optimise(&translation->codegen, llvm);
        pass_end(translation, "optimise", part->name);
        pass_begin(translation, "generate", part->name);
        is_done = is_done && generate(translation, llvm, emit, file);
        pass_end(translation, "generate", part->name);
        codegen_close(&translation->codegen);
    }
    if (translation->is_child)
        return is_done;
    if (llvm)
        LLVMDisposeModule(llvm);
    LLVMContextDispose(context);
    return is_done;
}

/* ---- in several processes ---- */

/* Small parts are done one after the other: a process costs some milliseconds. */
static void make_jobs(struct translation *translation)
{
    const struct part_list *list = &translation->parts;
    uint64_t bytes = 0;
    translation->job_ends = allocate(list->count, sizeof *translation->job_ends);
    for (unsigned i = 0; i < list->count; i++) {
        bytes += list->parts[i].bytes;
        if (bytes < translation->options->part_bytes / 2 && i + 1 < list->count)
            continue;
        translation->job_ends[translation->job_count++] = i + 1;
        bytes = 0;
    }
}

static bool run_job(void *context, unsigned job)
{
    struct translation *translation = context;
    for (unsigned i = job ? translation->job_ends[job - 1] : 0; i < translation->job_ends[job]; i++)
        if (!translate_part(translation, &translation->parts.parts[i], EMIT_OBJECT, translation->objects[i]))
            return false;
    return true;
}

/* The parent shows the progress. What LLVM has in memory goes with the process: taking it apart is a twentieth of -O0's
 * time. */
static bool run_child(void *context, unsigned job)
{
    struct translation translation = *(struct translation *)context;
    translation.shows_progress = false;
    translation.is_child = true;
    return run_job(&translation, job);
}

static void show_progress(void *context, unsigned done, unsigned count)
{
    const struct translation *translation = context;
    if (translation->shows_progress)
        fprintf(stderr, "\r\033[Ktranslate %s: %u of %u", translation->options->input, done, count);
}

static bool generate_objects(struct translation *translation)
{
    const struct options *options = translation->options;
    parts_divide(&translation->parts, &translation->program, options->level, options->part_bytes);
    for (unsigned i = 0; i < translation->parts.count; i++)
        add_object(translation, format_text("%s/%u.o", translation->folder, i));
    make_jobs(translation);
    if (translation->job_count == 1)
        return run_job(translation, 0);
    struct parallel_work work = {.count = translation->job_count,
                                 .processes = options->jobs,
                                 .run = run_child,
                                 .progress = show_progress,
                                 .context = translation};
    show_progress(translation, 0, work.count);
    bool is_done = parallel_run(&work);
    if (translation->shows_progress)
        fprintf(stderr, "\r\033[K");
    return is_done;
}

/* ---- image ---- */

/* In the target's build folder, where this program lies in its own: build/host/aot and build/TARGET/lib. NULL: not
 * there. */
static char *find_built(enum target target, const char *name)
{
    char own[4096];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    char *slash = strrchr(own, '/');
    char *file = format_text("%.*s/../../%s/lib/%s", (int)(slash ? slash - own : 0), own,
                             target == TARGET_ARM64 ? "arm64" : "x86_64", name);
    if (access(file, R_OK) == 0)
        return file;
    free(file);
    return NULL;
}

static char *find_library(const struct options *options, const char *name)
{
    if (strchr(name, '/') || access(name, R_OK) == 0)
        return copy_text(name);
    for (unsigned i = 0; i < options->folder_count; i++) {
        char *file = format_text("%s/%s", options->folders[i], name);
        if (access(file, R_OK) == 0)
            return file;
        free(file);
    }
    char *file = find_built(options->target, name);
    if (!file)
        fprintf(stderr, "tessera-aot: %s is in none of the folders given with --lib-dir\n", name);
    return file;
}

static bool add_libraries(struct translation *translation)
{
    const struct options *options = translation->options;
    const char *wasi = options->is_run ? "libwasm_linux.a" : "libwasi.a";
    const char **libraries = options->library_count ? options->libraries : &wasi;
    unsigned count = options->library_count ? options->library_count : 1;
    for (unsigned i = 0; i < count; i++)
        if (!add_object(translation, find_library(options, libraries[i])))
            return false;
    return add_object(translation, find_library(options, "libwasm_runtime.a"));
}

/* The memories that the loader maps, ascending. */
static struct image_memory *list_memories(const struct program *program)
{
    struct image_memory *memories = allocate(program->memory_count, sizeof *memories);
    uint32_t count = 0;
    for (uint32_t i = 0; i < program->instance_count; i++) {
        const struct instance *instance = program->instances[i];
        if (instance->is_dropped)
            continue;
        for (uint32_t memory = 0; memory < instance->module.memory_count; memory++) {
            if (!program_defines_memory(instance, memory))
                continue;
            const struct limits *limits = &instance->module.memories[memory].limits;
            memories[count++] = (struct image_memory){.base = instance->memory_bases[memory],
                                                      .initial_pages = limits->minimum,
                                                      .max_pages = memory_maximum_pages(limits)};
        }
    }
    return memories;
}

static const char **instance_names(const struct program *program)
{
    const char **names = allocate(program->instance_count, sizeof *names);
    for (uint32_t i = 0; i < program->instance_count; i++)
        names[i] = program->instances[i]->name;
    return names;
}

static bool join(struct translation *translation, const char *file)
{
    const struct options *options = translation->options;
    struct link_input input = {.target = options->target,
                               .files = translation->objects,
                               .file_count = translation->object_count,
                               .folder = translation->folder,
                               .start = translation->entry.symbol};
    struct image_memory *memories = list_memories(&translation->program);
    struct image_content content = {.stack_bytes = STACK_BYTES,
                                    .memories = memories,
                                    .memory_count = translation->program.memory_count,
                                    .manifest = translation->entry.manifest,
                                    .manifest_bytes = translation->entry.manifest_bytes,
                                    .has_lines = options->debug != DEBUG_NONE,
                                    .has_dwarf = options->debug == DEBUG_FULL};
    size_t linked_size, size;
    const char *problem = NULL;
    const char **names = instance_names(&translation->program);
    content.instances = names;
    content.instance_count = translation->program.instance_count;
    pass_begin(translation, "link", file);
    uint8_t *linked = link_run(&input, &linked_size), *image = NULL;
    if (linked) {
        uint32_t machine = options->target == TARGET_ARM64 ? IMAGE_MACHINE_ARM64 : IMAGE_MACHINE_X86_64;
        image = image_write(linked, linked_size, machine, &content, &size, &problem);
    }
    bool is_done = image && write_output(file, image, size, true);
    if (linked && !image)
        fprintf(stderr, "tessera-aot: the linked image is not well formed: %s\n", problem);
    pass_end(translation, "link", file);
    free(image);
    free(linked);
    free(memories);
    free(names);
    return is_done;
}

static const char *temporary_place(void)
{
    const char *place = getenv("TMPDIR");
    return place && place[0] ? place : "/tmp";
}

static bool make_image(struct translation *translation, const char *file)
{
    translation->folder = strcmp(file, "-") == 0 ? format_text("%s/tessera-aot.XXXXXX", temporary_place())
                                                 : format_text("%s.XXXXXX", file);
    if (!cleanup_make_folder(translation->folder)) {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        free(translation->folder);
        translation->folder = NULL;
        return false;
    }
    return generate_objects(translation) && add_libraries(translation) && join(translation, file);
}

/* ---- the whole ---- */

/* The main instance as one LLVM module. */
static bool emit_instance(struct translation *translation, const char *file)
{
    struct part part = part_of_instance(translation->program.instances[0]);
    bool is_done = translate_part(translation, &part, translation->options->emit, file);
    free(part.name);
    return is_done;
}

/* The instances that the command line asks for. */
static bool build_program(const struct options *options, struct program *program)
{
    program->has_export_tables = options->has_export_tables;
    program->has_wasm_opt = options->has_wasm_opt;
    program->is_optimised = options->level > 0;
    program->debug = options->debug;
    bool is_moved = options->is_run && !host_maps_page_zero();
    if (is_moved && !options->is_without_page_zero)
        fprintf(stderr,
                "tessera-aot: this host does not let programs map page 0 (vm.mmap_min_addr): memory 0 lies at 0x%llx "
                "instead of 0\n",
                (unsigned long long)IMAGE_REGION_BASE);
    program->may_lack_imports = options->may_lack_imports;
    program->is_without_page_zero = options->is_without_page_zero || is_moved;
    if (options->is_set)
        return program_read_set(program, options->input);
    program_add(program, "main", options->input);
    for (unsigned i = 0; i < options->link_count; i++)
        if (!program_add_linked(program, options->links[i].name, options->links[i].file))
            return false;
    program_bind_linked(program);
    return true;
}

static bool translate(struct translation *translation, const char *output)
{
    const struct options *options = translation->options;
    pass_begin(translation, "load", options->input);
    bool is_done = build_program(options, &translation->program) &&
                   program_load(&translation->program, options->features) && program_link(&translation->program) &&
                   entry_find(options, &translation->program, &translation->entry);
    pass_end(translation, "load", options->input);
    if (is_done)
        codegen_initialise(options->target);
    if (is_done && options->emit == EMIT_IMAGE)
        is_done = make_image(translation, output);
    else if (is_done)
        is_done = emit_instance(translation, output);
    return is_done;
}

/* Every intermediate file lies in the folder, whose names are known. */
static void translation_free(struct translation *translation)
{
    for (unsigned i = 0; i < translation->object_count; i++) {
        size_t length = translation->folder ? strlen(translation->folder) : 0;
        if (length && translation->objects[i] && strncmp(translation->objects[i], translation->folder, length) == 0)
            unlink(translation->objects[i]);
        free(translation->objects[i]);
    }
    if (translation->folder)
        cleanup_remove_folder(translation->folder);
    free(translation->folder);
    free(translation->objects);
    free(translation->job_ends);
    parts_free(&translation->parts);
    entry_free(&translation->entry);
    program_free(&translation->program);
}

/* --check: one line for each module, "ok" or the error. */
static bool check_modules(const struct options *options)
{
    bool is_valid = true;
    for (unsigned i = 0; i < options->input_count; i++) {
        size_t size;
        struct module module;
        struct module_error error;
        uint8_t *bytes = read_file(options->inputs[i], &size);
        if (!bytes) {
            printf("%s: %s\n", options->inputs[i], strerror(errno));
            is_valid = false;
            continue;
        }
        if (module_load(bytes, size, options->features, &module, &error)) {
            printf("%s: ok\n", options->inputs[i]);
        } else {
            char text[1024];
            module_error_format(&error, &module, options->inputs[i], text, sizeof text);
            puts(text);
            is_valid = false;
        }
        module_free(&module);
        free(bytes);
    }
    return is_valid;
}

static bool translate_file(const struct options *options, const char *output)
{
    struct translation translation = {.options = options,
                                      .shows_progress = isatty(STDERR_FILENO) && !options->is_verbose};
    bool is_done = translate(&translation, output);
    translation_free(&translation);
    return is_done;
}

/* --run: the exit status. */
static int run(const struct options *options)
{
    enum target target = options->target;
    if (is_executable_image(options->input))
        return image_find_target(options->input, &target) ? run_image(options, options->input, target) : 1;
    char *folder = format_text("%s/tessera-aot.XXXXXX", temporary_place());
    if (!cleanup_make_folder(folder)) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        free(folder);
        return 1;
    }
    char *image = format_text("%s/image", folder);
    int status = translate_file(options, image) ? run_image(options, image, target) : 1;
    unlink(image);
    cleanup_remove_folder(folder);
    free(image);
    free(folder);
    return status;
}

static bool is_same_file(const char *left, const char *right)
{
    struct stat a, b;
    return stat(left, &a) == 0 && stat(right, &b) == 0 && S_ISREG(a.st_mode) && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* The input that the output would replace, or NULL. */
static const char *overwritten_input(const struct options *options, const char *output)
{
    if (is_same_file(options->input, output))
        return options->input;
    for (unsigned i = 0; i < options->link_count; i++)
        if (is_same_file(options->links[i].file, output))
            return options->links[i].file;
    return options->manifest && is_same_file(options->manifest, output) ? options->manifest : NULL;
}

static int do_as_told(const struct options *options)
{
    if (options->is_check)
        return check_modules(options) ? 0 : 1;
    if (options->is_run)
        return run(options);
    char *output = output_name(options);
    const char *input = overwritten_input(options, output);
    if (input)
        fprintf(stderr, "tessera-aot: %s would be overwritten, which is an input\n", input);
    bool is_done = !input && translate_file(options, output);
    free(output);
    return is_done ? 0 : 1;
}

int main(int count, char **arguments)
{
    struct options options;
    enum options_result result = options_read(&options, count, arguments);
    int status = result == OPTIONS_RUN ? do_as_told(&options) : result == OPTIONS_DONE ? 0 : 1;
    options_free(&options);
    return status;
}
