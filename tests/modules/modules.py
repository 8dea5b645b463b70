#!/usr/bin/env python3
"""Programs that nobody here wrote: Debian's sources, compiled with wasi-libc, translated, run beside a native build.

programs.json lists them; their sources come by ci/parts.py. A native build of the same sources says what a run must print
and how it must end, or `expect` what its output must contain.

    modules.py --target x86_64 --aot FILE --lib-dir DIR --work DIR [NAME...]

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

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "ci"))
import debian
import parts

CLANG = "clang-19"
WASI_INCLUDE = "/usr/include/wasm32-wasi"
COMMON = ["-O2", "-w", "-include", str(HERE / "shims.h")]
# Signals and process clocks as wasi-libc emulates them.
WASI = ["--target=wasm32-wasi", "-msimd128", "-mbulk-memory", "-nostdinc", "-isystem", WASI_INCLUDE,
        "-D_WASI_EMULATED_SIGNAL", "-D_WASI_EMULATED_PROCESS_CLOCKS", "-lwasi-emulated-signal", "-lwasi-emulated-process-clocks"]
SECONDS = 120


def run(words, seconds=SECONDS, **more):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, **more)


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

    def compile(self, compiler, output):
        if output.exists():
            return
        sources = [file for pattern in self.text["sources"] for file in sorted(self.folder.glob(pattern))]
        unfinished = output.with_suffix(f".{os.getpid()}")  # the tests of both targets may compile it at once
        need([*compiler, *COMMON, *self.text["flags"], *sources, "-o", unfinished], cwd=self.folder)
        unfinished.rename(output)

    def build(self):
        builtin = need([CLANG, "-print-resource-dir"]).strip() + "/include"
        self.compile([CLANG, *WASI, "-isystem", builtin, *self.text.get("wasm-flags", [])], self.module)
        self.compile(["gcc", *self.text.get("native-flags", [])], self.native)

    def outcome(self, command, wanted):
        arguments = wanted.get("arguments", [])
        with open(self.folder / wanted["stdin"] if "stdin" in wanted else os.devnull, "rb") as stdin:
            done = run([*command, *arguments], stdin=stdin)
        return done.returncode, done.stdout

    def check(self, options, image):
        words = [options.aot, "--target", options.target, "-O2", "--lib-dir", options.lib_dir, "--library", "libwasm_linux.a"]
        if os.geteuid() != 0 and int(pathlib.Path("/proc/sys/vm/mmap_min_addr").read_text()) != 0:
            words.append("--no-page-zero")
        need([*words, "-o", image, self.module], seconds=600)
        emulator = [shutil.which("qemu-aarch64-static")] if options.target == "arm64" and os.uname().machine != "aarch64" else []
        problems = 0
        for wanted in self.text["runs"]:
            status, output = self.outcome([*emulator, image], wanted)
            if "expect" in wanted:  # where a 32-bit program rightly differs from a 64-bit one
                is_right = status == 0 and wanted["expect"] in output.decode(errors="replace")
            else:
                is_right = (status, output) == self.outcome([self.native], wanted)
            if not is_right:
                problems += 1
                print(f"FAIL {self.name} {wanted}: status {status}, output {output[:500]}")
        print(f"{self.name}: {len(self.text['runs']) - problems} of {len(self.text['runs'])} runs right")
        return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="programs; all by default")
    parser.add_argument("--target", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--aot", required=True, help="the translator")
    parser.add_argument("--lib-dir", required=True, help="of libwasm_linux.a for the target")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the compiled programs")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    pins = parts.pins()
    problems = 0
    for name, text in json.loads((HERE / "programs.json").read_text()).items():
        if options.names and name not in options.names:
            continue
        program = Program(name, text, parts.fetch(text["part"], pins[text["part"]]), options.work)
        program.build()
        problems += program.check(options, options.work / f"{name}.{options.target}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    try:
        main()
    except debian.DebianError as error:
        sys.exit(str(error))
