#!/usr/bin/python3
"""Proves that the kernel's stacks are deep enough: the longest path of calls from every way in, by gcc's own figures.

    ci/stack_depth.py --arch ARCH --build-dir DIR [--verbose]

The kernel is built with -fcallgraph-info=su, which writes each function's frame
(on x86-64 with the return address) and its calls after inlining. The check fails when

  - a path from a way in, and what an exception in kernel mode needs on top of it, is longer than its stack; a way in
    is every C function that a .S file of the machine calls or jumps to,
  - calls form a circle that no function of REPEATS ends, a frame has no bound, or an indirect call is not in INDIRECT,
  - C calls machine code that is not in ASSEMBLY,
  - the kernel's executable holds a function that neither gcc nor ASSEMBLY knows.
"""
import argparse
import os
import re
import struct
import sys

from compile_commands import is_kernel, units
from sources import ROOT, source_files

NODE = re.compile(r'^node: { title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'^edge: { sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]*)")?')
SIZE = re.compile(r"\\n(\d+) bytes \((static|dynamic|dynamic,bounded)\)")
INDIRECT_TARGET = "__indirect_call"

# Indirect calls: (file, how the call's line begins to name its table) -> the possible callees: a table in the executable whose words
# are functions ("table NAME"), or functions by name.
INDIRECT = [
    ("kernel/entry.c", r"\bsystem_calls\[", ["table system_calls"]),
    ("kernel/invoke.c", r"\bhandlers\[", ["table handlers"]),
    ("kernel/delete.c", r"\bobject_types\[", ["table object_types"]),
    ("kernel/delete.c", r"\bobject_hooks\.", ["table object_hooks"]),
    ("kernel/object.c", r"\bobject_types\[", ["table object_types"]),
    ("arch/platform/acpi.c", r"\bmemory->look\(", ["boot_look", "memory_look"]),
    ("arch/platform/acpi.c", r"\breaders\[i\]\.read\(", ["table readers"]),
    ("arch/x86_64/loader_multiboot.c", r"\bmemory->look\(", ["boot_look", "memory_look"]),
    ("arch/x86_64/loader_pvh.c", r"\bmemory->look\(", ["boot_look", "memory_look"]),
    ("arch/x86_64/calibrate.c", r"\breference->read\(", ["hpet_counter", "pm_timer_counter", "pit_counter"]),
    ("arch/arm64/platform_fdt.c", r"\bread\(machine, fdt", ["table readers"]),
]

# Functions that come back to themselves, and how often they stand in a path at most:
#   slot_empty  of a timer's or an interrupt handler's capability empties the object's own slots; these hold notifications and
#               scheduling contexts (invoke_machine.c, invoke_sched.c), which have no slots.
#   thread_update, rescue_update
#               of a thread that gives the context of last resort back call themselves once for its loss of the context, and once
#               for the next thread, which gets it (sched/rescue.c) and, having it, passes nothing on.
REPEATS = {"slot_empty": 2, "thread_update": 3, "rescue_update": 3}

# Machine code that C calls: bytes of stack. (x86-64: with the return address.) The ways out begin a new stack.
ASSEMBLY = {"x86_64": {"leave_kernel": 8},
            "arm64": {"arch_memory_clear": 0, "arch_fpu_save": 0, "arch_fpu_restore": 0, "breakpoint_write": 0, "leave": 0}}

# Functions that run on another stack: the firmware's. A file's name stands for its local functions.
ELSEWHERE = {"x86_64": (), "arm64": ("efi_main", "arch/arm64/efi.c")}


class DepthError(Exception):
    """The proof fails; the text says where."""


class Stack:
    """A stack: the C functions that begin on it, bytes that lie on it before, its size, and whether an exception comes on top."""

    def __init__(self, name, size, ways_in, before=0, has_exceptions=False):
        self.name, self.size, self.ways_in, self.before, self.has_exceptions = name, size, ways_in, before, has_exceptions


def defines(path):
    """The plain numbers that a header defines."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return {name: int(value, 0) for name, value in re.findall(r"^#define (\w+)\s+(0x[0-9a-fA-F]+|\d+)\b", file.read(), re.M)}


def stacks_of(arch, ways_in):
    """The stacks of a machine, and (function, bytes) of an exception in kernel mode where that comes on top of the kernel stack."""
    if arch == "x86_64":
        layout = defines("arch/x86_64/layout.h")
        # Before exception_fatal: alignment to 16, the CPU's frame of 5 words, error code and vector, 15 registers, alignment.
        frame = 8 + 5 * 8 + 2 * 8 + 15 * 8 + 8
        return [
            Stack("the kernel stack", layout["STACK_BYTES"], ways_in - {"exception_fatal"}, has_exceptions=True),
            Stack("a stack for NMI, #DF, #MC, #DB", layout["FAULT_STACK_BYTES"] - layout["FAULT_STACK_TOP"], {"exception_fatal"}, frame),
        ], ("exception_fatal", frame)
    layout = defines("arch/arm64/layout.h")
    context = defines("arch/arm64/include/machine/context.h")["CONTEXT_BYTES"]
    return [
        Stack("the kernel stack", layout["STACK_BYTES"], ways_in - {"crash_report"}),
        Stack("the crash stack", layout["CRASH_STACK_BYTES"], {"crash_report"}, context),  # an exception in kernel mode goes there
    ], None


# ---- What gcc says ----------------------------------------------------------------------------------------------

def short_name(title):
    """gcc titles local functions FILE:NAME; two of one name stay apart. Of what is linked as one piece it knows no file, but the
    names differ."""
    if ".ltrans" in title:
        return title.rsplit(":", 1)[-1]
    return os.path.relpath(title, ROOT) if os.path.isabs(title) else title


class Graph:
    def __init__(self):
        self.size = {}  # function -> bytes
        self.file = {}  # function -> its source file
        self.unbounded = set()
        self.calls = {}  # function -> set of (callee, place)

    def read(self, text):
        for line in text.splitlines():
            node = NODE.match(line)
            edge = EDGE.match(line)
            if node and (size := SIZE.search(node[2])):
                name = short_name(node[1])
                self.size[name] = int(size[1])
                self.file[name] = short_name(node[2].split("\\n")[1].split(":")[0])
                if size[2] == "dynamic":
                    self.unbounded.add(name)
            elif edge:
                self.calls.setdefault(short_name(edge[1]), set()).add((short_name(edge[2]), edge[3] or ""))


def read_graph(build):
    """What gcc wrote while the kernel was built: one file for all that is linked as one piece, one for each other file."""
    found = [os.path.join(build, "kernel", name) for name in os.listdir(os.path.join(build, "kernel")) if name.endswith(".ci")]
    for unit in units(build, is_kernel):
        if "-fno-lto" in unit.command:
            found.append(os.path.join(build, "CMakeFiles", "kernel.dir", unit.path + ".ci"))
    graph = Graph()
    for path in found:
        with open(path, encoding="utf-8") as file:
            graph.read(file.read())
    if not graph.size:
        raise DepthError(f"{build}/kernel has no call graph: configure and build first")
    return graph


# ---- What the executable says -----------------------------------------------------------------------------------

class Executable:
    """An ELF64 file's functions and the words of its data."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        (table,) = struct.unpack_from("<Q", self.bytes, 0x28)
        entry_bytes, count = struct.unpack_from("<HH", self.bytes, 0x3A)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.bytes, table + index * entry_bytes) for index in range(count)]
        self.functions, self.objects = {}, {}  # address -> name; name -> [(address, bytes)]
        for _, kind, _, _, offset, size, link, _, _, each in self.sections:
            if kind == 2:  # SHT_SYMTAB
                self.read_symbols(offset, size // each, self.sections[link][4])

    def read_symbols(self, offset, count, names):
        for index in range(count):
            name_at, info, _, section, value, size = struct.unpack_from("<IBBHQQ", self.bytes, offset + 24 * index)
            name = self.bytes[names + name_at : self.bytes.index(b"\0", names + name_at)].decode()
            if info & 15 == 2:  # STT_FUNC
                self.functions.setdefault(value, []).append(name)
            elif info & 15 == 1:  # STT_OBJECT
                self.objects.setdefault(name, []).append((value, size))

    def same_code(self, name):
        """The functions at the address of this one."""
        return set().union(*(names for names in self.functions.values() if name in names))

    def words(self, address, size):
        for _, kind, _, start, offset, length, *_ in self.sections:
            if kind == 1 and start <= address and address + size <= start + length:
                return struct.unpack_from(f"<{size // 8}Q", self.bytes, offset + address - start)
        return ()

    def table(self, name):
        """The functions that the tables of this name hold."""
        places = [place for each, found in self.objects.items() if each.split(".")[0] == name for place in found]
        return {function for address, size in places for word in self.words(address, size)
                for function in self.functions.get(word, ())}


# ---- The proof --------------------------------------------------------------------------------------------------

def source_line(place):
    path, line, _ = place.rsplit(":", 2)
    path = os.path.join(ROOT, path)
    with open(path, encoding="utf-8") as file:
        return os.path.relpath(path, ROOT), file.read().splitlines()[int(line) - 1]


def plain_name(function):
    """Without its file and what gcc appends to the names of copies."""
    return function.rsplit(":", 1)[-1].split(".")[0]


def by_plain_name(graph):
    plain = {}
    for name in graph.size:
        plain.setdefault(plain_name(name), set()).add(name)
    return plain


def indirect_callees(place, executable, plain):
    path, text = source_line(place)
    # A call over several lines is named by its first; look at the line before as well.
    for file, pattern, targets in INDIRECT:
        if file == path and re.search(pattern, text):
            names = set()
            for target in targets:
                names |= executable.table(target.split()[1]) if target.startswith("table ") else {target}
            found = set().union(*(plain.get(name.split(".")[0], set()) for name in names)) if names else set()
            if not found:
                raise DepthError(f"{place}: no function is found for the indirect call by {' '.join(targets)}: INDIRECT in {__file__} is stale")
            return found
    raise DepthError(f"{os.path.relpath(place, ROOT)}: an indirect call that INDIRECT in ci/stack_depth.py does not list:\n    {text.strip()}")


def resolve(graph, arch, executable):
    """The graph with every indirect call replaced by what it may call, and every callee known."""
    plain = by_plain_name(graph)
    resolved = {}
    for function, calls in graph.calls.items():
        callees = set()
        if graph.file.get(function) not in ELSEWHERE[arch]:
            for callee, place in calls:
                if callee == INDIRECT_TARGET:
                    callees |= indirect_callees(place, executable, plain)
                elif callee in graph.size:
                    callees.add(callee)
                elif callee in ASSEMBLY[arch]:
                    callees.add(callee)
                    graph.size[callee] = ASSEMBLY[arch][callee]
                elif same := set(executable.same_code(callee)) & set(graph.size):  # gcc keeps one of functions that are alike
                    callees |= same
                else:
                    raise DepthError(f"{function} calls {callee}, which is neither C of the kernel nor in ASSEMBLY of ci/stack_depth.py")
        resolved[function] = callees
    return resolved


def check_executable(graph, arch, executable):
    """Each function of the executable is one that gcc told of, or machine code that is listed."""
    plain = by_plain_name(graph)
    unknown = sorted({name for names in executable.functions.values() for name in names
                      if name not in ASSEMBLY[arch] and not any(same.split(".")[0] in plain for same in names)})
    if unknown:
        raise DepthError(f"the executable holds functions of unknown depth: {', '.join(unknown)}")


CALL = re.compile(r"^(?:\d+:)?\s*(?:call|j[a-z]+|bl|b(?:\.[a-z]+)?)\s+([a-z_]\w*)\b", re.M)


def ways_in(graph, arch):
    """The C functions that the machine's code calls or jumps to, but those that run elsewhere."""
    found = set()
    for path in source_files((".S",)):
        if path.startswith(f"arch/{arch}/"):
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                found.update(name for name in CALL.findall(file.read()) if name in graph.size)
    if not {"boot_main", "kernel_syscall"} <= found:
        raise DepthError(f"arch/{arch}/*.S does not call boot_main and kernel_syscall: this check no longer understands it")
    return found - set(ELSEWHERE[arch]) - set(ASSEMBLY[arch])


def longest(graph, calls, start):
    """(bytes, path) of the longest path of calls from a function. DepthError for a circle or a frame without bound."""
    done, under_way = {}, []

    def visit(function, repeated):
        """`repeated` is how often the functions of REPEATS stand in the path so far."""
        name = plain_name(function)
        if name in REPEATS:
            repeated = {**repeated, name: repeated.get(name, 0) + 1}
            if repeated[name] > REPEATS[name]:
                return -1, []
        state = (function, tuple(sorted(repeated.items())))
        if state in under_way:
            circle = [name for name, _ in under_way[under_way.index(state) :]]
            raise DepthError("calls form a circle: " + " -> ".join([*circle, function]))
        if state not in done:
            if function in graph.unbounded:
                raise DepthError(f"the frame of {function} has no bound")
            under_way.append(state)
            below = max((visit(callee, repeated) for callee in sorted(calls.get(function, ()))), default=(0, []), key=lambda found: found[0])
            under_way.pop()
            done[state] = (graph.size[function] + max(below[0], 0), [function, *below[1]])
        return done[state]

    if start not in graph.size:
        raise DepthError(f"{start} is no function of the kernel: ci/stack_depth.py is stale")
    return visit(start, {})


def prove(graph, calls, arch, verbose):
    """Print each stack with its longest path; DepthError when one does not suffice."""
    stacks, exception = stacks_of(arch, ways_in(graph, arch))
    for stack in stacks:
        found = {way: longest(graph, calls, way) for way in sorted(stack.ways_in)}
        deepest, path = max(found.values(), key=lambda each: each[0])
        reserve = exception[1] + longest(graph, calls, exception[0])[0] if stack.has_exceptions else 0
        total = stack.before + deepest + reserve
        print(f"{arch}: {stack.name}: {total} of {stack.size} bytes used at most"
              f" (calls {deepest}" + (f", before them {stack.before}" if stack.before else "")
              + (f", an exception on top {reserve}" if reserve else "") + ")")
        for way, (depth, _) in found.items():
            print(f"    {depth:6} from {way}")
        print("    the longest path:")
        for function in path:
            print(f"    {graph.size[function]:6} {function}")
        if verbose:
            for function, size in sorted(graph.size.items(), key=lambda item: -item[1])[:20]:
                print(f"           frame of {size:5}: {function}")
        if total > stack.size:
            raise DepthError(f"{stack.name} of {stack.size} bytes is too small for {total}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True, metavar="DIR")
    parser.add_argument("--verbose", action="store_true", help="also show the largest frames")
    options = parser.parse_args()
    try:
        executable = Executable(os.path.join(options.build_dir, "kernel", "tessera.elf"))
        graph = read_graph(options.build_dir)
        calls = resolve(graph, options.arch, executable)
        check_executable(graph, options.arch, executable)
        prove(graph, calls, options.arch, options.verbose)
    except (DepthError, OSError) as error:
        print(f"stack_depth: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
