/* A program that takes all it can get of the net server, by way of its children too, and one that comes when nothing is
 * left for the first: it must be served, and so must its children. They tell each other by ports that are taken.
 *
 *     test-net-crowd hog       children until one is refused; then listeners, connections and datagram sockets until
 *                              these are
 *     test-net-crowd hogling   one of them: a connection, kept; exit status 7: refused
 *     test-net-crowd guest     waits for that; has some of everything, and a child
 *     test-net-crowd visitor   that child
 */
#include "net_calls.h"

enum {
    REFUSED = 7,
    CHILDREN_MOST = 100,
    SOME = 8,
    PORT_FULL = 100,
    PORT_SERVED,
    PORT_CHILDREN = 1000,
    PORT_GUEST = 7000
};

static bool is_taken(unsigned port)
{
    word socket, error = port_bind(NET_KIND_UDP, port, &socket);
    if (!error)
        (void)socket_ask(NET_CLOSE, socket);
    return error == E_ADDRINUSE;
}

/* For others to see; they take it for a moment to look. */
static bool port_keep(unsigned port)
{
    word socket, error;
    while ((error = port_bind(NET_KIND_UDP, port, &socket)) == E_ADDRINUSE)
        syscall_yield();
    return error == 0;
}

/* ---- the hog ------------------------------------------------------------------------------------------------- */

static int hogling(void)
{
    word error = connect_to(PORT_CHILDREN, NULL);
    if (error)
        return error == E_NFILE ? REFUSED : 1;
    wait_for_ever();
}

/* Waits until the child has come; false: it was refused, or something else went wrong. */
static bool child_stays(word listener, word pid, word *status)
{
    while (socket_ask(NET_ACCEPT, listener) != 0) {
        struct message m = {0, {pid, 1}};
        if (call(PROCESS_JOIN, &m, 2) == 0 && m.words[0] == pid) {
            *status = m.words[2];
            return false;
        }
        syscall_yield();
    }
    return true;
}

/* Children until one is refused: how many there are; 0: something else went wrong. */
static unsigned children_fill(word listener, word *pids)
{
    for (unsigned count = 0; count < CHILDREN_MOST; count++) {
        word status;
        if (spawn("hogling", &pids[count]) != 0)
            return 0;
        if (!child_stays(listener, pids[count], &status))
            return status == REFUSED ? count : 0;
    }
    return 0;
}

static unsigned fill(enum net_kind kind, bool listens, word *last)
{
    word socket, error;
    for (unsigned count = 0;; count++) {
        error = port_bind(kind, listens ? 2000 + count : 0, &socket);
        if (!error && listens)
            error = socket_ask(NET_OPEN, socket);
        if (error == E_NOBUFS)
            return count;
        if (error) {
            log_text("net-crowd: after %u: error %lu\n", count, error);
            return 0;
        }
        *last = socket;
    }
}

static bool children_end(const word *pids, unsigned count)
{
    bool is_good = true;
    for (unsigned i = 0; i < count; i++) {
        struct message m = {0, {pids[i], 9}};
        is_good = call(PROCESS_SIGNAL, &m, 2) == 0 && join(pids[i]) == 0 && is_good;
    }
    return is_good;
}

static int hog(void)
{
    static word pids[CHILDREN_MOST];
    word listener, spare, last, status;
    if (port_bind(NET_KIND_TCP, PORT_CHILDREN, &listener) != 0 || socket_ask(NET_OPEN, listener) != 0 ||
        port_bind(NET_KIND_UDP, 0, &spare) != 0)
        return 1;
    unsigned children = children_fill(listener, pids), listeners = fill(NET_KIND_TCP, true, &last);
    unsigned connections = fill(NET_KIND_TCP, false, &last), datagrams = fill(NET_KIND_UDP, false, &last);
    log_text("the hog has %u children, %u listeners, %u connections, %u datagram sockets\n", children, listeners,
             connections, datagrams);
    if (children < SOME || listeners < SOME || connections < 800 || datagrams < SOME)
        return 2;
    if (socket_ask(NET_CLOSE, last) != 0 || !port_keep(PORT_FULL))
        return 3;
    if (socket_ask(NET_CLOSE, spare) != 0) /* to look with */
        return 3;
    while (!is_taken(PORT_SERVED))
        syscall_yield();
    if (!children_end(pids, children) || spawn("hogling", &pids[0]) != 0 || !child_stays(listener, pids[0], &status))
        return 4;
    log_text("its children's places came back\n");
    return children_end(pids, 1) ? 0 : 5;
}

/* ---- the guest ----------------------------------------------------------------------------------------------- */

static bool connection_make(word listener, unsigned port)
{
    word error = connect_to(port, NULL);
    while (!error && (error = socket_ask(NET_ACCEPT, listener)) == E_AGAIN)
        syscall_yield();
    return error == 0;
}

/* Two ends of each connection, and what is listened with. */
static bool some_use(unsigned port)
{
    word listener, socket;
    for (unsigned i = 0; i < SOME; i++)
        if (port_bind(NET_KIND_UDP, 0, &socket) != 0 || port_bind(NET_KIND_TCP, port + i, &listener) != 0 ||
            socket_ask(NET_OPEN, listener) != 0 || (i < SOME / 2 && !connection_make(listener, port + i)))
            return false;
    return true;
}

static int guest(void)
{
    word pid, status;
    while (!is_taken(PORT_FULL))
        syscall_yield();
    if (!some_use(PORT_GUEST) || spawn("visitor", &pid) != 0 || join_status(pid, &status) != 0 || status != 0)
        return 1;
    log_text("served, and so is its child\n");
    if (!port_keep(PORT_SERVED))
        return 2;
    while (is_taken(PORT_FULL)) /* the hog must see it */
        syscall_yield();
    return 0;
}

static int visitor(void)
{
    word listener;
    return port_bind(NET_KIND_TCP, PORT_GUEST + SOME, &listener) == 0 && socket_ask(NET_OPEN, listener) == 0 &&
                   connection_make(listener, PORT_GUEST + SOME)
               ? 0
               : 1;
}

int program_main(const struct start_page *start)
{
    const char *role = first_argument(start);
    if (!net_open())
        return 9;
    if (text_equal(role, "hog"))
        return hog();
    if (text_equal(role, "hogling"))
        return hogling();
    return text_equal(role, "guest") ? guest() : visitor();
}
