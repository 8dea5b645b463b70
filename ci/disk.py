#!/usr/bin/python3
"""Disks of Tessera on the host: the pair IMAGE and IMAGE-wal, which is an SQLite database and its write-ahead log (docs/store.md).

    ci/disk.py create IMAGE [--size 256M] [--log 64M]   an empty one
    ci/disk.py ls IMAGE [PATH]                          what is in a directory
    ci/disk.py get IMAGE PATH [FILE]                    a file out of it (- or nothing: to standard output)
    ci/disk.py put IMAGE FILE PATH                      a file or a folder into it; missing directories are made
    ci/disk.py check IMAGE                              database and file system are sound; status 1 when they are not
    ci/disk.py quota IMAGE PATH LIMIT                   files below a directory may have so many bytes together (0: any)
    ci/disk.py prepare IMAGE                            as long as they must be for the machine: `./tessera run` does it

An image is whatever somebody made it: what runs in a database in its owner's name (views, triggers, modules' tables) is
refused, numbers and texts are taken for such, and names are shown without what would steer a terminal.

A machine that was cut off leaves a log; opening the image reads it, as any SQLite does. An image that a machine is
using, or another of these commands, is refused.
"""
import argparse
import errno
import fcntl
import itertools
import os
import re
import sqlite3
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA = os.path.join(HERE, "..", "servers", "store", "schema.sql")
APPLICATION, VERSION, PAGE, CHUNK = 0x54535331, 1, 16384, 16200
DIRECTORY, FILE, LINK = 3, 4, 7
ROOT = 1
QEMU_LOCKS = 100, 200  # the first byte, and how many: 100 + permission, 200 + permission
LOCK_PATIENCE = 2  # seconds
SMALLEST = {"size": 4 << 20, "log": 24 << 20}
LARGEST = 1 << 44


class DiskError(Exception):
    """The text says what is wrong."""


def size_of(text):
    match = re.fullmatch(r"([0-9]{1,12})([KMGT]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no size such as 256M")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[match[2]]


def log_path(image):
    return image + "-wal"


def shown(text):
    """Of a disk's: nothing that a terminal would follow, and one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def extend(path, size):
    with open(path, "ab") as file:
        if file.tell() < size:
            file.truncate(size)


def lock(image):
    """A file object that keeps QEMU from the image, and others of us, until it is closed. QEMU locks a byte for each thing that it
    may do to an image (its block/file-posix.c, RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE), with locks of the open file. A machine
    that was killed lets go a moment later."""
    file, end = open(image, "r+b"), time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, *QEMU_LOCKS, 0))
            return file
        except OSError as error:
            is_held = error.errno in (errno.EAGAIN, errno.EACCES)
            if is_held and time.monotonic() < end:
                time.sleep(0.05)
                continue
            file.close()
            if is_held:
                raise DiskError(f"{image} is in use: a machine runs with it, or another command looks at it") from None
            raise


class Disk:
    """An open image; leaving it writes the log back and extends both files again."""

    def __init__(self, image):
        self.image = image
        if not os.path.isfile(image):
            raise DiskError(f"{image} does not exist: './tessera disk create {image}' makes one")
        self.lock = lock(image)
        self.connection = sqlite3.connect(image, isolation_level=None)
        try:
            self.check_kind()
        except DiskError:
            self.connection.close()
            self.lock.close()
            raise

    def check_kind(self):
        try:
            numbers = [self.number(f"PRAGMA {name}") for name in ("application_id", "user_version", "page_size")]
            if numbers != [APPLICATION, VERSION, PAGE]:
                raise DiskError(f"{self.image} is a database, but no disk of this version of Tessera")
            self.connection.execute("PRAGMA trusted_schema = OFF")
            if self.number("SELECT count(*) FROM sqlite_schema WHERE coalesce(rootpage, 0) = 0"):
                raise DiskError(f"{self.image} is a database with views or triggers, which no disk of Tessera has")
            self.volume = self.connection.execute("SELECT CAST(data_bytes AS INTEGER), CAST(log_bytes AS INTEGER) FROM volume").fetchone()
        except sqlite3.DatabaseError as error:
            raise DiskError(f"{self.image} is no disk of Tessera: {error}") from None
        if not self.volume or not all(0 < size <= LARGEST for size in self.volume):
            raise DiskError(f"{self.image} does not say how large it is")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        extend(self.image, self.volume[0])
        extend(log_path(self.image), self.volume[1])
        self.lock.close()

    def number(self, sql, *values):
        row = self.connection.execute(sql, values).fetchone()
        return row[0] if row else None

    def entry(self, directory, name):
        return self.connection.execute("SELECT i.inode, CAST(type AS INTEGER), CAST(bytes AS INTEGER) FROM entry AS e JOIN inode AS i"
                                       " ON i.inode = e.inode WHERE directory = ? AND name = ?", (directory, name)).fetchone()

    def find(self, path):
        """(inode, type, bytes); symbolic links are not followed."""
        place = (ROOT, DIRECTORY, 0)
        for name in names_of(path):
            place = self.entry(place[0], name) if place[1] == DIRECTORY else None
            if not place:
                raise DiskError(f"{self.image} has no {path}")
        return place

    def make(self, directory, name, kind, size=0, modified=None):
        now = time.time_ns() if modified is None else modified
        quota = self.number("SELECT quota FROM inode WHERE inode = ?", directory)
        cursor = self.connection.execute("INSERT INTO inode (type, links, bytes, accessed_ns, modified_ns, changed_ns, parent, quota)"
                                         " VALUES (?, 1, ?, ?, ?, ?, ?, ?)",
                                         (kind, size, now, now, now, directory if kind == DIRECTORY else 0, quota))
        self.connection.execute("INSERT INTO entry (directory, name, inode) VALUES (?, ?, ?)", (directory, name, cursor.lastrowid))
        return cursor.lastrowid

    def make_folders(self, names):
        directory = ROOT
        for name in names:
            place = self.entry(directory, name)
            if place and place[1] != DIRECTORY:
                raise DiskError(f"{'/'.join(names)}: {name} is no directory")
            directory = place[0] if place else self.make(directory, name, DIRECTORY)
        return directory

    def write(self, directory, name, path):
        size = os.path.getsize(path)
        place = self.entry(directory, name)
        if place and place[1] != FILE:
            raise DiskError(f"{name} is there and no file")
        file = place[0] if place else self.make(directory, name, FILE)
        self.connection.execute("DELETE FROM chunk WHERE chunk BETWEEN ? AND ?",
                                (file << 32, (file << 32) + 0xffffffff))
        with open(path, "rb") as source:
            for number in range((size + CHUNK - 1) // CHUNK):
                self.connection.execute("INSERT INTO chunk VALUES (?, ?)", (file << 32 | number, source.read(CHUNK)))
        now = time.time_ns()
        self.connection.execute("UPDATE inode SET bytes = ?, modified_ns = ?, changed_ns = ? WHERE inode = ?",
                                (size, os.stat(path).st_mtime_ns, now, file))
        self.connection.execute("UPDATE quota SET used_bytes = used_bytes + ? WHERE directory ="
                                " (SELECT quota FROM inode WHERE inode = ?)", (size - (place[2] if place else 0), file))

    def pieces(self, file, size):
        """Where each begins, and what it is. What is not stored is zero."""
        last = (size + CHUNK - 1) // CHUNK - 1
        if file >> 31 or size < 0:
            raise DiskError(f"{self.image}: a file's numbers make no sense")
        rows = self.connection.execute("SELECT chunk & 0xffffffff, CAST(data AS BLOB) FROM chunk WHERE chunk BETWEEN ? AND ? ORDER BY chunk",
                                       (file << 32, file << 32 | min(last, 0xffffffff))) if last >= 0 else ()
        for number, data in rows:
            yield number * CHUNK, data[:min(CHUNK, size - number * CHUNK)]

    def read(self, file, size):
        """The file's bytes, with the zeroes in between."""
        done = 0
        for at, piece in itertools.chain(self.pieces(file, size), [(size, b"")]):
            for part in range(done, at, CHUNK):
                yield bytes(min(at - part, CHUNK))
            yield piece
            done = at + len(piece)

    def rows(self, sql, *values):
        return self.connection.execute(sql, values).fetchall()


def names_of(path):
    names = [name for name in path.split("/") if name not in ("", ".")]
    for name in names:
        if name == ".." or len(name.encode()) > 255:
            raise DiskError(f"'{path}' is no path within a disk")
    return names


def create(image, size, log):
    for what, value in (("size", size), ("log", log)):
        if value < SMALLEST[what]:
            raise DiskError(f"--{what} must be at least {SMALLEST[what] >> 20}M")
    if os.path.exists(image) or os.path.exists(log_path(image)):
        raise DiskError(f"{image} or {log_path(image)} exists already")
    connection = sqlite3.connect(image, isolation_level=None)
    with open(SCHEMA, encoding="utf-8") as file:
        connection.executescript(file.read())
    now = time.time_ns()
    connection.execute("INSERT INTO volume VALUES (?, ?)", (size // PAGE * PAGE, log // PAGE * PAGE))
    connection.execute("INSERT INTO inode VALUES (?, ?, 1, 0, ?, ?, ?, ?, 0, NULL)", (ROOT, DIRECTORY, now, now, now, ROOT))
    connection.close()
    prepare(image)


def prepare(image):
    with Disk(image):
        pass


def list_directory(image, path, out=sys.stdout):
    with Disk(image) as disk:
        directory, kind, _ = disk.find(path)
        where, value = ("directory = ?", directory) if kind == DIRECTORY else ("e.inode = ?", directory)
        numbers = ", ".join(f"CAST({name} AS INTEGER)" for name in ("type", "links", "bytes", "modified_ns"))
        for row in disk.rows(f"SELECT {numbers}, CAST(name AS BLOB), CAST(target AS BLOB) FROM entry AS e JOIN inode AS i"
                             f" ON i.inode = e.inode WHERE {where} ORDER BY name", value):
            kind, links, size, modified, name, target = row
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(modified // 10**9))
            text = f"{'d' if kind == DIRECTORY else 'l' if kind == LINK else '-'} {links:3} {size:12} {when} {shown(name.decode(errors='replace'))}"
            print(text + (f" -> {shown(target.decode(errors='replace'))}" if target is not None else ""), file=out)


def get(image, path, output):
    with Disk(image) as disk:
        file, kind, size = disk.find(path)
        if kind != FILE:
            raise DiskError(f"{path} is no file")
        if output in (None, "-"):
            sys.stdout.buffer.writelines(disk.read(file, size))
            sys.stdout.buffer.flush()
            return
        with open(output, "wb") as target:
            for at, piece in disk.pieces(file, size):
                target.seek(at)
                target.write(piece)
            target.truncate(size)


def put(image, source, path):
    if not os.path.exists(source):
        raise DiskError(f"{source} does not exist")
    names = names_of(path)
    if not names:
        raise DiskError("the disk's root cannot be replaced: name a path below it")
    with Disk(image) as disk:
        disk.connection.execute(f"PRAGMA max_page_count = {disk.volume[0] // PAGE}")
        disk.connection.execute("BEGIN IMMEDIATE")
        try:
            if os.path.isfile(source):
                disk.write(disk.make_folders(names[:-1]), names[-1], source)
            for folder, _, files in os.walk(source):
                below = os.path.relpath(folder, source)
                directory = disk.make_folders(names + ([] if below == "." else below.split(os.sep)))
                for name in sorted(files):
                    disk.write(directory, name, os.path.join(folder, name))
            disk.connection.execute("COMMIT")
        except (sqlite3.DatabaseError, DiskError, OSError):
            disk.connection.execute("ROLLBACK")
            raise


def set_quota(image, path, limit):
    below = ("WITH RECURSIVE below(inode) AS (VALUES(?) UNION SELECT e.inode FROM entry AS e JOIN below ON directory = below.inode)"
             " ")
    with Disk(image) as disk:
        directory, kind, _ = disk.find(path)
        if kind != DIRECTORY:
            raise DiskError(f"{path} is no directory")
        if disk.number(below + "SELECT count(*) FROM inode JOIN below USING (inode) WHERE quota NOT IN (0, ?)", directory, directory):
            raise DiskError(f"{path} lies in, or has in it, a directory with a quota of its own")
        disk.connection.execute("BEGIN IMMEDIATE")
        disk.connection.execute(below + "UPDATE inode SET quota = ? WHERE inode IN (SELECT inode FROM below)",
                                (directory, directory if limit else 0))
        disk.connection.execute("DELETE FROM quota WHERE directory = ?", (directory,))
        if limit:
            disk.connection.execute("INSERT INTO quota SELECT ?, ?, coalesce(sum(bytes), 0) FROM inode WHERE quota = ? AND type = ?",
                                    (directory, limit, directory, FILE))
        disk.connection.execute("COMMIT")


CHECKS = (  # a query that finds what must not be, and what it is
    ("SELECT entry FROM entry WHERE inode NOT IN (SELECT inode FROM inode)", "entry {} names nothing"),
    ("SELECT entry FROM entry WHERE directory NOT IN (SELECT inode FROM inode WHERE type = 3)", "entry {} is in no directory"),
    ("SELECT inode FROM inode AS i WHERE inode != 1 AND links != (SELECT count(*) FROM entry AS e WHERE e.inode = i.inode)",
     "inode {} has a wrong number of links"),
    ("SELECT i.inode FROM inode AS i JOIN entry AS e USING (inode) WHERE type = 3 AND directory != parent",
     "directory {} has a wrong parent"),
    ("SELECT inode FROM inode WHERE type NOT IN (3, 4, 7) OR bytes < 0", "inode {} makes no sense"),
    ("SELECT inode FROM inode WHERE links > 0 AND inode NOT IN (WITH RECURSIVE below(inode) AS (VALUES(1) UNION SELECT e.inode"
     " FROM entry AS e JOIN below ON directory = below.inode) SELECT inode FROM below)", "inode {} cannot be reached"),
    ("SELECT chunk FROM chunk WHERE chunk >> 32 NOT IN (SELECT inode FROM inode WHERE type = 4)", "chunk {} is of no file"),
    (f"SELECT chunk FROM chunk JOIN inode ON inode = chunk >> 32 WHERE (chunk & 0xffffffff) * {CHUNK} >= bytes",
     "chunk {} lies behind its file's end"),
    (f"SELECT chunk FROM chunk WHERE length(data) > {CHUNK}", "chunk {} is too long"),
    ("SELECT directory FROM quota AS q WHERE used_bytes != (SELECT coalesce(sum(bytes), 0) FROM inode AS i"
     " WHERE i.quota = q.directory AND type = 4)", "directory {}'s quota is counted wrongly"),
)


def problems(image):
    with Disk(image) as disk:
        found = [text for (text,) in disk.rows("PRAGMA integrity_check") if text != "ok"]
        for query, text in CHECKS:
            found += [text.format(row[0]) for row in disk.rows(query)]
        if disk.number("PRAGMA page_count") * PAGE > disk.volume[0]:
            found.append("the database is larger than its disk")
    return found


def check(image):
    found = problems(image)
    for text in found:
        print(f"{image}: {text}", file=sys.stderr)
    if not found:
        print(f"{image}: sound")
    return 1 if found else 0


def add_commands(parser):
    """The subcommands, for this script and for ./tessera disk."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, text, **words):
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.add_argument("image", metavar="IMAGE", help="the disk: IMAGE with its log, IMAGE-wal, beside it")
        for word, meaning in words.items():
            command.add_argument(word, metavar=word.upper(), help=meaning)
        return command

    command = add("create", "make an empty disk: IMAGE and IMAGE-wal")
    command.add_argument("--size", type=size_of, default=256 << 20, help="what fits it, at least 4M (default 256M)")
    command.add_argument("--log", type=size_of, default=64 << 20,
                         help="its log's size, which bounds what is written at once; at least 24M (default 64M)")
    add("ls", "list a directory").add_argument("path", nargs="?", default="/", metavar="PATH", help="on the disk (default /)")
    add("get", "copy a file out", path="on the disk").add_argument(
        "file", nargs="?", metavar="FILE", help="here; - or nothing: to standard output")
    add("put", "copy a file or a folder in", file="here", path="on the disk: the new name; missing directories are made")
    add("check", "check database and file system; status 1 when they are not sound")
    add("quota", "limit the size of all files below a directory together", path="a directory on the disk").add_argument(
        "limit", type=size_of, metavar="LIMIT", help="such as 10M; 0: none")
    add("prepare", "extend both files to what the machine needs: './tessera run' does it")


def run(options):
    try:
        if options.command == "check":
            return check(options.image)
        {"create": lambda: create(options.image, options.size, options.log),
         "ls": lambda: list_directory(options.image, options.path),
         "get": lambda: get(options.image, options.path, options.file),
         "put": lambda: put(options.image, options.file, options.path),
         "quota": lambda: set_quota(options.image, options.path, options.limit),
         "prepare": lambda: prepare(options.image)}[options.command]()
    except (DiskError, OSError) as error:
        print(f"tessera disk: {error}", file=sys.stderr)
        return 1
    except sqlite3.DatabaseError as error:
        print(f"tessera disk: {options.image}: {error}", file=sys.stderr)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_commands(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
