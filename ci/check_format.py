#!/usr/bin/python3
"""Checks that every C file reads as clang-format 14 with the root's .clang-format would write it.

    ci/check_format.py          list the files that differ
    ci/check_format.py --fix    rewrite them
"""
import os
import subprocess
import sys

from sources import ROOT, source_files

FORMATTER = "clang-format-14"


def main():
    fix = sys.argv[1:] == ["--fix"]
    if sys.argv[1:] and not fix:
        print(__doc__, file=sys.stderr)
        return 2
    different = []
    files = source_files((".c", ".h"))
    try:
        for path in files:
            with open(os.path.join(ROOT, path), "rb") as file:
                text = file.read()
            formatted = subprocess.run([FORMATTER, f"--assume-filename={path}"], input=text, cwd=ROOT,
                                       stdout=subprocess.PIPE, check=True).stdout
            if formatted != text:
                different.append(path)
                if fix:
                    with open(os.path.join(ROOT, path), "wb") as file:
                        file.write(formatted)
    except FileNotFoundError:
        print(f"check_format: {FORMATTER} is missing: './tessera setup' installs it", file=sys.stderr)
        return 1
    for path in different:
        print(f"{path}: {'rewritten' if fix else 'not formatted; ci/check_format.py --fix rewrites it'}")
    print(f"check_format: {len(files)} files, {len(different)} {'rewritten' if fix else 'differ'}")
    return 1 if different and not fix else 0


if __name__ == "__main__":
    sys.exit(main())
