#!/usr/bin/python3
"""What files cost: `./tessera bench fs`. bench/files/measure.c runs on target, on files in memory, in the store (two virtio disks) and in
the boot archive, and with --vs linux on Debian's kernel, in memory (tmpfs) and on ext4 on a virtio disk of the same QEMU.

bench/files.json keeps the figures of both (--record); the test `bench-fs` compares ours with it:

    ci/bench_files.py --arch A --build-dir D --check
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

import bench_linux
import disk

RUN_SECONDS = 240
IMAGE_BYTES = LOG_BYTES = 64 << 20
LINE = re.compile(r"^(?:.*\s)?bench (fs_[a-z0-9_]+) ([0-9]+)$")
TOLERANCE = 0.15  # how a log is emptied and when the disk answers is not the same every time
ARCHES = ("x86_64", "arm64")
ABOUT = "Written by ./tessera bench fs --vs linux --record: instructions per operation, ours and Linux' (docs/performance.md)."


class BenchError(Exception):
    pass


def measure(root, arch, folder, kernel):
    """[(row, instructions)] of this system."""
    with tempfile.TemporaryDirectory(prefix="tessera-bench-") as scratch:
        image = os.path.join(scratch, "data.img")
        disk.create(image, IMAGE_BYTES, LOG_BYTES)
        command = [sys.executable, os.path.join(root, "ci", "qemu.py"), "--arch", arch, "--boot", "direct", "--icount", "on",
                   "--kernel", kernel, "--archive", os.path.join(folder, "archives", "fs-bench.cpio"), "--disk", image,
                   "--timeout", str(RUN_SECONDS)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    results = [(match[1], int(match[2])) for match in map(LINE.match, done.stdout.splitlines()) if match]
    if done.returncode or not results:
        raise BenchError(f"fs-bench ended with status {done.returncode} and said:\n{done.stdout.rstrip()}")
    return results


def measure_linux(root, arch):
    """(package and version, [(row, instructions)])"""
    try:
        package, version, results = bench_linux.measure_files(root, arch, IMAGE_BYTES)
    except bench_linux.LinuxError as error:
        raise BenchError(str(error)) from None
    return f"{package} {version}", results


def recorded(root):
    with open(os.path.join(root, "bench", "files.json"), encoding="utf-8") as file:
        return json.load(file)


def record(root, arch, results, linux):
    """`linux`: what measure_linux gave, or None, and then its figures stay."""
    path = os.path.join(root, "bench", "files.json")
    kept = recorded(root) if os.path.exists(path) else {"tessera": {}, "linux": {}}
    parts = {"tessera": dict(results)} | ({"linux": dict(linux[1])} if linux else {})
    for part, figures in parts.items():
        for row in set(kept[part]) | set(figures):
            kept[part].setdefault(row, {}).pop(arch, None)
            if row in figures:
                kept[part][row][arch] = int(figures[row])
    text = {part: ",\n".join(f"        {json.dumps(row)}: {json.dumps(kept[part][row], sort_keys=True)}" for row in sorted(kept[part])
                             if kept[part][row]) for part in ("tessera", "linux")}
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'{{\n    "about": {json.dumps(ABOUT)},\n    "tessera": {{\n{text["tessera"]}\n    }},\n'
                   f'    "linux": {{\n{text["linux"]}\n    }}\n}}\n')
    print("recorded in bench/files.json")


def table(results, linux):
    """Lines of cells: row, ours, Linux', how many times ours Linux takes."""
    lines = [("instructions per operation", "Tessera", "Linux", "Linux / Tessera")]
    for row, value in results:
        other = linux.get(row)
        lines.append((row, f"{value:,}", f"{int(other):,}" if other else "", f"{other / value:.2f}" if other else ""))
    return lines


def run(root, arch, folder, kernel, json_path=None, with_linux=False, keep=False):
    import bench  # print_table, commit_of
    results = measure(root, arch, folder, kernel)
    linux = measure_linux(root, arch) if with_linux else None
    others = dict(linux[1]) if linux else {row: figures.get(arch) for row, figures in recorded(root)["linux"].items()}
    bench.print_table(table(results, others))
    print(f"Linux' files: tmpfs for memory, ext4 on a virtio disk for store{'' if linux else '; recorded, --vs linux measures anew'}.\n"
          "An instruction is a nanosecond of guest time: 1,000,000,000 / figure operations per second. docs/performance.md says what each does.")
    if json_path:
        with open(json_path, "w", encoding="utf-8") as file:
            json.dump({"arch": arch, "commit": bench.commit_of(root), "counter": "instructions",
                       "results": [{"name": row, "value": value, "linux": others.get(row)} for row, value in results]}, file, indent=4)
            file.write("\n")
    if keep:
        record(root, arch, results, linux)


def check(root, arch, results):
    """False when something takes over TOLERANCE more than recorded."""
    rows, is_good = recorded(root)["tessera"], True
    for row, value in results:
        was = rows.get(row, {}).get(arch)
        if was is None or value > was * (1 + TOLERANCE):
            is_good = False
            print(f"REGRESSION on {arch}: {row} was {was}, is {value}")
        elif value < was * (1 - TOLERANCE):
            print(f"better on {arch}: {row} was {was}, is {value}")
    print(f"bench-fs: {len(results)} figures" + ("" if is_good else f"; if that is meant: ./tessera bench fs --arch {arch} --record"))
    return is_good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=ARCHES, required=True)
    parser.add_argument("--build-dir", required=True, metavar="DIR", help="the architecture's build folder")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="compare with bench/files.json")
    action.add_argument("--record", action="store_true", help="write ours and Linux' figures there")
    options = parser.parse_args()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    kernel = os.path.join(options.build_dir, "kernel", "Image" if options.arch == "arm64" else "tessera.elf")
    try:
        results = measure(root, options.arch, options.build_dir, kernel)
        if options.record:
            record(root, options.arch, results, measure_linux(root, options.arch))
            return 0
    except BenchError as error:
        print(f"bench-fs: {error}", file=sys.stderr)
        return 1
    return 0 if check(root, options.arch, results) else 1


if __name__ == "__main__":
    sys.exit(main())
