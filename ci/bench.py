#!/usr/bin/python3
"""Runs the benchmark archives under QEMU's instruction counter and shows the results beside other kernels' figures.

A benchmark program prints one line `bench NAME VALUE` for each figure and `bench end` when it is through; it
checks first that a loop of two instructions reads 2.00 and refuses to report otherwise. The archives of an architecture are listed
in build/ARCH/bench-archives.txt; the peers' figures are bench/peers.json.

bench/recorded.json holds our own figures as they were when somebody last ran `./tessera bench --record`. The test `bench` compares
(`ci/bench.py --arch A --build-dir D --check`): a row that takes over 3 % more than recorded fails, a stretch with interrupts off
also when it takes over 10,000 instructions; one that takes as much less asks to be recorded.
"""
import argparse
import json
import os
import re
import struct
import subprocess
import sys

import bench_linux
import chart

RUN_SECONDS = 600
LINE = re.compile(r"^(?:.*\s)?bench ([a-z0-9_]+) ([0-9]+(?:\.[0-9]+)?)$")
END = re.compile(r"^(?:.*\s)?bench end$")
PEERS = ("seL4 MCS", "seL4 classic", "Linux")
TOLERANCE = 0.03
STRETCHES = ("latency_", "longest_")  # of these none may be longer than the target
LATENCY_BOUND = 10000
LATENCY_PAGE = os.path.join("docs", "latency.md")
UNCHECKED = ("loop_check",)  # a condition of measuring, not a figure
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


def print_table(lines):
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for index, line in enumerate(lines):
        first, *others = (cell.ljust(width) if column == 0 else cell.rjust(width)
                          for column, (cell, width) in enumerate(zip(line, widths)))
        print("  ".join([first, *others]).rstrip())
        if index == 0:
            print("  ".join("-" * width for width in widths))


def table(arch, results, rows):
    lines = [("instructions per operation", "Tessera", "target", *PEERS)]
    for name, value in results:
        row = rows.get(name, {})
        lines.append((name, number(value), peer_cell(row, "target", arch), *(peer_cell(row, peer, arch) for peer in PEERS)))
    print_table(lines)
    print("Fewer is better. How the others were measured stands in bench/peers.json.")


def linux_table(arch, results, linux, rows):
    """Side by side: each Linux operation with the row of ours that it is nearest to."""
    package, version, operations = linux
    ours = dict(results)
    lines = [("instructions per operation", "Tessera", "Linux", "ratio", "Linux' operation", "before")]
    for name, operation, value in operations:
        mine = ours.get(name)
        before = rows.get(name, {}).get("Linux", {})
        is_same = "operation" in before and operation.split("+")[0] == before["operation"].split("+")[0]
        lines.append((name, number(mine) if mine else "", number(value), f"{value / mine:,.1f}" if mine else "", operation,
                      number(before[arch]) if is_same else ""))
    print_table(lines)
    print(f"Linux is {package} {version}; ratio is Linux / Tessera. 'before' is what bench/peers.json says, measured another day.\n"
          "What each operation does and why it is the nearest: docs/comparison.md.")


def measure(root, arch, folder, kernel):
    """Every figure of an architecture, as (name, value) in the order of the archives."""
    with open(os.path.join(folder, "bench-archives.txt"), encoding="utf-8") as file:
        archives = file.read().split()
    results = []
    for name in archives:
        print(f"  {name} ...", flush=True)
        results += run_archive(root, arch, kernel, os.path.join(folder, "archives", f"{name}.cpio"))
    results.append(("kernel_text_bytes", float(read_only_bytes(os.path.join(folder, "kernel", "tessera.elf")))))
    return results


def read_rows(root, name):
    with open(os.path.join(root, "bench", name), encoding="utf-8") as file:
        return json.load(file)["rows"]


def write_json(root, arch, results, linux, path):
    """`linux` is what bench_linux.measure gave, or None."""
    record = {"arch": arch, "commit": commit_of(root), "counter": "instructions",
              "results": [{"name": name, "value": value} for name, value in results]}
    if linux:
        package, version, operations = linux
        record["linux"] = {"package": package, "version": version, "results": [
            {"name": name, "operation": operation, "value": value} for name, operation, value in operations]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file, indent=4)
        file.write("\n")
    print(f"written to {path}")


def run(root, arch, folder, kernel, json_path, with_linux=False):
    """Measure, print the tables, write the JSON when a path is given; gives the figures and, or None, Linux'."""
    rows = read_rows(root, "peers.json")
    results = measure(root, arch, folder, kernel)
    linux = None
    if with_linux:
        try:
            linux = bench_linux.measure(root, arch)
        except bench_linux.LinuxError as error:
            raise BenchError(str(error)) from None
        linux_table(arch, results, linux, rows)
    else:
        table(arch, results, rows)
    if json_path:
        write_json(root, arch, results, linux, json_path)
    return results, linux


# ---- Our own figures as they were -------------------------------------------------------------------------------

ABOUT = {
    "recorded.json": "Written by ./tessera bench --record: instructions per operation (kernel_text_bytes: bytes) of this tree.",
    "linux.json": "Written by ./tessera bench --vs linux --record: instructions per operation of Debian's Linux (docs/comparison.md).",
}


def recorded_text(rows, name="recorded.json"):
    """A record with one row a line, so that two people's changes meet only where they must."""
    lines = [f'        {json.dumps(name)}: {json.dumps(rows[name], sort_keys=True)}' for name in sorted(rows)]
    return (f'{{\n    "about": {json.dumps(ABOUT[name])},\n'
            '    "rows": {\n' + ",\n".join(lines) + "\n    }\n}\n")


def with_results(rows, arch, results):
    """The recorded rows after `results` took the place of an architecture's figures; rows that are gone go."""
    new = {name: {key: value for key, value in figures.items() if key != arch} for name, figures in rows.items()}
    for name, value in results:
        if name not in UNCHECKED:
            new.setdefault(name, {})[arch] = int(value) if value == int(value) else value
    return {name: figures for name, figures in new.items() if figures}


def with_linux_results(rows, arch, operations):
    """The recorded Linux rows, {row: {operation: {arch: value}}}, after this run took the place of an architecture's."""
    new = {name: {operation: {key: value for key, value in figures.items() if key != arch} for operation, figures in row.items()}
           for name, row in rows.items()}
    for name, operation, value in operations:
        new.setdefault(name, {}).setdefault(operation, {})[arch] = int(value) if value == int(value) else value
    new = {name: {operation: figures for operation, figures in row.items() if figures} for name, row in new.items()}
    return {name: row for name, row in new.items() if row}


def write_record(root, name, rows):
    with open(os.path.join(root, "bench", name), "w", encoding="utf-8") as file:
        file.write(recorded_text(rows, name))
    print(f"recorded in bench/{name}")


def with_figures(page, rows):
    """A page whose tables' rows `| `NAME` | what it is | x86-64 | arm64 |` show the recorded figures."""
    def row(match):
        figures = rows.get(match[2])
        return match[0] if not figures else f"{match[1]} {number(figures['x86_64'])} | {number(figures['arm64'])} |"

    return re.sub(r"^(\| `(\w+)` \|[^|\n]*\|) [\d,.]* \| [\d,.]* \|$", row, page, flags=re.MULTILINE)


def record(root, arch, results, linux):
    """Keep the figures, and Linux' where they were measured; draw the chart and the page of latencies anew."""
    write_record(root, "recorded.json", with_results(read_rows(root, "recorded.json"), arch, results))
    path = os.path.join(root, LATENCY_PAGE)
    with open(path, encoding="utf-8") as file:
        page = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(with_figures(page, read_rows(root, "recorded.json")))
    if linux:
        write_record(root, "linux.json", with_linux_results(read_rows(root, "linux.json"), arch, linux[2]))
    chart.write()


def compare(rows, arch, results):
    """What differs from the recorded figures: (regressions, remarks), each a list of lines."""
    regressions, remarks = [], []
    measured = {name: value for name, value in results if name not in UNCHECKED}
    for name, is_now in measured.items():
        was = rows.get(name, {}).get(arch)
        if was is None:
            remarks.append(f"{name}: {number(is_now)}, not recorded yet")
            continue
        change = f"{name}: was {number(was)}, is {number(is_now)} ({(is_now - was) / was if was else 0:+.1%})"
        if is_now > was * (1 + TOLERANCE) or name.startswith(STRETCHES) and is_now > LATENCY_BOUND:
            regressions.append(change)
        elif is_now < was * (1 - TOLERANCE):
            remarks.append(change)
    regressions += [f"{name}: was {number(figures[arch])}, is not measured any more"
                    for name, figures in sorted(rows.items()) if arch in figures and name not in measured]
    return regressions, remarks


def check(root, arch, results):
    """Print the comparison; False when something regressed."""
    regressions, remarks = compare(read_rows(root, "recorded.json"), arch, results)
    again = f"./tessera bench --arch {arch} --record"
    for line in regressions:
        print(f"REGRESSION on {arch}: {line}")
    for line in remarks:
        print(f"better or new on {arch}: {line}")
    if regressions:
        print(f"bench: {len(regressions)} figures are over {TOLERANCE:.0%} worse than in bench/recorded.json. If that is meant, '{again}' and "
              "say in the commit what it buys.")
    elif remarks:
        print(f"bench: nothing is worse; record what is better: {again}")
    else:
        print(f"bench: {len(results)} figures, all within {TOLERANCE:.0%} of bench/recorded.json")
    return not regressions


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True, metavar="DIR", help="the architecture's build folder")
    parser.add_argument("--check", action="store_true", required=True, help="compare with bench/recorded.json")
    options = parser.parse_args()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    kernel = os.path.join(options.build_dir, "kernel", "Image" if options.arch == "arm64" else "tessera.elf")
    try:
        results = measure(root, options.arch, options.build_dir, kernel)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for name, value in results:
        print(f"    {name} {number(value)}")
    return 0 if check(root, options.arch, results) else 1


if __name__ == "__main__":
    sys.exit(main())
