#!/usr/bin/env python3
"""gnulib's own tests of POSIX functions (Debian's package gnulib), unmodified, against wasi-libc: one module of them all.

    build.py module FILE.wasm     the module
    build.py native FILE          the same with this host's C library

tests.json lists them: `runs` are names with arguments, `differs` those of them that fail with wasi-libc, and why, `lacking` what wasi-libc
has not, and the tests of files, streams and time that cannot be built for it.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GNULIB = pathlib.Path("/usr/share/gnulib")
# Each test's main gets a name of its own, called with arguments whether it takes them or not.
WRAPPER = """#define main static gnulib_main
#include "{source}"
#undef main
int {name}(int count, char **arguments);
int {name}(int count, char **arguments)
{{
    return _Generic(&gnulib_main, int (*)(void): ((int (*)(void))gnulib_main)(),
                    default: ((int (*)(int, char **))gnulib_main)(count, arguments));
}}
"""
WASI = ["--target=wasm32-wasi", "-nostdinc", "-D_WASI_EMULATED_SIGNAL", "-D_WASI_EMULATED_PROCESS_CLOCKS", "-D_WASI_EMULATED_GETPID"]
WASI_LIBRARIES = ["-lwasi-emulated-signal", "-lwasi-emulated-process-clocks", "-lwasi-emulated-getpid", "-lc-printscan-long-double"]


def function_of(name):
    return "gnulib_" + name.replace("-", "_")


def tables(runs, differing):
    names = sorted({run.split()[0] for run in runs})
    lines = ['#include "main.h"', *(f"int {function_of(name)}(int count, char **arguments);" for name in names),
             "const struct test tests[] = {", *(f'    {{"{name}", {function_of(name)}}},' for name in names), "    {0, 0}};",
             "const struct run runs[] = {", *(f'    {{"{run}", {int(run in differing)}}},' for run in runs), "    {0, 0}};", ""]
    return "\n".join(lines)


def compile_one(words, source, output):
    done = subprocess.run([*words, "-c", str(source), "-o", str(output)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"build.py: {source.name}:\n{done.stdout[-3000:]}")


def compiler(kind):
    words = ["clang-19", "-O1", "-w", "-Wno-incompatible-function-pointer-types", "-std=gnu2x"]
    if kind == "module":
        resources = subprocess.run(["clang-19", "-print-resource-dir"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        words += [*WASI, "-isystem", f"{resources}/include", "-isystem", "/usr/include/wasm32-wasi"]
    return [*words, f"-I{HERE}", f"-I{GNULIB}/tests", f"-I{ROOT}/servers/wasi/include", "-idirafter", f"{GNULIB}/lib"]


def build(kind, output, runs, differing):
    words = compiler(kind)
    with tempfile.TemporaryDirectory(prefix="gnulib-") as folder:
        folder = pathlib.Path(folder)
        sources = [HERE / "main.c", HERE / "helpers.c", folder / "tables.c"]
        sources[-1].write_text(tables(runs, differing))
        for name in sorted({run.split()[0] for run in runs}):
            sources.append(folder / f"{name}.c")
            sources[-1].write_text(WRAPPER.format(source=GNULIB / "tests" / f"test-{name}.c", name=function_of(name)))
        objects = [folder / f"{source.stem}.o" for source in sources]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for made in [pool.submit(compile_one, words, *pair) for pair in zip(sources, objects)]:
                made.result()
        target = ["--target=wasm32-wasi", "-Wl,--wrap=__wasilibc_find_relpath_alloc", *WASI_LIBRARIES] if kind == "module" else ["-lm", "-lpthread"]
        done = subprocess.run(["clang-19", *map(str, objects), *target, "-o", output], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"build.py: {done.stdout[-5000:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("module", "native"))
    parser.add_argument("output")
    options = parser.parse_args()
    known = json.loads((HERE / "tests.json").read_text())
    differing = known["differs"] if options.kind == "module" else {}
    build(options.kind, options.output, known["runs"], differing)


if __name__ == "__main__":
    main()
