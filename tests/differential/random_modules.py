#!/usr/bin/env python3
"""Random modules: does translated code do what other engines do?

Binaryen makes a valid module of random bytes (wasm-opt -ttf). wabt's interpreter runs its functions; what each logs,
leaves in memory and whether it traps becomes the expectation of a test script like those of the official suite, and
tests/spec/spec.py translates and runs that. With --node, V8 must agree with the interpreter first; scripts on which those two differ are
counted and left out.

    random_modules.py --count 1000 [--seed N] [--node node] [--keep DIR] -- run --target x86_64 --aot FILE ...

What follows -- goes to spec.py. A module depends on its seed and Binaryen's version only.
"""
import argparse
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SPEC = HERE.parent / "spec" / "spec.py"
# What both wabt's interpreter and this Binaryen know. NaNs are made zeros: their payloads may differ.
FEATURES = ["bulk-memory", "sign-ext", "nontrapping-float-to-int", "mutable-globals", "simd", "multivalue", "tail-call"]
INPUT_BYTES = (2000, 60000)
MODULES_PER_SCRIPT = 8
WIDTH = 64

# What the interpreter says, and the suite's words for it.
GOT = re.compile(r":(\d+): mismatch in result 0 of assert_return: expected i(?:32|64):[0-9]+, got i(?:32|64):(\d+)")
TRAP = re.compile(r":(\d+): unexpected trap: (.*)")
TRAPS = ["unreachable", "out of bounds memory access", "out of bounds table access", "undefined table index",
         "uninitialized table element", "indirect call signature mismatch", "integer divide by zero", "integer overflow",
         "invalid conversion to integer", "call stack exhausted"]
SUITE_WORDS = {"undefined table index": "undefined element", "uninitialized table element": "uninitialized element",
               "indirect call signature mismatch": "indirect call type mismatch"}
# Never the right answer: so that the interpreter prints the right one. Or it is: then nothing is printed.
UNLIKELY = "1311768467463790320"


class Unusable(Exception):
    """The other engines have no answer for this module."""


def command_line(*words, **more):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **more)


def make_module(seed, file):
    chance = random.Random(seed)
    source = file.with_suffix(".bytes")
    source.write_bytes(chance.randbytes(chance.randrange(*INPUT_BYTES)))
    done = command_line("wasm-opt", str(source), "-ttf", "--denan", *(f"--enable-{name}" for name in FEATURES), "-o", str(file))
    source.unlink()
    if done.returncode != 0:
        raise Unusable(f"wasm-opt: {done.stderr.strip()}")
    done = command_line("wasm-objdump", "-x", str(file))
    if done.returncode != 0:
        raise Unusable(f"wasm-objdump: {done.stderr.strip()}")
    return re.findall(r'-> "([^"]*_invoker)"', done.stdout)


def invoke(kind, line, field, module=None, **more):
    action = {"type": "invoke", **({"module": module} if module else {}), "field": field, "args": []}
    return {"type": kind, "line": line, "action": action, **more}


def returns(line, field, kind, value, module=None):
    return invoke("assert_return", line, field, module, expected=[{"type": kind, "value": value}])


def module_commands(seed, name, exports):
    """A fresh log, the module, and for each function: its fuel, the call, the log after it. Lines number the commands."""
    line = seed * WIDTH * 4
    log = f"$log{seed}"
    commands = [{"type": "module", "line": line, "name": log, "filename": "support.wasm"},
                {"type": "register", "line": line, "name": log, "as": "fuzzing-support"},
                {"type": "module", "line": line + 1, "filename": name}]
    for number, field in enumerate(exports[:WIDTH - 2]):
        at = line + 4 * (number + 1)
        commands += [invoke("action", at, "hangLimitInitializer", expected=[]),
                     invoke("assert_return", at + 1, field, expected=[]),
                     returns(at + 2, "hash", "i64", UNLIKELY, log)]
    return commands + [returns(line + 2, "hashMemory", "i32", "0")]


def write_script(folder, commands):
    """As wast2json writes them: wabt's reader wants each command on a line, and this order of keys."""
    lines = ",\n".join("  " + json.dumps(command) for command in commands)
    (folder / f"{folder.name}.json").write_text(f'{{"source_filename": "{folder.name}.wast",\n "commands": [\n{lines}]}}\n')


def suite_trap(text):
    for words in TRAPS:
        if text.startswith(words):
            return SUITE_WORDS.get(words, words)
    raise Unusable(f"the interpreter says '{text}'")


def expect(command, answers):
    """The command with the interpreter's answer in it."""
    if command["type"] != "assert_return":
        return command
    kind, answer = answers.get(command["line"], (None, None))
    if kind == "trap":
        return {"type": "assert_trap", "line": command["line"], "action": command["action"], "text": answer, "expected": []}
    if kind == "value":
        command["expected"][0]["value"] = answer
    return command


def ask_interpreter(folder, commands):
    write_script(folder, commands)
    try:
        done = command_line("spectest-interp", "--enable-tail-call", f"{folder.name}.json", cwd=folder, timeout=60)
    except subprocess.TimeoutExpired:
        raise Unusable("no end of the interpreter") from None
    if not re.search(r"^\d+/\d+ tests passed", done.stdout, re.M):
        raise Unusable(f"spectest-interp: {done.stdout[-200:]}{done.stderr[-200:]}")
    answers = {}
    for line in done.stdout.splitlines():
        if match := GOT.search(line):
            answers[int(match[1])] = "value", match[2]
        elif match := TRAP.search(line):
            answers[int(match[1])] = "trap", suite_trap(match[2])
        elif "error" in line or "failed" in line:
            raise Unusable(f"spectest-interp: {line}")
    return [expect(command, answers) for command in commands]


def ask_v8(node, folder):
    done = command_line(node, str(HERE / "check_script.js"), str(folder / f"{folder.name}.json"), timeout=120)
    if done.returncode != 0:
        raise Unusable(f"V8 and the interpreter differ: {done.stdout.strip()}{done.stderr.strip()}")


def make_script(options, folder, seeds):
    """The folder of one script with the modules of these seeds, and how many of them are in it."""
    folder.mkdir(parents=True)
    command_line("wat2wasm", str(HERE / "support.wat"), "-o", str(folder / "support.wasm"), check=True)
    whole, count = [], 0
    for seed in seeds:
        name = f"module{seed}.wasm"
        try:
            exports = make_module(seed, folder / name)
            commands = ask_interpreter(folder, module_commands(seed, name, exports))
            write_script(folder, commands)
            if options.node:
                ask_v8(options.node, folder)
        except Unusable as reason:
            if options.verbose:
                print(f"seed {seed}: left out: {reason}")
            continue
        whole += commands
        count += 1
    write_script(folder, whole)
    return count


def run_scripts(options, make):
    """Makes scripts of all seeds by `make` and lets spec.py run them; ends with its status."""
    with tempfile.TemporaryDirectory(prefix="random-modules-") as folder:
        folder = pathlib.Path(options.keep or folder)
        usable = 0
        for first in range(options.seed, options.seed + options.count, MODULES_PER_SCRIPT):
            last = min(first + MODULES_PER_SCRIPT, options.seed + options.count)
            usable += make(options, folder / f"random{first}", range(first, last))
        print(f"{usable} modules of {options.count} have an answer to compare with")
        if usable * 2 < options.count:
            sys.exit("less than half: something is wrong with the tools")
        status = subprocess.run([sys.executable, str(SPEC), *options.spec, "--folder", str(folder)]).returncode
    sys.exit(status)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the first module (default 1)")
    parser.add_argument("--count", type=int, default=80, help="modules (default 80)")
    parser.add_argument("--node", metavar="FILE", help="ask V8 as well")
    parser.add_argument("--keep", metavar="DIR", help="leave the scripts here")
    parser.add_argument("--verbose", action="store_true", help="tell why modules are left out")
    parser.add_argument("spec", nargs="+", help="arguments of spec.py")
    options = parser.parse_args()
    run_scripts(options, make_script)


if __name__ == "__main__":
    main()
