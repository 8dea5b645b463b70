#!/usr/bin/python3
"""efi_position.py OBJDUMP OBJECT:OBJECT...

Objects of the EFI part must not need relocation at load time: no section that is loaded holds an absolute address.
"""
import re
import subprocess
import sys


def absolute_relocations(objdump, path):
    """(section, relocation line) of each absolute relocation outside of the debug information."""
    text = subprocess.run([objdump, "-r", path], check=True, capture_output=True, text=True).stdout
    section = ""
    for line in text.splitlines():
        begin = re.match(r"RELOCATION RECORDS FOR \[(.*)\]", line)
        if begin:
            section = begin.group(1)
        elif "_ABS" in line and "LDST" not in line and "_LO12" not in line and not section.startswith(".debug"):
            yield section, line


def main():
    objdump, paths = sys.argv[1], [path for path in sys.argv[2].split(":") if path]
    if len(paths) != 2:
        sys.exit(f"efi_position: {len(paths)} objects instead of efi.c's and efi.S's: {paths}")
    found = [(path, *where) for path in paths for where in absolute_relocations(objdump, path)]
    for path, section, line in found:
        print(f"{path}: {section}: {line}")
    if found:
        sys.exit("the EFI part holds absolute addresses, which nothing relocates")
    print(f"{len(paths)} objects, no absolute address")


if __name__ == "__main__":
    main()
