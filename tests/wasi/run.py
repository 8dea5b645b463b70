#!/usr/bin/python3
"""`./tessera run app.wasm`, as a user has it: streams, status, folders, errors.

    run.py ARCH HOST_DIR BUILD_DIR              the test
    run.py --run HOST_DIR BUILD_DIR WORD ...    the command `run` on these build folders, which are there already
    run.py --run-with PROGRAM HOST_DIR BUILD_DIR WORD ...   with that program, which dies at moments of chance, as the line's driver
"""
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ci"))
import archive  # noqa: E402
import run_app  # noqa: E402
import system_image  # noqa: E402
import tessera  # noqa: E402

LIMIT = 60


def as_command(host_dir, build_dir, words):
    tessera.build_folder = lambda preset: host_dir if preset == "host" else build_dir
    tessera.require_parts = lambda arch: None
    sys.argv = ["./tessera", "run", *words]
    return tessera.main()


def with_driver(program):
    """Packs that program in the place of the line's driver, and lets it die as often as it likes."""
    pack = system_image.pack

    def pack_other(description, *rest):
        with open(description, encoding="utf-8") as file:
            system = json.load(file)
        system["restart"] = {"console-virtio": {"when": "on failure", "limit": 0, "pause_ms": 0}}
        with open(description, "w", encoding="utf-8") as file:
            json.dump(system, file)
        content, files = pack(description, *rest)
        members = {member.name: member.data for member in archive.read(content)}
        members["console-virtio"] = archive.without_debug_data(archive.read_file(program))
        return archive.pack(list(members.items())), files

    def frame_told(frames, stream, content):
        if stream == run_app.STREAM_LOG:
            run_app.put(sys.stderr, content)
        frame(frames, stream, content)

    frame = run_app.Frames.frame
    system_image.pack, run_app.Frames.frame = pack_other, frame_told


class Test:
    def __init__(self, arch, host_dir, build_dir, scratch):
        self.arch, self.host_dir, self.build_dir, self.scratch = arch, host_dir, build_dir, scratch
        self.tool = os.path.join(host_dir, "wasm", "test-wasi-tool.wasm")
        self.failures = 0

    def command(self, words):
        return [sys.executable, __file__, "--run", self.host_dir, self.build_dir, *words]

    def run(self, *words, **options):
        options = {"stdin": subprocess.DEVNULL} | options if "input" not in options else options
        begin = time.monotonic()
        result = subprocess.run(self.command([self.tool, "--arch", self.arch, *words]), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=LIMIT, **options)
        print(f"{time.monotonic() - begin:5.2f} s  {' '.join(word.replace(self.scratch, '') for word in words)}")
        return result

    def check(self, what, expected, got):
        if expected != got:
            self.failures += 1
            print(f"{what}: expected {expected!r}, got {got!r}")

    def streams(self):
        os.environ["COLOUR"] = "blue"
        result = self.run("--env", "COLOUR", "--env", "NOT_SET_HERE", "--mem", "8M", "--cpu", "90%", "--", "show", "--arch", "a b", "")
        self.check("output", "[test-wasi-tool.wasm][show][--arch][a b][] blue\n", result.stdout.decode())
        self.check("errors", "that was it\n", result.stderr.decode())
        self.check("status", 42, result.returncode)
        self.check("a variable", b"red", self.run("--env", "COLOUR=red", "--", "show").stdout.split()[-1])
        content = bytes(range(256)) * 40 + b"\xf5\1\4\0abcd"
        result = self.run("--", "cat", input=content)
        self.check("bytes through a pipe", (content, b"", 0), (result.stdout, result.stderr, result.returncode))
        path = os.path.join(self.scratch, "input")
        with open(path, "wb") as file:
            file.write(content)
        self.check("bytes from a file", content, self.run("--stdin", path, "--", "cat").stdout)
        with open(path, "rb") as file:
            self.check("bytes from a redirected file", content, self.run("--", "cat", stdin=file).stdout)
        large = bytes(range(256)) * (16 << 12)
        begin = time.monotonic()
        self.check("a large pipe", f"{len(large)} bytes, sum {sum(large)}\n", self.run("--", "sum", input=large).stdout.decode())
        self.check("a large pipe's time", True, time.monotonic() - begin < 20)

    def odd_streams(self):
        """What a caller may have for a stream beside files, pipes and terminals."""
        self.check("no input", (b"", 0), (lambda done: (done.stdout, done.returncode))(self.run("--stdin", "/dev/null", "--", "cat")))
        pipe = os.path.join(self.scratch, "pipe")
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: open(pipe, "wb").write(b"by name"))
        writer.start()
        self.check("bytes from a named pipe", b"by name", self.run("--stdin", pipe, "--", "cat").stdout)
        writer.join()
        closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *self.command([self.tool, "--arch", self.arch, "--", "show"])]
        self.check("closed streams", 42, subprocess.run(closed, timeout=LIMIT).returncode)
        with open("/dev/full", "wb") as full:
            done = subprocess.run(self.command([self.tool, "--arch", self.arch, "--", "show"]), stdin=subprocess.DEVNULL, stdout=full,
                                  stderr=subprocess.PIPE, timeout=LIMIT)
        self.check("a full disk", (1, True), (done.returncode, b"tessera: what the program writes is lost: No space" in done.stderr))

    def texts(self):
        """A program as text; and libraries, which have no entry: as runtimes do, what they initialise is all."""
        def run(name, text):
            path = os.path.join(self.scratch, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run(self.command([path, "--arch", self.arch]), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  timeout=LIMIT)
            return done.returncode, done.stderr.decode()
        trap = "tessera: wasm trap: unreachable\n    in inner\n    called from outer\n    called from _start\n"
        self.check("a text", (134, trap), run("a name with spaces, ü.wat", """(module (memory (export "memory") 1)
            (func $inner unreachable) (func $outer call $inner nop) (func $_start (export "_start") call $outer nop))"""))
        self.check("a library", 0, run("library.wat", '(module (memory (export "memory") 1) (func (export "f")))')[0])
        self.check("a reactor", (9, ""), run("reactor.wat", """(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1) (func (export "_initialize") (call $exit (i32.const 9))))"""))
        self.check("not a text", 122, run("bad.wat", "(module (func)")[0])

    def slow_pipe(self):
        """What does not come at once goes over the line, behind what came first."""
        for mode, expected in (("cat", b"first, and then more\n"), ("poll", b"20 looks are few\n")):
            child = subprocess.Popen(self.command([self.tool, "--arch", self.arch, "--", mode]), stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
            child.stdin.write(b"first, ")
            child.stdin.flush()
            time.sleep(1.5)
            child.stdin.write(b"and then more" + (b"\n" if mode == "cat" else b""))
            child.stdin.close()
            self.check(f"{mode}: a slow pipe", (expected, 0), (child.stdout.read(), child.wait(timeout=LIMIT)))

    def through(self, content, pause, *command):
        """What a program gives back of what comes after a while, read after a pause; the seconds without the waiting."""
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        begin = time.monotonic()

        def feed():
            child.stdin.write(b"first, ")
            child.stdin.flush()
            time.sleep(1.5)
            child.stdin.write(content)
            child.stdin.close()
        feeder = threading.Thread(target=feed)
        feeder.start()
        time.sleep(pause)
        got = child.stdout.read()
        feeder.join()
        return got, child.wait(timeout=LIMIT), time.monotonic() - begin - max(1.5, pause), child.stderr.read()

    def streamed(self):
        """Megabytes both ways, none of which was there at first; the reader begins late, so that everybody has to wait."""
        content = os.urandom(4 << 20)
        got, status, seconds, _ = self.through(content, 3, *self.command([self.tool, "--arch", self.arch, "--", "cat"]))
        print(f"{seconds:5.2f} s  4 MiB there and back")
        self.check("a stream", (True, 0), (got == b"first, " + content, status))
        self.check("a stream's time", True, seconds < 15)

    def faulty_line(self):
        """The driver of the line dies again and again: nothing is lost, and nothing comes twice."""
        driver = os.path.join(self.build_dir, "programs", "faulty-console-virtio")
        deaths = 0
        for _ in range(6):
            content = os.urandom(1 << 20)
            got, status, _, errors = self.through(
                content, 0, sys.executable, __file__, "--run-with", driver, self.host_dir, self.build_dir, self.tool,
                "--arch", self.arch, "--", "cat")
            self.check("a stream whose driver dies", (True, 0), (got == b"first, " + content, status))
            deaths += errors.count(b"server 'console-virtio' failed")
            if deaths >= 3:
                break
        print(f"{deaths} deaths of the line's driver")
        self.check("deaths", True, deaths >= 3)

    def terminal(self):
        """A pseudo-terminal is one; keys arrive, and the program sees a line's end and the end of the file."""
        ours, theirs = pty.openpty()
        child = subprocess.Popen(self.command([self.tool, "--arch", self.arch, "--", "show"]), stdin=theirs,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.check("isatty", b"that was it in\n", child.stderr.read())
        self.check("status", 42, child.wait(timeout=LIMIT))
        child = subprocess.Popen(self.command([self.tool, "--arch", self.arch, "--", "cat"]), stdin=theirs,
                                 stdout=subprocess.PIPE)
        os.write(ours, b"typed\n\x04")
        self.check("typed", b"typed\n", child.stdout.read())
        self.check("status", 0, child.wait(timeout=LIMIT))
        child = subprocess.Popen(self.command([self.tool, "--arch", self.arch, "--spawn", f"{self.tool}::tool::512K", "--",
                                               "family"]), stdin=theirs, stdout=subprocess.PIPE)
        os.write(ours, b"one\ntwo\nthree\nfour\nfive\n\x04")
        self.check("typed for a family", b"one, typed\ntwo, typed\nthree, typed\nfour, typed\n200 children\nfive\n", child.stdout.read())
        self.check("status", 0, child.wait(timeout=LIMIT))
        os.close(ours)
        os.close(theirs)

    def ends(self):
        result = self.run("--", "trap")
        self.check("a trap", 134, result.returncode)
        self.check("is said", True, b"wasm trap: unreachable" in result.stderr)
        done = self.run("--mem", "64K", "--", "show")
        self.check("too little memory to begin", (137, True), (done.returncode, b"its memory limit (--mem) is too small" in done.stderr))
        self.check("memory beyond the limit", 0, self.run("--mem", "8M", "--", "grow").returncode)
        done = self.run("--timeout", "2", "--dir", f"{self.scratch}::/d", "--", "loop")
        self.check("a time limit", (124, True), (done.returncode, b" is as it was: " in done.stderr))
        child = subprocess.Popen(self.command([self.tool, "--arch", self.arch, "--", "show"]), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.close()
        self.check("nobody reads", (b"", 141), (child.stderr.read(), child.wait(timeout=LIMIT)))
        child = subprocess.Popen(self.command([self.tool, "--arch", self.arch, "--", "loop"]), stdin=subprocess.DEVNULL)
        time.sleep(3)
        child.send_signal(signal.SIGINT)
        self.check("control-C", 130, child.wait(timeout=LIMIT))

    def folders(self):
        folder = os.path.join(self.scratch, "folder")
        os.makedirs(os.path.join(folder, "sub"))
        for name in ("kept", "changed", "removed", "old name"):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(name)
        before = os.stat(os.path.join(folder, "kept"))
        self.check("/dev/null", 0, self.run("--", "put", "/dev/null").returncode)
        result = self.run("--dir", f"{folder}::/d:ro", "--", "put", "/d/new")
        self.check("read-only", (4, b"/d/new: Capabilities insufficient\n"), (result.returncode, result.stderr))
        result = self.run("--dir", f"{folder}::/d", "--", "folder")
        self.check("changes", (0, b""), (result.returncode, result.stderr))
        found = {os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names}
        self.check("names", {"kept", "changed", "new", "sub/moved", "sub/link"}, found)
        for name, text in (("new", "made here\n"), ("changed", "other\n"), ("sub/link", "old name"), ("kept", "kept")):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                self.check(name, text, file.read())
        after = os.stat(os.path.join(folder, "kept"))
        self.check("kept", (before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))

    def large_folder(self):
        """All servers of files see the whole archive, wherever the boot loader put it."""
        folder, size = os.path.join(self.scratch, "large"), 900 << 20
        os.mkdir(folder)
        with open(os.path.join(folder, "file"), "wb") as file:
            file.seek(size)
            file.write(b"the end")
        result = self.run("--dir", f"{folder}::/d:ro", "--", "get", "/d/file", str(size))
        self.check("a large folder", (0, b"the end", b""), (result.returncode, result.stdout, result.stderr))

    def limits(self):
        """A share of the CPU is that and no more; a disk keeps what was written; what was not given is named."""
        share = self.run("--cpu", "20%", "--", "share").returncode
        self.check(f"20% of the CPU: {share}", True, 2 <= share <= 21)
        image = os.path.join(self.scratch, "data.img")
        self.check("no disk yet", 122, self.run("--disk", image, "--", "show").returncode)
        command = [os.path.join(os.path.dirname(run_app.__file__), "..", "tessera"), "disk"]
        subprocess.run([*command, "create", image], check=True, stdout=subprocess.DEVNULL, timeout=LIMIT)
        self.check("written to a disk", 0, self.run("--disk", image, "--", "put", "/data/file").returncode)
        disk = subprocess.run([*command, "get", image, "/file", "-"], stdout=subprocess.PIPE, timeout=LIMIT)
        self.check("the host sees it", b"text", disk.stdout)
        self.check("another time, elsewhere", b"text", self.run("--disk", f"{image}::/d", "--", "get", "/d/file").stdout)
        self.tool = os.path.join(self.host_dir, "wasm", "test-refused.wasm")
        errors = self.run().stderr.decode()
        for what in ("permission 'net'", "permission 'spawn'", "channel.connect 'c'", "service.serve 's'"):
            self.check(f"{what} is named", True, f"tessera: app: refused: {what} is not granted" in errors)
        self.check("and what gives it", True, "'net' is not granted (--publish HOST:GUEST, or --net does)\n" in errors)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        errors = self.run("--publish", f"{port}:80").stderr.decode()
        self.check("a published port does not connect", True, "net.connect 'tcp:10.0.0.1:80' is not granted (--net does)\n" in errors)

    def refused(self):
        text = os.path.join(self.scratch, "text.wasm")
        with open(text, "w", encoding="utf-8") as file:
            file.write("(module)")
        cut = os.path.join(self.scratch, "cut.wasm")
        with open(self.tool, "rb") as file, open(cut, "wb") as out:
            out.write(file.read()[:1000])
        component = os.path.join(self.scratch, "component.wasm")
        with open(component, "wb") as file:
            file.write(b"\0asm\x0d\0\1\0")
        for words, said in ((["missing.wasm"], "missing.wasm: No such file"), ([text], "is not a WebAssembly module"),
                            ([component], "is a component"), ([self.tool, "word"], "go behind --"),
                            ([self.tool, "--dir", "/tmp:/d"], "HOST::GUEST"), ([self.tool, "--", b"\xff"], "not UTF-8"),
                            ([self.tool, "--stdin", "/tmp"], "Is a directory"),
                            ([cut], "not translated"), ([self.tool, "--dir", "/no/such::/d"], "there is no folder"),
                            ([self.tool, "--mem", "lots"], "--mem lots"), ([self.tool, "--env", "=X"], "KEY=VALUE"),
                            ([self.tool, "--stdin", "/no/such"], "--stdin"), ([self.tool, "--cpu", "200%"], "1%"),
                            ([self.tool, "--boot", "iso"], "--boot"), ([self.tool, "--colour"], "--colour")):
            result = subprocess.run(self.command(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, timeout=LIMIT)
            self.check(f"{words[1:]}: status", 122, result.returncode)
            self.check(f"{words[1:]}: said", True, said in result.stderr.decode())
            self.check(f"{words[1:]}: no output", b"", result.stdout)


def main():
    if sys.argv[1] == "--run":
        return as_command(sys.argv[2], sys.argv[3], sys.argv[4:])
    if sys.argv[1] == "--run-with":
        with_driver(sys.argv[2])
        return as_command(sys.argv[3], sys.argv[4], sys.argv[5:])
    with tempfile.TemporaryDirectory(prefix="tessera-run-test-") as scratch:
        test = Test(*sys.argv[1:4], scratch)
        test.streams()
        test.odd_streams()
        test.texts()
        test.slow_pipe()
        test.streamed()
        test.faulty_line()
        test.terminal()
        test.ends()
        test.folders()
        test.large_folder()
        test.refused()
        test.limits()
    print(f"run: {test.failures} failures")
    return test.failures != 0


if __name__ == "__main__":
    sys.exit(main())
