#!/usr/bin/env python3
"""Puts SQLite's amalgamation (sqlite3.c, sqlite3.h) and its shell (shell.c) into a folder, made from the pinned source package (ci/parts.json).

    sqlite.py FOLDER

Debian's source has the parts only; SQLite's own makefile joins them, which takes a few seconds and Tcl. The result is kept beside
the source.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import debian
import parts

FILES = ("sqlite3.c", "sqlite3.h", "shell.c")


def make(source, result):
    with tempfile.TemporaryDirectory(dir=result.parent) as work:
        log = os.path.join(work, "log")
        with open(log, "w", encoding="utf-8") as out:
            for command in ([source / "configure", "--disable-tcl", "--disable-readline"], ["make", "sqlite3.c", "shell.c"]):
                if subprocess.run(command, cwd=work, stdout=out, stderr=out).returncode:
                    raise debian.DebianError(f"SQLite's amalgamation cannot be made:\n{pathlib.Path(log).read_text()[-2000:]}")
        done = os.path.join(work, "done")
        os.mkdir(done)
        for name in FILES:
            shutil.copy(os.path.join(work, name), done)
        try:
            os.rename(done, result)
        except OSError:
            if not result.is_dir():  # else another build was first
                raise


def folder():
    """Where they are, made when they are not."""
    source = parts.fetch("sqlite3", parts.pins()["sqlite3"])
    result = source.parent / (source.name + "-amalgamation")
    if result.is_dir() and not (result / FILES[-1]).exists():  # of before there was a shell in it
        shutil.rmtree(result, ignore_errors=True)
    if not result.is_dir():
        make(source, result)
    return result


def main(words):
    if len(words) != 1:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    result = folder()
    os.makedirs(words[0], exist_ok=True)
    for name in FILES:
        shutil.copy(result / name, words[0])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except debian.DebianError as error:
        sys.exit(f"sqlite.py: {error}")
