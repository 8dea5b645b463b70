/* Reads the command line; options.h has the result. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "memory.h"
#include "parts.h"

#define MAXIMUM_JOBS       1024
#define MAXIMUM_PART_BYTES 1073741824

static const char help[] =
    "Usage: tessera-aot [option...] file.wasm\n"
    "       tessera-aot --run [option...] file.wasm [argument...]\n"
    "Translates a WebAssembly module into a native Tessera program, or runs it on this host.\n"
    "\n"
    "What to make:\n"
    "  -o FILE                     write the result to FILE; - is standard output (default: the input's name with\n"
    "                              .image, .o, .ll or .s)\n"
    "  --target x86_64|arm64       the machine it is for (default x86_64; with --run this host's)\n"
    "  --emit image|obj|llvm|asm   what to write (default image)\n"
    "  -O0 -O1 -O2 -O3             how much to optimise (default -O2)\n"
    "  -g, -g1, -g0                debug information: -g1 (the default) lets trap reports name files, lines and "
    "inlined\n"
    "                              functions; -g keeps DWARF in the image too, for gdb; -g0 leaves functions' names "
    "only\n"
    "  --manifest FILE             what the program requests, as JSON (docs/system.md)\n"
    "\n"
    "What goes in:\n"
    "  --link NAME=FILE            link another module: it provides the imports from module NAME\n"
    "  --unknown-imports=error|trap\n"
    "                              functions that nobody provides: an error that lists them (default), or a trap when\n"
    "                              one is called\n"
    "  --library FILE              a native library or object to link, in place of libwasi.a; may be repeated\n"
    "  --lib-dir DIR               where libwasm_runtime.a, libwasi.a and libraries named without / are; may be\n"
    "                              repeated (default: lib of the target's build folder, beside this program's)\n"
    "  --set                       the input describes a set of instances (docs/aot.md)\n"
    "  --export-tables             let native code look instances and exports up at run time\n"
    "  --no-page-zero              put the first memory above the program: for hosts that protect page 0\n"
    "  --wasm 2.0|3.0              accept this version of the language only (default: all that can be translated)\n"
    "  --wasm-opt                  let Binaryen's wasm-opt -O2 optimise every module first\n"
    "\n"
    "How:\n"
    "  --check                     only read and validate; any number of modules\n"
    "  -j N                        work in N processes at a time (default: one per CPU); the result is the same\n"
    "  --part-bytes N              how much code to translate at a time: more is faster code, less a faster\n"
    "                              translation that takes less memory (default 262144)\n"
    "  --verify                    let LLVM's checker look at every module before and after optimisation\n"
    "  -v, --verbose               show the passes with their times\n"
    "  --help, --version\n"
    "\n"
    "Running on this host (Linux); the exit status is the program's, 134 after a trap:\n"
    "  --run                       translate for Linux and run; an image that was made for Linux runs as it is.\n"
    "                              What follows the file, or --, are the program's arguments\n"
    "  --dir FOLDER[::NAME]        let the program use a folder, under NAME; may be repeated\n"
    "  --env NAME=VALUE            a variable of the program's environment, which is empty otherwise\n";

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
    LONG_UNKNOWN_IMPORTS,
    LONG_RUN,
    LONG_DIR,
    LONG_ENV,
    LONG_PART_BYTES,
    LONG_VERIFY,
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
    {"unknown-imports", required_argument, NULL, LONG_UNKNOWN_IMPORTS},
    {"run", no_argument, NULL, LONG_RUN},
    {"dir", required_argument, NULL, LONG_DIR},
    {"env", required_argument, NULL, LONG_ENV},
    {"part-bytes", required_argument, NULL, LONG_PART_BYTES},
    {"verify", no_argument, NULL, LONG_VERIFY},
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

static enum options_result set_part_bytes(struct options *options, const char *word)
{
    char *end;
    unsigned long long bytes = strtoull(word, &end, 10);
    if (word[0] < '1' || word[0] > '9' || *end || bytes > MAXIMUM_PART_BYTES)
        return wrong("--part-bytes wants a number from 1 to 1073741824, not \"%s\"", word);
    options->part_bytes = bytes;
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

static enum options_result set_unknown_imports(struct options *options, const char *word)
{
    static const char *const words[] = {"error", "trap"};
    int chosen = choice(word, words, 2);
    options->may_lack_imports = chosen == 1;
    return chosen < 0 ? wrong("--unknown-imports is error or trap, not \"%s\"", word) : OPTIONS_RUN;
}

/* --dir HOST, or HOST::GUEST. */
static enum options_result add_directory(struct options *options, const char *word)
{
    const char *colons = strstr(word, "::");
    if (colons == word || !word[0] || (colons && !colons[2]))
        return wrong("--dir wants a folder, or FOLDER::NAME, not \"%s\"", word);
    options->directories = reallocate(options->directories, options->directory_count + 1, sizeof *options->directories);
    options->directories[options->directory_count++] =
        (struct link_option){copy_text(colons ? colons + 2 : word),
                             format_text("%.*s", (int)(colons ? colons - word : (long)strlen(word)), word)};
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
    case LONG_VERIFY:
        options->is_verified = true;
        return OPTIONS_RUN;
    case LONG_PART_BYTES:
        return set_part_bytes(options, optarg);
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
    case LONG_UNKNOWN_IMPORTS:
        return set_unknown_imports(options, optarg);
    case LONG_RUN:
        options->is_run = true;
        return OPTIONS_RUN;
    case LONG_DIR:
        return add_directory(options, optarg);
    case LONG_ENV:
        if (!strchr(optarg, '=') || optarg[0] == '=')
            return wrong("--env wants NAME=VALUE, not \"%s\"", optarg);
        add_word(&options->environment, &options->environment_count, optarg);
        return OPTIONS_RUN;
    case LONG_HELP:
        fputs(help, stdout);
        return OPTIONS_DONE;
    case LONG_VERSION:
        printf("tessera-aot %s, LLVM %s\n", TESSERA_VERSION, LLVM_VERSION);
        return OPTIONS_DONE;
    default:
        return OPTIONS_WRONG;
    }
}

/* ---- mistakes ---- */

/* How many letters must be changed, put in or left out to make one word of the other (Levenshtein). */
static unsigned distance(const char *left, const char *right)
{
    unsigned row[64] = {0}, columns = (unsigned)strlen(right);
    if (columns >= sizeof row / sizeof row[0])
        return columns;
    for (unsigned i = 0; i <= columns; i++)
        row[i] = i;
    for (unsigned line = 1; *left; left++, line++) {
        unsigned diagonal = row[0];
        row[0] = line;
        for (unsigned i = 1; i <= columns; i++) {
            unsigned change = diagonal + (*left != right[i - 1]);
            unsigned least = row[i] < row[i - 1] ? row[i] : row[i - 1];
            diagonal = row[i];
            row[i] = change < least + 1 ? change : least + 1;
        }
    }
    return row[columns];
}

/* getopt's answer to an option that is unknown or lacks its argument; `word` is the last that it looked at. */
static enum options_result wrong_option(int answer, const char *word)
{
    const char *best = NULL;
    unsigned least = 4; /* what is further off is another word */
    char letter[] = {'-', (char)optopt, 0};
    bool is_letter = optopt > 0 && optopt < LONG_TARGET;
    if (answer == ':')
        return wrong("%s wants an argument", is_letter ? letter : word);
    if (is_letter)
        return wrong("unknown option %s", letter);
    char *name = format_text("%.*s", (int)strcspn(word + 2, "="), word + 2);
    for (const struct option *option = long_options; option->name; option++) {
        unsigned steps = distance(name, option->name);
        if (steps < least) {
            least = steps;
            best = option->name;
        }
    }
    free(name);
    if (!best)
        return wrong("unknown option %s", word);
    fprintf(stderr, "tessera-aot: unknown option %s; did you mean --%s? See tessera-aot --help\n", word, best);
    return OPTIONS_WRONG;
}

/* What does not go together. */
static enum options_result check_together(const struct options *options)
{
    if (options->input_count == 0 || !options->inputs[0][0])
        return wrong("no input%s", "");
    if (options->input_count > 1 && !options->is_check)
        return wrong("one input at a time: what is \"%s\"?", options->inputs[1]);
    if (options->is_set && options->link_count > 0)
        return wrong("%s does not go with --set: the description says what is linked", "--link");
    if (options->is_run && (options->emit != EMIT_IMAGE || options->output || options->is_check))
        return wrong("%s does not go with -o, --emit and --check: nothing is written", "--run");
    if (!options->is_run && (options->directory_count || options->environment_count))
        return wrong("%s are for --run", "--dir and --env");
    return OPTIONS_RUN;
}

static enum target host_target(void)
{
    struct utsname host;
    return uname(&host) == 0 && strcmp(host.machine, "aarch64") == 0 ? TARGET_ARM64 : TARGET_X86_64;
}

enum options_result options_read(struct options *options, int count, char **arguments)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *options = (struct options){.level = 2,
                                .jobs = processors < 1              ? 1
                                        : processors > MAXIMUM_JOBS ? MAXIMUM_JOBS
                                                                    : (unsigned)processors,
                                .part_bytes = PART_BYTES,
                                .features = FEATURES_TRANSLATED,
                                .debug = DEBUG_LINES};
    bool has_target = false;
    int option;
    opterr = 0;
    while ((option = getopt_long(count, arguments, ":o:O:g::j:v", long_options, NULL)) != -1) {
        enum options_result result =
            option == '?' || option == ':' ? wrong_option(option, arguments[optind - 1]) : take(options, option);
        if (result != OPTIONS_RUN)
            return result;
        has_target |= option == LONG_TARGET;
    }
    if (options->is_run && !has_target)
        options->target = host_target();
    while (optind < count)
        add_word(&options->inputs, &options->input_count, arguments[optind++]);
    if (options->is_run && options->input_count > 1) {
        options->arguments = options->inputs + 1;
        options->argument_count = options->input_count - 1;
        options->input_count = 1;
    }
    if (check_together(options) != OPTIONS_RUN)
        return OPTIONS_WRONG;
    options->input = options->inputs[0];
    return OPTIONS_RUN;
}

static void free_pairs(struct link_option *pairs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(pairs[i].name);
        free(pairs[i].file);
    }
    free(pairs);
}

void options_free(struct options *options)
{
    free_pairs(options->links, options->link_count);
    free_pairs(options->directories, options->directory_count);
    free(options->environment);
    free(options->libraries);
    free(options->folders);
    free(options->inputs);
}
