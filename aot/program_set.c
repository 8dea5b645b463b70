/* Reads the description of a set of instances; program.h says what it looks like. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "program.h"

static char *path_beside(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    if (name[0] == '/' || !slash)
        return copy_text(name);
    return format_text("%.*s/%s", (int)(slash - file), file, name);
}

/* Splits off the next word of a line; words of a set description hold no blanks. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t\n");
    char *end = word + strcspn(word, " \t\n");
    *line = *end ? end + 1 : end;
    *end = 0;
    return *word ? word : NULL;
}

/* One line of a set description. `*instance` is the one that `import` lines belong to. */
static const char *set_line(struct program *program, const char *file, char *line, struct instance **instance)
{
    char *command = next_word(&line), *first = next_word(&line), *second = next_word(&line);
    if (!command || command[0] == '#')
        return NULL;
    if (!first || !second || next_word(&line))
        return "expected three words";
    if (strcmp(command, "instance") == 0 || strcmp(command, "unlinkable") == 0) {
        if (!program_accepts_name(program, first))
            return "instances need names of their own, of letters, digits and _, and not \"wasm\"";
        char *path = path_beside(file, second);
        *instance = program_add(program, first, path);
        (*instance)->may_fail = command[0] == 'u';
        free(path);
        return NULL;
    }
    if (strcmp(command, "import") == 0 && *instance) {
        size_t length = 0;
        char *module = text_from_hex(first, &length);
        if (!module)
            return "the module's name must be in hexadecimal after `=`, or plain";
        program_bind(*instance, module, NULL);
        (*instance)->bindings[(*instance)->binding_count - 1].provider_name = copy_text(second);
        free(module);
        return NULL;
    }
    return "expected `instance`, `unlinkable` or `import`";
}

/* Instances may be named before they are described. The name that does not exist, or NULL. */
static const char *resolve_bindings(struct program *program)
{
    for (uint32_t i = 0; i < program->instance_count; i++) {
        struct instance *instance = program->instances[i];
        for (uint32_t b = 0; b < instance->binding_count; b++) {
            instance->bindings[b].provider = program_find(program, instance->bindings[b].provider_name);
            if (!instance->bindings[b].provider)
                return instance->bindings[b].provider_name;
        }
    }
    return NULL;
}

bool program_read_set(struct program *program, const char *file)
{
    FILE *stream = fopen(file, "r");
    if (!stream) {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t capacity = 0;
    struct instance *instance = NULL;
    const char *problem = NULL;
    unsigned number = 0;
    while (!problem && getline(&line, &capacity, stream) > 0) {
        number++;
        problem = set_line(program, file, line, &instance);
    }
    if (!problem && program->instance_count == 0)
        problem = "no instance";
    const char *unknown = problem ? NULL : resolve_bindings(program);
    if (problem)
        fprintf(stderr, "%s: line %u: %s\n", file, number, problem);
    else if (unknown)
        fprintf(stderr, "%s: there is no instance %s\n", file, unknown);
    free(line);
    fclose(stream);
    return !problem && !unknown;
}
