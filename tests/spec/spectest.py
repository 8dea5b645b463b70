"""The host module of the official test scripts, `spectest`, as a WebAssembly module: what the reference interpreter
provides. Encoded here because wabt's text format has no 64-bit tables."""
import struct

I32, I64, F32, F64, FUNCREF = 0x7F, 0x7E, 0x7D, 0x7C, 0x70
FUNCTION, TABLE, MEMORY, GLOBAL = range(4)

PRINTERS = {"print": [], "print_i32": [I32], "print_i64": [I64], "print_f32": [F32], "print_f64": [F64],
            "print_i32_f32": [I32, F32], "print_f64_f64": [F64, F64]}
GLOBALS = {"global_i32": (I32, b"\x41\x9a\x05"), "global_i64": (I64, b"\x42\x9a\x05"),
           "global_f32": (F32, b"\x43" + struct.pack("<f", 666.6)), "global_f64": (F64, b"\x44" + struct.pack("<d", 666.6))}


def leb(value):
    """Unsigned LEB128."""
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data) + bytes([value])


def vector(items):
    return leb(len(items)) + b"".join(items)


def section(number, items):
    content = vector(items)
    return bytes([number]) + leb(len(content)) + content


def spectest_module(has_table64, has_shared_memory=False):
    tables = [("table", bytes([FUNCREF, 1, 10, 20]))]
    if has_table64:
        tables.append(("table64", bytes([FUNCREF, 5, 10, 20])))
    exports = [(name, FUNCTION, index) for index, name in enumerate(PRINTERS)]
    exports += [(name, TABLE, index) for index, (name, _) in enumerate(tables)]
    memories = [("memory", bytes([1, 1, 2]))] + [("shared_memory", bytes([3, 1, 2]))] * has_shared_memory
    exports += [(name, MEMORY, index) for index, (name, _) in enumerate(memories)]
    exports += [(name, GLOBAL, index) for index, name in enumerate(GLOBALS)]
    return b"".join((
        b"\0asm\1\0\0\0",
        section(1, [b"\x60" + vector([bytes([kind]) for kind in kinds]) + b"\0" for kinds in PRINTERS.values()]),
        section(3, [leb(index) for index in range(len(PRINTERS))]),
        section(4, [encoding for _, encoding in tables]),
        section(5, [encoding for _, encoding in memories]),
        section(6, [bytes([kind, 0]) + value + b"\x0b" for kind, value in GLOBALS.values()]),
        section(7, [leb(len(name)) + name.encode() + bytes([kind]) + leb(index) for name, kind, index in exports]),
        section(10, [b"\x02\x00\x0b"] * len(PRINTERS))))
