/* WASIX's epoll_create, epoll_ctl, epoll_wait: waiting for many descriptors at the price of those that have news.
 *
 * An instance has a queue of the descriptors that may be ready. Waiting looks at those only: one that is ready is told
 * and stays in the queue, behind the others; one that is not has its stream's peer asked for a signal, and leaves. The
 * peer's ready bit brings it back (wait.c). What has no stream of its own stays in the queue.
 *
 * A descriptor is watched by one instance at most. Names, layouts and numbers: wasix-libc, wasi/api_wasix.h.
 */
#include "imports.h"
#include "tessera/clock.h"
#include "tessera/text.h"

enum { CONTROL_ADD = 0, CONTROL_MODIFY = 1, CONTROL_DELETE = 2 };
enum {
    EVENT_IN = 1 << 0,
    EVENT_OUT = 1 << 1,
    EVENT_READ_END = 1 << 2,
    EVENT_ERROR = 1 << 4,
    EVENT_HUNG = 1 << 5,
    EVENT_EDGE = 1 << 6,
    EVENT_ONCE = 1 << 7,
};
#define EVENTS_MAX  4096u
#define NO_DEADLINE UINT64_MAX

struct event {
    uint32_t events, pad;
    uint64_t data[3]; /* the program's */
};
_Static_assert(sizeof(struct event) == 32, "as in WASIX");

/* ---- the queue: a ring of descriptors' numbers + 1, the instance's own as its head ----------------------------- */

static void queue_append(uint32_t instance, uint32_t fd)
{
    struct interest *head = &descriptor_at(instance)->interest, *interest = &descriptor_at(fd)->interest;
    interest->is_queued = true;
    interest->next = (uint16_t)instance;
    interest->previous = head->previous;
    descriptor_at(head->previous)->interest.next = (uint16_t)fd;
    head->previous = (uint16_t)fd;
}

static void queue_remove(uint32_t fd)
{
    struct interest *interest = &descriptor_at(fd)->interest;
    if (!interest->is_queued)
        return;
    interest->is_queued = false;
    descriptor_at(interest->previous)->interest.next = interest->next;
    descriptor_at(interest->next)->interest.previous = interest->previous;
}

void epoll_note(uint32_t fd)
{
    struct interest *interest = &descriptor_at(fd)->interest;
    if (interest->is_watched && !interest->is_queued)
        queue_append(interest->instance, fd);
}

void epoll_forget(uint32_t fd)
{
    struct descriptor *descriptor = descriptor_at(fd);
    if (descriptor->interest.is_watched) {
        queue_remove(fd);
        descriptor->interest.is_watched = false;
    }
    if (descriptor->kind != FD_EPOLL)
        return;
    for (uint32_t i = 0; i < descriptors_end(); i++)
        if (descriptor_at(i)->interest.is_watched && descriptor_at(i)->interest.instance == fd)
            descriptor_at(i)->interest.is_watched = descriptor_at(i)->interest.is_queued = false;
}

static void instance_renumber(uint32_t from, uint32_t to)
{
    struct interest *head = &descriptor_at(to)->interest;
    head->next = head->previous = (uint16_t)to;
    for (uint32_t i = 0; i < descriptors_end(); i++) {
        struct interest *interest = &descriptor_at(i)->interest;
        if (!interest->is_watched || interest->instance != from)
            continue;
        interest->instance = (uint16_t)to;
        queue_append(to, i); /* all are candidates */
    }
}

void epoll_renumber(uint32_t from, uint32_t to)
{
    struct interest interest = descriptor_at(from)->interest;
    if (descriptor_at(to)->kind == FD_EPOLL)
        instance_renumber(from, to);
    if (!interest.is_watched)
        return;
    epoll_forget(from);
    descriptor_at(to)->interest.is_queued = false;
    queue_append(interest.instance, to);
}

/* ---- looking ------------------------------------------------------------------------------------------------- */

/* Both are always told. */
static uint32_t stream_events(struct descriptor *descriptor)
{
    struct stream *stream = &descriptor->ends;
    bool is_end = stream_at_end(stream), is_refused = stream_is_refused(stream);
    uint32_t events = is_end ? EVENT_IN | EVENT_READ_END : stream_readable(stream) ? EVENT_IN : 0;
    if (is_refused || stream_writable(stream))
        events |= EVENT_OUT;
    if (is_end && is_refused)
        events |= EVENT_HUNG;
    if (is_end && socket_end_error(descriptor))
        events |= EVENT_ERROR;
    return events;
}

static uint32_t descriptor_events(uint32_t fd)
{
    struct descriptor *descriptor = descriptor_at(fd);
    uint32_t events = 0;
    for (uint32_t is_write = 0; is_write < 2 && descriptor->kind != FD_STREAM; is_write++) {
        bool is_hung = false;
        if (!poll_look(fd, is_write, &is_hung))
            continue;
        events |= (is_write ? EVENT_OUT : EVENT_IN) | (is_hung ? EVENT_HUNG : 0u);
    }
    return descriptor->kind == FD_STREAM ? stream_events(descriptor) : events; /* connecting may just have ended */
}

/* What the program is to be told of it; 0: nothing. */
static uint32_t interest_look(uint32_t fd)
{
    uint32_t wanted = descriptor_at(fd)->interest.events;
    return wanted ? descriptor_events(fd) & (wanted | EVENT_ERROR | EVENT_HUNG) : 0;
}

/* Its peer will signal what is wanted; true when there is some already. */
static bool interest_ask(uint32_t fd)
{
    struct descriptor *descriptor = descriptor_at(fd);
    uint32_t wanted = descriptor->interest.events;
    bool is_connecting = descriptor->socket.state == SOCKET_CONNECTING, is_ready = stream_ask_data(&descriptor->ends);
    if ((wanted & EVENT_OUT) && !is_connecting)
        is_ready |= stream_ask_space(&descriptor->ends);
    return is_ready;
}

/* One from the queue: what is to be told of it. It stays in the queue, or a signal will bring it back. */
static uint32_t candidate_take(uint32_t instance, uint32_t fd)
{
    struct interest *interest = &descriptor_at(fd)->interest;
    uint32_t wanted = interest->events, events = interest_look(fd);
    queue_remove(fd);
    if (wanted == 0)
        return 0; /* until it is modified */
    bool is_stream = has_stream(descriptor_at(fd)), stays = !is_stream || (events && !(wanted & EVENT_EDGE));
    /* Asked for, a signal brings it back; unless something came in between. */
    if (!stays && interest_ask(fd) && events == 0)
        stays = (events = interest_look(fd)) != 0;
    if (stays)
        queue_append(instance, fd);
    if (events && (wanted & EVENT_ONCE))
        interest->events = 0;
    return events;
}

/* Each candidate once, at most so many that are ready. */
static uint32_t collect(uint32_t instance, uint32_t out, uint32_t room)
{
    uint32_t found = 0, last = descriptor_at(instance)->interest.previous;
    uint32_t fd = descriptor_at(instance)->interest.next, next;
    for (bool is_last = fd == instance; !is_last && found < room; fd = next) {
        const struct interest *interest = &descriptor_at(fd)->interest;
        next = interest->next;
        is_last = fd == last;
        struct event event = {.data = {interest->data[0], interest->data[1], interest->data[2]}};
        event.events = candidate_take(instance, fd);
        if (event.events)
            __builtin_memcpy(at(out + found++ * (uint32_t)sizeof(event)), &event, sizeof(event));
    }
    return found;
}

/* ---- the calls ----------------------------------------------------------------------------------------------- */

uint32_t WASIX(epoll_create)(uint32_t to)
{
    uint32_t fd, error;
    if (!in_memory(to, 4))
        return EFAULT;
    error = descriptor_take(&fd);
    if (error)
        return error;
    struct descriptor *descriptor = descriptor_at(fd);
    descriptor->kind = FD_EPOLL;
    descriptor->interest.next = descriptor->interest.previous = (uint16_t)fd;
    __builtin_memcpy(at(to), &fd, sizeof(fd));
    return ESUCCESS;
}

static uint32_t instance_get(uint32_t fd)
{
    const struct descriptor *descriptor = descriptor_get(fd);
    return !descriptor ? EBADF : descriptor->kind != FD_EPOLL ? EINVAL : ESUCCESS;
}

/* Files are always ready, and there is nothing to be told of an instance by another. */
static bool is_watchable(const struct descriptor *descriptor)
{
    return descriptor->kind == FD_STREAM || descriptor->kind == FD_SOCKET || descriptor->kind == FD_LISTENER ||
           descriptor->kind == FD_TERMINAL;
}

static void interest_set(uint32_t instance, uint32_t fd, const struct event *event)
{
    struct interest *interest = &descriptor_at(fd)->interest;
    interest->is_watched = true;
    interest->instance = (uint16_t)instance;
    interest->events = event->events;
    __builtin_memcpy(interest->data, event->data, sizeof(interest->data));
    epoll_note(fd);
}

uint32_t WASIX(epoll_ctl)(uint32_t instance, uint32_t operation, uint32_t fd, uint32_t from)
{
    struct event event = {0};
    uint32_t error = instance_get(instance);
    const struct descriptor *descriptor = descriptor_get(fd);
    if (error || !descriptor)
        return error ? error : EBADF;
    if (!is_watchable(descriptor))
        return descriptor->kind == FD_EPOLL ? EINVAL : EPERM;
    if (operation != CONTROL_DELETE && !in_memory(from, sizeof(event)))
        return EFAULT;
    if (operation != CONTROL_DELETE)
        __builtin_memcpy(&event, at(from), sizeof(event));
    bool is_watched = descriptor->interest.is_watched,
         is_here = is_watched && descriptor->interest.instance == instance;
    switch (operation) {
    case CONTROL_ADD:
        if (is_watched)
            return is_here ? EEXIST : EBUSY;
        interest_set(instance, fd, &event);
        return ESUCCESS;
    case CONTROL_MODIFY:
        if (is_here)
            interest_set(instance, fd, &event);
        return is_here ? ESUCCESS : ENOENT;
    case CONTROL_DELETE:
        if (is_here)
            epoll_forget(fd);
        return is_here ? ESUCCESS : ENOENT;
    default:
        return EINVAL;
    }
}

static uint64_t deadline_of(uint64_t timeout_ns)
{
    uint64_t now = monotonic_ns();
    return timeout_ns < NO_DEADLINE - now ? now + timeout_ns : NO_DEADLINE;
}

uint32_t WASIX(epoll_wait)(uint32_t instance, uint32_t out, uint32_t room, uint64_t timeout_ns, uint32_t count)
{
    uint32_t error = instance_get(instance), found;
    if (error)
        return error;
    if (room == 0 || room > EVENTS_MAX)
        return EINVAL;
    if (!in_memory(out, (uint64_t)room * sizeof(struct event)) || !in_memory(count, 4))
        return EFAULT;
    hold_release();
    sessions_look(); /* who is ready all the time does not hide who has just become so */
    found = collect(instance, out, room);
    uint64_t deadline_ns = found || timeout_ns == 0 ? 0 : deadline_of(timeout_ns);
    while (found == 0 && deadline_ns) {
        uint64_t now = monotonic_ns(), deadline = 0;
        if (now >= deadline_ns)
            break;
        if (deadline_ns != NO_DEADLINE) {
            if (!deadline_possible())
                return ENOMEM;
            deadline = clock_ticks() + clock_ticks_of(deadline_ns - now, start_page->timer_hz);
        }
        wait_for_signal(deadline);
        found = collect(instance, out, room);
    }
    __builtin_memcpy(at(count), &found, sizeof(found));
    return ESUCCESS;
}
