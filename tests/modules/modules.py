#!/usr/bin/env python3
"""Programs that nobody here wrote: sources of Debian and modules of npm, translated, run beside a native build.

programs.json lists them; what they are made of comes by ci/parts.py. Three kinds:

    sources     C or C++ (`"language": "c++"`), compiled with wasi-libc, and natively
    rust        a file here, compiled by Debian's rustc for wasm32-wasi, and natively
    module      a module as it was published, or one written here (*.wat) that uses those linked to it (`link`)

A run of the native build of the same sources says what a run must print and how it must end; otherwise `expect` is what its output
must contain, `status` how it ends, `error` what it must write to standard error.

    modules.py --target x86_64 --aot FILE --lib-dir DIR --work DIR [NAME...]
    modules.py ... --boot BUILD_DIR     on target, in QEMU, all at once; runs that write bytes, which the console does not show, say "target": false
    modules.py ... --run BUILD_DIR      on target, one after another, as `./tessera run` does it: runs with "target": false, and those that
                                        work on files: `files` are given to them, `results` must be there afterwards, as natively

--work keeps the compiled modules, which are the same for both targets. Programs marked `by-hand` take minutes, and run when they are named only.
"""
import argparse
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "ci"))
import debian
import parts
import run_app
import sqlite
import system_image

CLANG, RUSTC = "clang-19", "/usr/bin/rustc"  # Debian's: another one may come first in PATH
WASI_INCLUDE = "/usr/include/wasm32-wasi"
COMMON = ["-w", "-I", str(HERE / "include"), "-include", str(HERE / "shims.h")]
# Signals and process clocks as wasi-libc emulates them.
WASI = ["--target=wasm32-wasi", "-O2", "-msimd128", "-mbulk-memory", "-nostdinc", "-isystem", str(HERE / "wasi"), "-D_WASI_EMULATED_SIGNAL", "-D_WASI_EMULATED_PROCESS_CLOCKS"]
WASI_LIBRARIES = ["-lwasi-emulated-signal", "-lwasi-emulated-process-clocks"]
CXX_INCLUDE = "/usr/include/wasm32-wasi/c++/v1"
SETJMP = ["-mllvm", "-wasm-enable-sjlj", "-mexception-handling", str(HERE / "wasi" / "setjmp.c")]
SECONDS, TRANSLATION_SECONDS, BOOT_SECONDS, RUN_SECONDS = 120, 1200, 240, 60
MEMORY = "192M"
SKIPPED = 77  # to CTest


def run(words, seconds=SECONDS, **more):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, **more)


def need(words, **more):
    done = run(words, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


class Program:
    """What all kinds have: a module, more modules linked to it, and perhaps a native build."""

    def __init__(self, name, text, folder, work):
        self.name, self.text, self.folder, self.work = name, text, folder, work
        recipe = json.dumps([text, COMMON, WASI, SETJMP, str(folder), *(file.read_text() for file in self.own_files())])
        self.stem = f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
        self.module, self.native, self.linked = work / f"{self.stem}.wasm", work / self.stem, []

    def own_files(self):
        """Files of this project that the program depends on."""
        own = self.text.get("sources", []) if self.folder == HERE else []
        return sorted(file for pattern in ("*.h", "*.rs", "*.wat", "*/*.h", "*/*.c", *own) for file in HERE.glob(pattern))

    def make(self, words, output, cwd=None):
        """Runs a compiler unless the output is there already; of several tests that want it at once, one does."""
        with open(output.with_suffix(".lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not output.exists():
                unfinished = output.with_suffix(f".new{output.suffix}")
                need([*words, "-o", unfinished], cwd=cwd, seconds=TRANSLATION_SECONDS)
                unfinished.rename(output)

    def translate(self, options, image, *more, level=None):
        level = self.text.get("level", 2) if level is None else level
        words = [options.aot, "--target", options.target, f"-O{level}", "--lib-dir", options.lib_dir, *more]
        for name, module in self.linked:
            words += ["--link", f"{name}={module}"]
        need([*words, "-o", image, self.module], seconds=TRANSLATION_SECONDS)


class Compiled(Program):
    def compile(self, compiler, output, *last):
        sources = [file for pattern in self.text["sources"] for file in sorted(self.folder.glob(pattern))]
        self.make([*compiler, *COMMON, *self.text.get("flags", []), *sources, *last], output, self.folder)

    def build(self):
        is_cxx = self.text.get("language") == "c++"
        includes = [*([CXX_INCLUDE] if is_cxx else []), need([CLANG, "-print-resource-dir"]).strip() + "/include", WASI_INCLUDE]
        words = [CLANG, *(["--driver-mode=g++", "-fno-exceptions"] if is_cxx else []), *WASI]
        words += [word for include in includes for word in ("-isystem", include)] + self.text.get("wasm-flags", [])
        self.compile(words, self.module, *(SETJMP if self.text.get("setjmp") else []), *WASI_LIBRARIES)
        self.compile(["g++" if is_cxx else "gcc", "-O1", *self.text.get("native-flags", [])], self.native, "-lm")


class Rust(Program):
    def build(self):
        source = HERE / self.text["rust"]
        self.make([RUSTC, "-O", "--target", "wasm32-wasi", "-C", "linker=wasm-ld-14", source], self.module)
        self.make([RUSTC, "-O", source], self.native)


class Published(Program):
    def find(self, name):
        """A module of the package, or one of this folder's texts, assembled."""
        if not name.endswith(".wat"):
            return self.folder / name
        module = self.work / f"{self.stem}-{name}.wasm"
        self.make(["wat2wasm", HERE / name], module)
        return module

    def build(self):
        self.native = None
        self.module = self.find(self.text["module"])
        self.linked = [(name, self.find(file)) for name, file in self.text.get("link", {}).items()]


def program_of(name, text, folder, work):
    kind = Rust if "rust" in text else Published if "module" in text else Compiled
    return kind(name, text, folder, work)


# ---- What a run must give ----

def stdin_file(program, wanted):
    """A file of the sources or of this folder."""
    if "stdin" not in wanted:
        return None
    return next(folder / wanted["stdin"] for folder in (HERE, program.folder) if (folder / wanted["stdin"]).exists())


def outcome(program, command, wanted, **more):
    with open(stdin_file(program, wanted) or os.devnull, "rb") as stdin:
        done = run([*command, *wanted.get("arguments", [])], stdin=stdin, **more)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def is_compared(program, wanted):
    """Whether the native build says what a run must give."""
    return program.native is not None and "expect" not in wanted and "status" not in wanted


def wanted_status(program, wanted):
    return outcome(program, [program.native], wanted)[0] if is_compared(program, wanted) else wanted.get("status", 0)


def complaint(program, wanted, status, output, error):
    """Why this is not what the run had to give, or None."""
    if "error" in wanted and wanted["error"] not in error:
        return f"no '{wanted['error']}' in '{error[-300:]}'"
    if not is_compared(program, wanted):
        if status != wanted.get("status", 0):
            return f"status {status}, {error[-300:]}"
        return None if wanted.get("expect", "") in output.decode(errors="replace") else f"output {output[:500]}"
    native = outcome(program, [program.native], wanted)
    return None if (status, output) == native[:2] else f"status {status}, output {output[:500]}, natively {native[0]}, {native[1][:500]}"


# ---- On this host ----

def check_here(options, program):
    runs = [wanted for wanted in program.text["runs"] if "files" not in wanted]  # the Linux run-time support has no files
    if not runs:
        return 0
    image = options.work / f"{program.name}.{options.target}"
    page_zero = os.geteuid() == 0 or int(pathlib.Path("/proc/sys/vm/mmap_min_addr").read_text()) == 0
    program.translate(options, image, "--library", "libwasm_linux.a", *([] if page_zero else ["--no-page-zero"]))
    emulator = [shutil.which("qemu-aarch64-static")] if options.target == "arm64" and os.uname().machine != "aarch64" else []
    problems = 0
    for wanted in runs:
        problem = complaint(program, wanted, *outcome(program, [*emulator, image], wanted))
        if problem:
            problems += 1
            print(f"FAIL {program.name} {wanted}: {problem}")
    print(f"{program.name}: {len(runs) - problems} of {len(runs)} runs right", flush=True)
    return problems


# ---- On target ----

def runs_on_target(programs):
    """(short name, program, run) of each; the console cuts long names."""
    every = [(program, wanted) for program in programs for wanted in program.text["runs"]
             if wanted.get("target", True) and "files" not in wanted]
    return [(f"p{number}", program, wanted) for number, (program, wanted) in enumerate(every)]


def write_system(options, folder, runs):
    (folder / "all.json").write_text(json.dumps({"name": "module", "version": "1", "memory": MEMORY,
                                                 "permissions": {"clock": True, "random": True}}))
    programs, files = [], {}
    for name, program, wanted in runs:
        image = folder / f"{program.name}.image"
        if not image.exists():
            program.translate(options, image, "--manifest", folder / "all.json")
        entry = {"name": name, "image": image.name, "manifest": "all.json", "memory": MEMORY,
                 "arguments": [program.name, *wanted.get("arguments", [])], "grant": {"clock": True, "random": True}}
        entry["expect"] = {"trap": wanted["trap"]} if "trap" in wanted else {"exit": wanted_status(program, wanted)}
        if "stdin" in wanted:
            shutil.copy(stdin_file(program, wanted), folder / f"{name}.in")
            files[f"{name}.in"] = f"{name}.in"
            entry["stdin"] = f"{name}.in"
        programs.append(entry)
    (folder / "system.json").write_text(json.dumps({"programs": programs, "files": files}))


def boot(options, folder):
    build = options.boot.resolve()
    need([sys.executable, ROOT / "ci" / "system_image.py", folder / "system.json", "--arch", options.target, "--host-dir",
          pathlib.Path(options.aot).resolve().parent.parent, "--build-dir", build, "-o", folder / "system.cpio"])
    kernel = build / "kernel" / ("Image" if options.target == "arm64" else "tessera.elf")
    done = run([sys.executable, ROOT / "ci" / "qemu.py", "--arch", options.target, "--kernel", kernel, "--archive",
                folder / "system.cpio", "--memory", "2048", "--timeout", BOOT_SECONDS], seconds=BOOT_SECONDS + 60)
    return done.stdout.decode(errors="replace")


def console_lines(console, name):
    return [line.removeprefix(f"{name}: ") for line in console.splitlines() if line.startswith(f"{name}: ")]


def target_complaint(program, wanted, name, console):
    if not re.search(rf"^\S*\s*{name} +ok ", console, re.M):
        return "it did not end as expected"
    lines, error = console_lines(console, name), ""
    if is_compared(program, wanted):  # standard error is on the console, too; all else is the status
        _, output, error = outcome(program, [program.native], wanted)
        lines = [line for line in lines if output and line not in error.splitlines()]
    text = "".join(f"{line}\n" for line in lines)
    return complaint(program, wanted, wanted_status(program, wanted), text.encode(), error or text)


def check_on_target(options, programs):
    runs = runs_on_target(programs)
    with tempfile.TemporaryDirectory(prefix="modules-") as folder:
        write_system(options, pathlib.Path(folder), runs)
        console = boot(options, pathlib.Path(folder))
    problems = 0
    for name, program, wanted in runs:
        problem = target_complaint(program, wanted, name, console)
        if problem:
            problems += 1
            print(f"FAIL {program.name} {wanted}: {problem}")
    if "all memory returned" not in console:
        problems += 1
    if problems:
        print(console[-3000:])
    print(f"{len(runs)} runs on target, {problems} problems")
    return problems + (not runs)


# ---- On target, one at a time, with files ----

def put_files(program, wanted, folder):
    folder.mkdir()
    for name, source in wanted.get("files", {}).items():
        shutil.copy(next(place / source for place in (HERE, program.folder) if (place / source).exists()), folder / name)


@functools.cache
def tools_digest(aot, lib_dir):
    """Changes with the translator and with what it links to programs."""
    files = [pathlib.Path(aot), *(pathlib.Path(lib_dir) / name for name in ("libwasi.a", "libwasm_runtime.a"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def run_as_app(options, program, wanted, folder):
    """(status, output, standard error) of the program as `./tessera run` runs it, with the folder as its root."""
    image = options.work / f"{program.stem}.{options.target}.O{wanted.get('level', 2)}.{tools_digest(options.aot, options.lib_dir)}.app"
    if not image.exists():
        for old in options.work.glob(f"{program.stem}.{options.target}.O{wanted.get('level', 2)}.*.app"):
            old.unlink()
        unfinished = image.with_suffix(f".{os.getpid()}")
        program.translate(options, unfinished, level=wanted.get("level"))
        unfinished.rename(image)
    words = [sys.executable, __file__, "--as-app", options.target, image, program.module, options.boot_dir.resolve(),
             pathlib.Path(options.aot).resolve().parent.parent, folder, *wanted.get("arguments", [])]
    with open(stdin_file(program, wanted) or os.devnull, "rb") as stdin:
        done = run(words, seconds=RUN_SECONDS + 30, stdin=stdin)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def as_app(arch, image, module, build, host, folder, *arguments):
    """In a process of its own: its streams are the program's."""
    wanted = argparse.Namespace(demo=module, arguments=list(arguments), mem=MEMORY, cpu=None, env=[], spawn=[], dir=[f"{folder}::/"], disk=None,
                                stdin=None, net=False, publish=[])
    app = run_app.App(wanted)
    app.module = image
    with tempfile.TemporaryDirectory(prefix="modules-") as scratch:
        archive = pathlib.Path(scratch) / "app.cpio"
        content, _ = system_image.pack(app.write(scratch), arch, host, build)
        archive.write_bytes(content)
        kernel = pathlib.Path(build) / "kernel" / ("Image" if arch == "arm64" else "tessera.elf")
        return run_app.run(app, arch, str(kernel), str(archive), RUN_SECONDS)


def results_complaint(wanted, ours, natives):
    for name in wanted.get("results", []):
        if not (ours / name).exists():
            return f"there is no {name}"
        if (ours / name).read_bytes() != (natives / name).read_bytes():
            return f"{name} is not what the native build makes"
    for name, digest in wanted.get("digests", {}).items():  # SHA-256 of what V8 made
        if not (ours / name).exists() or hashlib.sha256((ours / name).read_bytes()).hexdigest() != digest:
            return f"{name} is not there, or has another content"
    return None


def app_complaint(options, program, wanted, scratch):
    ours, natives = scratch / "ours", scratch / "natives"
    put_files(program, wanted, ours)
    put_files(program, wanted, natives)
    got = run_as_app(options, program, wanted, ours)
    if not is_compared(program, wanted):
        return complaint(program, wanted, *got) or results_complaint(wanted, ours, natives)
    expected = outcome(program, [program.native.resolve()], wanted, cwd=natives)
    if got[:2] != expected[:2]:
        return f"status {got[0]}, output {got[1][:300]}, errors {got[2][-300:]}, natively {expected[0]}, {expected[1][:300]}"
    return results_complaint(wanted, ours, natives)


def check_as_apps(options, programs):
    problems = count = 0
    for program in programs:
        for wanted in program.text["runs"]:
            if wanted.get("target", True) and "files" not in wanted:
                continue
            count += 1
            with tempfile.TemporaryDirectory(prefix="modules-") as scratch:
                problem = app_complaint(options, program, wanted, pathlib.Path(scratch))
            problems += problem is not None
            print(f"{program.name} {' '.join(wanted.get('arguments', []))}: {problem or 'right'}", flush=True)
    return problems + (not count)


def chosen_programs(options):
    pins = parts.pins()
    known = json.loads((HERE / "programs.json").read_text())
    unknown = set(options.names) - set(known)
    if unknown:
        sys.exit(f"no program is called {', '.join(sorted(unknown))}")
    for name, text in known.items():
        pin = pins.get(text.get("part"), {})
        if name not in options.names if options.names else text.get("by-hand"):
            continue
        if parts.is_missing(pin):
            print(f"{name}: skipped, npm is not installed")
            continue
        folder = sqlite.folder() if name == "sqlite" else parts.fetch(text["part"], pin) if pin else HERE
        yield program_of(name, text, folder, options.work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="programs; all but those marked by-hand by default")
    parser.add_argument("--target", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--aot", required=True, help="the translator")
    parser.add_argument("--lib-dir", required=True, help="of libwasm_linux.a for the target")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the compiled programs")
    parser.add_argument("--boot", type=pathlib.Path, metavar="BUILD_DIR", help="run on target, with the kernel of this folder")
    parser.add_argument("--run", type=pathlib.Path, metavar="BUILD_DIR", dest="boot_dir", help="run on target, one after another, with files")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    programs = list(chosen_programs(options))
    if not programs:
        sys.exit(SKIPPED)
    for program in programs:
        program.build()
    if options.boot_dir:
        sys.exit(1 if check_as_apps(options, programs) else 0)
    if options.boot:
        sys.exit(1 if check_on_target(options, programs) else 0)
    sys.exit(1 if sum([check_here(options, program) for program in programs]) else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as-app"]:
        sys.exit(as_app(*sys.argv[2:]))
    try:
        main()
    except debian.DebianError as error:
        sys.exit(str(error))
