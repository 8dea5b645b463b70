/* What generated symbols are called.
 *
 *   wasm.NAME              a function of the main instance (local; wasm.functionN when it has none)
 *   INSTANCE.NAME          a function of another instance
 *   INSTANCE$functionN     the same functions, tables, memories and globals across objects
 *   wasm_export_NAME       an exported function of the main instance, for native code */
#include <stdio.h>
#include <string.h>

#include "lower/lower.h"
#include "memory.h"

char *symbol_entity(const struct instance *instance, const char *word, uint32_t index)
{
    return format_text("%s$%s%u", instance->name, word, index);
}

/* A function's name: the name section's, else the first under which it is exported. */
static struct name function_name(const struct module *module, uint32_t function)
{
    struct name name = module->functions[function].name;
    for (uint32_t i = 0; name.length == 0 && i < module->export_count; i++)
        if (module->exports[i].kind == EXTERNAL_FUNCTION && module->exports[i].index == function)
            name = module->exports[i].name;
    return name;
}

char *symbol_function(const struct program *program, const struct instance *instance, uint32_t function)
{
    const char *prefix = instance == program->instances[0] ? "wasm" : instance->name;
    struct name name = function_name(&instance->module, function);
    if (name.length == 0 || memchr(name.bytes, 0, name.length))
        return format_text("%s.function%u", prefix, function);
    return format_text("%s.%.*s", prefix, (int)name.length, name.bytes);
}
