/* The command line of tessera-aot. */
#ifndef TESSERA_AOT_OPTIONS_H
#define TESSERA_AOT_OPTIONS_H

#include <stdbool.h>

#include "codegen.h"

/* The language that is read. Of WebAssembly 3.0 the reader refuses gc. */
#define FEATURES_TRANSLATED FEATURES_ALL

struct link_option {
    char *name, *file;
};

struct options {
    const char *input;  /* a module; with is_set a description of a set */
    const char *output; /* NULL: the input's name with a suffix for what is emitted */
    const char *manifest;
    enum target target;
    enum emit emit;
    unsigned level;
    unsigned jobs;       /* processes that generate code at a time */
    uint64_t part_bytes; /* of code, in a part of its own */
    unsigned features;   /* enum feature */
    enum debug debug;    /* -g, -g0 */
    bool is_verbose, is_verified, is_set, is_check, has_export_tables, is_without_page_zero, has_wasm_opt;
    bool may_lack_imports;           /* --unknown-imports=trap */
    bool is_run;                     /* translate for this host, run, and end as the program did */
    struct link_option *directories; /* --dir: `file` on the host is `name` to the program */
    unsigned directory_count;
    const char **environment; /* --env NAME=VALUE */
    unsigned environment_count;
    const char **arguments; /* of the program that is run, without its name */
    unsigned argument_count;
    struct link_option *links; /* --link NAME=FILE */
    unsigned link_count;
    const char **libraries; /* --library FILE */
    unsigned library_count;
    const char **folders; /* --lib-dir DIR */
    unsigned folder_count;
    const char **inputs; /* --check: every module given */
    unsigned input_count;
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* OPTIONS_DONE: --help or --version has been answered; OPTIONS_WRONG: the mistake has been named. */
enum options_result options_read(struct options *options, int count, char **arguments);
void options_free(struct options *options);

#endif
