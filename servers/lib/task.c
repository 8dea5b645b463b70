/* See tessera/task.h. */
#include "tessera/task.h"

#include "tessera/invoke.h"
#include "tessera/text.h"

#define LAZY_PIECE (16ul << 10)

static bool data_fill(struct task *task, const struct image *image);

/* ---- slots and objects --------------------------------------------------------------------------------------- */

/* By a block of so many bytes, or (0) by a row of slots. */
static bool may_grow(struct task *task, uint64_t bytes)
{
    return task->is_building || !task->pool->charge || task->pool->charge(task, bytes);
}

uint64_t task_object_bytes(const struct task *task)
{
    return ((uint64_t)task->block_count << POOL_BLOCK_BITS) +
           ((uint64_t)task->row_count * POOL_ROW_SLOTS << OBJECT_BITS_CNODE_SLOT);
}

bool task_slot(struct task *task, cptr *slot)
{
    task->is_altered |= !task->is_building;
    if (task->free_slot_count > 0) {
        *slot = task->free_slots[--task->free_slot_count];
        return true;
    }
    if (task->slot_next == task->slot_end) {
        if (task->row_count == TASK_ROWS || !may_grow(task, 0) ||
            !pool_row_take(task->pool, &task->rows[task->row_count]))
            return false;
        task->slot_next = task->rows[task->row_count++];
        task->slot_end = task->slot_next + POOL_ROW_SLOTS;
    }
    *slot = task->slot_next++;
    return true;
}

void task_slot_return(struct task *task, cptr slot)
{
    (void)cnode_delete(task->pool->cnode, slot);
    if (task->free_slot_count < sizeof(task->free_slots) / sizeof(task->free_slots[0]))
        task->free_slots[task->free_slot_count++] = slot;
}

static bool object_make(struct task *task, enum object_type type, uint32_t size_bits, cptr slot)
{
    struct pool *pool = task->pool;
    if (task->block_count > 0 && untyped_retype_all(pool_slot(pool, task->blocks[task->block_count - 1]), type,
                                                    size_bits, pool->cnode, slot, 1) == ERROR_NONE)
        return true;
    if (task->block_count == TASK_BLOCKS || !may_grow(task, 1ul << POOL_BLOCK_BITS) ||
        !pool_block_take(pool, &task->blocks[task->block_count]))
        return false;
    uint32_t node = task->blocks[task->block_count++];
    return untyped_retype_all(pool_slot(pool, node), type, size_bits, pool->cnode, slot, 1) == ERROR_NONE;
}

bool task_object(struct task *task, enum object_type type, uint32_t size_bits, cptr *slot)
{
    return task_slot(task, slot) && object_make(task, type, size_bits, *slot);
}

/* Retyping the untyped again and again costs less than keeping and proving clean what a thread leaves in its objects.
 */
#define THREAD_MEMORY_BITS 13

static bool thread_object(struct task *task, enum object_type type, uint32_t size_bits, cptr slot)
{
    return untyped_retype_all(task->thread_memory, type, size_bits, task->pool->cnode, slot, 1) == ERROR_NONE;
}

bool task_thread_renew(struct task *task)
{
    return thread_object(task, OBJECT_TCB, 0, task->tcb) &&
           thread_object(task, OBJECT_SCHED_CONTEXT, 0, task->sched_context) &&
           thread_object(task, OBJECT_NOTIFICATION, 0, task->notification);
}

bool task_create(struct task *task, struct pool *pool)
{
    memset(task, 0, offsetof(struct task, tables));
    task->pool = pool;
    task->cnode_bits = PROCESS_CNODE_BITS;
    task->is_building = true;
    /* Largest first: the block is then filled without gaps. */
    if (task_object(task, OBJECT_VSPACE, 0, &task->vspace) &&
        task_object(task, OBJECT_UNTYPED, THREAD_MEMORY_BITS, &task->thread_memory) &&
        task_object(task, OBJECT_CNODE, PROCESS_CNODE_BITS, &task->cnode) && task_slot(task, &task->tcb) &&
        task_slot(task, &task->sched_context) && task_slot(task, &task->notification) && task_thread_renew(task))
        return true;
    task_destroy(task);
    return false;
}

static uint64_t piece_bytes(const struct task_memory *part)
{
    uint64_t bytes = part->memory.bytes / 64;
    return bytes > LAZY_PIECE ? bytes : LAZY_PIECE;
}

/* What the task cannot have written to is zero still. */
static void memory_clear(const struct task_memory *part)
{
    if (part->mapped == ~0ul) {
        bool is_start = part->address == PROCESS_START_PAGE; /* read-only: what was written says how long it is */
        memset(part->memory.view, 0,
               is_start ? ((struct start_page *)(void *)part->memory.view)->bytes : part->memory.bytes);
        return;
    }
    uint64_t piece = piece_bytes(part);
    for (uint32_t i = 0; i < part->memory.bytes / piece; i++)
        if (part->mapped >> i & 1)
            memset(part->memory.view + i * piece, 0, piece);
}

bool task_rewind(struct task *task, const struct image *image)
{
    cptr self = task->pool->cnode;
    if (task->is_altered || cnode_revoke(self, task->thread_memory) != ERROR_NONE ||
        cnode_delete_all(task->cnode, 1, (1u << task->cnode_bits) - 1) != ERROR_NONE ||
        (task->fault && cnode_delete(self, task->fault) != ERROR_NONE))
        return false;
    for (uint32_t i = 0; i < task->memory_count; i++)
        memory_clear(&task->memory[i]);
    return data_fill(task, image);
}

void task_destroy(struct task *task)
{
    struct pool *pool = task->pool;
    for (uint32_t i = 0; i < task->block_count; i++)
        pool_block_return(pool, task->blocks[i]);
    for (uint32_t i = 0; i < task->row_count; i++) {
        uint32_t used = i + 1 == task->row_count ? task->slot_next - task->rows[i] : POOL_ROW_SLOTS;
        (void)cnode_delete_all(pool->cnode, task->rows[i], used);
        pool_row_return(pool, task->rows[i]);
    }
    for (uint32_t i = 0; i < task->memory_count; i++)
        if (task->memory[i].memory.bytes < 1ul << POOL_CHUNK_BITS) {
            memory_clear(&task->memory[i]);
            memory_return_cleared(pool, &task->memory[i].memory);
        } else {
            memory_return(pool, &task->memory[i].memory);
        }
    memset(task, 0, offsetof(struct task, tables));
    task->pool = pool;
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static uint64_t table_span(uint32_t level)
{
    return 1ul << (PAGE_BITS + 9 * level);
}

static void table_note(struct task *task, uint64_t address, uint32_t level)
{
    if (task->table_count < TASK_TABLES) {
        task->tables[task->table_count].address = address;
        task->tables[task->table_count++].level = level;
    }
}

/* What was made is remembered, so that nothing is asked twice. */
bool task_table(struct task *task, uint64_t address, uint32_t level)
{
    cptr slot;
    uint64_t base = address & ~(table_span(level) - 1);
    if (!task_object(task, OBJECT_PAGE_TABLE, 0, &slot))
        return false;
    enum error error = page_table_map(slot, task->vspace, base, level, 0);
    if (error == ERROR_DELETE_FIRST) { /* there is one that did not fit our list */
        task_slot_return(task, slot);
        return true;
    }
    if (error != ERROR_NONE)
        return false;
    table_note(task, base, level);
    return true;
}

/* Tables down to `level` for one address. */
static bool tables_ensure(struct task *task, uint64_t address, uint32_t lowest)
{
    for (uint32_t level = 3; level >= lowest; level--) {
        uint64_t base = address & ~(table_span(level) - 1);
        bool is_there = false;
        for (uint32_t i = 0; i < task->table_count && !is_there; i++)
            is_there = task->tables[i].level == level && task->tables[i].address == base;
        if (is_there)
            continue;
        if (!task_table(task, address, level))
            return false;
    }
    return true;
}

static bool map_range(struct task *task, cptr slot, uint64_t first, uint64_t bytes, uint64_t address, uint32_t rights,
                      uint32_t attributes)
{
    for (uint64_t at = 0; at < bytes;) {
        word done = 0, level = 0;
        enum error error =
            frame_map(slot, task->vspace, address + at, rights, attributes, first + at, bytes - at, &done, &level);
        if (error == ERROR_FAILED_LOOKUP) {
            if (level < 1 || level > 3 || !task_table(task, address + at, (uint32_t)level))
                return false;
        } else if (error != ERROR_NONE || done == 0) {
            return false;
        }
        at += done;
    }
    return true;
}

bool task_map(struct task *task, cptr frame, uint64_t first, uint64_t bytes, uint64_t address, uint32_t rights,
              cptr *slot)
{
    cptr self = task->pool->cnode;
    bool is_large = bytes >= 1ul << 21 && address % (1ul << 21) == 0 && first % (1ul << 21) == 0;
    return task_slot(task, slot) && cnode_copy(self, *slot, self, frame, RIGHT_ALL) == ERROR_NONE &&
           tables_ensure(task, address, is_large ? 2 : 1) && map_range(task, *slot, first, bytes, address, rights, 0);
}

bool task_map_device_range(struct task *task, cptr frame, uint64_t first, uint64_t bytes, uint64_t address,
                           uint32_t rights, cptr *slot)
{
    cptr self = task->pool->cnode;
    return task_slot(task, slot) && cnode_copy(self, *slot, self, frame, RIGHT_ALL) == ERROR_NONE &&
           map_range(task, *slot, first, bytes, address, rights, ATTRIBUTE_UNCACHED);
}

bool task_map_device(struct task *task, cptr frame, uint64_t address, cptr *slot)
{
    return task_map_device_range(task, frame, 0, PAGE_BYTES, address, RIGHT_READ | RIGHT_WRITE, slot);
}

bool task_memory_reserve(struct task *task, uint64_t bytes, uint64_t address, struct memory *memory)
{
    if (task->memory_count == TASK_MEMORY || !memory_take(task->pool, bytes, memory))
        return false;
    task->is_altered |= !task->is_building;
    task->memory[task->memory_count++] = (struct task_memory){.memory = *memory, .address = address, .mapped = ~0ul};
    task->memory_bytes += memory->bytes;
    return true;
}

bool task_memory(struct task *task, uint64_t bytes, uint64_t address, uint32_t rights, struct memory *memory)
{
    cptr slot;
    return task_memory_reserve(task, bytes, address, memory) &&
           task_map(task, memory->frame, memory->first, memory->bytes, address, rights, &slot);
}

bool task_memory_range(struct task *task, uint64_t bytes, uint64_t address)
{
    while (bytes > 0) {
        struct memory memory;
        uint64_t part = PAGE_BYTES;
        while (part * 2 <= bytes && part < 1ul << POOL_LARGEST)
            part *= 2;
        if (!task_memory(task, part, address, RIGHT_READ | RIGHT_WRITE, &memory))
            return false;
        bytes -= part;
        address += part;
    }
    return true;
}

bool task_memory_lazy(struct task *task, uint64_t bytes, uint64_t address)
{
    while (bytes > 0) {
        struct memory memory;
        uint64_t part = PAGE_BYTES;
        while (part * 2 <= bytes && part < 1ul << POOL_LARGEST)
            part *= 2;
        if (!task_memory_reserve(task, part, address, &memory))
            return false;
        struct task_memory *last = &task->memory[task->memory_count - 1];
        if (!task_slot(task, &last->slot))
            return false;
        last->mapped = 0;
        bytes -= part;
        address += part;
    }
    return true;
}

/* An aligned run of pieces around number `at`, none of them mapped yet, as many as are mapped by now. */
static uint64_t run_mask(const struct task_memory *part, uint32_t at, uint32_t *first, uint32_t *count)
{
    uint32_t want = 1, all = (uint32_t)(part->memory.bytes / piece_bytes(part));
    while (want * 2 <= part->pieces && want * 2 <= all)
        want *= 2;
    for (;; want /= 2) {
        uint64_t mask = (want == 64 ? ~0ul : (1ul << want) - 1) << (at & ~(want - 1));
        if (want == 1 || !(part->mapped & mask)) {
            *first = at & ~(want - 1);
            *count = want;
            return mask;
        }
    }
}

static bool part_map(struct task *task, struct task_memory *part, uint32_t at)
{
    cptr self = task->pool->cnode;
    uint64_t piece = piece_bytes(part);
    uint32_t first, count;
    uint64_t mask = run_mask(part, at, &first, &count);
    uint64_t address = part->address + first * piece;
    if ((part->mapped == 0 && cnode_copy(self, part->slot, self, part->memory.frame, RIGHT_ALL) != ERROR_NONE) ||
        !map_range(task, part->slot, part->memory.first + first * piece, count * piece, address,
                   RIGHT_READ | RIGHT_WRITE, 0))
        return false;
    part->mapped |= mask;
    part->pieces += count;
    return true;
}

enum touch task_memory_touch(struct task *task, uint64_t address)
{
    for (uint32_t i = 0; i < task->memory_count; i++) {
        struct task_memory *part = &task->memory[i];
        uint64_t offset = address - part->address;
        if (offset >= part->memory.bytes || !part->slot)
            continue;
        uint32_t piece = (uint32_t)(offset / piece_bytes(part));
        if (part->mapped >> piece & 1)
            return TOUCH_MAPPED; /* another thread was first */
        bool was_building = task->is_building;
        task->is_building = true;
        bool is_mapped = part_map(task, part, piece);
        task->is_building = was_building;
        return is_mapped ? TOUCH_MAPPED : TOUCH_NO_MEMORY;
    }
    return TOUCH_ELSEWHERE;
}

bool task_memory_touch_all(struct task *task)
{
    for (uint32_t i = 0; i < task->memory_count; i++) {
        const struct task_memory *part = &task->memory[i];
        for (uint64_t at = 0; part->slot && at < part->memory.bytes; at += piece_bytes(part))
            if (task_memory_touch(task, part->address + at) != TOUCH_MAPPED)
                return false;
    }
    return true;
}

uint8_t *task_view(struct task *task, uint64_t address, uint64_t *bytes)
{
    for (uint32_t i = 0; i < task->memory_count; i++) {
        const struct task_memory *part = &task->memory[i];
        uint64_t offset = address - part->address;
        if (offset < part->memory.bytes) {
            *bytes = part->memory.bytes - offset;
            return part->memory.view + offset;
        }
    }
    return NULL;
}

uint64_t archive_place(const struct archive_map *archive, uint64_t offset, uint64_t address)
{
    return address + ((archive->address + offset - address) & (table_span(1) - 1));
}

bool task_map_archive(struct task *task, const struct archive_map *archive, uint64_t offset, uint64_t bytes,
                      uint64_t address, uint32_t rights)
{
    uint64_t from = archive->address + offset;
    for (uint32_t i = 0; i < archive->frame_count && bytes > 0; i++) {
        const struct archive_frame *frame = &archive->frames[i];
        uint64_t size = 1ul << frame->bits;
        if (from - frame->address >= size)
            continue;
        uint64_t first = from - frame->address;
        uint64_t part = bytes < size - first ? bytes : size - first;
        cptr slot;
        if (!task_map(task, frame->frame, first, part, address, rights, &slot))
            return false;
        from += part;
        address += part;
        bytes -= part;
    }
    return bytes == 0;
}

void archive_sync_code(const struct archive_map *archive, uint64_t offset, uint64_t bytes)
{
    uint64_t from = (archive->address + offset) & ~(PAGE_BYTES - 1);
    uint64_t end = archive->address + offset + bytes;
    for (uint32_t i = 0; i < archive->frame_count && from < end; i++) {
        const struct archive_frame *frame = &archive->frames[i];
        uint64_t size = 1ul << frame->bits, first = from - frame->address;
        if (first >= size)
            continue;
        uint64_t part = end - from < size - first ? end - from : size - first;
        part = (part + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        for (word done = 0; part > 0; first += done, from += done, part -= done)
            if (frame_sync_code(frame->frame, first, part, &done) != ERROR_NONE || done == 0)
                return;
    }
}

static uint64_t page_round(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* Writable segments are private: a copy, cut into powers of two. */
static bool data_load(struct task *task, const struct image_segment *segment)
{
    uint64_t bytes = page_round(segment->memory_bytes), done = 0;
    while (done < bytes) {
        struct memory memory;
        uint64_t part = PAGE_BYTES;
        while (part * 2 <= bytes - done && part < 1ul << POOL_LARGEST)
            part *= 2;
        if (!task_memory(task, part, segment->address + done, RIGHT_READ | RIGHT_WRITE, &memory))
            return false;
        done += part;
    }
    return true;
}

/* What the segments begin with; the rest of their memory is zero. */
static bool data_fill(struct task *task, const struct image *image)
{
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        for (uint64_t done = 0; (segment->access & IMAGE_WRITE) && done < segment->file_bytes;) {
            uint64_t room, left = segment->file_bytes - done;
            uint8_t *to = task_view(task, segment->address + done, &room);
            if (!to)
                return false;
            memcpy(to, image->bytes + segment->file_offset + done, room < left ? room : left);
            done += room < left ? room : left;
        }
    }
    return true;
}

#define TEXT_TABLE_SPAN (1ul << 21)

static bool segment_is_shared(const struct image_segment *segment)
{
    return !(segment->access & IMAGE_WRITE);
}

static uint32_t segment_rights(const struct image_segment *segment)
{
    return RIGHT_READ | (segment->access & IMAGE_EXECUTE ? RIGHT_EXEC : 0);
}

/* True when no writable segment touches a span that a read-only one lies in. */
static bool spans_are_apart(const struct image *image)
{
    for (uint32_t i = 0; i < image->segment_count; i++)
        for (uint32_t k = 0; k < image->segment_count; k++) {
            const struct image_segment *text = &image->segments[i], *data = &image->segments[k];
            if (!segment_is_shared(text) || segment_is_shared(data))
                continue;
            uint64_t text_first = text->address / TEXT_TABLE_SPAN, data_first = data->address / TEXT_TABLE_SPAN;
            uint64_t text_last = (text->address + text->memory_bytes - 1) / TEXT_TABLE_SPAN;
            uint64_t data_last = (data->address + data->memory_bytes - 1) / TEXT_TABLE_SPAN;
            if (text_first <= data_last && data_first <= text_last)
                return false;
        }
    return true;
}

static bool text_table_add(struct shared_text *text, uint64_t address)
{
    struct task *owner = &text->owner;
    cptr slot;
    for (uint32_t i = 0; i < text->count; i++)
        if (text->addresses[i] == address)
            return true;
    if (text->count == TEXT_TABLES || !tables_ensure(owner, address, 2) ||
        !task_object(owner, OBJECT_PAGE_TABLE, 0, &slot) ||
        page_table_map(slot, owner->vspace, address, 1, ATTRIBUTE_SHARED) != ERROR_NONE)
        return false;
    table_note(owner, address, 1);
    text->addresses[text->count] = address;
    text->slots[text->count++] = slot;
    return true;
}

bool shared_text_make(struct shared_text *text, struct pool *pool, const struct archive_map *archive, uint64_t offset,
                      const struct image *image)
{
    memset(text, 0, sizeof(*text));
    text->owner.pool = pool;
    text->owner.is_building = true; /* nobody's */
    if (!spans_are_apart(image) || !task_object(&text->owner, OBJECT_VSPACE, 0, &text->owner.vspace))
        return false;
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        uint64_t bytes = page_round(segment->memory_bytes);
        if (!segment_is_shared(segment))
            continue;
        for (uint64_t at = segment->address & ~(TEXT_TABLE_SPAN - 1); at < segment->address + bytes;
             at += TEXT_TABLE_SPAN)
            if (!text_table_add(text, at))
                goto failed;
        if (!task_map_archive(&text->owner, archive, offset + segment->file_offset, bytes, segment->address,
                              segment_rights(segment)))
            goto failed;
    }
    return true;
failed:
    task_destroy(&text->owner);
    return false;
}

static bool text_borrow(struct task *task, const struct shared_text *text)
{
    cptr self = task->pool->cnode, slot;
    for (uint32_t i = 0; i < text->count; i++) {
        if (!tables_ensure(task, text->addresses[i], 2) || !task_slot(task, &slot) ||
            cnode_copy(self, slot, self, text->slots[i], RIGHT_ALL) != ERROR_NONE ||
            page_table_map(slot, task->vspace, text->addresses[i], 1, ATTRIBUTE_SHARED) != ERROR_NONE)
            return false;
        table_note(task, text->addresses[i], 1);
    }
    return true;
}

bool task_load(struct task *task, const struct archive_map *archive, uint64_t offset, const struct image *image,
               const struct shared_text *text)
{
    if (text && !text_borrow(task, text))
        return false;
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        if (segment_is_shared(segment) ? !text && !task_map_archive(task, archive, offset + segment->file_offset,
                                                                    page_round(segment->memory_bytes), segment->address,
                                                                    segment_rights(segment))
                                       : !data_load(task, segment))
            return false;
    }
    return data_fill(task, image);
}

/* ---- capabilities and thread --------------------------------------------------------------------------------- */

bool task_grant(struct task *task, cptr index, cptr slot, uint32_t rights, uint64_t badge)
{
    cptr self = task->pool->cnode;
    enum error error = badge ? cnode_mint(task->cnode, index, self, slot, rights, badge)
                             : cnode_copy(task->cnode, index, self, slot, rights);
    return error == ERROR_NONE;
}

static void registers_set(struct user_registers *registers, const struct task_options *options)
{
    *registers = (struct user_registers){0};
#if defined(__x86_64__)
    registers->rip = options->entry;
    registers->rsp = PROCESS_STACK_TOP;
    registers->rdi = PROCESS_START_PAGE;
    registers->rflags = 0x202; /* interrupts on, bit 1 is always set */
#else
    registers->pc = options->entry;
    registers->sp = PROCESS_STACK_TOP;
    registers->x[0] = PROCESS_START_PAGE;
#endif
}

static bool thread_prepare(struct task *task, const struct task_options *options, struct ipc_buffer *buffer)
{
    cptr self = task->pool->cnode;
    struct user_registers registers;
    /* The kernel finds an IPC buffer at its address modulo the frame's size: a frame of its own, not a part of one. */
    if (!task->cspace && (!task_slot(task, &task->cspace) || !task_slot(task, &task->ipc_buffer) ||
                          cnode_mint(self, task->cspace, self, task->cnode, RIGHT_ALL,
                                     cnode_guard(0, 32 - task->cnode_bits)) != ERROR_NONE))
        return false;
    if (!thread_object(task, OBJECT_FRAME, PAGE_BITS, task->ipc_buffer) ||
        !tables_ensure(task, PROCESS_IPC_BUFFER, 1) ||
        !map_range(task, task->ipc_buffer, 0, PAGE_BYTES, PROCESS_IPC_BUFFER, RIGHT_READ | RIGHT_WRITE, 0))
        return false;
    registers_set(&registers, options);
    return tcb_configure(task->tcb, task->cspace, task->vspace, PROCESS_IPC_BUFFER, task->ipc_buffer,
                         options->fault_endpoint) == ERROR_NONE &&
           sched_control_configure(options->sched_control, task->sched_context, options->budget_ns, options->period_ns,
                                   SCHED_EXTRA_REFILLS_MAX, 0) == ERROR_NONE &&
           tcb_set_sched_params(task->tcb, options->authority, 0, options->priority, task->sched_context) ==
               ERROR_NONE &&
           (!options->has_fp || tcb_set_flags(task->tcb, 0, TCB_FLAG_FP) == ERROR_NONE) &&
           (!options->is_bound || tcb_bind_notification(task->tcb, task->notification) == ERROR_NONE) &&
           tcb_write_registers(task->tcb, false, buffer, &registers) == ERROR_NONE;
}

bool task_prepare(struct task *task, const struct task_options *options, struct ipc_buffer *buffer)
{
    uint64_t stack_bytes = options->stack_bytes;
    bool has_memory = task->pages.view; /* it was rewound */
    return (has_memory || (task_memory(task, options->start_bytes, PROCESS_START_PAGE, RIGHT_READ, &task->pages) &&
                           task_memory(task, stack_bytes, PROCESS_STACK_TOP - stack_bytes, RIGHT_READ | RIGHT_WRITE,
                                       &task->stack))) &&
           thread_prepare(task, options, buffer);
}

bool task_start(struct task *task)
{
    return tcb_resume(task->tcb) == ERROR_NONE;
}

/* ---- start page ---------------------------------------------------------------------------------------------- */

void start_begin(struct start_writer *writer, void *view, uint64_t bytes)
{
    writer->page = view;
    writer->capacity = (uint32_t)bytes;
    writer->page->magic = START_MAGIC;
    writer->page->bytes = sizeof(struct start_page);
    writer->is_full = false;
}

void start_string(struct start_writer *writer, struct start_strings *list, const char *text, uint32_t length)
{
    struct start_page *page = writer->page;
    if (writer->is_full || length >= writer->capacity - page->bytes) {
        writer->is_full = true;
        return;
    }
    if (list->count == 0)
        list->offset = page->bytes;
    char *at = (char *)page + page->bytes;
    memcpy(at, text, length);
    at[length] = 0;
    page->bytes += length + 1;
    list->count++;
    list->bytes += length + 1;
}
