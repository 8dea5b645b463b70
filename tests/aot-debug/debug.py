#!/usr/bin/env python3
"""Debug information, from a module's DWARF to what a person sees.

    debug.py --target x86_64 --aot FILE --lib-dir DIR --wasm-dir DIR

Translates programs/lines.c (as DWARF 4 and 5), runs it on this host and compares trap reports with the lines that the
source's comments mark; asks gdb; and checks that code and output do not depend on any of it.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE / "programs" / "lines.c"


def run(command, **more):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
                          text=True, errors="replace", stdin=subprocess.DEVNULL, **more)


def marked_lines():
    lines = {}
    for number, text in enumerate(SOURCE.read_text().splitlines(), 1):
        mark = re.search(r"/\* LINE (\S+) \*/", text)
        if mark:
            lines[mark[1]] = number
    return lines


LINES = marked_lines()
ACCESS = int(re.search(r"LINE_OF_ACCESS (\d+)", (HERE / "programs" / "header.h").read_text())[1])
MAIN = "called from main (lines.c:{})"
REPORTS = {
    "access": "out of bounds memory access, in header_sum (header.h:{}) called from parse_header (lines.c:{}) ".format(
        ACCESS, LINES["sum"]) + MAIN.format(LINES["parse"]),
    "divide": "integer divide by zero, in divide (lines.c:{}) ".format(LINES["divide"]) + MAIN.format(LINES["call-divide"]),
    "trap": "unreachable, in check (lines.c:{}) ".format(LINES["trap"]) + MAIN.format(LINES["check"]),
    "recurse": "call stack exhausted, in recurse (lines.c:",
}


class Checks:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.problems = []
        self.runner = []
        if options.target == "arm64" and os.uname().machine != "aarch64":
            self.runner = ["qemu-aarch64-static"]

    def expect(self, condition, what):
        if not condition:
            self.problems.append(what)

    def translate(self, module, output, *more):
        words = [self.options.aot, "--target", self.options.target, "--lib-dir", self.options.lib_dir, "--library",
                 "libwasm_linux.a", *more]
        if os.geteuid() != 0 and int(pathlib.Path("/proc/sys/vm/mmap_min_addr").read_text()) != 0:
            words.append("--no-page-zero")
        done = run([*words, "-o", output, module])
        self.expect(done.returncode == 0, f"{module} {more}: {done.stderr}")
        return output

    def module(self, name):
        return pathlib.Path(self.options.wasm_dir) / f"{name}.wasm"

    def check_reports(self):
        """Every kind of trap, in optimised code and in code as it stands, from both versions of DWARF."""
        for name, level in (("lines", "-O2"), ("lines", "-O0"), ("lines5", "-O2")):
            image = self.translate(self.module(name), self.folder / name, level)
            for argument, wanted in REPORTS.items():
                done = run([*self.runner, image, argument])
                self.expect(done.returncode == 134 and ("wasm trap: " + wanted) in done.stderr,
                            f"{name} {level} {argument}: {done.stderr.strip()}, not {wanted}")

    def check_names_only(self):
        """-g0: functions by name, and those that were inlined into others are not seen."""
        image = self.translate(self.module("lines"), self.folder / "names", "-g0", "-O0")
        done = run([*self.runner, image, "access"])
        wanted = "wasm trap: out of bounds memory access, in parse_header called from "
        self.expect(done.stderr.startswith(wanted) and "(" not in done.stderr, f"-g0: {done.stderr}")

    def check_without_dwarf(self):
        """A module that has names but no DWARF: the functions that LLVM inlined are named."""
        (self.folder / "plain.wat").write_text("""(module (memory 1)
            (func $inner (param i32) (result i32) (i32.load (local.get 0)))
            (func $outer (param i32) (result i32) (i32.add (call $inner (local.get 0)) (i32.const 1)))
            (func (export "_start") (drop (call $outer (i32.const -8)))))""")
        done = run(["wat2wasm", "--debug-names", self.folder / "plain.wat", "-o", self.folder / "plain.wasm"])
        self.expect(done.returncode == 0, done.stderr)
        for level in ("-O0", "-O2"):
            done = run([*self.runner, self.translate(self.folder / "plain.wasm", self.folder / "plain", level)])
            self.expect(done.stderr == "wasm trap: out of bounds memory access, in inner called from outer called from _start\n",
                        f"without DWARF: {done.stderr}")

    def text_section(self, file):
        copy = self.folder / "text"
        done = run(["llvm-objcopy-19", "-O", "binary", "--only-section=.text", file, copy])
        self.expect(done.returncode == 0, done.stderr)
        return copy.read_bytes()

    def check_code(self):
        """The same instructions with all debug information and with none."""
        for name, levels in (("lines", ("-O0", "-O2")), ("throwing", ("-O1",))):
            for level in levels:
                texts = []
                for kind in ("-g0", "-g1", "-g"):
                    out = self.folder / "code.o"
                    done = run([self.options.aot, "--target", self.options.target, level, kind, "--emit", "obj", "-o", out,
                                self.module(name)])
                    self.expect(done.returncode == 0, done.stderr)
                    texts.append(self.text_section(out))
                self.expect(texts[0] == texts[1] == texts[2] and len(texts[0]) > 1000, f"{name} {level}: code depends on -g")

    def check_deterministic(self):
        first = self.translate(self.module("lines"), self.folder / "first", "-g").read_bytes()
        (self.folder / "elsewhere").mkdir()
        copy = self.folder / "elsewhere" / "renamed.wasm"
        copy.write_bytes(self.module("lines").read_bytes())
        second = self.translate(copy, self.folder / "second", "-g", "-j1").read_bytes()
        self.expect(first == second, "-g: two translations differ")

    def check_damaged(self):
        """DWARF that is wrong is a warning that names the place; the program is translated all the same."""
        module = bytearray(self.module("lines").read_bytes())
        at = module.index(b"\x0b.debug_line") + 12
        module[at + 4:at + 6] = b"\x63\x00"  # the first table's version
        (self.folder / "damaged.wasm").write_bytes(module)
        done = run([self.options.aot, "--target", self.options.target, "--emit", "obj", "-o", self.folder / "damaged.o",
                    self.folder / "damaged.wasm"])
        wanted = f"damaged.wasm: {at + 6:#x}: warning: .debug_line: a line table of an unknown version"
        self.expect(done.returncode == 0 and wanted in done.stderr, f"damaged: {done.stderr}, not {wanted}")

    def gdb(self):
        return "gdb-multiarch" if self.options.target == "arm64" and os.uname().machine != "aarch64" else "gdb"

    def check_gdb(self):
        """gdb knows the image's functions, stops at lines and shows them."""
        image = self.translate(self.module("lines"), self.folder / "gdb", "-g")
        commands = ["info functions recurse", "break parse_header", f"info line lines.c:{LINES['parse']}",
                    f"break header.h:{ACCESS}", f"directory {SOURCE.parent}", "list parse_header"]
        done = run([self.gdb(), "-batch", "-nx", "-iex",
                    "set auto-load off", *(word for command in commands for word in ("-ex", command)), image])
        for wanted in (r"lines\.c:\n.* recurse\(", r"Breakpoint 1 at 0x4\w+", rf'Line {LINES["parse"]} of ".*lines\.c" .*at address 0x4',
                       r"Breakpoint 2 at 0x4\w+", r"sum \+= header"):
            self.expect(re.search(wanted, done.stdout), f"gdb: no {wanted} in {done.stdout}{done.stderr}")
        sections = run(["llvm-readelf-19", "-S", "--wide", image]).stdout
        self.expect(".debug_line" in sections, "-g: no .debug_line in the image")
        plain = self.translate(self.module("lines"), self.folder / "nodebug")
        self.expect(".debug_" not in run(["llvm-readelf-19", "-S", "--wide", plain]).stdout, "DWARF in the image without -g")
        done = run(["llvm-readelf-19", "-s", "--wide", plain])
        self.expect("wasm.recurse" in done.stdout and not done.stderr, f"symbols: {done.stdout[:500]}{done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True)
    parser.add_argument("--aot", required=True)
    parser.add_argument("--lib-dir", required=True)
    parser.add_argument("--wasm-dir", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aot-debug-") as folder:
        checks = Checks(options, pathlib.Path(folder))
        for name in sorted(dir(checks)):
            if name.startswith("check_"):
                getattr(checks, name)()
    for problem in checks.problems:
        print(f"FAIL {problem}")
    print(f"{len(checks.problems)} problems")
    return 1 if checks.problems else 0


if __name__ == "__main__":
    sys.exit(main())
