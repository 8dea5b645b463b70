/* A program that takes all the sessions and open files it can get of the servers of files, by way of its children too,
 * and one that comes when nothing is left for the first: it must be served, and so must its children.
 *
 *     test-crowd hog       children that have sessions until one is refused; then open files until that is refused
 *     test-crowd hogling   one of them: a session with each server, kept; exit status 7: refused
 *     test-crowd guest     waits for that; opens files, and has a child that does
 *     test-crowd visitor   that child
 *
 * Directories below /memory tell how far they are: making one takes no handle.
 */
#include "calls.h"
#include "proto/fs.h"
#include "tessera/file_server.h"
#include "tessera/invoke.h"

enum { STORE, MEMORY, SERVERS };
enum { REFUSED = 7, CHILDREN_MOST = 250, OPENS_MOST = 40000, DISTINCT = 1000, FILES = 300 };

static struct server_session {
    cptr endpoint;
    char *window;
    word root;
} servers[SERVERS];

static word ask(unsigned server, enum fs_operation operation, struct message *m)
{
    m->info = message_info(operation, 0, MESSAGE_REGISTERS);
    return syscall_call(servers[server].endpoint, m) == ERROR_NONE ? message_info_label(m->info) : (word)FS_EIO;
}

static word server_join(unsigned server)
{
    struct message m = {0, {server}};
    word error = call(PROCESS_FILES_OPEN, &m, 1);
    servers[server] = (struct server_session){.endpoint = (cptr)m.words[0], .window = (char *)m.words[1]};
    m = (struct message){0, {server}};
    if (!error && !(error = ask(server, FS_ROOT, &m)))
        servers[server].root = m.words[0];
    return error;
}

/* Both, even if the first one refuses. */
static word join_servers(void)
{
    word errors[SERVERS] = {server_join(STORE), server_join(MEMORY)};
    return errors[STORE] ? errors[STORE] : errors[MEMORY];
}

/* A request with a path: "word-number". */
static word path_ask(unsigned server, enum fs_operation operation, const char *text, unsigned number, word flags,
                     struct message *m)
{
    size_t bytes = text_format(servers[server].window, 64, "%s-%u", text, number);
    *m = (struct message){0, {servers[server].root, bytes, flags}};
    return ask(server, operation, m);
}

static void mark(const char *text, unsigned number)
{
    struct message m;
    (void)path_ask(MEMORY, FS_MAKE_DIRECTORY, text, number, 0, &m);
}

static bool is_marked(const char *text, unsigned number)
{
    struct message m;
    return path_ask(MEMORY, FS_STAT_PATH, text, number, 0, &m) == FS_OK;
}

static void await(const char *text, unsigned number)
{
    while (!is_marked(text, number))
        syscall_yield();
}

static _Noreturn void stay(void)
{
    for (;;)
        (void)notification_wait(PROCESS_CAP_NOTIFICATION);
}

/* ---- the hog ------------------------------------------------------------------------------------------------- */

static int hogling(void)
{
    struct message m;
    unsigned number = 0;
    word error = join_servers();
    if (error)
        return error == FS_ENFILE ? REFUSED : 1;
    while (path_ask(MEMORY, FS_MAKE_DIRECTORY, "child", number, 0, &m) != FS_OK)
        number++;
    stay();
}

/* Children until one is refused: how many there are; 0: something else went wrong. */
static unsigned children_fill(word *pids)
{
    for (unsigned count = 0; count < CHILDREN_MOST; count++) {
        if (spawn("hogling", &pids[count]) != 0)
            return 0;
        for (;;) {
            struct message m = {0, {pids[count], 1}};
            if (is_marked("child", count))
                break;
            if (call(PROCESS_JOIN, &m, 2) == 0 && m.words[0] == pids[count])
                return m.words[2] == REFUSED ? count : 0;
            syscall_yield();
        }
    }
    return 0;
}

/* Each server is asked for all that it has. */
static unsigned files_fill(unsigned server)
{
    struct message m;
    word error = FS_OK;
    unsigned count = 0;
    while (!error && count < OPENS_MOST)
        error = path_ask(server, FS_OPEN, "hog", count++ % DISTINCT, FS_OPEN_CREATE | FS_OPEN_WRITE, &m);
    if (error != FS_ENFILE)
        log_text("after %u files of %s: error %lu\n", count, server == STORE ? "the store" : "memory", error);
    return error == FS_ENFILE ? count : 0;
}

static bool children_end(const word *pids, unsigned count)
{
    bool is_good = true;
    for (unsigned i = 0; i < count; i++) {
        struct message signal = {0, {pids[i], 9}}, m = {0, {pids[i], 0}};
        is_good = call(PROCESS_SIGNAL, &signal, 2) == 0 && call(PROCESS_JOIN, &m, 2) == 0 && is_good;
    }
    return is_good;
}

static int hog(void)
{
    static word pids[CHILDREN_MOST];
    if (join_servers())
        return 1;
    unsigned children = children_fill(pids), opened[SERVERS] = {files_fill(STORE), files_fill(MEMORY)};
    log_text("the hog has %u children, %u and %u open files\n", children, opened[STORE], opened[MEMORY]);
    if (children < 10 || opened[STORE] < DISTINCT || opened[MEMORY] < DISTINCT)
        return 2;
    mark("full", 0);
    await("served", 0);
    if (!children_end(pids, children))
        return 3;
    word pid;
    if (spawn("hogling", &pid) != 0)
        return 4;
    await("child", children); /* it has its sessions */
    log_text("its children's share came back\n");
    return children_end(&pid, 1) ? 0 : 5;
}

/* ---- the guest ----------------------------------------------------------------------------------------------- */

/* Files of its own on each server, all open at once. */
static bool files_use(const char *name)
{
    static word handles[FILES];
    struct message m;
    for (unsigned server = 0; server < SERVERS; server++) {
        for (unsigned i = 0; i < FILES; i++) {
            if (path_ask(server, FS_OPEN, name, i, FS_OPEN_CREATE | FS_OPEN_READ | FS_OPEN_WRITE, &m) != FS_OK)
                return false;
            handles[i] = m.words[0];
        }
        for (unsigned i = 0; i < FILES; i++) {
            memcpy(servers[server].window, &i, sizeof(i));
            m = (struct message){0, {handles[i], 0, sizeof(i)}};
            if (ask(server, FS_WRITE, &m) != FS_OK)
                return false;
        }
        for (unsigned i = 0; i < FILES; i++) {
            m = (struct message){0, {handles[i], 0, sizeof(i)}};
            if (ask(server, FS_READ, &m) != FS_OK || memcmp(servers[server].window, &i, sizeof(i)) != 0)
                return false;
        }
    }
    return true;
}

static int guest(void)
{
    word pid;
    if (join_servers())
        return 1;
    await("full", 0);
    if (!files_use("guest"))
        return 2;
    struct message m = {0};
    if (spawn("visitor", &pid) != 0)
        return 3;
    m.words[0] = pid;
    if (call(PROCESS_JOIN, &m, 2) != 0 || m.words[2] != 0)
        return 4;
    log_text("served: %u files, and as many of a child\n", (unsigned)FILES);
    mark("served", 0);
    return 0;
}

static int visitor(void)
{
    return join_servers() == FS_OK && files_use("visitor") ? 0 : 1;
}

int program_main(const struct start_page *start)
{
    const char *role = first_argument(start);
    if (text_equal(role, "hog"))
        return hog();
    if (text_equal(role, "hogling"))
        return hogling();
    return text_equal(role, "guest") ? guest() : visitor();
}
