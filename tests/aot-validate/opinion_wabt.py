#!/usr/bin/env python3
"""wabt's opinion on modules, for opinion.h: one wasm-validate for each."""
import os
import re
import struct
import subprocess
import sys
import tempfile

OPTIONS = ["--enable-threads", "--enable-tail-call", "--enable-extended-const", "--enable-multi-memory", "--enable-memory64",
           "--enable-exceptions"]
# What wabt 1.0.32 refuses though it is valid.
NO_OPINION = re.compile(r"tables may not be 64-bit")


def opinion(path):
    done = subprocess.run(["wasm-validate", *OPTIONS, path], capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return "ok"
    text = " ".join((done.stdout + done.stderr).split())[:400]
    return ("? " if NO_OPINION.search(text) else "no ") + text


def main():
    with tempfile.NamedTemporaryFile(suffix=".wasm") as file:
        while head := sys.stdin.buffer.read(4):
            module = sys.stdin.buffer.read(struct.unpack("<I", head)[0])
            file.seek(0)
            file.truncate()
            file.write(module)
            file.flush()
            os.write(1, opinion(file.name).encode() + b"\n")


if __name__ == "__main__":
    main()
