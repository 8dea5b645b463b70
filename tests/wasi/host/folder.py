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
    before = listing(folders[3])
    try:
        folder.unpack(data, folders, {})
    except folder.FolderError:
        if listing(folders[3]) == before:
            return 0
        print(f"{what} was refused when half of it was written")
        return 1
    print(f"{what} was accepted")
    return 1


def archive(*members):
    """Of mount 3."""
    return b"".join(folder.member(f"3/{name}", kind, 1, data) for name, kind, data in members) + folder.member(folder.TRAILER, 0, 0, b"")


def fresh(scratch, name):
    path = os.path.join(scratch, name)
    os.mkdir(path)
    return path


def foreseen_name(scratch):
    """A program that guesses the name of the unfinished file makes it a link that leads out."""
    target, victim = fresh(scratch, "guess"), os.path.join(scratch, "victim")
    folder.unpack(archive((f"file.tessera-{os.getpid()}", stat.S_IFLNK, b"../victim"), ("file", stat.S_IFREG, b"hostile")), {3: target},
                  {3: set()})
    if os.path.lexists(victim) or os.path.islink(os.path.join(target, "file")):
        print("a file was written through a link that a program had made")
        return 1
    return 0


def removal_through_link(scratch):
    """A program replaces a directory by a link that leads out: what was in the directory is not removed from there."""
    target, victims = fresh(scratch, "removal"), fresh(scratch, "victims")
    os.mkdir(os.path.join(target, "lib"))
    for place in (victims, os.path.join(target, "lib")):
        os.mkdir(os.path.join(place, "deep"))
        for name in ("config", "deep/file"):
            with open(os.path.join(place, name), "wb") as file:
                file.write(b"precious")
    names = {path for path, _ in folder.entries(target)}
    folder.unpack(archive(("lib", stat.S_IFLNK, b"../victims")), {3: target}, {3: names})
    if listing(victims) != {"config": b"precious", "deep": None, "deep/file": b"precious"} or not os.path.islink(os.path.join(target, "lib")):
        print("files outside were removed through a link that a program had made")
        return 1
    return 0


def modes(scratch):
    """A file that was there keeps its permissions; what made it another user's in effect does not stay."""
    target = fresh(scratch, "modes")
    path = os.path.join(target, "tool")
    with open(path, "wb") as file:
        file.write(b"mine")
    os.chmod(path, 0o4750)
    folder.unpack(archive(("tool", stat.S_IFREG, b"hostile")), {3: target}, {3: {"tool"}})
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode != 0o750:
        print(f"a file came back with mode {mode:o}")
    return mode != 0o750


def long_names(scratch):
    """A name as long as names may be, and a folder as deep as it may be, there and back."""
    target, copy = fresh(scratch, "long"), fresh(scratch, "copy")
    deep = ["/".join(["d"] * depth) for depth in range(1, folder.DEPTH_LIMIT)]
    folder.unpack(archive(("n" * 255, stat.S_IFREG, b"x"), *((path, stat.S_IFDIR, b"") for path in deep), (deep[-1] + "/file", stat.S_IFREG, b"y")),
                  {3: target}, {3: set()})
    folder.unpack(returned(folder.pack(target), 3), {3: copy}, {3: set()})
    if listing(target) != listing(copy) or len(listing(copy)) != folder.DEPTH_LIMIT + 1:
        print("long names or deep folders did not come back")
        return 1
    return 0


def main():
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        source, target, outside = (os.path.join(scratch, name) for name in ("source", "target", "outside"))
        for path in (source, target, outside):
            os.mkdir(path)
        make(source)
        with open(os.path.join(outside, "large"), "wb") as file:
            file.truncate(folder.LIMIT + 1)
        try:
            folder.pack(outside)
            failures += 1
            print("a large folder was packed")
        except folder.FolderError:
            os.unlink(os.path.join(outside, "large"))
        os.mkfifo(os.path.join(source, "a pipe"))  # left out, and left where it is
        packed = folder.pack(source)
        if b"a pipe" in packed or "a pipe" in listing(source):
            failures += 1
            print("a pipe was taken")
        folder.unpack(returned(packed, 3), {3: source}, {3: {path for path, _ in folder.entries(source)}})
        if not os.path.exists(os.path.join(source, "a pipe")):
            failures += 1
            print("a pipe is gone")
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
        good = folder.member("3/good", regular, 0, b"x")  # is not written either
        for name in ("../x", "3/../outside/x", "3//x", "4/x", "3/a b/../../x", "/x", "x", "3/", "3/a\0b", "\u0663/x",
                     "3/" + "d" * folder.PATH_LIMIT):
            failures += refused(good + folder.member(name, regular, 0, b"x") + trailer, {3: target}, name[:20])
        deep = archive(*(("/".join(["d"] * depth), stat.S_IFDIR, b"") for depth in range(1, folder.DEPTH_LIMIT + 2)))
        failures += refused(good + deep, {3: target}, "directories in one another without end")
        failures += refused(good + folder.member("3/to", link, 0, b"a\0b") + trailer, {3: target}, "a link to a NUL")
        failures += refused(good + folder.member("3/device", stat.S_IFCHR, 0, b"") + trailer, {3: target}, "a device")
        climb = folder.member("3/up", link, 0, b"../outside") + folder.member("3/up/x", regular, 0, b"x") + trailer
        failures += refused(climb, {3: target}, "a link that leads out")
        failures += refused(packed[:100] + b"zz" + packed[102:], {3: target}, "a damaged header")
        failures += refused(returned(packed, 3)[:-200], {3: target}, "a cut archive")
        failures += refused(good[:54] + b"-0000010" + good[62:] + trailer, {3: target}, "a negative number")
        failures += sum(case(scratch) for case in (foreseen_name, removal_through_link, modes, long_names))
        if os.listdir(outside) or os.path.exists(os.path.join(scratch, "x")):
            failures += 1
            print("something was written outside")
    print(f"folder: {failures} failures")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
