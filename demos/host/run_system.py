#!/usr/bin/python3
"""Runs a demo's system description with the native builds of its programs (see tessera_host.c).

    run_system.py SYSTEM.json --programs FOLDER [--timeout S] [--without NAME ...]

Each program gets the intersection of its manifest and its grant, its arguments and its standard input, as
docs/system.md says. The exit status is 0 when every essential program ended as expected. Programs whose outcome
cannot be had natively (traps of WebAssembly) are left out with --without.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time


def load_manifest(folder, program):
    name = program.get("manifest", pathlib.Path(program["image"]).stem + ".json")
    return json.loads((folder / name).read_text())


def limit_of(permission):
    if permission is True:
        return 16
    return int(permission or 0)


def words_of(permissions):
    """The permissions as the words that tessera_host.c reads."""
    words = []
    for kind in ("channel", "service"):
        for right, names in permissions.get(kind, {}).items():
            words += [f"{kind}.{right}={name}" for name in names]
    for flag in ("clock", "random"):
        if permissions.get(flag):
            words.append(f"{flag}=1")
    return words


def intersect(requested, granted):
    words = [word for word in words_of(requested) if word in words_of(granted)]
    spawn = min(limit_of(requested.get("spawn")), limit_of(granted.get("spawn")))
    return words + ([f"spawn={spawn}"] if spawn else [])


class Run:
    def __init__(self, description, programs, folder):
        self.path = pathlib.Path(description)
        self.system = json.loads(self.path.read_text())
        self.programs = programs
        self.folder = folder
        self.failures = []
        self.print_lock = threading.Lock()

    def prepare(self):
        (self.folder / "programs").mkdir()
        (self.folder / "requests").mkdir()
        servers = []
        for program in self.system["programs"]:
            name, manifest = program["name"], load_manifest(self.path.parent, program)
            executable = self.programs / pathlib.Path(program["image"]).stem
            (self.folder / "programs" / name).symlink_to(executable.resolve())
            (self.folder / "requests" / name).write_text("\n".join(words_of(manifest.get("permissions", {}))))
            for word in words_of(program.get("grant", {})):
                kind, value = word.split("=", 1)
                if kind.endswith(".serve"):
                    servers.append(f"{kind.split('.')[0]} {value} {name}\n")
        (self.folder / "servers").write_text("".join(servers))

    def start(self, program):
        manifest = load_manifest(self.path.parent, program)
        words = intersect(manifest.get("permissions", {}), program.get("grant", {}))
        environment = dict(program.get("environment", {}))
        environment["TESSERA_HOST_RUN"] = str(self.folder)
        environment["TESSERA_HOST_GRANTS"] = " ".join(words)
        environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=1")
        arguments = program.get("arguments", manifest.get("arguments", [program["name"]]))
        stdin = subprocess.DEVNULL
        if "stdin" in program:
            stdin = open(self.path.parent / self.system["files"][program["stdin"]], "rb")
        return subprocess.Popen(arguments, executable=self.folder / "programs" / program["name"], env=environment,
                                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def watch(self, program, process, deadline):
        name = program["name"]
        timer = threading.Timer(max(deadline - time.monotonic(), 0), process.kill)
        timer.start()
        for line in process.stdout:
            with self.print_lock:
                print(f"{name:>12}: {line.decode(errors='replace')}", end="", flush=True)
        status = process.wait()
        timer.cancel()
        (self.folder / f"ended.{name}").touch()
        expected = program.get("expect", {"exit": 0})
        # A trap's native counterpart is whatever the sanitizers or the signal make of it.
        if "exit" in expected and status != expected["exit"] or "exit" not in expected and status == 0:
            self.failures.append(f"{name}: exit status {status}, expected {expected}")

    def run(self, timeout, without):
        self.prepare()
        deadline = time.monotonic() + timeout
        watchers = []
        for program in self.system["programs"]:
            if program["name"] in without:
                (self.folder / f"ended.{program['name']}").touch()
                continue
            if not program.get("start", True):
                continue
            watcher = threading.Thread(target=self.watch, args=(program, self.start(program), deadline))
            watcher.start()
            watchers.append(watcher)
        for watcher in watchers:
            watcher.join()
        for failure in self.failures:
            print(f"FAIL {failure}")
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", help="system description (JSON)")
    parser.add_argument("--programs", required=True, type=pathlib.Path, help="folder of the native programs")
    parser.add_argument("--timeout", type=float, default=50, help="seconds until all are killed")
    parser.add_argument("--without", action="append", default=[], help="name of a program to leave out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tessera-") as folder:
        run = Run(arguments.system, arguments.programs, pathlib.Path(folder))
        sys.exit(run.run(arguments.timeout, arguments.without))


if __name__ == "__main__":
    main()
