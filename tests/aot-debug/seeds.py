#!/usr/bin/env python3
"""First inputs of the DWARF reader's fuzzer: small programs, compiled by clang with all versions of DWARF.

    seeds.py FOLDER

An input is as fuzz_dwarf.c describes. What they led to is in corpus.bin:

    seeds.py FOLDER && ../harness/fuzz.py --fuzzer build/host/tests/aot-debug/dwarf-fuzz --corpus corpus.bin --keep FOLDER
"""
import pathlib
import struct
import subprocess
import sys
import tempfile

SECTIONS = [".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_line_str", ".debug_str_offsets", ".debug_addr",
            ".debug_ranges", ".debug_rnglists"]
PROGRAMS = {
    "inline.c": "static inline int twice(int a) { return a / 2 + a; }\nint f(int a, int *p)\n{\n  if (a) p[a] = twice(a);\n"
                "  return twice(p[1]);\n}\nint g(int a) { int t[3] = {a}; return f(a, t); }\n",
    "split.c": "__attribute__((section(\"a\"))) int f(int a) { return a * 3; }\n#line 77 \"other.c\"\nint g(int a)\n{ return f(a) % 7; }\n",
    "class.cc": "namespace n { struct s { int a; int get() const { return a / 3; } }; int of(s *x) { return x->get() + x[1].get(); } }\n",
}


def read_leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at


def custom_sections(module):
    found, at = {}, 8
    while at < len(module):
        kind = module[at]
        size, at = read_leb(module, at + 1)
        if kind == 0:
            length, name = read_leb(module, at)
            found[module[name:name + length].decode()] = module[name + length:at + size]
        at += size
    return found


def seed(source, text, flags, folder):
    with tempfile.TemporaryDirectory() as work:
        (pathlib.Path(work) / source).write_text(text)
        subprocess.run(["clang-19", "--target=wasm32", *flags, "-c", source, "-o", "m.o"], cwd=work, check=True)
        # Linked without -O, with which clang runs wasm-opt.
        subprocess.run(["clang-19", "--target=wasm32", "-nostdlib", "-Wl,--no-entry,--export-all", "m.o", "-o", "m.wasm"], cwd=work, check=True)
        sections = custom_sections((pathlib.Path(work) / "m.wasm").read_bytes())
    parts = [sections.get(name, b"") for name in SECTIONS]
    data = b"\0" + b"".join(struct.pack("<H", len(part)) + part for part in parts)
    (folder / f"{source}{''.join(flags)}").write_bytes(data)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for source, text in PROGRAMS.items():
        for version in "2345":
            for level in ("-O0", "-O2"):
                seed(source, text, [f"-gdwarf-{version}", level], folder)
        seed(source, text, ["-gline-tables-only", "-O2", "-ffunction-sections"], folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
