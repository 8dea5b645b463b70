#!/usr/bin/env python3
"""The store on target: every function on files with a disk below it, what a second boot and the host find there, and a full disk.

    target.py --arch ARCH --kernel FILE --first ARCHIVE --again ARCHIVE
"""
import argparse
import os
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "ci"))
import disk
import qemu


def boot(options, archive, image, *expect):
    command = [sys.executable, os.path.join(ROOT, "ci", "qemu.py"), "--arch", options.arch, "--kernel", options.kernel,
               "--archive", archive, "--disk", image, "--timeout", "60", "--status", "0"]
    for text in (*expect, "process: all memory returned", "tessera: all as expected"):
        command += ["--expect", text]
    subprocess.run(command, check=True)


def refuse(options, image, *expect):
    """A boot that must end with one clear line and a failing verdict. The host does not look at the disk first, as --disk would."""
    command = [sys.executable, os.path.join(ROOT, "ci", "qemu.py"), "--arch", options.arch, "--kernel", options.kernel,
               "--archive", options.again, "--timeout", "60", "--status", "fail", "--forbid", "all as expected"]
    command += [f"--qemu={word}" for word in qemu.disk_options(image)]
    for text in expect:
        command += ["--expect", text]
    subprocess.run(command, check=True)


def damaged(options, image):
    """Disks that are none of ours: of zeroes, cut short, with a damaged first page."""
    for path in (image, disk.log_path(image)):
        with open(path, "r+b") as file:
            file.truncate(16 << 20)
    refuse(options, image, "store: the first disk is no sound data.img")
    with open(image, "r+b") as file:
        file.seek(100)
        file.write(bytes(range(256)))
    refuse(options, image, "store: the first disk is no sound data.img")
    with open(image, "r+b") as file:
        file.write(bytes(16 << 20))
    refuse(options, image, "store: the first disk is no sound data.img")


def content(image, path):
    with disk.Disk(image) as opened:
        file, _, size = opened.find(path)
        return b"".join(opened.read(file, size))


def sparse(image):
    """Size of a file that holds one byte, its last."""
    with disk.Disk(image) as opened:
        file, _, size = opened.find("sparse")
        chunks = opened.rows("SELECT chunk & 0xffffffff, length(data) FROM chunk WHERE chunk >> 32 = ?", file)
        require(chunks == [((size - 1) // disk.CHUNK, (size - 1) % disk.CHUNK + 1)], f"the file beyond 4 GiB has the chunks {chunks}")
        return size


def require(condition, what):
    if not condition:
        raise SystemExit(f"target.py: {what}")


def main():
    parser = argparse.ArgumentParser()
    for name in ("arch", "kernel", "first", "again"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--expect", default="boot number 2", help="a line of the second boot")
    parser.add_argument("--damaged", action="store_true", help="at last, boot with disks that are damaged")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "data.img")
        disk.create(image, 32 << 20, 24 << 20)
        boot(options, options.first, image, "boot number 1", "files: .* checks passed, 0 failed: PASS",
             "[0-9]+ files open at once, twice", "a file beyond 4 GiB is as it should be")
        require(not disk.problems(image), "the disk is not sound after the first boot")
        require(content(image, "log") == b"endin end", "a file of the guest's is missing")
        require(content(image, "count") == b"1", "the count is wrong after the first boot")
        require(sparse(image) == (5 << 30) + 1, "the file beyond 4 GiB is not what the guest wrote")
        boot(options, options.again, image, options.expect, "full after [0-9]+ MiB, and usable again")
        require(not disk.problems(image), "the disk is not sound after it was full")
        require(len(content(image, "after")) == 30000, "what was written after the disk was full is missing")
        if options.damaged:
            damaged(options, image)


if __name__ == "__main__":
    main()
