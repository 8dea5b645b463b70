/* What an instance consists of, as symbols: functions, memories, tables, globals, segments. Other
 * objects of the program find them by the names of names.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lower/lower.h"
#include "memory.h"

/* ---- linkage ---- */

/* Whether other instances may refer to what this one defines. */
static bool is_shared(const struct lowering *lower)
{
    return lower->program->instance_count > 1 || lower->program->has_export_tables;
}

/* Whether other objects of this instance may. */
static bool is_divided(const struct lowering *lower)
{
    return !lower->part->has_variables || lower->part->has_functions_beside;
}

static void set_linkage(const struct lowering *lower, LLVMValueRef symbol)
{
    if (is_shared(lower) || is_divided(lower))
        LLVMSetVisibility(symbol, LLVMHiddenVisibility);
    else
        LLVMSetLinkage(symbol, LLVMInternalLinkage);
}

/* The value of a variable of the instance's own. Where another object defines it, LLVM may know the value if it never
 * changes. */
static void set_initial(const struct lowering *lower, LLVMValueRef variable, LLVMValueRef initial, bool is_constant)
{
    if (is_constant)
        LLVMSetGlobalConstant(variable, true);
    if (lower->part->has_variables) {
        LLVMSetInitializer(variable, initial);
        set_linkage(lower, variable);
    } else if (is_constant) {
        LLVMSetInitializer(variable, initial);
        LLVMSetLinkage(variable, LLVMAvailableExternallyLinkage);
    }
}

/* A variable that each thread has its own of. */
static void set_thread_local(const struct lowering *lower, LLVMValueRef variable)
{
    if (lower->program->has_threads)
        LLVMSetThreadLocalMode(variable, LLVMLocalExecTLSModel);
}

/* An alias, visible to the whole image. */
static void add_alias(const struct lowering *lower, LLVMValueRef function, LLVMTypeRef type, const char *name)
{
    LLVMValueRef alias = LLVMAddAlias2(lower->llvm, type, 0, function, name);
    LLVMSetVisibility(alias, LLVMHiddenVisibility);
}

/* Finds what defines entity `index` of `kind`; true when it is this instance itself. */
static bool is_own(const struct lowering *lower, enum external_kind kind, uint32_t index,
                   const struct instance **definer, uint32_t *defined)
{
    const char *symbol;
    program_definition(lower->instance, kind, index, definer, defined, &symbol);
    return *definer == lower->instance;
}

/* ---- functions ---- */

/* The number of the function's type stands in the four bytes before its code. */
static void add_type_number(struct lowering *lower, LLVMValueRef function, const struct instance *instance,
                            uint32_t type)
{
    LLVMValueRef words[4] = {lower_i32(lower, 0), lower_i32(lower, 0), lower_i32(lower, 0),
                             lower_i32(lower, instance->type_numbers[type])};
    LLVMSetPrefixData(function, LLVMConstArray2(lower->i32, words, 4));
    LLVMSetAlignment(function, 16);
}

static LLVMValueRef declare_foreign(struct lowering *lower, const struct instance *definer, uint32_t function,
                                    LLVMTypeRef type)
{
    char *name = symbol_entity(definer, "function", function);
    LLVMValueRef value = lower_external_function(lower, name, type);
    lower_may_unwind(lower, value);
    lower_set_convention(lower, value);
    free(name);
    return value;
}

/* Whether the function's body belongs to this part. */
static bool is_defined_here(const struct lowering *lower, uint32_t function)
{
    const struct lower_part *part = lower->part;
    return function >= part->first_function && function < part->end_function &&
           (!part->has_functions_beside || lower->instance->survey.is_complex[function] == part->is_plain);
}

static LLVMValueRef declare_own(struct lowering *lower, uint32_t index, LLVMTypeRef type)
{
    char *name = symbol_function(lower->program, lower->instance, index);
    LLVMValueRef value = LLVMAddFunction(lower->llvm, name, type);
    lower_function_attributes(lower, value);
    lower_parameters_not_null(lower, value, module_function_type(lower->module, index));
    lower_may_unwind(lower, value);
    lower_set_convention(lower, value);
    free(name);
    bool is_start = lower->module->has_start && lower->module->start == index;
    bool is_declared = lower->module->functions[index].is_declared;
    if (is_declared || is_start || lower->part->has_functions_beside)
        /* Not local: LLVM would rename it after the first of its aliases. */
        LLVMSetVisibility(value, LLVMHiddenVisibility);
    else
        LLVMSetLinkage(value, LLVMInternalLinkage);
    if (is_declared && is_defined_here(lower, index))
        add_type_number(lower, value, lower->instance, lower->module->functions[index].type);
    if (lower->instance->survey.is_complex[index]) {
        lower_function_flag(lower, value, "noinline");
        lower_function_flag(lower, value, "optnone");
    }
    return value;
}

static void declare_function(struct lowering *lower, uint32_t index)
{
    struct lowered_function *function = &lower->functions[index];
    const struct instance *definer;
    uint32_t defined;
    const char *symbol;
    function->type = lower_function_type(lower, module_function_type(lower->module, index));
    if (!program_definition(lower->instance, EXTERNAL_FUNCTION, index, &definer, &defined, &symbol)) {
        function->value = lower_external_function(lower, symbol, function->type);
        function->is_native = true;
        return; /* a native function is no reference: it has no type number */
    }
    function->value = definer == lower->instance ? declare_own(lower, index, function->type)
                                                 : declare_foreign(lower, definer, defined, function->type);
    function->reference = function->value;
}

const struct lowered_function *lower_function(struct lowering *lower, uint32_t function)
{
    if (!lower->functions[function].value)
        declare_function(lower, function);
    return &lower->functions[function];
}

/* How many calls away from a function of the part a function may be whose body is borrowed, to be inlined. */
#define BORROWED_DEPTH 3

const struct lowered_function *lower_called_function(struct lowering *lower, uint32_t function)
{
    bool is_new = !lower->functions[function].value;
    const struct lowered_function *lowered = lower_function(lower, function);
    if (is_new && lower->borrowed_depth < BORROWED_DEPTH && function >= lower->module->imported_function_count &&
        lower->module->functions[function].body.size <= lower->part->inline_bytes &&
        !is_defined_here(lower, function) && !lower->instance->survey.is_complex[function]) {
        if (lower->borrowed_count == lower->borrowed_capacity) {
            lower->borrowed_capacity = 2 * lower->borrowed_capacity + 64;
            lower->borrowed = reallocate(lower->borrowed, lower->borrowed_capacity, sizeof *lower->borrowed);
        }
        lower->borrowed[lower->borrowed_count++] = function;
    }
    return lowered;
}

/* Those that the part defines, in their order, which is that of the code; others when they are mentioned. */
static void declare_functions(struct lowering *lower)
{
    lower->functions = allocate(lower->module->function_count, sizeof *lower->functions);
    for (uint32_t i = lower->part->first_function; i < lower->part->end_function; i++)
        if (is_defined_here(lower, i))
            declare_function(lower, i);
}

/* The body of `function`: it calls `callee`, which is native or not, and returns what that returns. */
static void forward_call(struct lowering *lower, LLVMValueRef function, LLVMValueRef callee, LLVMTypeRef type,
                         bool is_native)
{
    unsigned count = LLVMCountParams(function);
    LLVMValueRef *arguments = allocate(count, sizeof *arguments);
    LLVMGetParams(function, arguments);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(lower->builder); /* may be in the middle of another function */
    LLVMMetadataRef location = lower_debug_pause(lower);
    LLVMPositionBuilderAtEnd(lower->builder, LLVMAppendBasicBlockInContext(lower->context, function, ""));
    LLVMValueRef result = is_native ? lower_call_native(lower, type, callee, arguments, count)
                                    : lower_call_wasm(lower, type, callee, arguments, count);
    if (LLVMGetReturnType(type) == lower->nothing)
        LLVMBuildRetVoid(lower->builder);
    else
        LLVMBuildRet(lower->builder, result);
    if (here)
        LLVMPositionBuilderAtEnd(lower->builder, here);
    lower_debug_resume(lower, location);
    free(arguments);
}

/* A native function gets a type number by way of a function that does nothing but call it. */
static LLVMValueRef native_reference(struct lowering *lower, const char *symbol, LLVMTypeRef type,
                                     const struct instance *instance, uint32_t type_index)
{
    char *name = format_text("wasm.import.%s", symbol + strlen("__imported_"));
    LLVMValueRef function = LLVMAddFunction(lower->llvm, name, type);
    free(name);
    LLVMSetLinkage(function, LLVMInternalLinkage);
    lower_function_attributes(lower, function);
    add_type_number(lower, function, instance, type_index);
    lower_set_convention(lower, function);
    forward_call(lower, function, lower_external_function(lower, symbol, type), type, true);
    return function;
}

LLVMValueRef lower_function_reference(struct lowering *lower, uint32_t index)
{
    lower_function(lower, index);
    struct lowered_function *function = &lower->functions[index];
    if (!function->reference) {
        const struct instance *definer;
        uint32_t defined;
        const char *symbol = NULL;
        program_definition(lower->instance, EXTERNAL_FUNCTION, index, &definer, &defined, &symbol);
        function->reference =
            native_reference(lower, symbol, function->type, lower->instance, lower->module->functions[index].type);
    }
    return function->reference;
}

LLVMValueRef lower_foreign_reference(struct lowering *lower, const struct instance *instance, uint32_t index)
{
    const struct instance *definer;
    uint32_t defined;
    const char *symbol;
    LLVMTypeRef type = lower_function_type(lower, module_function_type(&instance->module, index));
    if (!program_definition(instance, EXTERNAL_FUNCTION, index, &definer, &defined, &symbol))
        return native_reference(lower, symbol, type, instance, instance->module.functions[index].type);
    return definer == lower->instance ? lower_function(lower, defined)->value
                                      : declare_foreign(lower, definer, defined, type);
}

/* ---- memories, tables, globals ---- */

/* The first memory's size is `wasm_memory_pages` to native code. */
static char *pages_symbol(const struct program *program, const struct instance *definer, uint32_t memory)
{
    if (definer == program->first_memory_instance && memory == program->first_memory)
        return copy_text("wasm_memory_pages");
    return symbol_entity(definer, "memory", memory);
}

static void declare_memories(struct lowering *lower)
{
    LLVMTypeRef region = LLVMArrayType2(lower->i8, WASM_MEMORY_SPAN);
    lower->memories = allocate(lower->module->memory_count, sizeof *lower->memories);
    for (uint32_t i = 0; i < lower->module->memory_count; i++) {
        struct lowered_memory *memory = &lower->memories[i];
        const struct instance *definer;
        uint32_t defined;
        bool own = is_own(lower, EXTERNAL_MEMORY, i, &definer, &defined);
        const struct limits *limits = &definer->module.memories[defined].limits;
        memory->base = definer->memory_bases[defined];
        memory->maximum_pages = memory_maximum_pages(limits);
        memory->is_64 = limits->is_64;
        memory->is_shared = limits->is_shared;
        memory->is_first = definer == lower->program->first_memory_instance && defined == lower->program->first_memory;
        char *pages = pages_symbol(lower->program, definer, defined);
        memory->pages = lower_external_global(lower, pages, lower->i64);
        free(pages);
        if (own && lower->part->has_variables)
            LLVMSetInitializer(memory->pages, lower_i64(lower, limits->minimum));
        char *bytes = format_text(MEMORY_SYMBOL_PREFIX "%llx", (unsigned long long)memory->base);
        memory->bytes = lower_external_global(lower, bytes, region);
        free(bytes);
    }
}

void lower_place_memories(LLVMModuleRef llvm)
{
    LLVMValueRef next;
    for (LLVMValueRef global = LLVMGetFirstGlobal(llvm); global; global = next) {
        next = LLVMGetNextGlobal(global);
        size_t length;
        const char *name = LLVMGetValueName2(global, &length);
        if (strncmp(name, MEMORY_SYMBOL_PREFIX, strlen(MEMORY_SYMBOL_PREFIX)) != 0)
            continue;
        uint64_t base = strtoull(name + strlen(MEMORY_SYMBOL_PREFIX), NULL, 16);
        LLVMTypeRef i64 = LLVMInt64TypeInContext(LLVMGetModuleContext(llvm));
        LLVMReplaceAllUsesWith(global, LLVMConstIntToPtr(LLVMConstInt(i64, base, false), LLVMTypeOf(global)));
        LLVMDeleteGlobal(global);
    }
}

/* Entries a table has room for. */
static uint64_t table_capacity(const struct program *program, const struct limits *limits)
{
    uint64_t capacity = limits->minimum + (program->may_grow_tables ? TABLE_GROWTH_ENTRIES : 0);
    return limits->has_maximum && limits->maximum < capacity ? limits->maximum : capacity;
}

static void declare_tables(struct lowering *lower)
{
    lower->tables = allocate(lower->module->table_count, sizeof *lower->tables);
    for (uint32_t i = 0; i < lower->module->table_count; i++) {
        struct lowered_table *table = &lower->tables[i];
        const struct instance *definer;
        uint32_t defined;
        bool own = is_own(lower, EXTERNAL_TABLE, i, &definer, &defined);
        const struct limits *limits = &definer->module.tables[defined].limits;
        table->is_64 = limits->is_64;
        table->capacity = table_capacity(lower->program, limits);
        char *entries = symbol_entity(definer, "table", defined), *size = symbol_entity(definer, "size", defined);
        table->entries = lower_external_global(lower, entries, LLVMArrayType2(lower->pointer, table->capacity));
        table->size = lower_external_global(lower, size, lower->i32);
        if (lower->program->may_change_tables) {
            set_thread_local(lower, table->entries);
            set_thread_local(lower, table->size);
        }
        free(entries);
        free(size);
        if (own)
            set_initial(lower, table->size, lower_i32(lower, (uint32_t)limits->minimum),
                        !lower->program->may_grow_tables);
        if (own && lower->part->has_variables)
            set_linkage(lower, table->entries); /* lower_instantiation fills it */
        if (own)
            LLVMSetGlobalConstant(table->entries, lower_tables_are_constant(lower));
    }
}

/* Arithmetic with a float that LLVM knows may lose what a signalling NaN becomes: float.c. */
static bool is_hidden_type(struct value_type type)
{
    return type.kind == VALUE_F32 || type.kind == VALUE_F64 || type.kind == VALUE_V128;
}

static void declare_globals(struct lowering *lower)
{
    lower->globals = allocate(lower->module->global_count, sizeof *lower->globals);
    for (uint32_t i = 0; i < lower->module->global_count; i++) {
        struct lowered_global *global = &lower->globals[i];
        const struct instance *definer;
        uint32_t defined;
        bool own = is_own(lower, EXTERNAL_GLOBAL, i, &definer, &defined);
        char *name = symbol_entity(definer, "global", defined);
        global->type = lower_value_type(lower, lower->module->globals[i].type);
        global->value = lower_external_global(lower, name, global->type);
        LLVMSetGlobalConstant(global->value, !lower->module->globals[i].is_mutable);
        if (lower->module->globals[i].is_mutable)
            set_thread_local(lower, global->value);
        free(name);
        bool is_hidden = is_hidden_type(lower->module->globals[i].type);
        bool is_known = !lower->module->globals[i].is_mutable && !is_hidden;
        if (own && (lower->part->has_variables || is_known)) {
            const struct expression initial = lower->module->globals[i].initial;
            set_initial(lower, global->value, lower_constant_expression(lower, lower->instance, initial), is_known);
            LLVMSetExternallyInitialized(global->value, is_hidden);
        }
    }
}

/* A tag is known by its address alone. */
static void declare_tags(struct lowering *lower)
{
    lower->tags = allocate(lower->module->tag_count, sizeof *lower->tags);
    for (uint32_t i = 0; i < lower->module->tag_count; i++) {
        const struct instance *definer;
        uint32_t defined;
        bool own = is_own(lower, EXTERNAL_TAG, i, &definer, &defined);
        char *name = symbol_entity(definer, "tag", defined);
        lower->tags[i] = lower_external_global(lower, name, lower->i64);
        free(name);
        if (own && lower->part->has_variables)
            set_initial(lower, lower->tags[i], lower_i64(lower, 0), false);
    }
}

/* ---- segments ---- */

static LLVMValueRef add_variable(struct lowering *lower, const char *word, uint32_t index, LLVMTypeRef type,
                                 bool is_constant)
{
    char *name = symbol_entity(lower->instance, word, index);
    LLVMValueRef global = lower_external_global(lower, name, type);
    free(name);
    LLVMSetGlobalConstant(global, is_constant);
    if (!is_constant)
        set_thread_local(lower, global);
    return global;
}

/* What no other instance can name. */
static void set_local_initial(const struct lowering *lower, LLVMValueRef variable, LLVMValueRef initial)
{
    LLVMSetInitializer(variable, initial);
    if (!is_divided(lower))
        LLVMSetLinkage(variable, LLVMInternalLinkage);
}

static void declare_data(struct lowering *lower)
{
    lower->data = allocate(lower->module->data_count, sizeof *lower->data);
    for (uint32_t i = 0; i < lower->module->data_count; i++) {
        const struct data_segment *data = &lower->module->data[i];
        lower->data[i].bytes = add_variable(lower, "data", i, LLVMArrayType2(lower->i8, data->size), true);
        lower->data[i].length = add_variable(lower, "datalength", i, lower->i32, false);
        if (!lower->part->has_variables)
            continue;
        LLVMValueRef bytes = LLVMConstStringInContext2(lower->context, (const char *)data->bytes, data->size, true);
        set_local_initial(lower, lower->data[i].bytes, bytes);
        set_local_initial(lower, lower->data[i].length, lower_i32(lower, data->size));
    }
}

static LLVMValueRef element_value(struct lowering *lower, const struct element_segment *segment, uint32_t index)
{
    return segment->functions ? lower_function_reference(lower, segment->functions[index])
                              : lower_constant_expression(lower, lower->instance, segment->expressions[index]);
}

static LLVMValueRef element_values(struct lowering *lower, const struct element_segment *segment)
{
    LLVMValueRef *values = allocate(segment->count, sizeof *values);
    for (uint32_t entry = 0; entry < segment->count; entry++)
        values[entry] = element_value(lower, segment, entry);
    LLVMValueRef array = LLVMConstArray2(lower->pointer, values, segment->count);
    free(values);
    return array;
}

/* A declarative segment counts as dropped from the start. */
static void declare_elements(struct lowering *lower)
{
    lower->elements = allocate(lower->module->element_count, sizeof *lower->elements);
    for (uint32_t i = 0; i < lower->module->element_count; i++) {
        const struct element_segment *segment = &lower->module->elements[i];
        LLVMTypeRef type = LLVMArrayType2(lower->pointer, segment->count);
        uint32_t length = segment->mode == SEGMENT_DECLARATIVE ? 0 : segment->count;
        lower->elements[i].bytes = add_variable(lower, "elements", i, type, true);
        lower->elements[i].length = add_variable(lower, "elementslength", i, lower->i32, false);
        if (!lower->part->has_variables)
            continue;
        set_local_initial(lower, lower->elements[i].bytes, element_values(lower, segment));
        set_local_initial(lower, lower->elements[i].length, lower_i32(lower, length));
    }
}

/* ---- exports ---- */

/* A function has at most so many aliases: LLVM takes the square of their number. */
#define ALIASES 5000

/* A name for native code, which knows C's calling convention only. */
static void export_native(struct lowering *lower, struct lowered_function *function, const char *name)
{
    if (!lower->program->has_tail_calls && function->alias_count++ < ALIASES) {
        add_alias(lower, function->value, function->type, name);
        return;
    }
    LLVMValueRef wrapper = lower_external_function(lower, name, function->type);
    forward_call(lower, wrapper, function->value, function->type, false);
}

/* Under the names by which native code and other instances find them. */
static void export_functions(struct lowering *lower)
{
    for (uint32_t i = lower->part->first_function; is_shared(lower) && i < lower->part->end_function; i++) {
        if (!lower->module->functions[i].is_declared || !is_defined_here(lower, i))
            continue;
        char *name = symbol_entity(lower->instance, "function", i);
        add_alias(lower, lower->functions[i].value, lower->functions[i].type, name);
        free(name);
    }
    for (uint32_t i = 0; lower->instance == lower->program->instances[0] && i < lower->module->export_count; i++) {
        const struct module_export *export = &lower->module->exports[i];
        if (export->kind != EXTERNAL_FUNCTION || !is_defined_here(lower, export->index))
            continue;
        char *mangled = symbol_mangle(export->name.bytes, export->name.length);
        char *name = format_text("wasm_export_%s", mangled);
        export_native(lower, &lower->functions[export->index], name);
        free(name);
        free(mangled);
    }
}

/* ---- the whole ---- */

static void lowering_free(struct lowering *lower)
{
    free(lower->functions);
    free(lower->borrowed);
    free(lower->memories);
    free(lower->tables);
    free(lower->globals);
    free(lower->tags);
    free(lower->data);
    free(lower->elements);
    if (lower->builder)
        LLVMDisposeBuilder(lower->builder);
}

/* Bodies of functions from elsewhere, for LLVM to inline and then to drop. Those found on the way are at the end of the
 * list and one call further away. */
static void lower_borrowed(struct lowering *lower)
{
    uint32_t end = lower->borrowed_count;
    lower->borrowed_depth = 1;
    for (uint32_t i = 0; lower->error->result == MODULE_OK && i < lower->borrowed_count; i++) {
        if (i == end) {
            lower->borrowed_depth++;
            end = lower->borrowed_count;
        }
        LLVMSetLinkage(lower->functions[lower->borrowed[i]].value, LLVMAvailableExternallyLinkage);
        lower_function_body(lower, lower->borrowed[i]);
    }
}

static void lower_bodies(struct lowering *lower)
{
    const struct lower_part *part = lower->part;
    for (uint32_t i = part->first_function; lower->error->result == MODULE_OK && i < part->end_function; i++)
        if (is_defined_here(lower, i))
            lower_function_body(lower, i);
}

LLVMModuleRef lower_instance(LLVMContextRef context, const struct program *program, const struct instance *instance,
                             const struct lower_part *part, enum target target, struct module_error *error)
{
    struct lowering lower = {.program = program,
                             .instance = instance,
                             .module = &instance->module,
                             .part = part,
                             .target = target,
                             .error = error,
                             .context = context,
                             .llvm = LLVMModuleCreateWithNameInContext(instance->name, context),
                             .builder = LLVMCreateBuilderInContext(context)};
    *error = (struct module_error){.result = MODULE_OK, .function = MODULE_NO_FUNCTION};
    lower_types_open(&lower);
    lower_debug_open(&lower);
    declare_functions(&lower);
    declare_memories(&lower);
    declare_tables(&lower);
    declare_globals(&lower);
    declare_tags(&lower);
    declare_data(&lower);
    declare_elements(&lower);
    lower_bodies(&lower);
    if (error->result == MODULE_OK)
        lower_borrowed(&lower);
    if (error->result == MODULE_OK) {
        if (part->has_variables)
            lower_instantiation(&lower);
        export_functions(&lower);
        if (part->has_variables && program->has_export_tables)
            lower_export_table(&lower);
    }
    lower_debug_close(&lower);
    lowering_free(&lower);
    if (error->result == MODULE_OK)
        return lower.llvm;
    LLVMDisposeModule(lower.llvm);
    return NULL;
}
