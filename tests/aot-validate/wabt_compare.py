#!/usr/bin/env python3
"""Compare with wabt: what this validator accepts, wasm-validate must accept too.

Takes modules (.wasm), makes damaged ones of them, and asks both about each. A module that only
we accept is a failure; one that only wasm-validate accepts is counted, and shown with --verbose.
The sequence is given by --seed alone.
"""
import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

# wasm-validate's options for check_modules' sets of features.
OPTIONS = {
    "2": [],
    "wabt": ["--enable-threads", "--enable-tail-call", "--enable-extended-const", "--enable-multi-memory",
             "--enable-memory64", "--enable-exceptions"],
}


def damage(data, chance):
    """A few changes of the kinds that often leave a module well formed."""
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        place = chance.randrange(8, len(data))
        change = chance.randrange(4)
        if change == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif change == 1:
            data[place] = chance.randrange(256)
        elif change == 2:
            data[place] = (data[place] + chance.choice([-1, 1])) & 0xff
        else:
            data[place] = chance.choice([0, 1, 0x0b, 0x1a, 0x40, 0x6f, 0x70, 0x7c, 0x7d, 0x7e, 0x7f])
    return bytes(data)


def check_ours(checker, language, paths):
    done = subprocess.run([checker], input="".join(f"{language} {path}\n" for path in paths), capture_output=True,
                          text=True, check=False)
    answers = done.stdout.splitlines()
    if done.returncode != 0 or len(answers) != len(paths):
        sys.exit(f"{checker} failed at {paths[len(answers)]}\n{done.stderr}")
    return answers


def check_wabt(validator, language, path):
    done = subprocess.run([validator, *OPTIONS[language], path], capture_output=True, text=True, check=False)
    return done.returncode == 0, (done.stdout + done.stderr).strip()


def compare(arguments, language, paths):
    wrong = strict = agreed = 0
    for path, answer in zip(paths, check_ours(arguments.checker, language, paths)):
        ours = answer == "ok"
        theirs, words = check_wabt(arguments.validator, language, path)
        if ours and not theirs:
            wrong += 1
            print(f"WRONG ACCEPT {path}: {words}")
            if arguments.keep:
                shutil.copy(path, arguments.keep)
        elif theirs and not ours:
            strict += 1
            if arguments.verbose:
                print(f"only wasm-validate accepts {path}: {answer}")
                if arguments.keep:
                    shutil.copy(path, arguments.keep)
        else:
            agreed += ours
    print(f"{len(paths)} damaged modules as {language}: "
          f"both accept {agreed}, only wasm-validate {strict}, only we {wrong}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checker", required=True, help="the check_modules program")
    parser.add_argument("--validator", default="wasm-validate")
    parser.add_argument("--language", choices=OPTIONS, action="append")
    parser.add_argument("--count", type=int, default=400, help="damaged modules a language")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder for modules on which both differ")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("modules", nargs="+")
    arguments = parser.parse_args()
    if not shutil.which(arguments.validator):
        print("skipped: wasm-validate is not installed (Debian package wabt)")
        sys.exit(77)
    chance = random.Random(arguments.seed)
    originals = [data for data in map(lambda name: pathlib.Path(name).read_bytes(), arguments.modules) if len(data) > 8]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for language in arguments.language or OPTIONS:
            paths = []
            for number in range(arguments.count):
                paths.append(os.path.join(folder, f"{language}-{arguments.seed}-{number}.wasm"))
                pathlib.Path(paths[-1]).write_bytes(damage(chance.choice(originals), chance))
            wrong += compare(arguments, language, paths)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
