#!/usr/bin/python3
"""Breaks the kernel on purpose, one line at a time, and tells which breakages no on-target test notices.

    tests/kernel/mutate.py --arch x86_64 --scratch /tmp/mutants --sample 100
    tests/kernel/mutate.py --arch arm64 --scratch /tmp/mutants --files ipc/endpoint.c --list
    tests/kernel/mutate.py --arch arm64 --scratch /tmp/mutants --files arch/arm64/mmu.c arch/arm64/irq.c

Without --files the portable kernel is broken; files of the architecture's folder are taken when they are named.

A mutation is one change of one line by one of the RULES below (a condition turned round, a comparison moved by one, a
statement left out, an error swallowed). The sources are copied to the scratch folder, which is also built there; the tree
itself is not touched. A mutation is noticed when a case fails, the kernel stops or nothing comes to an end. Those that
the compiler refuses, or that give the same machine code, do not count. The exit status is 0 whatever survives: what
survives is either a case to write or a change that makes no difference.
"""
import argparse
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time

FOLDERS = ("ipc", "kernel", "mm", "sched")
WITHOUT = ("kernel/boot.c", "kernel/elf.c", "kernel/print.c", "kernel/string.c", "mm/ranges.c")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT_SECONDS = 90
ARCHIVES = ("kernel-tests", "kernel-shares")  # the quick one first

STATEMENT = re.compile(r"^    +(?!return|break|continue|goto|else|if|for|while|do|case|static|const|struct|enum|word |bool |unsigned "
                       r"|uint|paddr |vaddr |void \*|char |arch_entry )[\w(*&][^{}]*;$")
RULES = (
    ("turned round", re.compile(r"^(\s*(?:\} else )?if )\((.*)\)( \{)?$"), lambda m: f"{m[1]}(!({m[2]})){m[3] or ''}"),
    ("left out", STATEMENT, lambda m: re.match(r" *", m[0])[0] + "(void)0;"),
    ("no error", re.compile(r"^(\s*)return ERROR_(?!NONE)\w+;$"), lambda m: f"{m[1]}return ERROR_NONE;"),
    ("true for false", re.compile(r"^(\s*)return false;$"), lambda m: f"{m[1]}return true;"),
    ("false for true", re.compile(r"^(\s*)return true;$"), lambda m: f"{m[1]}return false;"),
    ("or for and", re.compile(r"^(.*) && (.*)$"), lambda m: f"{m[1]} || {m[2]}"),
    ("and for or", re.compile(r"^(.*) \|\| (.*)$"), lambda m: f"{m[1]} && {m[2]}"),
    ("<= for <", re.compile(r"^(.*[\w)\]]) < ([\w(].*)$"), lambda m: f"{m[1]} <= {m[2]}"),
    ("< for <=", re.compile(r"^(.*[\w)\]]) <= ([\w(].*)$"), lambda m: f"{m[1]} < {m[2]}"),
    (">= for >", re.compile(r"^(.*[\w)\]]) > ([\w(].*)$"), lambda m: f"{m[1]} >= {m[2]}"),
    ("> for >=", re.compile(r"^(.*[\w)\]]) >= ([\w(].*)$"), lambda m: f"{m[1]} > {m[2]}"),
    ("!= for ==", re.compile(r"^(.*) == (.*)$"), lambda m: f"{m[1]} != {m[2]}"),
    ("== for !=", re.compile(r"^(.*) != (.*)$"), lambda m: f"{m[1]} == {m[2]}"),
)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def mutations_of(root, path):
    """Yields (path, line number from 0, rule, new line)."""
    in_debug = in_comment = False
    for number, line in enumerate(read(root, path).split("\n")):
        if line.startswith("#if"):
            in_debug = "DEBUG" in line
        if line.startswith(("#else", "#endif")):
            in_debug = False
        starts_comment = "/*" in line
        if in_debug or in_comment or starts_comment or line.startswith("#") or "kassert" in line or line.endswith("\\"):
            in_comment = (in_comment or starts_comment) and "*/" not in line
            continue
        for rule, pattern, change in RULES:
            match = pattern.match(line)
            if match and change(match) != line:
                yield path, number, rule, change(match)


def sources(root, names, arch):
    for folder in FOLDERS + ((f"arch/{arch}",) if names else ()):
        for name in sorted(os.listdir(os.path.join(root, folder))):
            path = f"{folder}/{name}"
            if name.endswith(".c") and path not in WITHOUT and (not names or path in names):
                yield path


class Scratch:
    """A copy of the sources with a build of the kernel and of its tests."""

    def __init__(self, folder, arch, host_dir):
        self.source = os.path.join(folder, "source")
        self.build = os.path.join(folder, arch)
        self.arch = arch
        self.image = os.path.join(self.build, "kernel", "Image" if arch == "arm64" else "tessera.elf")
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True).stdout.decode()
        shutil.rmtree(self.source, ignore_errors=True)
        for name in filter(None, listed.split("\0")):
            if os.path.exists(os.path.join(ROOT, name)):
                os.makedirs(os.path.dirname(os.path.join(self.source, name)), exist_ok=True)
                shutil.copy(os.path.join(ROOT, name), os.path.join(self.source, name))
        command = ["cmake", "--preset", arch, "-B", self.build]
        if host_dir:
            command.append(f"-DTESSERA_HOST_DIR={host_dir}")
        subprocess.run(command, cwd=self.source, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", "-C", self.build, "kernel", *(f"archive-{name}" for name in ARCHIVES)], check=True, stdout=subprocess.DEVNULL)

    def write(self, path, text):
        with open(os.path.join(self.source, path), "w", encoding="utf-8") as file:
            file.write(text)

    def make(self):
        result = subprocess.run(["ninja", "-C", self.build, "kernel"], stdout=subprocess.DEVNULL, check=False)
        if result.returncode != 0:
            return None
        with open(self.image, "rb") as file:
            return file.read()

    def run(self):
        """What noticed: the first case that failed, "panic", "hang", or None."""
        for archive in ARCHIVES:
            if found := self.run_archive(archive):
                return found
        return None

    def run_archive(self, archive):
        command = [sys.executable, os.path.join(self.source, "ci", "qemu.py"), "--arch", self.arch, "--kernel", self.image,
                   "--archive", os.path.join(self.build, "archives", f"{archive}.cpio"), "--icount", "--timeout",
                   str(LIMIT_SECONDS)]
        end = time.monotonic() + LIMIT_SECONDS
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as process:
            try:
                return self.watch(process, end)
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    @staticmethod
    def watch(process, end):
        text = ""
        while time.monotonic() < end:
            if not select.select([process.stdout], [], [], 1)[0]:
                continue
            data = os.read(process.stdout.fileno(), 65536)
            text += data.decode("utf-8", "replace")
            failed = re.search(r"^(\w+): [^\n]* \.\.\. *FAILED", text, re.MULTILINE)
            if failed:
                return failed[1]
            if re.search(r"kernel tests: \d+ passed, 0 failed", text):
                return None
            if "panic" in text:
                return "panic"
            if not data:
                return "no end: " + (text.strip().split("\n")[-1].split(":")[0] if text.strip() else "nothing")
        return "hang in " + text.strip().split("\n")[-1].split(":")[0]


def mutate(scratch, chosen):
    noticed, survived, void = {}, [], 0
    original_image = scratch.make()
    for path, number, rule, line in chosen:
        text = read(scratch.source, path)
        lines = text.split("\n")
        before = lines[number].strip()
        lines[number] = line
        scratch.write(path, "\n".join(lines))
        image = scratch.make()
        if image is None or image == original_image:
            void += 1
            scratch.write(path, text)
            continue
        by = scratch.run()
        scratch.write(path, text)
        if by is None:
            survived.append((path, number, rule, before))
            print(f"SURVIVES {path}:{number + 1}: {rule}: {before}", flush=True)
        else:
            noticed[by] = noticed.get(by, 0) + 1
            print(f"noticed  {path}:{number + 1}: {rule}: {before}  [{by}]", flush=True)
    return noticed, survived, void


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arch", choices=("x86_64", "arm64"), default="x86_64")
    parser.add_argument("--scratch", default="build/mutants", help="folder for the copy and its build")
    parser.add_argument("--host-dir", help="a host build to use (TESSERA_HOST_DIR)")
    parser.add_argument("--files", nargs="*", default=[], help="only these sources")
    parser.add_argument("--lines", help="only these lines, for instance 10-20")
    parser.add_argument("--sample", type=int, help="that many, chosen by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the mutations and end")
    args = parser.parse_args()
    scratch = None if args.list else Scratch(os.path.abspath(args.scratch), args.arch, args.host_dir)
    root = scratch.source if scratch else ROOT
    chosen = [mutation for path in sources(root, args.files, args.arch) for mutation in mutations_of(root, path)]
    if args.lines:
        first, last = (int(part) for part in args.lines.split("-"))
        chosen = [mutation for mutation in chosen if first <= mutation[1] + 1 <= last]
    if args.sample and args.sample < len(chosen):
        chosen = sorted(random.Random(args.seed).sample(chosen, args.sample))
    if args.list:
        for path, number, rule, line in chosen:
            print(f"{path}:{number + 1}: {rule}: {line.strip()}")
        print(f"{len(chosen)} mutations")
        return 0
    noticed, survived, void = mutate(scratch, chosen)
    total = sum(noticed.values())
    print(f"mutations: {len(chosen)}, {void} void, {total} noticed, {len(survived)} survive"
          f" ({100 * total // max(1, total + len(survived))} % noticed)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
