/* See chunk.h. A place in memory belongs to many chunks: the one used last has it. */
#include "chunk.h"

#include <stdbool.h>
#include <string.h>

#include "statement.h"
#include "store.h"
#include "transaction.h"

#define PLACES     256u
#define CUT_CHUNKS 256 /* removed in one transaction */
/* A write of so much to a chunk that is not in memory goes into its row at once: that costs a search in the table, the
 * way by memory two and four copies of the chunk. */
#define DIRECT_BYTES 2048u

static struct place {
    inode file; /* 0: free */
    uint64_t number;
    uint32_t have; /* bytes that the row has or will have; what follows reads as zero, and is anything here */
    bool is_dirty;
    uint8_t bytes[STORE_CHUNK_BYTES];
} places[PLACES];
static uint32_t dirty_count;
static sqlite3 *database;
static sqlite3_blob *blob; /* the row that was written last; NULL: none. A transaction does not end while it is open */

static int64_t chunk_key(inode file, uint64_t number)
{
    return (int64_t)(file << 32 | number);
}

static struct place *place_of(inode file, uint64_t number)
{
    return &places[(file * 37 + number) % PLACES];
}

/* ---- rows ---------------------------------------------------------------------------------------------------- */

/* SQL's take(data): copies it straight from the database's page into the place being filled. As a column of the result
 * SQLite would copy it into memory of its own first. */
static struct place *filled;
static void chunk_take(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const void *data = sqlite3_value_blob(values[0]);
    uint32_t bytes = (uint32_t)sqlite3_value_bytes(values[0]);
    filled->have = bytes < STORE_CHUNK_BYTES ? bytes : STORE_CHUNK_BYTES;
    if (filled->have > 0)
        memcpy(filled->bytes, data, filled->have);
    sqlite3_result_int(context, 0);
}

int chunks_start(sqlite3 *opened)
{
    database = opened;
    blob = NULL; /* one of a database before is closed */
    return sqlite3_create_function_v2(database, "take", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, chunk_take, NULL,
                                      NULL, NULL);
}

static void row_close(void)
{
    (void)sqlite3_blob_close(blob); /* its errors were those of what was done with it */
    blob = NULL;
}

static int row_put(int64_t key, const void *bytes, uint32_t count)
{
    (void)sqlite3_bind_blob(BIND(SQL_CHUNK_PUT, key), 2, bytes, (int)count, SQLITE_STATIC);
    return statement_run(SQL_CHUNK_PUT, 0, NULL);
}

static int place_write(struct place *place)
{
    place->is_dirty = false;
    dirty_count--;
    return row_put(chunk_key(place->file, place->number), place->bytes, place->have);
}

static void place_changed(struct place *place)
{
    dirty_count += place->is_dirty ? 0 : 1;
    place->is_dirty = true;
}

static void place_drop(struct place *place)
{
    dirty_count -= place->is_dirty ? 1 : 0;
    place->is_dirty = false;
    place->file = 0;
}

/* The place is the chunk's afterwards; `is_empty`: there is no row. SQLite's result; when what had the place could not
 * be written, the transaction is undone. */
static int place_take(inode file, uint64_t number, bool is_empty, struct place **place)
{
    struct place *taken = *place = place_of(file, number);
    if (taken->file == file && taken->number == number)
        return SQLITE_OK;
    int result = taken->is_dirty ? place_write(taken) : SQLITE_OK;
    if (result != SQLITE_OK)
        (void)transaction_abandon(result);
    taken->file = 0;
    taken->have = 0;
    if (result == SQLITE_OK && !is_empty) {
        filled = taken;
        (void)BIND(SQL_CHUNK_TAKE, chunk_key(file, number));
        result = statement_run(SQL_CHUNK_TAKE, 0, NULL);
    }
    if (result == SQLITE_OK) {
        taken->file = file;
        taken->number = number;
    }
    return result;
}

/* The row is to have at least so many bytes. */
static void place_extend(struct place *place, uint32_t have)
{
    if (have <= place->have)
        return;
    memset(place->bytes + place->have, 0, have - place->have);
    place->have = have;
}

int chunks_write(void)
{
    int result = SQLITE_OK;
    row_close();
    for (uint32_t i = 0; dirty_count > 0 && i < PLACES && result == SQLITE_OK; i++)
        if (places[i].is_dirty)
            result = place_write(&places[i]);
    return result;
}

void chunks_forget(void)
{
    row_close();
    for (uint32_t i = 0; i < PLACES; i++)
        place_drop(&places[i]);
}

/* ---- rows, written where they are ---------------------------------------------------------------------------- */

/* False: there is no such row. */
static bool row_open(int64_t key)
{
    int result =
        blob ? sqlite3_blob_reopen(blob, key) : sqlite3_blob_open(database, "main", "chunk", "data", key, 1, &blob);
    if (result != SQLITE_OK)
        row_close();
    return result == SQLITE_OK;
}

/* True when that is done, or failed with *result: the bytes need no place in memory, those of a whole chunk never do.
 * `is_new`: there is no row. */
static bool row_write(int64_t key, uint32_t at, const void *from, uint32_t part, bool is_new, int *result)
{
    *result = SQLITE_OK;
    if (part < DIRECT_BYTES)
        return false;
    if (!is_new && row_open(key) && (uint32_t)sqlite3_blob_bytes(blob) >= at + part) {
        *result = sqlite3_blob_write(blob, from, (int)part, (int)at);
        return true;
    }
    if (part == STORE_CHUNK_BYTES)
        *result = row_put(key, from, part);
    return part == STORE_CHUNK_BYTES;
}

/* ---- reading and writing ------------------------------------------------------------------------------------- */

uint32_t chunks_get(inode file, uint64_t offset, void *to, uint32_t count)
{
    struct place *place;
    for (uint32_t done = 0, part; done < count; done += part) {
        uint32_t from = (uint32_t)((offset + done) % STORE_CHUNK_BYTES);
        part = STORE_CHUNK_BYTES - from < count - done ? STORE_CHUNK_BYTES - from : count - done;
        if (place_take(file, (offset + done) / STORE_CHUNK_BYTES, false, &place) != SQLITE_OK)
            return FS_EIO;
        uint32_t there = place->have <= from ? 0 : place->have - from < part ? place->have - from : part;
        memcpy((uint8_t *)to + done, place->bytes + from, there);
        memset((uint8_t *)to + done + there, 0, part - there);
    }
    return FS_OK;
}

/* A row that grows doubles, so that appending little by little does not move it again and again. */
static uint32_t chunk_length(uint32_t have, uint32_t need)
{
    uint32_t length = have;
    if (need > have)
        length = need > 2 * have ? need : 2 * have;
    return length < STORE_CHUNK_BYTES ? length : STORE_CHUNK_BYTES;
}

/* `part` bytes of one chunk, from its byte `at` on. SQLite's result. */
static int chunk_put(inode file, uint64_t number, uint32_t at, const void *from, uint32_t part, bool is_new)
{
    struct place *place = place_of(file, number);
    bool is_held = place->file == file && place->number == number, is_whole = part == STORE_CHUNK_BYTES;
    int result;
    if (is_held && is_whole)
        place_drop(place);
    if ((!is_held || is_whole) && row_write(chunk_key(file, number), at, from, part, is_new, &result))
        return result;
    result = place_take(file, number, is_new, &place);
    if (result != SQLITE_OK)
        return result;
    place_extend(place, chunk_length(place->have, at + part));
    memcpy(place->bytes + at, from, part);
    place_changed(place);
    return SQLITE_OK;
}

uint32_t chunks_put(inode file, uint64_t size, uint64_t offset, const void *from, uint32_t count)
{
    for (uint32_t done = 0, part; done < count; done += part) {
        uint64_t number = (offset + done) / STORE_CHUNK_BYTES;
        uint32_t at = (uint32_t)((offset + done) % STORE_CHUNK_BYTES);
        part = STORE_CHUNK_BYTES - at < count - done ? STORE_CHUNK_BYTES - at : count - done;
        bool is_new = number * STORE_CHUNK_BYTES >= size;
        int result = chunk_put(file, number, at, (const uint8_t *)from + done, part, is_new);
        if (result != SQLITE_OK)
            return transaction_abandon(result);
    }
    return FS_OK;
}

uint32_t chunks_allocate(inode file, uint64_t offset, uint64_t bytes)
{
    struct place *place;
    uint64_t next, end = offset + bytes;
    for (uint64_t at = offset; at < end; at = next) {
        uint64_t number = at / STORE_CHUNK_BYTES;
        next = (number + 1) * STORE_CHUNK_BYTES;
        uint32_t need = next <= end ? STORE_CHUNK_BYTES : (uint32_t)(end % STORE_CHUNK_BYTES);
        uint32_t error = change_begin(2 * PAGE_SIZE);
        if (!error)
            error = transaction_check(place_take(file, number, false, &place));
        if (error)
            return error;
        if (place->have < need) {
            place_extend(place, need);
            place_changed(place);
        }
    }
    return FS_OK;
}

/* ---- cutting ------------------------------------------------------------------------------------------------- */

/* Where the last CUT_CHUNKS rows of chunks [first, end) begin; `first` when there are no more. Holes may be as long as
 * they like. */
static uint64_t piece_begin(inode file, uint64_t first, uint64_t end)
{
    if (end <= first)
        return first;
    uint64_t from = first;
    sqlite3_stmt *row = BIND(SQL_CHUNKS_LAST, chunk_key(file, first), chunk_key(file, end - 1), CUT_CHUNKS);
    if (statement_step(SQL_CHUNKS_LAST) == SQLITE_ROW && sqlite3_column_int64(row, 1) == CUT_CHUNKS)
        from = (uint64_t)sqlite3_column_int64(row, 0) & UINT32_MAX;
    statement_reset(SQL_CHUNKS_LAST);
    return from < end ? from : first; /* a damaged tree may have any number */
}

static int chunks_remove(inode file, uint64_t first, uint64_t end)
{
    for (uint32_t i = 0; i < PLACES; i++)
        if (places[i].file == file && places[i].number >= first)
            place_drop(&places[i]);
    return end > first ? RUN(SQL_CHUNKS_REMOVE, chunk_key(file, first), chunk_key(file, end - 1)) : SQLITE_OK;
}

static int tail_cut(inode file, uint64_t number, uint32_t tail)
{
    struct place *place;
    int result = place_take(file, number, false, &place);
    if (result != SQLITE_OK || place->have <= tail)
        return result;
    place->have = tail;
    place_changed(place);
    return SQLITE_OK;
}

uint32_t chunks_cut(inode file, uint64_t bytes, uint64_t *size)
{
    uint64_t first = (bytes + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
    uint64_t end = (*size + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
    uint64_t from = piece_begin(file, first, end);
    uint32_t tail = bytes % STORE_CHUNK_BYTES;
    uint32_t error = change_begin(((end - first < CUT_CHUNKS ? end - first : CUT_CHUNKS) + 4) * PAGE_SIZE);
    if (error)
        return error;
    int result = chunks_remove(file, from, end);
    if (result == SQLITE_OK && from == first && tail)
        result = tail_cut(file, first - 1, tail);
    *size = from == first ? bytes : from * STORE_CHUNK_BYTES;
    return transaction_check(result);
}
