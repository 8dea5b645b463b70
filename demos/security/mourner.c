/* The doomed server's client: its call must come back with an error and its stream must end; neither may hang.
 * Afterwards a new call and a new connection must be refused, too.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <tessera.h>

#include "demos/lib/check.h"

enum { TRIES = 100 };

/* The listener may live a moment longer than the call that it left unanswered. */
static int connect_until_refused(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    uint32_t stream;
    int error = 0;
    for (int i = 0; i < TRIES && error == 0; i++) {
        error = tessera_channel_connect("doomed", 6, &stream);
        if (error == 0) {
            close((int)stream);
            nanosleep(&pause, NULL);
        }
    }
    return error;
}

int main(void)
{
    struct check check = {0};
    uint32_t stream, service, len;
    char answer[16];
    check_group(&check, "mourner");
    check_u64(&check, "connect to the doomed", 0, (uint64_t)tessera_channel_connect("doomed", 6, &stream));
    check_u64(&check, "open its service", 0, (uint64_t)tessera_service_open("doomed", 6, &service));
    check_u64(&check, "send it a byte", 1, (uint64_t)write((int)stream, "x", 1));
    check_u64(&check, "the call in flight: ECONNABORTED", TESSERA_ECONNABORTED,
              (uint64_t)tessera_service_call(service, 1, NULL, 0, answer, sizeof(answer), &len));
    ssize_t got = read((int)stream, answer, sizeof(answer));
    check_true(&check, "the stream in flight has ended", got == 0 || (got < 0 && errno == ECONNRESET));
    errno = 0;
    ssize_t put = write((int)stream, "x", 1);
    check_true(&check, "writing to it: EPIPE", put == -1 && (errno == EPIPE || errno == ECONNRESET));
    check_u64(&check, "a further call: ECONNABORTED", TESSERA_ECONNABORTED,
              (uint64_t)tessera_service_call(service, 1, NULL, 0, answer, sizeof(answer), &len));
    check_u64(&check, "a further connection: ECONNREFUSED", TESSERA_ECONNREFUSED, (uint64_t)connect_until_refused());
    return check_finish(&check, "mourner");
}
