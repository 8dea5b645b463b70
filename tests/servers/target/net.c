/* The permission "net" as the net server sees it, with a net server that only asks and refuses.
 *
 *     test-net server     serves "net" to one client: logs what that may, refuses it something
 *     test-net client     opens the session and calls
 *     test-net refused    may not
 */
#include "proto/process.h"
#include "tessera/net_pattern.h"
#include "tessera/server.h"
#include "tessera/text.h"

enum { NO_BADGE = 12345, E_INVAL = 28, E_BADF = 8, E_NOTCAPABLE = 76 };

static unsigned failures;

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    log_text("test-net: %s\n", what);
    failures++;
}

static word process_call(struct message *m, enum process_operation operation, unsigned length)
{
    m->info = message_info(operation, 0, length);
    (void)syscall_call(PROCESS_CAP_SERVER, m);
    return message_info_label(m->info);
}

static word grant(word badge, word n, char text[NET_PATTERN_MAX], word *kind)
{
    struct message m = {0, {badge, n}};
    word error = process_call(&m, PROCESS_NET_GRANT, 2);
    *kind = m.words[0];
    if (error == 0 && m.words[1] < NET_PATTERN_MAX) {
        message_get(&m, 2, text, m.words[1]);
        text[m.words[1]] = 0;
    }
    return error;
}

static word refused(word badge, word kind, const char *text, word bytes)
{
    struct message m = {0, {badge, kind, bytes}};
    message_put(&m, 3, text, text_length(text));
    return process_call(&m, PROCESS_NET_REFUSED, 3 + message_words(text_length(text)));
}

static void client_ask(word badge)
{
    char text[NET_PATTERN_MAX];
    word kind, n = 0, error;
    while ((error = grant(badge, n, text, &kind)) == 0) {
        log_text("test-net: %lu: %lu '%s'\n", n, kind, text);
        n++;
    }
    log_text("test-net: %lu in all\n", n);
    expect(error == E_BADF, "the list does not end");
    expect(grant(badge + 1, 0, text, &kind) == E_INVAL && grant(0, 0, text, &kind) == E_INVAL, "somebody else's list");
    expect(refused(badge, PROCESS_NET_CONNECT, "tcp:10.0.0.1:80", 15) == 0, "a refusal cannot be logged");
    expect(refused(badge, PROCESS_NET_COUNT, "x", 1) == E_INVAL && refused(badge, 0, "x", 9) == E_INVAL &&
               refused(badge, 0, "x", ~0ul) == E_INVAL && refused(0, 0, "x", 1) == E_INVAL,
           "nonsense is logged");
}

static int serve(void)
{
    struct message m = {0, {3}};
    message_put(&m, 1, "net", 3);
    if (process_call(&m, PROCESS_SERVICE_LISTEN, PROCESS_NAME_WORDS) != 0)
        return 1;
    cptr endpoint = (cptr)m.words[0], reply = (cptr)m.words[1];
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    client_ask(badge);
    m = (struct message){0};
    (void)syscall_send(reply, &m);
    return failures > 0;
}

static int client(void)
{
    struct message m = {0};
    if (process_call(&m, PROCESS_NET_OPEN, 0) != 0)
        return 2;
    cptr net = (cptr)m.words[0];
    m = (struct message){message_info(1, 0, 0), {0}};
    (void)syscall_call(net, &m);
    m = (struct message){0, {NO_BADGE}};
    expect(process_call(&m, PROCESS_NET_GRANT, 2) == E_INVAL, "a client may ask what others may");
    return failures > 0;
}

static int refused_client(void)
{
    struct message m = {0};
    return process_call(&m, PROCESS_NET_OPEN, 0) == E_NOTCAPABLE ? 0 : 1;
}

int program_main(const struct start_page *start)
{
    const char *mode = (const char *)start + start->arguments.offset;
    mode += text_length(mode) + 1;
    if (text_equal(mode, "server"))
        return serve();
    return text_equal(mode, "client") ? client() : refused_client();
}
