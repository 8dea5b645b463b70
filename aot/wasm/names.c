/* The name section: the names of the module and of its functions.
 *
 * It is a custom section, so nothing in it makes a module malformed: reading stops at the first
 * thing that is wrong, and what came before counts.
 *
 * Source: core specification, appendix "Custom Sections", "Name Section".
 */
#include "internal.h"

enum { NAMES_MODULE = 0, NAMES_FUNCTIONS = 1 };

static void read_function_names(struct cursor *cursor, struct module *module)
{
    uint32_t count, index;
    struct name name;
    if (!cursor_read_u32(cursor, &count))
        return;
    for (; count > 0; count--) {
        if (!cursor_read_u32(cursor, &index) || !cursor_read_name(cursor, &name))
            return;
        if (index < module->function_count)
            module->functions[index].name = name;
    }
}

static bool read_subsection(struct cursor *cursor, struct module *module)
{
    uint8_t id;
    uint32_t size;
    if (!cursor_read_byte(cursor, &id) || !cursor_read_u32(cursor, &size))
        return false;
    struct cursor inner = *cursor;
    if (!cursor_skip(cursor, size))
        return false;
    inner.end = cursor->position;
    if (id == NAMES_FUNCTIONS)
        read_function_names(&inner, module);
    struct name name;
    if (id == NAMES_MODULE && cursor_read_name(&inner, &name))
        module->name = name;
    return true;
}

void module_read_names(struct module *module, const struct custom_section *section)
{
    struct module_error ignored;
    struct cursor cursor = {module, section->offset, section->offset + section->size, MODULE_NO_FUNCTION, &ignored};
    while (cursor.position < cursor.end && read_subsection(&cursor, module))
        ;
}
