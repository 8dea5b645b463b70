#!/usr/bin/python3
"""Packs a folder of inputs (libFuzzer's corpus) into one file, and unpacks it.

    corpus.py pack FOLDER FILE      the shortest first
    corpus.py unpack FILE FOLDER

The file has for each input its length, two bytes, the lower one first, and its bytes.
"""
import hashlib
import os
import struct
import sys


def read(path):
    with open(path, "rb") as file:
        return file.read()


def inputs_of(packed):
    at = 0
    while at < len(packed):
        length = struct.unpack_from("<H", packed, at)[0]
        yield packed[at + 2:at + 2 + length]
        at += 2 + length


def pack(folder, path):
    inputs = {read(os.path.join(folder, name)) for name in os.listdir(folder)}
    with open(path, "wb") as file:
        for input_ in sorted(inputs, key=lambda s: (len(s), s)):
            file.write(struct.pack("<H", len(input_)) + input_)


def unpack(path, folder):
    os.makedirs(folder, exist_ok=True)
    for input_ in inputs_of(read(path)):
        with open(os.path.join(folder, hashlib.sha1(input_).hexdigest()), "wb") as file:
            file.write(input_)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("pack", "unpack"):
        sys.exit(__doc__)
    {"pack": pack, "unpack": unpack}[sys.argv[1]](sys.argv[2], sys.argv[3])
