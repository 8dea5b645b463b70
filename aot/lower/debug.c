/* Where instructions come from, as LLVM's debug metadata: each WebAssembly function is a subprogram; what the module's
 * own DWARF says about an operator (functions that were inlined around it, file, line) is its location. Through
 * optimisation and code generation LLVM carries the locations along, and adds the functions that it inlines itself; its
 * DWARF is what the lines note (image/lines_write.c) and gdb get.
 *
 * Nothing here is code: a module has the same instructions without it. */
#include <llvm-c/DebugInfo.h>
#include <stdlib.h>
#include <string.h>

#include "lower/lower.h"
#include "memory.h"

/* A function that was inlined somewhere, by its DWARF entry. */
struct origin {
    uint64_t offset;
    uint32_t scope; /* one that describes it */
    LLVMMetadataRef subprogram;
};

/* Of an inlined scope: the place of its call in the function that was lowered last when it was asked for. */
struct call_site {
    LLVMMetadataRef subprogram;
    LLVMMetadataRef location;
};

struct lowered_debug {
    LLVMDIBuilderRef builder;
    LLVMMetadataRef own_file, type;
    const struct dwarf *dwarf;
    const struct instance *instance; /* what functions' names begin with; NULL: the main one, whose are plain */
    LLVMMetadataRef *files;          /* of dwarf.files, when they are first asked for */
    struct call_site *call_sites;
    struct origin *origins;
    uint32_t origin_count;

    /* The function being lowered; no subprogram: nothing is to be said about it. */
    LLVMMetadataRef subprogram, plain; /* and the location of what no line is known of */
    uint32_t subprogram_file;
    uint32_t next; /* the place after the current one */
    uint64_t base; /* of the code section */
};

/* ---- files and functions ---- */

static bool is_absolute(const char *path)
{
    return path[0] == '/';
}

static LLVMMetadataRef file_of(struct lowered_debug *debug, uint32_t index)
{
    if (index == DWARF_NONE)
        return debug->own_file;
    if (debug->files[index])
        return debug->files[index];
    const struct dwarf_file *file = &debug->dwarf->files[index];
    bool is_within = file->directory[0] && !is_absolute(file->directory) && file->unit_directory[0] &&
                     strcmp(file->directory, file->unit_directory) != 0;
    const char *plain = file->directory[0] ? file->directory : file->unit_directory;
    char *folder = is_within ? format_text("%s/%s", file->unit_directory, file->directory) : copy_text(plain);
    debug->files[index] =
        LLVMDIBuilderCreateFile(debug->builder, file->name, strlen(file->name), folder, strlen(folder));
    free(folder);
    return debug->files[index];
}

/* Functions are called what their symbols are: of another instance than the main one, INSTANCE.NAME. */
static LLVMMetadataRef make_subprogram(struct lowered_debug *debug, const char *name, uint32_t file, uint32_t line)
{
    LLVMMetadataRef where = file_of(debug, file);
    char *whole = debug->instance ? format_text("%s.%s", debug->instance->name, name) : copy_text(name);
    LLVMMetadataRef subprogram =
        LLVMDIBuilderCreateFunction(debug->builder, where, whole, strlen(whole), NULL, 0, where, line, debug->type,
                                    false, true, line, LLVMDIFlagZero, true);
    free(whole);
    return subprogram;
}

static int origin_compare(const void *left, const void *right)
{
    const struct origin *a = left, *b = right;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return a->scope < b->scope ? -1 : a->scope > b->scope;
}

static void collect_origins(struct lowered_debug *debug)
{
    const struct dwarf *dwarf = debug->dwarf;
    debug->origins = allocate(dwarf->scope_count, sizeof *debug->origins);
    for (uint32_t i = 0; i < dwarf->scope_count; i++)
        if (dwarf->scopes[i].parent != DWARF_NONE)
            debug->origins[debug->origin_count++] = (struct origin){.offset = dwarf->scopes[i].origin, .scope = i};
    if (debug->origin_count)
        qsort(debug->origins, debug->origin_count, sizeof *debug->origins, origin_compare);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < debug->origin_count; i++)
        if (kept == 0 || debug->origins[kept - 1].offset != debug->origins[i].offset)
            debug->origins[kept++] = debug->origins[i];
    debug->origin_count = kept;
}

/* The function that an inlined scope is of. Equal ones share it. */
static LLVMMetadataRef inlined_subprogram(struct lowered_debug *debug, const struct dwarf_scope *scope)
{
    uint32_t low = 0, high = debug->origin_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (debug->origins[middle].offset < scope->origin)
            low = middle + 1;
        else
            high = middle;
    }
    struct origin *origin = &debug->origins[low];
    if (!origin->subprogram) {
        const char *name = scope->name ? scope->name : "";
        origin->subprogram = make_subprogram(debug, name, scope->file, scope->line);
    }
    return origin->subprogram;
}

/* ---- locations ---- */

static LLVMMetadataRef call_site_of(struct lowering *lower, uint32_t scope);

/* A line of a scope of the current function. */
static LLVMMetadataRef location_of(struct lowering *lower, uint32_t scope, uint32_t file, uint32_t line)
{
    struct lowered_debug *debug = lower->debug;
    const struct dwarf_scope *inlined =
        scope != DWARF_NONE && debug->dwarf->scopes[scope].parent != DWARF_NONE ? &debug->dwarf->scopes[scope] : NULL;
    LLVMMetadataRef holder = inlined ? inlined_subprogram(debug, inlined) : debug->subprogram;
    uint32_t own_file = inlined ? inlined->file : debug->subprogram_file;
    if (file != DWARF_NONE && file_of(debug, file) != file_of(debug, own_file))
        holder = LLVMDIBuilderCreateLexicalBlockFile(debug->builder, holder, file_of(debug, file), 0);
    return LLVMDIBuilderCreateDebugLocation(lower->context, line, 0, holder,
                                            inlined ? call_site_of(lower, scope) : NULL);
}

/* Where an inlined scope was called. Recursion is bounded: dwarf/info.c cuts deep chains. */
static LLVMMetadataRef call_site_of(struct lowering *lower, uint32_t scope)
{
    struct lowered_debug *debug = lower->debug;
    struct call_site *site = &debug->call_sites[scope];
    const struct dwarf_scope *inlined = &debug->dwarf->scopes[scope];
    if (!site->location || site->subprogram != debug->subprogram) {
        site->location = location_of(lower, inlined->parent, inlined->call_file, inlined->call_line);
        site->subprogram = debug->subprogram;
    }
    return site->location;
}

/* ---- functions ---- */

/* The scope that the DWARF has for a function of its own, or NULL. */
static const struct dwarf_scope *described_function(const struct lowered_debug *debug, const struct dwarf_place *place)
{
    if (!place || place->scope == DWARF_NONE)
        return NULL;
    uint32_t scope = place->scope;
    while (debug->dwarf->scopes[scope].parent != DWARF_NONE)
        scope = debug->dwarf->scopes[scope].parent;
    return &debug->dwarf->scopes[scope];
}

static void begin_function(struct lowering *lower, LLVMValueRef function, const char *name,
                           const struct dwarf_scope *described)
{
    struct lowered_debug *debug = lower->debug;
    debug->subprogram_file = described ? described->file : DWARF_NONE;
    debug->subprogram = make_subprogram(debug, name, debug->subprogram_file, described ? described->line : 0);
    debug->plain =
        LLVMDIBuilderCreateDebugLocation(lower->context, described ? described->line : 0, 0, debug->subprogram, NULL);
    LLVMSetSubprogram(function, debug->subprogram);
    LLVMSetCurrentDebugLocation2(lower->builder, debug->plain);
}

/* Whether the DWARF tells anything about code before `end`, from place debug->next on. */
static bool is_described(const struct lowered_debug *debug, uint64_t end)
{
    const struct dwarf *dwarf = debug->dwarf;
    for (uint32_t i = debug->next; i < dwarf->place_count && dwarf->places[i].address < end; i++)
        if (dwarf->places[i].scope != DWARF_NONE || dwarf->places[i].file != DWARF_NONE)
            return true;
    return false;
}

void lower_debug_function(struct lowering *lower, uint32_t function)
{
    struct lowered_debug *debug = lower->debug;
    if (!debug)
        return;
    const struct function_body *body = &lower->module->functions[function].body;
    uint64_t start = body->offset - debug->base;
    const struct dwarf_place *place = dwarf_find(debug->dwarf, start);
    if (place)
        debug->next = (uint32_t)(place - debug->dwarf->places);
    else
        debug->next = 0;
    debug->subprogram = NULL;
    /* Where nothing is inlined, a function without lines has but a name, and that is its symbol's. LLVM takes a fifth
     * of its time for locations. */
    if (!lower->program->is_optimised && !is_described(debug, start + body->size))
        return;
    /* The module calls C functions what their source does, or "__original_main"; of C++ it knows more than DWARF's
     * plain names say. */
    const struct dwarf_scope *described = described_function(debug, place);
    char *symbol = symbol_function(lower->program, lower->instance, function);
    const char *plain = strchr(symbol, '.') + 1;
    const char *name = described && described->name && !described->has_linkage ? described->name : plain;
    begin_function(lower, lower->llvm_function, name, described);
    free(symbol);
}

void lower_debug_generated(struct lowering *lower, LLVMValueRef function, const char *name)
{
    if (!lower->debug)
        return;
    begin_function(lower, function, name, NULL);
}

void lower_debug_operator(struct lowering *lower, uint64_t offset)
{
    struct lowered_debug *debug = lower->debug;
    if (!debug || !debug->subprogram)
        return;
    const struct dwarf *dwarf = debug->dwarf;
    uint64_t address = offset - debug->base;
    bool is_new = false;
    for (; debug->next < dwarf->place_count && dwarf->places[debug->next].address <= address; debug->next++)
        is_new = true;
    if (!is_new)
        return;
    const struct dwarf_place *place = &dwarf->places[debug->next - 1];
    LLVMSetCurrentDebugLocation2(lower->builder, location_of(lower, place->scope, place->file, place->line));
}

LLVMMetadataRef lower_debug_pause(struct lowering *lower)
{
    LLVMMetadataRef before = LLVMGetCurrentDebugLocation2(lower->builder);
    LLVMSetCurrentDebugLocation2(lower->builder, NULL);
    return before;
}

void lower_debug_resume(struct lowering *lower, LLVMMetadataRef before)
{
    LLVMSetCurrentDebugLocation2(lower->builder, before);
}

/* ---- the whole ---- */

static void add_flag(struct lowering *lower, const char *name, uint32_t value)
{
    LLVMAddModuleFlag(lower->llvm, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(lower_i32(lower, value)));
}

/* The unit that all is in. LLVM says how to unwind frames where there is one, and on arm64 that keeps instructions in
 * their places: so it is always there, and code is the same with debug information and without. */
static void open_unit(struct lowering *lower, struct lowered_debug *debug)
{
    static const char producer[] = DWARF_OUR_PRODUCER;
    debug->builder = LLVMCreateDIBuilder(lower->llvm);
    char *name = format_text("%s.wasm", lower->instance->name);
    debug->own_file = LLVMDIBuilderCreateFile(debug->builder, name, strlen(name), "", 0);
    free(name);
    LLVMDIBuilderCreateCompileUnit(debug->builder, LLVMDWARFSourceLanguageC99, debug->own_file, producer,
                                   strlen(producer), true, "", 0, 0, "", 0, LLVMDWARFEmissionFull, 0, true, false, "",
                                   0, "", 0);
    debug->type = LLVMDIBuilderCreateSubroutineType(debug->builder, debug->own_file, NULL, 0, LLVMDIFlagZero);
    add_flag(lower, "Debug Info Version", LLVMDebugMetadataVersion());
    add_flag(lower, "Dwarf Version", 5);
}

static void close_unit(struct lowered_debug *debug)
{
    LLVMDIBuilderFinalize(debug->builder);
    LLVMDisposeDIBuilder(debug->builder);
}

void lower_debug_open(struct lowering *lower)
{
    struct lowered_debug unit = {0};
    if (lower->program->debug == DEBUG_NONE) {
        open_unit(lower, &unit);
        close_unit(&unit);
        return;
    }
    struct lowered_debug *debug = allocate(1, sizeof *debug);
    lower->debug = debug;
    debug->dwarf = &lower->instance->dwarf;
    debug->instance = lower->instance == lower->program->instances[0] ? NULL : lower->instance;
    debug->base = lower->module->code_section_offset;
    debug->files = allocate(debug->dwarf->file_count, sizeof *debug->files);
    debug->call_sites = allocate(debug->dwarf->scope_count, sizeof *debug->call_sites);
    collect_origins(debug);
    open_unit(lower, debug);
}

void lower_debug_close(struct lowering *lower)
{
    struct lowered_debug *debug = lower->debug;
    if (!debug)
        return;
    close_unit(debug);
    free(debug->files);
    free(debug->call_sites);
    free(debug->origins);
    free(debug);
    lower->debug = NULL;
}
