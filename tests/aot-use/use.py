#!/usr/bin/env python3
"""tessera-aot as people use it: every option does what --help says, mistakes are named, nothing is left behind.

    use.py --target x86_64 --aot FILE --lib-dir DIR --wasm-dir DIR

An option that --help names and no check here uses is a problem of its own.
"""
import argparse
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

HELLO = """(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "hello\\n")
    (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func $main (export "_start")
        (i32.store (i32.const 0) (call $add (i32.const 8) (i32.const 8))) (i32.store (i32.const 4) (i32.const 6))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""
MISSING = """(module (import "env" "first" (func $first (param i32 f64) (result i64))) (import "env" "second" (func))
    (func $main (export "_start") (drop (call $first (i32.const 1) (f64.const 2)))))"""
USER = '(module (import "lib" "f" (func $f (result i32))) (func (export "_start") (if (i32.ne (call $f) (i32.const 5)) (then unreachable))))'
LIBRARY = '(module (func (export "f") (result i32) (i32.const 5)))'
MANIFEST = '{"name": "hello", "version": "1.0", "entry": "_start"}'


class Checks:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.problems, self.used = [], set()
        for name, text in (("hello", HELLO), ("missing", MISSING), ("user", USER), ("library", LIBRARY)):
            (folder / f"{name}.wat").write_text(text)
            subprocess.run(["wat2wasm", "--debug-names", folder / f"{name}.wat", "-o", folder / f"{name}.wasm"], check=True)
        (folder / "manifest.json").write_text(MANIFEST)
        (folder / "set").write_text("instance app user.wasm\nimport lib provider\ninstance provider library.wasm\n")

    def expect(self, condition, what):
        if not condition:
            self.problems.append(what)

    def run(self, *words, **more):
        words = [str(word) for word in words]
        for word in words:
            name = word.split("=")[0]
            self.used.add(name[:2] if re.match(r"-[OjgvO][0-9]?$", name) else name)
        return subprocess.run([self.options.aot, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
                              cwd=self.folder, stdin=subprocess.DEVNULL, **more)

    def make(self, *words):
        return self.run("--target", self.options.target, "--lib-dir", self.options.lib_dir, "--library", "libwasm_linux.a",
                        *words)

    def start(self, *words, **more):
        return self.run("--run", "--target", self.options.target, "--lib-dir", self.options.lib_dir, *words, **more)

    def check_emit(self):
        """Each kind of output, under its own name or the one that is given, or to standard output; the same bytes."""
        for kind, suffix, beginning in (("obj", ".o", b"\x7fELF"), ("llvm", ".ll", b"; ModuleID"), ("asm", ".s", b"\t"),
                                        ("image", ".image", b"\x7fELF")):
            done = self.make("--emit", kind, "hello.wasm")
            made = self.folder / f"hello{suffix}"
            self.expect(done.returncode == 0 and made.exists(), f"--emit {kind}: {done.stderr}")
            there = made.read_bytes()
            self.expect(there.startswith(beginning) and b"hello" in there, f"--emit {kind}: {there[:40]}")
            self.make("--emit", kind, "-o", "elsewhere", "hello.wasm")
            self.expect((self.folder / "elsewhere").read_bytes() == there, f"-o: --emit {kind} is another file")
            done = self.make("--emit", kind, "-o", "-", "hello.wasm")
            self.expect(done.stdout == there, f"-o -: --emit {kind} is another file: {done.stderr}")
            made.unlink()

    def check_levels(self):
        """-O0 to -O3 make code, and the first less of a loop than the others."""
        sizes = []
        for level in "0123":
            done = self.make(f"-O{level}", "--emit", "asm", "-o", "-", "hello.wasm")
            self.expect(done.returncode == 0, f"-O{level}: {done.stderr}")
            sizes.append(len(done.stdout.splitlines()))
        self.expect(sizes[0] > max(sizes[1:]), f"lines of assembly at -O0 to -O3: {sizes}")

    def check_debug(self):
        """-g keeps DWARF, -g1 tells the report only, -g0 names only."""
        sizes = {}
        for kind in ("-g", "-g1", "-g0"):
            done = self.make(kind, "-o", "image", f"{self.options.wasm_dir}/files.wasm")
            self.expect(done.returncode == 0, f"{kind}: {done.stderr}")
            sizes[kind] = (self.folder / "image").stat().st_size
        self.expect(sizes["-g0"] < sizes["-g1"] < sizes["-g"], f"sizes of images: {sizes}")
        self.expect(self.run("-g7", "hello.wasm").returncode == 1, "-g7 is taken")

    def check_inputs(self):
        """--link, --set, --manifest, --wasm, --wasm-opt, --export-tables, --no-page-zero."""
        done = self.start("--link", "lib=library.wasm", "user.wasm")
        self.expect(done.returncode == 0, f"--link: {done.stderr}")
        done = self.make("--set", "--emit", "obj", "-o", "set.o", "set")
        self.expect(done.returncode == 0, f"--set: {done.stderr}")
        done = self.make("--export-tables", "--emit", "asm", "-o", "-", "hello.wasm")
        self.expect(b"main$exports0" in done.stdout, f"--export-tables: {done.stderr}")
        done = self.make("--no-page-zero", "-O2", "--emit", "asm", "-o", "-", "hello.wasm")
        self.expect(b"1099511627776" in done.stdout, f"--no-page-zero: no memory at 1 TiB: {done.stdout}{done.stderr}")
        done = self.run("--manifest", "manifest.json", "--target", self.options.target, "--lib-dir", self.options.lib_dir,
                        "--library", "libwasm_linux.a", "-o", "image", "hello.wasm")
        self.expect(done.returncode == 0 and b"hello\0" in (self.folder / "image").read_bytes(), f"--manifest: {done.stderr}")
        done = self.make("--manifest", "hello.wat", "-o", "image2", "hello.wasm")
        self.expect(done.returncode == 1 and b"hello.wat: " in done.stderr, f"--manifest: {done.stderr}")
        done = self.start("library.wasm")
        self.expect(done.returncode == 0 and done.stderr ==
                    b'library.wasm: warning: nothing is exported as "_start": the program will do nothing\n', f"a library: {done}")
        (self.folder / "tail.wat").write_text("(module (func $f return_call $f))")
        subprocess.run(["wat2wasm", "--enable-tail-call", "tail.wat", "-o", "tail.wasm"], cwd=self.folder, check=True)
        self.expect(self.run("--wasm", "3.0", "--check", "tail.wasm").returncode == 0, "--wasm 3.0 refuses a tail call")
        done = self.run("--wasm", "2.0", "--check", "tail.wasm")
        self.expect(done.returncode == 1 and b"tail.wasm: function 0: 0x" in done.stdout, f"--wasm 2.0: {done.stdout}")
        done = self.start("--wasm-opt", "hello.wasm")
        self.expect(done.stdout == b"hello\n", f"--wasm-opt: {done.stderr}")

    def check_unknown_imports(self):
        done = self.make("hello.wasm", "--unknown-imports=maybe")
        self.expect(done.returncode == 1 and b"error or trap" in done.stderr, f"--unknown-imports=maybe: {done.stderr}")
        for more in ([], ["--unknown-imports=error"]):
            done = self.make("missing.wasm", "-o", "image3", *more)
            lines = done.stderr.decode().splitlines()
            self.expect(done.returncode == 1 and len(lines) == 2 and not (self.folder / "image3").exists() and
                        re.search(r'^missing\.wasm: 0x\w+: unknown import "env" "first": \(i32 f64\) -> \(i64\)$', lines[0]) and
                        lines[1].endswith('unknown import "env" "second": () -> ()'), f"missing imports: {lines}")
        done = self.start("--unknown-imports=trap", "missing.wasm")
        self.expect(done.returncode == 134 and done.stderr ==
                    b"wasm trap: unknown import called, in env.first called from main\n", f"--unknown-imports=trap: {done.stderr}")

    def check_how(self):
        """-v, -j, --check, --help, --version."""
        done = self.make("-v", "-j1", "-o", "image", "hello.wasm")
        for step in (b"load", b"link"):
            self.expect(re.search(rb"\d\.\d+ s  " + step, done.stderr), f"-v: no time for {step}: {done.stderr}")
        done = self.make("--verbose", "-j", "2", "-o", "image", "hello.wasm")
        self.expect(b" s  load" in done.stderr, f"--verbose: {done.stderr}")
        done = self.start("--part-bytes", "500", "--verify", f"{self.options.wasm_dir}/lines.wasm", "e")
        self.expect((done.returncode, done.stdout) == (7, b"none\n"), f"--part-bytes --verify: {done}")
        self.expect(self.run("--part-bytes", "none", "hello.wasm").returncode == 1, "--part-bytes none is taken")
        done = self.run("--check", "hello.wasm", "hello.wat", "missing.wasm")
        self.expect(done.returncode == 1 and done.stdout.startswith(b"hello.wasm: ok\nhello.wat: 0x0: ") and
                    done.stdout.endswith(b"missing.wasm: ok\n"), f"--check: {done.stdout}")
        self.expect(re.match(rb"tessera-aot \d\S*, LLVM 19", self.run("--version").stdout), "--version")

    def check_run(self):
        """Arguments, environment, folders, exit status, traps; an image runs as a module does."""
        lines = f"{self.options.wasm_dir}/lines.wasm"
        done = self.start("--env", "GREETING=good day", lines, "e", "one", "--", "-two", "--env")
        self.expect((done.returncode, done.stdout) == (7, b"[one]\n[-two]\n[--env]\ngood day\n"), f"--run: {done}")
        done = self.start(lines, "e", env={**os.environ, "GREETING": "the host's"})
        self.expect(done.stdout == b"none\n", f"--run: the host's environment came through: {done.stdout}")
        done = self.start(lines, "trap")
        self.expect(done.returncode == 134 and b"wasm trap: unreachable, in check (lines.c:" in done.stderr, f"--run: {done}")
        self.make("-o", "image", lines)
        done = self.start("image", "e", "x")
        self.expect((done.returncode, done.stdout) == (7, b"[x]\nnone\n"), f"--run of an image: {done}")
        done = self.run("--run", "image", "e", "x")
        self.expect((done.returncode, done.stdout) == (7, b"[x]\nnone\n"), f"--run of an image, its machine not said: {done}")
        (self.folder / "half.o").write_bytes((self.folder / "image").read_bytes()[:5000])
        self.make("--emit", "obj", "-o", "plain.o", "hello.wasm")
        for name in ("half.o", "plain.o", "/bin/true"):
            done = self.run("--run", name)
            self.expect(done.returncode == 1 and b"neither a module nor a program image" in done.stderr, f"--run {name}: {done}")
        if pathlib.Path(self.options.lib_dir, "libwasi.a").exists():
            self.run("--target", self.options.target, "--lib-dir", self.options.lib_dir, "-o", "for-tessera", "hello.wasm")
            done = self.run("--run", "for-tessera")
            self.expect(done.returncode == 1 and done.stderr.startswith(b"for-tessera: an image for Tessera"), f"--run: {done}")
        for words in (["--dir", "nowhere"], ["--dir", "::x"], ["--env", "x"]):
            done = self.start(*words, lines)
            self.expect(done.returncode == 1 and done.stderr and not done.stdout, f"{words}: {done}")

    def check_folders(self):
        data = self.folder / "outer" / "data"
        data.mkdir(parents=True)
        (self.folder / "outer" / "secret").write_text("secret")
        (data / "link").symlink_to("../secret")
        (data / "linked-folder").symlink_to("..")
        done = self.start("--dir", "outer/data::/data", f"{self.options.wasm_dir}/files.wasm")
        self.expect((done.returncode, done.stdout) == (0, b"all right\n"), f"--dir: {done.stdout.decode()}{done.stderr}")
        moved = data / "sub" / "moved.txt"
        self.expect(moved.exists() and moved.read_text() == "0123ab67end", "--dir: what the program wrote is not there")
        self.expect((self.folder / "outer" / "secret").exists() and not (self.folder / "outer" / "stolen").exists(),
                    "--dir: the program got out of its folder")

    def check_mistakes(self):
        for words, text in ((["--optimise"], "unknown option --optimise"), (["--tagret", "arm64"], "did you mean --target?"),
                            (["--unknow-imports=trap"], "did you mean --unknown-imports?"), (["-x", "a.wasm"], "unknown option -x"),
                            (["a.wasm", "-o"], "-o wants an argument"), (["--run", "-o", "x", "hello.wasm"], "--run does not go with"),
                            (["--dir", ".", "hello.wasm"], "are for --run"), (["--run"], "no input"),
                            (["nowhere.wasm"], "nowhere.wasm: No such file"), ([""], "no input"),
                            (["--link", "a=hello.wasm", "--link", "a=user.wasm", "hello.wasm"], "--link a is given twice"), (["hello.wat"], "hello.wat: 0x0: ")):
            done = self.run(*words)
            message = done.stderr.decode()
            self.expect(done.returncode == 1 and text in message and len(message.splitlines()) == 1 and not done.stdout,
                        f"{words}: status {done.returncode}, {message}")

    def check_left_behind(self):
        """An error leaves no output, and no intermediate file either."""
        before = sorted(self.folder.iterdir())
        places = self.folder / "temporary"
        places.mkdir()
        os.environ["TMPDIR"] = str(places)
        (self.folder / "broken.o").write_text("no object")
        for words in (["missing.wasm"], ["hello.wasm", "--library", "broken.o"], ["hello.wasm", "--library", "nowhere.a"],
                      ["hello.wasm", "--manifest", "hello.wat"]):
            for output in ("bad-image", "-"):
                done = self.make("-o", output, *words)
                self.expect(done.returncode == 1 and not done.stdout and done.stderr, f"{words}: {done}")
        done = self.make("-o", "no/such/folder/image", "hello.wasm")
        self.expect(done.returncode == 1 and b"no/such/folder/image" in done.stderr, f"no folder: {done.stderr}")
        self.start("missing.wasm")
        self.start("hello.wasm")
        self.expect(list(places.iterdir()) == [], f"left in TMPDIR: {list(places.iterdir())}")
        left = set(self.folder.iterdir()) - set(before) - {places, self.folder / "broken.o"}
        self.expect(not left, f"left behind: {left}")

    def check_files(self):
        """What is no file stays, an input is not overwritten, a program that runs is replaced, and no file is too long."""
        device, loop = self.folder / "device", self.folder / "loop.wat"
        device.symlink_to("/dev/full")
        for kind in ("image", "asm"):
            done = self.make("--emit", kind, "-o", "device", "hello.wasm")
            self.expect(done.returncode == 1 and b"device: No space left" in done.stderr and device.is_symlink(), f"device: {done}")
        done = self.make("--emit", "asm", "-o", "/dev/null", "hello.wasm")
        self.expect(done.returncode == 0 and not pathlib.Path("/dev/null").is_file(), f"/dev/null: {done}")
        before = (self.folder / "library.wasm").read_bytes()
        for words in (["library.wasm"], ["--link", "lib=library.wasm", "user.wasm"]):
            done = self.make("-o", f"../{self.folder.name}/library.wasm", *words)
            self.expect(done.returncode == 1 and b"library.wasm would be overwritten" in done.stderr and
                        (self.folder / "library.wasm").read_bytes() == before, f"{words}: {done}")
        loop.write_text('(module (func (export "_start") (loop br 0)))')
        subprocess.run(["wat2wasm", loop, "-o", loop.with_suffix(".wasm")], check=True)
        self.make("-o", "running", "loop.wasm")
        if self.options.target == os.uname().machine:
            process = subprocess.Popen([self.folder / "running"])
            done = self.make("-o", "running", "hello.wasm")
            process.kill()
            process.wait()
            self.expect(done.returncode == 0 and self.start("running").stdout == b"hello\n", f"a program that runs: {done}")
        with open(self.folder / "long.wasm", "wb") as file:
            file.truncate(2 << 30)
        done = self.make("long.wasm")
        self.expect(done.returncode == 1 and done.stderr == b"long.wasm: File too large\n", f"2 GiB: {done}")

    def check_interrupted(self):
        """A signal in the middle of it leaves nothing behind either."""
        place = self.folder / "interrupted"
        place.mkdir()
        process = subprocess.Popen([self.options.aot, "--target", self.options.target, "-O3", "-j1", "--lib-dir",
                                    self.options.lib_dir, "--library", "libwasm_linux.a", "-o", place / "image",
                                    f"{self.options.wasm_dir}/files.wasm"], stderr=subprocess.PIPE)
        while process.poll() is None and not list(place.iterdir()):
            time.sleep(0.001)
        process.terminate()
        process.wait(timeout=60)
        process.stderr.close()
        self.expect(process.returncode == -signal.SIGTERM and list(place.iterdir()) == [],
                    f"SIGTERM: status {process.returncode}, left behind: {list(place.iterdir())}")

        process = subprocess.Popen([self.options.aot, "--target", self.options.target, "-O3", "-j2", "--part-bytes", "500",
                                    "--lib-dir", self.options.lib_dir, "--library", "libwasm_linux.a", "-o", place / "image",
                                    f"{self.options.wasm_dir}/files.wasm"], stderr=subprocess.PIPE)
        while process.poll() is None and sum(map(self.has_run, self.processes_of(place))) < 3:
            time.sleep(0.001)
        for child in set(filter(self.has_run, self.processes_of(place))) - {process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGSTOP)  # it would end by itself soon
        process.terminate()
        process.wait(timeout=60)
        process.stderr.close()
        deadline = time.monotonic() + 10
        while self.processes_of(place) and time.monotonic() < deadline:
            time.sleep(0.01)
        left = self.processes_of(place)
        for child in left:
            os.kill(child, signal.SIGKILL)
        self.expect(process.returncode == -signal.SIGTERM and not left and list(place.iterdir()) == [],
                    f"SIGTERM in several processes: {process.returncode}, {left}, {list(place.iterdir())}")

    @staticmethod
    def processes_of(place):
        """Those that have the place in their command line."""
        found = []
        for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(place).encode() in file.read_bytes():
                    found.append(int(file.parent.name))
            except OSError:
                pass  # it has ended
        return found

    @staticmethod
    def has_run(process):
        """It is past the beginning, where it arranges to end with its parent."""
        try:
            return int(pathlib.Path(f"/proc/{process}/schedstat").read_text().split()[0]) > 2000000  # ns: proc(5)
        except OSError:
            return False

    def options_unused(self):
        text = self.run("--help").stdout.decode()
        named = set(re.findall(r"(?<![\w-])(--?[a-zA-Z][a-z-]*)", text)) - {"-two"}
        return sorted(name for name in named if name not in self.used and name.rstrip("s") not in self.used)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True)
    parser.add_argument("--aot", required=True, type=os.path.abspath)
    parser.add_argument("--lib-dir", required=True, type=os.path.abspath)
    parser.add_argument("--wasm-dir", required=True, type=os.path.abspath)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aot-use-") as folder:
        checks = Checks(options, pathlib.Path(folder))
        for name in sorted(dir(checks)):
            if name.startswith("check_"):
                getattr(checks, name)()
        unused = checks.options_unused()
        checks.expect(not unused, f"options that nothing here tries: {unused}")
    for problem in checks.problems:
        print(f"FAIL {problem}")
    print(f"{len(checks.problems)} problems")
    return 1 if checks.problems else 0


if __name__ == "__main__":
    sys.exit(main())
