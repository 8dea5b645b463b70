#!/usr/bin/env python3
"""A program that takes all that servers of files let it have, and one that comes later (target/crowd.c), on files in memory and on a disk.

    crowd.py --arch ARCH --kernel FILE --archive FILE
"""
import argparse
import os
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "ci"))
import disk

EXPECTED = [f"{server}: program 'hog': its share of {kind} is used up" for kind in ("sessions", "open files") for server in ("store", "fs")] + [
    "guest: served: [0-9]+ files, and as many of a child", "hog: its children's share came back",
    "process: all memory returned", "tessera: all as expected"]


def main():
    parser = argparse.ArgumentParser()
    for name in ("arch", "kernel", "archive"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "data.img")
        disk.create(image, 32 << 20, 24 << 20)
        command = [sys.executable, os.path.join(ROOT, "ci", "qemu.py"), "--arch", options.arch, "--kernel", options.kernel,
                   "--archive", options.archive, "--disk", image, "--timeout", "90", "--status", "0",
                   "--forbid", "program 'guest': its share"]
        for text in EXPECTED:
            command += ["--expect", text]
        subprocess.run(command, check=True)
        if disk.problems(image):
            raise SystemExit("crowd.py: the disk is not sound")


if __name__ == "__main__":
    main()
