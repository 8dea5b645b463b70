/* Invocations of kernel objects as inline functions, one for each row of abi/object.h; docs/abi.md tells what each
 * does.
 *
 * Each returns the enum error of the answer; results come through out-parameters, written on success only. Functions
 * with a `done` out-parameter do a bounded number of steps: the _all variants repeat until the rest is done.
 */
#ifndef TESSERA_INVOKE_H
#define TESSERA_INVOKE_H

#include <abi/object.h>
#include <tessera/syscall.h>

/* Invokes `object`; m->info is set here and m->words are arguments in, results out. A status (the object's deletion in
 * the middle) counts like an error of the answer. */
static inline __attribute__((always_inline)) enum error invoke(cptr object, enum invocation label, word length,
                                                               struct message *m)
{
    m->info = message_info(label, 0, length);
    enum error status = syscall_call(object, m);
    return status != ERROR_NONE ? status : (enum error)message_info_label(m->info);
}

static inline __attribute__((always_inline)) enum error invoke_result(cptr object, enum invocation label, word length,
                                                                      struct message *m, word *result)
{
    enum error error = invoke(object, label, length, m);
    if (error == ERROR_NONE)
        *result = m->words[0];
    return error;
}

/* --- untyped --- */

static inline enum error untyped_retype(cptr untyped, enum object_type type, word size_bits, cptr cnode, word index,
                                        word count, word *done)
{
    struct message m = {0, {type, size_bits, cnode, index, count}};
    return invoke_result(untyped, UNTYPED_RETYPE, 5, &m, done);
}

static inline enum error untyped_retype_all(cptr untyped, enum object_type type, word size_bits, cptr cnode, word index,
                                            word count)
{
    while (count > 0) {
        word done;
        enum error error = untyped_retype(untyped, type, size_bits, cnode, index, count, &done);
        if (error != ERROR_NONE)
            return error;
        index += done;
        count -= done;
    }
    return ERROR_NONE;
}

struct untyped_description {
    word free_bytes, size_bits, is_device, address;
};
static inline enum error untyped_describe(cptr untyped, struct untyped_description *description)
{
    struct message m = {0};
    enum error error = invoke(untyped, UNTYPED_DESCRIBE, 0, &m);
    if (error == ERROR_NONE)
        *description = (struct untyped_description){m.words[0], m.words[1], m.words[2], m.words[3]};
    return error;
}

/* --- CNode --- */

static inline enum error cnode_copy(cptr cnode, word index, cptr source_cnode, word source_index, word rights)
{
    struct message m = {0, {index, source_cnode, source_index, rights, 1}};
    return invoke(cnode, CNODE_COPY, 5, &m);
}

static inline enum error cnode_copy_range(cptr cnode, word index, cptr source_cnode, word source_index, word rights,
                                          word count, word *done)
{
    struct message m = {0, {index, source_cnode, source_index, rights, count}};
    return invoke_result(cnode, CNODE_COPY, 5, &m, done);
}

static inline enum error cnode_mint(cptr cnode, word index, cptr source_cnode, word source_index, word rights,
                                    word badge)
{
    struct message m = {0, {index, source_cnode, source_index, rights, badge}};
    return invoke(cnode, CNODE_MINT, 5, &m);
}

static inline enum error cnode_move(cptr cnode, word index, cptr source_cnode, word source_index)
{
    struct message m = {0, {index, source_cnode, source_index}};
    return invoke(cnode, CNODE_MOVE, 3, &m);
}

static inline enum error cnode_mutate(cptr cnode, word index, cptr source_cnode, word source_index, word badge)
{
    struct message m = {0, {index, source_cnode, source_index, badge}};
    return invoke(cnode, CNODE_MUTATE, 4, &m);
}

static inline enum error cnode_rotate(cptr cnode, word index, word badge, cptr pivot_cnode, word pivot_index,
                                      word pivot_badge, cptr source_cnode, word source_index)
{
    struct message m = {0, {index, badge, pivot_cnode, pivot_index, pivot_badge, source_cnode, source_index}};
    return invoke(cnode, CNODE_ROTATE, 7, &m);
}

static inline enum error cnode_delete(cptr cnode, word index)
{
    struct message m = {0, {index, 1}};
    return invoke(cnode, CNODE_DELETE, 2, &m);
}

static inline enum error cnode_delete_range(cptr cnode, word index, word count, word *done)
{
    struct message m = {0, {index, count}};
    return invoke_result(cnode, CNODE_DELETE, 2, &m, done);
}

static inline enum error cnode_delete_all(cptr cnode, word index, word count)
{
    while (count > 0) {
        word done;
        enum error error = cnode_delete_range(cnode, index, count, &done);
        if (error != ERROR_NONE)
            return error;
        index += done;
        count -= done;
    }
    return ERROR_NONE;
}

static inline enum error cnode_revoke(cptr cnode, word index)
{
    struct message m = {0, {index}};
    return invoke(cnode, CNODE_REVOKE, 1, &m);
}

static inline enum error cnode_cancel_badged_sends(cptr cnode, word index)
{
    struct message m = {0, {index}};
    return invoke(cnode, CNODE_CANCEL_BADGED_SENDS, 1, &m);
}

/* The badge argument of mint, mutate and rotate for a CNode capability. */
static inline word cnode_guard(word guard, word guard_bits)
{
    return guard | guard_bits << 32;
}

/* --- TCB --- */

static inline enum error tcb_configure(cptr tcb, cptr cspace, cptr vspace, word buffer_address, cptr buffer_frame,
                                       cptr fault_endpoint)
{
    struct message m = {0, {cspace, vspace, buffer_address, buffer_frame, fault_endpoint}};
    return invoke(tcb, TCB_CONFIGURE, 5, &m);
}

static inline enum error tcb_set_space(cptr tcb, cptr cspace, cptr vspace, cptr fault_endpoint)
{
    struct message m = {0, {cspace, vspace, fault_endpoint}};
    return invoke(tcb, TCB_SET_SPACE, 3, &m);
}

static inline enum error tcb_set_ipc_buffer(cptr tcb, word address, cptr frame)
{
    struct message m = {0, {address, frame}};
    return invoke(tcb, TCB_SET_IPC_BUFFER, 2, &m);
}

static inline enum error tcb_set_sched_params(cptr tcb, cptr authority, word mcp, word priority, cptr sched_context)
{
    struct message m = {0, {authority, mcp, priority, sched_context}};
    return invoke(tcb, TCB_SET_SCHED_PARAMS, 4, &m);
}

static inline enum error tcb_set_priority(cptr tcb, cptr authority, word priority)
{
    struct message m = {0, {authority, priority}};
    return invoke(tcb, TCB_SET_PRIORITY, 2, &m);
}

static inline enum error tcb_set_timeout_endpoint(cptr tcb, cptr endpoint)
{
    struct message m = {0, {endpoint}};
    return invoke(tcb, TCB_SET_TIMEOUT_ENDPOINT, 1, &m);
}

static inline enum error tcb_set_flags(cptr tcb, word clear, word set)
{
    struct message m = {0, {clear, set}};
    return invoke(tcb, TCB_SET_FLAGS, 2, &m);
}

static inline enum error tcb_set_tls_base(cptr tcb, word address)
{
    struct message m = {0, {address}};
    return invoke(tcb, TCB_SET_TLS_BASE, 1, &m);
}

static inline enum error tcb_bind_notification(cptr tcb, cptr notification)
{
    struct message m = {0, {notification}};
    return invoke(tcb, TCB_BIND_NOTIFICATION, 1, &m);
}

static inline enum error tcb_unbind_notification(cptr tcb)
{
    struct message m = {0};
    return invoke(tcb, TCB_UNBIND_NOTIFICATION, 0, &m);
}

static inline enum error tcb_suspend(cptr tcb)
{
    struct message m = {0};
    return invoke(tcb, TCB_SUSPEND, 0, &m);
}

static inline enum error tcb_resume(cptr tcb)
{
    struct message m = {0};
    return invoke(tcb, TCB_RESUME, 0, &m);
}

#define USER_REGISTERS_WORDS (sizeof(struct user_registers) / sizeof(word))

/* `buffer` is the caller's own IPC buffer: registers do not fit the message registers. */
static inline enum error tcb_read_registers(cptr tcb, bool suspend, struct ipc_buffer *buffer,
                                            struct user_registers *registers)
{
    struct message m = {0, {suspend}};
    enum error error = invoke(tcb, TCB_READ_REGISTERS, 1, &m);
    if (error != ERROR_NONE)
        return error;
    for (size_t i = 0; i < USER_REGISTERS_WORDS; i++)
        ((word *)registers)[i] = i < MESSAGE_REGISTERS ? m.words[i] : buffer->words[i];
    return ERROR_NONE;
}

static inline enum error tcb_write_registers(cptr tcb, bool resume, struct ipc_buffer *buffer,
                                             const struct user_registers *registers)
{
    struct message m = {0, {resume}};
    for (size_t i = 0; i < USER_REGISTERS_WORDS; i++) {
        if (i + 1 < MESSAGE_REGISTERS)
            m.words[i + 1] = ((const word *)registers)[i];
        else
            buffer->words[i + 1] = ((const word *)registers)[i];
    }
    return invoke(tcb, TCB_WRITE_REGISTERS, 1 + USER_REGISTERS_WORDS, &m);
}

static inline enum error tcb_set_breakpoint(cptr tcb, word number, word address, enum breakpoint_kind kind, word bytes)
{
    struct message m = {0, {number, address, kind, bytes}};
    return invoke(tcb, TCB_SET_BREAKPOINT, 4, &m);
}

struct breakpoint_description {
    word address, kind, bytes, is_set, kinds;
};
static inline enum error tcb_get_breakpoint(cptr tcb, word number, struct breakpoint_description *description)
{
    struct message m = {0, {number}};
    enum error error = invoke(tcb, TCB_GET_BREAKPOINT, 1, &m);
    if (error == ERROR_NONE)
        *description = (struct breakpoint_description){m.words[0], m.words[1], m.words[2], m.words[3], m.words[4]};
    return error;
}

static inline enum error tcb_unset_breakpoint(cptr tcb, word number)
{
    struct message m = {0, {number}};
    return invoke(tcb, TCB_UNSET_BREAKPOINT, 1, &m);
}

static inline enum error tcb_configure_single_stepping(cptr tcb, word instructions)
{
    struct message m = {0, {instructions}};
    return invoke(tcb, TCB_CONFIGURE_SINGLE_STEPPING, 1, &m);
}

/* --- scheduling --- */

static inline enum error sched_control_configure(cptr control, cptr sched_context, word budget_ns, word period_ns,
                                                 word extra_refills, word badge)
{
    struct message m = {0, {sched_context, budget_ns, period_ns, extra_refills, badge, 0}};
    return invoke(control, SCHED_CONTROL_CONFIGURE, 6, &m);
}

static inline enum error sched_context_bind(cptr sched_context, cptr tcb_or_notification)
{
    struct message m = {0, {tcb_or_notification}};
    return invoke(sched_context, SCHED_CONTEXT_BIND, 1, &m);
}

static inline enum error sched_context_unbind(cptr sched_context)
{
    struct message m = {0};
    return invoke(sched_context, SCHED_CONTEXT_UNBIND, 0, &m);
}

static inline enum error sched_context_consumed(cptr sched_context, word *ns)
{
    struct message m = {0};
    return invoke_result(sched_context, SCHED_CONTEXT_CONSUMED, 0, &m, ns);
}

static inline enum error sched_context_yield_to(cptr sched_context, word *ns)
{
    struct message m = {0};
    return invoke_result(sched_context, SCHED_CONTEXT_YIELD_TO, 0, &m, ns);
}

static inline enum error timer_bind(cptr timer, cptr notification, cptr sched_context)
{
    struct message m = {0, {notification, sched_context}};
    return invoke(timer, TIMER_BIND, 2, &m);
}

static inline enum error timer_set(cptr timer, word deadline_ticks)
{
    struct message m = {0, {deadline_ticks}};
    return invoke(timer, TIMER_SET, 1, &m);
}

static inline enum error timer_cancel(cptr timer)
{
    struct message m = {0};
    return invoke(timer, TIMER_CANCEL, 0, &m);
}

/* --- memory --- */

static inline enum error page_table_map(cptr table, cptr vspace, word address, word level, word attributes)
{
    struct message m = {0, {vspace, address, level, attributes}};
    return invoke(table, PAGE_TABLE_MAP, 4, &m);
}

static inline enum error page_table_unmap(cptr table)
{
    struct message m = {0};
    return invoke(table, PAGE_TABLE_UNMAP, 0, &m);
}

/* Maps bytes [first, first + bytes) of the frame at `address` (0, 0 = all). `level`, where not NULL, receives the level
 * of the missing table with ERROR_FAILED_LOOKUP. */
static inline enum error frame_map(cptr frame, cptr vspace, word address, word rights, word attributes, word first,
                                   word bytes, word *done, word *level)
{
    struct message m = {0, {vspace, address, rights, attributes, first, bytes}};
    enum error error = invoke(frame, FRAME_MAP, 6, &m);
    if (error == ERROR_NONE && done)
        *done = m.words[0];
    if (error == ERROR_FAILED_LOOKUP && level)
        *level = m.words[0];
    return error;
}

static inline enum error frame_unmap(cptr frame, word *done)
{
    struct message m = {0};
    return invoke_result(frame, FRAME_UNMAP, 0, &m, done);
}

static inline enum error frame_get_address(cptr frame, word *address, word *size_bits)
{
    struct message m = {0};
    enum error error = invoke(frame, FRAME_GET_ADDRESS, 0, &m);
    if (error == ERROR_NONE) {
        *address = m.words[0];
        *size_bits = m.words[1];
    }
    return error;
}

static inline enum error frame_clean(cptr frame, word first, word bytes, word *done)
{
    struct message m = {0, {first, bytes}};
    return invoke_result(frame, FRAME_CLEAN, 2, &m, done);
}

static inline enum error frame_sync_code(cptr frame, word first, word bytes, word *done)
{
    struct message m = {0, {first, bytes}};
    return invoke_result(frame, FRAME_SYNC_CODE, 2, &m, done);
}

/* --- interrupts, ports, power --- */

static inline enum error irq_control_get(cptr control, word interrupt, word flags, cptr cnode, word index)
{
    struct message m = {0, {interrupt, flags, cnode, index}};
    return invoke(control, IRQ_CONTROL_GET, 4, &m);
}

static inline enum error irq_control_get_msi(cptr control, cptr cnode, word index, word *address, word *data)
{
    struct message m = {0, {cnode, index}};
    enum error error = invoke(control, IRQ_CONTROL_GET_MSI, 2, &m);
    if (error == ERROR_NONE) {
        *address = m.words[0];
        *data = m.words[1];
    }
    return error;
}

static inline enum error irq_handler_ack(cptr handler)
{
    struct message m = {0};
    return invoke(handler, IRQ_HANDLER_ACK, 0, &m);
}

static inline enum error irq_handler_set_notification(cptr handler, cptr notification)
{
    struct message m = {0, {notification}};
    return invoke(handler, IRQ_HANDLER_SET_NOTIFICATION, 1, &m);
}

static inline enum error irq_handler_clear(cptr handler)
{
    struct message m = {0};
    return invoke(handler, IRQ_HANDLER_CLEAR, 0, &m);
}

static inline enum error io_port_control_issue(cptr control, word first, word last, cptr cnode, word index)
{
    struct message m = {0, {first, last, cnode, index}};
    return invoke(control, IO_PORT_CONTROL_ISSUE, 4, &m);
}

static inline enum error io_port_in(cptr port_range, word port, word bytes, word *value)
{
    struct message m = {0, {port, bytes}};
    return invoke_result(port_range, IO_PORT_IN, 2, &m, value);
}

static inline enum error io_port_out(cptr port_range, word port, word bytes, word value)
{
    struct message m = {0, {port, bytes, value}};
    return invoke(port_range, IO_PORT_OUT, 3, &m);
}

/* Both come back only with an error. */
static inline enum error power_off(cptr control, word status)
{
    struct message m = {0, {status}};
    return invoke(control, POWER_OFF, 1, &m);
}

static inline enum error power_reset(cptr control)
{
    struct message m = {0};
    return invoke(control, POWER_RESET, 0, &m);
}

#endif
