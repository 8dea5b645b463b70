#!/usr/bin/env python3
"""QEMU killed at random moments while a program changes files: what it was told is synced is there, and the rest is consistent.

    kill.py --arch ARCH --kernel FILE --archive ARCHIVE [--kills N] [--seed N]

The program (target/persist.c, `work`) does step after step, each of which leaves one file with one content or none, and prints
"synced N" when a sync was acknowledged. After the kill the host opens the image: database and file system must be sound, and the
files exactly those after some step from the last acknowledged one on.
"""
import argparse
import os
import random
import re
import select
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "ci"))
import disk

FILES, MOST, SEED = 12, 30000, 1
WORD = (1 << 64) - 1


def mix(x):
    for factor in (0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53):
        x ^= x >> 33
        x = x * factor & WORD
    return x ^ x >> 33


def step_of(n):
    """(name, content or None) of persist.c's step n."""
    r = mix((SEED * 1000003 + n) & WORD)
    name = f"f{r % FILES}"
    if not r >> 8 & 7:
        return name, None
    size = 8 + ((r >> 16) & 0xffffffff) % (MOST - 8)
    return name, (n.to_bytes(8, "little") + bytes([n & 255]) * (size - 8))


def files_of(image):
    with disk.Disk(image) as opened:
        rows = opened.rows("SELECT name, e.inode, bytes FROM entry AS e JOIN inode AS i ON i.inode = e.inode WHERE name LIKE 'f%'")
        return {name: b"".join(opened.read(file, size)) for name, file, size in rows}


def judge(found, synced):
    """The step whose state was found, or None."""
    newest = max([synced] + [int.from_bytes(content[:8], "little") for content in found.values()])
    state = {}
    for n in range(1, newest + FILES * 8 + 1):  # removals leave no number behind
        name, content = step_of(n)
        state.pop(name, None)
        if content is not None:
            state[name] = content
        if n >= synced and state == found:
            return n
    return 0 if synced == 0 and not found else None


def run_and_kill(options, image, seconds):
    """The last step that was acknowledged, and how long it took to the first."""
    sys.path.insert(0, os.path.join(ROOT, "ci"))
    command = [sys.executable, os.path.join(ROOT, "ci", "qemu.py"), "--arch", options.arch, "--kernel", options.kernel,
               "--archive", options.archive, "--disk", image, "--timeout", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    text, end = b"", None
    while end is None or time.monotonic() < end:
        ready, _, _ = select.select([process.stdout], [], [], 0.01)
        if ready:
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            text += data
        if end is None and b"synced" in text:
            end = time.monotonic() + seconds
    is_running = process.poll() is None
    process.kill()  # and QEMU with it (ci/qemu.py, die_with_parent)
    text += process.stdout.read()
    process.wait()
    if not is_running:
        raise SystemExit(f"kill.py: the machine ended by itself:\n{text.decode(errors='replace')[-2000:]}")
    return max([0] + [int(n) for n in re.findall(rb"^synced ([0-9]+)\r?$", text[:text.rfind(b"\n") + 1], re.MULTILINE)])


def main():
    parser = argparse.ArgumentParser()
    for name in ("arch", "kernel", "archive"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    for kill in range(options.kills):
        with tempfile.TemporaryDirectory() as folder:
            image = os.path.join(folder, "data.img")
            disk.create(image, 32 << 20, 24 << 20)
            synced = run_and_kill(options, image, chance.uniform(0, 0.8))
            found = disk.problems(image)
            if found:
                raise SystemExit(f"kill.py: kill {kill}: {'; '.join(found)}")
            step = judge(files_of(image), synced)
            if step is None:
                raise SystemExit(f"kill.py: kill {kill}: what is on the disk is no state from step {synced} on")
            print(f"kill {kill}: step {synced} was acknowledged, step {step} is there")


if __name__ == "__main__":
    main()
