/* Plays a recording of a foreign client's bytes (tests/mqtt/record.py) to the broker and compares the answers, byte for
 * byte, with those that mosquitto gave.
 *
 *     replay NAME < RECORDING
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tessera.h>

#include "demos/lib/poller.h"
#include "report.h"

enum { CONNECTIONS_MAX = 64, LINE_MAX_BYTES = 128 * 1024 };

#define PATIENCE_NS 5000000000u /* for an answer that does not come */

static int connections[CONNECTIONS_MAX]; /* descriptors; -1 where closed */
static char line[LINE_MAX_BYTES + 2];
static uint8_t bytes[LINE_MAX_BYTES / 2], answer[LINE_MAX_BYTES / 2];
static struct report checks;

/* The bytes of hexadecimal digits up to the line's end. False: not such digits. */
static bool hex_parse(const char *text, size_t *len)
{
    *len = 0;
    for (; text[0] != '\n' && text[0] != '\0'; text += 2) {
        char digits[3] = {text[0], text[1], '\0'}, *end;
        bytes[(*len)++] = (uint8_t)strtoul(digits, &end, 16);
        if (end != digits + 2)
            return false;
    }
    return true;
}

static bool write_all(int fd, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t put = write(fd, bytes + at, len - at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += (size_t)put;
    }
    return true;
}

/* Reads up to `cap` bytes into `answer`, waiting for the first of each read. Returns how many came in time. */
static size_t read_some(int fd, size_t cap, uint64_t patience_ns)
{
    size_t len = 0;
    while (len < cap) {
        struct poller_entry entry = {.fd = fd, .want_read = true};
        if (poller_wait(&entry, 1, patience_ns) != 0 || !entry.can_read)
            break;
        ssize_t got = read(fd, answer + len, cap - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    return len;
}

static bool answer_is_right(int fd, size_t len)
{
    return read_some(fd, len, PATIENCE_NS) == len && memcmp(answer, bytes, len) == 0;
}

/* Does what one line says; true when it could be done and the broker did as recorded. */
static bool line_play(int *fd, char what, const char *hex)
{
    size_t len = 0;
    uint32_t opened;
    switch (what) {
    case '+':
        if (tessera_channel_connect("mqtt", 4, &opened) != 0)
            return false;
        *fd = (int)opened;
        return true;
    case '>':
        return *fd >= 0 && *hex == ' ' && hex_parse(hex + 1, &len) && write_all(*fd, len);
    case '<':
        return *fd >= 0 && *hex == ' ' && hex_parse(hex + 1, &len) && answer_is_right(*fd, len);
    case '-': {
        bool has_more = *fd >= 0 && read_some(*fd, 1, 0) > 0; /* nothing but the end may follow */
        close(*fd);
        *fd = -1;
        return !has_more;
    }
    default:
        return false;
    }
}

static void play(void)
{
    for (unsigned number = 1; fgets(line, sizeof(line), stdin) != NULL; number++) {
        char *what;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        unsigned long connection = strtoul(line, &what, 10);
        checks.expected++;
        if (connection < CONNECTIONS_MAX && line_play(&connections[connection], *what, what + 1)) {
            checks.received++;
        } else {
            line[strcspn(line, "\n")] = '\0';
            printf("%s: line %u: not as recorded: %.70s\n", checks.name, number, line);
        }
    }
}

int main(int argc, char **argv)
{
    uint32_t handle, len;
    snprintf(checks.name, sizeof(checks.name), "%s", argc > 1 ? argv[1] : "replay");
    memset(connections, -1, sizeof(connections));
    play();
    checks.failures = checks.expected == 0;
    int error = tessera_service_open(REPORT_SERVICE, strlen(REPORT_SERVICE), &handle);
    if (error == 0)
        error = tessera_service_call(handle, REPORT_CHECKS, &checks, sizeof(checks), NULL, 0, &len);
    if (error != 0)
        printf("%s: report: errno %d\n", checks.name, error);
    return error != 0 || checks.received != checks.expected || checks.expected == 0;
}
