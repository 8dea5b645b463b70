/* Files changed at random while the servers below die at random: after each error, and at the end, everything is looked
 * at and must be as after one of the steps from the last acknowledged sync on.
 *
 *     chaos DIRECTORY STEPS SEED [volatile]
 *
 * `volatile`: files in memory, which may also be gone altogether. Every error must be EIO. At last each file is told
 * of, for the host to look at the disk:
 *
 *     chaos: DIRECTORY/NAME STEP BYTES
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES   8
#define MOST    30000u
#define STATES  64 /* a sync comes before there are so many */
#define TRIES   2000
#define WAIT_US 5000
#define FOLDER  3 /* it is the only one: opened anew by the library */

/* What a file holds: the number of the step that wrote it, in 8 bytes, and its lowest byte in all others. */
struct content {
    uint64_t step; /* 0: there is no such file */
    uint32_t bytes;
};
struct state {
    struct content files[FILES];
};

static const char *folder;
static bool is_volatile;
static uint8_t data[MOST];
static struct state states[STATES]; /* the first is synced, the last is what ought to be */
static unsigned state_count = 1;
static unsigned errors, lost;

static void fail(const char *what, uint64_t step)
{
    printf("chaos: step %llu: %s: %s\n", (unsigned long long)step, what, strerror(errno));
    exit(1);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    return x ^ x >> 33;
}

static const char *path_of(char *path, const char *letter, unsigned number)
{
    snprintf(path, 64, "%s/%s%u", folder, letter, number);
    return path;
}

/* ---- looking ------------------------------------------------------------------------------------------------- */

static bool file_look(unsigned number, struct content *content)
{
    char path[64];
    *content = (struct content){0};
    int file = open(path_of(path, "f", number), O_RDONLY);
    if (file < 0)
        return errno == ENOENT;
    ssize_t bytes = read(file, data, sizeof(data));
    bool is_good = close(file) == 0 && bytes >= 0;
    if (!is_good)
        return false;
    memcpy(&content->step, data, 8);
    content->bytes = (uint32_t)bytes;
    for (uint32_t i = 8; i < content->bytes; i++)
        if (bytes < 8 || data[i] != (uint8_t)content->step) {
            printf("chaos: %s is torn at %u\n", path, i);
            exit(1);
        }
    return true;
}

/* Until no error comes between. */
static void look(struct state *found, uint64_t step)
{
    unsigned done = 0;
    for (unsigned tries = 0; done < FILES; tries++) {
        if (file_look(done, &found->files[done])) {
            done++;
            continue;
        }
        if (errno != EIO || tries == TRIES)
            fail("look", step);
        done = 0; /* it may be another life's state now */
        errors++;
        usleep(WAIT_US);
    }
}

static bool is_same(const struct state *a, const struct state *b)
{
    for (unsigned i = 0; i < FILES; i++)
        if (a->files[i].step != b->files[i].step || a->files[i].bytes != b->files[i].bytes)
            return false;
    return true;
}

/* What is there must be one of the states; `step` is what was being done. Whatever came behind it is lost. */
static void check(uint64_t step, bool must_be_last)
{
    static const struct state nothing;
    struct state found;
    look(&found, step);
    for (unsigned i = state_count; i-- > (must_be_last ? state_count - 1 : 0);)
        if (is_same(&found, &states[i])) {
            lost += state_count - 1 - i;
            state_count = i + 1;
            return;
        }
    if (is_volatile && is_same(&found, &nothing)) {
        states[0] = nothing;
        state_count = 1;
        lost++;
        return;
    }
    for (unsigned i = 0; i < FILES; i++)
        printf("chaos: f%u is of step %llu, %u bytes; synced %llu, last %llu\n", i,
               (unsigned long long)found.files[i].step, found.files[i].bytes,
               (unsigned long long)states[0].files[i].step, (unsigned long long)states[state_count - 1].files[i].step);
    errno = 0;
    fail("this is no state since the last sync", step);
}

/* ---- changing ------------------------------------------------------------------------------------------------ */

static bool file_write(const char *path, uint64_t step, uint32_t bytes, int flags)
{
    memset(data, (int)(step & 255), bytes);
    memcpy(data, &step, 8);
    int file = open(path, O_WRONLY | flags, 0666);
    if (file < 0)
        return false;
    bool is_good = pwrite(file, data, bytes, 0) == (ssize_t)bytes;
    int error = errno;
    is_good = close(file) == 0 && is_good;
    errno = is_good ? 0 : error;
    return is_good;
}

static bool file_cut(const char *path, uint32_t bytes)
{
    int file = open(path, O_WRONLY);
    if (file < 0)
        return false;
    bool is_good = ftruncate(file, bytes) == 0;
    int error = errno;
    is_good = close(file) == 0 && is_good;
    errno = is_good ? 0 : error;
    return is_good;
}

/* One step, as a state and in the files; false with errno. */
static bool change(uint64_t step, uint64_t chance, struct state *state)
{
    char path[64], other[64], draft[64];
    unsigned number = chance % FILES, to = (chance >> 8) % FILES;
    struct content *content = &state->files[number];
    uint32_t bytes = 8 + (uint32_t)(chance >> 16) % (MOST - 8);
    unsigned what = (chance >> 48) % 8;
    path_of(path, "f", number);
    if (what < 4 || !content->step) { /* a new content, whole or not at all */
        *content = (struct content){step, bytes};
        path_of(draft, "draft", 0);
        return file_write(draft, step, bytes, O_CREAT | O_TRUNC) && rename(draft, path) == 0;
    }
    if (what == 4) { /* over what is there */
        content->step = step;
        return file_write(path, step, content->bytes, 0);
    }
    if (what == 5) {
        content->bytes = 8 + bytes % (content->bytes - 7);
        return file_cut(path, content->bytes);
    }
    if (what == 6 && to != number) {
        state->files[to] = *content;
        *content = (struct content){0};
        return rename(path, path_of(other, "f", to)) == 0;
    }
    *content = (struct content){0};
    return unlink(path) == 0;
}

static bool sync_all(void)
{
    return fsync(FOLDER) == 0;
}

/* After an error. */
static void failed(const char *what, uint64_t step)
{
    if (errno != EIO)
        fail(what, step);
    errors++;
    check(step, false);
    usleep(WAIT_US);
}

static void one_step(uint64_t step, uint64_t seed)
{
    uint64_t chance = mix(seed * 1000003 + step);
    states[state_count] = states[state_count - 1];
    bool is_done = change(step, chance, &states[state_count]);
    state_count++;
    if (!is_done)
        failed("change", step);
    if (state_count < STATES && chance >> 60 > 2)
        return;
    for (unsigned tries = 0; !sync_all(); tries++) {
        if (tries == TRIES)
            fail("sync", step);
        failed("sync", step);
    }
    /* The sync said that nothing of before is lost. */
    if (!is_volatile && step % 4 == 0)
        check(step, true);
    states[0] = states[state_count - 1];
    state_count = 1;
}

int main(int count, char **arguments)
{
    if (count < 4)
        return 2;
    folder = arguments[1];
    uint64_t steps = strtoull(arguments[2], NULL, 10), seed = strtoull(arguments[3], NULL, 10);
    is_volatile = count == 5 && strcmp(arguments[4], "volatile") == 0;
    for (uint64_t step = 1; step <= steps; step++)
        one_step(step, seed);
    while (!sync_all())
        failed("sync", steps);
    for (unsigned i = 0; i < FILES; i++) {
        struct content *content = &states[state_count - 1].files[i];
        if (content->step)
            printf("chaos: %s/f%u %llu %u\n", folder, i, (unsigned long long)content->step, content->bytes);
    }
    printf("chaos: %s: %llu steps, %u errors met, %u unsynced steps lost\n", folder, (unsigned long long)steps, errors,
           lost);
    return 0;
}
