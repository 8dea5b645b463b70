#!/usr/bin/python3
"""Runs the kernel in QEMU, shows its console as it comes and turns the guest's verdict into an exit status.

    ci/qemu.py --arch x86_64 --kernel build/x86_64/kernel/tessera.elf --archive demo.cpio
    ci/qemu.py --arch arm64 --boot iso --iso demo.iso

Verdict. The guest ends with a status s of 0 to 100. On x86-64 the kernel writes s + 16 to the isa-debug-exit port
0xf4, so QEMU exits with ((s + 16) << 1) | 1; on arm64 it makes the semihosting call SYS_EXIT_EXTENDED with
s + 16, so QEMU exits with that. QEMU's own failures (1) and a plain power-off (0) can never be mistaken for one.

Exit status: the guest's status, or
    122  wrong arguments, or a file is missing
    123  QEMU did not start
    124  time limit reached
    125  QEMU ended (reset, power-off, crash) without a verdict
    126  with --expect, --forbid or --status: the guest did something else
    130  interrupted
With --status, --expect or --forbid the exit status is 0 when all of them hold.
"""
import argparse
import codecs
import contextlib
import ctypes
import errno
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import disk

USAGE, NOT_STARTED, TIMEOUT, NO_VERDICT, UNEXPECTED, INTERRUPTED = 122, 123, 124, 125, 126, 130
VERDICT_BASE = 16
VERDICT_LAST = 100
ANY_FAILURE = "fail"
DEFAULT_TIMEOUT = 300
ARCHIVE_LIMIT = 2047 << 20  # below 2 GiB on both machines: what QEMU reads at a time, and where it puts it on x86-64
FIRMWARE = {  # (code, variables) of the Debian packages ovmf and qemu-efi-aarch64
    "x86_64": ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    "arm64": ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
}
PROGRAM = {"x86_64": "qemu-system-x86_64", "arm64": "qemu-system-aarch64"}
GDB_ARCHITECTURE = {"x86_64": "i386:x86-64", "arm64": "aarch64"}

# Everything a terminal would act upon, other than text: CSI and OSC sequences and two-character escapes.
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?=<>!]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[ -Z\\^-~])")
COLOUR = re.compile(r"\x1b\[[0-9;]*m\Z")
UNFINISHED_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?=<>!]*[ -/]*|\][^\x07\x1b]*|[()])?\Z")


class UsageError(Exception):
    """The run cannot begin; the text says what to do."""


class Console:
    """Cleans the guest's output, shows it at once and keeps its lines for the tests.

    Firmware clears the screen and moves the cursor; only colours survive, and only on a terminal.
    """

    def __init__(self, out, is_terminal, log=None):
        self.out = out
        self.is_terminal = is_terminal
        self.log = log
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.pending = ""
        self.lines = []
        self.line = ""

    def feed(self, data, final=False):
        text = self.pending + self.decoder.decode(data, final)
        unfinished = None if final else UNFINISHED_ESCAPE.search(text)
        self.pending = text[unfinished.start() :] if unfinished else ""
        text = text[: unfinished.start()] if unfinished else text
        text = text.replace("\r", "")
        shown = ESCAPE.sub(lambda match: match[0] if self.is_terminal and COLOUR.match(match[0]) else "", text)
        self.out.write(shown)
        self.out.flush()
        plain = ESCAPE.sub("", text)
        if self.log:
            self.log.write(plain)
            self.log.flush()
        *complete, self.line = (self.line + plain).split("\n")
        self.lines += complete

    def finish(self):
        self.feed(b"", final=True)
        if self.line:
            self.lines.append(self.line)
            self.out.write("\n")
            self.out.flush()
            self.line = ""


def need_file(path, what, remedy):
    if not path:
        raise UsageError(f"{what} is not given: {remedy}")
    if not os.path.isfile(path):
        raise UsageError(f"{what} {path} does not exist: {remedy}")
    return path


def qemu_path(path):
    """A path inside a QEMU option: a comma is doubled."""
    return path.replace(",", ",,")


def firmware_options(arch, scratch):
    code, variables = FIRMWARE[arch]
    package = "ovmf" if arch == "x86_64" else "qemu-efi-aarch64"
    need_file(code, "the UEFI firmware", f"install the package {package} ('./tessera setup')")
    private = os.path.join(scratch, "variables.fd")
    shutil.copyfile(need_file(variables, "the UEFI variables", f"install the package {package}"), private)
    return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
            "-drive", f"if=pflash,format=raw,unit=1,file={qemu_path(private)}"]


def boot_options(options, scratch):
    """What the machine boots from."""
    if options.boot == "direct":
        kernel = need_file(options.kernel, "the kernel", "'./tessera build' makes it")
        boot = ["-kernel", kernel]
        if options.archive:
            archive = need_file(options.archive, "the archive", "'./tessera build' makes it")
            if os.path.getsize(archive) > ARCHIVE_LIMIT:
                raise UsageError("the archive with all its files is larger than 2047 MiB, which QEMU does not load: put files on a disk")
            boot += ["-initrd", archive]
        if options.append:
            boot += ["-append", options.append]
        return boot
    iso = need_file(options.iso, "the boot image", "'./tessera build' makes it")
    # A hard disk must be writable; what is written goes nowhere.
    access = "snapshot=on" if options.as_disk else "readonly=on"
    boot = ["-drive", f"if=none,id=boot,format=raw,{access},file={qemu_path(iso)}"]
    if options.firmware == "uefi":
        boot += firmware_options(options.arch, scratch)
        if options.arch == "x86_64":
            boot += ["-vga", "std"]  # GRUB on UEFI complains of a machine without any screen
    if options.arch == "arm64":
        device = "scsi-hd" if options.as_disk else "scsi-cd"
        # Without the two boot options AAVMF waits five seconds for a key.
        # The firmware's source of random numbers: CPUs other than `max` have none of their own.
        boot += ["-boot", "menu=on,splash-time=0", "-device", "virtio-scsi-pci", "-device", "virtio-rng-pci"]
    else:
        device = "ide-hd" if options.as_disk else "ide-cd"
    return boot + ["-device", f"{device},drive=boot,bootindex=0"]


def machine_options(options):
    if options.arch == "x86_64":
        machine = ["-machine", options.machine or "q35", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
        cpu = "max"
    else:
        machine = ["-machine", f"{options.machine or 'virt'},gic-version={options.gic}",
                   "-semihosting-config", "enable=on,target=native"]
        cpu = "max"
    return machine + ["-cpu", options.cpu or cpu, "-m", str(options.memory), "-smp", str(options.cores)]


def command_line(options, scratch):
    """QEMU's whole command line. Raises UsageError when a file is missing."""
    command = [PROGRAM[options.arch], "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    command += machine_options(options)
    command += console_options(options)
    if options.icount:
        # One executed guest instruction is one nanosecond of guest time; idle time passes at once.
        command += ["-accel", "tcg", "-icount", f"shift=0,sleep={options.icount}", "-rtc", "base=2026-01-01,clock=vm"]
    if options.gdb:
        command += ["-s", "-S"]
    if options.disk:
        command += disk_options(options.disk)
    if options.net:
        command += net_options(options.net, options.publish)
    return command + boot_options(options, scratch) + options.qemu


def console_options(options):
    """The serial line on our standard streams; with --uart that goes to a file, and a port of a virtio console has the streams
    (a console proper, which is port 0, drops bytes when we are slow)."""
    stdio = "-chardev", "stdio,id=console,signal=on"
    if not options.uart:
        return [*stdio, "-serial", "chardev:console"]
    return [*stdio, "-chardev", f"file,id=uart,path={qemu_path(options.uart)}", "-serial", "chardev:uart",
            "-device", "virtio-serial-pci,id=line,max_ports=2", "-device", "virtserialport,bus=line.0,nr=1,chardev=console"]


def disk_options(image):
    """The store's two disks (docs/store.md), in this order."""
    options = []
    for name, path in (("data", image), ("log", disk.log_path(image))):
        options += ["-drive", f"if=none,id={name},format=raw,file={qemu_path(path)}",
                    "-device", f"virtio-blk-pci,drive={name},serial=tessera-{name}"]
    return options


def net_options(kind, published):
    """A virtio network card on QEMU's user network; `isolated` reaches nothing but what is published. With a UDP port it is up to
    the machine: QEMU drops what a restricted guest sends by UDP, answers to those who called included."""
    forwards = "".join(f",hostfwd={protocol}:127.0.0.1:{host}-:{guest}" for host, guest, protocol in published)
    answers_datagrams = any(protocol == "udp" for _, _, protocol in published)
    restriction = ",restrict=on" if kind == "isolated" and not answers_datagrams else ""
    return ["-netdev", f"user,id=net{restriction}{forwards}", "-device", "virtio-net-pci,netdev=net,romfile="]


def check_published(published):
    """Whether the host has those ports to give: QEMU would only say that it could not set up a rule."""
    if len({(host, protocol) for host, _, protocol in published}) != len(published):
        raise UsageError("--publish: two of them have the same port of this host")
    for host, guest, protocol in published:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as probe:
            if protocol == "tcp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as QEMU
            try:
                probe.bind(("127.0.0.1", host))
            except OSError as error:
                why = {errno.EADDRINUSE: "another program of this host has it", errno.EACCES: "ports below 1024 are root's"}
                other = host + 10000 if host < 50000 else host - 10000
                raise UsageError(f"--publish {host}:{guest}: port {host} cannot be had: {why.get(error.errno, error.strerror)}"
                                 f" (another one will do: --publish {other}:{guest})") from None


def parse_publish(text):
    """HOST:GUEST[/udp] -> (host port, guest port, protocol)"""
    match = re.fullmatch(r"([0-9]{1,5}):([0-9]{1,5})(?:/(tcp|udp))?", text)
    if not match or not all(1 <= int(port) <= 65535 for port in match.group(1, 2)):
        raise argparse.ArgumentTypeError(f"{text}: must be HOST:GUEST, two ports, with /udp behind them if it is not TCP")
    return int(match[1]), int(match[2]), match[3] or "tcp"


def die_with_parent():
    """In QEMU's process before it runs: a killed runner takes QEMU with it (Linux prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def verdict_of(arch, code):
    """The guest's status for QEMU's exit code, or None when that was no verdict."""
    if arch == "x86_64":
        if code & 1 == 0:
            return None
        code >>= 1
    return code - VERDICT_BASE if VERDICT_BASE <= code <= VERDICT_BASE + VERDICT_LAST else None


def describe_end(code):
    if code < 0:
        try:
            return f"QEMU was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"QEMU was ended by signal {-code}"
    if code == 0:
        return "the machine was reset or switched off"
    return f"QEMU exited with status {code}"


def say(text):
    print(f"qemu.py: {text}", file=sys.stderr, flush=True)


def last_lines(console, count=12):
    lines = [line for line in console.lines if line.strip()][-count:]
    return "".join(f"\n    | {line}" for line in lines) or "\n    | (nothing)"


def pump(process, console, deadline):
    """Copy the console until QEMU ends. False when the deadline came first."""
    stream = process.stdout.fileno()
    while True:
        wait = None if deadline is None else deadline - time.monotonic()
        if wait is not None and wait <= 0:
            return False
        ready, _, _ = select.select([stream], [], [], wait)
        if ready:
            data = os.read(stream, 65536)
            if not data:
                return True
            console.feed(data)


def stop(process):
    """End QEMU, gently first: it puts the terminal back as it was."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(options, console):
    """Run to the end: the guest's status or one of the statuses above 121."""
    # Only where it is needed: a runner that is killed leaves it behind.
    has_variables = options.boot == "iso" and options.firmware == "uefi"
    with tempfile.TemporaryDirectory(prefix="tessera-qemu-") if has_variables else contextlib.nullcontext() as scratch:
        command = command_line(options, scratch)
        if options.verbose:
            say(shlex.join(command))
        if options.gdb:
            symbols = options.symbols or options.kernel or ""
            say("QEMU waits for a debugger. In another terminal:\n"
                f"    gdb-multiarch {symbols} -ex 'set architecture {GDB_ARCHITECTURE[options.arch]}'"
                " -ex 'target remote :1234' -ex 'hbreak kernel_boot' -ex continue")
        limit = None if options.gdb or not options.timeout else time.monotonic() + options.timeout
        try:
            process = subprocess.Popen(command, stdin=None if options.interactive else subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        except OSError as error:
            say(f"cannot start {command[0]}: {error.strerror} ('./tessera setup' installs it)")
            return NOT_STARTED
        try:
            in_time = pump(process, console, limit)
            code = process.wait(timeout=30) if in_time else None
        except KeyboardInterrupt:
            console.finish()
            say("interrupted")
            return INTERRUPTED
        finally:
            stop(process)
            process.stdout.close()
        console.finish()
        if not in_time:
            say(f"no verdict after {options.timeout:g} s; the last console lines were:{last_lines(console)}")
            return TIMEOUT
        status = verdict_of(options.arch, code)
        if status is None:
            if not console.lines and code == 1:
                say("QEMU did not start; its message stands above")
                return NOT_STARTED
            say(f"{describe_end(code)} without a verdict; the last console lines were:{last_lines(console)}")
            return NO_VERDICT
        return status


def judge(options, console, status):
    """Compare with what the test expects; gives the exit status and says every difference."""
    failures = []
    if status != options.status and not (options.status == ANY_FAILURE and 1 <= status <= VERDICT_LAST):
        failures.append(f"status {status}, not the expected {options.status}")
    at = 0
    for pattern in options.expect:
        found = next((i for i in range(at, len(console.lines)) if re.search(pattern, console.lines[i])), None)
        if found is None:
            where = f" after line {at}: {console.lines[at - 1]!r}" if at else ""
            failures.append(f"no console line matches {pattern!r}{where}")
            break
        at = found + 1
    for pattern in options.forbid:
        failures += [f"console line matches the forbidden {pattern!r}: {line!r}"
                     for line in console.lines if re.search(pattern, line)][:3]
    for failure in failures:
        say(failure)
    return UNEXPECTED if failures else 0


def expected_status(text):
    return text if text == ANY_FAILURE else int(text)


def parser():
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("--arch", choices=("x86_64", "arm64"), required=True)
    add("--boot", choices=("iso", "direct"), default="direct")
    add("--firmware", choices=("bios", "uefi"), help="of an ISO boot; x86_64: bios by default; arm64 has uefi only")
    add("--kernel", metavar="FILE", help="direct boot: tessera.elf or Image")
    add("--archive", metavar="FILE", help="direct boot: the system archive")
    add("--append", metavar="TEXT", help="direct boot: the kernel's command line")
    add("--iso", metavar="FILE")
    add("--as-disk", action="store_true", help="attach the ISO as a hard disk, as after dd to a USB stick")
    add("--cpu", help="QEMU CPU model, by default max")
    add("--machine", help="QEMU machine, by default q35 or virt")
    add("--memory", type=int, default=512, metavar="MiB")
    add("--cores", type=int, default=1)
    add("--gic", choices=("2", "3"), default="3", help="arm64: version of the interrupt controller")
    add("--icount", choices=("off", "on"), nargs="?", const="off", default=None,
        help="count instructions: sleep=off (default) lets idle time pass at once")
    add("--gdb", action="store_true", help="wait for a debugger on port 1234; no time limit")
    add("--symbols", metavar="ELF", help="named in the --gdb hint")
    add("--timeout", type=float, default=DEFAULT_TIMEOUT, metavar="SECONDS", help="0 for none")
    add("--interactive", action="store_true", help="standard input goes to the serial console")
    add("--uart", metavar="FILE", help="the serial line goes to FILE, a virtio console has the standard streams")
    add("--log", metavar="FILE", help="also write the console there")
    add("--verbose", action="store_true", help="show QEMU's command line")
    add("--status", type=expected_status, help="test: the guest's status must be this; 'fail': any of 1 to 100")
    add("--expect", action="append", default=[], metavar="REGEX", help="test: a console line matches; in this order")
    add("--forbid", action="append", default=[], metavar="REGEX", help="test: no console line matches")
    add("--disk", metavar="IMAGE", help="attach a disk of ours: IMAGE and IMAGE-wal ('./tessera disk create' makes them)")
    add("--net", choices=("user", "isolated"), help="attach a network card; isolated: reaches only what is published")
    add("--publish", action="append", default=[], type=parse_publish, metavar="HOST:GUEST[/udp]",
        help="with --net: forward a port of this host's loopback to the guest")
    add("--qemu", action="append", default=[], metavar="OPTION", help="a further QEMU argument; write --qemu=-device")
    return result


def complete(options):
    """Settle what depends on the architecture."""
    if options.boot == "iso":
        options.firmware = options.firmware or ("bios" if options.arch == "x86_64" else "uefi")
        if options.arch == "arm64" and options.firmware == "bios":
            raise UsageError("arm64 has no BIOS: leave --firmware out or say uefi")
    elif options.firmware or options.as_disk:
        raise UsageError("--firmware and --as-disk belong to --boot iso")
    if options.icount and options.cores != 1:
        raise UsageError("--icount needs --cores 1")
    check_published(options.publish)
    return options


def main(arguments):
    options = parser().parse_args(arguments)
    is_test = options.status is not None or options.expect or options.forbid
    if options.status is None:
        options.status = 0
    log = None
    try:
        complete(options)
        if options.disk:
            disk.prepare(options.disk)
        log = open(options.log, "w", encoding="utf-8") if options.log else None
        console = Console(sys.stdout, sys.stdout.isatty(), log)
        status = run(options, console)
    except (UsageError, OSError, disk.DiskError) as error:
        say(str(error))
        return USAGE
    finally:
        if log:
            log.close()
    return judge(options, console, status) if is_test else status


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(INTERRUPTED))
    sys.exit(main(sys.argv[1:]))
