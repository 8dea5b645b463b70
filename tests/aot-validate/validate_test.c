/* The reader and validator on modules made by hand: what is accepted and how it looks then, what is
 * refused, where and in which words, and input that is meant to take long or need much. */
#include <time.h>

#include "wasm/operator.h"
#include "wasm_builder.h"

static unsigned failures;

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            failures++;                                                                                                \
            printf("%s:%d: ", __FILE__, __LINE__);                                                                     \
            printf(__VA_ARGS__);                                                                                       \
            printf(": not true: %s\n", #condition);                                                                    \
        }                                                                                                              \
    } while (0)

/* ---- Whole modules ---- */

struct module_case {
    const char *name;
    unsigned features;
    enum module_result result;
    uint64_t offset;
    const char *phrase;
    const char *contents; /* after the header */
    size_t size;
};

#define MODULE(name, features, result, offset, phrase, contents)                                                       \
    {                                                                                                                  \
        name, features, result, offset, phrase, LITERAL(contents)                                                      \
    }

static const struct module_case module_cases[] = {
    MODULE("empty", 0, MODULE_OK, 0, "", ""),
    MODULE("custom section", 0, MODULE_OK, 0, "",
           "\x00\x03\x02"
           "ab"),
    MODULE("section beyond the end", 0, MODULE_MALFORMED, 10, "length out of bounds", "\x01\x02\x00"),
    MODULE("size too long", 0, MODULE_MALFORMED, 9, "integer representation too long", "\x01\x80\x80\x80\x80\x80\x00"),
    MODULE("size too large", 0, MODULE_MALFORMED, 9, "integer too large", "\x01\x80\x80\x80\x80\x10"),
    MODULE("no size", 0, MODULE_MALFORMED, 9, "unexpected end", "\x01"),
    MODULE("section left over", 0, MODULE_MALFORMED, 11, "section size mismatch", "\x01\x02\x00\x00"),
    MODULE("sections out of order", 0, MODULE_MALFORMED, 11, "unexpected content after last section",
           "\x03\x01\x00\x01\x01\x00"),
    MODULE("section twice", 0, MODULE_MALFORMED, 11, "unexpected content after last section",
           "\x01\x01\x00\x01\x01\x00"),
    MODULE("section 14", FEATURES_ALL, MODULE_MALFORMED, 8, "malformed section id", "\x0e\x00"),
    MODULE("tag section off", 0, MODULE_MALFORMED, 8, "malformed section id", "\x0d\x01\x00"),
    MODULE("huge count", 0, MODULE_MALFORMED, 10, "unexpected end of section", "\x01\x05\xff\xff\xff\xff\x0f"),
    MODULE("no type form", 0, MODULE_MALFORMED, 11, "malformed definition type", "\x01\x04\x01\x61\x00\x00"),
    MODULE("struct type", FEATURES_ALL, MODULE_UNSUPPORTED, 11, "gc types are not supported", "\x01\x03\x01\x5f\x00"),
    MODULE("value type", 0, MODULE_MALFORMED, 13, "malformed value type", "\x01\x05\x01\x60\x01\x7a\x00"),
    MODULE("v128 off", 0, MODULE_MALFORMED, 13, "malformed value type", "\x01\x05\x01\x60\x01\x7b\x00"),
    MODULE("v128 on", FEATURE_SIMD, MODULE_OK, 0, "", "\x01\x05\x01\x60\x01\x7b\x00"),
    MODULE("type refers to itself", FEATURES_ALL, MODULE_OK, 0, "", "\x01\x06\x01\x60\x01\x63\x00\x00"),
    MODULE("type refers to a later one", FEATURES_ALL, MODULE_INVALID, 14, "unknown type 1",
           "\x01\x09\x02\x60\x01\x63\x01\x00\x60\x00\x00"),
    MODULE("group of two", FEATURES_ALL, MODULE_OK, 0, "", "\x01\x0b\x01\x4e\x02\x60\x01\x63\x01\x00\x60\x00\x00"),
    MODULE("overlong UTF-8", 0, MODULE_MALFORMED, 11, "malformed UTF-8 encoding", "\x00\x03\x02\xc0\x80"),
    MODULE("surrogate", 0, MODULE_MALFORMED, 11, "malformed UTF-8 encoding", "\x00\x04\x03\xed\xa0\x80"),
    MODULE("beyond Unicode", 0, MODULE_MALFORMED, 11, "malformed UTF-8 encoding", "\x00\x05\x04\xf4\x90\x80\x80"),
    MODULE("last of Unicode", 0, MODULE_OK, 0, "", "\x00\x05\x04\xf4\x8f\xbf\xbf"),
    MODULE("name beyond section", 0, MODULE_MALFORMED, 11, "length out of bounds",
           "\x00\x02\x02"
           "a"),
    MODULE("import kind", 0, MODULE_MALFORMED, 13, "malformed import kind", "\x02\x05\x01\x00\x00\x05\x00"),
    MODULE("import of unknown type", 0, MODULE_INVALID, 14, "unknown type 0", "\x02\x05\x01\x00\x00\x00\x00"),
    MODULE("function without body", 0, MODULE_MALFORMED, 18, "function and code section have inconsistent lengths",
           "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00"),
    MODULE("body without function", 0, MODULE_MALFORMED, 10, "function and code section have inconsistent lengths",
           "\x0a\x04\x01\x02\x00\x0b"),
    MODULE("table of numbers", 0, MODULE_MALFORMED, 11, "malformed reference type", "\x04\x04\x01\x7f\x00\x00"),
    MODULE("table minimum above maximum", 0, MODULE_INVALID, 11, "size minimum must not be greater",
           "\x04\x05\x01\x70\x01\x02\x01"),
    MODULE("limits flags", 0, MODULE_MALFORMED, 11, "malformed limits flags", "\x05\x04\x01\x02\x00\x01"),
    MODULE("memory of 4 GiB", 0, MODULE_OK, 0, "", "\x05\x05\x01\x00\x80\x80\x04"),
    MODULE("memory above 4 GiB", 0, MODULE_INVALID, 11, "memory size must be at most 65536 pages",
           "\x05\x05\x01\x00\x81\x80\x04"),
    MODULE("two memories off", 0, MODULE_INVALID, 13, "multiple memories", "\x05\x05\x02\x00\x00\x00\x00"),
    MODULE("two memories on", FEATURE_MULTI_MEMORY, MODULE_OK, 0, "", "\x05\x05\x02\x00\x00\x00\x00"),
    MODULE("memory64 off", 0, MODULE_MALFORMED, 11, "malformed limits flags", "\x05\x03\x01\x04\x00"),
    MODULE("memory64 on", FEATURE_MEMORY64, MODULE_OK, 0, "", "\x05\x03\x01\x04\x00"),
    MODULE("shared without maximum", FEATURE_THREADS, MODULE_INVALID, 11, "shared memory must have maximum",
           "\x05\x03\x01\x02\x00"),
    MODULE("shared", FEATURE_THREADS, MODULE_OK, 0, "", "\x05\x04\x01\x03\x00\x01"),
    MODULE("mutability", 0, MODULE_MALFORMED, 12, "malformed mutability", "\x06\x06\x01\x7f\x02\x41\x00\x0b"),
    MODULE("global of another type", 0, MODULE_INVALID, 15, "type mismatch", "\x06\x06\x01\x7e\x00\x41\x00\x0b"),
    MODULE("global without end", 0, MODULE_MALFORMED, 15, "unexpected end", "\x06\x05\x01\x7f\x00\x41\x00"),
    MODULE("global not constant", 0, MODULE_INVALID, 13, "constant expression required",
           "\x06\x05\x01\x7f\x00\x01\x0b"),
    MODULE("global with a block", 0, MODULE_INVALID, 13, "constant expression required",
           "\x06\x07\x01\x7f\x00\x02\x40\x0b\x0b"),
    MODULE("global of unknown global", 0, MODULE_INVALID, 13, "unknown global 0", "\x06\x06\x01\x7f\x00\x23\x00\x0b"),
    MODULE("extended constant off", 0, MODULE_INVALID, 17, "constant expression required",
           "\x06\x09\x01\x7f\x00\x41\x01\x41\x02\x6a\x0b"),
    MODULE("extended constant on", FEATURE_EXTENDED_CONST, MODULE_OK, 0, "",
           "\x06\x09\x01\x7f\x00\x41\x01\x41\x02\x6a\x0b"),
    MODULE("export of unknown function", 0, MODULE_INVALID, 11, "unknown function 0", "\x07\x04\x01\x00\x00\x00"),
    MODULE("export twice", 0, MODULE_INVALID, 23, "duplicate export name \"a\"",
           "\x06\x06\x01\x7f\x00\x41\x00\x0b"
           "\x07\x09\x02\x01"
           "a"
           "\x03\x00\x01"
           "a"
           "\x03\x00"),
    MODULE("start of unknown function", 0, MODULE_INVALID, 10, "unknown function 1", "\x08\x01\x01"),
    MODULE("start with a result", 0, MODULE_INVALID, 21, "start function",
           "\x01\x05\x01\x60\x00\x01\x7f\x03\x02\x01\x00\x08\x01\x00\x0a\x06\x01\x04\x00\x41\x00\x0b"),
    MODULE("element of unknown table", 0, MODULE_INVALID, 11, "unknown table 0", "\x09\x06\x01\x00\x41\x00\x0b\x00"),
    MODULE("element of unknown function", 0, MODULE_INVALID, 11, "unknown function 7", "\x09\x05\x01\x01\x00\x01\x07"),
    MODULE("data of unknown memory", 0, MODULE_INVALID, 11, "unknown memory 0", "\x0b\x06\x01\x00\x41\x00\x0b\x00"),
    MODULE("data beyond the section", 0, MODULE_MALFORMED, 13, "length out of bounds", "\x0b\x03\x01\x01\x05"),
    MODULE("data count without data", 0, MODULE_MALFORMED, 10, "data count and data section have inconsistent lengths",
           "\x0c\x01\x01"),
    MODULE("tag with a result", FEATURES_ALL, MODULE_INVALID, 18, "non-empty tag result type",
           "\x01\x05\x01\x60\x00\x01\x7f\x0d\x03\x01\x00\x00"),
    MODULE("table of non-null references", FEATURES_ALL, MODULE_INVALID, 11, "type mismatch",
           "\x04\x05\x01\x64\x70\x00\x00"),
};

static void check_result(const char *name, const struct module_error *error, bool done, enum module_result result,
                         uint64_t offset, const char *phrase)
{
    CHECK(done == (result == MODULE_OK), "%s: %s", name, error->message);
    CHECK(error->result == result, "%s: result %d: %s", name, error->result, error->message);
    CHECK(error->offset == offset, "%s: offset %llu: %s", name, (unsigned long long)error->offset, error->message);
    CHECK(strncmp(error->message, phrase, strlen(phrase)) == 0, "%s: %s", name, error->message);
}

static void test_modules(void)
{
    for (size_t i = 0; i < sizeof module_cases / sizeof *module_cases; i++) {
        const struct module_case *test = &module_cases[i];
        struct bytes bytes = {0};
        struct module module;
        struct module_error error;
        bytes_add_header(&bytes);
        bytes_add(&bytes, test->contents, test->size);
        bool done = module_load(bytes.data, bytes.size, test->features, &module, &error);
        check_result(test->name, &error, done, test->result, test->offset, test->phrase);
        module_free(&module);
        bytes_free(&bytes);
    }
}

static void test_header(void)
{
    struct module module;
    struct module_error error;
    CHECK(!module_load((const uint8_t *)"", 0, 0, &module, &error), "nothing");
    CHECK(strcmp(error.message, "unexpected end") == 0, "%s", error.message);
    module_free(&module);
    CHECK(!module_load((const uint8_t *)"\x7f"
                                        "ELF\1\0\0\0",
                       8, 0, &module, &error),
          "ELF");
    CHECK(strncmp(error.message, "magic header not detected", 25) == 0, "%s", error.message);
    module_free(&module);
    CHECK(!module_load((const uint8_t *)"\0asm\r\0\1\0", 8, 0, &module, &error), "component");
    CHECK(strstr(error.message, "component"), "%s", error.message);
    CHECK(error.offset == 4, "component at %llu", (unsigned long long)error.offset);
    module_free(&module);
}

/* ---- Bodies: in a module with one of everything ---- */

/* Types: 0 the body's, 1 (i32 i64) -> f32, 2 () -> (i32 i32), 3 (i32) -> (). Function 0 imported, of type 1; 1 the
 * body's; 2 of type 3. Tables: 0 of 1 funcref, 1 of 1 externref. One memory. Globals: 0 i32 constant, 1 f64 variable.
 * Tag 0 of type 3 when exceptions are on. Element segment 0: function 2. Data segment 0: "x". */
static void build_around(struct bytes *bytes, unsigned features, const char *type, size_t type_size, const char *locals,
                         size_t locals_size, const char *code, size_t code_size)
{
    struct bytes section = {0};
    bytes_add_header(bytes);
    bytes_add_byte(&section, 4);
    bytes_add(&section, type, type_size);
    bytes_add(&section, LITERAL("\x60\x02\x7f\x7e\x01\x7d\x60\x00\x02\x7f\x7f\x60\x01\x7f\x00"));
    bytes_add_section(bytes, 1, section.data, section.size);
    bytes_add_section(bytes, 2,
                      LITERAL("\x01\x01m\x01"
                              "f"
                              "\x00\x01"));
    bytes_add_section(bytes, 3, LITERAL("\x02\x00\x03"));
    bytes_add_section(bytes, 4, LITERAL("\x02\x70\x00\x01\x6f\x00\x01"));
    bytes_add_section(bytes, 5, LITERAL("\x01\x00\x01"));
    if (features & FEATURE_EXCEPTIONS)
        bytes_add_section(bytes, 13, LITERAL("\x01\x00\x03"));
    bytes_add_section(bytes, 6, LITERAL("\x02\x7f\x00\x41\x05\x0b\x7c\x01\x44\0\0\0\0\0\0\xf0\x3f\x0b"));
    bytes_add_section(bytes, 9, LITERAL("\x01\x01\x00\x01\x02"));
    bytes_add_section(bytes, 12, LITERAL("\x01"));
    section.size = 0;
    bytes_add_byte(&section, 2);
    bytes_add_body(&section, locals, locals_size, code, code_size);
    bytes_add(&section, LITERAL("\x02\x00\x0b"));
    bytes_add_section(bytes, 10, section.data, section.size);
    bytes_add_section(bytes, 11, LITERAL("\x01\x01\x01x"));
    bytes_free(&section);
}

struct body_case {
    const char *name;
    unsigned features;
    const char *type;
    size_t type_size;
    const char *code;
    size_t code_size;
    const char *phrase; /* "": valid */
    unsigned offset;    /* of the error, from the first operator */
    unsigned stack, depth;
};

#define NONE       "\x60\x00\x00"
#define TO_I32     "\x60\x00\x01\x7f"
#define I32_TO_I32 "\x60\x01\x7f\x01\x7f"
#define VALID(name, features, type, code, stack, depth)                                                                \
    {                                                                                                                  \
        name, features, LITERAL(type), LITERAL(code), "", 0, stack, depth                                              \
    }
#define WRONG(name, features, type, code, phrase, offset)                                                              \
    {                                                                                                                  \
        name, features, LITERAL(type), LITERAL(code), phrase, offset, 0, 0                                             \
    }

/* Locals of every body: 0... the parameters, then two i32, no f32, three i64. */
static const char body_locals[] = "\x03\x02\x7f\x00\x7d\x03\x7e";

static const struct body_case body_cases[] = {
    VALID("empty", 0, NONE, "\x0b", 0, 1),
    VALID("constant", 0, TO_I32, "\x41\x7f\x0b", 1, 1),
    VALID("add", 0, TO_I32, "\x41\x01\x41\x02\x6a\x0b", 2, 1),
    VALID("blocks", 0, TO_I32, "\x02\x7f\x03\x7f\x41\x01\x0b\x0b\x0b", 1, 3),
    VALID("if else", 0, I32_TO_I32, "\x20\x00\x04\x7f\x41\x01\x05\x41\x02\x0b\x0b", 1, 2),
    VALID("block of a type", 0, NONE, "\x02\x02\x41\x01\x41\x02\x0b\x1a\x1a\x0b", 2, 2),
    VALID("unreachable is polymorphic", 0, TO_I32, "\x00\x6a\x0b", 1, 1),
    VALID("dead code after br", 0, NONE, "\x02\x40\x0c\x00\x6a\x1a\x0b\x0b", 1, 2),
    VALID("br_table", 0, TO_I32, "\x02\x7f\x41\x01\x41\x00\x0e\x02\x00\x01\x00\x0b\x0b", 2, 2),
    VALID("call", 0, NONE, "\x41\x00\x42\x00\x10\x00\x1a\x0b", 2, 1),
    VALID("call_indirect", 0, NONE, "\x41\x00\x41\x00\x11\x03\x00\x0b", 2, 1),
    VALID("locals by run", 0, I32_TO_I32, "\x20\x05\x1a\x20\x03\x1a\x20\x02\x0b", 1, 1),
    VALID("select of references", 0, NONE, "\xd0\x70\xd0\x70\x41\x00\x1c\x01\x70\x1a\x0b", 3, 1),
    VALID("declared function", 0, NONE, "\xd2\x02\x1a\x0b", 1, 1),
    VALID("bulk memory", 0, NONE, "\x41\x00\x41\x00\x41\x01\xfc\x08\x00\x00\xfc\x09\x00\x0b", 3, 1),
    VALID("load", 0, TO_I32, "\x41\x00\x28\x02\xff\xff\xff\xff\x0f\x0b", 1, 1),
    VALID("vector", FEATURE_SIMD, TO_I32, "\x41\x00\xfd\x0f\xfd\x16\x0f\x0b", 1, 1),
    VALID("try_table", FEATURES_ALL, TO_I32, "\x02\x7f\x1f\x40\x01\x00\x00\x00\x41\x07\x08\x00\x0b\x41\x01\x0b\x0b", 1,
          3),
    VALID("legacy try", FEATURES_ALL, NONE, "\x06\x40\x01\x07\x00\x1a\x19\x09\x00\x0b\x0b", 1, 2),
    VALID("legacy delegate", FEATURES_ALL, NONE, "\x06\x40\x01\x18\x00\x0b", 0, 2),
    VALID("tail call", FEATURES_ALL, NONE, "\x41\x00\x12\x02\x0b", 1, 1),
    VALID("call_ref", FEATURES_ALL, NONE, "\x41\x00\xd2\x02\x14\x03\x0b", 2, 1),

    WRONG("no end", 0, NONE, "\x01", "END opcode expected", 1),
    WRONG("after the end", 0, NONE, "\x0b\x01", "section size mismatch", 1),
    WRONG("no such operator", 0, NONE, "\xff\x0b", "illegal opcode 0xff", 0),
    WRONG("no such operator with prefix", 0, NONE, "\xfc\x12\x0b", "illegal opcode 0xfc 0x12", 0),
    WRONG("prefix number too long", 0, NONE, "\xfc\x80\x80\x80\x80\x80\x00\x0b", "integer representation too long", 1),
    WRONG("operator of a feature that is off", 0, NONE, "\xfd\x4d\x0b", "illegal opcode: v128.not needs the simd", 0),
    WRONG("gc operator", FEATURES_ALL, NONE, "\xfb\x00\x00\x0b", "gc operators are not supported", 0),
    WRONG("add on nothing", 0, TO_I32, "\x6a\x0b", "type mismatch: i32.add requires i32 but the stack is empty", 0),
    WRONG("add of an i64", 0, TO_I32, "\x41\x00\x42\x00\x6a\x0b",
          "type mismatch: i32.add requires i32 but the stack has i64", 4),
    WRONG("no result", 0, TO_I32, "\x0b", "type mismatch: end requires i32", 0),
    WRONG("value left over", 0, NONE, "\x41\x00\x0b", "type mismatch: 1 values remain", 2),
    WRONG("dead value of the wrong type", 0, TO_I32, "\x00\x42\x00\x0b", "type mismatch", 3),
    WRONG("if without else", 0, TO_I32, "\x41\x00\x04\x7f\x41\x00\x0b\x0b", "type mismatch", 6),
    WRONG("else without if", 0, NONE, "\x05\x0b", "else without if", 0),
    WRONG("block's parameters do not leak", 0, TO_I32, "\x41\x00\x02\x40\x1a\x0b\x41\x00\x0b", "type mismatch", 4),
    WRONG("unknown label", 0, NONE, "\x0c\x01\x0b", "unknown label 1", 0),
    WRONG("unknown local", 0, NONE, "\x20\x05\x0b", "unknown local 5", 0),
    WRONG("unknown global", 0, NONE, "\x23\x02\x0b", "unknown global 2", 0),
    WRONG("constant global", 0, NONE, "\x41\x00\x24\x00\x0b", "immutable global", 2),
    WRONG("unknown function", 0, NONE, "\x10\x03\x0b", "unknown function 3", 0),
    WRONG("unknown type", 0, NONE, "\x41\x00\x11\x04\x00\x0b", "unknown type 4", 2),
    WRONG("unknown block type", 0, NONE, "\x02\x04\x0b\x0b", "unknown type 4", 1),
    WRONG("unknown table", 0, NONE, "\x41\x00\x11\x03\x02\x0b", "unknown table 2", 2),
    WRONG("call through externref", 0, NONE, "\x41\x00\x11\x03\x01\x0b", "type mismatch", 2),
    WRONG("unknown elem segment", 0, NONE, "\xfc\x0d\x01\x0b", "unknown elem segment 1", 0),
    WRONG("unknown data segment", 0, NONE, "\xfc\x09\x01\x0b", "unknown data segment 1", 0),
    WRONG("undeclared function", 0, NONE, "\xd2\x00\x1a\x0b", "undeclared function reference", 0),
    WRONG("select of references without type", 0, NONE, "\xd0\x70\xd0\x70\x41\x00\x1b\x1a\x0b", "type mismatch", 6),
    WRONG("select with two types", 0, NONE, "\x00\x1c\x02\x7f\x7f\x0b", "invalid result arity", 1),
    WRONG("alignment", 0, TO_I32, "\x41\x00\x28\x03\x00\x0b", "alignment must not be larger than natural", 2),
    WRONG("memop flags", 0, TO_I32, "\x41\x00\x28\xc0\x00\x00\x0b", "malformed memop flags", 3),
    WRONG("unknown memory", FEATURE_MULTI_MEMORY, TO_I32, "\x41\x00\x28\x42\x01\x00\x0b", "unknown memory 1", 2),
    WRONG("memory index off", 0, TO_I32, "\x3f\x01\x0b", "zero byte expected", 1),
    WRONG("atomic alignment", FEATURE_THREADS, TO_I32, "\x41\x00\xfe\x10\x01\x00\x0b",
          "atomic alignment must be natural", 2),
    WRONG("offset of a 32-bit memory", FEATURE_MEMORY64, TO_I32, "\x41\x00\x28\x02\x80\x80\x80\x80\x10\x0b",
          "offset out of range", 2),
    WRONG("lane", FEATURE_SIMD, TO_I32, "\x41\x00\xfd\x0f\xfd\x16\x10\x0b", "invalid lane index 16", 4),
    WRONG("i32 constant too long", 0, TO_I32, "\x41\x80\x80\x80\x80\x80\x00\x0b", "integer representation too long", 1),
    WRONG("i32 constant too large", 0, TO_I32, "\x41\x80\x80\x80\x80\x70\x0b", "integer too large", 1),
    WRONG("br_table of two arities", 0, NONE, "\x02\x7f\x41\x00\x41\x00\x0e\x01\x00\x01\x0b\x1a\x0b", "type mismatch",
          6),
    WRONG("br_table longer than the body", 0, NONE, "\x41\x00\x0e\xff\xff\xff\xff\x0f\x0b", "unexpected end of section",
          3),
    WRONG("tail call of other results", FEATURES_ALL, TO_I32, "\x41\x00\x12\x02\x0b", "type mismatch", 2),
    WRONG("catch clause of other types", FEATURES_ALL, NONE, "\x1f\x40\x01\x00\x00\x00\x0b\x0b", "type mismatch", 0),
    WRONG("rethrow outside catch", FEATURES_ALL, NONE, "\x09\x00\x0b", "invalid rethrow label", 0),
    WRONG("catch after catch_all", FEATURES_ALL, NONE, "\x06\x40\x19\x07\x00\x1a\x0b\x0b", "catch without try", 3),
};

static void test_bodies(void)
{
    for (size_t i = 0; i < sizeof body_cases / sizeof *body_cases; i++) {
        const struct body_case *test = &body_cases[i];
        struct bytes bytes = {0};
        struct module module;
        struct module_error error;
        build_around(&bytes, test->features, test->type, test->type_size, LITERAL(body_locals), test->code,
                     test->code_size);
        bool done = module_load(bytes.data, bytes.size, test->features, &module, &error);
        CHECK(done == (test->phrase[0] == '\0'), "%s: %s", test->name, error.message);
        if (!done && module.function_count > 1) {
            uint64_t start = module.functions[1].body.code_offset;
            CHECK(strncmp(error.message, test->phrase, strlen(test->phrase)) == 0, "%s: %s", test->name, error.message);
            CHECK(error.offset == start + test->offset, "%s: offset %lld", test->name,
                  (long long)(error.offset - start));
            CHECK(error.function == 1, "%s: function %u", test->name, error.function);
        }
        if (done) {
            const struct function_body *body = &module.functions[1].body;
            CHECK(body->maximum_stack == test->stack, "%s: stack %u", test->name, body->maximum_stack);
            CHECK(body->maximum_depth == test->depth, "%s: depth %u", test->name, body->maximum_depth);
        }
        module_free(&module);
        bytes_free(&bytes);
    }
}

/* ---- What a module looks like ---- */

static bool name_is(struct name name, const char *text)
{
    return name.length == strlen(text) && memcmp(name.bytes, text, name.length) == 0;
}

static void test_contents(void)
{
    struct bytes bytes = {0};
    struct module module;
    struct module_error error;
    build_around(&bytes, FEATURE_EXCEPTIONS, LITERAL(I32_TO_I32), LITERAL(body_locals), LITERAL("\x20\x00\x0b"));
    /* Names: the module "mod"; functions 1 "one" and 9, which is not there; then rubbish, which is ignored. */
    bytes_add_section(&bytes, 0, LITERAL("\x04name\x00\x04\x03mod\x01\x09\x02\x01\x03one\x09\x01x\x02\x50"));
    bytes_add_section(&bytes, 0, LITERAL("\x0b.debug_line\x01\x02"));
    CHECK(module_load(bytes.data, bytes.size, FEATURES_ALL, &module, &error), "%s", error.message);
    CHECK(module.type_count == 4 && module.import_count == 1 && module.function_count == 3, "counts");
    CHECK(module.imported_function_count == 1 && module.table_count == 2 && module.memory_count == 1, "counts");
    CHECK(module.global_count == 2 && module.tag_count == 1 && module.element_count == 1 && module.data_count == 1,
          "counts");
    CHECK(name_is(module.imports[0].module, "m") && name_is(module.imports[0].name, "f"), "import");
    CHECK(name_is(module.name, "mod") && name_is(module.functions[1].name, "one"), "names");
    CHECK(module.functions[0].name.length == 0, "import without a name");
    CHECK(module.globals[1].is_mutable && module.globals[1].type.kind == VALUE_F64, "global 1");
    CHECK(module.elements[0].mode == SEGMENT_PASSIVE && module.elements[0].functions[0] == 2, "element segment");
    CHECK(module.data[0].size == 1 && module.data[0].bytes[0] == 'x', "data segment");
    CHECK(module.functions[2].is_declared && !module.functions[1].is_declared, "declared functions");
    struct value_type types[6];
    CHECK(module.functions[1].body.local_count == 6, "locals");
    module_function_locals(&module, 1, types);
    CHECK(types[0].kind == VALUE_I32 && types[2].kind == VALUE_I32 && types[3].kind == VALUE_I64, "types of locals");
    const struct custom_section *line = module_custom_find(&module, ".debug_line");
    CHECK(line && line->size == 2 && line->bytes[1] == 2, "custom section");
    CHECK(!module_custom_find(&module, ".debug_info"), "no such custom section");
    module_free(&module);
    bytes_free(&bytes);
}

static void test_error_format(void)
{
    struct bytes bytes = {0};
    struct module module;
    struct module_error error;
    char text[300];
    build_around(&bytes, 0, LITERAL(TO_I32), LITERAL("\x00"), LITERAL("\x6a\x0b"));
    bytes_add_section(&bytes, 0, LITERAL("\x04name\x01\x09\x01\x01\x06one\ntwo"));
    CHECK(!module_load(bytes.data, bytes.size, 0, &module, &error), "accepted");
    module_error_format(&error, &module, "x.wasm", text, sizeof text);
    char wanted[300];
    snprintf(wanted, sizeof wanted, "x.wasm: function 1 \"one?tw\": 0x%llx: %s", (unsigned long long)error.offset,
             "type mismatch: i32.add requires i32 but the stack is empty");
    CHECK(strcmp(text, wanted) == 0, "%s", text);
    module_error_format(&error, NULL, "x.wasm", text, sizeof text);
    CHECK(strncmp(text, "x.wasm: function 1: 0x", 22) == 0, "%s", text);
    module_free(&module);
    bytes_free(&bytes);
}

/* ---- Types ---- */

static void test_types(void)
{
    /* 0 and 2 are equal; 1 refers to itself and so does 3, which is equal; 4 refers to 1; 5, to 3: equal to 4; 6 and 7
     * a group, which is not equal to 0 and 1 apart. */
    static const char types[] = "\x07\x60\x00\x00\x60\x01\x63\x01\x00\x60\x00\x00\x60\x01\x63\x03\x00"
                                "\x60\x01\x63\x01\x00\x60\x01\x63\x03\x00\x4e\x02\x60\x00\x00\x60\x01\x63\x07\x00";
    static const uint32_t canonical[] = {0, 1, 0, 1, 4, 4, 6, 7};
    struct bytes bytes = {0};
    struct module module;
    struct module_error error;
    bytes_add_header(&bytes);
    bytes_add_section(&bytes, 1, LITERAL(types));
    CHECK(module_load(bytes.data, bytes.size, FEATURES_ALL, &module, &error), "%s", error.message);
    CHECK(module.type_count == 8, "%u types", module.type_count);
    for (uint32_t i = 0; i < module.type_count && i < 8; i++)
        CHECK(module.types[i].canonical == canonical[i], "type %u: %u", i, module.types[i].canonical);
    struct value_type to_1 = {.kind = VALUE_REFERENCE, .nullable = false, .heap = 1};
    struct value_type to_3 = {.kind = VALUE_REFERENCE, .nullable = true, .heap = 3};
    struct value_type func = {.kind = VALUE_REFERENCE, .nullable = true, .heap = HEAP_FUNC};
    CHECK(value_type_matches(&module, to_1, to_3) && !value_type_matches(&module, to_3, to_1), "null");
    CHECK(value_type_matches(&module, to_3, func) && !value_type_matches(&module, func, to_3), "func");

    const struct module *modules[] = {&module, &module};
    uint32_t first[8], second[8], *numbers[] = {first, second};
    CHECK(module_types_number(modules, 2, numbers), "out of memory");
    CHECK(memcmp(first, canonical, sizeof canonical) == 0 && memcmp(second, canonical, sizeof canonical) == 0,
          "numbers");
    module_free(&module);
    bytes_free(&bytes);
}

/* ---- The operator table and reader ---- */

static size_t encode_operator(const struct opcode_info *info, uint8_t code[4])
{
    if (info->prefix == 0) {
        code[0] = (uint8_t)info->number;
        return 1;
    }
    code[0] = info->prefix;
    code[1] = (uint8_t)(info->number < 128 ? info->number : (info->number & 127) | 128);
    code[2] = (uint8_t)(info->number >> 7);
    return info->number < 128 ? 2 : 3;
}

/* Each row of the table is what its own encoding is read as, with immediates of zeros. */
static void test_opcodes(void)
{
    for (unsigned i = 0; i < OPCODE_COUNT; i++) {
        const struct opcode_info *info = &opcode_table[i];
        uint8_t code[40] = {0};
        struct module_error error;
        struct module module = {.bytes = code, .size = sizeof code, .features = FEATURES_ALL, .type_count = 1};
        size_t used = encode_operator(info, code);
        if (info->immediates == IMMEDIATES_HEAP)
            code[used] = 0x70;
        struct operator_reader reader;
        struct operation op;
        operator_reader_open_expression(&reader, &module, (struct expression){0, sizeof code});
        CHECK(operator_read(&reader, &op, &error), "%s: %s", info->text, error.message);
        CHECK(op.code == i, "%s read as %u", info->text, op.code);
        CHECK(strcmp(info->signature, "*") == 0 || strchr(info->signature, ':'), "%s: signature", info->text);
        operator_reader_close(&reader);
    }
}

/* ---- gc: every operator and type of the proposal is refused by name ---- */

static const char *const gc_operators[] = {
    "struct.new",      "struct.new_default", "struct.get",         "struct.get_s",    "struct.get_u",
    "struct.set",      "array.new",          "array.new_default",  "array.new_fixed", "array.new_data",
    "array.new_elem",  "array.get",          "array.get_s",        "array.get_u",     "array.set",
    "array.len",       "array.fill",         "array.copy",         "array.init_data", "array.init_elem",
    "ref.test",        "ref.test null",      "ref.cast",           "ref.cast null",   "br_on_cast",
    "br_on_cast_fail", "any.convert_extern", "extern.convert_any", "ref.i31",         "i31.get_s",
    "i31.get_u",
};

static void check_gc_body(const char *code, size_t size, enum module_result result, const char *wanted)
{
    struct bytes bytes = {0};
    struct module module;
    struct module_error error;
    build_around(&bytes, FEATURES_ALL, LITERAL(NONE), LITERAL(body_locals), code, size);
    CHECK(!module_load(bytes.data, bytes.size, FEATURES_ALL, &module, &error), "%s: accepted", wanted);
    CHECK(error.result == result && strcmp(error.message, wanted) == 0, "%s: %s", wanted, error.message);
    module_free(&module);
    bytes_free(&bytes);
}

static void test_gc_operators(void)
{
    enum { COUNT = sizeof gc_operators / sizeof gc_operators[0] };
    for (unsigned i = 0; i < COUNT; i++) {
        char code[] = {(char)0xfb, (char)i, 0, 0, 0, 0, 0x0b}, wanted[80];
        snprintf(wanted, sizeof wanted, "gc operators are not supported: %s", gc_operators[i]);
        check_gc_body(code, sizeof code, MODULE_UNSUPPORTED, wanted);
    }
    check_gc_body(LITERAL("\xd0\x6d\xd0\x6d\xd3\x1a\x0b"), MODULE_UNSUPPORTED,
                  "gc operators are not supported: ref.eq");
    check_gc_body(LITERAL("\xfb\x1f\x0b"), MODULE_MALFORMED, "illegal opcode 0xfb 0x1f");
}

/* The contents of a type section. Its abstract heap types are read: a reference to one can only be null. */
static void check_gc_type(const char *types, size_t size, enum module_result result, const char *wanted)
{
    struct bytes bytes = {0};
    struct module module;
    struct module_error error;
    bytes_add_header(&bytes);
    bytes_add_section(&bytes, 1, types, size);
    bool done = module_load(bytes.data, bytes.size, FEATURES_ALL, &module, &error);
    CHECK(done == (result == MODULE_OK) && error.result == result, "%s: %s", wanted, error.message);
    CHECK(done || strcmp(error.message, wanted) == 0, "%s: %s", wanted, error.message);
    module_free(&module);
    bytes_free(&bytes);
}

static void test_gc_types(void)
{
    check_gc_type(LITERAL("\x01\x5f\x01\x78\x00"), MODULE_UNSUPPORTED, "gc types are not supported: struct type");
    check_gc_type(LITERAL("\x01\x5e\x77\x01"), MODULE_UNSUPPORTED, "gc types are not supported: array type");
    check_gc_type(LITERAL("\x01\x50\x00\x60\x00\x00"), MODULE_UNSUPPORTED, "gc types are not supported: sub type");
    check_gc_type(LITERAL("\x01\x4f\x00\x60\x00\x00"), MODULE_UNSUPPORTED, "gc types are not supported: sub type");
    check_gc_type(LITERAL("\x01\x4e\x02\x60\x00\x00\x5f\x00"), MODULE_UNSUPPORTED,
                  "gc types are not supported: struct type");
    for (char heap = 0x6a; heap <= 0x6e; heap++) { /* array, struct, i31, eq, any; and none, below */
        const char nullable[] = {1, 0x60, 1, heap, 0}, other[] = {1, 0x60, 1, 0x64, heap, 0};
        check_gc_type(nullable, sizeof nullable, MODULE_OK, "a nullable parameter");
        check_gc_type(other, sizeof other, MODULE_OK, "a parameter that is not null");
    }
    check_gc_type(LITERAL("\x01\x60\x01\x71\x00"), MODULE_OK, "nullref");
    check_gc_type(LITERAL("\x01\x60\x01\x78\x00"), MODULE_MALFORMED, "malformed value type: 0x78"); /* packed i8 */
}

static void test_operator_reader(void)
{
    struct bytes bytes = {0};
    struct module module;
    struct module_error error;
    struct operator_reader reader;
    struct operation op;
    build_around(&bytes, 0, LITERAL(NONE), LITERAL("\x00"),
                 LITERAL("\x41\x7f\x1a\x42\x80\x7f\x1a\x44\1\2\3\4\5\6\7\x08\x1a\x02\x40\x0c\x00\x02\x40\x41\x00\x04"
                         "\x40\x05\x0b\x0b\x41"
                         "\x00\x1a\x0b\x41\x00\x0e\x03\x00\x00\x00\x00\x0b"));
    CHECK(module_load(bytes.data, bytes.size, FEATURES_WASM_2, &module, &error), "%s", error.message);
    operator_reader_open_body(&reader, &module, 1);
    CHECK(operator_read(&reader, &op, &error) && op.code == OP_I32_CONST && op.constant == 0xffffffff, "i32.const");
    operator_read(&reader, &op, &error);
    CHECK(operator_read(&reader, &op, &error) && op.constant == (uint64_t)-128, "i64.const");
    operator_read(&reader, &op, &error);
    CHECK(operator_read(&reader, &op, &error) && op.constant == 0x0807060504030201, "f64.const");
    operator_read(&reader, &op, &error);
    CHECK(operator_read(&reader, &op, &error) && operator_opens_block(op.code), "block");
    CHECK(operator_read(&reader, &op, &error) && operator_ends_block_early(op.code), "br");
    CHECK(operator_skip_unreachable(&reader, &op, &error) && op.code == OP_END, "skipped to %u", op.code);
    operator_read(&reader, &op, &error);
    CHECK(operator_read(&reader, &op, &error) && op.code == OP_BR_TABLE && op.label_count == 3, "br_table");
    CHECK(operator_read(&reader, &op, &error) && op.code == OP_END && operator_reader_at_end(&reader), "end");
    operator_reader_close(&reader);
    module_free(&module);
    bytes_free(&bytes);
}

/* ---- Hostile sizes ---- */

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A body of `count` times `piece`, between `before` and `after`, must give this result, in linear time. */
static void check_repeated(const char *name, const char *before, size_t before_size, const char *piece,
                           size_t piece_size, size_t count, const char *after, size_t after_size, size_t after_count,
                           enum module_result result)
{
    struct bytes code = {0}, bytes = {0};
    struct module module;
    struct module_error error;
    bytes_add(&code, before, before_size);
    for (size_t i = 0; i < count; i++)
        bytes_add(&code, piece, piece_size);
    for (size_t i = 0; i < after_count; i++)
        bytes_add(&code, after, after_size);
    bytes_add_byte(&code, 0x0b);
    build_around(&bytes, 0, LITERAL(NONE), LITERAL("\x00"), (const char *)code.data, code.size);
    double start = seconds_now();
    bool done = module_load(bytes.data, bytes.size, FEATURES_WASM_2, &module, &error);
    CHECK(done == (result == MODULE_OK) && error.result == result, "%s: %s", name, error.message);
    CHECK(seconds_now() - start < 20, "%s: %f seconds", name, seconds_now() - start);
    module_free(&module);
    bytes_free(&bytes);
    bytes_free(&code);
}

/* Many functions, each with as many locals as there may be, of which each reads the last. */
static void test_many_locals(void)
{
    const uint32_t count = 200000;
    struct bytes functions = {0}, code = {0}, bytes = {0};
    struct module module;
    struct module_error error;
    bytes_add_u32(&functions, count);
    bytes_add_u32(&code, count);
    for (uint32_t i = 0; i < count; i++) {
        bytes_add_byte(&functions, 0);
        bytes_add_body(&code, LITERAL("\x01\xd0\x86\x03\x7f"), LITERAL("\x20\xcf\x86\x03\x1a\x0b"));
    }
    bytes_add_header(&bytes);
    bytes_add_section(&bytes, 1, LITERAL("\x01\x60\x00\x00"));
    bytes_add_section(&bytes, 3, functions.data, functions.size);
    bytes_add_section(&bytes, 10, code.data, code.size);
    double start = seconds_now();
    CHECK(module_load(bytes.data, bytes.size, FEATURES_WASM_2, &module, &error), "%s", error.message);
    CHECK(seconds_now() - start < 20, "%f seconds", seconds_now() - start);
    module_free(&module);
    bytes_free(&bytes);
    bytes_free(&functions);
    bytes_free(&code);
}

static void test_too_many_locals(void)
{
    struct bytes bytes = {0};
    struct module module;
    struct module_error error;
    build_around(&bytes, 0, LITERAL(NONE), LITERAL("\x01\xd1\x86\x03\x7f"), LITERAL("\x0b"));
    CHECK(!module_load(bytes.data, bytes.size, 0, &module, &error) && error.result == MODULE_UNSUPPORTED,
          "50001 locals");
    CHECK(strncmp(error.message, "too many locals", 15) == 0, "%s", error.message);
    module_free(&module);
    bytes_free(&bytes);
    build_around(&bytes, 0, LITERAL(NONE), LITERAL("\x02\xff\xff\xff\xff\x0f\x7f\x01\x7f"), LITERAL("\x0b"));
    CHECK(!module_load(bytes.data, bytes.size, 0, &module, &error) && error.result == MODULE_MALFORMED, "2^32 locals");
    CHECK(strncmp(error.message, "too many locals", 15) == 0, "%s", error.message);
    module_free(&module);
    bytes_free(&bytes);
}

/* Many equal types, and export names of which only the last is a duplicate. */
static void test_many_names(void)
{
    const uint32_t count = 200000;
    struct bytes types = {0}, exports = {0}, bytes = {0};
    struct module module;
    struct module_error error;
    bytes_add_u32(&types, count);
    bytes_add_u32(&exports, count);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        bytes_add(&types, LITERAL("\x60\x01\x7f\x00"));
        int length = snprintf(name, sizeof name, "%08u", i == count - 1 ? 7 : i);
        bytes_add_u32(&exports, (uint32_t)length);
        bytes_add(&exports, name, (size_t)length);
        bytes_add(&exports, "\x03\x00", 2);
    }
    bytes_add_header(&bytes);
    bytes_add_section(&bytes, 1, types.data, types.size);
    bytes_add_section(&bytes, 6, LITERAL("\x01\x7f\x00\x41\x00\x0b"));
    bytes_add_section(&bytes, 7, exports.data, exports.size);
    double start = seconds_now();
    CHECK(!module_load(bytes.data, bytes.size, FEATURES_WASM_2, &module, &error), "duplicate name accepted");
    CHECK(strcmp(error.message, "duplicate export name \"00000007\"") == 0, "%s", error.message);
    CHECK(error.offset == bytes.size - 11, "at %llu", (unsigned long long)error.offset);
    CHECK(module.types[count - 1].canonical == 0, "canonical %u", module.types[count - 1].canonical);
    CHECK(seconds_now() - start < 20, "%f seconds", seconds_now() - start);
    module_free(&module);
    bytes_free(&bytes);
    bytes_free(&types);
    bytes_free(&exports);
}

/* Two bytes, calls of a function with a thousand results, must not make millions of operands. */
static void test_too_many_operands(void)
{
    struct bytes types = {0}, code = {0}, body = {0}, bytes = {0};
    struct module module;
    struct module_error error;
    bytes_add(&types, LITERAL("\x02\x60\x00\x00\x60\x00\xe8\x07"));
    for (unsigned i = 0; i < 1000; i++)
        bytes_add_byte(&types, 0x7f);
    for (unsigned i = 0; i < 1000000; i++)
        bytes_add(&body, "\x10\x00", 2);
    bytes_add_byte(&code, 1);
    bytes_add_body(&code, LITERAL("\x00"), body.data, body.size);
    bytes_add_header(&bytes);
    bytes_add_section(&bytes, 1, types.data, types.size);
    bytes_add_section(&bytes, 2, LITERAL("\x01\x00\x00\x00\x01"));
    bytes_add_section(&bytes, 3, LITERAL("\x01\x00"));
    bytes_add_section(&bytes, 10, code.data, code.size);
    CHECK(!module_load(bytes.data, bytes.size, 0, &module, &error) && error.result == MODULE_UNSUPPORTED, "accepted");
    CHECK(strncmp(error.message, "too many operands", 17) == 0, "%s", error.message);
    module_free(&module);
    bytes_free(&bytes);
    bytes_free(&types);
    bytes_free(&code);
    bytes_free(&body);
}

static void test_hostile(void)
{
    check_repeated("a million blocks", "", 0, LITERAL("\x02\x40"), 1000000, LITERAL("\x0b"), 1000000, MODULE_OK);
    check_repeated("a million blocks left open", "", 0, LITERAL("\x02\x40"), 1000000, "", 0, 0, MODULE_MALFORMED);
    check_repeated("two million operands", "", 0, LITERAL("\x41\x00"), 2000000, LITERAL("\x1a"), 2000000, MODULE_OK);
    test_too_many_operands();
    check_repeated("dead calls", LITERAL("\x00"), LITERAL("\x10\x00\x1a"), 500000, "", 0, 0, MODULE_OK);
    check_repeated("a body above the limit", "", 0, LITERAL("\x01\x01\x01\x01"), 1913581, "", 0, 0, MODULE_UNSUPPORTED);
    test_many_locals();
    test_too_many_locals();
    test_many_names();
}

int main(void)
{
    test_header();
    test_modules();
    test_bodies();
    test_contents();
    test_error_format();
    test_types();
    test_opcodes();
    test_gc_operators();
    test_gc_types();
    test_operator_reader();
    test_hostile();
    printf("%s: %zu modules, %zu bodies, %u opcodes, %u failures\n", failures ? "FAILED" : "passed",
           sizeof module_cases / sizeof *module_cases, sizeof body_cases / sizeof *body_cases, (unsigned)OPCODE_COUNT,
           failures);
    return failures != 0;
}
