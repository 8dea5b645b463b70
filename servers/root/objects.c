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

/* ---- device memory ------------------------------------------------------------------------------------------- */

/* Binary trees over the device untypeds: a piece is whole, cut in two, or a frame that somebody has. */
#define DEVICE_PIECES 1024

static struct device_piece {
    uint64_t address;
    uint32_t bits;
    cptr slot;
    uint32_t low; /* of the two halves, which are neighbours; 0: not cut */
    bool is_frame;
} pieces[DEVICE_PIECES];
static uint32_t piece_count;

static void pieces_collect(struct root *root)
{
    const struct boot_info *boot = root->boot;
    piece_count = 1; /* piece 0 means none */
    for (uint32_t i = 0; i < boot->untyped_count; i++)
        if (boot->untypeds[i].kind == BOOT_UNTYPED_DEVICE)
            pieces[piece_count++] = (struct device_piece){
                .address = boot->untypeds[i].address,
                .bits = boot->untypeds[i].size_bits,
                .slot = boot->untyped_first + i,
            };
}

static bool piece_cut(struct root *root, struct device_piece *piece)
{
    if (piece->is_frame || piece_count + 2 > DEVICE_PIECES)
        return false;
    for (uint32_t half = 0; half < 2; half++) {
        cptr slot = root_slot(root);
        if (untyped_retype_all(piece->slot, OBJECT_UNTYPED, piece->bits - 1, ROOT_CNODE, slot, 1) != ERROR_NONE)
            return false;
        pieces[piece_count + half] = (struct device_piece){
            .address = piece->address + ((uint64_t)half << (piece->bits - 1)), .bits = piece->bits - 1, .slot = slot};
    }
    piece->low = piece_count;
    piece_count += 2;
    return true;
}

cptr root_device_frame(struct root *root, uint64_t address, uint32_t bits)
{
    struct device_piece *piece = NULL;
    if (piece_count == 0)
        pieces_collect(root);
    for (uint32_t i = 1; i < piece_count && !piece; i++)
        if (address - pieces[i].address < 1ul << pieces[i].bits)
            piece = &pieces[i]; /* the untypeds come first */
    if (!piece || piece->bits < bits || address % (1ul << bits) != 0)
        return 0;
    while (piece->bits > bits) {
        if (!piece->low && !piece_cut(root, piece))
            return 0;
        piece = &pieces[piece->low + (address >> (piece->bits - 1) & 1)];
    }
    cptr frame = root_slot(root);
    if (piece->is_frame || piece->low ||
        untyped_retype_all(piece->slot, OBJECT_FRAME, bits, ROOT_CNODE, frame, 1) != ERROR_NONE)
        return 0;
    piece->is_frame = true;
    return frame;
}
