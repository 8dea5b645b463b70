#!/usr/bin/python3
"""Holds what the kernel can write at fixed addresses: every such object is one of docs/kernel.md's table "What there is one of".

    ci/kernel_state.py --arch ARCH --build-dir DIR

Whatever a core needs for itself is part of kernel_cores; so each other writable object of the executable must be explained as one
for the whole machine. The check fails for an object that the table does not name for this machine, and for a name that is gone.
"""
import argparse
import os
import re
import struct
import sys

from sources import ROOT

PAGE = os.path.join(ROOT, "docs", "kernel.md")
HEADING = "## What there is one of"
SHF_WRITE, SHT_SYMTAB = 1, 2
MACHINES = {"x86-64": ("x86_64",), "arm64": ("arm64",), "both": ("x86_64", "arm64")}
LABEL = re.compile(r"^\s*(\w+) = ", re.MULTILINE)  # in a linker script


def writable_symbols(elf):
    """The names of all symbols in writable sections of an ELF64 file."""
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    entry_bytes, count = struct.unpack_from("<HH", elf, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, table + i * entry_bytes) for i in range(count)]
    names = set()
    for _, kind, _, _, offset, size, link, _, _, step in sections:
        if kind != SHT_SYMTAB:
            continue
        strings = sections[link][4]
        for at in range(offset, offset + size, step):
            name, _, _, section = struct.unpack_from("<IBBH", elf, at)
            if 0 < section < count and sections[section][2] & SHF_WRITE:
                end = elf.index(b"\0", strings + name)
                names.add(elf[strings + name:end].decode())
    return names


def objects(symbols, labels):
    """Without the linker script's labels, arm64's mapping symbols and the numbers that tell local statics apart."""
    return {re.sub(r"\.\d+$", "", name) for name in symbols if name and not name.startswith("$") and name not in labels}


def explained(page, arch):
    """What the page's table names for this machine."""
    rows = [row.split("|")[1:4] for row in page.partition(HEADING)[2].split("\n## ")[0].splitlines() if row.startswith("| `")]
    return {name for names, machine, reason in rows if arch in MACHINES[machine.strip()] and reason.strip()
            for name in re.findall(r"`(\w+)`", names)}


def faults(found, known):
    return ([f"{name} is writable, and docs/kernel.md does not say why there is one of it" for name in sorted(found - known)] +
            [f"{name} is in docs/kernel.md's table, but not in the kernel" for name in sorted(known - found)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True, metavar="DIR")
    options = parser.parse_args()
    with open(os.path.join(options.build_dir, "kernel", "tessera.elf"), "rb") as file:
        symbols = writable_symbols(file.read())
    with open(os.path.join(ROOT, "arch", options.arch, "linker.ld"), encoding="utf-8") as file:
        labels = set(LABEL.findall(file.read()))
    with open(PAGE, encoding="utf-8") as file:
        known = explained(file.read(), options.arch)
    found = objects(symbols, labels)
    wrong = faults(found, known)
    print("\n".join(wrong) if wrong else f"kernel-state: {len(found)} writable objects, all explained")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
