/* The parts of UEFI that efi.c uses, written down from the UEFI Specification 2.10: 4.3 (system table), 4.4 (boot
 * services), 4.6 (configuration tables), 9.1 (loaded image), 12.9 (graphics output), 13.4, 13.5 (files), 37.5 (random
 * numbers). What is not used is a plain pointer with its place kept. */
#ifndef ARM64_EFI_H
#define ARM64_EFI_H

#include <stdint.h>

typedef uint64_t efi_status; /* 0 = success; errors have the highest bit set */
typedef void *efi_handle;
typedef uint16_t efi_char;

struct efi_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

struct efi_header {
    uint64_t signature;
    uint32_t revision, bytes, crc, reserved;
};

struct efi_text_output {
    void *reset;
    efi_status (*output_string)(struct efi_text_output *this, const efi_char *text);
};

enum efi_allocate { EFI_ALLOCATE_ANY = 0 };

struct efi_boot_services {
    struct efi_header header;
    void *raise_tpl, *restore_tpl;
    efi_status (*allocate_pages)(uint32_t how, uint32_t memory_type, uint64_t pages, uint64_t *address);
    void *free_pages;
    efi_status (*get_memory_map)(uint64_t *bytes, void *map, uint64_t *key, uint64_t *entry_bytes, uint32_t *version);
    void *allocate_pool, *free_pool;
    void *create_event, *set_timer, *wait_for_event, *signal_event, *close_event, *check_event;
    void *install_protocol, *reinstall_protocol, *uninstall_protocol;
    efi_status (*handle_protocol)(efi_handle handle, const struct efi_guid *protocol, void **interface);
    void *reserved, *register_protocol_notify, *locate_handle, *locate_device_path, *install_configuration_table;
    void *load_image, *start_image, *exit, *unload_image;
    efi_status (*exit_boot_services)(efi_handle image, uint64_t key);
    void *get_next_monotonic_count, *stall, *set_watchdog_timer, *connect_controller, *disconnect_controller;
    void *open_protocol, *close_protocol, *open_protocol_information, *protocols_per_handle, *locate_handle_buffer;
    efi_status (*locate_protocol)(const struct efi_guid *protocol, void *registration, void **interface);
};

struct efi_configuration_table {
    struct efi_guid guid;
    void *table;
};

struct efi_system_table {
    struct efi_header header;
    efi_char *firmware_vendor;
    uint32_t firmware_revision;
    efi_handle console_in_handle;
    void *console_in;
    efi_handle console_out_handle;
    struct efi_text_output *console_out;
    efi_handle standard_error_handle;
    struct efi_text_output *standard_error;
    void *runtime_services;
    struct efi_boot_services *boot_services;
    uint64_t table_count;
    struct efi_configuration_table *tables;
};

struct efi_loaded_image {
    uint32_t revision;
    efi_handle parent;
    struct efi_system_table *system_table;
    efi_handle device;
    void *file_path, *reserved;
    uint32_t load_options_bytes;
    efi_char *load_options;
};

#define EFI_FILE_READ 1ul
struct efi_file {
    uint64_t revision;
    efi_status (*open)(struct efi_file *this, struct efi_file **file, const efi_char *name, uint64_t mode,
                       uint64_t attributes);
    efi_status (*close)(struct efi_file *this);
    void *delete;
    efi_status (*read)(struct efi_file *this, uint64_t *bytes, void *buffer);
    void *write;
    efi_status (*get_position)(struct efi_file *this, uint64_t *position);
    efi_status (*set_position)(struct efi_file *this, uint64_t position); /* UINT64_MAX: the end */
};

struct efi_file_system {
    uint64_t revision;
    efi_status (*open_volume)(struct efi_file_system *this, struct efi_file **root);
};

enum efi_pixel_format { EFI_PIXEL_RGBX = 0, EFI_PIXEL_BGRX = 1 };
struct efi_graphics_information {
    uint32_t version, width, height, pixel_format, pixel_masks[4], pixels_per_line;
};
struct efi_graphics_mode {
    uint32_t mode_count, mode;
    struct efi_graphics_information *information;
    uint64_t information_bytes, framebuffer, framebuffer_bytes;
};
struct efi_graphics {
    void *query_mode, *set_mode, *blt;
    struct efi_graphics_mode *mode;
};

struct efi_random {
    void *get_information;
    efi_status (*get)(struct efi_random *this, const struct efi_guid *algorithm, uint64_t bytes, void *out);
};

#endif
