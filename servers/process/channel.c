/* Channels by name, and the sessions and streams that connecting makes. docs/channels.md.
 *
 *   channel "mqtt" ---- listener: process B, with accepted-to-be streams in its backlog
 *   session 7 --------- side 0: process A (number 0 there), side 1: process B (number 3 there)
 *                       control region, mapped in both; streams 0, 1, ...: a ring frame each, mapped in both
 */
#include <stdatomic.h>

#include "server.h"
#include "tessera/invoke.h"
#include "tessera/text.h"

#define NO_PROCESS 0

struct session_side {
    uint32_t process, generation; /* NO_PROCESS: it has ended */
    uint32_t number;              /* of the session with that process */
    uint64_t control_address;
    cptr signal_cap; /* in the process's CNode: signals the other side */
};

struct session_stream {
    bool is_used;
    bool is_open[2];
};

/* The rings of some streams in one piece, mapped once on each side: a process with many streams has few windows. The
 * first piece stays for as long as the session, others while a stream of theirs is used. */
struct session_slab {
    struct memory rings; /* 0 bytes: there is none */
    uint32_t used;       /* streams */
    uint64_t address[2]; /* 0: not mapped there */
};

/* A larger ring for what one side of a stream writes. */
struct session_ring {
    struct memory memory; /* 0 bytes: there is none */
    uint64_t address[2];
    uint8_t writer;    /* the side */
    bool is_automatic; /* nobody asked for it */
};
#define SLABS         6
#define SESSION_BYTES 4096ul /* of its struct: a page */
#define SLAB_LATER    8u     /* streams in each of a session after the first of two processes */

struct session {
    struct memory self; /* of this struct */
    uint32_t generation;
    uint32_t payer, payer_generation; /* the process that pays for it and all of its streams */
    struct process *family;           /* that process's; NULL: of one that is gone */
    bool is_pipe;                     /* it has one stream, and both sides may be one process's */
    struct session_side sides[2];
    struct memory control;
    bool is_later;         /* its two processes had another one already */
    uint32_t stream_count; /* in use */
    struct session_stream streams[SESSION_STREAMS];
    struct session_slab slabs[SLABS];
    struct session_ring rings[SESSION_STREAMS];
};

struct channel {
    char name[PROCESS_NAME_MAX + 1];
    uint32_t listener, listener_generation; /* process, NO_PROCESS when nobody listens */
    uint32_t closed_by, closed_generation;  /* the process that listened and then closed its listener */
    uint32_t head, tail;
    struct process_stream backlog[BACKLOG];
};

static struct session *sessions[SESSIONS]; /* 0 is never used */
static uint32_t session_generation;
static struct channel channels[CHANNELS];

static struct channel *channel_get(const char *name)
{
    struct channel *unused = NULL;
    for (uint32_t i = 0; i < CHANNELS; i++) {
        if (text_equal(channels[i].name, name))
            return &channels[i];
        if (!channels[i].name[0] && !unused)
            unused = &channels[i];
    }
    if (unused)
        memcpy(unused->name, name, text_length(name) + 1);
    return unused;
}

/* ---- sessions ------------------------------------------------------------------------------------------------ */

static struct session_side *side_of(struct session *session, const struct process *process)
{
    for (uint32_t i = 0; i < 2; i++)
        if (session->sides[i].process == process->index)
            return &session->sides[i];
    return NULL;
}

/* Which of its sides the process knows by that number. */
static uint32_t side_numbered(const struct session *session, const struct process *process, word number)
{
    const struct session_side *first = &session->sides[0];
    return first->process == process->index && first->number == number ? 0 : 1;
}

/* One with room for a stream; *is_later: there are some, without. */
static struct session *session_between(const struct process *a, const struct process *b, bool *is_later)
{
    *is_later = false;
    for (uint32_t i = 0; i < PROCESS_SESSIONS; i++) {
        struct session *session = a->sessions[i] ? sessions[a->sessions[i]] : NULL;
        if (!session || session->is_pipe || !session->sides[0].process || !session->sides[1].process ||
            !side_of(session, b))
            continue;
        if (session->stream_count < SESSION_STREAMS)
            return session;
        *is_later = true;
    }
    return NULL;
}

static bool number_take(struct process *process, uint32_t session, uint32_t *number)
{
    for (*number = 0; *number < PROCESS_SESSIONS; ++*number) {
        if (process->sessions[*number] == 0) {
            process->sessions[*number] = (uint16_t)session;
            return true;
        }
    }
    return false;
}

/* The bit of a side's own notification on which the other signals. */
static word session_signal(const struct process *process, uint32_t number)
{
    return process->is_server ? 1ul << PROCESS_SIGNAL_SESSIONS << number % PROCESS_SIGNAL_SERVER_SESSIONS
                              : 1ul << number % PROCESS_SIGNAL_SESSIONS;
}

/* What another session of the two has for the process to signal with; 0: there is none. */
static cptr signal_between(const struct process *process, const struct process *peer, const struct session *but)
{
    for (uint32_t i = 0; i < PROCESS_SESSIONS; i++) {
        struct session *session = process->sessions[i] ? sessions[process->sessions[i]] : NULL;
        bool is_other = session && session != but && !session->is_pipe; /* a pipe's signal moves with its ends */
        const struct session_side *side = is_other ? side_of(session, process) : NULL;
        if (side && side_of(session, peer))
            return side->signal_cap;
    }
    return 0;
}

/* Another session of the process has it, too. */
static bool is_signal_shared(const struct process *process, cptr cap)
{
    for (uint32_t i = 0; i < PROCESS_SESSIONS; i++) {
        struct session *session = process->sessions[i] ? sessions[process->sessions[i]] : NULL;
        const struct session_side *side = session && !session->is_pipe ? side_of(session, process) : NULL;
        if (side && side->signal_cap == cap)
            return true;
    }
    return false;
}

static bool side_join(struct session *session, uint32_t which, struct process *process, struct process *peer)
{
    struct session_side *side = &session->sides[which];
    side->process = process->index;
    side->generation = process->generation;
    if (!process_window_map(process, &session->control, SESSION_CONTROL_BYTES, &side->control_address))
        return false;
    if (session->is_later) { /* all sessions of two processes have one signal */
        side->signal_cap = signal_between(process, peer, session);
        if (side->signal_cap)
            return true;
    }
    return process_cap_take(process, &side->signal_cap) &&
           task_grant(&process->task, side->signal_cap, peer->task.notification, RIGHT_SEND,
                      session_signal(peer, session->sides[1 - which].number));
}

/* Also of a process that is just ending: its number of the session is then all that is left to forget. */
static void side_leave(struct session *session, uint32_t which)
{
    struct session_side *side = &session->sides[which];
    struct process *process = server.processes[side->process]; /* NO_PROCESS: there is none */
    if (process && process->generation == side->generation) {
        process->sessions[side->number] = 0;
        if (process->end == PROCESS_RUNNING && side->signal_cap && !is_signal_shared(process, side->signal_cap))
            process_cap_return(process, side->signal_cap);
        if (process->end == PROCESS_RUNNING && side->control_address)
            process_window_unmap(process, side->control_address);
    }
    side->process = NO_PROCESS;
}

static uint64_t used_numbers[SESSIONS / 64] = {1}; /* a bit for each session number; 0 is none */
static uint32_t used_count = 1;

/* 0: there is none. */
static uint32_t session_number(void)
{
    for (uint32_t i = 0; i < SESSIONS / 64; i++)
        if (~used_numbers[i])
            return i * 64 + (uint32_t)__builtin_ctzl(~used_numbers[i]);
    return 0;
}

/* Who pays for it, now for so many bytes more or (negative) less. */
static void session_charge(const struct session *session, int64_t bytes)
{
    struct process *payer = process_find(session->payer, session->payer_generation);
    if (payer)
        payer->memory_extra += (uint64_t)bytes;
}

static int64_t session_bytes(const struct session *session)
{
    return (int64_t)(session->self.bytes + session->control.bytes);
}

static void session_drop(uint32_t index)
{
    struct memory self = sessions[index]->self;
    session_charge(sessions[index], -session_bytes(sessions[index]));
    if (sessions[index]->family)
        sessions[index]->family->family_sessions--;
    sessions[index] = NULL;
    used_numbers[index / 64] &= ~(1ul << index % 64);
    used_count--;
    memory_return(&server.pool, &self);
}

static void slab_free(struct session *session, struct session_slab *slab)
{
    struct process *payer = process_find(session->payer, session->payer_generation);
    for (uint32_t which = 0; which < 2; which++) {
        struct process *process = process_find(session->sides[which].process, session->sides[which].generation);
        if (process && slab->address[which])
            process_window_unmap(process, slab->address[which]);
    }
    if (payer)
        payer->memory_extra -= slab->rings.bytes;
    memory_return(&server.pool, &slab->rings);
    *slab = (struct session_slab){0};
}

/* Both sides have left, or one has died and the other has closed its last stream. */
static void session_free(uint32_t index)
{
    struct session *session = sessions[index];
    for (uint32_t i = 0; i < SLABS; i++)
        if (session->slabs[i].rings.bytes)
            slab_free(session, &session->slabs[i]);
    side_leave(session, 0);
    side_leave(session, 1);
    memory_return(&server.pool, &session->control);
    session_drop(index);
}

/* The last of the numbers are for families that have few: so many for every program that was started. */
#define FEW_SESSIONS 8u

static bool is_last(const struct process *family)
{
    uint32_t kept = FEW_SESSIONS * server.started;
    if (kept > SESSIONS / 2)
        kept = SESSIONS / 2;
    return family->family_sessions >= FEW_SESSIONS && SESSIONS - used_count <= kept;
}

/* Room for one that process pays for. */
static bool session_is_affordable(struct process *payer)
{
    if (is_last(payer->family))
        return quota_reached(payer, QUOTA_SHARE, false);
    return process_memory_left(payer) >= SESSION_BYTES + SESSION_CONTROL_BYTES ||
           quota_reached(payer, QUOTA_MEMORY, false);
}

static struct session *session_make(struct process *a, struct process *b, bool is_later)
{
    uint32_t index = session_number();
    struct memory self;
    if (!index || !session_is_affordable(a) || !memory_take(&server.pool, sizeof(struct session), &self))
        return NULL;
    struct session *session = (struct session *)(void *)self.view;
    sessions[index] = session;
    used_numbers[index / 64] |= 1ul << index % 64;
    used_count++;
    session->self = self;
    session->family = a->family;
    session->family->family_sessions++;
    session->generation = ++session_generation;
    session->payer = a->index;
    session->payer_generation = a->generation;
    session->is_later = is_later;
    if (!memory_take(&server.pool, SESSION_CONTROL_BYTES, &session->control)) {
        session_charge(session, session_bytes(session));
        session_drop(index);
        return NULL;
    }
    session_charge(session, session_bytes(session));
    if (!number_take(a, index, &session->sides[0].number) || !number_take(b, index, &session->sides[1].number)) {
        for (uint32_t i = 0; i < PROCESS_SESSIONS; i++)
            if (a->sessions[i] == index)
                a->sessions[i] = 0;
        memory_return(&server.pool, &session->control);
        session_drop(index);
        (void)quota_reached(a, QUOTA_SESSIONS, 0);
        return NULL;
    }
    if (side_join(session, 0, a, b) && side_join(session, 1, b, a))
        return session;
    session->sides[0].process = a->index;
    session->sides[0].generation = a->generation;
    session->sides[1].process = b->index;
    session->sides[1].generation = b->generation;
    session_free(index);
    return NULL;
}

/* ---- streams ------------------------------------------------------------------------------------------------- */

/* Streams 0, 1, 2 to 3, 4 to 7, ... of a first session; eight at a time of a later one. */
static void slab_of(const struct session *session, uint32_t stream, uint32_t *slab, uint32_t *first, uint32_t *count)
{
    if (session->is_later) {
        *slab = stream / SLAB_LATER;
        *first = *slab * SLAB_LATER;
        *count = SLAB_LATER;
    } else {
        *slab = stream ? 32u - (uint32_t)__builtin_clz(stream) : 0;
        *first = *slab ? 1u << (*slab - 1) : 0;
        *count = *first ? *first : 1;
    }
}
_Static_assert(sizeof(struct session) <= SESSION_BYTES, "a session's memory");
_Static_assert(SESSION_STREAMS <= 1u << (SLABS - 1) && SESSION_STREAMS <= SLABS * SLAB_LATER,
               "every stream has a slab");

static struct session_slab *stream_slab(struct session *session, uint32_t stream)
{
    uint32_t slab, first, count;
    slab_of(session, stream, &slab, &first, &count);
    return &session->slabs[slab];
}

static void stream_describe(struct session *session, uint32_t stream, uint32_t which, struct process_stream *out)
{
    const struct session_side *side = &session->sides[which];
    uint32_t slab, first, count;
    slab_of(session, stream, &slab, &first, &count);
    *out = (struct process_stream){
        .session = side->number,
        .side_generation = (uint64_t)session->generation << 1 | which,
        .stream = stream,
        .session_address = side->control_address,
        .ring_address = session->slabs[slab].address[which] + (stream - first) * STREAM_FRAME_BYTES,
        .ring_bytes = STREAM_RING_BYTES,
        .signal_cap = side->signal_cap,
    };
}

/* ---- larger rings -------------------------------------------------------------------------------------------- */

#define AUTOMATIC_PART 8u  /* of a process's memory limit is for rings that nobody asked for */
#define WINDOWS_KEPT   64u /* of each process, for what it cannot do without */

static void ring_charge(const struct session *session, const struct session_ring *ring, bool is_more)
{
    struct process *payer = process_find(session->payer, session->payer_generation);
    uint64_t bytes = is_more ? ring->memory.bytes : -ring->memory.bytes;
    if (!payer)
        return;
    payer->memory_extra += bytes;
    payer->grown_bytes += ring->is_automatic ? bytes : 0;
}

static void ring_free(struct session *session, struct session_ring *ring)
{
    if (!ring->memory.bytes)
        return;
    for (uint32_t which = 0; which < 2; which++) {
        struct process *process = process_find(session->sides[which].process, session->sides[which].generation);
        if (process && ring->address[which])
            process_window_unmap(process, ring->address[which]);
    }
    ring_charge(session, ring, false);
    memory_return(&server.pool, &ring->memory);
    *ring = (struct session_ring){0};
}

/* The session's stream that is open on the process's side, or NULL. */
static struct session *stream_find(const struct process *process, word number, word index, uint32_t *which)
{
    struct session *session =
        number < PROCESS_SESSIONS && process->sessions[number] ? sessions[process->sessions[number]] : NULL;
    if (!session || session->is_pipe || index >= SESSION_STREAMS)
        return NULL;
    *which = side_numbered(session, process, number);
    return session->streams[index].is_used && session->streams[index].is_open[*which] ? session : NULL;
}

/* One of so many bytes in place of the old one, of which there are both for a moment. */
static bool ring_is_affordable(const struct session *session, const struct session_ring *old, uint64_t bytes,
                               bool is_automatic)
{
    const struct process *payer = process_find(session->payer, session->payer_generation);
    if (!payer || process_memory_left(payer) < bytes)
        return false;
    uint64_t others = payer->grown_bytes - (old->is_automatic ? old->memory.bytes : 0);
    return !is_automatic || others + bytes <= payer->memory_limit / AUTOMATIC_PART;
}

static bool ring_map(const struct session *session, struct session_ring *ring)
{
    for (uint32_t which = 0; which < 2; which++) {
        struct process *process = process_find(session->sides[which].process, session->sides[which].generation);
        if (!process || process->window_count > WINDOWS - WINDOWS_KEPT ||
            !process_window_map(process, &ring->memory, ring->memory.bytes, &ring->address[which])) {
            ring->address[which] = 0;
            return false;
        }
    }
    return true;
}

uint32_t stream_grow_side(struct process *process, const word request[4], word *address)
{
    uint32_t which;
    word bytes = request[2];
    struct session *session = stream_find(process, request[0], request[1], &which);
    if (!session || !process->is_server || bytes < STREAM_RING_LEAST || bytes > STREAM_RING_MOST ||
        (bytes & (bytes - 1)))
        return E_INVAL;
    struct session_ring *old = &session->rings[request[1]],
                        ring = {.writer = (uint8_t)which, .is_automatic = request[3]};
    if (old->memory.bytes && old->writer != which)
        return E_INVAL;
    if (!ring_is_affordable(session, old, bytes, ring.is_automatic) || !memory_take(&server.pool, bytes, &ring.memory))
        return E_NOMEM;
    ring_charge(session, &ring, true);
    if (!ring_map(session, &ring)) {
        ring_free(session, &ring);
        return E_NOMEM;
    }
    ring_free(session, old);
    *old = ring;
    *address = ring.address[which];
    return 0;
}

uint32_t stream_ring(struct process *process, word number, word index, word result[2])
{
    uint32_t which;
    const struct session *session = stream_find(process, number, index, &which);
    const struct session_ring *ring = session ? &session->rings[index] : NULL;
    if (!ring || !ring->memory.bytes || ring->writer == which)
        return E_INVAL;
    result[0] = ring->address[which];
    result[1] = ring->memory.bytes;
    return 0;
}

static void stream_free(struct session *session, uint32_t index)
{
    struct session_slab *slab = stream_slab(session, index);
    ring_free(session, &session->rings[index]);
    session->streams[index].is_used = false;
    session->stream_count--;
    if (--slab->used == 0 && index > 0)
        slab_free(session, slab);
}

static bool slab_make(struct session *session, struct session_slab *slab, uint64_t bytes)
{
    struct process *payer = process_find(session->payer, session->payer_generation);
    if (process_memory_left(payer) < bytes)
        return quota_reached(payer, QUOTA_MEMORY, false);
    if (!memory_take(&server.pool, bytes, &slab->rings))
        return false;
    payer->memory_extra += slab->rings.bytes;
    for (uint32_t which = 0; which < 2; which++) {
        struct process *process = process_find(session->sides[which].process, session->sides[which].generation);
        if (!process_window_map(process, &slab->rings, slab->rings.bytes, &slab->address[which])) {
            slab->address[which] = 0;
            slab_free(session, slab);
            return false;
        }
    }
    return true;
}

/* A free stream of the session with its memory and its lines. */
static bool stream_allocate(struct session *session, uint32_t *index)
{
    uint32_t slab, first, count;
    *index = 0;
    while (*index < SESSION_STREAMS && session->streams[*index].is_used)
        ++*index;
    if (*index == SESSION_STREAMS)
        return false;
    slab_of(session, *index, &slab, &first, &count);
    if (!session->slabs[slab].rings.bytes &&
        !slab_make(session, &session->slabs[slab], (uint64_t)count * STREAM_FRAME_BYTES))
        return false;
    struct session_control *control = (struct session_control *)(void *)session->control.view;
    memset(control->lines[*index], 0, sizeof(control->lines[*index]));
    session->slabs[slab].used++;
    session->streams[*index] = (struct session_stream){true, {true, true}};
    session->stream_count++;
    return true;
}

uint32_t stream_make(struct process *a, struct process *b, struct process_stream *for_a, struct process_stream *for_b)
{
    uint32_t index;
    if (a == b)
        return E_CONNREFUSED;
    bool is_later;
    struct session *session = session_between(a, b, &is_later);
    if (!session)
        session = session_make(a, b, is_later);
    if (!session || !stream_allocate(session, &index))
        return E_NOMEM;
    uint32_t which_a = session->sides[0].process == a->index ? 0 : 1;
    stream_describe(session, index, which_a, for_a);
    stream_describe(session, index, 1 - which_a, for_b);
    return 0;
}

uint32_t stream_offer(struct process *process, word badge, bool may_make, struct process_stream streams[2])
{
    const char *name;
    bool is_later;
    struct process *client = process->is_server ? service_client(process, badge, &name) : NULL;
    if (!client)
        return E_INVAL;
    if (!may_make && !session_between(client, process, &is_later))
        return E_MFILE;
    return stream_make(client, process, &streams[1], &streams[0]);
}

uint32_t stream_close_side(struct process *process, word number, word index)
{
    if (number >= PROCESS_SESSIONS || !process->sessions[number] || index >= SESSION_STREAMS)
        return E_INVAL;
    uint32_t session_index = process->sessions[number];
    struct session *session = sessions[session_index];
    uint32_t which = side_numbered(session, process, number);
    struct session_stream *stream = &session->streams[index];
    if (!stream->is_used || !stream->is_open[which])
        return E_INVAL;
    stream->is_open[which] = false;
    if (!stream->is_open[1 - which])
        stream_free(session, (uint32_t)index);
    if (session->stream_count == 0 && (session->is_pipe || !session->sides[0].process || !session->sides[1].process))
        session_free(session_index);
    return 0;
}

/* ---- pipes --------------------------------------------------------------------------------------------------- */

uint32_t pipe_make(struct process *a, struct process *b, struct process_stream *for_a, struct process_stream *for_b)
{
    uint32_t index;
    struct session *session = session_make(a, b, false);
    if (!session)
        return E_NOMEM;
    session->is_pipe = true;
    if (!stream_allocate(session, &index)) {
        session_free(a->sessions[session->sides[0].number]);
        return E_NOMEM;
    }
    stream_describe(session, index, 0, for_a);
    stream_describe(session, index, 1, for_b);
    return 0;
}

/* The process's open end of a pipe. */
static struct session *pipe_find(const struct process *process, uint32_t number, uint32_t *which)
{
    if (number >= PROCESS_SESSIONS || !process->sessions[number])
        return NULL;
    struct session *session = sessions[process->sessions[number]];
    *which = side_numbered(session, process, number);
    return session->is_pipe && session->streams[0].is_open[*which] ? session : NULL;
}

uint32_t pipe_offer(struct process *process, uint32_t number, struct process *child, struct process_stream *room)
{
    uint32_t which;
    cptr cap;
    struct session *session = pipe_find(process, number, &which);
    if (!session)
        return E_INVAL;
    *room = (struct process_stream){0};
    if (!process_window_map(child, &session->control, SESSION_CONTROL_BYTES, &room->session_address) ||
        !process_window_map(child, &session->slabs[0].rings, STREAM_FRAME_BYTES, &room->ring_address) ||
        !process_cap_take(child, &cap))
        return E_NOMEM;
    room->signal_cap = cap;
    return 0;
}

/* Each side's capability to signal the other, whoever that is now. */
static void side_rewire(struct session *session, uint32_t which)
{
    const struct session_side *side = &session->sides[which], *other = &session->sides[1 - which];
    struct process *process = process_find(side->process, side->generation);
    struct process *peer = process_find(other->process, other->generation);
    if (!process)
        return;
    (void)cnode_delete(process->task.cnode, side->signal_cap);
    (void)task_grant(&process->task, side->signal_cap, peer ? peer->task.notification : server.nobody, RIGHT_SEND,
                     peer ? session_signal(peer, other->number) : 1);
}

void pipe_hand_over(struct process *process, uint32_t number, struct process *child, struct process_stream *stream)
{
    uint32_t index = process->sessions[number];
    struct session *session = sessions[index]; /* pipe_offer has found it */
    uint32_t which = side_numbered(session, process, number);
    struct session_side *side = &session->sides[which];
    process_window_unmap(process, session->slabs[0].address[which]);
    side_leave(session, which);
    *side = (struct session_side){.process = child->index,
                                  .generation = child->generation,
                                  .control_address = stream->session_address,
                                  .signal_cap = (cptr)stream->signal_cap};
    (void)number_take(child, index, &side->number); /* a new process has some left */
    session->slabs[0].address[which] = stream->ring_address;
    side_rewire(session, 0);
    side_rewire(session, 1);
    stream_describe(session, 0, which, stream);
}

/* Says in a side's line that it has closed, and marks the stream for the other side. */
static void stream_mark_closed(struct session *session, uint32_t index, uint32_t which, uint32_t closed)
{
    struct session_control *control = (struct session_control *)(void *)session->control.view;
    struct session_ready *ready = &control->ready[1 - which];
    atomic_store(&control->lines[index][which].closed, closed);
    atomic_fetch_or(&ready->words[index / 64], 1ul << index % 64);
    atomic_fetch_or(&ready->summary, 1ul << index / 64);
}

/* The dead side's lines say so from now on: written here, where nobody can change them any more. */
static void session_mark_dead(struct session *session, uint32_t dead)
{
    for (uint32_t i = 0; i < SESSION_STREAMS; i++)
        stream_mark_closed(session, i, dead, STREAM_CLOSED_READ | STREAM_CLOSED_WRITE | STREAM_CLOSED_DIED);
}

/* What outlives who paid for it, because its peer has not closed it yet, is paid for by that one's ancestors: else a
 * family could leave behind as much as it liked. */
static void session_inherit(struct session *session, const struct process *dead)
{
    struct process *heir = process_parent(dead);
    int64_t bytes = session_bytes(session);
    if (session->payer != dead->index || session->payer_generation != dead->generation)
        return;
    while (heir && heir->end != PROCESS_RUNNING)
        heir = process_parent(heir);
    session->payer = heir ? heir->index : NO_PROCESS;
    session->payer_generation = heir ? heir->generation : 0;
    if (!heir) {
        session->family->family_sessions--;
        session->family = NULL;
        return;
    }
    heir->has_inherited = true;
    for (uint32_t i = 0; i < SLABS; i++)
        bytes += (int64_t)session->slabs[i].rings.bytes;
    session_charge(session, bytes);
    for (uint32_t i = 0; i < SESSION_STREAMS; i++)
        if (session->rings[i].memory.bytes)
            ring_charge(session, &session->rings[i], true);
}

/* The peer keeps its view of the rings until it closes them: it may read what was sent before the death. */
static void session_peer_died(uint32_t index, const struct process *dead)
{
    struct session *session = sessions[index];
    uint32_t which = session->sides[0].process == dead->index ? 0 : 1;
    struct session_side *other = &session->sides[1 - which];
    struct process *peer = process_find(other->process, other->generation);
    session->sides[which].process = NO_PROCESS;
    session_mark_dead(session, which);
    for (uint32_t i = 0; i < SESSION_STREAMS; i++) {
        struct session_stream *stream = &session->streams[i];
        if (!stream->is_used)
            continue;
        stream->is_open[which] = false;
        if (!peer)
            stream->is_open[1 - which] = false;
        if (!stream->is_open[1 - which])
            stream_free(session, i);
    }
    if (!peer || session->stream_count == 0) {
        session_free(index);
        return;
    }
    /* The dead one's notification goes away: who signals it from now on signals nobody, rather than fault. */
    (void)cnode_delete(peer->task.cnode, other->signal_cap);
    (void)task_grant(&peer->task, other->signal_cap, server.nobody, RIGHT_SEND, 1);
    process_signal_event(peer);
    session_inherit(session, dead);
}

/* ---- channels ------------------------------------------------------------------------------------------------ */

static struct channel *listener_find(struct process *process, word listener)
{
    if (listener >= CHANNELS || channels[listener].listener != process->index ||
        channels[listener].listener_generation != process->generation)
        return NULL;
    return &channels[listener];
}

static void queue(struct process *server_process, struct channel *channel, const struct process_stream *stream)
{
    channel->backlog[channel->head++ % BACKLOG] = *stream;
    process_signal_event(server_process);
}

static uint32_t connect_now(struct process *process, struct channel *channel, struct process_stream *stream)
{
    struct process_stream theirs;
    struct process *listener = process_find(channel->listener, channel->listener_generation);
    if (!listener || channel->head - channel->tail == BACKLOG)
        return E_CONNREFUSED;
    uint32_t error = stream_make(process, listener, stream, &theirs);
    if (error == 0)
        queue(listener, channel, &theirs);
    return error;
}

/* Those who wait for this channel; several may be served by one listen. */
static void waiting_connect(struct channel *channel)
{
    for (uint32_t i = 1; i <= server.top; i++) {
        struct process *process = server.processes[i];
        if (!process || process->waiting != WAITING_CONNECT || process->waiting_for != (uint32_t)(channel - channels))
            continue;
        struct process_stream stream = {0};
        uint32_t error = connect_now(process, channel, &stream);
        process_answer(process, error, (const word *)&stream, sizeof(stream) / 8);
    }
}

uint32_t channel_listen(struct process *process, const char *name, word *listener)
{
    if (!authority_allows(&process->authority, AUTHORITY_SERVE, name))
        return E_NOTCAPABLE;
    struct channel *channel = channel_get(name);
    if (!channel)
        return E_MFILE;
    if (process_find(channel->listener, channel->listener_generation))
        return E_INVAL;
    channel->listener = process->index;
    channel->listener_generation = process->generation;
    channel->closed_by = NO_PROCESS;
    channel->head = channel->tail = 0;
    *listener = (word)(channel - channels);
    waiting_connect(channel);
    return 0;
}

/* The session of a connection in its list; NULL: the process has closed it by its number before it accepted it. */
static struct session *queued_session(const struct process *process, const struct process_stream *stream)
{
    uint32_t index = process->sessions[stream->session];
    struct session *session = index ? sessions[index] : NULL;
    bool is_it = session && session->generation == (uint32_t)(stream->side_generation >> 1) &&
                 session->streams[stream->stream].is_open[stream->side_generation & 1];
    return is_it ? session : NULL;
}

/* Connections that nobody accepted are closed: the listener's side lets go of them, and their clients hear of it. */
static void backlog_drop(struct process *process, struct channel *channel)
{
    for (; channel->tail != channel->head; channel->tail++) {
        const struct process_stream *stream = &channel->backlog[channel->tail % BACKLOG];
        uint32_t which = stream->side_generation & 1, index = (uint32_t)stream->stream;
        struct session *session = queued_session(process, stream);
        if (!session)
            continue;
        struct process *peer = process_find(session->sides[1 - which].process, session->sides[1 - which].generation);
        stream_mark_closed(session, index, which, STREAM_CLOSED_READ | STREAM_CLOSED_WRITE);
        (void)stream_close_side(process, stream->session, stream->stream);
        if (peer)
            process_signal_event(peer);
    }
}

uint32_t channel_unlisten(struct process *process, word listener)
{
    struct channel *channel = listener_find(process, listener);
    if (!channel)
        return E_INVAL;
    backlog_drop(process, channel);
    channel->listener = NO_PROCESS;
    channel->closed_by = process->index;
    channel->closed_generation = process->generation;
    channels_refuse_hopeless(&process->authority);
    return 0;
}

uint32_t channel_pending(struct process *process, word listener, word *count)
{
    struct channel *channel = listener_find(process, listener);
    if (!channel)
        return E_INVAL;
    *count = channel->head - channel->tail;
    return 0;
}

uint32_t channel_accept(struct process *process, word listener, struct process_stream *stream)
{
    struct channel *channel = listener_find(process, listener);
    if (!channel)
        return E_INVAL;
    while (channel->head != channel->tail) {
        *stream = channel->backlog[channel->tail++ % BACKLOG];
        if (queued_session(process, stream))
            return 0;
    }
    return E_AGAIN;
}

/* Somebody may still begin to listen: who may serve the name, and has not closed it for good. */
static bool somebody_may_serve(const struct channel *channel)
{
    for (uint32_t i = 1; i <= server.top; i++) {
        struct process *process = server.processes[i];
        bool has_closed = process && channel->closed_by == i && channel->closed_generation == process->generation;
        if (process && process->end == PROCESS_RUNNING && !has_closed &&
            authority_allows(&process->authority, AUTHORITY_SERVE, channel->name))
            return true;
    }
    return supervise_may_serve(AUTHORITY_SERVE, channel->name);
}

uint32_t channel_connect(struct process *process, const char *name, struct process_stream *stream)
{
    if (!authority_allows(&process->authority, AUTHORITY_CONNECT, name))
        return E_NOTCAPABLE;
    struct channel *channel = channel_get(name);
    if (!channel)
        return E_MFILE;
    if (process_find(channel->listener, channel->listener_generation))
        return connect_now(process, channel, stream);
    if (!somebody_may_serve(channel))
        return E_CONNREFUSED;
    process_wait(process, WAITING_CONNECT, (uint32_t)(channel - channels));
    return E_AGAIN;
}

void channels_process_ended(struct process *process)
{
    for (uint32_t i = 0; i < CHANNELS; i++)
        if (channels[i].listener == process->index && channels[i].listener_generation == process->generation)
            channels[i].listener = NO_PROCESS; /* its backlog goes with its sessions */
    for (uint32_t i = 0; i < PROCESS_SESSIONS; i++)
        if (process->sessions[i])
            session_peer_died(process->sessions[i], process);
    for (uint32_t i = 1; process->has_inherited && i < SESSIONS; i++)
        if (sessions[i])
            session_inherit(sessions[i], process);
}

static void waiting_refuse(const struct channel *channel)
{
    for (uint32_t i = 1; i <= server.top; i++) {
        struct process *process = server.processes[i];
        if (process && process->waiting == WAITING_CONNECT && process->waiting_for == (uint32_t)(channel - channels))
            process_answer(process, E_CONNREFUSED, NULL, 0);
    }
}

void channels_refuse_hopeless(const struct authority *ended)
{
    if (!ended->request || ended->request->channel_serve.count == 0)
        return;
    for (const struct channel *channel = channels; channel < channels + CHANNELS && channel->name[0]; channel++)
        if (authority_allows(ended, AUTHORITY_SERVE, channel->name) && !somebody_may_serve(channel))
            waiting_refuse(channel);
}
