"""Runs Debian's Linux kernel under the same QEMU and the same instruction counter as our benchmarks: `./tessera bench --vs linux`.

The kernel is the package linux-image-cloud-amd64 or -arm64, as the machine's own apt sources offer it, fetched and verified by apt
with folders of its own, so that neither the system's package lists nor its packages change. It is kept in
${XDG_CACHE_HOME:-~/.cache}/tessera/linux and used from there the next time; remove the folder to fetch a newer one. The RAM
disk holds bench/linux/init.c and bench/linux/small.c, static programs that measure and print `linux ROW OPERATION VALUE`.
"""
import os
import re
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

import qemu

RUN_SECONDS = 1200
LINE = re.compile(r"^linux ([a-z0-9_]+) ([A-Za-z0-9_+-]+) ([0-9]+(?:\.[0-9]+)?)$")
END = "linux end"
DEBIAN = {"x86_64": "amd64", "arm64": "arm64"}
CONSOLE = {"x86_64": "ttyS0", "arm64": "ttyAMA0"}
COMPILER = {"x86_64": "gcc", "arm64": "aarch64-linux-gnu-gcc"}
# Linux clears pages with `rep stosb` where the CPU claims that this is fast, and the counter counts every byte: without the claim it
# uses words. On arm64 the quick algorithm for pointer authentication only saves time of the host.
CPU = {"x86_64": "max,-erms", "arm64": "max,pauth-impdef=on"}
FLAGS = ["-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-static", "-s"]


# In the order in which they need each other; what a kernel has built in is not among a package's files.
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "crc16",
           "crc32c_generic", "mbcache", "jbd2", "ext4")
NET_MODULES = ("failover", "net_failover", "virtio_net") # ci/bench_linux_net.py


class LinuxError(Exception):
    """Linux could not be had or did not run; the text says why."""


# ---- The kernel -------------------------------------------------------------------------------------------------

def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "tessera", "linux")


def apt_options(arch, folder):
    """apt for another architecture, with state of its own but the system's sources and keys."""
    for part in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(folder, part), exist_ok=True)
    status = os.path.join(folder, "status")
    open(status, "w").close()
    pairs = {"APT::Architecture": arch, "APT::Architectures": arch, "Dir::State": folder,
             "Dir::State::lists": os.path.join(folder, "lists"), "Dir::State::status": status,
             "Dir::Cache": os.path.join(folder, "cache"), "APT::Sandbox::User": "root",
             "Acquire::Languages": "none", "Acquire::http::Timeout": "60", "Acquire::https::Timeout": "60"}
    return [word for key, value in pairs.items() for word in ("-o", f"{key}={value}")]


def apt(command, arch, cwd):
    """(what it printed, what it complained of); LinuxError when it failed."""
    try:
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise LinuxError(f"{command[0]} is missing: Debian's kernel comes through apt") from None
    if done.returncode:
        said = "\n    ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise LinuxError(f"Debian's kernel for {arch} could not be fetched: check the network and /etc/apt. "
                         f"{os.path.basename(command[0])} said:\n    {said}")
    return done.stdout, done.stderr


def image_package(shown):
    """The package with the kernel itself, from what `apt-cache show` says of the package that names the newest one."""
    match = re.search(r"^Depends: (linux-image-\S+)", shown, re.MULTILINE)
    if not match:
        raise LinuxError("the apt sources of this machine offer no linux-image-cloud package: they must include Debian 12")
    return match[1]


def take_file(files, member, output):
    with open(output + ".new", "wb") as file:
        shutil.copyfileobj(files.extractfile(member), file)
    os.replace(output + ".new", output)


def modules_of(kernel):
    """The folder beside a kernel with its modules for a virtio disk, ext4 and a virtio network card."""
    return kernel.removesuffix(".vmlinuz") + ".modules"


def take_kernel(package, output):
    """Copy /boot/vmlinuz-* and the modules of MODULES and NET_MODULES out of a package file."""
    os.makedirs(modules_of(output), exist_ok=True)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpacked:
        with tarfile.open(fileobj=unpacked.stdout, mode="r|") as files:
            for member in files:
                name = os.path.basename(member.name)
                if name.startswith("vmlinuz-") and member.isfile():
                    take_file(files, member, output)
                elif name.removesuffix(".ko") in MODULES + NET_MODULES and member.isfile():
                    take_file(files, member, os.path.join(modules_of(output), name))
        if unpacked.wait() or not os.path.exists(output):
            raise LinuxError(f"{os.path.basename(package)} holds no kernel")


def fetch_kernel(arch, cache):
    debian = DEBIAN[arch]
    print(f"  fetching Debian's kernel for {debian} into {cache} ...", flush=True)
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as folder:
        options = apt_options(debian, folder)
        # It succeeds when a source does not answer, too: its complaint is the reason for what is missing later.
        _, complaint = apt(["apt-get", *options, "update"], arch, folder)
        try:
            shown, _ = apt(["apt-cache", *options, "show", f"linux-image-cloud-{debian}"], arch, folder)
            name = image_package(shown)
            apt(["apt-get", *options, "download", name], arch, folder)
        except LinuxError as error:
            lines = complaint.strip().splitlines()[-4:]
            raise LinuxError("\n    ".join([str(error), *lines])) from None
        packages = [file for file in os.listdir(folder) if file.endswith(".deb")]
        if len(packages) != 1:
            raise LinuxError(f"apt did not leave the package {name}")
        # Named by apt: NAME_VERSION_ARCHITECTURE.deb. The kernel keeps the name.
        take_kernel(os.path.join(folder, packages[0]), os.path.join(cache, packages[0].removesuffix(".deb") + ".vmlinuz"))


def kept_kernel(arch, cache):
    """The newest kernel in the cache, or None."""
    end = f"_{DEBIAN[arch]}.vmlinuz"
    found = [os.path.join(cache, name) for name in (os.listdir(cache) if os.path.isdir(cache) else ()) if name.endswith(end)]
    return max(found, key=os.path.getmtime) if found else None


def find_kernel(arch, module=None):
    """Path, package and version of the kernel, fetched when the cache has none, or lacks that module of it."""
    cache = cache_folder()
    try:
        path = kept_kernel(arch, cache)
        if not path or module and not os.path.exists(os.path.join(modules_of(path), f"{module}.ko")):
            fetch_kernel(arch, cache)
    except OSError as error:
        raise LinuxError(f"{cache}: {error.strerror}") from None
    path = kept_kernel(arch, cache)
    package, version, _ = os.path.basename(path).split("_")
    return path, package, version.replace("%3a", ":")


# ---- The RAM disk -----------------------------------------------------------------------------------------------

def cpio(members):
    """A newc archive of (name, mode, data): Linux, Documentation/driver-api/early-userspace/buffer-format.rst."""
    parts = []
    for number, (name, mode, data) in enumerate([*members, ("TRAILER!!!", 0, b"")], 1):
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]
    return b"".join(parts)


def compile_program(root, arch, names, flags, output):
    sources = [os.path.join(root, "bench", name) for name in names]
    try:
        done = subprocess.run([COMPILER[arch], *FLAGS, *flags, "-o", output, *sources], stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise LinuxError(f"{COMPILER[arch]} is missing; './tessera setup' installs it") from None
    if done.returncode:
        raise LinuxError(f"{sources[0]} does not compile:\n{done.stderr.rstrip()}")
    with open(output, "rb") as file:
        return file.read()


def make_ram_disk(root, arch, folder):
    init = compile_program(root, arch, ["linux/init.c", "linux/guest.c"], [], os.path.join(folder, "init"))
    small = compile_program(root, arch, ["linux/small.c"], ["-nostdlib"], os.path.join(folder, "small"))
    path = os.path.join(folder, "ram.cpio")
    with open(path, "wb") as file:
        file.write(cpio([("init", 0o100755, init), ("small", 0o100755, small), ("child", 0o120777, b"init")]))
    return path


# ---- The run ----------------------------------------------------------------------------------------------------

class Status:
    """One line that tells how far Linux is: rewritten on a terminal, else said once a stage."""

    def __init__(self):
        self.begin = time.monotonic()
        self.is_terminal = sys.stdout.isatty()
        self.shown = None

    def show(self, stage):
        text = f"{stage}, {time.monotonic() - self.begin:.0f} s" if self.is_terminal else stage.split(":")[0] + " ..."
        if text != self.shown:
            self.shown = text
            print(f"\r  {text} \x1b[K" if self.is_terminal else f"  {text}", end="" if self.is_terminal else "\n", flush=True)

    def end(self):
        if self.is_terminal:
            print("\r\x1b[K", end="", flush=True)


def follow(process, status):
    """Everything the console says until Linux has ended or the time is over."""
    text = ""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        figures = sum(1 for line in text.splitlines() if line.startswith(("linux ", "bench ")))
        status.show(f"Linux measures: {figures} figures" if figures else "Linux boots (this takes a minute or so)")
        if not select.select([process.stdout], [], [], 1)[0]:
            continue
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            return text
        text += data.decode("utf-8", "replace").replace("\r", "")
    raise LinuxError(f"Linux was not through after {RUN_SECONDS} s; its last lines were:\n{last_lines(text)}")


def last_lines(text):
    return "\n".join(f"    | {line}" for line in text.splitlines()[-12:]) or "    | (nothing)"


def figures_of(text):
    """The figures of a console's text; LinuxError when Linux did not come to its end."""
    lines = text.splitlines()
    if END not in lines:
        raise LinuxError(f"Linux ended before it had measured everything; its last lines were:\n{last_lines(text)}")
    return [(match[1], match[2], float(match[3])) for match in map(LINE.match, lines) if match]


def file_figures_of(text):
    """The same for bench/files/measure.c, whose lines are ours."""
    figures_of(text)
    return [(words[1], float(words[2])) for words in map(str.split, text.splitlines()) if len(words) == 3 and words[0] == "bench"]


def run_kernel(arch, kernel, ram_disk, scratch, *more, figures=figures_of):
    """The figures it prints. `more`: arguments of ci/qemu.py."""
    arguments = ["--arch", arch, "--icount", "--cpu", CPU[arch], "--kernel", kernel, "--archive", ram_disk,
                 "--append", f"console={CONSOLE[arch]} quiet panic=-1", *more]
    command = qemu.command_line(qemu.complete(qemu.parser().parse_args(arguments)), scratch)
    status = Status()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=qemu.die_with_parent)
    except OSError as error:
        raise LinuxError(f"cannot start {command[0]}: {error.strerror} ('./tessera setup' installs it)") from None
    try:
        return figures(follow(process, status))
    finally:
        status.end()
        process.kill()  # with idle time skipped, QEMU does not listen to less
        process.wait()
        process.stdout.close()


def module_members(kernel, names):
    """Those of the modules that the package has, named by their order (bench/linux/guest.c loads them)."""
    for number, name in enumerate(names):
        path = os.path.join(modules_of(kernel), f"{name}.ko")
        if os.path.exists(path):
            with open(path, "rb") as file:
                yield f"module{number:02}", 0o100644, file.read()


def files_ram_disk(root, arch, kernel, folder):
    """For bench/linux/files.c."""
    init = compile_program(root, arch, ["linux/files.c", "linux/guest.c", "files/measure.c", "files/idle.c"], ["-I" + os.path.join(root, "bench")],
                           os.path.join(folder, "init"))
    members = [("init", 0o100755, init), *((name, 0o40755, b"") for name in ("idle", "memory", "store", "dev", "proc"))]
    members += module_members(kernel, MODULES)
    path = os.path.join(folder, "ram.cpio")
    with open(path, "wb") as file:
        file.write(cpio(members))
    return path


def measure_files(root, arch, image_bytes):
    """(package, version, [(row, instructions)]) of Linux' files in memory and on ext4, on a virtio disk like ours."""
    kernel, package, version = find_kernel(arch, "ext4")
    with tempfile.TemporaryDirectory(prefix="tessera-linux-") as scratch:
        image = os.path.join(scratch, "ext4.img")
        with open(image, "wb") as file:
            file.truncate(image_bytes)
        try:
            made = subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", image], stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            raise LinuxError("mke2fs is missing; './tessera setup' installs it") from None
        if made.returncode:
            raise LinuxError(f"mke2fs: {made.stderr.strip()}")
        disk = ["--qemu=-drive", f"--qemu=if=none,id=data,format=raw,file={qemu.qemu_path(image)}",
                "--qemu=-device", "--qemu=virtio-blk-pci,drive=data"]
        results = run_kernel(arch, kernel, files_ram_disk(root, arch, kernel, scratch), scratch, *disk, figures=file_figures_of)
    return package, version, results


def measure(root, arch):
    """(package, version, [(row, operation, instructions)]) of Linux on this architecture."""
    kernel, package, version = find_kernel(arch)
    with tempfile.TemporaryDirectory(prefix="tessera-linux-") as scratch:
        results = run_kernel(arch, kernel, make_ram_disk(root, arch, scratch), scratch)
    return package, version, results
