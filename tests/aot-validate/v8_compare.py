#!/usr/bin/env python3
"""Compare with V8, in both directions: which modules of the fuzzer are valid here and not there, or there and not here.

    v8_compare.py --checker FILE [--node node] FOLDER

FOLDER has modules, as the fuzzer's work folder has (corpus). Needs a node whose V8 knows WebAssembly 3.0 (node 24). Prints a
line for each kind of difference, with one module that shows it; ends with status 1 when something is valid only here.
"""
import argparse
import collections
import pathlib
import re
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def ask_v8(node, modules):
    questions = b"".join(struct.pack("<I", len(module)) + module for module in modules)
    done = subprocess.run([node, HERE / "opinion.js"], input=questions, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode(errors="replace").splitlines()


def ask_us(checker, paths):
    done = subprocess.run([checker], input="".join(f"all {path}\n" for path in paths), stdout=subprocess.PIPE, text=True,
                          errors="replace", check=True)
    return done.stdout.splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checker", required=True, help="the check_modules program")
    parser.add_argument("--node", default="node")
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    paths = sorted(options.folder.resolve().iterdir())
    theirs, ours = ask_v8(options.node, [path.read_bytes() for path in paths]), ask_us(options.checker, paths)
    kinds = collections.defaultdict(list)
    for path, there, here in zip(paths, theirs, ours):
        if there == "ok" and here.startswith(("malformed", "invalid")):
            kinds["only V8 accepts", re.sub(r"\d+", "N", here.split(": ", 2)[-1])].append(path.name)
        elif there.startswith("no") and here == "ok":
            kinds["only we accept", re.sub(r"\d+", "N", there)].append(path.name)
    for (side, words), names in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"{len(names)} {side}: {words}: {names[0]}")
    print(f"{len(paths)} modules, {sum(here == 'ok' for here in ours)} valid here")
    sys.exit(1 if len(theirs) != len(ours) or any(side == "only we accept" for side, _ in kinds) else 0)


if __name__ == "__main__":
    main()
