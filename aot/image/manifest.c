/* A manifest's JSON (docs/system.md) becomes the binary form of image.h. Unknown keys are errors, so that
 * a misspelt permission is not silently none. */
#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image_write.h"
#include "memory.h"

#define DEFAULT_MEMORY_BYTES  (16u << 20)
#define DEFAULT_CPU_PERIOD_US 10000u
#define DEFAULT_CHILDREN      16u

/* The manifest under construction: strings and lists are added behind the fixed part. */
struct builder {
    uint8_t *bytes;
    uint32_t size;
    bool has_failed;
    char *problem;
    size_t problem_size;
};

__attribute__((format(printf, 2, 3))) static void fail(struct builder *builder, const char *format, ...)
{
    if (builder->has_failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(builder->problem, builder->problem_size, format, arguments);
    va_end(arguments);
    builder->has_failed = true;
}

static struct image_manifest *manifest_of(struct builder *builder)
{
    return (struct image_manifest *)(void *)builder->bytes;
}

/* Room for `size` bytes, zeroed and aligned to 4; their offset. */
static uint32_t add_space(struct builder *builder, size_t size)
{
    uint32_t offset = (builder->size + 3) & ~3u;
    if (offset + size > IMAGE_MAX_MANIFEST_BYTES) {
        fail(builder, "the manifest is too large");
        return 0;
    }
    builder->bytes = reallocate(builder->bytes, offset + size, 1);
    memset(builder->bytes + builder->size, 0, offset + size - builder->size);
    builder->size = offset + (uint32_t)size;
    return offset;
}

static struct image_string add_text(struct builder *builder, const char *text)
{
    size_t length = strlen(text);
    if (length > IMAGE_MAX_TEXT) {
        fail(builder, "a text of more than %u bytes", IMAGE_MAX_TEXT);
        return (struct image_string){0};
    }
    struct image_string string = {.offset = add_space(builder, length + 1), .length = (uint32_t)length};
    if (!builder->has_failed)
        memcpy(builder->bytes + string.offset, text, length);
    return string;
}

/* ---- values ---- */

static struct image_string text_value(struct builder *builder, const cJSON *item)
{
    if (cJSON_IsString(item) && item->valuestring[0])
        return add_text(builder, item->valuestring);
    fail(builder, "\"%s\" must be a text that is not empty", item->string ? item->string : "list element");
    return (struct image_string){0};
}

static struct image_list list_value(struct builder *builder, const cJSON *item)
{
    struct image_list list = {0};
    int count = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : -1;
    if (count < 0 || (unsigned)count > IMAGE_MAX_LIST) {
        fail(builder, "\"%s\" must be a list of at most %u texts", item->string, IMAGE_MAX_LIST);
        return list;
    }
    list.count = (uint32_t)count;
    list.offset = add_space(builder, list.count * sizeof(struct image_string));
    const cJSON *element;
    uint32_t index = 0;
    cJSON_ArrayForEach(element, item)
    {
        struct image_string text = {0};
        if (cJSON_IsString(element))
            text = add_text(builder, element->valuestring);
        else
            fail(builder, "\"%s\" must hold texts only", item->string);
        if (!builder->has_failed)
            memcpy(builder->bytes + list.offset + index * sizeof text, &text, sizeof text);
        index++;
    }
    return list;
}

/* {"KEY": "value"} as "KEY=value". */
static struct image_list environment_value(struct builder *builder, const cJSON *item)
{
    struct image_list list = {0};
    int count = cJSON_IsObject(item) ? cJSON_GetArraySize(item) : -1;
    if (count < 0 || (unsigned)count > IMAGE_MAX_LIST) {
        fail(builder, "\"%s\" must be an object of at most %u texts", item->string, IMAGE_MAX_LIST);
        return list;
    }
    list.count = (uint32_t)count;
    list.offset = add_space(builder, list.count * sizeof(struct image_string));
    const cJSON *element;
    uint32_t index = 0;
    cJSON_ArrayForEach(element, item)
    {
        if (!cJSON_IsString(element) || !element->string[0] || strchr(element->string, '=')) {
            fail(builder, "\"environment\" must map names to texts");
            return list;
        }
        char *both = format_text("%s=%s", element->string, element->valuestring);
        struct image_string text = add_text(builder, both);
        free(both);
        if (!builder->has_failed)
            memcpy(builder->bytes + list.offset + index * sizeof text, &text, sizeof text);
        index++;
    }
    return list;
}

/* {"/data": "rw"} */
static struct image_list paths_value(struct builder *builder, const cJSON *item)
{
    struct image_list list = {0};
    int count = cJSON_IsObject(item) ? cJSON_GetArraySize(item) : -1;
    if (count < 0 || (unsigned)count > IMAGE_MAX_LIST) {
        fail(builder, "\"fs\" must be an object of at most %u paths", IMAGE_MAX_LIST);
        return list;
    }
    list.count = (uint32_t)count;
    list.offset = add_space(builder, list.count * sizeof(struct image_path));
    const cJSON *element;
    uint32_t index = 0;
    cJSON_ArrayForEach(element, item)
    {
        const char *mode = cJSON_IsString(element) ? element->valuestring : "";
        struct image_path path = {.mode = IMAGE_PATH_READ};
        if (strcmp(mode, "rw") == 0)
            path.mode |= IMAGE_PATH_WRITE;
        else if (strcmp(mode, "r") != 0)
            fail(builder, "\"fs\": \"%s\" must be \"r\" or \"rw\"", element->string);
        path.path = add_text(builder, element->string);
        if (!builder->has_failed)
            memcpy(builder->bytes + list.offset + index * sizeof path, &path, sizeof path);
        index++;
    }
    return list;
}

/* "16M", or a number of bytes. */
static uint64_t bytes_value(struct builder *builder, const cJSON *item)
{
    if (cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble <= 1e15)
        return (uint64_t)item->valuedouble;
    if (cJSON_IsString(item)) {
        char *end;
        unsigned long long value = strtoull(item->valuestring, &end, 10);
        const char *units = "KMG", *unit = *end ? strchr(units, *end) : NULL;
        if (item->valuestring[0] >= '1' && item->valuestring[0] <= '9' && unit && !end[1] && value < (1ull << 32))
            return (uint64_t)value << (10 * (unit - units + 1));
    }
    fail(builder, "\"%s\" must be a size such as \"16M\"", item->string);
    return 0;
}

static uint32_t number_value(struct builder *builder, const cJSON *item, uint32_t lowest, uint32_t highest)
{
    if (cJSON_IsNumber(item) && item->valuedouble >= lowest && item->valuedouble <= highest &&
        item->valuedouble == (uint32_t)item->valuedouble)
        return (uint32_t)item->valuedouble;
    fail(builder, "\"%s\" must be a whole number from %u to %u", item->string, lowest, highest);
    return 0;
}

static void cpu_value(struct builder *builder, const cJSON *item)
{
    uint32_t budget = 0, period = DEFAULT_CPU_PERIOD_US;
    if (cJSON_IsString(item)) {
        char *end;
        unsigned long percent = strtoul(item->valuestring, &end, 10);
        if (percent >= 1 && percent <= 100 && strcmp(end, "%") == 0)
            budget = (uint32_t)(period * percent / 100);
    } else {
        const cJSON *element;
        cJSON_ArrayForEach(element, item)
        {
            if (element->string && strcmp(element->string, "budget_us") == 0)
                budget = number_value(builder, element, 1, 1000000000);
            else if (element->string && strcmp(element->string, "period_us") == 0)
                period = number_value(builder, element, 1, 1000000000);
            else
                fail(builder, "\"cpu\": unknown key \"%s\"", element->string ? element->string : "");
        }
    }
    if (budget == 0 || budget > period)
        fail(builder, "\"cpu\" must be a percentage such as \"20%%\", or budget_us and a period_us not below it");
    manifest_of(builder)->cpu_budget_us = budget;
    manifest_of(builder)->cpu_period_us = period;
}

static void flag_value(struct builder *builder, const cJSON *item, enum image_permission permission)
{
    if (cJSON_IsTrue(item))
        manifest_of(builder)->permissions |= permission;
    else if (!cJSON_IsFalse(item))
        fail(builder, "\"%s\" must be true or false", item->string);
}

/* ---- keys ---- */

/* {"serve": [...], "connect": [...]} and the like: the lists go to the two places. */
static void two_lists(struct builder *builder, const cJSON *item, const char *first, size_t first_place,
                      const char *second, size_t second_place)
{
    if (!cJSON_IsObject(item))
        fail(builder, "\"%s\" must be an object", item->string);
    const cJSON *element;
    cJSON_ArrayForEach(element, item)
    {
        bool is_first = element->string && strcmp(element->string, first) == 0;
        if (is_first || (element->string && strcmp(element->string, second) == 0)) {
            struct image_list list = list_value(builder, element);
            memcpy(builder->bytes + (is_first ? first_place : second_place), &list, sizeof list);
        } else if (element->string && strcmp(item->string, "net") == 0 && strcmp(element->string, "resolve") == 0) {
            flag_value(builder, element, IMAGE_MAY_RESOLVE);
        } else {
            fail(builder, "\"%s\": unknown key \"%s\"", item->string, element->string ? element->string : "");
        }
    }
}

static void permission(struct builder *builder, const cJSON *item)
{
    const char *key = item->string ? item->string : "";
    if (strcmp(key, "fs") == 0) {
        struct image_list list = paths_value(builder, item);
        manifest_of(builder)->fs = list;
    } else if (strcmp(key, "device") == 0) {
        struct image_list list = list_value(builder, item);
        manifest_of(builder)->device = list;
    } else if (strcmp(key, "net") == 0) {
        two_lists(builder, item, "listen", offsetof(struct image_manifest, net_listen), "connect",
                  offsetof(struct image_manifest, net_connect));
    } else if (strcmp(key, "channel") == 0) {
        two_lists(builder, item, "serve", offsetof(struct image_manifest, channel_serve), "connect",
                  offsetof(struct image_manifest, channel_connect));
    } else if (strcmp(key, "service") == 0) {
        two_lists(builder, item, "serve", offsetof(struct image_manifest, service_serve), "connect",
                  offsetof(struct image_manifest, service_connect));
    } else if (strcmp(key, "spawn") == 0) {
        manifest_of(builder)->spawn_children = cJSON_IsTrue(item)    ? DEFAULT_CHILDREN
                                               : cJSON_IsFalse(item) ? 0
                                                                     : number_value(builder, item, 0, 65536);
    } else if (strcmp(key, "clock") == 0) {
        flag_value(builder, item, IMAGE_MAY_CLOCK);
    } else if (strcmp(key, "random") == 0) {
        flag_value(builder, item, IMAGE_MAY_RANDOM);
    } else if (strcmp(key, "trap_thread") == 0) {
        flag_value(builder, item, IMAGE_MAY_TRAP_THREAD);
    } else {
        fail(builder, "unknown permission \"%s\"", key);
    }
}

static void top_key(struct builder *builder, const cJSON *item)
{
    const char *key = item->string ? item->string : "";
    struct image_string text = {0};
    struct image_list list = {0};
    if (strcmp(key, "name") == 0) {
        text = text_value(builder, item);
        manifest_of(builder)->name = text;
    } else if (strcmp(key, "version") == 0) {
        text = text_value(builder, item);
        manifest_of(builder)->program_version = text;
    } else if (strcmp(key, "entry") == 0) {
        text = text_value(builder, item);
        manifest_of(builder)->entry = text;
    } else if (strcmp(key, "arguments") == 0) {
        list = list_value(builder, item);
        manifest_of(builder)->arguments = list;
    } else if (strcmp(key, "environment") == 0) {
        list = environment_value(builder, item);
        manifest_of(builder)->environment = list;
    } else if (strcmp(key, "memory") == 0) {
        manifest_of(builder)->memory_limit_bytes = bytes_value(builder, item);
    } else if (strcmp(key, "cpu") == 0) {
        cpu_value(builder, item);
    } else if (strcmp(key, "permissions") == 0) {
        const cJSON *element;
        if (!cJSON_IsObject(item))
            fail(builder, "\"permissions\" must be an object");
        cJSON_ArrayForEach(element, item) permission(builder, element);
    } else {
        fail(builder, "unknown key \"%s\"", key);
    }
}

/* What the JSON leaves out. */
static void set_defaults(struct builder *builder)
{
    if (manifest_of(builder)->name.length == 0 || manifest_of(builder)->program_version.length == 0)
        fail(builder, "\"name\" and \"version\" are required");
    if (manifest_of(builder)->entry.length == 0) {
        struct image_string entry = add_text(builder, "_start");
        manifest_of(builder)->entry = entry;
    }
    if (manifest_of(builder)->arguments.count == 0) {
        struct image_string name = manifest_of(builder)->name;
        uint32_t offset = add_space(builder, sizeof name);
        memcpy(builder->bytes + offset, &name, sizeof name);
        manifest_of(builder)->arguments = (struct image_list){.offset = offset, .count = 1};
    }
    if (manifest_of(builder)->memory_limit_bytes == 0)
        manifest_of(builder)->memory_limit_bytes = DEFAULT_MEMORY_BYTES;
}

uint8_t *manifest_from_json(const char *json, size_t json_size, uint32_t *size, char *problem, size_t problem_size)
{
    struct builder builder = {.problem = problem, .problem_size = problem_size};
    add_space(&builder, sizeof(struct image_manifest));
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(json, json_size, &end, false);
    if (!cJSON_IsObject(root))
        fail(&builder, "not a JSON object: an error at byte %td", end ? end - json : 0);
    const cJSON *item;
    cJSON_ArrayForEach(item, root) top_key(&builder, item);
    cJSON_Delete(root);
    if (!builder.has_failed)
        set_defaults(&builder);
    if (builder.has_failed) {
        free(builder.bytes);
        return NULL;
    }
    manifest_of(&builder)->version = IMAGE_VERSION;
    manifest_of(&builder)->bytes = builder.size;
    *size = builder.size;
    return builder.bytes;
}
