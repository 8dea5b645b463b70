/* What travels: message words, capabilities, fault messages. */
#include <arch/fastpath.h>
#include <ipc/ipc.h>
#include <kernel/lookup.h>

void message_complete(struct tcb *tcb, enum error status, word badge)
{
    arch_context_set_info(&tcb->context, 0);
    arch_context_set_badge(&tcb->context, badge);
    arch_context_set_status(&tcb->context, status);
}

/* How many words of a fault follow pc and sp (abi/fault.h). */
static unsigned fault_words(enum fault fault)
{
    switch (fault) {
    case FAULT_UNKNOWN_SYSCALL:
        return 1;
    case FAULT_TIMEOUT:
        return 2;
    default:
        return 3;
    }
}

static void message_from_fault(const struct tcb *sender, struct tcb *receiver)
{
    unsigned length = 2 + fault_words(sender->fault);
    arch_context_set_mr(&receiver->context, 0, arch_context_pc(&sender->context));
    arch_context_set_mr(&receiver->context, 1, arch_context_sp(&sender->context));
    for (unsigned i = 2; i < MESSAGE_REGISTERS; i++)
        arch_context_set_mr(&receiver->context, i, i < length ? sender->fault_words[i - 2] : 0);
    arch_context_set_info(&receiver->context, message_info(sender->fault, 0, length));
}

/* The words beyond the registers; returns the length that arrives. */
static word words_copy(const struct tcb *sender, struct tcb *receiver, word length)
{
    if (!sender->buffer || !receiver->buffer)
        return MESSAGE_REGISTERS;
    if (length > MESSAGE_WORDS)
        length = MESSAGE_WORDS;
    /* User level may change them meanwhile; what is read is what is written. */
    arch_fastpath_copy_words(receiver->buffer, sender->buffer, length);
    return length;
}

struct capability_result {
    word count, unwrapped;
};

/* One capability into the receiver's slot; false when it or the slot is not there. */
static bool capability_copy(struct slot *source, struct tcb *receiver, word index)
{
    volatile struct ipc_buffer *buffer = receiver->buffer;
    struct slot *place;
    struct cap cap;
    if (lookup_range(tcb_cspace(receiver), (cptr)buffer->receive_cnode, buffer->receive_index + index, 1, &place) !=
        ERROR_NONE)
        return false;
    if (!slot_is_empty(place) || slot_derive(source, &cap) != ERROR_NONE)
        return false;
    slot_insert_derived(source, place, cap);
    return true;
}

/* Ends at the first capability that cannot be passed; the count says how many were. */
static struct capability_result capabilities_copy(const struct tcb *sender, struct tcb *receiver, word count,
                                                  const struct endpoint *endpoint)
{
    struct capability_result result = {0, 0};
    word stored = 0;
    if (!sender->buffer || !receiver->buffer)
        return result;
    for (; result.count < count; result.count++) {
        volatile struct ipc_buffer *from = sender->buffer;
        struct slot *source;
        if (lookup_cap(tcb_cspace(sender), (cptr)from->caps_or_badges[result.count], &source) != ERROR_NONE)
            break;
        if (endpoint && cap_type(source->cap) == OBJECT_ENDPOINT && cap_object(source->cap) == endpoint) {
            receiver->buffer->caps_or_badges[result.count] = cap_badge(source->cap);
            result.unwrapped |= 1ul << result.count;
        } else {
            if (!capability_copy(source, receiver, stored))
                break;
            stored++;
        }
    }
    return result;
}

/* Words beyond the registers and capabilities: what most messages have none of. Gives the info that arrives. */
static __attribute__((noinline)) word message_transfer_more(const struct tcb *sender, struct tcb *receiver,
                                                            const struct endpoint *endpoint, bool can_grant)
{
    word info = arch_context_info(&sender->context);
    word length = message_info_length(info);
    word count = message_info_capabilities(info);
    struct capability_result capabilities = {0, 0};
    if (length > MESSAGE_REGISTERS)
        length = words_copy(sender, receiver, length);
    if (count > 0 && can_grant)
        capabilities = capabilities_copy(sender, receiver, count, endpoint);
    return message_info(message_info_label(info), capabilities.count, length) | capabilities.unwrapped << 9;
}

void message_transfer(struct tcb *sender, struct tcb *receiver, word badge, const struct endpoint *endpoint,
                      bool can_grant)
{
    arch_context_set_badge(&receiver->context, badge);
    arch_context_set_status(&receiver->context, ERROR_NONE);
    if (sender->fault) {
        message_from_fault(sender, receiver);
        return;
    }
    word info = arch_context_info(&sender->context);
    arch_context_copy_message(&receiver->context, &sender->context);
    if (message_info_length(info) > MESSAGE_REGISTERS || message_info_capabilities(info) > 0)
        info = message_transfer_more(sender, receiver, endpoint, can_grant);
    else
        info = message_info(message_info_label(info), 0, message_info_length(info));
    arch_context_set_info(&receiver->context, info);
}
