#!/usr/bin/python3
"""ci/folder.py: what goes in comes out, and what comes back hostile stays outside. Leaves a packed folder for the test of
its reader: folder.py OUT"""
import os
import stat
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "ci"))
import folder  # noqa: E402


def make(root):
    os.makedirs(os.path.join(root, "a b", "leer"))
    for name, content in (("one", b"1"), ("a b/zwei ü", b"two" * 1000), ("empty", b"")):
        with open(os.path.join(root, name), "wb") as file:
            file.write(content)
    os.symlink("a b/zwei ü", os.path.join(root, "link"))


def listing(root):
    return {path: os.readlink(item.path) if item.is_symlink() else None if item.is_dir() else open(item.path, "rb").read()
            for path, item in folder.entries(root)}


def returned(packed, number):
    """As the file server would send it: the mount's number before each name."""
    parts = []
    for name, kind, mtime, _, content in folder.read(packed):
        parts.append(folder.member(f"{number}/{name}", kind | 0o644, mtime, content))
    return b"".join(parts) + folder.member(folder.TRAILER, 0, 0, b"")


def refused(data, folders, what):
    try:
        folder.unpack(data, folders, {})
    except folder.FolderError:
        return 0
    print(f"{what} was accepted")
    return 1


def main():
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        source, target, outside = (os.path.join(scratch, name) for name in ("source", "target", "outside"))
        for path in (source, target, outside):
            os.mkdir(path)
        make(source)
        packed = folder.pack(source)
        with open(sys.argv[1], "wb") as file:
            file.write(packed)
        with open(os.path.join(target, "stale"), "wb") as file:
            file.write(b"x")
        folder.unpack(returned(packed, 3), {3: target}, {3: {"stale"}})
        if listing(source) != listing(target):
            failures += 1
            print("what came back differs:", listing(target))
        regular, link = stat.S_IFREG, stat.S_IFLNK
        trailer = folder.member(folder.TRAILER, 0, 0, b"")
        for name in ("../x", "3/../outside/x", "3//x", "4/x", "3/a b/../../x", "/x", "x", "3/"):
            failures += refused(folder.member(name, regular, 0, b"x") + trailer, {3: target}, name)
        climb = folder.member("3/up", link, 0, b"../outside") + folder.member("3/up/x", regular, 0, b"x") + trailer
        failures += refused(climb, {3: target}, "a link that leads out")
        failures += refused(packed[:100] + b"zz" + packed[102:], {3: target}, "a damaged header")
        failures += refused(returned(packed, 3)[:-200], {3: target}, "a cut archive")
        if os.listdir(outside) or os.path.exists(os.path.join(scratch, "x")):
            failures += 1
            print("something was written outside")
    print(f"folder: {failures} failures")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
