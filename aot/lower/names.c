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

char *symbol_function(const struct program *program, const struct instance *instance, uint32_t function)
{
    const char *prefix = instance == program->instances[0] ? "wasm" : instance->name;
    return format_text("%s.%s", prefix, instance->survey.symbols[function]);
}
