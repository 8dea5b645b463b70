"""Generated code against native code and other engines: the programs of bench/wasm, on this host's CPU.

Each program is built by every engine, run in turns, and verifies its own checksum; a figure is the least CPU time of all
runs. Modules are what clang-19 makes with -O2 -msimd128 -mbulk-memory (wasm2c does not know SIMD and gets them without).
On target (run_target) the instructions of one round are counted by QEMU, beside native programs of Tessera.
An engine whose tool is missing is left out, with a line that says so. Products lie in build/host/bench-wasm.

    bench_wasm.py check --target T     one round of each program, translated, on this host
"""
import argparse
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import time

PROGRAMS = ("coremark", "gemm", "jacobi-2d", "nussinov", "sha256", "qsort", "tree", "interp", "lz", "nbody", "fib")
VECTORISED = ("gemm", "jacobi-2d")  # the others are the "scalar nine"
TURBOFAN_ONLY = ("--no-liftoff", "--no-wasm-lazy-compilation", "--no-wasm-dynamic-tiering", "--no-warnings")
WASM2C_RUNTIME = "/usr/share/wabt/wasm2c"
RUN_SECONDS = 120
LINE = re.compile(r"^bench ([a-z0-9-]+) ([0-9.]+)$", re.MULTILINE)

TARGET_LINE = re.compile(r"\bbench ([a-z0-9-]+) ([0-9.]+)\s*$", re.MULTILINE)


class BenchError(Exception):
    pass


def call(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise BenchError(f"this failed with status {done.returncode}:\n    {' '.join(command)}\n{done.stdout.rstrip()}")


class Builder:
    """Builds programs; each method returns the command that runs one."""

    def __init__(self, root, options):
        self.root = root
        self.host = os.path.join(root, "build", "host")
        self.sources = os.path.join(root, "bench", "wasm")
        self.folder = os.path.join(self.host, "bench-wasm")
        self.options = options
        os.makedirs(self.folder, exist_ok=True)

    def output(self, name, engine):
        return os.path.join(self.folder, f"{name}.{engine}")

    def module(self, name):
        return os.path.join(self.host, "wasm", f"bench-wasm-{name}.wasm")

    def native(self, name, engine, compiler):
        output = self.output(name, engine)
        call([compiler, "-O2", "-D_GNU_SOURCE", os.path.join(self.sources, f"{name}.c"),
              os.path.join(self.sources, "harness.c"), "-o", output, "-lm"])
        return [output]

    def clang(self, name):
        return self.native(name, "clang", "clang-19")

    def gcc(self, name):
        return self.native(name, "gcc", "gcc")

    def wasm2c(self, name):
        """The module without SIMD, as C, by gcc -O2; out-of-bounds accesses meet guard pages."""
        output = self.output(name, "wasm2c")
        module = self.module(f"scalar-{name}")
        call(["wasm2c", "-n", "bench", module, "-o", output + ".c"])
        call(["gcc", "-O2", "-w", "-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=1", f'-DBENCH_HEADER="{output}.h"', "-I", WASM2C_RUNTIME,
              output + ".c", os.path.join(self.sources, "wasm2c.c"), os.path.join(WASM2C_RUNTIME, "wasm-rt-impl.c"),
              "-o", output, "-lm"])
        return [output]

    def v8(self, name):
        return ["node", *TURBOFAN_ONLY, os.path.join(self.sources, "host.mjs"), self.module(name)]

    def tessera(self, name, target="x86_64"):
        output = self.output(name, target)
        libraries = os.path.join(self.root, "build", target, "lib")
        page_zero = [] if may_map_page_zero() else ["--no-page-zero"]
        call([os.path.join(self.host, "aot", "tessera-aot"), self.module(name), "-o", output, "--target", target,
              "--lib-dir", libraries, "--library", "libwasm_linux.a", *page_zero, *self.options])
        return [output] if target == "x86_64" else ["qemu-aarch64-static", output]


def may_map_page_zero():
    with open("/proc/sys/vm/mmap_min_addr", encoding="ascii") as file:
        return os.geteuid() == 0 or int(file.read()) == 0


# Name, title, the tools that it takes.
ENGINES = (
    ("clang", "clang -O2", ("clang-19",)),
    ("gcc", "gcc -O2", ("gcc",)),
    ("wasm2c", "wasm2c+gcc", ("wasm2c", "gcc")),
    ("v8", "V8", ("node",)),
    ("tessera", "tessera-aot", ()),
)


def available(wanted):
    chosen = []
    for engine in ENGINES:
        missing = [tool for tool in engine[2] if not shutil.which(tool)]
        if wanted and engine[0] not in wanted:
            continue
        if missing:
            print(f"  {engine[1]} is left out: {missing[0]} is not installed")
        else:
            chosen.append(engine)
    return chosen


def measure(command, name):
    """CPU seconds that the program reports."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{' '.join(command)} did not end within {RUN_SECONDS} s") from None
    match = LINE.search(done.stdout)
    if done.returncode or not match or match[1] != name:
        raise BenchError(f"{' '.join(command)} ended with status {done.returncode} and said:\n{done.stdout.rstrip()}")
    return float(match[2])


def check(root, target):
    """One round of each program, whose checksum must be right."""
    builder = Builder(root, ())
    for name in PROGRAMS:
        command = builder.tessera(name, target)
        print(f"{name}: {measure([*command, '1'], name)} s")


def run_on_target(root, arch, name, image, memory):
    """Instructions of one round, in a system of that program alone."""
    folder = os.path.join(root, "build", arch)
    work = os.path.join(folder, "bench-wasm")
    os.makedirs(work, exist_ok=True)
    description, manifest = os.path.join(work, "system.json"), os.path.join(work, "manifest.json")
    archive = os.path.join(work, "system.cpio")
    with open(manifest, "w", encoding="utf-8") as file:
        json.dump({"name": name, "version": "1.0.0", "memory": memory, "permissions": {}}, file)
    with open(description, "w", encoding="utf-8") as file:
        json.dump({"programs": [{"name": name, "image": image, "manifest": "manifest.json", "arguments": [name, "1"]}]},
                  file)
    call([sys.executable, os.path.join(root, "ci", "system_image.py"), description, "--arch", arch, "--host-dir",
          os.path.join(root, "build", "host"), "--build-dir", folder, "-o", archive])
    kernel = os.path.join(folder, "kernel", "Image" if arch == "arm64" else "tessera.elf")
    command = [sys.executable, os.path.join(root, "ci", "qemu.py"), "--arch", arch, "--boot", "direct", "--icount",
               "--kernel", kernel, "--archive", archive, "--timeout", str(RUN_SECONDS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    match = TARGET_LINE.search(done.stdout)
    if done.returncode or not match or match[1] != name:
        raise BenchError(f"{image} on {arch} ended with status {done.returncode} and said:\n{done.stdout.rstrip()}")
    return round(float(match[2]) * 1e9)


def run_target(root, arch, programs=None, json_path=None):
    """One round of each program under QEMU's instruction counter, translated and native (gcc -O2 for the target)."""
    rows = []
    for name in programs or PROGRAMS:
        native = run_on_target(root, arch, name, f"bench-native-{name}", "16M")
        translated = run_on_target(root, arch, name, f"bench-wasm-{name}.wasm", "16M")
        rows.append((name, native, translated))
        print(f"  {name:12} native {native:>14,}   tessera-aot {translated:>14,}   {translated / native:.2f}", flush=True)
    mean = geometric_mean([translated / native for _, native, translated in rows])
    print(f"Instructions of one round on {arch}, beside gcc -O2 for the same machine; geometric mean {mean:.3f}, less is better.")
    if json_path:
        record = {"arch": arch, "counter": "instructions", "geometric_mean": mean,
                  "results": {name: {"native": native, "tessera": translated} for name, native, translated in rows}}
        with open(json_path, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=4)
            file.write("\n")
        print(f"written to {json_path}")


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def ratios(times, engine, programs):
    return [times[name][engine] / times[name]["clang"] for name in programs]


def table(times, engines):
    names = list(times)
    has_native = any(engine[0] == "clang" for engine in engines)
    lines = [("CPU seconds", *(engine[1] for engine in engines))]
    for name in names:
        cells = []
        for engine, _, _ in engines:
            relative = f" ({times[name][engine] / times[name]['clang']:.2f})" if has_native and engine != "clang" else ""
            cells.append(f"{times[name][engine]:.3f}{relative}")
        lines.append((name, *cells))
    groups = (("geometric mean", names), ("scalar programs", [name for name in names if name not in VECTORISED]))
    for title, group in groups if has_native else ():
        if group:
            lines.append((title, *(f"{geometric_mean(ratios(times, engine[0], group)):.3f}" for engine in engines)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for index, line in enumerate(lines):
        first, *others = (cell.ljust(width) if column == 0 else cell.rjust(width)
                          for column, (cell, width) in enumerate(zip(line, widths)))
        print("  ".join([first, *others]).rstrip())
        if index in (0, len(names)):
            print("  ".join("-" * width for width in widths))
    if has_native:
        print("In brackets, and the means: relative to clang-19 -O2. Less is better.")


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        match = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine()


def run(root, runs, programs=None, engines=None, aot_options=(), json_path=None):
    """Build, run everything `runs` times in turns, print the table, write the JSON when a path is given."""
    if platform.machine() != "x86_64":
        raise BenchError("`bench wasm` needs an x86-64 host; --target measures in QEMU anywhere")
    names = programs or PROGRAMS
    engines = available(engines)
    builder = Builder(root, aot_options)
    commands = {}
    for name in names:
        print(f"  building {name} ...", flush=True)
        commands[name] = {engine: getattr(builder, engine)(name) for engine, _, _ in engines}
    times = {name: {} for name in names}
    for turn in range(runs):
        print(f"  run {turn + 1} of {runs} ...", flush=True)
        for name in names:
            for engine, command in commands[name].items():
                times[name][engine] = min(times[name].get(engine, math.inf), measure(command, name))
    print(f"{cpu_name()}, {time.strftime('%Y-%m-%d')}, least of {runs} runs")
    table(times, engines)
    if json_path:
        write_json(json_path, times, engines, runs)


def write_json(path, times, engines, runs):
    means = {engine[0]: geometric_mean(ratios(times, engine[0], times)) for engine in engines} \
        if any(engine[0] == "clang" for engine in engines) else {}
    record = {"cpu": cpu_name(), "date": time.strftime("%Y-%m-%d"), "counter": "seconds", "runs": runs, "results": times,
              "geometric_means": means}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file, indent=4)
        file.write("\n")
    print(f"written to {path}")


def main():
    parser = argparse.ArgumentParser(description="One round of each benchmark program, translated, on this host.")
    parser.add_argument("command", choices=("check",))
    parser.add_argument("--target", choices=("x86_64", "arm64"), required=True)
    options = parser.parse_args()
    try:
        check(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), options.target)
    except BenchError as error:
        print(f"bench_wasm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
