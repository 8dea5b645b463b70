/* Invocations of untypeds, page tables and frames. */
#include <arch/machine.h>
#include <kernel/call.h>
#include <kernel/object.h>
#include <mm/untyped.h>
#include <mm/vspace.h>

#define CACHE_STEP_BYTES 32768ul

enum error untyped_retype(struct call *call)
{
    word type = call_argument(call, 0), count = call_argument(call, 4), empty = 0;
    struct retype_request request;
    request.type = (enum object_type)type;
    request.size_bits = call_argument(call, 1);
    enum error error = object_size(type, request.size_bits, &request.object_bits);
    if (error == ERROR_RANGE)
        return call_fail_range(call, object_size_limits(type).least, object_size_limits(type).most);
    if (error != ERROR_NONE)
        return call_fail(call, error, 0);
    if (count == 0)
        return call_fail_range(call, 1, UINT32_MAX);
    error = call_slots(call, 2, count, &request.slots);
    if (error != ERROR_NONE)
        return error;
    if (count > STEPS_PER_CALL)
        count = STEPS_PER_CALL;
    while (empty < count && slot_is_empty(&request.slots[empty]))
        empty++;
    if (empty == 0)
        return ERROR_DELETE_FIRST;
    request.count = empty;
    error = untyped_make(call->core, call->slot, &request);
    if (error == ERROR_NOT_ENOUGH_MEMORY)
        return call_fail(call, error, untyped_free_bytes(call->slot));
    if (error != ERROR_NONE)
        return error;
    return request.count > 0 ? call_done(call, request.count) : call_preempted(call);
}

SELDOM enum error untyped_describe(struct call *call)
{
    struct cap cap = call->slot->cap;
    call_result(call, untyped_free_bytes(call->slot));
    call_result(call, cap_untyped_size_bits(cap));
    call_result(call, cap_untyped_kind(cap) == BOOT_UNTYPED_DEVICE);
    call_result(call, cap_untyped_address(cap));
    return ERROR_NONE;
}

SELDOM enum error page_table_map_invoke(struct call *call)
{
    struct slot *vspace;
    unsigned missing = 0;
    word level = call_argument(call, 2), attributes = call_argument(call, 3);
    enum error error = call_capability(call, 0, OBJECT_VSPACE, &vspace);
    if (error != ERROR_NONE)
        return error;
    if (level < 1 || level >= ARCH_LEVELS)
        return call_fail_range(call, 1, ARCH_LEVELS - 1);
    if (attributes & ~(word)ATTRIBUTE_SHARED)
        return call_fail(call, ERROR_INVALID_ARGUMENT, 3);
    error = page_table_map(call->slot, vspace_of(vspace->cap), call_argument(call, 1), (unsigned)level,
                           attributes & ATTRIBUTE_SHARED, &missing);
    if (error == ERROR_FAILED_LOOKUP)
        return call_fail(call, error, missing);
    if (error == ERROR_RANGE)
        return call_fail_range(call, 0, ARCH_USER_END - 1);
    return error;
}

SELDOM enum error page_table_unmap_invoke(struct call *call)
{
    page_table_unmap(call->slot);
    return ERROR_NONE;
}

enum error frame_map_invoke(struct call *call)
{
    word result;
    struct frame_request request = {.address = call_argument(call, 1),
                                    .rights = call_argument(call, 2),
                                    .attributes = call_argument(call, 3),
                                    .first = call_argument(call, 4),
                                    .bytes = call_argument(call, 5)};
    const struct slot *vspace = call_find(call, 0, OBJECT_VSPACE);
    if (!vspace)
        return ERROR_INVALID_CAPABILITY;
    if (request.first == 0 && request.bytes == 0)
        request.bytes = 1ul << cap_frame_size_bits(call->slot->cap);
    enum error error = frame_map(call->core, call->slot, vspace_of(vspace->cap), &request, &result);
    if (error == ERROR_NONE || error == ERROR_FAILED_LOOKUP)
        return call_fail(call, error, result); /* bytes done, or the missing level */
    if (error == ERROR_RANGE)
        return call_fail_range(call, 0, ARCH_USER_END - 1);
    if (error == ERROR_INVALID_ARGUMENT)
        return call_fail(call, error,
                         request.attributes & ~(word)(ATTRIBUTE_UNCACHED | ATTRIBUTE_WRITE_COMBINE) ? 3 : 2);
    return error;
}

enum error frame_unmap(struct call *call)
{
    if (!frame_release(call->core, call->slot))
        return call_preempted(call);
    return call_done(call, 1ul << cap_frame_size_bits(call->slot->cap));
}

SELDOM enum error frame_get_address(struct call *call)
{
    call_result(call, cap_frame_address(call->slot->cap));
    call_result(call, cap_frame_size_bits(call->slot->cap));
    return ERROR_NONE;
}

/* The part of an ordinary frame that a cache invocation names, cut to one call's length. */
static SELDOM enum error cache_range(struct call *call, void **start, word *bytes)
{
    struct cap cap = call->slot->cap;
    word size = 1ul << cap_frame_size_bits(cap), first = call_argument(call, 0);
    *bytes = call_argument(call, 1);
    if (cap_frame_kind(cap) == BOOT_UNTYPED_DEVICE)
        return ERROR_ILLEGAL_OPERATION;
    if (first >= size || *bytes > size - first)
        return call_fail_range(call, 0, size);
    if (*bytes > CACHE_STEP_BYTES)
        *bytes = CACHE_STEP_BYTES;
    *start = (char *)paddr_to_kernel(cap_frame_address(cap)) + first;
    return ERROR_NONE;
}

SELDOM enum error frame_clean(struct call *call)
{
    void *start;
    word bytes;
    enum error error = cache_range(call, &start, &bytes);
    if (error != ERROR_NONE)
        return error;
    arch_cache_clean(start, bytes);
    return call_done(call, bytes);
}

SELDOM enum error frame_sync_code(struct call *call)
{
    void *start;
    word bytes;
    enum error error = cache_range(call, &start, &bytes);
    if (error != ERROR_NONE)
        return error;
    arch_cache_sync_code(start, bytes);
    return call_done(call, bytes);
}
