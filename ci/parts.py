#!/usr/bin/env python3
"""Sources of others, from Debian's source packages, at versions and hashes pinned in ci/parts.json.

    parts.py fetch [NAME...]   into the cache folder (~/.cache/tessera/parts), all of them by default; prints where each is
    parts.py path NAME         where it is; status 1 when it was not fetched
    parts.py pin NAME          prints the entry for parts.json of the newest version

Nothing of them is kept in the project. apt checks the archive's signature, this script each file's SHA-256.
"""
import hashlib
import json
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


def fetch(name, pin):
    """Its sources with Debian's patches, complete or not at all."""
    folder = part_folder(name, pin)
    if folder.is_dir():
        return folder
    print(f"fetching {name} {pin['version']} (source package {pin['source']})", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        work = pathlib.Path(work)
        try:
            debian.Apt("amd64").download_source(pin["source"], pin["version"], work)
        except debian.DebianError as error:
            raise debian.DebianError(f"{name} {pin['version']} cannot be had: {error}") from None
        check_files(name, pin, work)
        description = next(file for file in pin["files"] if file.endswith(".dsc"))
        debian.run(["dpkg-source", "--no-check", "-x", description, "tree"], cwd=work)
        shutil.move(work / "tree", folder)
    return folder


def pin(name):
    """The newest version in the archive, as an entry for parts.json."""
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
    names = words[1:] or list(known)
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
