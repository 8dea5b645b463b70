"""Makes damaged copies of a system archive for the boot tests.

    damage.py ARCHIVE OUT manifest|root|truncated|garbage|rootless
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ci"))
import archive


def flipped(blob, at):
    return blob[:at] + bytes([blob[at] ^ 0x10]) + blob[at + 1 :]


def damaged(blob, kind):
    members = archive.read(blob)
    root = members[0]
    if kind == "manifest":
        return flipped(blob, archive.MANIFEST_OFFSET + archive.HEADER.size + 3)
    if kind == "root":
        return flipped(blob, root.offset + len(root.data) // 2)
    if kind == "truncated":
        return blob[: len(blob) - archive.PAGE]
    if kind == "garbage":
        return bytes((at * 167 + 13) & 0xFF for at in range(len(blob)))
    if kind == "rootless":
        return archive.pack([("first", root.data)])
    raise SystemExit(f"damage.py: unknown kind {kind}")


source, target, how = sys.argv[1:]
archive.write_file(target, damaged(archive.read_file(source), how))
