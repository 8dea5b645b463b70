#!/usr/bin/env python3
"""Random modules of the newer parts of the language: does translated code do what V8 does?

As random_modules.py, but with a Binaryen and a V8 that know exceptions with exnref, 64-bit memories, several memories and
more, which wabt's interpreter does not: npm's binaryen (132 was tried) and node 24. By hand only.

    random_newer.py --wasm-opt "NODE .../bin/wasm-opt" --node NODE --count 200 [--seed N] [--keep DIR] -- run --target x86_64 --aot FILE ...
"""
import argparse
import json
import random
import subprocess

import random_modules
from random_modules import HERE, Unusable, command_line, invoke, returns, write_script

FEATURES = ["sign-ext", "mutable-globals", "nontrapping-float-to-int", "simd", "bulk-memory", "bulk-memory-opt", "multivalue",
            "exception-handling", "tail-call", "reference-types", "extended-const"]
SOMETIMES = ["memory64", "multimemory"]
INPUT_BYTES = (500, 20000)
# V8's words, where they mean one of the suite's kinds of traps; a module's answers end before a message that means two.
TRAPS = {
    "unreachable": "unreachable",
    "memory access out of bounds": "out of bounds memory access",
    "divide by zero": "integer divide by zero",
    "remainder by zero": "integer divide by zero",
    "divide result unrepresentable": "integer overflow",
    "Maximum call stack size exceeded": "call stack exhausted",
    "dereferencing a null pointer": "null reference",
}


def make_module(options, seed, file):
    chance = random.Random(seed)
    source = file.with_suffix(".bytes")
    source.write_bytes(chance.randbytes(chance.randrange(*INPUT_BYTES)))
    features = FEATURES + [name for name in SOMETIMES if chance.random() < 0.4]
    # V8 takes no module with both kinds of exceptions: all become the new kind.
    done = command_line(*options.wasm_opt.split(), str(source), "-ttf", "--denan", *(f"--enable-{name}" for name in features),
                        "--translate-to-exnref", "-o", str(file))
    source.unlink()
    if done.returncode != 0:
        raise Unusable(f"wasm-opt: {done.stderr.strip()[-200:]}")


def ask_v8(options, folder, file):
    try:
        done = command_line(options.node, str(HERE / "v8_answers.js"), str(folder / "support.wasm"), str(folder / "globals.wasm"),
                            str(file), timeout=20)
    except subprocess.TimeoutExpired:
        raise Unusable("no end in V8") from None
    if done.returncode != 0:
        raise Unusable(f"V8: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def expectation(answer, line):
    """What the call must do; None when V8's words are not clear."""
    if "exception" in answer:
        return invoke("assert_exception", line, answer["field"], expected=[])
    if "trap" not in answer:
        return invoke("assert_return", line, answer["field"], expected=[])
    if answer["trap"] not in TRAPS:
        return None
    return invoke("assert_trap", line, answer["field"], text=TRAPS[answer["trap"]], expected=[])


def module_commands(seed, name, answers):
    line, log = seed * 1000, f"$log{seed}"
    commands = [{"type": "module", "line": line, "name": log, "filename": "support.wasm"},
                {"type": "register", "line": line, "name": log, "as": "fuzzing-support"},
                {"type": "module", "line": line + 1, "filename": name}]
    for number, answer in enumerate(answers):
        command = expectation(answer, line + 2 * number + 2)
        if not command:
            break
        commands += [command, returns(line + 2 * number + 3, "hash", "i64", answer["hash"], log)]
    if len(commands) == 3:
        raise Unusable("no clear answer")
    return commands


def make_script(options, folder, seeds):
    folder.mkdir(parents=True)
    for source, target in (("support_newer", "support"), ("globals", "globals")):
        command_line("wat2wasm", "--enable-exceptions", str(HERE / f"{source}.wat"), "-o", str(folder / f"{target}.wasm"), check=True)
    whole = [{"type": "module", "line": 1, "name": "$globals", "filename": "globals.wasm"},
             {"type": "register", "line": 1, "name": "$globals", "as": "__fuzz_import"}]
    count = 0
    for seed in seeds:
        name = f"module{seed}.wasm"
        try:
            make_module(options, seed, folder / name)
            whole += module_commands(seed, name, ask_v8(options, folder, folder / name))
            count += 1
        except Unusable as reason:
            if options.verbose:
                print(f"seed {seed}: left out: {reason}")
    write_script(folder, whole)
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the first module (default 1)")
    parser.add_argument("--count", type=int, default=80, help="modules (default 80)")
    parser.add_argument("--wasm-opt", required=True, help="the command, its words separated by blanks")
    parser.add_argument("--node", required=True)
    parser.add_argument("--keep", metavar="DIR", help="leave the scripts here")
    parser.add_argument("--verbose", action="store_true", help="tell why modules are left out")
    parser.add_argument("spec", nargs="+", help="arguments of spec.py")
    options = parser.parse_args()
    random_modules.run_scripts(options, make_script)


if __name__ == "__main__":
    main()
