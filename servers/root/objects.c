/* Slots, objects and device frames of the root task itself. What fails here ends the boot: without these there is no
 * system. */
#include "root.h"
#include "tessera/invoke.h"

cptr root_slot(struct root *root)
{
    static cptr next, end;
    if (next == end) {
        if (!pool_row_take(&root->pool, &next))
            root_fail(root, "root: no capability slots left\n");
        end = next + POOL_ROW_SLOTS;
    }
    return next++;
}

cptr root_object(struct root *root, enum object_type type, uint32_t size_bits)
{
    static uint32_t block;
    cptr slot = root_slot(root);
    if (type == OBJECT_CNODE && size_bits + OBJECT_BITS_CNODE_SLOT > POOL_BLOCK_BITS)
        root_fail(root, "root: a CNode of 2^%u slots does not fit a block\n", size_bits);
    for (int attempt = 0; attempt < 2; attempt++) {
        if (block &&
            untyped_retype_all(pool_slot(&root->pool, block), type, size_bits, ROOT_CNODE, slot, 1) == ERROR_NONE)
            return slot;
        if (!pool_block_take(&root->pool, &block))
            break;
    }
    root_fail(root, "root: out of memory for the system's own objects\n");
}

/* Cuts the device untyped in halves towards the page. The other halves stay where they are made: unused for now. */
cptr root_device_frame(struct root *root, uint64_t address)
{
    const struct boot_info *boot = root->boot;
    address &= ~(PAGE_BYTES - 1);
    for (uint32_t i = 0; i < boot->untyped_count; i++) {
        const struct boot_untyped *untyped = &boot->untypeds[i];
        if (untyped->kind != BOOT_UNTYPED_DEVICE || address - untyped->address >= 1ul << untyped->size_bits)
            continue;
        cptr slot = boot->untyped_first + i;
        uint64_t base = untyped->address;
        for (uint32_t bits = untyped->size_bits; bits > PAGE_BITS; bits--) {
            cptr low = root_slot(root), high = root_slot(root);
            if (untyped_retype_all(slot, OBJECT_UNTYPED, bits - 1, ROOT_CNODE, low, 1) != ERROR_NONE ||
                untyped_retype_all(slot, OBJECT_UNTYPED, bits - 1, ROOT_CNODE, high, 1) != ERROR_NONE)
                return 0;
            bool is_high = address - base >= 1ul << (bits - 1);
            base += is_high ? 1ul << (bits - 1) : 0;
            slot = is_high ? high : low;
        }
        cptr frame = root_slot(root);
        return untyped_retype_all(slot, OBJECT_FRAME, PAGE_BITS, ROOT_CNODE, frame, 1) == ERROR_NONE ? frame : 0;
    }
    return 0;
}
