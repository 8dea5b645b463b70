#!/usr/bin/env python3
"""wabt's opinion on modules, for opinion.h: one wasm-validate for each."""
import os
import re
import struct
import subprocess
import sys
import tempfile

from wabt_compare import OPTIONS

# What wabt 1.0.32 refuses though it is valid in version 3.0, whose rules these are. Everything else that wabt refuses and the reader takes is a finding.
NO_OPINION = re.compile("|".join((
    # Address types of tables (core 3.0, "Table Types"): this wabt knows them for memories only. table64.wast, table_get64.wast
    r"tables may not be 64-bit",
    # Limits are u64, also of 32-bit memories and tables (core 3.0, binary format, "Limits"), so that they may take more than five
    # bytes; how large they may be is for validation.
    r"unable to read u32 leb128: (memory|table) (initial|max)",
    # A constant expression may name every immutable global before it (core 3.0, "Constant Expressions"). wabt says something
    # else of mutable ones, and of those behind. global.wast
    r"initializer expression can only reference an imported global",
)))


def without_custom_sections(module):
    """wabt refuses a module for an error in its names, which the specification does not."""
    kept, at = module[:8], 8
    while at < len(module):
        start, at, size, shift = at, at + 1, 0, 0
        while True:
            size |= (module[at] & 0x7f) << shift
            shift, at = shift + 7, at + 1
            if module[at - 1] < 0x80:
                break
        at += size
        kept += module[start:at] if module[start] != 0 else b""
    return kept


def opinion(path):
    done = subprocess.run(["wasm-validate", *OPTIONS["wabt"], path], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return "ok"
    text = " ".join((done.stdout + done.stderr).split())[:400]
    return ("? " if NO_OPINION.search(text) else "no ") + text


def main():
    with tempfile.NamedTemporaryFile(suffix=".wasm") as file:
        while head := sys.stdin.buffer.read(4):
            module = sys.stdin.buffer.read(struct.unpack("<I", head)[0])
            file.seek(0)
            file.truncate()
            file.write(without_custom_sections(module))
            file.flush()
            os.write(1, opinion(file.name).encode() + b"\n")


if __name__ == "__main__":
    main()
