"""Looks at the page tables of a finished x86-64 run from outside, through QEMU's monitor.

    page_rights.py KERNEL ARCHIVE

The run must end by switching the machine off; QEMU keeps the halted machine. Then no page may be both writable and
executable, no kernel page may be open to user mode, and the CPU's protections must be on.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from halted_machine import halted_answer

KERNEL_HALF = 1 << 47
CR0_WP, CR4_SMEP, CR4_SMAP, EFER_NXE = 1 << 16, 1 << 20, 1 << 21, 1 << 11


def monitor_output(kernel, archive):
    return halted_answer(["qemu-system-x86_64", "-machine", "q35", "-cpu", "max", "-m", "512", "-kernel", kernel, "-initrd", archive],
                         "info tlb\ninfo registers\n")


def problems(text):
    """QEMU's `info tlb`: address, physical address, flags X (no execute) G P D A C T U W, `-` where clear."""
    pages = re.findall(r"^([0-9a-f]{16}): [0-9a-f]{16} ([XGPDACTUW-]{9})", text, re.MULTILINE)
    if len(pages) < 100:
        yield f"only {len(pages)} pages are mapped"
    for address, flags in pages:
        if flags[8] == "W" and flags[0] != "X":
            yield f"{address} is writable and executable ({flags})"
        if int(address, 16) >= KERNEL_HALF and flags[7] == "U":
            yield f"{address} is a kernel page open to user mode ({flags})"
    registers = {name: int(value, 16) for name, value in re.findall(r"(CR0|CR4|EFER)=([0-9a-f]+)", text)}
    for name, bits in (("CR0", CR0_WP), ("CR4", CR4_SMEP | CR4_SMAP), ("EFER", EFER_NXE)):
        if registers.get(name, 0) & bits != bits:
            yield f"{name} is {registers.get(name, 0):x}: a protection is off"


found = list(problems(monitor_output(*sys.argv[1:])))
print("\n".join(found) or "page rights: all as they should be")
sys.exit(1 if found else 0)
