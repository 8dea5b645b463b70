#!/usr/bin/python3
"""The system archive: writer, reader and checker. The format is docs/archive.md.

    archive.py write OUT NAME=FILE ...     pack files, native programs without debug data; the first should be root=...
    archive.py list ARCHIVE                show the members after checking everything
    archive.py check ARCHIVE               say nothing when all is right
    archive.py extract ARCHIVE NAME OUT    copy one member out

As a module: pack(members) gives the bytes, read(bytes) the members; both raise ArchiveError.
"""
import os
import re
import struct
import sys
import tempfile
from array import array
from itertools import accumulate
from typing import NamedTuple

PAGE = 4096
MANIFEST_NAME = "tessera.manifest"
MANIFEST_OFFSET = PAGE
TRAILER = "TRAILER!!!"
MAGIC = b"TESSARC1"
HEADER = struct.Struct("<8sQQQII")
ENTRY = struct.Struct("<QQQQII")
SUMMED_FROM = 24  # the manifest's sums cover its bytes from here on
MEMBER_LIMIT = 4096
CPIO_MAGIC = b"070701"
CPIO_HEADER_BYTES = 110
MASK = (1 << 64) - 1
SUM_PIECE = 1 << 20
ZEROS = bytes(SUM_PIECE)


class ArchiveError(Exception):
    """The archive, or what should go into it, is wrong; the text says where."""


class Member(NamedTuple):
    name: str
    offset: int
    data: bytes


def checksum(data):
    """The pair of sums of docs/archive.md."""
    first = second = 0
    for at in range(0, len(data), SUM_PIECE):
        piece = bytes(data[at:at + SUM_PIECE])
        piece += bytes(-len(piece) % 8)
        second += first * (len(piece) // 8)
        if piece == ZEROS[:len(piece)]:  # holes of large files
            continue
        words = array("Q", piece)
        if sys.byteorder == "big":
            words.byteswap()
        first, second = first + sum(words), second + sum(accumulate(words))
    return first & MASK, second & MASK


def check_name(name):
    if not 1 <= len(name) <= 255 or not re.fullmatch(r"[!-~]+", name):
        raise ArchiveError(f"member name {name!r}: must be 1 to 255 printable ASCII characters without space")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ArchiveError(f"member name {name!r}: empty, '.' or '..' as a component")
    if name in (MANIFEST_NAME, TRAILER):
        raise ArchiveError(f"member name {name!r} is reserved")


def cpio_header(inode, mode, name_bytes, data_bytes):
    fields = (inode, mode, 0, 0, 1, 0, data_bytes, 0, 0, 0, 0, name_bytes, 0)
    return CPIO_MAGIC + b"".join(b"%08x" % field for field in fields)


def cpio_member(at, inode, name, data):
    """One member whose header is at offset `at`, in pieces: its data, which may be large, lands on a page boundary."""
    name_bytes = len(name) + 1
    name_bytes += -(at + CPIO_HEADER_BYTES + name_bytes) % PAGE
    header = cpio_header(inode, 0o100444, name_bytes, len(data))
    return header + name.encode().ljust(name_bytes, b"\0"), data, bytes(-len(data) % 4)


def data_offset_after(at, name):
    """Where the data of a member with this name begins when its header is at offset `at`."""
    end = at + CPIO_HEADER_BYTES + len(name) + 1
    return end + -end % PAGE


def pack_manifest(members, archive_bytes, offsets):
    names = b""
    entries = b""
    names_at = HEADER.size + ENTRY.size * len(members)
    for (name, data), offset in zip(members, offsets):
        entries += ENTRY.pack(offset, len(data), *checksum(data), names_at + len(names), len(name))
        names += name.encode() + b"\0"
    manifest_bytes = names_at + len(names)
    covered = struct.pack("<QII", archive_bytes, manifest_bytes, len(members)) + entries + names
    return MAGIC + struct.pack("<QQ", *checksum(covered)) + covered


def pack(members):
    """The archive's bytes for a list of (name, bytes). Raises ArchiveError for a bad name or too much data."""
    if not 1 <= len(members) <= MEMBER_LIMIT:
        raise ArchiveError(f"{len(members)} members: an archive has 1 to {MEMBER_LIMIT}")
    seen = set()
    for name, data in members:
        check_name(name)
        if name in seen:
            raise ArchiveError(f"member {name}: named twice")
        seen.add(name)
        if len(data) >= 1 << 32:
            raise ArchiveError(f"member {name}: {len(data)} bytes do not fit a cpio header")
    # The manifest's size is known before its content, so the offsets can be laid out first.
    manifest_bytes = HEADER.size + sum(ENTRY.size + len(name) + 1 for name, _ in members)
    at = MANIFEST_OFFSET + manifest_bytes + -manifest_bytes % 4
    offsets = []
    for name, data in members:
        offset = data_offset_after(at, name)
        offsets.append(offset)
        at = offset + len(data) + -len(data) % 4
    trailer = cpio_header(0, 0, len(TRAILER) + 1, 0) + TRAILER.encode() + b"\0"
    archive_bytes = at + len(trailer)
    archive_bytes += -archive_bytes % PAGE

    manifest = pack_manifest(members, archive_bytes, offsets)
    parts = []
    at = 0
    for inode, (name, data) in enumerate([(MANIFEST_NAME, manifest), *members], 1):
        pieces = cpio_member(at, inode, name, data)
        at += sum(map(len, pieces))
        parts += pieces
    return b"".join([*parts, trailer, bytes(archive_bytes - at - len(trailer))])


def read_cpio(blob):
    """Walk the cpio headers: a list of (name, data offset, data size), the trailer excluded."""
    found = []
    at = 0
    while True:
        header = blob[at : at + CPIO_HEADER_BYTES]
        if len(header) < CPIO_HEADER_BYTES:
            raise ArchiveError(f"offset {at}: ends inside a member header")
        if not re.fullmatch(rb"070701[0-9a-fA-F]{104}", header):
            raise ArchiveError(f"offset {at}: not a cpio newc header")
        fields = [int(header[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)]
        data_bytes, name_bytes = fields[6], fields[11]
        name_at = at + CPIO_HEADER_BYTES
        name_field = blob[name_at : name_at + name_bytes]
        if len(name_field) < name_bytes or not name_field.endswith(b"\0"):
            raise ArchiveError(f"offset {at}: the member's name is cut off or not ended by a NUL")
        name, _, padding = name_field.partition(b"\0")
        if padding.strip(b"\0"):
            raise ArchiveError(f"offset {at}: the padding of the member's name is not zero")
        name = name.decode("ascii", "replace")
        offset = name_at + name_bytes + -(name_at + name_bytes) % 4
        end = offset + data_bytes
        if name == TRAILER:
            if data_bytes or any(blob[name_at + name_bytes :]):
                raise ArchiveError(f"offset {at}: bytes other than zero after the trailer")
            return found
        if end > len(blob):
            raise ArchiveError(f"member {name}: ends at {end}, beyond the archive's {len(blob)} bytes")
        found.append((name, offset, data_bytes))
        at = end + -end % 4


def read_manifest(blob):
    """Check the manifest by itself; gives its list of (name, offset, size, sums)."""
    if len(blob) < 2 * PAGE:
        raise ArchiveError(f"{len(blob)} bytes are too few for a system archive")
    if blob[:6] != CPIO_MAGIC or blob[110:127] != MANIFEST_NAME.encode() + b"\0":
        raise ArchiveError(f"does not begin with the member {MANIFEST_NAME}")
    magic, sum_a, sum_b, archive_bytes, manifest_bytes, count = HEADER.unpack_from(blob, MANIFEST_OFFSET)
    if magic != MAGIC:
        raise ArchiveError("manifest: wrong magic")
    if not HEADER.size <= manifest_bytes <= len(blob) - MANIFEST_OFFSET:
        raise ArchiveError(f"manifest: its size {manifest_bytes} does not fit the archive")
    manifest = blob[MANIFEST_OFFSET : MANIFEST_OFFSET + manifest_bytes]
    if checksum(manifest[SUMMED_FROM:]) != (sum_a, sum_b):
        raise ArchiveError("manifest: wrong checksum")
    if archive_bytes > len(blob):
        raise ArchiveError(f"cut short: {len(blob)} of {archive_bytes} bytes")
    if archive_bytes % PAGE or not 1 <= count <= MEMBER_LIMIT or HEADER.size + count * ENTRY.size > manifest_bytes:
        raise ArchiveError("manifest: archive size or member count out of range")
    members = []
    for index in range(count):
        offset, size, a, b, name_offset, name_bytes = ENTRY.unpack_from(manifest, HEADER.size + index * ENTRY.size)
        name_field = manifest[name_offset : name_offset + name_bytes + 1]
        if name_offset >= manifest_bytes or len(name_field) != name_bytes + 1 or name_field[-1]:
            raise ArchiveError(f"manifest entry {index}: its name lies outside the manifest")
        name = name_field[:-1].decode("ascii", "replace")
        check_name(name)
        if offset % PAGE or offset > archive_bytes or size > archive_bytes - offset:
            raise ArchiveError(f"member {name}: not a page-aligned range inside the archive")
        members.append((name, offset, size, (a, b)))
    return archive_bytes, members


def read(blob):
    """Check everything and give the list of Member. Bytes beyond the archive's own size are ignored."""
    archive_bytes, listed = read_manifest(blob)
    blob = blob[:archive_bytes]
    walked = read_cpio(blob)
    if walked[1:] != [entry[:3] for entry in listed] or walked[0][:2] != (MANIFEST_NAME, MANIFEST_OFFSET):
        raise ArchiveError("manifest and cpio headers do not agree")
    members = []
    for name, offset, size, sums in listed:
        data = blob[offset : offset + size]
        if checksum(data) != sums:
            raise ArchiveError(f"member {name}: wrong checksum")
        members.append(Member(name, offset, data))
    return members


def write_file(path, data):
    """Replace a file whole, so that a failed or interrupted run never leaves half of one."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".archive-")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def without_debug_data(elf):
    """An ELF64 executable cut after its last segment and without section headers; anything else as it is.

    What no segment holds is never loaded, but the kernel would sum it and the boot loader read it.
    """
    if len(elf) < 64 or elf[:6] != b"\x7fELF\x02\x01" or elf[16:18] != b"\x02\x00":
        return elf
    (headers_at,) = struct.unpack_from("<Q", elf, 0x20)
    header_bytes, header_count = struct.unpack_from("<HH", elf, 0x36)
    end = headers_at + header_bytes * header_count
    if header_bytes < 56 or end > len(elf):
        return elf
    for index in range(header_count):
        offset, _, _, file_bytes = struct.unpack_from("<QQQQ", elf, headers_at + index * header_bytes + 8)
        end = max(end, offset + file_bytes)
    # e_shoff, e_shnum and e_shstrndx become zero: no section headers.
    return elf[:0x28] + bytes(8) + elf[0x30:0x3C] + bytes(4) + elf[0x40:end]


def read_file(path):
    with open(path, "rb") as source:
        return source.read()


def main(arguments):
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command == "write" and len(rest) >= 2 and all("=" in pair for pair in rest[1:]):
        pairs = (pair.split("=", 1) for pair in rest[1:])
        write_file(rest[0], pack([(name, without_debug_data(read_file(path))) for name, path in pairs]))
    elif command == "list" and len(rest) == 1:
        for member in read(read_file(rest[0])):
            print(f"{member.offset:10} {len(member.data):10} {member.name}")
    elif command == "check" and len(rest) == 1:
        read(read_file(rest[0]))
    elif command == "extract" and len(rest) == 3:
        found = [member for member in read(read_file(rest[0])) if member.name == rest[1]]
        if not found:
            raise ArchiveError(f"no member {rest[1]}")
        write_file(rest[2], found[0].data)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ArchiveError, OSError) as error:
        print(f"archive.py: {error}", file=sys.stderr)
        sys.exit(1)
