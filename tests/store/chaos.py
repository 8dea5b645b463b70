#!/usr/bin/env python3
"""The file server, the store, the disks' driver and the PCI server die at moments of chance while programs change files: what was synced
is there, every error is EIO, and the disk is sound.

    chaos.py --arch ARCH --kernel FILE --archive ARCHIVE [--boots N]

The programs (target/chaos.c) judge after each error; here is looked at what the disk holds in the end.
"""
import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "ci"))
import disk

SERVERS = ("fs", "store", "blk-virtio", "pci")
MORE = 3  # boots


def content_of(step, size):
    return step.to_bytes(8, "little") + bytes([step & 255]) * (size - 8)


def files_of(image):
    with disk.Disk(image) as opened:
        rows = opened.rows("SELECT name, e.inode, bytes FROM entry AS e JOIN inode AS i ON i.inode = e.inode WHERE name LIKE 'f%'")
        return {name: b"".join(opened.read(file, size)) for name, file, size in rows}


FAILED = re.compile(r"root: server '[a-z-]+' failed: fault [0-9]+ at 0x[0-9a-f]+, address 0x[0-9a-f]+, detail 0x[0-9a-f]+ 0x[0-9a-f]+,"
                    r" and was started again after 0 ms, time [0-9]+\r?\n")


def boot(options, image):
    """Counter of deaths, by server."""
    command = [sys.executable, os.path.join(ROOT, "ci", "qemu.py"), "--arch", options.arch, "--kernel", options.kernel,
               "--archive", options.archive, "--disk", image, "--timeout", "100", "--status", "0",
               "--expect", "process: all memory returned", "--expect", "tessera: all as expected"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    text = result.stdout
    if result.returncode:
        raise SystemExit(f"chaos.py: status {result.returncode}\n{text[-5000:]}")
    garbled = [line for line in re.findall(r"root: server '.*\n", text) if not FAILED.fullmatch(line)]
    if garbled:
        raise SystemExit(f"chaos.py: the root task said: {garbled[0]!r}")
    deaths = collections.Counter(re.findall(r"server '(pci|blk-virtio)' failed", text) + re.findall(r"(fs|store): killed: ", text))
    told = re.findall(r"chaos: /data/(f[0-9]+) ([0-9]+) ([0-9]+)", text)
    print("\n".join(re.findall(r"chaos: /[a-z]+: [^\r\n]*", text)))
    return deaths, {name: content_of(int(step), int(size)) for name, step, size in told}


def main():
    parser = argparse.ArgumentParser()
    for name in ("arch", "kernel", "archive"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--boots", type=int, default=1, help="at least; in the end each server must have died")
    options = parser.parse_args()
    total, boots = collections.Counter(), 0
    while boots < options.boots or (boots < options.boots + MORE and any(total[server] == 0 for server in SERVERS)):
        boots += 1
        with tempfile.TemporaryDirectory() as folder:
            image = os.path.join(folder, "data.img")
            disk.create(image, 32 << 20, 24 << 20)
            deaths, told = boot(options, image)
            total += deaths
            found = disk.problems(image)
            if found:
                raise SystemExit(f"chaos.py: {'; '.join(found)}")
            if files_of(image) != told:
                raise SystemExit("chaos.py: the disk does not hold what the program saw last")
    print(f"{boots} boots, deaths: {dict(total)}")
    if any(total[server] == 0 for server in SERVERS):
        raise SystemExit("chaos.py: one of them never died")


if __name__ == "__main__":
    main()
