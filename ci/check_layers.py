#!/usr/bin/python3
"""Holds who may include whom: every #include of ours must point down.

    kernel entry -> ipc -> sched -> mm -> kernel capabilities -> arch

Everyone may include the kernel's public ABI. Servers include the ABI, servers/lib and servers/proto, never each other
and never the kernel's insides. The translator includes itself, LLVM and libc. Tests and benchmarks may look anywhere. The few headers
that cross a border on purpose are in SHARED, each with its reason.
"""
import os
import re
import sys

from sources import ROOT, source_files

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
INCLUDE_FOLDERS = ("", "kernel/include", "arch/include", "arch/x86_64/include", "arch/arm64/include", "servers",
                   "servers/lib/include", "servers/wasi/include", "aot", "aot/runtime", "tests/harness")

ABI = "kernel/include/"
# The kernel's lower half: what ipc, sched and mm build upon. All its other headers are the upper half.
KERNEL_LOWER = ("kernel/cap.h", "kernel/clock.h", "kernel/core.h", "kernel/slot.h", "kernel/object.h", "kernel/delete.h",
                "kernel/lookup.h", "kernel/call.h", "kernel/print.h", "kernel/state.h", "kernel/panic.h")
ARCH_CONTRACT = ("arch/include/", "arch/x86_64/include/", "arch/arm64/include/")
SHARED = (
    "aot/image/image.h",  # the image format: the one thing the translator shares with the target side
    "aot/image/image_check.h",
    "arch/platform/archive.h",  # the archive format's reader, which kernel and servers both need
)

# (folder, what its files may include beside themselves); the longest matching folder counts.
RULES = [
    ("kernel/include/", ()),
    ("arch/include/", (*ARCH_CONTRACT, ABI)),
    ("arch/x86_64/", ("arch/include/", "arch/platform/", ABI)),
    ("arch/arm64/", ("arch/include/", "arch/platform/", ABI)),
    ("arch/platform/", ("arch/include/", ABI)),
    ("mm/", (*KERNEL_LOWER, *ARCH_CONTRACT, ABI)),
    ("sched/", ("mm/", *KERNEL_LOWER, *ARCH_CONTRACT, ABI)),
    ("ipc/", ("sched/", "mm/", *KERNEL_LOWER, *ARCH_CONTRACT, ABI)),
    ("kernel/", ("ipc/", "sched/", "mm/", *ARCH_CONTRACT, "arch/platform/archive.h", ABI)),
    ("servers/proto/", (*SHARED, ABI)),
    ("servers/lib/", ("servers/proto/", *SHARED, ABI)),
    ("servers/", ("servers/proto/", "servers/lib/", *SHARED, ABI)),
    ("servers/wasi/", ("servers/proto/", "servers/lib/", "aot/image/imports.def", "aot/runtime/", *SHARED, ABI)),
    ("aot/", ()),
    ("aot/runtime/", ("aot/image/",)),
    ("demos/", ("servers/wasi/include/",)),
    ("demos/security/native/", ("servers/proto/", "servers/lib/", ABI)),  # images that no translator made
]
KERNEL_FOLDERS = ("kernel/", "arch/", "mm/", "sched/", "ipc/")
FREESTANDING = {"stdint.h", "stdbool.h", "stddef.h", "stdarg.h", "limits.h", "stdalign.h", "stdnoreturn.h", "cpuid.h"}
CHECKED = ("kernel/", "arch/", "mm/", "sched/", "ipc/", "servers/", "aot/", "demos/")


def rule_of(path):
    return max((rule for rule in RULES if path.startswith(rule[0])), key=lambda rule: len(rule[0]), default=None)


def own_folder(path, folder):
    """What counts as the file's own part: a server is its folder below servers/, everything else its rule's folder."""
    if folder != "servers/":
        return folder
    depth = 3 if path.startswith("servers/drivers/") else 2
    return "/".join(path.split("/")[:depth]) + "/"


def resolve(path, name, exists):
    """The file of ours that an include names, or None for a system header."""
    other_machine = "arch/x86_64/include" if path.startswith("arch/arm64/") else "arch/arm64/include"
    for folder in (os.path.dirname(path), *(folder for folder in INCLUDE_FOLDERS if folder != other_machine)):
        candidate = os.path.normpath(os.path.join(folder, name))
        if exists(candidate):
            return candidate
    return None


def fault_of(path, name, target):
    """What is wrong with an include, or None."""
    if target is None:
        if path.startswith(KERNEL_FOLDERS) and name not in FREESTANDING:
            return f"the kernel is freestanding: <{name}> is neither ours nor a freestanding header"
        if name.startswith("llvm") and not path.startswith("aot/"):
            return "only the translator uses LLVM"
        return None
    folder, allowed = rule_of(path)
    own = own_folder(path, folder)
    if target.startswith((own, *allowed)) and not (path.startswith("kernel/include/") and not target.startswith(ABI)):
        return None
    return f"{own.rstrip('/')} may not include {target}"


def faults(texts):
    """Every fault of a tree given as {path: text}."""
    found = []
    for path, text in sorted(texts.items()):
        if not path.startswith(CHECKED):
            continue
        for match in INCLUDE.finditer(text):
            name = match[1] or match[2]
            fault = fault_of(path, name, resolve(path, name, texts.__contains__))
            if fault:
                found.append(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {fault}")
    return found


def main():
    texts = {}
    for path in source_files((".c", ".h", ".S", ".def", ".ld")):
        with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
            texts[path] = file.read()
    found = faults(texts)
    for fault in found:
        print(fault)
    print(f"check_layers: {len(texts)} files, {len(found)} includes that point up")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
