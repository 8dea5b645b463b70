#!/usr/bin/python3
"""Writes the module of spawn_exit_1mb: over 1 MB of machine code, 16 initial pages, of which it touches two."""
import sys

FUNCTIONS, STEPS = 1400, 50


def function(number):
    steps = "".join(
        f"    (local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const {number * 7919 + step * 104729 + 3}))\n"
        f"      (i32.rotl (local.get 1) (i32.and (local.get 0) (i32.const 31)))))\n"
        f"    (local.set 1 (i32.add (local.get 1) (i32.load8_u (i32.and (local.get 0) (i32.const 65535)))))\n"
        for step in range(STEPS))
    return f'  (func (export "f{number}") (param i32 i32) (result i32)\n{steps}    (local.get 0))\n'


with open(sys.argv[1], "w", encoding="ascii") as file:
    file.write('(module\n  (memory (export "memory") 16)\n')
    file.writelines(function(number) for number in range(FUNCTIONS))
    file.write('  (func (export "_start")\n    (i32.store (i32.const 0) (i32.const 1))\n'
               '    (i32.store (i32.const 983040) (i32.const 1))))\n')
