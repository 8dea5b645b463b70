#!/usr/bin/env python3
"""Sources and modules of others, from Debian's source packages and from npm, at versions and hashes pinned in ci/parts.json.

    parts.py fetch [NAME...]   into the cache folder (~/.cache/tessera/parts), all of them by default; prints where each is
    parts.py path NAME         where it is; status 1 when it was not fetched
    parts.py pin NAME          prints the entry for parts.json of the newest version; npm:NAME for a package of npm

Nothing of them is kept in the project. apt checks the archive's signature, this script each file's SHA-256. What is marked as
large is fetched when it is named only. Packages of npm need npm, which is not among the packages that a build needs: where it is
missing, they are left out.
"""
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile

import debian

HERE = pathlib.Path(__file__).resolve().parent
PINS = HERE / "parts.json"


def pins():
    return json.loads(PINS.read_text())


def part_folder(name, pin):
    # The epoch of a version has a colon, which make and ninja do not like in names.
    return debian.cache_folder() / "parts" / f"{name}-{pin['version'].replace(':', '-')}"


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check_files(name, pin, folder):
    for file, wanted in pin["files"].items():
        if not (folder / file).is_file():
            raise debian.DebianError(f"{name}: the archive did not give {file}")
        if sha256(folder / file) != wanted:
            raise debian.DebianError(f"{name}: {file} is not the file of {PINS.name}: its SHA-256 is {sha256(folder / file)}")


def unpack_source(name, pin, work):
    """A source package with Debian's patches, in work/tree."""
    debian.Apt("amd64").download_source(pin["source"], pin["version"], work)
    check_files(name, pin, work)
    description = next(file for file in pin["files"] if file.endswith(".dsc"))
    debian.run(["dpkg-source", "--no-check", "-x", description, "tree"], cwd=work)


def has_npm():
    return shutil.which("npm") is not None


def is_missing(pin):
    """Whether this machine cannot fetch it."""
    return "npm" in pin and not has_npm()


def wanted(known):
    """The names of those that every set-up fetches."""
    return [name for name, pin in known.items() if not pin.get("large") and not is_missing(pin)]


def pack(name, version, work):
    if not has_npm():
        raise debian.DebianError("npm is not installed")
    debian.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=work)


def unpack_package(name, pin, work):
    """A package of npm, in work/tree."""
    pack(pin["npm"], pin["version"], work)
    check_files(name, pin, work)
    (work / "tree").mkdir()
    debian.run(["tar", "-x", "--strip-components=1", "-C", "tree", "-f", *pin["files"]], cwd=work)


def fetch(name, pin):
    """Its files, complete or not at all."""
    folder = part_folder(name, pin)
    if folder.is_dir():
        return folder
    print(f"fetching {name} {pin['version']}", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        work = pathlib.Path(work)
        try:
            (unpack_package if "npm" in pin else unpack_source)(name, pin, work)
        except debian.DebianError as error:
            raise debian.DebianError(f"{name} {pin['version']} cannot be had: {error}") from None
        shutil.move(work / "tree", folder)
    return folder


def made(source, mark, make):
    """The folder with what make(work, done) puts into `done`: made once, complete or not at all, and kept beside the source."""
    result = source.parent / f"{source.name}-{mark}"
    if result.is_dir():
        return result
    with tempfile.TemporaryDirectory(dir=result.parent) as work:
        work = pathlib.Path(work)
        (work / "done").mkdir()
        make(work, work / "done")
        try:
            os.rename(work / "done", result)
        except OSError:
            if not result.is_dir():  # else another build was first
                raise
    return result


def copy_command(description, folder):
    """The command line `NAME.py FOLDER`: copies what is in folder()."""
    if len(sys.argv) != 2:
        print(description.strip(), file=sys.stderr)
        return 2
    try:
        shutil.copytree(folder(), sys.argv[1], dirs_exist_ok=True)
    except debian.DebianError as error:
        return f"{pathlib.Path(sys.argv[0]).name}: {error}"
    return 0


def pin_package(name):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        pack(name, "latest", work)
        file = next(work.glob("*.tgz"))
        description = debian.run(["tar", "-x", "-O", "-f", file.name, "package/package.json"], cwd=work)
        return {"npm": name, "version": json.loads(description)["version"], "files": {file.name: sha256(file)}}


def pin(name):
    """The newest version in the archive, as an entry for parts.json."""
    if name.startswith("npm:"):
        return pin_package(name.removeprefix("npm:"))
    apt = debian.Apt("amd64")
    apt.update()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        apt.get("source", "--download-only", "--only-source", name, cwd=work)
        files = {file.name: sha256(file) for file in sorted(work.iterdir())}
        description = next(file for file in work.iterdir() if file.suffix == ".dsc").read_text()
    version = next(line.split(" ", 1)[1] for line in description.splitlines() if line.startswith("Version: "))
    return {"source": name, "version": version, "files": files}


def main(words):
    known = pins()
    if words[:1] == ["pin"] and len(words) == 2:
        print(json.dumps({words[1]: pin(words[1])}, indent=4))
        return 0
    if words[:1] not in (["fetch"], ["path"]) or (words[0] == "path" and len(words) != 2):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    names = words[1:] or wanted(known)
    for name in names:
        if name not in known:
            raise debian.DebianError(f"{name} is not in {PINS.name}, which has {', '.join(known)}")
    for name in names:
        folder = fetch(name, known[name]) if words[0] == "fetch" else part_folder(name, known[name])
        if not folder.is_dir():
            print(f"{name} was not fetched; './tessera setup' does it", file=sys.stderr)
            return 1
        print(folder)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except debian.DebianError as error:
        sys.exit(f"parts.py: {error}")
