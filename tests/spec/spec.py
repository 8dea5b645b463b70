#!/usr/bin/env python3
"""Translates and runs the official WebAssembly test scripts.

One script becomes one program image: its modules as a static set of instances, and driver.c with the script's
commands. Malformed and invalid modules are checked by tessera-aot --check. Data: the folder named by
TESSERA_WASM_SPEC, or ../shared/wasm-spec beside the repository (see the README there for the format).

    spec.py run   --target T --aot FILE --lib-dir DIR ...  translate, run on this host, print every failure and skip
    spec.py target --target T --aot FILE --lib-dir DIR ... --build-dir build/T
                                                           translate, boot Tessera in QEMU with the images, the same report
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile

from spectest import spectest_module

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

MODULE, UNLINKABLE, UNINSTANTIABLE, ACTION, RETURN, TRAP, THREAD, WAIT = range(1, 9)
BITS, CANONICAL_NAN, ARITHMETIC_NAN, NULL, NOT_NULL = range(5)
OBSOLETE = ("multiple tables", "multiple memories")  # in the suite of the threads proposal, which is older
THREADS = 16  # of one script: driver.c
LANES = {"i8": ("b", 1), "i16": ("w", 2), "i32": ("i", 4), "i64": ("I", 8), "f32": ("f", 4), "f64": ("F", 8)}
LETTERS = {"i32": "i", "i64": "I", "f32": "f", "f64": "F", "funcref": "r", "externref": "x", "exnref": "r",
           "refnull": "r", "nullfuncref": "r", "nullexternref": "x", "nullexnref": "r", "nullref": "r", "anyref": "r",
           "eqref": "r", "i31ref": "r", "structref": "r", "arrayref": "r"}

# enum trap_kind of aot/image/image.h, by the suite's words.
TRAPS = {
    "unreachable": 1,
    "out of bounds memory access": 2,
    "out of bounds table access": 3,
    "undefined element": 4,
    "uninitialized element": 5,
    "indirect call type mismatch": 6,
    "integer divide by zero": 7,
    "integer overflow": 8,
    "invalid conversion to integer": 9,
    "call stack exhausted": 10,
    "null reference": 11,
    "null function reference": 11,
    "null exception reference": 11,
    "uncaught exception": 12,
    "unaligned atomic": 14,
    "expected shared memory": 15,
}


# The groups of the main suites, after the folders that the specification keeps its scripts in; the first that fits.
GROUPS = [
    ("gc", r"array.*|binary-gc|br_on_cast.*|extern|i31|ref_cast|ref_eq|ref_test|struct|type-subtyping"),
    ("exceptions", r"tag|throw|throw_ref|try_table"),
    ("relaxed simd", r".*relaxed.*"),
    ("simd", r"simd_.*"),
    ("memory64", r".*64|memory64-imports|table_copy_mixed"),
    ("multi-memory", r"memory-multi|memory_size_import|.*[a-z_]\d"),
    ("bulk", r"bulk|memory_copy|memory_fill|memory_init|table-sub|table_copy|table_fill|table_init"),
]
CORE_NUMBERS = {"f32", "f64", "i32", "i64", "binary-leb128"}


def group_of(suite, name):
    if not suite.startswith("wasm-"):
        return suite
    for group, pattern in GROUPS:
        if name not in CORE_NUMBERS and re.fullmatch(pattern, name):
            return group
    return "base"


class Skip(Exception):
    """A command that this runner does not take, with the reason."""


def trap_kind(text):
    for words, kind in TRAPS.items():
        if text.startswith(words):
            return kind
    raise Skip(f"the trap '{text}' is of a kind that is not translated")


# ---- the commands of a script as the driver's blob ----

def text_bytes(text):
    data = text.encode("utf-8", "surrogatepass")
    return struct.pack("<I", len(data)) + data


def argument_slots(value):
    """The 64-bit slots of an argument."""
    kind = value["type"]
    if kind == "v128":
        _, width = LANES[value["lane_type"]]
        lanes = b"".join(int(lane).to_bytes(width, "little") for lane in value["value"])
        return list(struct.unpack("<QQ", lanes))
    if kind not in LETTERS:
        raise Skip(f"values of type {kind}")
    if value["value"] == "null":
        return [0]
    bits = int(value["value"])
    return [bits + 1 if kind == "externref" else bits]  # null is 0


def match_bytes(kind, text):
    if text == "nan:canonical":
        return struct.pack("<BQ", CANONICAL_NAN, 0)
    if text == "nan:arithmetic":
        return struct.pack("<BQ", ARITHMETIC_NAN, 0)
    if text == "null" or kind.startswith(("null", "refnull")):
        return struct.pack("<BQ", NULL, 0)
    if text is None or kind == "funcref":
        return struct.pack("<BQ", NOT_NULL, 0)
    return struct.pack("<BQ", BITS, int(text) + (kind == "externref"))


def alternative_bytes(value):
    if value["type"] != "v128":
        return match_bytes(value["type"], value.get("value"))
    letter, _ = LANES[value["lane_type"]]
    return letter.encode() + b"".join(match_bytes("lane", lane) for lane in value["value"])


def result_bytes(value):
    alternatives = value["values"] if value["type"] == "either" else [value]
    kind = alternatives[0]["type"]
    if kind != "v128" and kind not in LETTERS:
        raise Skip(f"values of type {kind}")
    letter = "v" if kind == "v128" else LETTERS[kind]
    return struct.pack("<cB", letter.encode(), len(alternatives)) + b"".join(map(alternative_bytes, alternatives))


class Script:
    """One script: what to translate, what to check, and the commands for the driver."""

    def __init__(self, folder, spectest, refused, suite):
        self.suite = suite
        self.name = folder.name
        self.group = group_of(suite, self.name)
        self.version = version_options(suite)
        self.folder = folder
        self.file = f"{suite}-{folder.name}"  # the same name may be in several suites
        self.refused = refused  # files of modules that cannot be translated, with the reason
        self.definitions = {}  # the script's "$name" of a module that is not instantiated yet -> file
        self.commands = [text_bytes(self.name)]
        self.set_lines = []
        self.names = {}  # the script's "$name" -> instance
        self.refusals = {}  # "$name" of a module that is not translated, None: the last one -> the reason
        self.threads = {}  # the script's "$name" of a thread -> its number
        self.registered = {}  # import module name -> instance
        self.last = None
        self.count = 0
        self.assertions = 0  # that the driver will judge
        self.rejects = []  # (line, file) of modules that must not be accepted
        self.skips = []  # (line, reason)
        self.registered["spectest"] = "spectest"
        for command in json.loads((folder / f"{self.name}.json").read_text())["commands"]:
            self.take_or_skip(command)
        self.set_lines.append(f"instance spectest {spectest}")  # last: the memory at 0 is the script's own
        self.commands.append(b"\0")

    def add_instance(self, filename, keyword):
        file = str(self.folder / filename)
        if file in self.refused:
            raise Skip(self.refused[file])
        number = self.count
        self.count += 1
        self.set_lines.append(f"{keyword} m{number} {file}")
        for name, provider in self.registered.items():
            provider_name = provider if provider == "spectest" else f"m{provider}"
            self.set_lines.append(f"import ={name.encode().hex()} {provider_name}")
        return number

    def emit(self, code, command, data):
        self.commands.append(struct.pack("<BI", code, command["line"]) + data)

    def action(self, command):
        action = command["action"]
        instance = self.names.get(action["module"]) if "module" in action else self.last
        if instance is None:
            raise Skip(f"its module: {self.refusals.get(action.get('module'), 'none is instantiated')}")
        slots = [slot for value in action.get("args", []) for slot in argument_slots(value)]
        data = struct.pack("<I", instance) + text_bytes(action["field"]) + struct.pack("<B", len(slots))
        return data + struct.pack(f"<{len(slots)}Q", *slots)

    def thread(self, command):
        """Commands that another thread takes, with names of its own and the one module that it is told of."""
        if len(self.threads) == THREADS:
            raise Skip(f"more than {THREADS} threads")
        number = self.threads.setdefault(command["name"], len(self.threads))
        outer = self.names, self.registered, self.last, self.commands
        shared = command.get("shared_module")
        self.names, self.last, self.commands = {shared: self.names[shared]} if shared else {}, None, []
        self.registered = {"spectest": "spectest"}
        for inner in command["commands"]:
            self.take_or_skip(inner)
        body = b"".join(self.commands) + b"\0"
        self.names, self.registered, self.last, self.commands = outer
        self.emit(THREAD, command, struct.pack("<II", number, len(body)) + body)

    def take_or_skip(self, command):
        try:
            self.take(command)
        except Skip as reason:
            self.skips.append((command["line"], str(reason)))

    def instantiate(self, command, filename, name):
        """The current module is the one of the file, or none when it cannot be translated."""
        self.last = None
        if name:
            self.names[name] = None
        try:
            self.last = self.add_instance(filename, "instance")
        except Skip as reason:
            self.refusals[None] = self.refusals[name] = str(reason)
            raise
        if name:
            self.names[name] = self.last
        self.emit(MODULE, command, struct.pack("<I", self.last))

    def take(self, command):
        kind = command["type"]
        if kind == "module":
            self.definitions[command.get("name")] = command["filename"]
            self.instantiate(command, command["filename"], command.get("name"))
        elif kind == "module_definition":
            self.definitions[command.get("name")] = command["filename"]
        elif kind == "module_instance":
            self.instantiate(command, self.definitions[command["module"]], command.get("instance"))
        elif kind == "register":
            provider = self.names.get(command["name"]) if "name" in command else self.last
            self.registered.pop(command["as"], None)
            if provider is not None:
                self.registered[command["as"]] = provider
        elif kind == "action":
            self.emit(ACTION, command, self.action(command))
        elif kind == "assert_return":
            results = b"".join(map(result_bytes, command["expected"]))
            data = self.action(command) + struct.pack("<B", len(command["expected"])) + results
            self.emit(RETURN, command, data)
            self.assertions += 1
        elif kind in ("assert_trap", "assert_exhaustion"):
            self.emit(TRAP, command, self.action(command) + struct.pack("<B", trap_kind(command["text"])))
            self.assertions += 1
        elif kind == "thread":
            self.thread(command)
        elif kind == "wait":
            self.emit(WAIT, command, struct.pack("<I", self.threads[command["thread"]]))
        elif kind == "assert_exception":
            self.emit(TRAP, command, self.action(command) + struct.pack("<B", TRAPS["uncaught exception"]))
            self.assertions += 1
        elif kind == "assert_unlinkable":
            self.emit(UNLINKABLE, command, struct.pack("<I", self.add_instance(command["filename"], "unlinkable")))
            self.assertions += 1
        elif kind == "assert_uninstantiable":
            number = self.add_instance(command["filename"], "instance")
            self.emit(UNINSTANTIABLE, command, struct.pack("<IB", number, trap_kind(command["text"])))
            self.assertions += 1
        elif kind in ("assert_invalid", "assert_malformed"):
            if command["module_type"] == "text":
                raise Skip("text format: a matter of wabt, not of the translator")
            if self.suite == "threads-testsuite" and command["text"] in OBSOLETE:
                raise Skip("out of date: several tables are valid since 2.0, several memories since 3.0")
            self.rejects.append((command["line"], self.folder / command["filename"]))
        else:
            raise Skip(f"command {kind}")


class Outcome:
    def __init__(self, script):
        self.name = script.name
        self.group = f"{script.suite} {script.group}" if script.group != script.suite else script.suite
        self.passed = 0
        self.failures = []  # one line each; a line may stand for several assertions
        self.failed = 0
        self.skips = []

    def fail(self, text, assertions=1):
        self.failures.append(text)
        self.failed += assertions


# ---- translating and running ----

def run_command(command, timeout, cwd=None):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, cwd=cwd)
    except subprocess.TimeoutExpired:
        return None, "", f"no end after {timeout} s"
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def version_options(suite):
    """The language that the suite is written for."""
    version = re.match(r"wasm-(\d\.\d)", suite)
    return ["--wasm", version[1]] if version else []


def flatten(commands):
    """The commands, those of threads too."""
    for command in commands:
        yield command
        yield from flatten(command.get("commands", []))


def find_refused(options, folder, suite):
    """The script's modules that are valid but cannot be translated, with the reason."""
    commands = list(flatten(json.loads((folder / f"{folder.name}.json").read_text())["commands"]))
    kinds = ("module", "module_definition", "assert_unlinkable", "assert_uninstantiable")
    files = sorted({str(folder / command["filename"]) for command in commands if command["type"] in kinds})
    if not files:
        return {}
    _, out, _ = run_command([options.aot, "--check", *version_options(suite), *files], options.timeout)
    return {file: text.split(": ", 2)[-1] for file, text in zip(files, out.splitlines()) if text != f"{file}: ok"}


def check_rejects(options, script, outcome):
    """Modules that must be refused: all in one run of --check, which prints a line for each."""
    if not script.rejects:
        return
    files = [str(file) for _, file in script.rejects]
    status, out, err = run_command([options.aot, "--check", *script.version, *files], options.timeout)
    lines = out.splitlines()
    if status not in (0, 1) or len(lines) != len(files):
        outcome.fail(f"{script.name}.wast: --check ended with {status} after {len(lines)} modules: {err}", len(files))
        return
    for (line, file), text in zip(script.rejects, lines):
        if text == f"{file}: ok":
            outcome.fail(f"{script.name}.wast:{line}: accepted, but must be refused")
        else:
            outcome.passed += 1


def translate(options, script, folder, image, more=()):
    (folder / "commands.blob").write_bytes(b"".join(script.commands))
    (folder / "set").write_text("\n".join(script.set_lines) + "\n")
    command = [options.aot, "--set", "--export-tables", *script.version, "--target", options.target,
               f"-O{options.level}", "-o", str(image)]
    for directory in options.lib_dir:
        command += ["--lib-dir", str(pathlib.Path(directory).resolve())]
    for library in options.library:
        command += ["--library", library]
    if options.no_page_zero:
        command.append("--no-page-zero")
    command += [*more, "--library", "commands.blob", "set"]
    return run_command(command, options.timeout, cwd=folder)


def judge(lines, script, outcome, otherwise):
    """Counts what the driver printed; `otherwise` is what to say when its summary is missing."""
    for line in lines:
        if line.startswith("FAIL "):
            outcome.fail(line[len("FAIL "):])
    summaries = [re.fullmatch(r"spec .*: passed (\d+) failed (\d+)", line) for line in lines]
    summary = next(filter(None, summaries), None)
    if not summary:
        outcome.fail(f"{script.name}.wast: {otherwise}", script.assertions)
        return
    outcome.passed += int(summary[1])
    missing = script.assertions - int(summary[1]) - int(summary[2])
    if missing > 0:
        outcome.fail(f"{script.name}.wast: {missing} assertions are missing from '{summary[0]}'", missing)


def run_script(options, script):
    outcome = Outcome(script)
    outcome.skips = [f"{script.name}.wast:{line}: {reason}" for line, reason in script.skips]
    check_rejects(options, script, outcome)
    if script.count == 0:  # nothing to run: only malformed and invalid modules
        return outcome
    with tempfile.TemporaryDirectory(prefix="spec-") as folder:
        folder = pathlib.Path(folder)
        status, _, err = translate(options, script, folder, folder / "image")
        if status != 0:
            outcome.fail(f"{script.name}.wast: not translated (status {status}): {err.strip()}", script.assertions)
            return outcome
        status, out, err = run_command([*options.runner, str(folder / "image")], options.timeout)
    judge(out.splitlines(), script, outcome, f"the driver ended early with status {status}: {err.strip()}")
    return outcome


# ---- on target ----

MEMORY = "256M"  # for each program: the largest script grows a table and a few memories
SCRIPTS_PER_BOOT = 40


def build_image(options, script, folder):
    """One image in `folder` for the target. False: the outcome says why not."""
    outcome = Outcome(script)
    outcome.skips = [f"{script.name}.wast:{line}: {reason}" for line, reason in script.skips]
    check_rejects(options, script, outcome)
    if script.count == 0:
        return outcome, False
    manifest = folder / f"{script.file}.json"
    manifest.write_text(json.dumps({"name": script.name, "version": "1", "memory": MEMORY,
                                    "permissions": {"trap_thread": True}}))
    with tempfile.TemporaryDirectory(prefix="spec-") as work:
        status, _, err = translate(options, script, pathlib.Path(work), folder / f"{script.file}.image",
                                   ["--manifest", str(manifest)])
    if status != 0:
        outcome.fail(f"{script.name}.wast: not translated (status {status}): {err.strip()}", script.assertions)
    return outcome, status == 0


def program_name(index):
    """The name that begins a program's lines on the console: short, for the console cuts long ones."""
    return f"script{index}"


def boot(options, folder, number, scripts):
    """The console of a system whose programs are these scripts."""
    programs = [{"name": program_name(index), "image": f"{script.file}.image", "manifest": f"{script.file}.json",
                 "memory": MEMORY, "grant": {"trap_thread": True}} for index, script in enumerate(scripts)]
    description = folder / f"system{number}.json"
    description.write_text(json.dumps({"programs": programs}))
    archive = folder / f"system{number}.cpio"
    build = pathlib.Path(options.build_dir).resolve()
    status, out, err = run_command([sys.executable, str(ROOT / "ci" / "system_image.py"), str(description), "--arch",
                                    options.target, "--host-dir", str(pathlib.Path(options.aot).parent.parent),
                                    "--build-dir", str(build), "-o", str(archive)], options.timeout)
    if status != 0:
        return f"the system cannot be packed: {out}{err}"
    kernel = build / "kernel" / ("Image" if options.target == "arm64" else "tessera.elf")
    _, out, err = run_command([sys.executable, str(ROOT / "ci" / "qemu.py"), "--arch", options.target, "--kernel",
                               str(kernel), "--archive", str(archive), "--memory", "2048", "--timeout",
                               str(options.boot_timeout)], options.boot_timeout + 60)
    return out + err


def judge_console(console, index, script, outcome):
    prefix = f"{program_name(index)}: "
    lines = [line[len(prefix):] for line in console.splitlines() if line.startswith(prefix)]
    judge(lines, script, outcome, f"no summary on the console: {console[-400:]}")


def run_on_target(options, scripts):
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="spec-target-") as folder:
        folder = pathlib.Path(folder)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            built = list(pool.map(lambda script: build_image(options, script, folder), scripts))
        outcomes = [outcome for outcome, _ in built]
        runnable = [(script, outcome) for script, (outcome, is_built) in zip(scripts, built) if is_built]
        for number, first in enumerate(range(0, len(runnable), SCRIPTS_PER_BOOT)):
            group = runnable[first:first + SCRIPTS_PER_BOOT]
            console = boot(options, folder, number, [script for script, _ in group])
            for index, (script, outcome) in enumerate(group):
                judge_console(console, index, script, outcome)
    return outcomes


# ---- the suite ----

def find_data():
    named = os.environ.get("TESSERA_WASM_SPEC")
    folder = pathlib.Path(named) if named else ROOT.parent / "shared" / "wasm-spec"
    return folder if folder.is_dir() else None


def unpacked(folder):
    return sorted(script.resolve() for script in folder.iterdir() if script.is_dir())


def unpack(data, suite, target):
    with tarfile.open(data / f"{suite}.tar.xz") as archive:
        archive.extractall(target)
    return unpacked(target / suite)


def can_map_page_zero():
    """Whether this host lets a program use page 0."""
    floor = pathlib.Path("/proc/sys/vm/mmap_min_addr")
    return os.geteuid() == 0 or int(floor.read_text()) == 0


def skip_reason(skip):
    return skip.split(": ", 1)[1]


def report_group(group, outcomes):
    """One line for a group, with the reasons of its skips."""
    reasons = collections.Counter(skip_reason(skip) for outcome in outcomes for skip in outcome.skips)
    passed, failed = sum(outcome.passed for outcome in outcomes), sum(outcome.failed for outcome in outcomes)
    print(f"group {group}: passed {passed} failed {failed} skipped {sum(reasons.values())}"
          + "".join(f"\n    {count} skipped: {reason}" for reason, count in reasons.most_common()))


def report(outcomes):
    for outcome in outcomes:
        print(f"{outcome.name}: passed {outcome.passed} failed {outcome.failed} skipped {len(outcome.skips)}")
        for line in [f"FAIL {failure}" for failure in outcome.failures] + [f"SKIP {skip}" for skip in outcome.skips]:
            print(f"  {line}")
    for group in dict.fromkeys(outcome.group for outcome in outcomes):
        report_group(group, [outcome for outcome in outcomes if outcome.group == group])
    passed, failed = sum(outcome.passed for outcome in outcomes), sum(outcome.failed for outcome in outcomes)
    skipped = sum(len(outcome.skips) for outcome in outcomes)
    share = 100 * passed / max(1, passed + failed)
    print(f"total: passed {passed} failed {failed} skipped {skipped}; {share:.2f} % of those that ran")
    return failed == 0 and passed > 0


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=("run", "target"))
    parser.add_argument("scripts", nargs="*", help="names of scripts; all by default")
    parser.add_argument("--suite", action="append", help="may be repeated (default wasm-2.0)")
    parser.add_argument("--folder", type=pathlib.Path, help="take the scripts in this folder instead of a suite")
    parser.add_argument("--target", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--aot", required=True, help="the translator")
    parser.add_argument("--lib-dir", action="append", default=[])
    parser.add_argument("--library", action="append", default=[])
    parser.add_argument("--build-dir", help="target: build folder of the kernel and the servers")
    parser.add_argument("--boot-timeout", type=int, default=300, help="target: seconds for each boot")
    parser.add_argument("--level", choices=list("0123"), default="1", help="of optimisation (default 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=int, default=120, help="seconds for each step of a script")
    parser.add_argument("--no-page-zero", action="store_true")
    options = parser.parse_intermixed_args()
    if options.mode == "target" and not options.build_dir:
        parser.error("target needs --build-dir")
    options.suite = options.suite or ["wasm-2.0"]
    options.aot = str(pathlib.Path(options.aot).resolve())
    options.runner = []
    if options.target == "arm64" and os.uname().machine != "aarch64":
        options.runner = [shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64") or "qemu-aarch64-static"]
    return options


def main():
    options = read_options()
    data = options.folder or find_data()
    if not data:
        print("SKIP: the official test suite is not here. Point TESSERA_WASM_SPEC at a folder with wasm-2.0.tar.xz,")
        print("      the scripts of https://github.com/WebAssembly/spec (tag wg-2.0) as wabt's wast2json writes them.")
        return 0
    if options.mode == "run" and not options.no_page_zero and not can_map_page_zero():
        print("This host protects page 0 (vm.mmap_min_addr): all memories go above the program instead.")
        options.no_page_zero = True
    with tempfile.TemporaryDirectory(prefix="spec-data-") as target:
        target = pathlib.Path(target)
        work = []
        for suite in [options.folder.name] if options.folder else options.suite:
            spectest = target / f"spectest-{suite}.wasm"
            spectest.write_bytes(spectest_module(suite == "wasm-3.0", "threads" in suite))
            folders = unpacked(data) if options.folder else unpack(data, suite, target)
            work += [(folder, spectest, suite) for folder in folders
                     if not options.scripts or folder.name in options.scripts]
        read = lambda item: Script(item[0], item[1], find_refused(options, item[0], item[2]), item[2])
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            scripts = list(pool.map(read, work))
            if options.mode == "run":
                outcomes = list(pool.map(lambda script: run_script(options, script), scripts))
            else:
                outcomes = run_on_target(options, scripts)
    return 0 if report(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
