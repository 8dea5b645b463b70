/* Blocking: one notification for everything that a process can wait for.
 *
 *   notification bit  ->  sessions: their ready bitmaps  ->  stream  ->  descriptor
 *
 * A signal may come late or for nothing; who waits looks again and decides.
 */
#include <stdatomic.h>

#include "aot/runtime/thread.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "wasi.h"

#define OWED_MAX 8u

static struct session {
    struct session_control *control;
    uint8_t side;
    uint8_t streams;                       /* open here */
    uint16_t descriptors[SESSION_STREAMS]; /* of each stream, + 1 */
} sessions[SESSIONS];
static uint32_t sessions_end; /* none was opened from here on */

static bool has_timer;
static cptr owed[OWED_MAX]; /* signals that are due before this process waits */
static uint32_t owed_count;

void session_note(uint16_t number, uint32_t stream, struct session_control *control, uint32_t side, uint32_t fd)
{
    struct session *session = &sessions[number];
    if (number >= sessions_end)
        sessions_end = number + 1u;
    session->control = control;
    session->side = (uint8_t)side;
    session->streams++;
    session->descriptors[stream] = (uint16_t)(fd + 1);
}

void session_forget(uint16_t number, uint32_t stream)
{
    struct session *session = &sessions[number];
    session->descriptors[stream] = 0;
    if (--session->streams == 0)
        session->control = NULL;
}

void session_rename(uint16_t number, uint32_t stream, uint32_t fd)
{
    sessions[number].descriptors[stream] = (uint16_t)(fd + 1);
}

static void session_drain(struct session *session)
{
    for (uint64_t bits = session_take_ready(&session->control->ready[session->side]); bits; bits &= bits - 1) {
        uint32_t stream = (uint32_t)__builtin_ctzl(bits);
        if (stream >= SESSION_STREAMS || !session->descriptors[stream])
            continue;
        uint32_t fd = session->descriptors[stream] - 1u;
        descriptor_at(fd)->is_ready = true;
        if (descriptor_at(fd)->interest.is_watched)
            epoll_note(fd);
    }
}

void sessions_look(void)
{
    for (struct session *session = sessions; session < &sessions[sessions_end]; session++)
        if (session->control)
            session_drain(session);
}

/* Sessions with one process share a bit, and so may several processes'. */
static void note(word signals)
{
    if (signals & (((1ul << PROCESS_SIGNAL_SESSIONS) - 1) | PROCESS_SIGNAL_EVENT))
        sessions_look();
}

bool deadline_possible(void)
{
    struct message m = {0};
    if (!has_timer)
        has_timer = process_call(PROCESS_TIMER, &m, 0) == ESUCCESS;
    return has_timer;
}

/* A timer that comes too early, or for nothing, is cheaper than one that is set and cancelled each time. */
static word wait_on_notification(uint64_t deadline_ticks)
{
    static uint64_t timer_ticks; /* when it comes; 0: it is not set */
    if (deadline_ticks && (timer_ticks == 0 || deadline_ticks < timer_ticks)) {
        if (timer_set(PROCESS_CAP_TIMER, deadline_ticks) != ERROR_NONE)
            return 0;
        timer_ticks = deadline_ticks;
    }
    word signals = notification_wait(PROCESS_CAP_NOTIFICATION);
    if (signals & PROCESS_SIGNAL_TIMER)
        timer_ticks = 0;
    return signals;
}

/* Of several threads one waits for the notification; it tells the others, who look again, each for what it wants. */
static bool has_listener;
static uint32_t turns;

static void wait_for_turn(uint64_t deadline_ticks)
{
    uint32_t turn = turns;
    int64_t timeout_ns = -1;
    if (deadline_ticks) {
        uint64_t now = clock_ticks();
        timeout_ns = deadline_ticks > now ? (int64_t)clock_ns(deadline_ticks - now, start_page->timer_multiplier,
                                                              start_page->timer_shift)
                                          : 0;
    }
    (void)wasm_native_pause();
    (void)wasm_wait(&turns, turn, timeout_ns, sizeof(turns));
    wasm_native_enter();
}

void signals_send(void)
{
    while (owed_count > 0)
        notification_signal(owed[--owed_count]);
}

void wait_for_signal(uint64_t deadline_ticks)
{
    hold_release();
    signals_send();
    if (has_listener) {
        wait_for_turn(deadline_ticks);
        return;
    }
    has_listener = true;
    bool is_paused = wasm_native_pause();
    word signals = wait_on_notification(deadline_ticks);
    if (is_paused)
        wasm_native_enter();
    has_listener = false;
    note(signals);
    turns++;
    if (is_paused)
        (void)wasm_notify(&turns, UINT32_MAX);
}

void stream_signal(const struct descriptor *descriptor)
{
    notification_signal(descriptor->signal_cap);
}

void stream_signal_late(const struct descriptor *descriptor)
{
    for (uint32_t i = 0; i < owed_count; i++)
        if (owed[i] == descriptor->signal_cap)
            return;
    if (owed_count < OWED_MAX)
        owed[owed_count++] = descriptor->signal_cap;
    else
        stream_signal(descriptor);
}

bool stream_wait(struct descriptor *descriptor, bool space)
{
    struct stream *stream = &descriptor->ends;
    bool is_sending = space || descriptor->socket.state == SOCKET_CONNECTING;
    uint64_t limit_ns = is_sending ? descriptor->socket.send_ns : descriptor->socket.receive_ns, deadline = 0;
    descriptor->is_ready = false;
    if (space ? stream_ask_space(stream) : stream_ask_data(stream))
        return true;
    if (limit_ns && deadline_possible())
        deadline = clock_ticks() + clock_ticks_of(limit_ns, start_page->timer_hz);
    while (!descriptor->is_ready) {
        if (deadline && clock_ticks() >= deadline)
            return false;
        wait_for_signal(deadline);
    }
    return true;
}
