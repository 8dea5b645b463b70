/* Two threads, two directions, blocking through a semaphore as the notification: everything arrives, in order, nobody
 * waits for ever. Built with TSan, which checks the memory order.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "tessera/stream.h"

#define RING  512u
#define BYTES 400000u

struct side {
    struct stream stream;
    sem_t wake; /* this side's notification */
    struct side *peer;
    unsigned wrong, seed;
};

static unsigned next_random(struct side *side)
{
    side->seed = side->seed * 1103515245u + 12345u;
    return side->seed >> 16;
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
        uint32_t written = stream_write(&side->stream, buffer, size, &signal);
        sent += written;
        uint32_t got = stream_read(&side->stream, buffer, 1 + next_random(side) % sizeof(buffer), &signal);
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
        sides[i].peer = &sides[1 - i];
        sides[i].seed = i + 1;
    }
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, run, &sides[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("stream: %u and %u bytes wrong\n", sides[0].wrong, sides[1].wrong);
    free(control);
    free(rings);
    return sides[0].wrong + sides[1].wrong > 0;
}
