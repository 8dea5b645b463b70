/* poll_oneoff: any number of streams, listeners and clocks, one notification, no spinning.
 *
 * First everything is looked at. If nothing is ready, each stream's peer is asked for a signal and looked at again
 * (it may have acted in between); then the process waits, with the kernel's timer set to the nearest clock. After a
 * signal only streams whose ready bit was set are looked at again.
 */
#include "imports.h"
#include "proto/fs.h"
#include "tessera/clock.h"
#include "tessera/text.h"

#define SUBSCRIPTION_BYTES 48
#define EVENT_BYTES        32
#define SUBSCRIPTIONS_MAX  4096u

enum { TAG_CLOCK = 0, TAG_READ = 1, TAG_WRITE = 2 };
enum { CLOCK_REALTIME_ID = 0, CLOCK_MONOTONIC_ID = 1 };
#define CLOCK_IS_ABSOLUTE 1
#define EVENT_HANGUP      1

/* Layout: WASI snapshot-01, types subscription and event. */
struct subscription {
    uint64_t userdata;
    uint8_t tag;
    uint8_t pad[7];
    union {
        uint32_t fd;
        struct {
            uint32_t id, pad;
            uint64_t timeout, precision;
            uint16_t flags;
            uint8_t pad2[6];
        } clock;
    };
};
_Static_assert(sizeof(struct subscription) == SUBSCRIPTION_BYTES, "subscription");

struct event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type;
    uint8_t pad[5];
    uint64_t bytes;
    uint16_t flags;
    uint8_t pad2[6];
};
_Static_assert(sizeof(struct event) == EVENT_BYTES, "event");

/* When a clock subscription is due, in monotonic ns; *error for clocks that cannot be waited for. */
static uint64_t due_ns(const struct subscription *subscription, uint64_t entered_ns, uint16_t *error)
{
    uint64_t timeout = subscription->clock.timeout, due;
    *error = 0;
    if (subscription->clock.id == CLOCK_REALTIME_ID && !(start_page->flags & START_MAY_CLOCK) &&
        (subscription->clock.flags & CLOCK_IS_ABSOLUTE)) {
        *error = ENOTCAPABLE;
        return 0;
    }
    if (subscription->clock.id > CLOCK_MONOTONIC_ID) {
        *error = ENOTSUP;
        return 0;
    }
    if (subscription->clock.flags & CLOCK_IS_ABSOLUTE) {
        uint64_t base = subscription->clock.id == CLOCK_REALTIME_ID ? realtime_ns() - monotonic_ns() : 0;
        return timeout > base ? timeout - base : 0;
    }
    return __builtin_add_overflow(entered_ns, timeout, &due) ? UINT64_MAX : due;
}

static bool stream_is_ready(struct descriptor *descriptor, bool is_write, struct event *event)
{
    struct stream *stream = &descriptor->ends;
    if (is_write) {
        event->bytes = stream_writable(stream);
        if (stream_is_refused(stream)) {
            event->flags = EVENT_HANGUP;
            return true;
        }
        return event->bytes > 0;
    }
    event->bytes = stream_readable(stream);
    if (event->bytes == 0 && stream_at_end(stream)) {
        event->flags = EVENT_HANGUP;
        return true;
    }
    return event->bytes > 0;
}

static bool listener_is_ready(const struct descriptor *descriptor, struct event *event)
{
    struct message m = {0, {descriptor->listener}};
    if (process_call(PROCESS_PENDING, &m, 1) != ESUCCESS)
        return false;
    event->bytes = m.words[0];
    return m.words[0] > 0;
}

static bool descriptor_is_ready(const struct subscription *subscription, struct event *event)
{
    bool is_write = subscription->tag == TAG_WRITE;
    struct descriptor *descriptor = descriptor_get(subscription->fd);
    if (!descriptor) {
        event->error = EBADF;
        return true;
    }
    switch ((enum descriptor_kind)descriptor->kind) {
    case FD_STREAM:
        return stream_is_ready(descriptor, is_write, event);
    case FD_SOCKET: {
        bool is_hung = false;
        bool is_ready = socket_is_ready(subscription->fd, is_write, &event->bytes, &is_hung);
        if (descriptor->kind == FD_STREAM) /* connecting has just ended */
            return stream_is_ready(descriptor, is_write, event);
        event->flags = is_hung ? EVENT_HANGUP : 0;
        return is_ready;
    }
    case FD_GIVEN:
        event->error = EBADF;
        return true;
    case FD_LISTENER:
        return !is_write && listener_is_ready(descriptor, event);
    case FD_TERMINAL: {
        bool is_end;
        if (is_write) {
            event->error = EBADF;
            return true;
        }
        event->bytes = terminal_bytes(&is_end);
        event->flags = is_end ? EVENT_HANGUP : 0;
        return event->bytes > 0 || is_end;
    }
    case FD_NODE: {
        uint64_t size = 0;
        event->error = (uint16_t)node_open(descriptor);
        if (!event->error)
            event->error = (uint16_t)node_size(descriptor, &size);
        event->bytes = is_write ? FS_WINDOW_BYTES : size > descriptor->node.offset ? size - descriptor->node.offset : 0;
        return true;
    }
    case FD_FILE:
        event->bytes =
            descriptor->file.offset < descriptor->file.size ? descriptor->file.size - descriptor->file.offset : 0;
        return true;
    default:
        event->bytes = is_write ? 4096 : 0;
        return true;
    }
}

bool poll_look(uint32_t fd, bool is_write, bool *is_hung)
{
    struct subscription subscription = {.tag = is_write ? TAG_WRITE : TAG_READ, .fd = fd};
    struct event event = {0};
    bool is_ready = descriptor_is_ready(&subscription, &event) && !event.error;
    *is_hung = event.flags & EVENT_HANGUP;
    return is_ready;
}

struct poll {
    uint32_t in, out, count, found;
    uint64_t entered_ns;
    uint64_t next_due_ns; /* of the clocks, UINT64_MAX: none */
};

static void subscription_get(const struct poll *poll, uint32_t i, struct subscription *subscription)
{
    __builtin_memcpy(subscription, at(poll->in + i * SUBSCRIPTION_BYTES), sizeof(*subscription)); /* no call */
}

static void event_put(struct poll *poll, const struct event *event)
{
    __builtin_memcpy(at(poll->out + poll->found++ * EVENT_BYTES), event, sizeof(*event));
}

static bool is_due(struct poll *poll, const struct subscription *subscription, struct event *event)
{
    uint64_t due = due_ns(subscription, poll->entered_ns, &event->error);
    if (event->error || due <= monotonic_ns())
        return true;
    if (due < poll->next_due_ns)
        poll->next_due_ns = due;
    return false;
}

/* Looks at every subscription; `only_signalled` leaves out streams that were asked and have not answered. */
static void look(struct poll *poll, bool only_signalled)
{
    poll->next_due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < poll->count; i++) {
        struct subscription subscription;
        subscription_get(poll, i, &subscription);
        struct event event = {.userdata = subscription.userdata, .type = subscription.tag};
        struct descriptor *descriptor = subscription.tag == TAG_CLOCK ? NULL : descriptor_get(subscription.fd);
        if (only_signalled && descriptor && has_stream(descriptor) && !descriptor->is_ready)
            continue;
        if (subscription.tag == TAG_CLOCK ? is_due(poll, &subscription, &event)
                                          : descriptor_is_ready(&subscription, &event))
            event_put(poll, &event);
    }
}

/* Asks every stream's peer; true when one turned out to be ready meanwhile. */
static bool ask(const struct poll *poll, bool only_signalled)
{
    static uint32_t round;
    bool is_ready = false;
    round++;
    for (uint32_t i = 0; i < poll->count; i++) {
        struct subscription subscription;
        subscription_get(poll, i, &subscription);
        struct descriptor *descriptor = subscription.tag == TAG_CLOCK ? NULL : descriptor_get(subscription.fd);
        if (!descriptor || !has_stream(descriptor))
            continue;
        if (descriptor->asked_in != round) { /* else it is asked for the other direction, too */
            if (only_signalled && !descriptor->is_ready)
                continue;
            descriptor->asked_in = round;
            descriptor->is_ready = false;
        }
        /* The end of connecting comes as data. */
        bool wants_space = subscription.tag == TAG_WRITE && descriptor->socket.state != SOCKET_CONNECTING;
        if (wants_space ? stream_ask_space(&descriptor->ends) : stream_ask_data(&descriptor->ends))
            descriptor->is_ready = is_ready = true;
    }
    return is_ready;
}

uint32_t WASI(poll_oneoff)(uint32_t in, uint32_t out, uint32_t count, uint32_t events)
{
    struct poll poll = {.in = in, .out = out, .count = count, .entered_ns = monotonic_ns()};
    if (count == 0 || count > SUBSCRIPTIONS_MAX)
        return EINVAL;
    if (!in_memory(in, (uint64_t)count * SUBSCRIPTION_BYTES) || !in_memory(out, (uint64_t)count * EVENT_BYTES) ||
        !in_memory(events, 4))
        return EFAULT;
    for (uint32_t i = 0; i < count; i++) {
        struct subscription subscription;
        subscription_get(&poll, i, &subscription);
        if (subscription.tag > TAG_WRITE)
            return EINVAL;
    }
    hold_release();
    look(&poll, false);
    for (bool again = false; poll.found == 0; again = true) {
        uint64_t deadline = 0;
        if (poll.next_due_ns != UINT64_MAX) {
            if (!deadline_possible())
                return ENOMEM;
            uint64_t now = monotonic_ns();
            uint64_t wait_ns = poll.next_due_ns > now ? poll.next_due_ns - now : 0;
            deadline = clock_ticks() + clock_ticks_of(wait_ns, start_page->timer_hz);
        }
        if (!ask(&poll, again))
            wait_for_signal(deadline);
        look(&poll, true);
    }
    memcpy(at(events), &poll.found, sizeof(poll.found));
    return ESUCCESS;
}
