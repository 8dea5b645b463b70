#!/usr/bin/env python3
"""damaged.c on an image made for it.

    damaged.py PROGRAM [TIMES [SEED]]
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
        disk.create(image, 4 << 20, 24 << 20)
        return 1 if subprocess.run([program, image, *words]).returncode else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
