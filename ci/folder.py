"""A folder of the host as one archive member, and back: cpio's newc format, as servers/fs/source.c and changes.c have it.

pack(folder) gives the bytes; unpack(bytes, folders) brings what a run changed back. Both raise FolderError.
"""
import os
import shutil
import stat

HEADER_BYTES = 110
TRAILER = "TRAILER!!!"
LIMIT = 1 << 30  # of a file: as servers/fs/tree.h


class FolderError(Exception):
    """A folder cannot be packed or written; the text names the file."""


def member(name, mode, mtime, data):
    encoded = name.encode("utf-8", "surrogateescape") + b"\0"
    fields = (0, mode, 0, 0, 1, int(mtime) & 0xffffffff, len(data), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
    head += bytes(-len(head) % 4)
    return head + data + bytes(-len(data) % 4)


def entries(folder, below=""):
    """(path below the folder, os.DirEntry), a directory before what is in it, in the names' order."""
    with os.scandir(os.path.join(folder, below)) as items:
        for item in sorted(items, key=lambda entry: entry.name):
            path = os.path.join(below, item.name)
            yield path, item
            if item.is_dir(follow_symlinks=False):
                yield from entries(folder, path)


def pack(folder):
    """Files, directories and symbolic links; anything else is an error."""
    parts = []
    try:
        for path, item in entries(folder):
            info = item.stat(follow_symlinks=False)
            try:
                path.encode()
            except UnicodeEncodeError:
                raise FolderError(f"{os.path.join(folder, path)!r}: the name is not UTF-8") from None
            if item.is_symlink():
                data = os.readlink(item.path).encode("utf-8", "surrogateescape")
            elif item.is_file():
                if info.st_size > LIMIT:
                    raise FolderError(f"{item.path}: larger than 1 GiB: put it on a disk (--disk)")
                with open(item.path, "rb") as file:
                    data = file.read()
            elif item.is_dir():
                data = b""
            else:
                raise FolderError(f"{item.path}: neither file, directory nor symbolic link")
            parts.append(member(path, stat.S_IFMT(info.st_mode) | 0o644, info.st_mtime, data))
    except OSError as error:
        raise FolderError(f"{error.filename}: {error.strerror}") from None
    return b"".join(parts) + member(TRAILER, 0, 0, b"")


def read(data, archives=1):
    """[(name, type, mtime, is unchanged, content)] of so many whole archives, one after another."""
    at, found, ended = 0, [], 0
    while at + HEADER_BYTES <= len(data):
        if data[at:at + 6] != b"070701":
            raise FolderError("what came back is damaged: no header")
        try:
            fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        except ValueError:
            raise FolderError("what came back is damaged: a header") from None
        name = data[at + HEADER_BYTES:at + HEADER_BYTES + fields[11] - 1].decode("utf-8", "surrogateescape")
        begin = at + HEADER_BYTES + fields[11]
        begin += -begin % 4
        if begin + fields[6] > len(data):
            raise FolderError("what came back is cut short")
        at = begin + fields[6]
        at += -at % 4
        if name == TRAILER:
            ended += 1
            continue
        found.append((name, stat.S_IFMT(fields[1]), fields[5], fields[9] == 1, data[begin:begin + fields[6]]))
    if ended != archives:
        raise FolderError("what came back is cut short")
    return found


def is_safe(path):
    return all(part not in ("", ".", "..") for part in path.split("/"))


def place_free(target, kind):
    """Removes what has the name but is of another kind. Never follows a link."""
    if not os.path.lexists(target):
        return
    same = {stat.S_IFDIR: stat.S_ISDIR, stat.S_IFREG: stat.S_ISREG}.get(kind, lambda mode: False)
    if same(os.lstat(target).st_mode):
        return
    if os.path.isdir(target) and not os.path.islink(target):
        shutil.rmtree(target)
    else:
        os.unlink(target)


def write_one(target, kind, mtime, content):
    place_free(target, kind)
    if kind == stat.S_IFDIR:
        os.makedirs(target, exist_ok=True)
    elif kind == stat.S_IFLNK:
        os.symlink(content, os.fsencode(target))
    else:
        unfinished = f"{target}.tessera-{os.getpid()}"
        with open(unfinished, "wb") as file:
            file.write(content)
        if os.path.exists(target):
            shutil.copymode(target, unfinished)
        os.replace(unfinished, target)
        os.utime(target, (mtime, mtime))


def unpack(data, folders, packed):
    """Brings the changes of mounts back. folders: mount number -> host folder; packed: mount number -> the names that
    pack() put in, of which those that are gone are removed."""
    present = {number: set() for number in folders}
    try:
        for name, kind, mtime, is_unchanged, content in read(data, len(folders)):
            number, _, path = name.partition("/")
            if not number.isdigit() or int(number) not in folders or not is_safe(path):
                raise FolderError(f"what came back names {name!r}, which is not there")
            folder = folders[int(number)]
            present[int(number)].add(path)
            parent = os.path.realpath(os.path.dirname(os.path.join(folder, path)))
            if os.path.commonpath([parent, os.path.realpath(folder)]) != os.path.realpath(folder):
                raise FolderError(f"what came back names {name!r}, which leads out of {folder}")
            if not is_unchanged or (kind == stat.S_IFDIR and not os.path.isdir(os.path.join(folder, path))):
                write_one(os.path.join(folder, path), kind, mtime, content)
        for number, names in packed.items():
            for path in sorted(names - present[number], reverse=True):
                target = os.path.join(folders[number], path)
                if os.path.isdir(target) and not os.path.islink(target):
                    shutil.rmtree(target)
                elif os.path.lexists(target):
                    os.unlink(target)
    except OSError as error:
        raise FolderError(f"{error.filename}: {error.strerror}") from None
