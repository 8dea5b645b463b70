/* Damaged DWARF: modules' debug sections with random changes go to the reader, each section in memory of its exact
 * size, under AddressSanitizer and UBSan. What it returns must keep its promises, whatever was read.
 *
 *     dwarf_fuzz SECONDS SEED MODULE...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dwarf_promises.h"
#include "memory.h"
#include "wasm/module.h"

static uint64_t random_state;

/* splitmix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators". */
static uint64_t random_next(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* One section, damaged: the rest of `input` is as it was. */
static void try_damage(const struct dwarf_input *whole, unsigned changes)
{
    struct dwarf_input input = *whole;
    struct dwarf dwarf;
    struct dwarf_error error;
    unsigned kind = (unsigned)(random_next() % DWARF_SECTIONS);
    struct dwarf_section *section = &input.sections[kind];
    uint8_t *copy = malloc(section->size + 1);
    if (!copy || section->size == 0) {
        free(copy);
        return;
    }
    memcpy(copy, section->bytes, section->size);
    if (random_next() % 8 == 0)
        section->size = random_next() % section->size;
    for (unsigned i = 0; i < changes && section->size; i++) {
        size_t at = random_next() % section->size;
        copy[at] = random_next() % 2 ? (uint8_t)random_next() : (uint8_t)(copy[at] ^ (1u << random_next() % 8));
    }
    section->bytes = realloc(copy, section->size + (section->size == 0));
    bool is_whole = dwarf_read(&input, &dwarf, &error);
    check_result(&dwarf, is_whole, &error);
    dwarf_free(&dwarf);
    free((void *)section->bytes);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The module's sections, whole, must read without an error. */
static void open_module(const char *file, struct module *module, struct dwarf_input *input)
{
    size_t size;
    struct module_error problem;
    struct dwarf dwarf;
    struct dwarf_error error;
    uint8_t *bytes = read_file(file, &size);
    require(bytes && module_load(bytes, size, FEATURES_ALL, module, &problem), "a module that cannot be read");
    *input = (struct dwarf_input){.low = 1, .high = size};
    for (unsigned i = 0; i < DWARF_SECTIONS; i++) {
        const struct custom_section *custom = module_custom_find(module, dwarf_section_names[i]);
        if (custom)
            input->sections[i] = (struct dwarf_section){custom->bytes, custom->size};
    }
    bool is_whole = dwarf_read(input, &dwarf, &error);
    if (!is_whole)
        fprintf(stderr, "%s: %s: 0x%llx: %s\n", file, dwarf_section_names[error.section],
                (unsigned long long)error.offset, error.message);
    require(is_whole && dwarf.place_count > 100 && dwarf.scope_count > 10, "whole DWARF that is not understood");
    check_result(&dwarf, is_whole, &error);
    printf("%s: %u files, %u scopes, %u places\n", file, dwarf.file_count, dwarf.scope_count, dwarf.place_count);
    dwarf_free(&dwarf);
}

int main(int count, char **arguments)
{
    if (count < 4) {
        fprintf(stderr, "usage: dwarf_fuzz SECONDS SEED MODULE...\n");
        return 2;
    }
    double end = now() + strtod(arguments[1], NULL);
    random_state = strtoull(arguments[2], NULL, 10);
    struct module *modules = allocate((size_t)count, sizeof *modules);
    struct dwarf_input *inputs = allocate((size_t)count, sizeof *inputs);
    int module_count = count - 3;
    for (int i = 0; i < module_count; i++)
        open_module(arguments[3 + i], &modules[i], &inputs[i]);
    unsigned long tried = 0;
    for (; tried < 200 || now() < end; tried++)
        try_damage(&inputs[random_next() % (unsigned)module_count], 1 + (unsigned)(random_next() % 4));
    printf("%lu damaged ones tried\n", tried);
    for (int i = 0; i < module_count; i++) {
        const void *bytes = modules[i].bytes;
        module_free(&modules[i]);
        free((void *)bytes);
    }
    free(modules);
    free(inputs);
    return 0;
}
