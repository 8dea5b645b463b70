"""How long translating takes, and how much memory: tessera-aot at -O0 and -O2 beside gcc -O2 on wasm2c's output.

The modules are programs of bench/compile, whose sources come from Debian (ci/parts.py has them fetched and checked), compiled
by clang-19 -O2 without SIMD, which Debian's wasm2c does not know; or any that the command line names. CPU time is user time of
all processes of a command, memory the most that its processes held at one time (anonymous pages, looked at every 20 ms).

    bench_compile.py check --aot FILE --lib-dir DIR MODULE    a small form for the tests
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import bench_wasm
import debian
import parts

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ROOT / "bench" / "compile"
WASI_INCLUDE = "/usr/include/wasm32-wasi"
WASM2C_SECONDS = 600


class CompileBenchError(Exception):
    pass


def call(words, **more):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode:
        raise CompileBenchError(f"this failed with status {done.returncode}:\n    {' '.join(map(str, words))}\n{done.stdout.rstrip()}")
    return done.stdout


# ---- modules ----

def compile_module(name, text, folder):
    """The program's module, made once; None when a tool is missing."""
    module = folder / f"{name}.wasm"
    if module.exists():
        return module
    if "needs" in text and not shutil.which(text["needs"]):
        print(f"  {name} is left out: {text['needs']} is not installed")
        return None
    print(f"  compiling {name} ...", flush=True)
    source = parts.fetch(name, text["pin"])
    work = folder / f"{name}.work"
    work.mkdir(parents=True, exist_ok=True)
    if "prepare" in text:
        call(["sh", "-c", text["prepare"] % source], cwd=work)
    files = [next(folder / file for folder in (work, source, SOURCES) if (folder / file).exists()) for file in text["sources"]]
    flags = [f"-I{(work if flag == '-I.' else source / flag[2:])}" if flag.startswith("-I") else flag for flag in text["flags"]]
    builtin = call(["clang-19", "-print-resource-dir"]).strip() + "/include"
    unfinished = folder / f"{name}.unfinished"
    call(["clang-19", "--target=wasm32-wasi", "-O2", "-w", "-mbulk-memory", "-nostdinc", f"-I{SOURCES}", "-isystem", WASI_INCLUDE,
          "-isystem", builtin, *flags, *files, "-o", unfinished])
    unfinished.rename(module)
    return module


# ---- measuring ----

def process_tree(root):
    """The process and its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry))
    tree = [root]
    for process in tree:
        tree += children.get(process, [])
    return tree


def anonymous_bytes(process):
    try:
        with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:"))
    except OSError:
        return 0


def measure(words, seconds=None):
    """User seconds, wall seconds and most bytes of a command; None when it took longer than `seconds`."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([str(word) for word in words], stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        peak, ended = 0, threading.Event()
        timer = threading.Timer(seconds, lambda: os.killpg(process.pid, 9)) if seconds else None
        if timer:
            timer.start()
        before = os.times().children_user

        def watch():
            nonlocal peak
            while not ended.wait(0.02):
                peak = max(peak, sum(map(anonymous_bytes, process_tree(process.pid))))

        watcher = threading.Thread(target=watch)
        watcher.start()
        status = process.wait()
        ended.set()
        watcher.join()
        is_late = timer is not None and not timer.is_alive() and status == -9
        if timer:
            timer.cancel()
        if is_late:
            return None
        if status:
            output.seek(0)
            text = output.read().decode(errors="replace").rstrip()
            raise CompileBenchError(f"{' '.join(map(str, words))} ended with status {status}:\n{text}")
    return {"user": os.times().children_user - before, "wall": time.monotonic() - begin, "bytes": peak}


def translate(aot, libraries, module, level, output, more=()):
    return measure([aot, module, f"-O{level}", "--lib-dir", libraries, "--library", "libwasm_linux.a", "--no-page-zero", *more,
                    "-o", output])


def wasm2c(module, folder):
    """gcc -O2 on what wasm2c makes; None when it takes too long."""
    source, output = folder / f"{module.stem}.c", folder / f"{module.stem}.gcc.o"
    call(["wasm2c", "-n", "bench", module, "-o", source])
    return measure(["gcc", "-O2", "-w", "-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=1", "-I", bench_wasm.WASM2C_RUNTIME, "-c", source,
                    "-o", output], WASM2C_SECONDS)


def measure_module(aot, libraries, module, folder):
    """Each figure is said as soon as it is known; what fails is said, too, and has none."""
    steps = {f"O{level}": lambda level=level: translate(aot, libraries, module, level, folder / f"{module.stem}.O{level}")
             for level in (0, 2)}
    steps["wasm2c"] = lambda: wasm2c(module, folder)
    results = {}
    for name, step in steps.items():
        what = f"  {module.name} with {'wasm2c and gcc -O2' if name == 'wasm2c' else f'tessera-aot -{name}'}"
        print(f"{what} ...", flush=True)
        try:
            results[name] = step()
        except CompileBenchError as error:
            results[name] = None
            print(f"{what}: {error}", flush=True)
            continue
        got = results[name]
        print(f"{what}: " + (f"{got['user']:.1f} s of user time, {got['wall']:.1f} s in all, {got['bytes'] / 1e6:.0f} MB" if got
                             else f"no end after {WASM2C_SECONDS} s"), flush=True)
    return results


# ---- the table ----

def row(module, results):
    size = module.stat().st_size / 1e6
    cells = [module.stem, f"{size:.2f}"]
    for key in ("O0", "O2", "wasm2c"):
        result = results[key]
        if not result:
            cells += ["-", "-", "-"]
            continue
        per_size = f" ({result['user'] / size:.2f}/MB)" if key == "O0" else ""
        cells += [f"{result['user']:.1f}{per_size}", f"{result['wall']:.1f}", f"{result['bytes'] / 1e6:.0f}"]
    cells.append(f"{results['O2']['user'] / results['wasm2c']['user']:.2f}" if results["O2"] and results["wasm2c"] else "-")
    return cells


def print_table(rows):
    titles = ["module", "MB"] + [f"{name} {what}" for name in ("-O0", "-O2", "gcc") for what in ("user s", "wall s", "peak MB")] + ["-O2/gcc"]
    lines = [titles, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        print("  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                        for column, (cell, width) in enumerate(zip(line, widths))).rstrip())
    print(f"{bench_wasm.cpu_name()}, {os.cpu_count()} CPUs; gcc: -O2 on wasm2c's output. Less is better.")


def run(modules=(), json_path=None):
    folder = ROOT / "build" / "host" / "bench-compile"
    folder.mkdir(parents=True, exist_ok=True)
    aot, libraries = ROOT / "build" / "host" / "aot" / "tessera-aot", ROOT / "build" / "x86_64" / "lib"
    modules = [pathlib.Path(module) for module in modules] or [
        module for name, text in json.loads((SOURCES / "programs.json").read_text()).items()
        if (module := compile_module(name, text, folder))]
    record = {}
    for module in modules:
        record[module.name] = measure_module(aot, libraries, module, folder)
        if json_path:  # after each, so that an interrupted run leaves what it found
            with open(json_path, "w", encoding="utf-8") as file:
                json.dump({"cpu": bench_wasm.cpu_name(), "cpus": os.cpu_count(), "results": record}, file, indent=4)
                file.write("\n")
    print_table([row(module, record[module.name]) for module in modules])
    if json_path:
        print(f"written to {json_path}")
    if not all(results["O0"] and results["O2"] for results in record.values()):
        raise CompileBenchError("not every module could be translated")


# ---- for the tests ----

def check(options):
    """A small module at both levels: the figures are there, and -O0 is the cheaper one."""
    module = pathlib.Path(options.module)
    with tempfile.TemporaryDirectory() as folder:
        results = measure_module(options.aot, options.lib_dir, module, pathlib.Path(folder))
        late = measure(["sleep", "60"], 0.2)
    print_table([row(module, results)])
    is_right = 0 < results["O0"]["user"] < results["O2"]["user"] and all(result["bytes"] > 1e6 for result in (results["O0"], results["O2"]))
    return 0 if is_right and late is None else 1


def main():
    parser = argparse.ArgumentParser(description="A small form of `./tessera bench compile`, for the tests.")
    parser.add_argument("command", choices=("check",))
    parser.add_argument("--aot", required=True)
    parser.add_argument("--lib-dir", required=True)
    parser.add_argument("module")
    try:
        return check(parser.parse_args())
    except (CompileBenchError, debian.DebianError) as error:
        print(f"bench_compile: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
