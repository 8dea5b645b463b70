#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_one.h"
#include "wasm/operator.h"

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz_one: broken promise: %s\n", what);
    abort();
}

/* The whole body reads without an error, its blocks nest, and it ends with its last `end`. */
static void walk_body(const struct module *module, uint32_t function)
{
    struct operator_reader reader;
    struct operation op;
    struct module_error error;
    uint32_t depth = 1;
    operator_reader_open_body(&reader, module, function);
    while (!operator_reader_at_end(&reader)) {
        require(depth > 0, "operators after the end of a valid body");
        require(operator_read(&reader, &op, &error), "an error in a valid body");
        if (operator_opens_block(op.code))
            depth++;
        if (op.code == OP_END || op.code == OP_DELEGATE)
            depth--;
        require(depth <= module->functions[function].body.maximum_depth, "depth above the maximum");
        if (operator_ends_block_early(op.code)) {
            require(operator_skip_unreachable(&reader, &op, &error), "an error in unreachable code");
            depth -= op.code == OP_END || op.code == OP_DELEGATE;
        }
    }
    require(depth == 0, "a valid body with open blocks");
    operator_reader_close(&reader);
}

static void walk_expression(const struct module *module, struct expression expression)
{
    struct operator_reader reader;
    struct operation op;
    struct module_error error;
    operator_reader_open_expression(&reader, module, expression);
    while (!operator_reader_at_end(&reader))
        require(operator_read(&reader, &op, &error), "an error in a valid expression");
    operator_reader_close(&reader);
}

static void walk_module(const struct module *module)
{
    for (uint32_t i = module->imported_function_count; i < module->function_count; i++) {
        struct value_type *types = calloc(module->functions[i].body.local_count + 1u, sizeof *types);
        if (types)
            module_function_locals(module, i, types);
        free(types);
        walk_body(module, i);
    }
    for (uint32_t i = module->imported_global_count; i < module->global_count; i++)
        walk_expression(module, module->globals[i].initial);
    for (uint32_t i = 0; i < module->element_count; i++) {
        const struct element_segment *segment = &module->elements[i];
        for (uint32_t n = 0; n < segment->count; n++) {
            if (segment->functions)
                require(segment->functions[n] < module->function_count, "an element that is no function");
            else
                walk_expression(module, segment->expressions[n]);
        }
    }
}

enum fuzz_result fuzz_one(const uint8_t *bytes, size_t size, unsigned features)
{
    struct module module;
    struct module_error error;
    char text[256];
    bool is_valid = module_load(bytes, size, features, &module, &error);
    require(is_valid == (error.result == MODULE_OK), "the result and the error disagree");
    if (is_valid) {
        walk_module(&module);
    } else {
        require(error.message[0] != '\0', "an error without a message");
        require(error.offset <= size, "an error beyond the module");
        require(memchr(error.message, 0, sizeof error.message) != NULL, "a message without an end");
        module_error_format(&error, &module, "fuzz.wasm", text, sizeof text);
    }
    module_free(&module);
    if (is_valid)
        return FUZZ_VALID;
    return error.result == MODULE_UNSUPPORTED || error.result == MODULE_NO_MEMORY ? FUZZ_UNSUPPORTED : FUZZ_WRONG;
}
