"""Modules of operators that Debian's wat2wasm does not know, encoded here: references to functions and exceptions with exnref.

A function is its name, the number of its type and its code without the last end.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "spec"))
from spectest import leb, section, vector  # noqa: E402

I32, EXNREF, EMPTY, END = b"\x7f", b"\x69", b"\x40", b"\x0b"
FUNCTION = b"\x60"
GET0, GET1, ONE, ADD, DROP, RETURN, UNREACHABLE = b"\x20\x00", b"\x20\x01", b"\x41\x01", b"\x6a", b"\x1a", b"\x0f", b"\x00"
NULLABLE, PRESENT = b"\x63\x00", b"\x64\x00"  # references to functions of type 0


def name(text):
    return leb(len(text)) + text.encode()


def module(types, imports, functions, tags=()):
    """`imports`: names of WASI functions, of type 0."""
    bodies = [leb(0) + code + END for _, _, code in functions]
    first = len(imports)
    names = [leb(first + number) + name(text) for number, (text, _, _) in enumerate(functions)]
    subsection = vector(names)
    custom = name("name") + b"\x01" + leb(len(subsection)) + subsection
    return b"".join((
        b"\0asm\1\0\0\0", section(1, types),
        section(2, [name("wasi_snapshot_preview1") + name(text) + b"\x00\x00" for text in imports]) if imports else b"",
        section(3, [leb(type_) for _, type_, _ in functions]),
        section(13, [b"\x00" + leb(type_) for type_ in tags]) if tags else b"",
        section(7, [name(text) + b"\x00" + leb(first + number) for number, (text, _, _) in enumerate(functions)]),
        section(10, [leb(len(body)) + body for body in bodies]),
        b"\x00" + leb(len(custom)) + custom))


def references():
    types = [FUNCTION + vector([I32]) + vector([I32]),
             FUNCTION + vector([I32, NULLABLE]) + vector([I32]),
             FUNCTION + vector([I32, PRESENT]) + vector([I32]),
             FUNCTION + vector([NULLABLE]) + vector([I32]),
             FUNCTION + vector([NULLABLE]) + vector([PRESENT])]
    call = GET0 + GET1 + b"\x14\x00" + ONE + ADD
    functions = [("call_ref of (ref null $t)", 1, call), ("call_ref of (ref $t)", 2, call),
                 ("ref.as_non_null", 4, GET0 + b"\xd4"),
                 ("br_on_null", 3, b"\x02" + EMPTY + GET0 + b"\xd5\x00" + DROP + b"\x41\x05" + RETURN + END + b"\x41\x07")]
    return module(types, [], functions), [text for text, _, _ in functions]


def tail_calls():
    types = [FUNCTION + vector([I32]) + vector([I32]), FUNCTION + vector([I32, NULLABLE]) + vector([I32])]
    return module(types, [], [("return_call_ref", 1, GET0 + GET1 + b"\x15\x00")]), ["return_call_ref"]


def exceptions():
    types = [FUNCTION + vector([]) + vector([I32]), FUNCTION + vector([I32]) + vector([])]
    call_away, call_throws, throw = b"\x10\x00", b"\x10\x01", b"\x08\x00"
    # Too large to be inlined: it calls itself.
    throws = call_away + b"\x04" + EMPTY + ONE + throw + END + call_away + b"\x04" + EMPTY + call_throws + DROP + END + call_away
    caught = b"\x02" + I32 + b"\x1f" + EMPTY + b"\x01\x00\x00\x00" + call_throws + ONE + ADD + RETURN + END + UNREACHABLE + END
    passed = (b"\x02" + EXNREF + b"\x1f" + EMPTY + b"\x01\x03\x00" + call_throws + RETURN + END + UNREACHABLE + END +
              call_away + DROP + b"\x0a")
    functions = [("throws", 0, throws), ("try_table (catch $t)", 0, caught), ("try_table (catch_all_ref), throw_ref", 0, passed)]
    return module(types, ["sched_yield"], functions, tags=[1]), [text for text, _, _ in functions[1:]]
