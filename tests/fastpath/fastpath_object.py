#!/usr/bin/python3
"""fastpath_object.py NM OBJDUMP OBJECT

The compiled fast path keeps the message words in their registers (ipc/CMakeLists.txt): it calls nothing but what keeps them,
has no function but its entries, leaves for no other place than the ways out in entry.S, and writes none of these registers.
"""
import re
import subprocess
import sys

WAYS_OUT = {"fastpath_abandon", "fastpath_invoke", "fastpath_leave", "fastpath_leave_through", "fastpath_resume",
            "fastpath_return"}
X86_WORDS = {"rdx", "edx", "dx", "dl", "rbx", "ebx", "bx", "bl", "r8", "r9", "r10", "r12", "r13", "r14"}
X86_WORDS |= {f"r{n}{width}" for n in (8, 9, 10, 12, 13, 14) for width in "dwb"}
ARM_WORDS = {f"{width}{n}" for n in (*range(8), *range(11, 19)) for width in "xw"}
ARM_READS = re.compile(r"^(st|cmp|cmn|tst|cb|tb|msr|b$|b\.)")


# They keep the registers: fpu.c, entry.S.
CALLED = {"arch_fpu_save", "arch_fpu_restore", "fastpath_fpu_save", "fastpath_fpu_restore", "fastpath_lookup"}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def written(instruction, operands):
    """The message registers that an instruction writes."""
    names = re.findall(r"%?\b([a-z]+[0-9]*[a-z]?)\b", re.sub(r"\([^)]*\)|\[[^]]*\]", "", operands))
    if "%" in operands:  # AT&T: the last operand is written, if it is no memory
        last = re.sub(r".*,", "", re.sub(r"\([^)]*\)", "()", operands))
        return {last.lstrip("%")} & X86_WORDS if not instruction.startswith(("cmp", "test", "push")) else set()
    if ARM_READS.match(instruction):
        return set()
    return set(names[: 2 if instruction.startswith("ldp") else 1]) & ARM_WORDS


def main():
    nm, objdump, path = sys.argv[1:]
    wrong = []
    for line in run(nm, path).splitlines():
        kind, name = line.split()[-2:]
        if kind == "U" and name not in WAYS_OUT | CALLED:
            wrong.append(f"it refers to {name}")
        if kind == "t" and not name.startswith(("$", ".")):
            wrong.append(f"{name} is a function of its own")
    count = 0
    for line in run(objdump, "-d", "--no-show-raw-insn", path).splitlines():
        match = re.match(r"\s+[0-9a-f]+:\s+(\S+)\s*([^#/]*)", line)
        if not match:
            continue
        count += 1
        instruction, operands = match[1], match[2].split("//")[0].strip()
        if written(instruction, operands):
            wrong.append(f"a message register is written: {line.strip()}")
    if count < 100:
        wrong.append(f"only {count} instructions were understood")
    for line in wrong:
        print(f"{path}: {line}")
    sys.exit(1 if wrong else 0)


main()
