#!/usr/bin/env python3
"""Power cuts on a model of the disks (cuts.c), and what the host's tools say of the images that come out of it.

    cuts.py PROGRAM [CUTS [SEED]]
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ci"))
import disk


def main(program, *words):
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "data.img")
        disk.create(image, 16 << 20, 24 << 20)
        status = subprocess.run([program, image, *words]).returncode
        found = disk.problems(image) if status == 0 else []
        for text in found:
            print(f"cuts.py: {text}")
        return 1 if status or found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
