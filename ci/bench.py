"""Runs the benchmark archives under QEMU's instruction counter and shows the results beside other kernels' figures.

A benchmark program prints one line `bench NAME VALUE` for each figure and `bench end` when it is through; it
checks first that a loop of two instructions reads 2.00 and refuses to report otherwise. The archives of an architecture are listed
in build/ARCH/bench-archives.txt; the peers' figures are bench/peers.json.
"""
import json
import os
import re
import struct
import subprocess
import sys

RUN_SECONDS = 600
LINE = re.compile(r"^(?:.*\s)?bench ([a-z0-9_]+) ([0-9]+(?:\.[0-9]+)?)$")
END = re.compile(r"^(?:.*\s)?bench end$")
PEERS = ("seL4 MCS", "seL4 classic", "Linux")
SHF_WRITE, SHF_ALLOC = 1, 2
SHT_NOBITS = 8


class BenchError(Exception):
    pass


def read_only_bytes(path):
    """Every loaded read-only section of an ELF64 file, in bytes."""
    with open(path, "rb") as file:
        elf = file.read()
    if elf[:5] != b"\x7fELF\x02":
        raise BenchError(f"{path} is not an ELF64 file")
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    entry_bytes, count = struct.unpack_from("<HH", elf, 0x3A)
    total = 0
    for index in range(count):
        _, kind, flags, _, _, size = struct.unpack_from("<IIQQQQ", elf, table + index * entry_bytes)
        if flags & SHF_ALLOC and not flags & SHF_WRITE and kind != SHT_NOBITS:
            total += size
    return total


def run_archive(root, arch, kernel, archive):
    """The figures that one archive's programs print."""
    command = [sys.executable, os.path.join(root, "ci", "qemu.py"), "--arch", arch, "--boot", "direct", "--icount",
               "--kernel", kernel, "--archive", archive, "--timeout", str(RUN_SECONDS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    results = []
    ended = False
    for line in done.stdout.splitlines():
        match = LINE.match(line)
        if match:
            results.append((match[1], float(match[2])))
        ended = ended or bool(END.match(line))
    if done.returncode or not ended:
        raise BenchError(f"{os.path.basename(archive)} ended with status {done.returncode} and said:\n{done.stdout.rstrip()}")
    return results


def commit_of(root):
    def git(*words):
        return subprocess.run(["git", "-C", root, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    head = git("rev-parse", "HEAD")
    if head.returncode:
        return "unknown"
    return head.stdout.strip() + ("-modified" if git("status", "--porcelain", "-uno").stdout.strip() else "")


def number(value):
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:,.2f}"


def peer_cell(row, peer, arch):
    figure = row.get(peer)
    if not figure:
        return ""
    return number(figure[arch]) + (f" ({figure['operation']})" if "operation" in figure else "")


def table(arch, results, rows):
    lines = [("instructions per operation", "Tessera", "target", *PEERS)]
    for name, value in results:
        row = rows.get(name, {})
        lines.append((name, number(value), peer_cell(row, "target", arch), *(peer_cell(row, peer, arch) for peer in PEERS)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for index, line in enumerate(lines):
        first, *others = (cell.ljust(width) if column == 0 else cell.rjust(width)
                          for column, (cell, width) in enumerate(zip(line, widths)))
        print("  ".join([first, *others]).rstrip())
        if index == 0:
            print("  ".join("-" * width for width in widths))
    print("Fewer is better. How the others were measured stands in bench/peers.json.")


def run(root, arch, folder, kernel, json_path):
    """Measure, print the table, write the JSON when a path is given."""
    with open(os.path.join(root, "bench", "peers.json"), encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    with open(os.path.join(folder, "bench-archives.txt"), encoding="utf-8") as file:
        archives = file.read().split()
    results = []
    for name in archives:
        print(f"  {name} ...", flush=True)
        results += run_archive(root, arch, kernel, os.path.join(folder, "archives", f"{name}.cpio"))
    results.append(("kernel_text_bytes", float(read_only_bytes(os.path.join(folder, "kernel", "tessera.elf")))))
    table(arch, results, rows)
    if json_path:
        record = {"arch": arch, "commit": commit_of(root), "counter": "instructions",
                  "results": [{"name": name, "value": value} for name, value in results]}
        with open(json_path, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=4)
            file.write("\n")
        print(f"written to {json_path}")
