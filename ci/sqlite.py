#!/usr/bin/env python3
"""Puts SQLite's amalgamation (sqlite3.c, sqlite3.h) and its shell (shell.c) into a folder, made from the pinned source package (ci/parts.json).

    sqlite.py FOLDER

Debian's source has the parts only; SQLite's own makefile joins them, which takes a few seconds and Tcl. The result is kept beside
the source.
"""
import shutil
import sys

import debian
import parts


def folder():
    source = parts.fetch("sqlite3", parts.pins()["sqlite3"])

    def make(work, done):
        debian.run([source / "configure", "--disable-tcl", "--disable-readline"], cwd=work)
        debian.run(["make", "sqlite3.c", "shell.c"], cwd=work)
        for name in ("sqlite3.c", "sqlite3.h", "shell.c"):
            shutil.copy(work / name, done)
    return parts.made(source, "amalgamation-and-shell", make)


if __name__ == "__main__":
    sys.exit(parts.copy_command(__doc__, folder))
