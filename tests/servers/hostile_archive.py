#!/usr/bin/python3
"""Writes a system archive whose checksums are right and whose content is not: what the servers must refuse by themselves.

    hostile_archive.py WHOLE BROKEN KIND
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ci"))
import archive  # noqa: E402


def change(name, data, kind):
    """The member's new content, or None to leave it out."""
    is_program = name.startswith("program/test-wasi")
    if kind == "image-cut" and is_program:
        return data[:len(data) // 2]
    if kind == "image-machine" and is_program:
        return data[:18] + b"\x03\x00" + data[20:]  # e_machine: 80386
    if kind == "image-entry" and is_program:
        return data[:24] + b"\xff" * 8 + data[32:]
    if kind == "description-cut" and name == "system":
        return data[:len(data) - 40]
    if kind == "description-offset" and name == "system":
        return data[:16] + b"\xf0\xff\xff\xff" + data[20:]  # where the programs are
    if kind == "server-broken" and name == "console":
        return b"\x7fELF" + bytes(len(data) - 4)
    if kind == "server-missing" and name == "tracer":
        return None
    if kind == "input-missing" and name == "alphabet.txt":
        return None
    return data


def main():
    whole, broken, kind = sys.argv[1:]
    before = [(member.name, member.data) for member in archive.read(archive.read_file(whole))]
    after = [(name, change(name, data, kind)) for name, data in before]
    after = [(name, data) for name, data in after if data is not None]
    if after == before:
        sys.exit(f"hostile_archive.py: '{kind}' changes nothing")
    archive.write_file(broken, archive.pack(after))


if __name__ == "__main__":
    main()
