#!/usr/bin/python3
"""page_rights.py KERNEL_ELF IMAGE ARCHIVE NM

Looks at the kernel's translation tables of a finished run from outside: the machine is switched off by PSCI and kept,
its memory is saved through QEMU's monitor, and the tables are walked. No page may be both writable and executable, none
open to user level, the page under the stack is not mapped, and the image is not mapped a second time.
"""
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from halted_machine import halted_answer

RAM_BASE, RAM_BYTES = 0x40000000, 64 << 20
IMAGE_ADDRESS = 0x40200000  # where QEMU loads an Image
HALF = 0xFFFF000000000000
USER, READ_ONLY, PXN, UXN = 1 << 6, 1 << 7, 1 << 53, 1 << 54
ADDRESS = 0x0000FFFFFFFFF000


def saved_memory(image, archive, scratch):
    path = os.path.join(scratch, "ram")
    halted_answer(["qemu-system-aarch64", "-machine", "virt", "-cpu", "max", "-m", "64", "-kernel", image, "-initrd", archive],
                  f"pmemsave {RAM_BASE:#x} {RAM_BYTES} \"{path}\"\n")
    with open(path, "rb") as file:
        return file.read()


def symbols(nm, elf):
    lines = subprocess.run([nm, elf], check=True, capture_output=True, text=True).stdout.splitlines()
    return {fields[2]: int(fields[0], 16) for fields in map(str.split, lines) if len(fields) == 3}


def leaves(memory, table, level, base):
    """(virtual address, bytes, descriptor) of everything that is mapped; a table's own denials are merged in."""
    size = 1 << (12 + 9 * (level - 1))
    at = table - RAM_BASE
    for index, entry in enumerate(struct.unpack("<512Q", memory[at : at + 4096])):
        address = base + index * size
        if entry & 3 == 3 and level > 1:
            yield from leaves(memory, entry & ADDRESS, level - 1, address)
        elif entry & 1:
            yield address, size, entry


def problems(mapped, symbol):
    text, rodata, data, guard, end = (symbol[name] for name in ("image_start", "image_rodata", "image_data", "image_guard",
                                                                "image_end"))
    if len(mapped) < 50:
        yield f"only {len(mapped)} entries"
    for address, size, entry in mapped:
        where = f"{address:016x} ({entry:016x})"
        is_writable, is_executable = not entry & READ_ONLY, not entry & PXN
        if is_writable and is_executable:
            yield f"{where} is writable and executable"
        if entry & USER or not entry & UXN:
            yield f"{where} is open to user level"
        if is_executable != (text <= address < rodata):
            yield f"{where}: executable is {is_executable}"
        if text <= address < data and is_writable:
            yield f"{where}: text or constants are writable"
        if address <= guard < address + size:
            yield f"{where}: the page under the stack is mapped"
        physical = entry & ADDRESS
        image_end = IMAGE_ADDRESS + end - text
        if not text <= address < end and physical < image_end and physical + size > IMAGE_ADDRESS:
            yield f"{where}: the image is mapped a second time"


def main():
    elf, image, archive, nm = sys.argv[1:]
    symbol = symbols(nm, elf)
    with tempfile.TemporaryDirectory() as scratch:
        memory = saved_memory(image, archive, scratch)
    root = IMAGE_ADDRESS + symbol["boot_tables"] - symbol["image_start"]
    mapped = list(leaves(memory, root, 4, HALF))
    found = list(problems(mapped, symbol))
    print("\n".join(found) or f"page rights: {len(mapped)} entries, all as they should be")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
