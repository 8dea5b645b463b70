/* The promises of aot/dwarf/dwarf.h about what was read; dwarf_promises.h has the contract. */
#include "dwarf_promises.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

void check_result(const struct dwarf *dwarf, bool is_whole, const struct dwarf_error *error)
{
    size_t sum = 0;
    require(is_whole == !error->message, "the result and the error disagree");
    for (uint32_t i = 0; i < dwarf->file_count; i++)
        sum +=
            strlen(dwarf->files[i].name) + strlen(dwarf->files[i].directory) + strlen(dwarf->files[i].unit_directory);
    for (uint32_t i = 0; i < dwarf->scope_count; i++) {
        const struct dwarf_scope *scope = &dwarf->scopes[i];
        require(scope->parent == DWARF_NONE || scope->parent < i, "a parent that comes later");
        require(scope->file == DWARF_NONE || scope->file < dwarf->file_count, "a scope's file");
        require(scope->call_file == DWARF_NONE || scope->call_file < dwarf->file_count, "a call's file");
        sum += scope->name ? strlen(scope->name) : 0;
    }
    for (uint32_t i = 0; i < dwarf->place_count; i++) {
        const struct dwarf_place *place = &dwarf->places[i];
        require(i == 0 || place[-1].address < place->address, "places out of order");
        require(place->scope == DWARF_NONE || place->scope < dwarf->scope_count, "a place's scope");
        require(place->file == DWARF_NONE || place->file < dwarf->file_count, "a place's file");
        require(dwarf_find(dwarf, place->address) == place, "a place that is not found");
    }
    require(sum < (size_t)1 << 40, "texts without end");
}
