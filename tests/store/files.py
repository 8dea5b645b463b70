#!/usr/bin/env python3
"""files.c on an image with a quota, twice, and what the host says of the image then.

    files.py PROGRAM
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ci"))
import disk


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        image, empty = os.path.join(folder, "data.img"), os.path.join(folder, "empty")
        os.mkdir(empty)
        disk.create(image, 48 << 20, 32 << 20)
        disk.put(image, empty, "quota")
        disk.set_quota(image, "quota", 100000)
        for when in ("first", "second"):
            if subprocess.run([program, image, when]).returncode:
                return 1
        found = disk.problems(image)
        for text in found:
            print(f"files.py: {text}")
        with disk.Disk(image) as opened:
            if opened.number("SELECT count(*) FROM inode WHERE links = 0"):
                found.append("a file without a name is left")
        return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
