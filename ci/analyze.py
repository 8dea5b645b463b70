#!/usr/bin/python3
"""Static analysis of our C code, compiled as the build does: clean, or the exception explained at its place.

    ci/analyze.py gcc|clang-tidy|clang-tidy-deep|cppcheck --build-dir DIR [PATH ...]

gcc         -fanalyzer; the kernel, the native servers and libraries, the translator
clang-tidy  the checks in .clang-tidy; the kernel, the native servers and libraries
cppcheck    all of these

For the translator the tests run cppcheck only: gcc takes two minutes there (by hand: ci/analyze.py gcc --build-dir build/host), and
clang-tidy does not see that the reader's errors jump away. In each function clang follows NODES states, a quarter of what it would by
itself, in a third of the time; by hand, clang-tidy-deep follows all. Servers and libraries are the same on both machines but where they name the
machine: on arm64 only those that do are looked at again (by hand, with PATH: all that it names).

The build folder's compile_commands.json says which files and how; PATH (a file or folder) takes only some of them. An exception stands
where it is needed: for gcc '#pragma GCC diagnostic ignored', for clang-tidy 'NOLINTNEXTLINE(check): why', for cppcheck
'cppcheck-suppress id ; why'. What a tool gets wrong everywhere is in .clang-tidy and in EVERYWHERE below, with the reason.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

from compile_commands import is_kernel, units
from sources import ROOT

NODES = 50000
SERVERS = ("servers/", "aot/runtime/")
TRANSLATOR = ("aot/",)
CLANG_TARGET = {"x86_64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "host": "x86_64-linux-gnu"}
MACHINE = {"x86_64": "__x86_64__", "arm64": "__aarch64__", "host": "__x86_64__"}
# Options of gcc that clang lacks, and what only makes noise there.
GCC_ONLY = re.compile(r"-fno-tree-loop-distribute-patterns|-ffixed-.*|-fcall-used-.*|-flto.*|-fno-lto|-fcallgraph-info=.*|-falign-.*|-mno-outline-atomics|-W.*|-O.*|-g.*|-c|-MD|-MT|-MF|.*\.[cod]$")
# What cppcheck 2.10 gets wrong everywhere: the linker's symbols look to it like objects of their own, whose addresses may not be
# compared (comparePointers); it takes a variable that is bound to a register for an expression (constStatement), and
# an out-parameter behind a pointer for one that is read (ctuuninitvar, legacyUninitvar; gcc and clang see these through), address 0 of
# another address space, where the x86-64 core lies for the fast path, for no object (ctunullpointer). alloca is meant where it stands.
EVERYWHERE = ["allocaCalled", "comparePointers", "constStatement", "ctunullpointer", "ctuuninitvar", "legacyUninitvar"]
# In one file: where ABANDON_IF leaves the function, which cppcheck does not see, and address 0 of GS is the core.
IN_FILES = ["nullPointer:*/ipc/fastpath.c", "nullPointerRedundantCheck:*/ipc/fastpath.c"]
# A macro of a library, whose header cppcheck is not given.
LIBRARY_MACROS = ["cJSON_ArrayForEach(element,array)=for(element=(array)->child;element;element=element->next)"]


def configuration(build):
    """host, x86_64 or arm64: what CMake was told."""
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        match = re.search(r"^TESSERA_ARCH:\w+=(\w*)$", file.read(), re.MULTILINE)
    return match[1] if match and match[1] else "host"


# clang has these two for x86-64 only; there they are looked at as they are.
CLANG_LACKS = {"arm64": ["-D__builtin_setjmp(buffer)=((void)(buffer), 0)", "-D__builtin_longjmp(buffer, value)=__builtin_trap()"]}


def gcc_command(unit, _):
    return [*unit.command, "-fanalyzer", "-fdiagnostics-plain-output", "-o", "/dev/null"]


def tidy_command(unit, configuration_name):
    options = [word for word in unit.command[1:] if not GCC_ONLY.fullmatch(word)]
    return ["clang-tidy", "--quiet", os.path.join(ROOT, unit.path), "--", *options, f"--target={CLANG_TARGET[configuration_name]}",
            *CLANG_LACKS.get(configuration_name, [])]


def bounded_tidy_command(unit, configuration_name):
    return [*tidy_command(unit, configuration_name), "-Xclang", "-analyzer-config", "-Xclang", f"max-nodes={NODES}"]


def cppcheck_command(unit, configuration_name):
    options = [word for word in unit.command if word.startswith(("-I", "-D"))]
    return ["cppcheck", "--quiet", "--std=c11", "--platform=unix64", "--enable=warning,performance,portability", "--inline-suppr",
            "--error-exitcode=1", "--template=gcc", "--library=gnu",
            f"--library={os.path.join(ROOT, 'ci', 'cppcheck.cfg')}", f"-D{MACHINE[configuration_name]}=1",
            *(f"-D{macro}" for macro in LIBRARY_MACROS), *(f"--suppress={name}" for name in EVERYWHERE + IN_FILES), *options, os.path.join(ROOT, unit.path)]


TOOLS = {"gcc": gcc_command, "clang-tidy": bounded_tidy_command, "clang-tidy-deep": tidy_command, "cppcheck": cppcheck_command}


def is_ours(unit, tool, configuration_name):
    if configuration_name == "host":
        return not tool.startswith("clang-tidy") and unit.path.startswith(TRANSLATOR)
    return is_kernel(unit) or unit.path.startswith(SERVERS)


def names_machine(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    return any(macro in text for macro in MACHINE.values())


def is_seen_elsewhere(unit, configuration_name):
    """The same text is compiled, and looked at, for x86-64."""
    return configuration_name == "arm64" and not is_kernel(unit) and not names_machine(unit.path)


def analyze(tool, unit, configuration_name):
    """What the tool complains of in one file, or an empty text."""
    done = subprocess.run(TOOLS[tool](unit, configuration_name), cwd=unit.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode == 0:
        return ""
    return done.stdout.strip() or f"{unit.path}: {tool} ended with status {done.returncode}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("--build-dir", required=True, metavar="DIR")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="files at a time (default: one per CPU)")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="only files below these")
    options = parser.parse_intermixed_args()
    try:
        name = configuration(options.build_dir)
        wanted = tuple(os.path.relpath(path, ROOT) for path in options.paths)
        files = {unit.path: unit for unit in units(options.build_dir, lambda unit: is_ours(unit, options.tool, name))
                 if (any(unit.path == path or unit.path.startswith(path + os.sep) for path in wanted) if wanted else not is_seen_elsewhere(unit, name))}
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            complaints = [text for text in pool.map(lambda unit: analyze(options.tool, unit, name), files.values()) if text]
    except OSError as error:
        print(f"analyze: {error.filename or options.tool}: {error.strerror} ('./tessera setup' installs the tools, './tessera build' "
              "makes the build folder)", file=sys.stderr)
        return 1
    if not files:
        print(f"analyze: {options.build_dir}/compile_commands.json names none of these files", file=sys.stderr)
        return 1
    for text in complaints:
        print(text)
    print(f"analyze: {options.tool}, {name}: {len(files)} files, {len(complaints)} with complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
