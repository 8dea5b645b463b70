"""Looks at the page tables of a finished x86-64 run from outside, through QEMU's monitor.

    page_rights.py KERNEL ARCHIVE

The run must end by switching the machine off; QEMU keeps the halted machine. Then no page may be both writable and
executable, no kernel page may be open to user mode, and the CPU's protections must be on.
"""
import re
import subprocess
import sys
import time

LIMIT_SECONDS = 60
KERNEL_HALF = 1 << 47
CR0_WP, CR4_SMEP, CR4_SMAP, EFER_NXE = 1 << 16, 1 << 20, 1 << 21, 1 << 11


def monitor_output(kernel, archive):
    command = ["qemu-system-x86_64", "-machine", "q35", "-cpu", "max", "-m", "512", "-kernel", kernel, "-initrd", archive,
               "-display", "none", "-serial", "null", "-monitor", "stdio", "-no-reboot", "-no-shutdown"]
    qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < end:
            time.sleep(1)
            qemu.stdin.write("info status\n")
            qemu.stdin.flush()
            while "VM status:" not in (line := qemu.stdout.readline()):
                if not line:
                    raise SystemExit("page_rights: QEMU ended early")
            if "shutdown" in line:
                return qemu.communicate("info tlb\ninfo registers\nquit\n", timeout=LIMIT_SECONDS)[0]
        raise SystemExit("page_rights: the machine was not switched off")
    finally:
        qemu.kill()


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
