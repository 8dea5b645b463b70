#!/usr/bin/python3
"""Which lines of the portable kernel (kernel/ ipc/ sched/ mm/) the host tests and the kept sequences run.

    ci/coverage.py [--build-dir build/host] [--lines] [--strict]

Builds the tests once more with gcc's line counters, runs them and prints a table; --lines also prints the text of every
line that did not run. Fails below 95 %. Says, and with --strict fails, when a line that did not run is in a function that
the table "Lines that no host test runs" of docs/testing.md does not explain, or when the table has a function too many.
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("kernel/", "ipc/", "sched/", "mm/")
LEAST_PERCENT = 95
EXPLAINED = os.path.join(ROOT, "docs", "testing.md")
ROW = re.compile(r"^\| `([a-z_]+/[a-z_.]+)` \| `([a-z_]+)` \|")
FUNCTION = re.compile(r"^[A-Za-z].*?\b(?!__attribute__|noinline)([a-z_0-9]+)\([^;]*$")  # the first line of a definition


def run_tests(build_dir):
    folder = os.path.join(build_dir, "tests", "host-kernel")
    subprocess.run(["cmake", "--build", build_dir, "--target", "kernel-counted"], check=True, stdout=subprocess.DEVNULL)
    objects = os.path.join(folder, "CMakeFiles", "kernel-model-counted.dir")
    for old in glob.glob(os.path.join(objects, "**", "*.gcda"), recursive=True):
        os.remove(old)
    with open(os.path.join(folder, "counted", "tests.txt"), encoding="utf-8") as file:
        for command in filter(None, map(str.split, file)):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    # Those of the kernel's own files: what the model and the checker call does not count.
    counters = glob.glob(os.path.join(objects, "__", "**", "*.gcda"), recursive=True)
    return [counter for counter in counters if os.sep + "tests" + os.sep not in counter[len(objects):]]


def functions_of(name):
    """For each line of the file the function that it is in, by its text: gcov does not name those that are inlined."""
    function, functions = "", [""]
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        for text in file:
            match = FUNCTION.match(text)
            function = match.group(1) if match else function
            functions.append(function)
    return functions


def counted(counters):
    """{file: {line: (times run, function)}}"""
    files = {}
    for counter in counters:
        report = subprocess.run(["gcov", "--json-format", "--stdout", counter], check=True, capture_output=True).stdout
        for source in json.loads(report)["files"]:
            # The sources are named as -ffile-prefix-map has them, or by their place on this machine.
            name = os.path.relpath(source["file"], ROOT) if os.path.isabs(source["file"]) else source["file"]
            if not name.startswith(FOLDERS):
                continue
            counts = files.setdefault(name, {})
            for line in source["lines"]:
                number = line["line_number"]
                counts[number] = counts.get(number, 0) + line["count"]
    names = {name: functions_of(name) for name in files}
    return {name: {number: (count, names[name][number]) for number, count in counts.items()}
            for name, counts in files.items()}


def explained():
    with open(EXPLAINED, encoding="utf-8") as file:
        return {match.groups() for match in map(ROW.match, file) if match}


def print_table(files):
    total = run = 0
    print(f"{'file':28} {'lines':>6} {'run':>6} {'%':>7}")
    for name, lines in sorted(files.items()):
        ran = sum(1 for count, _ in lines.values() if count > 0)
        total, run = total + len(lines), run + ran
        print(f"{name:28} {len(lines):6} {ran:6} {100 * ran / len(lines):7.1f}")
    print(f"{'all':28} {total:6} {run:6} {100 * run / total:7.2f}")
    return 100 * run / total


def print_lines(files):
    for name, lines in sorted(files.items()):
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            text = file.read().split("\n")
        for number, (count, function) in sorted(lines.items()):
            if count == 0:
                print(f"{name}:{number}: {function}: {text[number - 1].strip()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", default=os.path.join(ROOT, "build", "host"))
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    files = counted(run_tests(os.path.abspath(arguments.build_dir)))
    percent = print_table(files)
    if arguments.lines:
        print_lines(files)
    missed = {(name, function) for name, lines in files.items() for count, function in lines.values() if count == 0}
    remarks = [f"{name}: {function}: lines that no host test runs, and no reason in docs/testing.md (see --lines)"
               for name, function in sorted(missed - explained())]
    remarks += [f"docs/testing.md: {name}: all lines of {function} run now"
                for name, function in sorted(explained() - missed)]
    print("\n".join(remarks) or "every line that does not run is explained in docs/testing.md")
    if percent < LEAST_PERCENT:
        print(f"{percent:.2f} % of the lines run, less than {LEAST_PERCENT} %")
    return 1 if percent < LEAST_PERCENT or (arguments.strict and remarks) else 0


sys.exit(main())
