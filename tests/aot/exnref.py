"""Modules that keep references to exceptions, encoded here because Debian's wat2wasm does not know exnref."""
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "spec"))
from spectest import leb, section, vector  # noqa: E402

EXNREF, I32, EMPTY = b"\x69", b"\x7f", b"\x40"
LOCAL_GET, LOCAL_SET, LOCAL_TEE = b"\x20", b"\x21", b"\x22"
MUL, REM_U, ADD, NE = b"\x6c", b"\x70", b"\x6a", b"\x47"
END, UNREACHABLE, THROW, THROW_REF = b"\x0b", b"\x00", b"\x08\x00", b"\x0a"
CALL_EXIT = b"\x10\x00"


def const(value):
    data = bytearray()
    while not -64 <= value < 64:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return b"\x41" + bytes(data) + bytes([value & 0x7F])


def get(index):
    return LOCAL_GET + leb(index)


def module(entries, rounds, looks):
    """Throws an exception a round and keeps it in a table of so many entries; `looks`: throws one of those that are
    kept again and compares its value. Locals: the round, an exception, a value."""
    place = get(0) + const(entries) + REM_U
    other = get(0) + const(7) + MUL
    other_place = other + const(entries) + REM_U
    catch_one = (b"\x02" + EXNREF + b"\x1f" + EMPTY + b"\x01\x03\x00" + get(0) + THROW + END + UNREACHABLE + END
                 + LOCAL_SET + leb(1))
    keep = place + get(1) + b"\x26\x00"
    look = (b"\x02" + I32 + b"\x1f" + EMPTY + b"\x01\x00\x00\x00" + other_place + b"\x25\x00" + LOCAL_TEE + leb(1)
            + b"\xd1\x04" + EMPTY + other + THROW + END + get(1) + THROW_REF + END + UNREACHABLE + END
            + const(entries) + REM_U + other_place + NE + b"\x04" + EMPTY + const(1) + CALL_EXIT + END)
    again = get(0) + const(1) + ADD + LOCAL_TEE + leb(0) + const(rounds) + NE + b"\x0d\x00"
    code = b"\x03" + EMPTY + catch_one + keep + (look if looks else b"") + again + END + const(5) + CALL_EXIT + END
    body = vector([leb(1) + I32, leb(1) + EXNREF, leb(1) + I32]) + code
    name = lambda text: leb(len(text)) + text
    return b"".join((
        b"\0asm\1\0\0\0",
        section(1, [b"\x60\x01\x7f\x00", b"\x60\x00\x00"]),
        section(2, [name(b"wasi_snapshot_preview1") + name(b"proc_exit") + b"\x00\x00"]),
        section(3, [b"\x01"]),
        section(4, [EXNREF + b"\x00" + leb(entries)]),
        section(13, [b"\x00\x00"]),
        section(7, [name(b"_start") + b"\x00\x01"]),
        section(10, [leb(len(body)) + body])))
