/* Capabilities: 16 bytes, made and taken apart only here.
 *
 *   word 0   63      48 47                                5 4    0
 *            | detail  |  object, kernel address (32-aligned) | type |      objects that the kernel itself uses
 *   word 1   badge, guard or mapping
 *
 *   endpoint, notification, reply   detail = rights; word 1 = badge (reply: 0)
 *   CNode                           detail = radix | guard bits << 5; word 1 = guard
 *   page table                      detail = level | CAP_TABLE_*; word 1 = mapping
 *   TCB, sched context, timer, VSpace: no detail
 *
 *   frame     word 0 = type | size_bits << 5 | rights << 10 | kind << 15 | is_mapped << 17 | page number << 20;
 *                      unmapping progress: low bit in bit 18, the rest << 56; word 1 = mapping
 *   untyped   word 0 = type | size_bits << 5 | kind << 11 | address / 16 << 16; word 1 = used | zeroed << 32
 * (mm/untyped.c) mapping   = virtual page number | VSpace id << 36
 *
 *   sched control: word 1 = core. IRQ handler: word 1 = irq. IO port: word 1 = first | last << 16.
 *   zombie (kernel/delete.c): its own place tells which CNode or TCB is dying; the rest are links.
 */
#ifndef KERNEL_CAP_H
#define KERNEL_CAP_H

#include <abi/boot.h>
#include <abi/object.h>
#include <arch/types.h>

struct cap {
    word word0, word1;
};

#define CAP_ZOMBIE ((enum object_type)OBJECT_TYPE_COUNT)
_Static_assert(OBJECT_TYPE_COUNT < 32, "types fit five bits");

#define CAP_OBJECT_MASK 0x0000ffffffffffe0ul

static inline enum object_type cap_type(struct cap cap)
{
    return (enum object_type)(cap.word0 & 31);
}
static inline struct cap cap_null(void)
{
    return (struct cap){0, 0};
}
static inline bool cap_is_null(struct cap cap)
{
    return cap_type(cap) == OBJECT_NULL;
}

/* --- capabilities with a kernel object --- */

static inline struct cap cap_make(enum object_type type, const void *object, word detail, word word1)
{
    return (struct cap){((word)(uintptr_t)object & CAP_OBJECT_MASK) | (word)type | detail << 48, word1};
}
static inline void *cap_object(struct cap cap)
{
    return (void *)(uintptr_t)((cap.word0 & CAP_OBJECT_MASK) | ARCH_KERNEL_HIGH);
}
/* The same for one whose type is known: what is left of the type goes into the offsets of the object's members. */
static inline void *cap_object_of(struct cap cap, enum object_type type)
{
    if (ARCH_KERNEL_HIGH == 0) /* the host */
        return cap_object(cap);
    return (void *)(uintptr_t)((cap.word0 | ARCH_KERNEL_HIGH) - (word)type);
}
static inline word cap_detail(struct cap cap)
{
    return cap.word0 >> 48;
}
static inline struct cap cap_set_detail(struct cap cap, word detail)
{
    cap.word0 = (cap.word0 & 0x0000fffffffffffful) | detail << 48;
    return cap;
}
/* Type and object are the same. */
static inline bool cap_is_same_object(struct cap a, struct cap b)
{
    return ((a.word0 ^ b.word0) & 0x0000fffffffffffful) == 0;
}
/* The bits of word 0 that tell one object from another, type included: for those with an object, and for frames. */
#define CAP_SAME_OBJECT 0x0000fffffffffffful
#define CAP_SAME_FRAME  0x00fffffffff003fful

/* Types as bits. TYPES_WITH_OBJECT: cap_object is an object in memory that came from an untyped. */
#define TYPE_BIT(type)              (1u << (type))
#define TYPE_IS_ONE_OF(type, types) ((types) >> (type)&1)
#define TYPES_CONTAINERS            (TYPE_BIT(OBJECT_CNODE) | TYPE_BIT(OBJECT_TCB)) /* they hold slots: kernel/delete.c */
#define TYPES_BADGED                (TYPE_BIT(OBJECT_ENDPOINT) | TYPE_BIT(OBJECT_NOTIFICATION))
/* They do not last longer than the last capability to them. */
#define TYPES_DESTROYED ((TYPES_WITH_OBJECT | TYPE_BIT(OBJECT_IRQ_HANDLER)) & ~TYPE_BIT(OBJECT_PAGE_TABLE))
#define TYPES_WITH_OBJECT                                                                                              \
    (TYPES_CONTAINERS | TYPES_BADGED | TYPE_BIT(OBJECT_REPLY) | TYPE_BIT(OBJECT_SCHED_CONTEXT) |                       \
     TYPE_BIT(OBJECT_TIMER) | TYPE_BIT(OBJECT_VSPACE) | TYPE_BIT(OBJECT_PAGE_TABLE))

/* --- endpoint, notification, reply --- */

static inline word cap_rights(struct cap cap)
{
    return cap_detail(cap) & RIGHT_ALL;
}
static inline word cap_badge(struct cap cap)
{
    return cap.word1;
}

/* --- CNode --- */

static inline unsigned cap_cnode_radix(struct cap cap)
{
    return (unsigned)(cap.word0 >> 48 & 31);
}
static inline unsigned cap_cnode_guard_bits(struct cap cap)
{
    return (unsigned)(cap.word0 >> 53 & 63);
}
static inline struct cap cap_make_cnode(const void *slots, unsigned radix, unsigned guard_bits, word guard)
{
    return cap_make(OBJECT_CNODE, slots, radix | guard_bits << 5, guard);
}

/* --- mappings of frames and page tables --- */

#define CAP_MAPPING_PAGE_BITS 36
#define CAP_MAPPING_BITS      (CAP_MAPPING_PAGE_BITS + PAGE_BITS) /* addresses of mappings wrap at this width */
#define CAP_VSPACE_ID_LIMIT   (1u << 28)

static inline word cap_mapping(uint32_t vspace_id, vaddr address)
{
    return (address >> PAGE_BITS & ((1ul << CAP_MAPPING_PAGE_BITS) - 1)) | (word)vspace_id << CAP_MAPPING_PAGE_BITS;
}
static inline uint32_t cap_mapping_vspace(struct cap cap)
{
    return (uint32_t)(cap.word1 >> CAP_MAPPING_PAGE_BITS);
}
static inline vaddr cap_mapping_address(struct cap cap)
{
    return (cap.word1 & ((1ul << CAP_MAPPING_PAGE_BITS) - 1)) << PAGE_BITS;
}

/* --- page table --- */

#define CAP_TABLE_LEVEL     3u /* while mapped; of a shareable one for ever: no table is read as one of another level */
#define CAP_TABLE_MAPPED    4u
#define CAP_TABLE_SHAREABLE 8u  /* ATTRIBUTE_SHARED was given to the original; for ever */
#define CAP_TABLE_BORROWED  16u /* this mapping is that of a copy */

/* What is left of the detail of a table's capability that is not mapped. */
static inline word cap_table_kept(word detail)
{
    return detail & CAP_TABLE_SHAREABLE ? detail & (CAP_TABLE_SHAREABLE | CAP_TABLE_LEVEL) : 0;
}

/* --- frame --- */

static inline struct cap cap_make_frame(paddr address, unsigned size_bits, word rights, word kind)
{
    return (struct cap){
        (word)OBJECT_FRAME | (word)size_bits << 5 | rights << 10 | kind << 15 | address >> PAGE_BITS << 20, 0};
}
static inline unsigned cap_frame_size_bits(struct cap cap)
{
    return (unsigned)(cap.word0 >> 5 & 31);
}
static inline word cap_frame_rights(struct cap cap)
{
    return cap.word0 >> 10 & 31;
}
static inline word cap_frame_kind(struct cap cap)
{
    return cap.word0 >> 15 & 3;
}
static inline bool cap_frame_is_mapped(struct cap cap)
{
    return cap.word0 >> 17 & 1;
}
static inline paddr cap_frame_address(struct cap cap)
{
    return (cap.word0 >> 20 & ((1ul << 36) - 1)) << PAGE_BITS;
}
#define CAP_FRAME_PROGRESS (0xfful << 56 | 1ul << 18)
static inline unsigned cap_frame_progress(struct cap cap)
{
    return (unsigned)(cap.word0 >> 56 << 1 | (cap.word0 >> 18 & 1));
}
static inline struct cap cap_frame_set_progress(struct cap cap, unsigned progress)
{
    cap.word0 = (cap.word0 & ~CAP_FRAME_PROGRESS) | (word)(progress >> 1) << 56 | (word)(progress & 1) << 18;
    return cap;
}
static inline struct cap cap_frame_set_mapped(struct cap cap, word mapping)
{
    cap.word0 |= 1ul << 17;
    cap.word1 = mapping;
    return cap;
}
static inline struct cap cap_frame_set_unmapped(struct cap cap)
{
    cap.word0 &= ~(1ul << 17) & ~CAP_FRAME_PROGRESS;
    cap.word1 = 0;
    return cap;
}
static inline struct cap cap_frame_mask_rights(struct cap cap, word rights)
{
    cap.word0 &= ~((RIGHT_ALL & ~rights) << 10);
    return cap;
}

/* --- untyped --- */

static inline struct cap cap_make_untyped(paddr address, unsigned size_bits, word kind)
{
    return (struct cap){(word)OBJECT_UNTYPED | (word)size_bits << 5 | kind << 11 | address >> 4 << 16, 0};
}
static inline unsigned cap_untyped_size_bits(struct cap cap)
{
    return (unsigned)(cap.word0 >> 5 & 63);
}
static inline word cap_untyped_kind(struct cap cap)
{
    return cap.word0 >> 11 & 3;
}
static inline paddr cap_untyped_address(struct cap cap)
{
    return cap.word0 >> 16 << 4;
}

/* --- the others --- */

static inline struct cap cap_make_plain(enum object_type type, word value)
{
    return (struct cap){(word)type, value};
}

#endif
