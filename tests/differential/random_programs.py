#!/usr/bin/env python3
"""Random C programs: does translated code print the checksum that native code prints?

csmith writes programs without undefined behaviour that end by printing a checksum of all their variables. Each is
compiled natively, and by clang for WebAssembly at two levels; the modules are translated and run on this host (arm64 in qemu-aarch64).

    random_programs.py --count 1000 [--seed N] [--seconds N] [--level 0..3|any] --target x86_64 --lib-dir DIR
                       [--target arm64 --lib-dir DIR] --aot FILE

With several targets each program is run on each, clang's two levels in turns. Programs that run longer than a few seconds natively
are left out. Prints each difference; ends with status 1 if there is one.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

CSMITH_INCLUDE = "/usr/include/csmith"
HEX_PRINT = pathlib.Path(__file__).resolve().with_name("hex_print.c")
CLANG = "clang-19"
WASI_INCLUDE = "/usr/include/wasm32-wasi"
LEVELS = "0123"
NATIVE_SECONDS, TRANSLATED_SECONDS = 1, 100
QUIET = ["-w", f"-I{CSMITH_INCLUDE}"]


class Unusable(Exception):
    """There is nothing to compare with."""


def run(*words, **more):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, **more)


def need(*words, **more):
    done = run(*words, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr.strip()}")


def native_answer(source, folder):
    need("gcc", "-O0", *QUIET, source, "-o", folder / "native")
    try:
        done = run(folder / "native", timeout=NATIVE_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unusable(f"longer than {NATIVE_SECONDS} s natively") from None
    return done.returncode, done.stdout


def is_undefined(source, folder):
    """Whether the program does what C leaves open after all: --float makes some that convert a number out of range."""
    need(CLANG, "-O1", "-fsanitize=undefined,float-cast-overflow,address", "-fno-sanitize-recover=all", *QUIET, source, "-o",
         folder / "sanitized")
    return run(folder / "sanitized", timeout=TRANSLATED_SECONDS).returncode != 0


def compile_module(source, module, clang_level):
    # -nostdinc: Debian's clang looks into the host's /usr/include for every target. The library's printf is replaced: its
    # code would be most of many a module.
    builtin = run(CLANG, "-print-resource-dir").stdout.strip() + "/include"
    need(CLANG, "--target=wasm32-wasi", clang_level, "-msimd128", "-mbulk-memory", *QUIET, "-nostdinc", "-isystem", builtin,
         "-isystem", WASI_INCLUDE, "-Dprintf=hex_print", "-Wl,--strip-debug", source, HEX_PRINT, "-o", module)


def translated_answer(options, module, target, level):
    image = module.with_suffix(f".{target}")
    page_zero = os.geteuid() == 0 or int(pathlib.Path("/proc/sys/vm/mmap_min_addr").read_text()) == 0
    need(options.aot, "--target", target, f"-O{level}", "--lib-dir", options.libraries[target], "--library", "libwasm_linux.a",
         *([] if page_zero else ["--no-page-zero"]), "-o", image, module)
    emulator = [shutil.which("qemu-aarch64-static")] if target == "arm64" and os.uname().machine != "aarch64" else []
    try:
        done = run(*emulator, image, timeout=TRANSLATED_SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"no end after {TRANSLATED_SECONDS} s"
    return done.returncode, done.stdout + done.stderr


def same_types_everywhere(text):
    """Constants without L: long has 64 bits natively and 32 here, so -9L compared with an unsigned number, say, would
    rightly give another answer."""
    return re.sub(r"\b(0[xX][0-9a-fA-F]+|[0-9]+)(U?)L\b", r"\1\2", text)


def make_program(seed, source):
    need("csmith", "--seed", seed, "--no-packed-struct", *(["--float"] if seed % 2 else []), "-o", source, cwd=source.parent)
    source.write_text(same_types_everywhere(source.read_text()))


def variants(options, seed):
    """Clang's level, target and level of translation of each run. One target: both of clang's levels; several: each target once."""
    targets = list(options.libraries)
    runs = [("-O0", targets[0]), ("-O2", targets[0])] if len(targets) == 1 else \
        [(("-O0", "-O2")[(seed + number) % 2], target) for number, target in enumerate(targets)]
    for number, (clang_level, target) in enumerate(runs):
        yield clang_level, target, LEVELS[(seed // 2 + number) % len(LEVELS)] if options.level == "any" else options.level


def compare(options, seed, folder):
    """The differences of one program, as text."""
    source = folder / "program.c"
    make_program(seed, source)
    wanted = native_answer(source, folder)
    problems = []
    for clang_level, target, level in variants(options, seed):
        module = folder / f"program{clang_level}.wasm"
        compile_module(source, module, clang_level)
        got = translated_answer(options, module, target, level)
        if got != wanted:
            problems.append(f"seed {seed}, clang {clang_level}, {target} -O{level}: {got} instead of {wanted}")
    if problems and is_undefined(source, folder):
        raise Unusable("undefined behaviour")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the first program (default 1)")
    parser.add_argument("--count", type=int, default=10, help="programs (default 10)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no more programs after this time")
    parser.add_argument("--level", choices=[*LEVELS, "any"], default="2", help="of tessera-aot's optimisation (default 2); any: in turns")
    parser.add_argument("--target", choices=("x86_64", "arm64"), required=True, action="append")
    parser.add_argument("--aot", required=True, help="the translator")
    parser.add_argument("--lib-dir", required=True, action="append", help="of libwasm_linux.a for the target; one for each")
    options = parser.parse_args()
    if len(options.target) != len(options.lib_dir):
        parser.error("each --target needs its --lib-dir")
    options.libraries = dict(zip(options.target, options.lib_dir))
    compared = 0
    problems = []
    next_seed, end = options.seed, time.monotonic() + options.seconds
    while next_seed < options.seed + options.count and time.monotonic() < end:
        seed, next_seed = next_seed, next_seed + 1
        with tempfile.TemporaryDirectory(prefix="random-program-") as folder:
            try:
                found = compare(options, seed, pathlib.Path(folder))
            except Unusable as reason:
                print(f"seed {seed}: left out: {reason}")
                continue
        compared += 1
        problems += found
        for problem in found:
            print(problem, flush=True)
    print(f"{compared} programs compared, {len(problems)} differences; the next seed is {next_seed}")
    sys.exit(1 if problems or compared == 0 else 0)


if __name__ == "__main__":
    main()
