#include "session.h"

enum { IDS = 65535, RECEIVED_BYTES = 65536 / 8, RING_FIRST = 16 };

struct session *session_new(struct mqtt_text client_id, bool clean)
{
    struct session *session = calloc(1, sizeof(*session) + client_id.len);
    if (session == NULL)
        return NULL;
    session->clean = clean;
    session->head_id = 1;
    session->client_id_len = client_id.len;
    if (client_id.len > 0)
        memcpy(session->client_id, client_id.bytes, client_id.len);
    return session;
}

void session_free(struct session *session)
{
    for (uint32_t i = 0; i < session->count; i++)
        message_release(session_delivery(session, i)->message);
    free(session->ring);
    free(session->received);
    free(session);
}

uint16_t session_delivery_id(const struct session *session, uint32_t index)
{
    return (uint16_t)((session->head_id - 1u + index) % IDS + 1u);
}

struct delivery *session_delivery_find(struct session *session, uint16_t id)
{
    uint32_t index = (id + (uint32_t)IDS - session->head_id) % IDS;
    return index < session->sent ? session_delivery(session, index) : NULL;
}

static bool ring_grow(struct session *session)
{
    uint32_t cap = session->ring_cap == 0 ? RING_FIRST : session->ring_cap * 2;
    struct delivery *ring = malloc(cap * sizeof(*ring));
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < session->count; i++)
        ring[i] = *session_delivery(session, i);
    free(session->ring);
    session->ring = ring;
    session->ring_cap = cap;
    session->head = 0;
    return true;
}

bool session_enqueue(struct session *session, struct message *message, uint8_t qos, bool retain)
{
    if (session->count == session->ring_cap && !ring_grow(session))
        return false;
    *session_delivery(session, session->count) = (struct delivery){message_hold(message), qos, DELIVERY_QUEUED, retain};
    session->count++;
    session->queued_qos0 += qos == 0;
    session->ring_bytes += message->payload_len;
    return true;
}

void session_delivery_done(struct session *session, struct delivery *delivery)
{
    if (delivery->message != NULL)
        session->ring_bytes -= delivery->message->payload_len;
    message_release(delivery->message);
    delivery->message = NULL;
    delivery->state = DELIVERY_DONE;
    uint32_t gone = 0;
    while (gone < session->sent && session_delivery(session, gone)->state == DELIVERY_DONE)
        gone++;
    session->head_id = session_delivery_id(session, gone);
    session->head = (session->head + gone) & (session->ring_cap - 1);
    session->count -= gone;
    session->sent -= gone;
}

bool session_received_add(struct session *session, uint16_t id, bool *is_new)
{
    if (session->received == NULL)
        session->received = calloc(1, RECEIVED_BYTES);
    if (session->received == NULL)
        return false;
    uint8_t bit = (uint8_t)(1u << id % 8);
    *is_new = !(session->received[id / 8] & bit);
    session->received[id / 8] |= bit;
    return true;
}

void session_received_remove(struct session *session, uint16_t id)
{
    if (session->received != NULL)
        session->received[id / 8] &= (uint8_t) ~(1u << id % 8);
}
