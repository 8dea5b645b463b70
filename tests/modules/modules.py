#!/usr/bin/env python3
"""Programs that nobody here wrote: Debian's sources, compiled with wasi-libc, translated, run beside a native build.

programs.json lists them; their sources come by ci/parts.py. A native build of the same sources says what a run must print
and how it must end, or `expect` what its output must contain.

    modules.py --target x86_64 --aot FILE --lib-dir DIR --work DIR [NAME...]    on this host
    modules.py ... --build-dir build/x86_64                                     those marked "target", on Tessera in QEMU

--work keeps the compiled modules, which are the same for both targets.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "ci"))
import debian
import parts

CLANG = "clang-19"
WASI_INCLUDE = "/usr/include/wasm32-wasi"
COMMON = ["-O2", "-w", "-idirafter", str(HERE / "include"), "-include", str(HERE / "shims.h")]
# Signals and process clocks as wasi-libc emulates them.
WASI = ["--target=wasm32-wasi", "-msimd128", "-mbulk-memory", "-nostdinc", "-isystem", WASI_INCLUDE,
        "-D_WASI_EMULATED_SIGNAL", "-D_WASI_EMULATED_PROCESS_CLOCKS", "-lwasi-emulated-signal", "-lwasi-emulated-process-clocks"]
SETJMP = ["-mexception-handling", "-mllvm", "-wasm-enable-sjlj"]
SECONDS = 120


def run(words, seconds=SECONDS, stderr=subprocess.PIPE, **more):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=stderr, timeout=seconds, **more)


def need(words, **more):
    done = run(words, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


class Program:
    def __init__(self, name, text, folder, work):
        self.name, self.text, self.folder = name, text, folder
        recipe = json.dumps([text, COMMON, WASI, str(folder), (HERE / "shims.h").read_text()])
        stem = f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
        self.module, self.native = work / f"{stem}.wasm", work / stem

    def compile(self, compiler, output, libraries=()):
        if output.exists():
            return
        sources = sorted({file for pattern in self.text["sources"] for file in self.folder.glob(pattern)} -
                         {self.folder / file for file in self.text.get("without", [])})
        unfinished = output.with_suffix(f".{os.getpid()}")  # the tests of both targets may compile it at once
        need([*compiler, *COMMON, *self.text["flags"], *sources, *libraries, "-o", unfinished], cwd=self.folder)
        unfinished.rename(output)

    def build(self):
        builtin = need([CLANG, "-print-resource-dir"]).strip() + "/include"
        setjmp = [*SETJMP, str(HERE / "setjmp.c")] if self.text.get("setjmp") else []
        self.compile([CLANG, *WASI, "-isystem", builtin, *setjmp], self.module)
        self.compile(["gcc"], self.native, ["-lm"])

    def find(self, file):
        """An input: ours, or one that came with the sources."""
        return next(folder / file for folder in (HERE, self.folder) if (folder / file).is_file())

    def outcome(self, command, wanted):
        arguments = wanted.get("arguments", [])
        with open(self.find(wanted["stdin"]) if "stdin" in wanted else os.devnull, "rb") as stdin:
            done = run([*command, *arguments], stdin=stdin, stderr=subprocess.STDOUT)  # one console, as on target
        return done.returncode, done.stdout

    def is_right(self, wanted, status, output):
        if "expect" in wanted:  # where a 32-bit program rightly differs from a 64-bit one
            return status == 0 and wanted["expect"] in output.decode(errors="replace")
        return (status, output) == self.outcome([self.native], wanted)

    def check(self, options, image):
        words = [options.aot, "--target", options.target, "-O2", "--lib-dir", options.lib_dir, "--library", "libwasm_linux.a"]
        if os.geteuid() != 0 and int(pathlib.Path("/proc/sys/vm/mmap_min_addr").read_text()) != 0:
            words.append("--no-page-zero")
        need([*words, "-o", image, self.module], seconds=600)
        emulator = [shutil.which("qemu-aarch64-static")] if options.target == "arm64" and os.uname().machine != "aarch64" else []
        problems = 0
        for wanted in self.text["runs"]:
            status, output = self.outcome([*emulator, image], wanted)
            if not self.is_right(wanted, status, output):
                problems += 1
                print(f"FAIL {self.name} {wanted}: status {status}, output {output[:500]}")
        print(f"{self.name}: {len(self.text['runs']) - problems} of {len(self.text['runs'])} runs right")
        return problems


def check_on_target(options, programs):
    """All runs that are marked, as programs of one system."""
    runs = [(program, wanted) for program in programs for wanted in program.text["runs"] if wanted.get("target")]
    with tempfile.TemporaryDirectory(prefix="modules-") as folder:
        folder = pathlib.Path(folder)
        system = {"programs": [], "files": {}}
        for number, (program, wanted) in enumerate(runs):
            shutil.copy(program.module, folder / f"run{number}.wasm")
            (folder / f"run{number}.json").write_text(json.dumps(
                {"name": program.name, "version": "1", "memory": "64M", "permissions": {"clock": True, "random": True}}))
            entry = {"name": f"run{number}", "image": f"run{number}.wasm", "grant": {"clock": True, "random": True},
                     "arguments": [program.name, *wanted.get("arguments", [])]}
            if "stdin" in wanted:
                entry["stdin"] = f"input{number}"
                system["files"][f"input{number}"] = str(program.find(wanted["stdin"]))
            system["programs"].append(entry)
        (folder / "system.json").write_text(json.dumps(system))
        build = options.build_dir.resolve()
        need([sys.executable, ROOT / "ci" / "system_image.py", folder / "system.json", "--arch", options.target, "--host-dir",
              pathlib.Path(options.aot).parent.parent, "--build-dir", build, "-o", folder / "system.cpio"], seconds=600)
        kernel = build / "kernel" / ("Image" if options.target == "arm64" else "tessera.elf")
        console = run([sys.executable, ROOT / "ci" / "qemu.py", "--arch", options.target, "--kernel", kernel, "--archive",
                       folder / "system.cpio", "--memory", "1024", "--timeout", "300"], seconds=400).stdout.decode(errors="replace")
    problems = 0
    for number, (program, wanted) in enumerate(runs):
        prefix = f"run{number}: "
        output = "".join(line[len(prefix):] + "\n" for line in console.splitlines() if line.startswith(prefix))
        if program.is_right(wanted, 0, output.encode()):
            print(f"{program.name}: right on target")
        else:
            problems += 1
            print(f"FAIL {program.name} {wanted} on target: {output[:800]}")
    if problems:
        print(console)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="programs; all by default")
    parser.add_argument("--target", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--aot", required=True, help="the translator")
    parser.add_argument("--lib-dir", required=True, help="of libwasm_linux.a for the target")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the compiled programs")
    parser.add_argument("--build-dir", type=pathlib.Path, help="of the kernel and servers: run on target")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    pins = parts.pins()
    programs = []
    for name, text in json.loads((HERE / "programs.json").read_text()).items():
        if not options.names or name in options.names:
            programs.append(Program(name, text, parts.fetch(text["part"], pins[text["part"]]), options.work))
            programs[-1].build()
    if options.build_dir:
        problems = check_on_target(options, programs)
    else:
        problems = sum(program.check(options, options.work / f"{program.name}.{options.target}") for program in programs)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    try:
        main()
    except debian.DebianError as error:
        sys.exit(str(error))
