"""A folder of the host as one archive member, and back: cpio's newc format, as servers/fs/source.c and changes.c have it.

pack(folder) gives the bytes; unpack(bytes, folders) brings what a run changed back. Both raise FolderError.
"""
import contextlib
import os
import re
import secrets
import shutil
import stat

HEADER_BYTES = 110
TRAILER = "TRAILER!!!"
LIMIT = 2 << 30  # of a folder's files together: QEMU loads no archive that is larger
PATH_LIMIT = 4096
DEPTH_LIMIT = 256  # of directories in one another


class FolderError(Exception):
    """A folder cannot be packed or written; the text names the file."""


def pieces(name, mode, mtime, data):
    """A member, its data not copied."""
    encoded = name.encode("utf-8", "surrogateescape") + b"\0"
    fields = (0, mode, 0, 0, 1, int(mtime) & 0xffffffff, len(data), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
    return head + bytes(-len(head) % 4), data, bytes(-len(data) % 4)


def member(name, mode, mtime, data):
    return b"".join(pieces(name, mode, mtime, data))


def is_taken(item):
    """Not sockets, pipes and devices: programs here could not use them, and folders of people have them."""
    return item.is_symlink() or item.is_file(follow_symlinks=False) or item.is_dir(follow_symlinks=False)


def entries(folder):
    """(path below the folder, os.DirEntry) of what is taken, a directory before what is in it, in the names' order."""
    def inside(below):
        with os.scandir(os.path.join(folder, below)) as items:
            return [(os.path.join(below, item.name), item)
                    for item in sorted(items, key=lambda entry: entry.name, reverse=True) if is_taken(item)]
    waiting = inside("")
    while waiting:
        path, item = waiting.pop()
        yield path, item
        if item.is_dir(follow_symlinks=False):
            waiting += inside(path)


def pack(folder):
    """Files, directories and symbolic links."""
    parts, total = [], 0
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
                total += info.st_size
                if total > LIMIT:
                    raise FolderError(f"{folder}: more than 2 GiB of files: put them on a disk (./tessera disk put, --disk)")
                # A program that runs beside us may be making it a link now.
                with open(os.open(item.path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                    data = file.read()
            else:
                data = b""
            parts += pieces(path, stat.S_IFMT(info.st_mode) | 0o644, info.st_mtime, data)
    except OSError as error:
        raise FolderError(f"{error.filename}: {error.strerror}") from None
    return b"".join([*parts, *pieces(TRAILER, 0, 0, b"")])


def read(data, archives=1):
    """[(name, type, mtime, is unchanged, content)] of so many whole archives, one after another."""
    at, found, ended = 0, [], 0
    while at + HEADER_BYTES <= len(data):
        header = data[at:at + HEADER_BYTES]
        if not re.fullmatch(rb"070701[0-9a-fA-F]{104}", header):
            raise FolderError("what came back is damaged: a header")
        fields = [int(header[6 + 8 * i:14 + 8 * i], 16) for i in range(13)]
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


def check_path(name, path):
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise FolderError(f"what came back names {name!r}, which is not there")
    if len(os.fsencode(path)) >= PATH_LIMIT or len(parts) > DEPTH_LIMIT:
        raise FolderError(f"what came back names {name[:80]!r}..., which is too long or too deep")


@contextlib.contextmanager
def parent_of(root, path):
    """A descriptor of the directory that has the path's last name. What a program made of the folder is hostile, and another
    program may be changing it: so every directory is opened in the one above, never through a link."""
    directory = os.dup(root)
    try:
        for part in path.split("/")[:-1]:
            below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = below
        yield directory
    finally:
        os.close(directory)


def mode_of(name, parent):
    """None when there is nothing. Never follows a link."""
    try:
        return os.lstat(name, dir_fd=parent).st_mode
    except FileNotFoundError:
        return None


def remove(name, parent):
    if stat.S_ISDIR(mode_of(name, parent) or 0):
        shutil.rmtree(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)


def write_file(name, parent, permissions, mtime, content):
    """Whole or not at all. The unfinished file has a name that nobody can have foreseen."""
    unfinished = f".tessera-{secrets.token_hex(12)}"
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666, dir_fd=parent)
    try:
        with open(file, "wb") as out:
            if permissions is not None:
                os.fchmod(file, permissions)
            out.write(content)
            out.flush()
            os.utime(file, (mtime, mtime))
        os.replace(unfinished, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.unlink(unfinished, dir_fd=parent)
        raise


def write_one(name, parent, kind, mtime, content):
    """What has the name but is of another kind makes room."""
    mode = mode_of(name, parent)
    if mode is not None and (kind == stat.S_IFLNK or stat.S_IFMT(mode) != kind):
        remove(name, parent)
        mode = None
    if kind == stat.S_IFLNK:
        os.symlink(content, os.fsencode(name), dir_fd=parent)
    elif kind == stat.S_IFREG:
        write_file(name, parent, None if mode is None else mode & 0o777, mtime, content)
    elif mode is None:
        os.mkdir(name, dir_fd=parent)


def remove_gone(root, gone):
    """What is in a directory before the directory itself."""
    for path in sorted(gone, reverse=True):
        try:
            with parent_of(root, path) as parent:
                remove(path.rpartition("/")[2], parent)
        except (FileNotFoundError, NotADirectoryError):
            pass  # it went with the directory that it was in


def unpack(data, folders, packed):
    """Brings the changes of mounts back. folders: mount number -> host folder; packed: mount number -> the names that
    pack() put in, of which those that are gone are removed. Nothing is changed when a part of the data is wrong."""
    numbers = {str(number): number for number in folders}
    present = {number: set() for number in folders}
    found = read(data, len(folders))
    directories = set(numbers)
    for name, kind, _, _, content in found:
        number, _, path = name.partition("/")
        if name.rpartition("/")[0] not in directories or kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK) or (
                kind == stat.S_IFLNK and (not content or b"\0" in content)):
            raise FolderError(f"what came back names {name!r}, which is not there")
        check_path(name, path)
        present[numbers[number]].add(path)
        if kind == stat.S_IFDIR:
            directories.add(name)
    with contextlib.ExitStack() as roots:
        try:
            root_of = {}
            for number, host in folders.items():
                root_of[number] = os.open(host, os.O_PATH | os.O_DIRECTORY)
                roots.callback(os.close, root_of[number])
            for name, kind, mtime, is_unchanged, content in found:
                number, _, path = name.partition("/")
                if is_unchanged and kind != stat.S_IFDIR:
                    continue
                with parent_of(root_of[numbers[number]], path) as parent:
                    write_one(path.rpartition("/")[2], parent, kind, mtime, content)
            for number, names in packed.items():
                remove_gone(root_of[number], names - present[number])
        except OSError as error:
            raise FolderError(f"{error.filename}: {error.strerror}") from None
