/* The root task: checks what the kernel and the archive say, starts the servers, then records how programs end until
 * the process server says that all essential ones have, prints the summary and switches off.
 */
#include "proto/console.h"
#include "proto/process.h"
#include "root.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/system.h"
#include "tessera/text.h"

#define ROOT_STACK_BYTES 32768
#define ENDING_BYTES     120 /* of it in the table at the end */

_Noreturn void root_main(const struct boot_info *boot) __attribute__((used));
void _start(void);

static uint8_t root_stack[ROOT_STACK_BYTES] __attribute__((aligned(16), used));

#if defined(__x86_64__)
__asm__(".section .text._start, \"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "    lea root_stack+32768(%rip), %rsp\n"
        "    xorl %ebp, %ebp\n"
        "    call root_main\n"
        "    ud2\n"
        ".text\n");
#else
__asm__(".section .text._start, \"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "    adrp x1, root_stack+32768\n"
        "    add x1, x1, :lo12:root_stack+32768\n"
        "    mov sp, x1\n"
        "    mov x29, xzr\n"
        "    mov x30, xzr\n"
        "    bl root_main\n"
        "    brk #0\n"
        ".text\n");
#endif

static struct root root;
static struct archive_frame archive_frames[BOOT_INFO_UNTYPEDS];
static struct ending {
    bool has_ended, is_expected;
    char text[ENDING_BYTES];
} endings[SYSTEM_PROGRAMS];

/* ---- what the kernel handed over ----------------------------------------------------------------------------- */

static void memory_collect(void)
{
    const struct boot_info *boot = root.boot;
    cptr first = (boot->empty_first + POOL_ROW_SLOTS - 1) / POOL_ROW_SLOTS * POOL_ROW_SLOTS;
    pool_open(&root.pool, ROOT_CNODE, ROOT_VSPACE, first, boot->empty_end / POOL_ROW_SLOTS * POOL_ROW_SLOTS);
    for (uint32_t i = 0; i < boot->untyped_count; i++) {
        const struct boot_untyped *untyped = &boot->untypeds[i];
        if (untyped->kind == BOOT_UNTYPED_MEMORY)
            (void)pool_add_untyped(&root.pool, boot->untyped_first + i, untyped->address, untyped->size_bits);
    }
}

/* Whole untypeds of the archive become one frame each. */
static void archive_collect(void)
{
    const struct boot_info *boot = root.boot;
    uint32_t count = 0;
    for (uint32_t i = 0; i < boot->untyped_count; i++) {
        const struct boot_untyped *untyped = &boot->untypeds[i];
        if (untyped->kind != BOOT_UNTYPED_ARCHIVE)
            continue;
        cptr frame = root_slot(&root);
        if (untyped_retype_all(boot->untyped_first + i, OBJECT_FRAME, untyped->size_bits, ROOT_CNODE, frame, 1) !=
            ERROR_NONE)
            root_fail(&root, "root: the archive cannot be mapped\n");
        archive_frames[count++] = (struct archive_frame){untyped->address, untyped->size_bits, frame};
    }
    for (uint32_t i = 1; i < count; i++) /* ascending: insertion, for few */
        for (uint32_t j = i; j > 0 && archive_frames[j].address < archive_frames[j - 1].address; j--) {
            struct archive_frame frame = archive_frames[j];
            archive_frames[j] = archive_frames[j - 1];
            archive_frames[j - 1] = frame;
        }
    root.archive_map = (struct archive_map){
        .base = root.archive.base,
        .address = boot->archive_address,
        .bytes = root.archive.bytes,
        .frames = archive_frames,
        .frame_count = count,
    };
}

static void system_read(void)
{
    struct archive_member member;
    if (!archive_find(&root.archive, SYSTEM_MEMBER, &member))
        root_fail(&root, "root: the archive has no member '%s'\n", SYSTEM_MEMBER);
    const char *problem = archive_verify(&member);
    if (!problem)
        problem = system_check(member.data, member.bytes);
    if (problem)
        root_fail(&root, "root: %s\n", problem);
    root.system = (const struct system_header *)(const void *)member.data;
}

/* ---- verdict ------------------------------------------------------------------------------------------------- */

static void program_ended(const struct message *m)
{
    uint32_t index = (uint32_t)m->words[0];
    size_t bytes = m->words[4];
    if (index >= root.system->program_count)
        return;
    struct ending *ending = &endings[index];
    char text[ROOT_ENDING_BYTES];
    if (bytes > sizeof(text) - 1)
        bytes = sizeof(text) - 1;
    message_get(m, 5, text, bytes);
    text[bytes] = 0;
    text_format(ending->text, sizeof(ending->text), "%s", text);
    const struct console_verdict verdict = {index, (uint32_t)m->words[1], (uint32_t)m->words[2]};
    root_verdict(&root, &verdict, text);
    /* What fails and is started again: its last end counts. */
    const struct system_program *program = system_program_at(root.system, index);
    bool is_restarted = (program->flags & SYSTEM_SERVER) || program->restart != SYSTEM_RESTART_NEVER;
    ending->is_expected = m->words[3] == 1 && (!ending->has_ended || ending->is_expected || is_restarted);
    ending->has_ended = true;
}

_Noreturn static void all_ended(void)
{
    const char *first_bad = NULL;
    root_say(&root, "\n%-20s %-10s %s\n", "program", "verdict", "how it ended");
    for (uint32_t i = 0; i < root.system->program_count; i++) {
        const struct system_program *program = system_program_at(root.system, i);
        const char *name = system_text(root.system, program->name);
        const struct ending *ending = &endings[i];
        bool is_started = program->flags & SYSTEM_START;
        if (!ending->has_ended && !is_started)
            continue;
        const char *verdict = !ending->has_ended ? "running" : ending->is_expected ? "ok" : "FAILED";
        root_say(&root, "%-20s %-10s %s\n", name, verdict, ending->has_ended ? ending->text : "");
        if (!first_bad && ending->has_ended && !ending->is_expected)
            first_bad = name;
    }
    if (first_bad)
        root_say(&root, "tessera: FAILED, first '%s'\n", first_bad);
    else
        root_say(&root, "tessera: all as expected\n");
    root_power_off(&root, first_bad ? 1 : 0);
}

_Noreturn static void serve(void)
{
    struct message m;
    word badge;
    char text[256] = {0};
    (void)syscall_recv(root.endpoint, root.reply, &m, &badge);
    for (;;) {
        if (badge != BADGE_SERVER(SERVER_PROCESS)) {
            if (!(badge & ROOT_SIGNAL)) /* all that another server calls for is its end */
                supervise_exited(&root, (enum server)(badge - 1));
            supervise_check(&root);
            (void)syscall_recv(root.endpoint, root.reply, &m, &badge);
            continue; /* nobody is answered */
        }
        switch (message_info_label(m.info)) {
        case ROOT_PROGRAM_ENDED:
            program_ended(&m);
            break;
        case ROOT_ALL_ENDED:
            all_ended();
        case ROOT_FAILED:
            message_get(&m, 1, text, m.words[0] < sizeof(text) ? m.words[0] : sizeof(text) - 1);
            root_fail(&root, "root: the process server gives up: %s\n", text);
        default:
            break;
        }
        m = (struct message){0};
        (void)syscall_reply_recv(root.endpoint, root.reply, &m, &badge);
    }
}

_Noreturn void root_main(const struct boot_info *boot)
{
    root.boot = boot;
    server_set_buffer((struct ipc_buffer *)boot->ipc_buffer);
    if (boot->magic != BOOT_INFO_MAGIC)
        root_power_off(&root, 1);
    memory_collect();
    early_start(&root);
    root.endpoint = root_object(&root, OBJECT_ENDPOINT, 0);
    root.reply = root_object(&root, OBJECT_REPLY, 0);
    const char *problem = archive_open(&root.archive, (const void *)boot->archive, boot->archive_bytes);
    if (problem)
        root_fail(&root, "root: %s\n", problem);
    archive_collect();
    system_read();
    supervise_open(&root);
    root.realtime_ns = clock_realtime_base(&root);
    servers_start(&root);
    serve();
}
