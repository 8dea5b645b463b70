/* Reads the command line; options.h has the result. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

#define MAXIMUM_JOBS 1024

static const char help[] =
    "Usage: tessera-aot [option...] file.wasm\n"
    "Translates a WebAssembly module into a native Tessera program.\n"
    "\n"
    "  -o FILE                     write the result to FILE\n"
    "  --target x86_64|arm64       the machine it is for (default x86_64)\n"
    "  -O0 -O1 -O2 -O3             how much to optimise (default -O2)\n"
    "  -g                          keep DWARF in the image, for gdb; -g1 (the default) lets trap reports name files,\n"
    "                              lines and inlined functions; -g0 functions only\n"
    "  --emit image|obj|llvm|asm   what to write (default image)\n"
    "  --manifest FILE             what the program requests, as JSON (docs/system.md)\n"
    "  --link NAME=FILE            link another module: it provides the imports from module NAME\n"
    "  --library FILE              a native library or object to link, in place of libwasi.a; may be repeated\n"
    "  --lib-dir DIR               where libwasm_runtime.a, libwasi.a and libraries named without / are; may be\n"
    "                              repeated\n"
    "  --set                       the input describes a set of instances (docs/aot.md)\n"
    "  --export-tables             let native code look instances and exports up at run time\n"
    "  --no-page-zero              put the first memory above the program: for hosts that protect page 0\n"
    "  --wasm 2.0|3.0              accept this version of the language only (default: all that can be translated)\n"
    "  --check                     only read and validate; any number of modules\n"
    "  --wasm-opt                  let Binaryen's wasm-opt -O2 optimise every module first\n"
    "  -j N                        generate code in N processes at a time (default: one per CPU); the result is the "
    "same\n"
    "  -v, --verbose               show the passes with their times\n"
    "  --help, --version\n";

enum long_option {
    LONG_TARGET = 256,
    LONG_EMIT,
    LONG_MANIFEST,
    LONG_LINK,
    LONG_LIBRARY,
    LONG_LIB_DIR,
    LONG_SET,
    LONG_EXPORT_TABLES,
    LONG_NO_PAGE_ZERO,
    LONG_CHECK,
    LONG_WASM,
    LONG_WASM_OPT,
    LONG_HELP,
    LONG_VERSION,
};

static const struct option long_options[] = {
    {"target", required_argument, NULL, LONG_TARGET},
    {"emit", required_argument, NULL, LONG_EMIT},
    {"manifest", required_argument, NULL, LONG_MANIFEST},
    {"link", required_argument, NULL, LONG_LINK},
    {"library", required_argument, NULL, LONG_LIBRARY},
    {"lib-dir", required_argument, NULL, LONG_LIB_DIR},
    {"set", no_argument, NULL, LONG_SET},
    {"export-tables", no_argument, NULL, LONG_EXPORT_TABLES},
    {"no-page-zero", no_argument, NULL, LONG_NO_PAGE_ZERO},
    {"check", no_argument, NULL, LONG_CHECK},
    {"wasm", required_argument, NULL, LONG_WASM},
    {"wasm-opt", no_argument, NULL, LONG_WASM_OPT},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, LONG_HELP},
    {"version", no_argument, NULL, LONG_VERSION},
    {0},
};

static enum options_result wrong(const char *format, const char *text)
{
    fprintf(stderr, "tessera-aot: ");
    fprintf(stderr, format, text);
    fprintf(stderr, "; see tessera-aot --help\n");
    return OPTIONS_WRONG;
}

/* The position of `word` among `words`, or -1. */
static int choice(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return -1;
}

static enum options_result set_target(struct options *options, const char *word)
{
    static const char *const words[] = {[TARGET_X86_64] = "x86_64", [TARGET_ARM64] = "arm64"};
    int target = choice(word, words, 2);
    options->target = (enum target)target;
    return target < 0 ? wrong("--target is x86_64 or arm64, not \"%s\"", word) : OPTIONS_RUN;
}

static enum options_result set_emit(struct options *options, const char *word)
{
    static const char *const words[] = {
        [EMIT_IMAGE] = "image", [EMIT_OBJECT] = "obj", [EMIT_LLVM] = "llvm", [EMIT_ASSEMBLY] = "asm"};
    int emit = choice(word, words, 4);
    options->emit = (enum emit)emit;
    return emit < 0 ? wrong("--emit is image, obj, llvm or asm, not \"%s\"", word) : OPTIONS_RUN;
}

static enum options_result set_level(struct options *options, const char *word)
{
    static const char *const words[] = {"0", "1", "2", "3"};
    int level = choice(word, words, 4);
    options->level = (unsigned)level;
    return level < 0 ? wrong("-O goes from 0 to 3, not \"%s\"", word) : OPTIONS_RUN;
}

static enum options_result set_debug(struct options *options, const char *word)
{
    static const char *const words[] = {"0", "1", ""};
    static const enum debug kinds[] = {DEBUG_NONE, DEBUG_LINES, DEBUG_FULL};
    int kind = choice(word, words, 3);
    if (kind < 0)
        return wrong("-g goes alone, or with 0 or 1, not with \"%s\"", word);
    options->debug = kinds[kind];
    return OPTIONS_RUN;
}

static enum options_result set_jobs(struct options *options, const char *word)
{
    char *end;
    unsigned long jobs = strtoul(word, &end, 10);
    if (word[0] < '1' || word[0] > '9' || *end || jobs > MAXIMUM_JOBS)
        return wrong("-j wants a number from 1 to 1024, not \"%s\"", word);
    options->jobs = (unsigned)jobs;
    return OPTIONS_RUN;
}

static enum options_result set_features(struct options *options, const char *word)
{
    static const char *const words[] = {"2.0", "3.0"};
    static const unsigned features[] = {FEATURES_WASM_2, FEATURES_WASM_3};
    int version = choice(word, words, 2);
    if (version < 0)
        return wrong("--wasm is 2.0 or 3.0, not \"%s\"", word);
    options->features = features[version];
    return OPTIONS_RUN;
}

static enum options_result add_link(struct options *options, const char *word)
{
    const char *equals = strchr(word, '=');
    if (!equals || equals == word || !equals[1])
        return wrong("--link wants NAME=FILE, not \"%s\"", word);
    options->links = reallocate(options->links, options->link_count + 1, sizeof *options->links);
    options->links[options->link_count++] =
        (struct link_option){format_text("%.*s", (int)(equals - word), word), copy_text(equals + 1)};
    return OPTIONS_RUN;
}

static void add_word(const char ***words, unsigned *count, const char *word)
{
    *words = reallocate(*words, *count + 1, sizeof **words);
    (*words)[(*count)++] = word;
}

static enum options_result take(struct options *options, int option)
{
    switch (option) {
    case 'o':
        options->output = optarg;
        return OPTIONS_RUN;
    case 'O':
        return set_level(options, optarg);
    case 'g':
        return set_debug(options, optarg ? optarg : "");
    case 'j':
        return set_jobs(options, optarg);
    case 'v':
        options->is_verbose = true;
        return OPTIONS_RUN;
    case LONG_TARGET:
        return set_target(options, optarg);
    case LONG_EMIT:
        return set_emit(options, optarg);
    case LONG_MANIFEST:
        options->manifest = optarg;
        return OPTIONS_RUN;
    case LONG_LINK:
        return add_link(options, optarg);
    case LONG_LIBRARY:
        add_word(&options->libraries, &options->library_count, optarg);
        return OPTIONS_RUN;
    case LONG_LIB_DIR:
        add_word(&options->folders, &options->folder_count, optarg);
        return OPTIONS_RUN;
    case LONG_SET:
        options->is_set = true;
        return OPTIONS_RUN;
    case LONG_EXPORT_TABLES:
        options->has_export_tables = true;
        return OPTIONS_RUN;
    case LONG_NO_PAGE_ZERO:
        options->is_without_page_zero = true;
        return OPTIONS_RUN;
    case LONG_CHECK:
        options->is_check = true;
        return OPTIONS_RUN;
    case LONG_WASM:
        return set_features(options, optarg);
    case LONG_WASM_OPT:
        options->has_wasm_opt = true;
        return OPTIONS_RUN;
    case LONG_HELP:
        fputs(help, stdout);
        return OPTIONS_DONE;
    case LONG_VERSION:
        printf("tessera-aot %s, LLVM %s\n", TESSERA_VERSION, LLVM_VERSION);
        return OPTIONS_DONE;
    default: /* getopt has said what is wrong */
        return OPTIONS_WRONG;
    }
}

enum options_result options_read(struct options *options, int count, char **arguments)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *options = (struct options){.level = 2,
                                .jobs = processors < 1              ? 1
                                        : processors > MAXIMUM_JOBS ? MAXIMUM_JOBS
                                                                    : (unsigned)processors,
                                .features = FEATURES_TRANSLATED,
                                .debug = DEBUG_LINES};
    int option;
    while ((option = getopt_long(count, arguments, "o:O:g::j:v", long_options, NULL)) != -1) {
        enum options_result result = take(options, option);
        if (result != OPTIONS_RUN)
            return result;
    }
    while (optind < count)
        add_word(&options->inputs, &options->input_count, arguments[optind++]);
    if (options->input_count == 0)
        return wrong("no input%s", "");
    if (options->input_count > 1 && !options->is_check)
        return wrong("one input at a time: what is \"%s\"?", options->inputs[1]);
    if (options->is_set && options->link_count > 0)
        return wrong("%s does not go with --set: the description says what is linked", "--link");
    options->input = options->inputs[0];
    return OPTIONS_RUN;
}

void options_free(struct options *options)
{
    for (unsigned i = 0; i < options->link_count; i++) {
        free(options->links[i].name);
        free(options->links[i].file);
    }
    free(options->links);
    free(options->libraries);
    free(options->folders);
    free(options->inputs);
}
