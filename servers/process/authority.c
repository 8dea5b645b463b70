/* Authority: what a program requests and what it is granted, compared name by name. */
#include "server.h"
#include "tessera/text.h"

static struct image_list list_of(const struct image_manifest *manifest, enum authority_kind kind)
{
    switch (kind) {
    case AUTHORITY_SERVE:
        return manifest->channel_serve;
    case AUTHORITY_CONNECT:
        return manifest->channel_connect;
    case AUTHORITY_SERVICE_SERVE:
        return manifest->service_serve;
    case AUTHORITY_SERVICE_CONNECT:
        return manifest->service_connect;
    case AUTHORITY_DEVICE:
        return manifest->device;
    }
    return (struct image_list){0};
}

const char *authority_word(enum authority_kind kind)
{
    static const char *const words[] = {"channel.serve", "channel.connect", "service.serve", "service.connect",
                                        "device"};
    return words[kind];
}

static bool list_has(const struct image_manifest *manifest, struct image_list list, const char *name)
{
    for (uint32_t i = 0; i < list.count; i++)
        if (text_equal(image_string_text(manifest, image_list_string(manifest, list, i)), name))
            return true;
    return false;
}

bool authority_allows(const struct authority *authority, enum authority_kind kind, const char *name)
{
    return authority->request && list_has(authority->request, list_of(authority->request, kind), name) &&
           (!authority->grant || list_has(authority->grant, list_of(authority->grant, kind), name));
}

bool authority_permits(const struct authority *authority, uint32_t permission)
{
    return authority->request && (authority->request->permissions & permission) &&
           (!authority->grant || (authority->grant->permissions & permission));
}

uint32_t authority_children(const struct authority *authority)
{
    uint32_t children = authority->request ? authority->request->spawn_children : 0;
    if (authority->grant && authority->grant->spawn_children < children)
        children = authority->grant->spawn_children;
    return children;
}

static const struct {
    uint32_t permission;
    const char *word;
} permissions[] = {
    {IMAGE_MAY_CLOCK, "clock"},
    {IMAGE_MAY_RANDOM, "random"},
    {IMAGE_MAY_RESOLVE, "net.resolve"},
    {IMAGE_MAY_TRAP_THREAD, "trap_thread"},
};

/* A grant covers a directory and what is below it. */
static bool is_covered(const char *at, const char *path)
{
    size_t length = text_length(at);
    while (length > 0 && at[length - 1] == '/')
        length--;
    size_t same = 0;
    while (same < length && path[same] == at[same])
        same++;
    return same == length && (path[length] == 0 || path[length] == '/');
}

static uint32_t mode_granted(const struct image_manifest *grant, const char *path)
{
    uint32_t mode = 0;
    for (uint32_t i = 0; i < grant->fs.count; i++) {
        struct image_path granted = image_list_path(grant, grant->fs, i);
        if (is_covered(image_string_text(grant, granted.path), path))
            mode |= granted.mode;
    }
    return mode;
}

uint32_t authority_quota(const struct authority *authority, const char *path)
{
    const struct image_manifest *lists[] = {authority->request, authority->grant};
    uint32_t quota = 0;
    for (size_t n = 0; n < sizeof(lists) / sizeof(lists[0]); n++)
        for (uint32_t i = 0; lists[n] && i < lists[n]->fs.count; i++) {
            struct image_path granted = image_list_path(lists[n], lists[n]->fs, i);
            if (granted.quota && (!quota || granted.quota < quota) &&
                is_covered(image_string_text(lists[n], granted.path), path))
                quota = granted.quota;
        }
    return quota;
}

static uint32_t mode_of(const struct authority *authority, struct image_path path)
{
    const char *text = image_string_text(authority->request, path.path);
    return authority->grant ? path.mode & mode_granted(authority->grant, text) : path.mode;
}

bool authority_path(const struct authority *authority, uint32_t n, const char **path, uint32_t *mode)
{
    const struct image_manifest *request = authority->request;
    for (uint32_t i = 0; request && i < request->fs.count; i++) {
        struct image_path wanted = image_list_path(request, request->fs, i);
        *mode = i >= AUTHORITY_PATHS || (authority->paths_left_out >> i & 1) == 0 ? mode_of(authority, wanted) : 0;
        *path = image_string_text(request, wanted.path);
        if (*mode && n-- == 0)
            return true;
    }
    return false;
}

static size_t paths_missing(const struct authority *authority, char *text, size_t size)
{
    const struct image_manifest *request = authority->request;
    size_t length = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < request->fs.count; i++) {
        struct image_path wanted = image_list_path(request, request->fs, i);
        uint32_t mode = mode_of(authority, wanted);
        if (mode != wanted.mode)
            length += text_format(text + length, size - length, "%sfs '%s'%s", length ? ", " : "",
                                  image_string_text(request, wanted.path), mode ? " to write" : "");
    }
    return length;
}

static struct image_list net_list(const struct image_manifest *manifest, enum process_net kind)
{
    return kind == PROCESS_NET_LISTEN ? manifest->net_listen : manifest->net_connect;
}

static const char *net_text(const struct image_manifest *manifest, enum process_net kind, uint32_t i)
{
    return image_string_text(manifest, image_list_string(manifest, net_list(manifest, kind), i));
}

/* What is no pattern allows nothing. */
static bool net_pattern_at(const struct image_manifest *manifest, enum process_net kind, uint32_t i,
                           struct net_pattern *pattern)
{
    return net_pattern_parse(net_text(manifest, kind, i), pattern);
}

bool authority_net(const struct authority *authority, enum process_net kind, uint32_t n, struct net_pattern *pattern)
{
    const struct image_manifest *request = authority->request, *grant = authority->grant;
    struct net_pattern wanted, granted;
    for (uint32_t i = 0; request && i < net_list(request, kind).count; i++) {
        if (!net_pattern_at(request, kind, i, &wanted))
            continue;
        *pattern = wanted;
        if (!grant && n-- == 0)
            return true;
        for (uint32_t j = 0; grant && j < net_list(grant, kind).count; j++)
            if (net_pattern_at(grant, kind, j, &granted) && net_pattern_meet(&wanted, &granted, pattern) && n-- == 0)
                return true;
    }
    return false;
}

/* Any one of its patterns covers it: no two together are asked. */
static bool net_covers(const struct authority *holder, enum process_net kind, const struct net_pattern *wanted)
{
    struct net_pattern held;
    for (uint32_t n = 0; authority_net(holder, kind, n, &held); n++)
        if (net_pattern_covers(&held, wanted))
            return true;
    return false;
}

/* Requested patterns that the holder does not cover: the n-th one's kind and text. */
static const char *net_uncovered(const struct authority *holder, const struct image_manifest *request, uint32_t n,
                                 enum process_net *kind)
{
    struct net_pattern wanted;
    for (*kind = PROCESS_NET_LISTEN; *kind <= PROCESS_NET_CONNECT; ++*kind)
        for (uint32_t i = 0; i < net_list(request, *kind).count; i++)
            if ((!net_pattern_at(request, *kind, i, &wanted) || !net_covers(holder, *kind, &wanted)) && n-- == 0)
                return net_text(request, *kind, i);
    return NULL;
}

static size_t net_missing(const struct authority *authority, char *text, size_t size, size_t length)
{
    enum process_net kind;
    const char *pattern;
    for (uint32_t n = 0; (pattern = net_uncovered(authority, authority->request, n, &kind)); n++)
        length += text_format(text + length, size - length, "%snet.%s '%s'", length ? ", " : "",
                              kind == PROCESS_NET_LISTEN ? "listen" : "connect", pattern);
    return length;
}

size_t authority_missing(const struct authority *authority, char *text, size_t size)
{
    const struct image_manifest *request = authority->request;
    text[0] = 0;
    size_t length = request ? net_missing(authority, text, size, paths_missing(authority, text, size)) : 0;
    for (size_t i = 0; request && i < sizeof(permissions) / sizeof(permissions[0]); i++)
        if ((request->permissions & permissions[i].permission) &&
            !authority_permits(authority, permissions[i].permission))
            length += text_format(text + length, size - length, "%s%s", length ? ", " : "", permissions[i].word);
    if (request && request->spawn_children > 0 && authority_children(authority) == 0)
        length += text_format(text + length, size - length, "%sspawn", length ? ", " : "");
    for (unsigned kind = AUTHORITY_SERVE; request && kind <= AUTHORITY_DEVICE; kind++) {
        struct image_list list = list_of(request, (enum authority_kind)kind);
        for (uint32_t i = 0; i < list.count; i++) {
            const char *name = image_string_text(request, image_list_string(request, list, i));
            if (!authority_allows(authority, (enum authority_kind)kind, name))
                length += text_format(text + length, size - length, "%s%s '%s'", length ? ", " : "",
                                      authority_word((enum authority_kind)kind), name);
        }
    }
    return length;
}

/* A list that grows in a text, which holds as much as fits. */
struct listing {
    char *text;
    size_t size, length;
};

static void list_add(struct listing *listing, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void list_add(struct listing *listing, const char *format, ...)
{
    va_list arguments;
    if (listing->length > 0)
        listing->length += text_format(listing->text + listing->length, listing->size - listing->length, ", ");
    va_start(arguments, format);
    listing->length +=
        text_format_list(listing->text + listing->length, listing->size - listing->length, format, arguments);
    va_end(arguments);
}

static void paths_uncovered(const struct authority *holder, const struct image_manifest *request, uint64_t paths,
                            struct listing *listing)
{
    for (uint32_t i = 0; i < request->fs.count; i++) {
        struct image_path wanted = image_list_path(request, request->fs, i);
        const char *path = image_string_text(request, wanted.path);
        const struct authority child = {request, NULL, 0};
        uint32_t mode = holder->request ? mode_granted(holder->request, path) : 0,
                 quota = authority_quota(holder, path);
        uint32_t own_quota = authority_quota(&child, path);
        if (i < AUTHORITY_PATHS && !(paths >> i & 1))
            continue;
        if (holder->grant)
            mode &= mode_granted(holder->grant, path);
        if (wanted.mode & ~mode)
            list_add(listing, "fs '%s'%s", path, mode ? " to write" : "");
        else if (quota && (!own_quota || own_quota > quota))
            list_add(listing, "fs '%s' with a quota above %u KiB", path, quota);
    }
}

bool authority_covers(const struct authority *holder, const struct image_manifest *request, uint64_t paths, char *text,
                      size_t size)
{
    struct listing listing = {text, size, 0};
    enum process_net net;
    const char *pattern;
    text[0] = 0;
    if (!request)
        return true;
    paths_uncovered(holder, request, paths, &listing);
    for (uint32_t n = 0; (pattern = net_uncovered(holder, request, n, &net)); n++)
        list_add(&listing, "net.%s '%s'", net == PROCESS_NET_LISTEN ? "listen" : "connect", pattern);
    for (unsigned kind = AUTHORITY_SERVE; kind <= AUTHORITY_DEVICE; kind++) {
        struct image_list list = list_of(request, (enum authority_kind)kind);
        for (uint32_t i = 0; i < list.count; i++) {
            const char *name = image_string_text(request, image_list_string(request, list, i));
            if (!authority_allows(holder, (enum authority_kind)kind, name))
                list_add(&listing, "%s '%s'", authority_word((enum authority_kind)kind), name);
        }
    }
    if (request->spawn_children > authority_children(holder))
        list_add(&listing, "spawn of %u at a time", request->spawn_children);
    for (size_t i = 0; i < sizeof(permissions) / sizeof(permissions[0]); i++)
        if ((request->permissions & permissions[i].permission) && !authority_permits(holder, permissions[i].permission))
            list_add(&listing, "%s", permissions[i].word);
    return listing.length == 0;
}

uint64_t authority_paths(const struct image_manifest *request, const char *names, uint32_t bytes, const char **unknown)
{
    uint64_t paths = bytes ? 0 : ~0ul;
    *unknown = NULL;
    for (uint32_t at = 0; at < bytes; at += (uint32_t)text_length(names + at) + 1) {
        uint32_t i = 0, count = request ? request->fs.count : 0;
        while (i < count &&
               !text_equal(image_string_text(request, image_list_path(request, request->fs, i).path), names + at))
            i++;
        if (i >= count || i >= AUTHORITY_PATHS)
            *unknown = names + at;
        else
            paths |= 1ul << i;
    }
    return paths;
}
