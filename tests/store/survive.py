#!/usr/bin/env python3
"""A store that dies in the middle of its requests is started again: what programs synced is there, and the disk is sound.

    survive.py --arch ARCH --kernel FILE --archive ARCHIVE
"""
import argparse
import os
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "ci"))
import disk


def main():
    parser = argparse.ArgumentParser()
    for name in ("arch", "kernel", "archive"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "data.img")
        disk.create(image, 32 << 20, 24 << 20)
        subprocess.run([sys.executable, os.path.join(ROOT, "ci", "qemu.py"), "--arch", options.arch, "--kernel", options.kernel,
                        "--archive", options.archive, "--disk", image, "--timeout", "60",
                        "--expect", "store: killed: ", "--expect", "persist: 150 synced files, some of them after errors"], check=True)
        found = disk.problems(image)
        if found:
            raise SystemExit(f"survive.py: {'; '.join(found)}")


if __name__ == "__main__":
    main()
