#!/usr/bin/env python3
"""gnulib's tests (build.py) on target, on files in memory and then on the persistent store.

    run.py --arch ARCH --kernel FILE --archive ARCHIVE
"""
import argparse
import os
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "ci"))
import disk

SECONDS = 100


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("arch", "kernel", "archive"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    command = [sys.executable, os.path.join(ROOT, "ci", "qemu.py"), "--arch", options.arch, "--kernel", options.kernel, "--archive",
               options.archive, "--timeout", str(SECONDS), "--status", "0", "--expect", "gnulib: in /: [0-9]+ runs, 0 failed",
               "--expect", "gnulib: in /data: [0-9]+ runs, 0 failed",
               "--expect", "process: all memory returned", "--expect", "tessera: all as expected"]
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "data.img")
        disk.create(image, 32 << 20, 24 << 20)
        status = subprocess.run([*command, "--disk", image], check=False).returncode
        problems = disk.problems(image)
    if problems:
        print(f"run.py: the disk is not sound: {problems}")
    return status or (1 if problems else 0)


if __name__ == "__main__":
    sys.exit(main())
