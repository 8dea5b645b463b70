/* Images by archive member: found, summed and checked when first needed, then kept. */
#include "server.h"
#include "tessera/invoke.h"
#include "tessera/text.h"

static struct program_image images[IMAGES];
static uint32_t image_count;

/* The boot loader wrote the bytes as data; on arm64 the instruction side must be told, once. */
static void code_sync(const struct program_image *image)
{
#if defined(__aarch64__)
    for (uint32_t i = 0; i < image->image.segment_count; i++) {
        const struct image_segment *segment = &image->image.segments[i];
        if (segment->access & IMAGE_EXECUTE)
            archive_sync_code(&server.archive_map, image->offset + segment->file_offset, segment->file_bytes);
    }
#else
    (void)image;
#endif
}

/* Tables that every process of this image will share; without memory for them it works without. */
static void text_make(struct program_image *image)
{
    struct memory memory;
    if (!memory_take(&server.pool, sizeof(struct shared_text), &memory))
        return;
    struct shared_text *text = (struct shared_text *)(void *)memory.view;
    if (!shared_text_make(text, &server.pool, &server.archive_map, image->offset, &image->image)) {
        memory_return(&server.pool, &memory);
        return;
    }
    image->text = text;
    server.own_pages += memory.bytes;
    server.own_blocks += text->owner.block_count;
}

static void image_load(struct program_image *image)
{
    struct archive_member member;
    size_t where = 0;
    if (!archive_find(&server.archive, image->member, &member)) {
        text_format(image->problem, sizeof(image->problem), "the archive has no member '%s'", image->member);
        return;
    }
    const char *damage = archive_verify(&member);
    if (damage) {
        text_format(image->problem, sizeof(image->problem), "%s", damage);
        return;
    }
    enum image_error error = image->is_native
                                 ? image_check_elf(member.data, member.bytes, IMAGE_MACHINE, &image->image, &where)
                                 : image_check(member.data, member.bytes, IMAGE_MACHINE, &image->image, &where);
    if (error != IMAGE_OK) {
        text_format(image->problem, sizeof(image->problem), "%s at byte %lu", image_error_text(error), where);
        return;
    }
    image->offset = member.offset;
    image->bytes = member.bytes;
    image->is_good = true;
    code_sync(image);
    text_make(image);
}

struct program_image *image_get(const char *member, bool is_native)
{
    for (uint32_t i = 0; i < image_count; i++)
        if (images[i].is_native == is_native && text_equal(images[i].member, member))
            return &images[i];
    if (image_count == IMAGES)
        return NULL;
    struct program_image *image = &images[image_count++];
    *image = (struct program_image){.member = member, .is_native = is_native};
    image_load(image);
    return image;
}
