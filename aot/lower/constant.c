/* Constant expressions become LLVM constants: every global that one may read is immutable, and its
 * value is known in the whole program. */
#include <stdio.h>
#include <stdlib.h>

#include "lower/lower.h"
#include "memory.h"

/* The value of global `index` as seen by `instance`. */
static LLVMValueRef global_value(struct lowering *lower, const struct instance *instance, uint32_t index)
{
    const struct instance *definer;
    uint32_t defined;
    const char *symbol;
    program_definition(instance, EXTERNAL_GLOBAL, index, &definer, &defined, &symbol);
    return lower_constant_expression(lower, definer, definer->module.globals[defined].initial);
}

/* A function of any instance, as a reference valid in this one's object. */
static LLVMValueRef function_value(struct lowering *lower, const struct instance *instance, uint32_t function)
{
    if (instance == lower->instance)
        return lower_function_reference(lower, function);
    return lower_foreign_reference(lower, instance, function);
}

static LLVMValueRef float_bits(LLVMTypeRef integer, LLVMTypeRef type, uint64_t bits)
{
    return LLVMConstBitCast(LLVMConstInt(integer, bits, false), type);
}

static LLVMValueRef vector_value(const struct lowering *lower, const uint8_t bytes[16])
{
    LLVMValueRef lanes[16];
    for (unsigned i = 0; i < 16; i++)
        lanes[i] = LLVMConstInt(lower->i8, bytes[i], false);
    return LLVMConstVector(lanes, 16);
}

/* The extended constant expressions: of two integers of one width. */
static LLVMValueRef arithmetic_value(uint16_t code, LLVMValueRef left, LLVMValueRef right)
{
    uint64_t a = LLVMConstIntGetZExtValue(left), b = LLVMConstIntGetZExtValue(right);
    bool adds = code == OP_I32_ADD || code == OP_I64_ADD, subtracts = code == OP_I32_SUB || code == OP_I64_SUB;
    return LLVMConstInt(LLVMTypeOf(left), adds ? a + b : subtracts ? a - b : a * b, false);
}

LLVMValueRef lower_constant_expression(struct lowering *lower, const struct instance *instance,
                                       struct expression expression)
{
    struct operator_reader reader;
    struct operation op;
    struct module_error error;
    LLVMValueRef *values = allocate(expression.size, sizeof *values), result = NULL; /* a byte pushes one at most */
    unsigned count = 0;
    operator_reader_open_expression(&reader, &instance->module, expression);
    while (!operator_reader_at_end(&reader) && operator_read(&reader, &op, &error)) {
        switch (op.code) {
        case OP_I32_CONST:
            values[count++] = lower_i32(lower, (uint32_t)op.constant);
            break;
        case OP_I64_CONST:
            values[count++] = lower_i64(lower, op.constant);
            break;
        case OP_F32_CONST:
            values[count++] = float_bits(lower->i32, lower->f32, op.constant);
            break;
        case OP_F64_CONST:
            values[count++] = float_bits(lower->i64, lower->f64, op.constant);
            break;
        case OP_V128_CONST:
            values[count++] = vector_value(lower, op.vector);
            break;
        case OP_I32_ADD:
        case OP_I32_SUB:
        case OP_I32_MUL:
        case OP_I64_ADD:
        case OP_I64_SUB:
        case OP_I64_MUL:
            values[count - 2] = arithmetic_value(op.code, values[count - 2], values[count - 1]);
            count--;
            break;
        case OP_REF_NULL:
            values[count++] = LLVMConstNull(lower->pointer);
            break;
        case OP_REF_FUNC:
            values[count++] = function_value(lower, instance, op.index);
            break;
        case OP_GLOBAL_GET:
            values[count++] = global_value(lower, instance, op.index);
            break;
        case OP_END:
            result = values[0];
            break;
        default:
            *lower->error = (struct module_error){
                .result = MODULE_UNSUPPORTED, .offset = op.offset, .function = MODULE_NO_FUNCTION};
            snprintf(lower->error->message, sizeof lower->error->message,
                     "%s in a constant expression cannot be translated", opcode_table[op.code].text);
            values[count++] = lower_i32(lower, 0);
            break;
        }
    }
    operator_reader_close(&reader);
    free(values);
    return result;
}
