#!/usr/bin/python3
"""Writes a small ELF64 executable for the model machine, to stand for the root task: text, read-only data, data and bss.

    make_root.py FILE [overlap|unsafe]

With a second word one that the kernel must refuse: segments that share a page, or one that is writable and executable."""
import struct
import sys

MACHINE = 0xfffe
SEGMENTS = [  # flags, address, content, bytes in memory
    (5, 0x400000, b"text" * 300, 1200),
    (4, 0x401000, b"read-only" * 10, 90),
    (6, 0x402010, b"data" * 10, 12000),
    (4, 0x410ff0, b"more" * 10, 40),
]
FLAWS = {
    "overlap": (4, 0x402000, b"x", 1),
    "unsafe": (7, 0x420000, b"x", 1),
}


def main():
    headers, body = b"", b""
    segments = SEGMENTS + [FLAWS[flaw] for flaw in sys.argv[2:]]
    start = 64 + 56 * len(segments)
    for flags, address, content, memory in segments:
        offset = start + len(body)
        headers += struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, len(content), memory, 4096)
        body += content
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, MACHINE, 1, 0x400000, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    with open(sys.argv[1], "wb") as out:
        out.write(header + headers + body)


main()
