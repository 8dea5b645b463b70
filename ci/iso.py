#!/usr/bin/python3
"""Makes a bootable image of a kernel and a system archive.

    ci/iso.py --arch x86_64 --kernel tessera.elf --archive demo.cpio -o demo.iso
    ci/iso.py --arch arm64 --kernel Image --archive demo.cpio -o demo.iso

x86-64: GRUB with multiboot2, for BIOS and UEFI; kernel and archive lie in the ISO 9660 tree under /boot.
arm64: an EFI system partition with the kernel as \\EFI\\BOOT\\BOOTAA64.EFI and the archive as \\tessera.cpio.
Both boot as a CD and, copied with dd, as a disk. The same input gives the same image.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

GRUB = "/usr/lib/grub"
GRUB_MODULES = ["iso9660", "part_gpt", "part_msdos", "search_fs_file", "multiboot2", "boot", "halt", "echo", "serial"]
# GRUB's rescue parser reads this line by line and goes on after an error: without an archive the kernel still
# starts, and says what is missing; without a kernel the machine halts instead of waiting at a prompt.
GRUB_CONFIG = """\
search.file /boot/tessera.elf root
multiboot2 /boot/tessera.elf
module2 /boot/tessera.cpio
boot
echo "The boot medium holds no kernel that can be started."
halt
"""
GRUB_SERIAL = "serial --unit=0 --speed=115200\nterminal_output serial console\n"
SOURCE_DATE = 1767225600  # 2026-01-01: every file and volume date
GPT_ESP = "28732ac11ff8d211ba4b00a0c93ec93b"
GPT_BASIC_DATA = "a2a0d0ebe5b9334487c068b6b72699c7"


class ImageError(Exception):
    pass


def call(command, what):
    environment = dict(os.environ, TZ="UTC", LC_ALL="C", SOURCE_DATE_EPOCH=str(SOURCE_DATE))
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True)
    except FileNotFoundError:
        raise ImageError(f"{command[0]} is missing: './tessera setup' installs it") from None
    if done.returncode:
        raise ImageError(f"{what} failed ({command[0]} exited with {done.returncode}):\n{done.stdout.rstrip()}")


def place(source, target):
    """Copy a file to where the image wants it, with the date of every file."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target)
    os.utime(target, (SOURCE_DATE, SOURCE_DATE))


def make_fat(image, files):
    """A FAT file system with the files {path: source}, sized to fit them."""
    total = sum(os.path.getsize(source) for source in files.values())
    # One per cent and 512 KiB more hold the allocation tables and directories at any cluster size.
    sectors = (total + total // 100 + (512 << 10)) // 512
    sectors += -sectors % 2048
    call(["mformat", "-i", image, "-C", "-T", str(sectors), "-s", "32", "-h", "64", "-N", "7e55e8a0", "-v", "TESSERA",
          "::"], "making the EFI system partition")
    folders = set()
    for path, source in files.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                call(["mmd", "-i", image, "::/" + folder], "making a folder of the EFI system partition")
        call(["mcopy", "-m", "-i", image, source, "::/" + path], "filling the EFI system partition")


def grub_image(platform, config, modules, out, scratch):
    if not os.path.isdir(os.path.join(GRUB, platform)):
        package = "grub-pc-bin" if platform == "i386-pc" else "grub-efi-amd64-bin"
        raise ImageError(f"GRUB for {platform} is missing: './tessera setup' installs {package}")
    config_path = os.path.join(scratch, f"{platform}.cfg")
    with open(config_path, "w", encoding="ascii") as file:
        file.write(config)
    format_name = "i386-pc-eltorito" if platform == "i386-pc" else platform
    call(["grub-mkimage", "-O", format_name, "-d", os.path.join(GRUB, platform), "-p", "/boot/grub", "-c", config_path,
          "-o", out, *modules], f"making GRUB for {platform}")


def xorriso(tree, out, options):
    date = "2026010100000000"
    call(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", "TESSERA", f"--modification-date={date}",
          "--set_all_file_dates", date, *options, "-o", out, tree], "making the image")


def esp_options(esp):
    """The EFI system partition behind the ISO 9660 tree, found by firmware in CD and in disk form."""
    return ["-partition_offset", "16", "-append_partition", "2", GPT_ESP, esp, "-appended_part_as_gpt",
            "-iso_mbr_part_type", GPT_BASIC_DATA]


def esp_boot_entry():
    return ["-e", "--interval:appended_partition_2:all::", "-no-emul-boot"]


def make_x86_64(kernel, archive, out, scratch):
    tree = os.path.join(scratch, "tree")
    place(kernel, os.path.join(tree, "boot/tessera.elf"))
    place(archive, os.path.join(tree, "boot/tessera.cpio"))
    bios = os.path.join(tree, "boot/grub/eltorito.img")
    os.makedirs(os.path.dirname(bios))
    grub_image("i386-pc", GRUB_SERIAL + GRUB_CONFIG, ["biosdisk", *GRUB_MODULES], bios, scratch)
    efi = os.path.join(scratch, "bootx64.efi")
    grub_image("x86_64-efi", GRUB_CONFIG, ["efi_gop", *GRUB_MODULES], efi, scratch)
    for path in (bios, efi):
        os.utime(path, (SOURCE_DATE, SOURCE_DATE))
    esp = os.path.join(scratch, "esp.img")
    make_fat(esp, {"EFI/BOOT/BOOTX64.EFI": efi})
    xorriso(tree, out, ["--grub2-mbr", f"{GRUB}/i386-pc/boot_hybrid.img", "--protective-msdos-label",
                        "--mbr-force-bootable", "-partition_cyl_align", "off", *esp_options(esp),
                        "-c", "/boot/boot.catalog", "-b", "boot/grub/eltorito.img", "-no-emul-boot",
                        "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info", "-eltorito-alt-boot",
                        *esp_boot_entry()])


def make_arm64(kernel, archive, out, scratch):
    tree = os.path.join(scratch, "tree")
    os.makedirs(tree)
    files = {"EFI/BOOT/BOOTAA64.EFI": kernel, "tessera.cpio": archive}
    dated = {}
    for number, (path, source) in enumerate(files.items()):
        dated[path] = os.path.join(scratch, str(number), "file")
        place(source, dated[path])
    esp = os.path.join(scratch, "esp.img")
    make_fat(esp, dated)
    xorriso(tree, out, [*esp_options(esp), "-c", "/boot.catalog", *esp_boot_entry()])


def make(arch, kernel, archive, out):
    """Write the image; raises ImageError. A failed run leaves the old file as it was."""
    for path, what in ((kernel, "kernel"), (archive, "archive")):
        if not os.path.isfile(path):
            raise ImageError(f"the {what} {path} does not exist")
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tessera-iso-", dir=os.path.dirname(os.path.abspath(out))) as scratch:
        fresh = os.path.join(scratch, "out.iso")
        {"x86_64": make_x86_64, "arm64": make_arm64}[arch](kernel, archive, fresh, scratch)
        os.replace(fresh, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--archive", required=True)
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args()
    try:
        make(options.arch, options.kernel, options.archive, options.output)
    except (ImageError, OSError) as error:
        print(f"iso.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
