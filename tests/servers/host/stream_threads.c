/* Two threads, two directions, blocking through a semaphore as the notification: everything arrives, in order, nobody
 * waits for ever; also while what is written moves to larger rings. Built with TSan, which checks the memory order.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "tessera/stream.h"

#define RING  512u
#define BYTES 400000u
#define MOST  8192u

struct side {
    struct stream stream;
    sem_t wake; /* this side's notification */
    struct side *peer;
    unsigned wrong, seed;
    struct { /* as the process server knows it */
        pthread_mutex_t lock;
        uint8_t *ring;
        uint32_t bytes;
    } grown;
};

static unsigned next_random(struct side *side)
{
    side->seed = side->seed * 1103515245u + 12345u;
    return side->seed >> 16;
}

/* Now and then when all was read. */
static void grow(struct side *side)
{
    uint32_t bytes = side->stream.out_bytes;
    if (bytes == MOST || stream_writable(&side->stream) < bytes || next_random(side) % 16)
        return;
    uint8_t *ring = malloc(2 * bytes);
    pthread_mutex_lock(&side->grown.lock);
    free(side->grown.ring);
    side->grown.ring = ring;
    side->grown.bytes = 2 * bytes;
    pthread_mutex_unlock(&side->grown.lock);
    side->wrong += !stream_grow(&side->stream, ring, 2 * bytes);
}

static uint32_t take(struct side *side, uint8_t *buffer, uint32_t bytes, bool *signal)
{
    uint32_t got = stream_read(&side->stream, buffer, bytes, signal);
    if (got > 0 || !stream_has_grown(&side->stream))
        return got;
    pthread_mutex_lock(&side->peer->grown.lock);
    stream_follow(&side->stream, side->peer->grown.ring, side->peer->grown.bytes);
    pthread_mutex_unlock(&side->peer->grown.lock);
    return stream_read(&side->stream, buffer, bytes, signal);
}

static void *run(void *argument)
{
    struct side *side = argument;
    uint32_t sent = 0, received = 0;
    uint8_t buffer[700];
    while (sent < BYTES || received < BYTES) {
        bool signal = false;
        uint32_t size = next_random(side) % sizeof(buffer);
        size = size < BYTES - sent ? size : BYTES - sent;
        for (uint32_t i = 0; i < size; i++)
            buffer[i] = (uint8_t)((sent + i) * 13);
        grow(side);
        uint32_t written = stream_write(&side->stream, buffer, size, &signal);
        sent += written;
        uint32_t got = take(side, buffer, 1 + next_random(side) % sizeof(buffer), &signal);
        for (uint32_t i = 0; i < got; i++)
            side->wrong += buffer[i] != (uint8_t)((received + i) * 13);
        received += got;
        if (signal)
            sem_post(&side->peer->wake);
        if (got > 0 || written > 0 || size == 0)
            if (got > 0 || sent < BYTES)
                continue;
        bool is_ready = received < BYTES && stream_ask_data(&side->stream);
        is_ready = (sent < BYTES && stream_ask_space(&side->stream)) || is_ready;
        if (!is_ready && (received < BYTES || sent < BYTES))
            sem_wait(&side->wake);
    }
    return NULL;
}

int main(void)
{
    static struct side sides[2];
    struct session_control *control = calloc(1, SESSION_CONTROL_BYTES);
    uint8_t *rings = malloc(2 * RING);
    pthread_t threads[2];
    for (uint32_t i = 0; i < 2; i++) {
        stream_open(&sides[i].stream, control, 7, i, rings, RING);
        sem_init(&sides[i].wake, 0, 0);
        sides[i].stream.follows = true;
        pthread_mutex_init(&sides[i].grown.lock, NULL);
        sides[i].peer = &sides[1 - i];
        sides[i].seed = i + 1;
    }
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, run, &sides[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("stream: %u and %u bytes wrong, rings of %u and %u bytes\n", sides[0].wrong, sides[1].wrong,
           sides[0].stream.out_bytes, sides[1].stream.out_bytes);
    bool has_grown = sides[0].stream.out_bytes > RING && sides[1].stream.out_bytes > RING; /* how far is chance */
    free(sides[0].grown.ring);
    free(sides[1].grown.ring);
    free(control);
    free(rings);
    return sides[0].wrong + sides[1].wrong > 0 || !has_grown;
}
