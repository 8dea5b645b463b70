"""The commands behind ./tessera: set-up, build, run, test, benchmarks and boot images.

Started by the shell script `tessera` in the root folder. Each command first installs what is missing (ci/packages.txt)
and builds what it needs; what is there already costs a look, not a rebuild.
"""
import argparse
import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

import debian
import disk
import folder
import parts
import ports
import qemu
import system_image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
ARCHES = ("x86_64", "arm64")
DEFAULT_DEMO = "mqtt"
DESCRIPTION_NAME = "system.json"


WRONG_ARGUMENTS = 122  # as ci/qemu.py: above every verdict of a guest


class Failure(Exception):
    """A step failed; the text says which and what to do."""

    status = 1


class UsageFailure(Failure):
    """What was asked for cannot be; the text says what can."""

    status = WRONG_ARGUMENTS


# ---- Output -----------------------------------------------------------------------------------------------------

def is_terminal():
    return sys.stdout.isatty()


def step(text):
    if is_terminal():
        text = f"\x1b[1m{text}\x1b[0m"
    print(f"==> {text}", flush=True)


def shown(command):
    return shlex.join(os.path.relpath(word, ROOT) if word.startswith(ROOT + os.sep) else word for word in command)


def call(command, failure, **options):
    """Run a command with its output on ours; Failure with `failure` and the command when it does not succeed."""
    try:
        status = subprocess.run(command, cwd=ROOT, **options).returncode
    except FileNotFoundError:
        raise Failure(f"{command[0]} is missing; './tessera setup' installs it") from None
    if status:
        raise Failure(f"{failure} (status {status})\n         the command was: {shown(command)}")


# ---- Set-up -----------------------------------------------------------------------------------------------------

def wanted_packages():
    with open(os.path.join(ROOT, "ci", "packages.txt"), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip() and not line.startswith("#")]


def missing_packages():
    """Packages of ci/packages.txt that dpkg does not list as installed."""
    wanted = wanted_packages()
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", *wanted]
    try:
        answer = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    except FileNotFoundError:
        raise Failure("this is not a Debian system: Tessera is built with the packages of Debian 12 (bookworm); "
                      "a container of debian:bookworm will do") from None
    installed = {line.split()[0] for line in answer.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def privileged(command):
    """The command, made to run as root; Failure with the line to type where that is impossible."""
    if os.geteuid() == 0:
        return ["env", "DEBIAN_FRONTEND=noninteractive", *command]
    if shutil.which("sudo"):
        return ["sudo", "DEBIAN_FRONTEND=noninteractive", *command]
    return None


def install_missing():
    missing = missing_packages()
    if not missing:
        return False
    # dpkg's own words stay in view: this is the longest step on a new machine.
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    update = privileged(["apt-get", "update"])
    if update is None:
        raise Failure("these packages are missing and this user may not install them. As root, run:\n"
                      f"    apt-get update && {shlex.join(install)}")
    step(f"Installing {len(missing)} Debian packages: {' '.join(missing)}")
    call(update, "the package lists could not be fetched: check the network and /etc/apt")
    call(privileged(install), "apt-get could not install the packages; its message stands above")
    return True


# ---- Build ------------------------------------------------------------------------------------------------------

def build_folder(preset):
    return os.path.join(BUILD, preset)


@contextlib.contextmanager
def building():
    """One command of ours builds at a time: ninja would let two run into each other."""
    try:
        os.makedirs(BUILD, exist_ok=True)
        lock = open(os.path.join(BUILD, "lock"), "w", encoding="utf-8")
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}: building needs a checkout that you may write to") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("tessera: waiting for another build", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def configure(preset):
    """Once; afterwards the build itself notices changed CMake files."""
    if os.path.exists(os.path.join(build_folder(preset), "build.ninja")):
        return
    step(f"Configuring {preset}")
    call(["cmake", "--preset", preset], f"configuring {preset} failed; CMake's message stands above")


def build_targets(preset, targets, number, total):
    configure(preset)
    step(f"Building {preset} ({number} of {total})")
    command = ["cmake", "--build", build_folder(preset)]
    if targets:
        command += ["--target", *targets]
    call(command, f"building {preset} failed; the first error stands above")


def build(arches, host_targets=(), arch_targets=()):
    """The host's products, then each architecture. Without targets: everything."""
    total = 1 + len(arches)
    with building():
        build_targets("host", host_targets, 1, total)
        for number, arch in enumerate(arches, 2):
            build_targets(arch, arch_targets, number, total)


def kernel_file(arch):
    return os.path.join(build_folder(arch), "kernel", "Image" if arch == "arm64" else "tessera.elf")


# ---- Systems ----------------------------------------------------------------------------------------------------

def demos():
    folder = os.path.join(ROOT, "demos")
    return sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name, DESCRIPTION_NAME)))


def make_archive(description, arch, output):
    """The system archive of a description outside the build's own list."""
    call([sys.executable, os.path.join(ROOT, "ci", "system_image.py"), description, "--arch", arch,
          "--host-dir", build_folder("host"), "--build-dir", build_folder(arch), "-o", output],
         f"{description} was not packed")


def make_iso(arch, archive, output):
    call([sys.executable, os.path.join(ROOT, "ci", "iso.py"), "--arch", arch, "--kernel", kernel_file(arch),
          "--archive", archive, "-o", output], f"the boot image {output} was not made")


def require_description(path):
    if not os.path.isfile(path):
        raise UsageFailure(f"{path} does not exist")


def require_folder_of(path):
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise UsageFailure(f"{path} cannot be written: the folder {folder} does not exist")


def require_system(demo):
    if demo.endswith(".json"):
        require_description(demo)
    elif demo not in demos():
        raise UsageFailure(f"there is no demo '{demo}'; the demos are: {', '.join(demos())} "
                           f"(or give a description, SYSTEM.json, or one of the programs: {', '.join(ports.names())})")


def prepare_system(demo, arch, wants_iso):
    """Build what running `demo` takes; gives (archive, iso or None)."""
    if demo.endswith(".json"):
        build([arch], ["products"], ["system-parts"])
        name = os.path.splitext(os.path.basename(demo))[0]
        archive = os.path.join(build_folder(arch), "own", f"{name}.cpio")
        iso = archive.removesuffix(".cpio") + ".iso"
        make_archive(os.path.abspath(demo), arch, archive)
        if wants_iso:
            make_iso(arch, archive, iso)
        return archive, iso
    build([arch], ["products"], ["kernel", f"iso-{demo}" if wants_iso else f"archive-{demo}"])
    folder = build_folder(arch)
    return os.path.join(folder, "archives", f"{demo}.cpio"), os.path.join(folder, "iso", f"{demo}.iso")


# ---- Commands ---------------------------------------------------------------------------------------------------

def fetch_parts():
    """The sources of others that tests compile. Without them those tests say what is missing."""
    try:
        known = parts.pins()
        for name in parts.wanted(known):
            parts.fetch(name, known[name])
    except debian.DebianError as error:
        print(f"tessera: {error}", file=sys.stderr)


def command_setup(options):
    if not install_missing():
        print("Everything is installed.")
    fetch_parts()
    return 0


def command_build(options):
    install_missing()
    build([options.arch] if options.arch else list(ARCHES))
    return 0


def check_boot(options):
    """Before minutes of building, not after."""
    if options.firmware and options.boot == "direct":
        raise UsageFailure("--boot direct starts the kernel without firmware: leave --firmware out")
    if options.firmware == "bios" and options.arch == "arm64":
        raise UsageFailure("arm64 has no BIOS: leave --firmware out or say uefi")


def run_app(options, port=None):
    """`run app.wasm`, or a program that the project brings: nothing of ours on its streams but what goes wrong."""
    import run_app as runner  # not wanted by the other commands
    for option, given in (("--boot", options.boot), ("--firmware", options.firmware), ("--gdb", options.gdb),
                          ("--clock", options.clock)):
        if given:
            raise UsageFailure(f"{option} is for demos and system descriptions, not for a module")
    try:
        if port:
            require_parts(options.arch, port.target)
        app = runner.App(options, port.module(build_folder("host")) if port else None, port)
        require_parts(options.arch)
        with tempfile.TemporaryDirectory(prefix="tessera-run-") as scratch:
            archive = os.path.join(scratch, "app.cpio")
            content, _ = system_image.pack(app.write(scratch), options.arch, build_folder("host"), build_folder(options.arch),
                                           scratch)
            with open(archive, "wb") as file:
                file.write(content)
            return runner.run(app, options.arch, kernel_file(options.arch), archive, options.timeout or 0)
    except BrokenPipeError:
        return 141  # as a shell shows a program that SIGPIPE ended
    except (runner.AppError, qemu.UsageError, folder.FolderError, system_image.PackError, system_image.archive.ArchiveError,
            system_image.system_description.DescriptionError) as error:
        raise UsageFailure(str(error)) from None
    except runner.OutputError as error:
        raise Failure(str(error)) from None


QUIET = re.compile(r"ninja: (Entering|no work)|\[0/\d+\] Re-checking globbed")


def build_quietly(preset, targets):
    """Says nothing when there is nothing to do; the program's output is not ours to write to."""
    command = ["cmake", "--build", build_folder(preset), "--target", *targets]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as process:
        for line in process.stdout:
            if not QUIET.match(line):
                print(line, end="", file=sys.stderr, flush=True)
    if process.returncode:
        raise Failure(f"building {preset} failed; the first error stands above")


def require_parts(arch, *modules):
    """What running a module takes. In a checkout of somebody else's: what is there."""
    presets = (("host", ["tessera-aot", *modules]), (arch, ["system-parts"]))
    rules = [os.path.join(build_folder(preset), "build.ninja") for preset, _ in presets]
    if all(map(os.path.exists, rules)) and not all(os.access(path, os.W_OK) for path in rules):
        return
    with building():
        for preset, targets in presets:
            if not os.path.exists(os.path.join(build_folder(preset), "build.ninja")):
                with contextlib.redirect_stdout(sys.stderr):
                    install_missing()
                    step(f"Configuring {preset}")
                    call(["cmake", "--preset", preset], f"configuring {preset} failed; CMake's message stands above",
                         stdout=sys.stderr)
            build_quietly(preset, targets)


def network_words(options):
    """For ci/qemu.py."""
    words = ["--net", "user" if options.net else "isolated"] if options.net or options.publish else []
    try:
        qemu.check_published([qemu.parse_publish(text) for text in options.publish])
    except argparse.ArgumentTypeError as error:
        raise UsageFailure(f"--publish {error}") from None
    except qemu.UsageError as error:
        raise UsageFailure(str(error)) from None
    for text in options.publish:
        words += ["--publish", text]
    return words


def command_run(options):
    if options.demo in ports.names():
        return run_app(options, ports.find(options.demo))
    if options.demo.endswith((".wasm", ".wat")) or (os.path.isfile(options.demo) and not options.demo.endswith(".json")):
        return run_app(options)
    for name in ("dir", "env", "mem", "cpu", "stdin", "arguments"):
        if getattr(options, name):
            raise UsageFailure(f"{'arguments are' if name == 'arguments' else f'--{name} is'} for a module (app.wasm), not for a demo")
    options.boot, options.clock = options.boot or "iso", options.clock or "instructions"
    options.timeout = 300.0 if options.timeout is None else options.timeout
    require_system(options.demo)
    check_boot(options)
    network = network_words(options)
    install_missing()
    archive, iso = prepare_system(options.demo, options.arch, options.boot == "iso")
    where = f"{options.boot}, {options.firmware}" if options.firmware else options.boot
    step(f"Running {options.demo} on {options.arch} ({where})")
    command = [sys.executable, os.path.join(ROOT, "ci", "qemu.py"), "--arch", options.arch, "--boot", options.boot,
               "--timeout", str(options.timeout), "--symbols", os.path.join(build_folder(options.arch), "kernel", "tessera.elf")]
    if options.disk:
        command += ["--disk", options.disk]
    command += network
    command += ["--iso", iso] if options.boot == "iso" else ["--kernel", kernel_file(options.arch), "--archive", archive]
    if options.firmware:
        command += ["--firmware", options.firmware]
    if options.clock == "instructions":
        # Idle time does not pass at once while a disk of the host's works, or its network.
        command += ["--icount", "on" if options.disk or options.net or options.publish else "off"]
    if options.gdb:
        command += ["--gdb"]
    if sys.stdin.isatty():
        command += ["--interactive"]
    try:
        status = subprocess.run(command).returncode
    except KeyboardInterrupt:
        return 130
    print(f"==> The guest ended with {'success' if status == 0 else f'status {status}'}." if status <= 100
          else f"==> The run failed (status {status}; './tessera run --help' explains it).", flush=True)
    return status


def write_test_list(presets):
    """One CTest folder over all configurations, so that one run ends in one summary."""
    folder = os.path.join(BUILD, "tests")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "CTestTestfile.cmake"), "w", encoding="utf-8") as file:
        file.writelines(f'subdirs("{build_folder(preset)}")\n' for preset in presets)
    return folder


def command_test(options):
    install_missing()
    fetch_parts()
    arches = [options.arch] if options.arch else list(ARCHES)
    build(arches)
    step("Testing")
    command = ["ctest", "--test-dir", write_test_list(["host", *arches]), "--output-on-failure", "--no-tests=error",
               "--no-label-summary", "--parallel", str(options.jobs or os.cpu_count() or 1)]
    if options.filter:
        command += ["--tests-regex", options.filter]
    try:
        return subprocess.run(command, cwd=ROOT).returncode and 1
    except KeyboardInterrupt:
        return 130


def bench_generated_code(options):
    """`bench wasm`: generated code against native code and other engines, on this host; --target: in QEMU."""
    import bench_wasm
    if options.target:
        arch = options.arch or "x86_64"
        build([arch], ["bench-wasm"], ["kernel", "system-parts", "bench-native"])
        step(f"Measuring generated code on {arch}: instructions, counted by QEMU")
        bench_wasm.run_target(ROOT, arch, json_path=options.json)
        return
    build(["x86_64"], ["bench-wasm"], ["wasm_runtime", "wasm_linux"])
    step(f"Measuring generated code, {options.runs} runs of each program in turns")
    bench_wasm.run(ROOT, options.runs, json_path=options.json)


def bench_compile_time(options):
    """`bench compile`: time and memory of translating, beside gcc on wasm2c's output."""
    import bench_compile
    build(["x86_64"], ["tessera-aot"], ["wasm_runtime", "wasm_linux"])
    step("Measuring how long translating takes")
    bench_compile.run(options.modules, options.json)


def arches_of(options):
    return [options.arch] if options.arch else list(ARCHES)


def bench_files(options):
    """`bench fs`: files in memory, in the store and in the archive; Linux' beside them."""
    import bench_files as files
    build(arches_of(options), ["wasm-bench-files", "tessera-aot"], ["kernel", "archive-fs-bench"])
    for arch in arches_of(options):
        step(f"Measuring files on {arch}: instructions, counted by QEMU")
        files.run(ROOT, arch, build_folder(arch), kernel_file(arch), options.json, options.vs == "linux", options.record)


def bench_network(options):
    """`bench net`: TCP, and messages through Mosquitto; Linux' beside them."""
    import bench_net as net
    build(arches_of(options), ["wasm-net-server", "wasm-mosquitto", "tessera-aot"], ["kernel", "archive-net-bench"])
    for arch in arches_of(options):
        step(f"Measuring the network on {arch}: instructions, counted by QEMU")
        archive = os.path.join(build_folder(arch), "archives", "net-bench.cpio")
        net.run(arch, kernel_file(arch), archive, options.json, options.vs == "linux", options.record)


def bench_system(options):
    """The kernel's operations, processes, messages; seL4's and Linux' beside them."""
    import bench
    build(arches_of(options), ["products"], ["bench-files"])
    for arch in arches_of(options):
        step(f"Measuring on {arch}: instructions, counted by QEMU")
        results, linux = bench.run(ROOT, arch, build_folder(arch), kernel_file(arch), options.json, options.vs == "linux")
        if options.record:
            bench.record(ROOT, arch, results, linux)


BENCHMARKS = {  # what measures, and the options that mean something to it
    "system": (bench_system, {"arch", "vs", "record"}),
    "fs": (bench_files, {"arch", "vs", "record"}),
    "net": (bench_network, {"arch", "vs", "record"}),
    "wasm": (bench_generated_code, {"arch", "target", "runs"}),
    "compile": (bench_compile_time, {"modules"}),
}
BENCH_RUNS = 5


def command_bench(options):
    measure, known = BENCHMARKS[options.what]
    for name in ("arch", "vs", "record", "target", "runs", "modules"):
        if getattr(options, name) and name not in known:
            raise UsageFailure(f"{'modules are' if name == 'modules' else f'--{name} is'} not for `bench {options.what}`")
    if options.what == "wasm" and options.target and options.runs:
        raise UsageFailure("--runs is for times on this host; instructions, with --target, are the same each time")
    if options.what == "wasm" and options.arch and not options.target:
        raise UsageFailure("`bench wasm` measures on this host; --arch goes with --target only")
    if options.json:
        if "vs" in known and not options.arch:
            raise UsageFailure("--json writes one architecture's results: say which with --arch")
        require_folder_of(options.json)
    options.runs = options.runs or BENCH_RUNS
    install_missing()
    # Each benchmark's own module has an error of its own, which says what could not be measured.
    import bench, bench_compile, bench_files as files, bench_net as net, bench_wasm
    try:
        measure(options)
    except (bench.BenchError, files.BenchError, net.BenchError, bench_wasm.BenchError, bench_compile.CompileBenchError,
            debian.DebianError) as error:
        raise Failure(str(error)) from None
    return 0


def command_image(options):
    description = os.path.abspath(options.description)
    output = os.path.abspath(options.output)
    require_description(description)
    require_folder_of(output)
    install_missing()
    build([options.arch], ["products"], ["system-parts"])
    step(f"Making {options.output}")
    archive = os.path.join(build_folder(options.arch), "own", os.path.basename(output) + ".cpio")
    os.makedirs(os.path.dirname(archive), exist_ok=True)
    make_archive(description, options.arch, archive)
    make_iso(options.arch, archive, output)
    print(f"{options.output}: {os.path.getsize(output) // 1024} KiB, boots as a CD or, copied with dd, as a disk.")
    return 0


# ---- Command line -----------------------------------------------------------------------------------------------

OVERVIEW = """\
Tessera: a capability microkernel that runs WebAssembly modules as isolated native processes.

Two commands do it all, on a fresh Debian 12 as on a busy one:

    ./tessera run      install what is missing, build, boot the x86-64 ISO in QEMU, run the MQTT demo
    ./tessera test     build and test everything, both architectures
"""

RUN_EXAMPLES = """\
examples:
    ./tessera run                              the MQTT demo, x86-64, from the ISO through BIOS
    ./tessera run compute --arch arm64         another demo, arm64 ISO through UEFI
    ./tessera run security --boot direct       kernel and archive without firmware, the quickest way
    ./tessera run my/system.json               a system description of your own
    ./tessera run hello --boot direct --gdb    wait for a debugger
    ./tessera run app.wasm --disk data.img     its files in /data are on a disk that stays
    ./tessera run mosquitto --publish 1883:1883 --disk data.img
                                               a program of others, which the project brings; docs/mosquitto.md
    ./tessera run app.wasm --dir data::/data -- --verbose file
                                               any program for wasm32-wasi, as if it ran here: its standard streams
                                               and its exit status are the command's

exit status of a module: its own; 134 it trapped, 137 it was killed (memory, say), 139 another fault, 122 it could not be run,
124 time limit reached, 130 interrupted.
Of a demo or a system: what the guest ended with (0: everything as expected), or 122 wrong arguments, 123 QEMU did not start,
124 time limit reached, 125 the machine ended without a verdict, 130 interrupted; 1: a step before failed.
"""


def add_arch(parser, default=None):
    text = f"default {default}" if default else "default: both"
    parser.add_argument("--arch", choices=ARCHES, default=default, help=text)


def add_command(commands, name, function, help_text, examples):
    parser = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".",
                                 epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(function=function)
    return parser


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


positive.__name__ = "number"  # what argparse calls it in its message


def pattern(text):
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"not a regular expression: {error}") from None
    return text


def seconds(text):
    value = float(text)
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError("must be 0 (no limit) or more")
    return value


class Parser(argparse.ArgumentParser):
    """Wrong arguments end with the status that the help names; argparse's own 2 could be a guest's."""

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(WRONG_ARGUMENTS, f"{self.prog}: error: {message}\n")


def command_line():
    parser = Parser(prog="./tessera", description=OVERVIEW,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="./tessera COMMAND --help tells more about each.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    add_command(commands, "setup", command_setup, "install the Debian packages that are missing",
                "example:\n    ./tessera setup\n\nThe list is ci/packages.txt. Every other command does this first.")

    command = add_command(commands, "build", command_build, "build everything",
                          "examples:\n    ./tessera build\n    ./tessera build --arch arm64")
    add_arch(command)

    command = add_command(commands, "run", command_run, "run a module, a demo or a system of your own in QEMU", RUN_EXAMPLES)
    command.add_argument("demo", nargs="?", default=DEFAULT_DEMO, metavar="WHAT",
                         help="a module for wasm32-wasi: app.wasm or app.wat; or one of the programs that the project brings, which is "
                              f"run like a module: {', '.join(ports.names())}; or a demo: {', '.join(demos())} "
                              f"(default {DEFAULT_DEMO}); or a system description, SYSTEM.json")
    add_arch(command, "x86_64")
    command.add_argument("--timeout", type=seconds, metavar="S", help="seconds, 0 for none (default 300; of a module: none)")
    command.add_argument("--disk", metavar="IMAGE[::GUEST]",
                         help="a disk of ours, which './tessera disk create' makes; a module finds it as GUEST (default /data)")
    command.add_argument("--publish", action="append", default=[], metavar="HOST:GUEST[/udp]",
                         help="forward a port of this machine's loopback to one that a program listens on; without --net it reaches nothing else")
    command.add_argument("--net", action="store_true",
                         help="a network card on QEMU's user network; a module may then connect anywhere, this machine included, and resolve names")
    system = command.add_argument_group("options of a demo or a system")
    system.add_argument("--boot", choices=("iso", "direct"), help="from a CD through firmware (default), or kernel and archive without")
    system.add_argument("--firmware", choices=("bios", "uefi"),
                        help="of an ISO boot: x86_64 has both (default bios), arm64 has uefi")
    system.add_argument("--clock", choices=("instructions", "host"),
                        help="what the machine's time is: one instruction is one nanosecond, so that every run is the same "
                             "(default), or the host's time")
    system.add_argument("--gdb", action="store_true", help="wait for a debugger before the first instruction")
    module = command.add_argument_group("options of a module", "what follows -- are the program's arguments")
    module.add_argument("--dir", action="append", default=[], metavar="HOST[::GUEST][:ro]",
                        help="a folder for the program, as GUEST; what it changes there comes back when it ends, without :ro")
    module.add_argument("--env", action="append", default=[], metavar="KEY[=VALUE]",
                        help="a variable of its environment, which is empty otherwise; without VALUE: as it is here")
    module.add_argument("--mem", metavar="SIZE", help="limit of all memory that the program uses (default 256M)")
    module.add_argument("--cpu", metavar="N%", help="limit of its CPU time, of one core")
    module.add_argument("--spawn", action="append", default=[], metavar="MODULE[::NAME[::SIZE]]",
                        help="a module that the program may start as a child, as NAME (default: the file's, without .wasm), with at "
                             "most SIZE of the program's memory (default 16M)")
    module.add_argument("--stdin", metavar="FILE", help="standard input from a file (default: this command's)")

    command = add_command(commands, "disk", disk.run, "make a disk, and see and change what is on it",
                          "examples:\n    ./tessera disk create data.img --size 1G\n    ./tessera disk put data.img music /music\n"
                          "    ./tessera disk ls data.img /music\n    ./tessera disk get data.img /log.txt -\n\n"
                          "An image is an SQLite database: docs/store.md has its schema.")
    disk.add_commands(command)

    command = add_command(commands, "test", command_test, "build and test everything",
                          "examples:\n    ./tessera test\n    ./tessera test --arch arm64\n"
                          "    ./tessera test mqtt              tests whose name matches the regular expression\n"
                          "    ./tessera test 'x86_64.boot'")
    add_arch(command)
    command.add_argument("--jobs", type=positive, metavar="N", help="tests at a time (default: one per CPU)")
    command.add_argument("filter", nargs="?", type=pattern, metavar="FILTER", help="regular expression over the tests' names")

    command = add_command(commands, "bench", command_bench, "measure, in instructions, beside the figures of other kernels",
                          "examples:\n    ./tessera bench --arch x86_64\n    ./tessera bench --arch arm64 --json arm64.json\n"
                          "    ./tessera bench --vs linux       boot Debian's kernel under the same counter and measure the same operations\n"
                          "    ./tessera bench --record         when figures changed on purpose: commit bench/recorded.json with the change\n"
                          "    ./tessera bench fs               files: in memory, in the store, in the archive, beside Linux' tmpfs and ext4\n"
                          "    ./tessera bench net              TCP, and MQTT messages through Mosquitto\n"
                          "    ./tessera bench wasm             generated code: CPU time of eleven programs on this host,\n"
                          "                                     beside native code and other engines\n"
                          "    ./tessera bench wasm --target    the same in QEMU, instructions beside gcc's code\n"
                          "    ./tessera bench compile          time and memory of translating, beside gcc -O2 on wasm2c's output")
    command.add_argument("what", nargs="?", choices=tuple(BENCHMARKS), default="system", help="default: system")
    command.add_argument("modules", nargs="*", metavar="FILE.wasm", help="compile: these instead of the usual ones")
    add_arch(command)
    command.add_argument("--vs", choices=("linux",), help="measure this one here and now instead of showing recorded figures")
    command.add_argument("--record", action="store_true",
                         help="write the figures into bench/recorded.json, which the test 'bench' compares with, and draw the chart in docs/")
    command.add_argument("--runs", type=positive, metavar="N", help=f"wasm: runs of each program (default {BENCH_RUNS})")
    command.add_argument("--target", action="store_true",
                         help="wasm: on target instead, instructions counted by QEMU (--arch, default x86_64)")
    command.add_argument("--json", metavar="FILE", help="also write the results there (system: with --arch)")

    command = add_command(commands, "image", command_image, "make a bootable image of a system description",
                          "example:\n    ./tessera image my/system.json --arch x86_64 -o my.iso\n"
                          "    qemu-system-x86_64 -machine q35 -cpu max -cdrom my.iso -serial stdio -display none\n\n"
                          "docs/system.md describes SYSTEM.json.")
    command.add_argument("description", metavar="SYSTEM.json")
    add_arch(command, "x86_64")
    command.add_argument("-o", "--output", required=True, metavar="FILE.iso")
    return parser


def open_standard_streams():
    """Those that the caller closed lead nowhere, lest a file that we open takes their number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))


def end_by_signal(number, _):
    """So that what we started ends and what we wrote for it goes."""
    sys.exit(128 + number)


def parse(words):
    end = words.index("--") if "--" in words else len(words)
    parser = command_line()
    options, unknown = parser.parse_known_args(words[:end])
    is_run = options.function is command_run
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}"
                     + (" (a program's own arguments go behind --)" if is_run and end == len(words) else ""))
    options.arguments = words[end + 1:]  # whatever they look like, they are the program's
    if options.arguments and not is_run:
        parser.error("arguments after -- are for `run app.wasm`")
    return options


def main():
    open_standard_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    options = parse(sys.argv[1:])
    try:
        return options.function(options)
    except Failure as failure:
        print(f"tessera: {failure}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
