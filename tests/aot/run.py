#!/usr/bin/env python3
"""Translates the cases in cases/*.wat and runs them on the development host.

The first lines of a case say what must happen; the rest is the module:

    ;; options: -O0 --link lib=lib.wat     for tessera-aot; *.wat among them are assembled first,
                                        *.json found beside the case
    ;; wat2wasm: --enable-tail-call        for wat2wasm
    ;; output: hello                       a line of standard output; in order, and no others
    ;; exit: 3                             the exit status; 0 by default
    ;; trap: unreachable, in inner         instead of an exit: the report must be exactly this, or another such line
    ;; error: 0x1a: unknown import         translation must end with status 1 and a message that contains this
    ;; asm: x86_64: movl 16(%rax), %eax    the assembly for that target must contain this (spaces are one)
    ;; no-asm: arm64: bl wasm.f            or must not
    ;; target: x86_64                      only for this target
"""
import argparse
import errno
import itertools
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import tempfile

import exnref
import hostile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def host_maps_page_zero():
    floor = pathlib.Path("/proc/sys/vm/mmap_min_addr")
    return os.geteuid() == 0 or int(floor.read_text()) == 0


def run(command, timeout=60, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, text=True,
                          errors="replace", **more)


class Case:
    def __init__(self, file, options):
        self.file = file
        self.options = options
        self.wants = {"output": [], "error": [], "asm": [], "no-asm": [], "options": [], "wat2wasm": [], "exit": [],
                      "trap": [], "target": []}
        for line in file.read_text().splitlines():
            match = re.match(r";; ([a-z0-9-]+): ?(.*)$", line)
            if not match:
                break
            self.wants[match[1]].append(match[2])
        self.words = " ".join(self.wants["options"]).split()

    def assemble(self, source, folder):
        module = folder / (source.stem + ".wasm")
        flags = " ".join(self.wants["wat2wasm"]).split()
        done = run(["wat2wasm", "--debug-names", *flags, str(source), "-o", str(module)])
        if done.returncode != 0:
            raise AssertionError(f"wat2wasm: {done.stderr}")
        return module

    def translate(self, folder, output, *more):
        words = []
        for word in self.words:
            name, _, source = word.rpartition("=")
            if source.endswith(".wat"):
                word = f"{name}={self.assemble(HERE / 'cases' / source, folder)}"
            elif word.endswith(".json"):
                word = str(HERE / "cases" / word)
            words.append(word)
        module = self.assemble(self.file, folder)
        if not host_maps_page_zero():
            words.append("--no-page-zero")
        return run([self.options.aot, "--target", self.options.target, "--lib-dir", self.options.lib_dir, "--library",
                    "libwasm_linux.a", *words, *more, "-o", str(output), str(module)])

    def check_assembly(self, folder):
        for key in ("asm", "no-asm"):
            for want in self.wants[key]:
                target, text = want.split(": ", 1)
                if target != self.options.target or not host_maps_page_zero():
                    continue
                done = self.translate(folder, folder / "asm", "--emit", "asm")
                assert done.returncode == 0, done.stderr
                assembly = re.sub(r"[ \t]+", " ", (folder / "asm").read_text())
                assert (text in assembly) == (key == "asm"), f"{key} '{text}':\n{assembly}"

    def check_run(self, image):
        runner = ["qemu-aarch64-static"] if self.options.target == "arm64" and os.uname().machine != "aarch64" else []
        done = run([*runner, str(image)], stdin=subprocess.DEVNULL)
        output = done.stdout.splitlines()
        assert output == self.wants["output"], f"output {output}, status {done.returncode}, {done.stderr}"
        if self.wants["trap"]:
            assert done.stderr.strip() in ["wasm trap: " + text for text in self.wants["trap"]], done.stderr
            return
        status = int((self.wants["exit"] or ["0"])[0])
        assert done.returncode == status, f"exit status {done.returncode}: {done.stderr}"

    def check(self):
        with tempfile.TemporaryDirectory(prefix="aot-") as folder:
            folder = pathlib.Path(folder)
            image = folder / "image"
            done = self.translate(folder, image)
            if self.wants["error"]:
                assert done.returncode == 1, f"translated with status {done.returncode}: {done.stderr}"
                assert len(done.stderr.splitlines()) == 1, f"not one message: {done.stderr}"
                for want in self.wants["error"]:
                    assert want in done.stderr, f"no '{want}' in: {done.stderr}"
                assert not image.exists(), "an image in spite of the error"
                return
            assert done.returncode == 0, f"not translated ({done.returncode}): {done.stderr}"
            first = image.read_bytes()
            assert self.translate(folder, image).returncode == 0 and image.read_bytes() == first, "not deterministic"
            self.check_run(image)
            self.check_parts(folder)
            self.check_assembly(folder)

    def check_parts(self, folder):
        """In many parts: the same bytes from any number of processes, and the same outcome."""
        images = []
        for jobs in ("1", "2", "7"):
            image = folder / f"parts{jobs}"
            done = self.translate(folder, image, "--part-bytes", "60", "-j", jobs, "--verify")
            assert done.returncode == 0, f"not translated in parts ({done.returncode}): {done.stderr}"
            images.append(image.read_bytes())
        assert images[0] == images[1] == images[2], "in parts: not the same from 1, 2 and 7 processes"
        self.check_run(image)


def check_commands(options):
    """What the command line itself must answer."""
    problems = []
    for arguments, status, text in (
            (["--help"], 0, "Usage: tessera-aot"),
            (["--version"], 0, "LLVM 19"),
            ([], 1, "no input"),
            (["--target", "vax", "x.wasm"], 1, "--target is x86_64 or arm64"),
            (["-O7", "x.wasm"], 1, "-O goes from 0 to 3"),
            (["--emit", "cobol", "x.wasm"], 1, "--emit is image, obj, llvm or asm"),
            (["--link", "nothing", "x.wasm"], 1, "--link wants NAME=FILE"),
            (["-j0", "x.wasm"], 1, "-j wants a number"),
            (["-j", "2x", "x.wasm"], 1, "-j wants a number"),
            (["--nonsense"], 1, "nonsense"),
            (["/nonexistent.wasm"], 1, "/nonexistent.wasm: No such file or directory"),
            (["/dev/null"], 1, "/dev/null: "),
            (["a.wasm", "b.wasm"], 1, "one input at a time")):
        done = run([options.aot, *arguments])
        if done.returncode != status or text not in done.stdout + done.stderr:
            problems.append(f"tessera-aot {' '.join(arguments)}: status {done.returncode}: {done.stdout}{done.stderr}")
    return problems


def check_damage(options):
    """Truncated modules and modules with flipped bytes: an error or a translation, never a crash or a hang."""
    problems = []
    with tempfile.TemporaryDirectory(prefix="aot-damage-") as folder:
        folder = pathlib.Path(folder)
        source = folder / "whole.wasm"
        subprocess.run(["wat2wasm", "--debug-names", str(HERE / "cases" / "everything.wat"), "-o", str(source)], check=True)
        whole = source.read_bytes()
        damaged = folder / "damaged.wasm"
        variants = [whole[:length] for length in range(0, len(whole), max(1, len(whole) // 40))]
        for position in range(8, len(whole), max(1, len(whole) // 160)):
            variants.append(whole[:position] + bytes([whole[position] ^ 0xff]) + whole[position + 1:])
            variants.append(whole[:position] + bytes([whole[position] ^ 0x01]) + whole[position + 1:])
        for number, bytes_ in enumerate(variants):
            damaged.write_bytes(bytes_)
            done = run([options.aot, "--target", options.target, "-O1", "--emit", "obj", "-o", str(folder / "object"),
                        str(damaged)])
            if done.returncode not in (0, 1) or (done.returncode == 1) != bool(done.stderr.strip()):
                problems.append(f"damaged module {number}: status {done.returncode}: {done.stderr}")
    return problems


def translate_and_run(options, module, image, *more):
    """What became of the translator, or of the program when it could be translated."""
    if not host_maps_page_zero():
        more = [*more, "--no-page-zero"]
    done = run([options.aot, "--target", options.target, "--lib-dir", options.lib_dir, "--library", "libwasm_linux.a",
                *more, "-o", str(image), str(module)])
    if done.returncode != 0:
        return done
    runner = ["qemu-aarch64-static"] if options.target == "arm64" and os.uname().machine != "aarch64" else []
    return run([*runner, str(image)])


def check_programs(options):
    """Modules that clang and wasi-libc made, where the host configuration has built them."""
    problems = []
    for name, wanted in (("compute", 0),):
        module = pathlib.Path(options.wasm_dir) / f"{name}.wasm"
        if not module.exists():
            print(f"note: {module} is not built; not run here")
            continue
        with tempfile.TemporaryDirectory(prefix="aot-") as folder:
            image = pathlib.Path(folder) / name
            more = [] if host_maps_page_zero() else ["--no-page-zero"]
            done = run([options.aot, "--target", options.target, "--lib-dir", options.lib_dir, "--library",
                        "libwasm_linux.a", *more, "-o", str(image), str(module)])
            if done.returncode == 0:
                runner = ["qemu-aarch64-static"] if options.target == "arm64" and os.uname().machine != "aarch64" else []
                done = run([*runner, str(image)])
            if done.returncode != wanted:
                problems.append(f"{name}: status {done.returncode}: {done.stdout[-500:]}{done.stderr}")
    return problems


def parts_source(functions=450, steps=60):
    """A module large enough for its code to be generated in parts; each function calls one of the part before, through a
    table now and then, and all count in a global. And the exit status of its program."""
    bodies, value = [], 1
    for number in range(functions):
        lines = ["global.get $count", "i32.const 1", "i32.add", "global.set $count", "local.get 0"]
        if number:
            lines += ([f"i32.const {number - 1}", "call_indirect (type $step)"] if number % 7 == 0
                      else [f"call $f{number - 1}"])
        for step in range(steps):
            factor, mask = 2 * (number + step) + 3, (number * 977 + step * 31) % 65536
            lines += [f"i32.const {factor}", "i32.mul", f"i32.const {mask}", "i32.xor", "local.tee 0", "local.get 0",
                      "i32.const 16", "i32.shr_u", "i32.xor"]
            value = (value * factor & 0xffffffff) ^ mask
            value ^= value >> 16
        bodies.append(f"(func $f{number} (type $step) {' '.join(lines)})")
    names = " ".join(f"$f{number}" for number in range(functions))
    return f"""(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (type $step (func (param i32) (result i32)))
  (memory 1) (global $count (mut i32) (i32.const 0))
  (table funcref (elem {names}))
  {chr(10).join(bodies)}
  (func (export "_start")
    (call $exit (i32.and (i32.add (call $f{functions - 1} (i32.const 1)) (global.get $count)) (i32.const 127)))))""", \
        (value + functions) & 127


def check_parts(options):
    """A module of many parts as it comes, with and without optimisation: the same bytes from any number of processes, and
    a program that works."""
    source, wanted = parts_source()
    problems = []
    with tempfile.TemporaryDirectory(prefix="aot-") as folder:
        module = pathlib.Path(folder) / "parts.wasm"
        (pathlib.Path(folder) / "parts.wat").write_text(source)
        assert run(["wat2wasm", str(module.with_suffix(".wat")), "-o", str(module)]).returncode == 0
        for level, jobs in (("0", "127"), ("2", "12")):
            images = []
            for number in jobs:
                image = pathlib.Path(folder) / f"parts{number}"
                done = translate_and_run(options, module, image, f"-O{level}", "-j", number, "--part-bytes", "30000")
                if done.returncode != wanted:
                    problems.append(f"parts -O{level} -j {number}: status {done.returncode} instead of {wanted}: {done.stderr}")
                images.append(image.read_bytes() if image.exists() else None)
            if any(bytes_ != images[0] for bytes_ in images):
                problems.append(f"parts -O{level}: the number of processes makes a difference")
    return problems


def check_hostile(options):
    """Functions that LLVM's optimiser takes minutes or gigabytes for end soon, with an image or a message."""
    problems = []
    for name, shape in hostile.SHAPES.items():
        with tempfile.TemporaryDirectory(prefix="aot-") as folder:
            module, image = pathlib.Path(folder) / "hostile.wasm", pathlib.Path(folder) / "image"
            module.write_bytes(shape(100000))
            begin = os.times()
            try:
                done = run([options.aot, "--target", options.target, "--lib-dir", options.lib_dir, "--library", "libwasm_linux.a",
                            "-j", "1", "-o", str(image), str(module)])
            except subprocess.TimeoutExpired:
                problems.append(f"hostile {name}: no end")
                continue
            seconds = os.times().children_user - begin.children_user
            if name == "carried" and (done.returncode != 1 or "carry too many values" not in done.stderr):
                problems.append(f"hostile {name}: status {done.returncode}: {done.stderr}")
            if name != "carried" and (done.returncode != 0 or not image.exists()):
                problems.append(f"hostile {name}: status {done.returncode}: {done.stderr}")
            if seconds > 5:
                problems.append(f"hostile {name}: {seconds} s of CPU time")
    return problems


def terminal_text(ours):
    """All that was written to the other side, which is closed: a read gives a piece, and in the end EIO."""
    pieces = []
    try:
        while piece := os.read(ours, 1 << 16):
            pieces.append(piece)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    return b"".join(pieces).decode()


def check_progress(options):
    """On a terminal a line that says what is being done, and is gone in the end; else nothing; with -v, times."""
    source, _ = parts_source(100, 20)
    problems = []
    with tempfile.TemporaryDirectory(prefix="aot-") as folder:
        module = pathlib.Path(folder) / "progress.wasm"
        (pathlib.Path(folder) / "progress.wat").write_text(source)
        assert run(["wat2wasm", str(module.with_suffix(".wat")), "-o", str(module)]).returncode == 0
        command = [options.aot, "--target", options.target, "--lib-dir", options.lib_dir, "--library", "libwasm_linux.a",
                   "--part-bytes", "5000", "-o", str(module.with_suffix("")), str(module)]
        ours, theirs = pty.openpty()
        done = subprocess.run(command, stderr=theirs, stdout=subprocess.PIPE, timeout=60, check=False)
        os.close(theirs)
        shown = terminal_text(ours)
        os.close(ours)
        if done.returncode or not re.search(r"translate \S+progress.wasm: 1 of \d+", shown) or not shown.endswith("\r\033[K"):
            problems.append(f"progress on a terminal: status {done.returncode}, {shown!r}")
        done = run(command)
        if done.returncode or done.stderr or done.stdout:
            problems.append(f"progress elsewhere: status {done.returncode}, {done.stderr!r}, {done.stdout!r}")
        done = run([*command, "-v"])
        for text in ("load ", "lower main.part0", "optimise main.part1", "generate main.variables", "link "):
            if not re.search(rf"^ +\d+\.\d{{3}} s  {text}", done.stderr, re.MULTILINE):
                problems.append(f"-v: no time of '{text}' in {done.stderr!r}")
    return problems


def check_vectors(options):
    """A program of vector code, as a module with SIMD operators and as native code: the same output."""
    module = pathlib.Path(options.wasm_dir) / "vectors.wasm"
    native = run([str(pathlib.Path(options.native_dir) / "vectors")])
    if native.returncode != 0 or not native.stdout:
        return [f"vectors: the native program ends with status {native.returncode}"]
    if len(re.findall(r"\bv128\.|\b[if]\d+x\d+\.", run(["wasm-objdump", "-d", str(module)]).stdout)) < 100:
        return [f"vectors: {module} has hardly any SIMD operators"]
    problems = []
    for level in "012":
        with tempfile.TemporaryDirectory(prefix="aot-") as folder:
            image = pathlib.Path(folder) / "vectors"
            more = [] if host_maps_page_zero() else ["--no-page-zero"]
            done = run([options.aot, "--target", options.target, f"-O{level}", "--lib-dir", options.lib_dir,
                        "--library", "libwasm_linux.a", *more, "-o", str(image), str(module)])
            if done.returncode == 0:
                runner = ["qemu-aarch64-static"] if options.target == "arm64" and os.uname().machine != "aarch64" else []
                done = run([*runner, str(image)])
        for wanted, came in itertools.zip_longest(native.stdout.splitlines(), done.stdout.splitlines()):
            if wanted != came:
                problems.append(f"vectors -O{level}: '{came}' instead of '{wanted}', status {done.returncode}: {done.stderr}")
    return problems


# What programs/throwing.cc prints, as g++'s native code does.
THROWN = ["result 1007, destroyed 11", "result 2101, destroyed 11", "result 12, destroyed 11"] * 2 + ["sum 9999900000"]


def check_throwing(options):
    """C++ code with exceptions, from clang."""
    problems = []
    for level in "012":
        with tempfile.TemporaryDirectory(prefix="aot-") as folder:
            image = pathlib.Path(folder) / "throwing"
            done = translate_and_run(options, pathlib.Path(options.wasm_dir) / "throwing.wasm", image, f"-O{level}")
        if done.returncode != 0 or done.stdout.splitlines() != THROWN:
            problems.append(f"throwing -O{level}: status {done.returncode}: {done.stdout}{done.stderr}")
    return problems


def check_exception_references(options):
    """Exceptions in a table: those that nothing refers to any more make room, and when too many are alive it is a trap."""
    problems = []
    for title, entries, rounds, looks, status, text in (
            ("kept", 100, 300000, True, 5, ""),
            ("too many", 5000, 5000, False, 134, "wasm trap: too many exceptions alive, in _start")):
        with tempfile.TemporaryDirectory(prefix="aot-") as folder:
            image, source = pathlib.Path(folder) / "image", pathlib.Path(folder) / "module.wasm"
            source.write_bytes(exnref.module(entries, rounds, looks))
            done = translate_and_run(options, source, image)
            if done.returncode != status or done.stderr.strip() != text:
                problems.append(f"exceptions {title}: status {done.returncode}: {done.stderr}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True)
    parser.add_argument("--aot", required=True)
    parser.add_argument("--lib-dir", required=True)
    parser.add_argument("--wasm-dir", required=True)
    parser.add_argument("--native-dir", required=True)
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    if options.target == "arm64" and os.uname().machine != "aarch64" and not shutil.which("qemu-aarch64-static"):
        print("qemu-aarch64-static is missing: Debian package qemu-user-static")
        return 1
    problems = []
    count = 0
    for file in sorted((HERE / "cases").glob("*.wat")):
        case = Case(file, options)
        is_library = file.stem.startswith("lib")
        other_target = case.wants["target"] and case.wants["target"][0] != options.target
        if is_library or other_target or (options.cases and file.stem not in options.cases):
            continue
        count += 1
        try:
            case.check()
        except (AssertionError, subprocess.TimeoutExpired) as problem:
            problems.append(f"{file.name}: {problem}")
    if not options.cases:
        problems += check_commands(options) + check_damage(options) + check_programs(options) + check_vectors(options)
        problems += check_hostile(options) + check_progress(options)
        problems += check_parts(options) + check_throwing(options) + check_exception_references(options)
    for problem in problems:
        print(f"FAIL {problem}")
    print(f"{count} cases, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
