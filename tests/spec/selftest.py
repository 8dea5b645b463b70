#!/usr/bin/env python3
"""Whether the conformance runner notices what is wrong: a script of right and wrong assertions, whose failures
must be exactly the wrong ones. Takes spec.py's options."""
import json
import pathlib
import subprocess
import sys
import tempfile

import spec

MODULE = """
(module
  (memory (export "memory") 1)
  (global (export "seven") i32 (i32.const 7))
  (table 2 funcref)
  (type $none (func))
  (func (export "three") (result i32) (i32.const 3))
  (func (export "nan") (result f32) (f32.const nan:0x200001))
  (func (export "lanes") (param i32 v128) (result i32 v128)
    (local.get 0) (i8x16.add (local.get 1) (i8x16.splat (i32.const 1))))
  (func (export "nans") (result v128) (v128.const i32x4 0x7fc00000 0x7fa00000 0x7fc00001 0xffc00000))
  (func (export "pair") (result i32 i64) (i32.const 1) (i64.const -2))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func $spin (export "spin") (call $spin))
  (func (export "indirect") (param i32) (call_indirect (type $none) (local.get 0)))
  (func (export "divide") (param i64 i64) (result i64) (i64.div_s (local.get 0) (local.get 1))))
"""
OTHER = '(module (import "nobody" "nothing" (func)))'
TRAPS = "(module (func unreachable) (start 0))"


def value(kind, text):
    return {"type": kind, "value": text}


def vector(lane_type, *lanes):
    return {"type": "v128", "lane_type": lane_type, "value": [str(lane) for lane in lanes]}


def invoke(field, *arguments):
    return {"type": "invoke", "field": field, "args": list(arguments)}


def returns(field, arguments, *expected):
    return {"type": "assert_return", "action": invoke(field, *arguments), "expected": list(expected)}


def traps(field, text, *arguments):
    return {"type": "assert_trap", "action": invoke(field, *arguments), "text": text}


MAIN = {"type": "module", "filename": "main.wasm"}
# Each command, and whether it must pass. Lines are counted from 1.
COMMANDS = [
    (MAIN, True),
    (returns("three", [], value("i32", "3")), True),
    (returns("three", [], value("i32", "4")), False),
    (returns("nan", [], value("f32", "nan:arithmetic")), False),  # a signalling NaN is none
    (returns("pair", [], value("i32", "1"), value("i64", str(2**64 - 2))), True),
    (returns("pair", [], value("i32", "1"), value("i64", "2")), False),
    (returns("lanes", [value("i32", "5"), vector("i8", *range(16))], value("i32", "5"), vector("i8", *range(1, 17))), True),
    (returns("lanes", [value("i32", "5"), vector("i64", 0, 255)], value("i32", "5"),
             vector("i16", *[257] * 4, 256, *[257] * 3)), True),
    (returns("lanes", [value("i32", "5"), vector("i8", *range(16))], value("i32", "4"), vector("i8", *range(1, 17))), False),
    (returns("lanes", [value("i32", "5"), vector("i8", *range(16))], value("i32", "5"), vector("i8", *range(1, 16), 17)), False),
    (returns("lanes", [value("i32", "5"), vector("f64", 0, 0)], value("i32", "5"),
             vector("i32", *[0x01010101] * 3, 0x02010101)), False),
    (returns("nans", [], vector("f32", "nan:canonical", 0x7fa00000, "nan:arithmetic", "nan:canonical")), True),
    (returns("nans", [], vector("f32", "nan:canonical", "nan:arithmetic", "nan:arithmetic", "nan:canonical")), False),
    (returns("nans", [], vector("f32", "nan:canonical", 0x7fa00000, "nan:canonical", "nan:canonical")), False),
    (returns("nobody", []), False),
    (returns("load", [value("i32", "65532")], value("i32", "0")), True),
    (traps("load", "out of bounds memory access", value("i32", "65533")), True),
    (traps("load", "out of bounds memory access", value("i32", str(2**32 - 1))), True),
    (traps("load", "out of bounds memory access", value("i32", "0")), False),
    (traps("load", "unreachable", value("i32", "65533")), False),
    (returns("load", [value("i32", "65533")], value("i32", "0")), False),
    (traps("spin", "call stack exhausted"), True),
    (traps("indirect", "uninitialized element", value("i32", "1")), True),
    (traps("indirect", "undefined element", value("i32", "2")), True),
    (traps("divide", "integer overflow", value("i64", str(2**63)), value("i64", str(2**64 - 1))), True),
    (traps("divide", "integer divide by zero", value("i64", "1"), value("i64", "0")), True),
    (returns("three", [], value("i32", "3")), True),  # and goes on after traps
    ({"type": "assert_return", "action": {"type": "get", "field": "seven"}, "expected": [value("i32", "8")]}, False),
    ({"type": "assert_unlinkable", "filename": "other.wasm", "text": "unknown import"}, True),
    ({"type": "assert_unlinkable", "filename": "main.wasm", "text": "unknown import"}, False),
    ({"type": "assert_uninstantiable", "filename": "traps.wasm", "text": "unreachable"}, True),
    ({"type": "assert_uninstantiable", "filename": "main.wasm", "text": "unreachable"}, False),
    ({"type": "assert_invalid", "filename": "main.wasm", "text": "type mismatch", "module_type": "binary"}, False),
    ({"type": "assert_malformed", "filename": "empty.wasm", "text": "unexpected end", "module_type": "binary"}, True),
]


def write_suite(folder):
    for name, text in (("main", MODULE), ("other", OTHER), ("traps", TRAPS)):
        (folder / "text.wat").write_text(text)
        subprocess.run(["wat2wasm", str(folder / "text.wat"), "-o", str(folder / f"{name}.wasm")], check=True)
    (folder / "empty.wasm").write_bytes(b"")
    commands = [dict(command, line=line) for line, (command, _) in enumerate(COMMANDS, 1)]
    (folder / f"{folder.name}.json").write_text(json.dumps({"commands": commands}))


def main():
    options = spec.read_options()
    options.no_page_zero |= not spec.can_map_page_zero()
    with tempfile.TemporaryDirectory(prefix="spec-selftest-") as folder:
        folder = pathlib.Path(folder) / "selftest"
        folder.mkdir()
        write_suite(folder)
        spectest = folder / "spectest.wasm"
        spectest.write_bytes(spec.spectest_module(False))
        outcome = spec.run_script(options, spec.Script(folder, spectest, {}, "selftest"))
    found = sorted(int(failure.split(":")[1]) for failure in outcome.failures)
    wanted = [line for line, (_, passes) in enumerate(COMMANDS, 1) if not passes]
    passes = sum(passes for command, passes in COMMANDS if command["type"].startswith("assert_"))
    print("\n".join(outcome.failures))
    if found != wanted or outcome.passed != passes:
        print(f"selftest: failures in lines {found}, should be {wanted}; passed {outcome.passed}, should be {passes}")
        return 1
    print(f"selftest: {len(wanted)} wrong assertions noticed, {passes} right ones passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
