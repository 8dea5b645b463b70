"""Debian's Linux with Debian's mosquitto, for `./tessera bench net --vs linux`: kernel and packages as the machine's own apt sources offer
them (ci/bench_linux.py), kept in the same cache. The RAM disk holds bench/linux/net.c, bench/net/server.c, mosquitto and the libraries
that it needs; nothing is installed.
"""
import os
import re
import shutil
import subprocess
import tarfile
import tempfile

import bench_linux
from bench_linux import LinuxError

# In the order in which they need each other.
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", *bench_linux.NET_MODULES)
CONFIGURATION = os.path.join("bench", "net", "etc", "mosquitto.conf")


# ---- mosquitto ----------------------------------------------------------------------------------------------------

def dynamic(data, folder):
    """(names of the libraries that an ELF file needs, path of its loader or None)"""
    path = os.path.join(folder, "elf")
    with open(path, "wb") as file:
        file.write(data)
    said = subprocess.run(["readelf", "-dlW", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    loader = re.search(r"program interpreter: (\S+)\]", said)
    return re.findall(r"\(NEEDED\).*\[(.+)\]", said), loader[1] if loader else None


def files_of(packages):
    """{name: contents} of the broker and of every library in these package files; links are followed."""
    files, links = {}, {}
    for package in packages:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpacked:
            with tarfile.open(fileobj=unpacked.stdout, mode="r|") as members:
                for member in members:
                    name = os.path.basename(member.name)
                    if member.issym() and ".so" in name:
                        links[name] = os.path.basename(member.linkname)
                    elif member.isfile() and (".so" in name or member.name == "./usr/sbin/mosquitto"):
                        files[name] = members.extractfile(member).read()
    for name, target in links.items():
        for _ in range(4):
            target = links.get(target, target)
        if target in files:
            files.setdefault(name, files[target])
    return files


def needed(files, folder):
    """{path in the RAM disk: contents} of the broker, its loader and its libraries."""
    chosen, waiting, loader = {"mosquitto": files["mosquitto"]}, ["mosquitto"], None
    while waiting:
        names, its_loader = dynamic(files[waiting.pop()], folder)
        loader = loader or its_loader
        for name in names:
            if name not in files:
                raise LinuxError(f"mosquitto needs {name}, which none of its packages has")
            if f"lib/{name}" not in chosen:
                chosen[f"lib/{name}"] = files[name]
                waiting.append(name)
    chosen[loader.lstrip("/")] = files[os.path.basename(loader)]
    return chosen


def fetch_mosquitto(arch, cache):
    debian = bench_linux.DEBIAN[arch]
    print(f"  fetching Debian's mosquitto for {debian} into {cache} ...", flush=True)
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as folder:
        options = bench_linux.apt_options(debian, folder)
        bench_linux.apt(["apt-get", *options, "update"], arch, folder)
        silent = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
        said, _ = bench_linux.apt(["apt-cache", *options, "depends", "--recurse", *silent, "mosquitto"], arch, folder)
        names = sorted(set(re.findall(r"^(mosquitto|lib[a-z0-9][a-z0-9.+-]*)$", said, re.MULTILINE)))
        bench_linux.apt(["apt-get", *options, "download", *names], arch, folder)
        packages = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".deb")]
        own = next(os.path.basename(name) for name in packages if os.path.basename(name).startswith("mosquitto_"))
        chosen = needed(files_of(packages), folder)
        unpacked = os.path.join(folder, "files")
        for path, data in chosen.items():
            os.makedirs(os.path.dirname(os.path.join(unpacked, path)), exist_ok=True)
            with open(os.path.join(unpacked, path), "wb") as file:
                file.write(data)
        target = os.path.join(cache, own.removesuffix(".deb"))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(unpacked, target)


def find_mosquitto(arch):
    """Its folder, and its version."""
    cache = bench_linux.cache_folder()

    def kept():
        end = f"_{bench_linux.DEBIAN[arch]}"
        names = os.listdir(cache) if os.path.isdir(cache) else []
        return sorted(name for name in names if name.startswith("mosquitto_") and name.endswith(end))
    try:
        if not kept():
            fetch_mosquitto(arch, cache)
    except OSError as error:
        raise LinuxError(f"{cache}: {error.strerror}") from None
    name = kept()[-1]
    return os.path.join(cache, name), name.split("_")[1].replace("%3a", ":")


# ---- The RAM disk -------------------------------------------------------------------------------------------------

def members_of(folder):
    """Members of a cpio archive for a folder's files and the folders above them."""
    members = []
    for path, folders, names in os.walk(folder):
        below = os.path.relpath(path, folder)
        if below != ".":
            members.append((below, 0o40755, b""))
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                members.append((os.path.normpath(os.path.join(below, name)), 0o100755, file.read()))
    return members


def make(root, arch, folder):
    """(kernel, RAM disk, what they are)"""
    kernel, package, version = bench_linux.find_kernel(arch, "virtio_net")
    broker, broker_version = find_mosquitto(arch)
    init = bench_linux.compile_program(root, arch, ["linux/net.c", "linux/guest.c"], [], os.path.join(folder, "init"))
    server = bench_linux.compile_program(root, arch, ["net/server.c"], [], os.path.join(folder, "server"))
    with open(os.path.join(root, CONFIGURATION), "rb") as file:
        configuration = file.read() + b"user root\n"
    members = [("init", 0o100755, init), ("server", 0o100755, server), ("mosquitto.conf", 0o100644, configuration),
               *((name, 0o40755, b"") for name in ("dev", "proc")), *members_of(broker)]
    members += bench_linux.module_members(kernel, MODULES)
    ram_disk = os.path.join(folder, "ram.cpio")
    with open(ram_disk, "wb") as file:
        file.write(bench_linux.cpio(members))
    return kernel, ram_disk, f"{package} {version}, mosquitto {broker_version}"
