"""Modules that are small and valid, and take a compiler long that does not expect them: one function each, or many that
are each below the limits of aot/survey.c.

    hostile.py SHAPE BYTES FILE
"""
import random
import sys

from exnref import const, get, leb, section, vector

I32, F64 = b"\x7f", b"\x7c"
LOCALS = 8


def put(local):
    return b"\x21" + leb(local)


BLOCK, LOOP, END, DROP, ADD, XOR = b"\x02\x40", b"\x03\x40", b"\x0b", b"\x1a", b"\x6a", b"\x73"
LOAD, STORE = b"\x28\x02\x00", b"\x36\x02\x00"


def br(depth):
    return b"\x0c" + leb(depth)


def br_if(depth):
    return b"\x0d" + leb(depth)


def function_body(code, local_count=LOCALS, local_type=I32):
    """`code`, which the locals outlive."""
    store = STORE if local_type == I32 else b"\x39\x03\x00"
    keep = b"".join(const(8 * number) + get(number) + store for number in range(LOCALS))
    return vector([leb(local_count) + local_type]) + code + keep + END


def module_of(bodies, results=0):
    """All functions are exported: none is dropped. Type 0 has `results` results."""
    types = [b"\x60\x00" + vector([I32] * results), b"\x60\x00\x00"]
    names = [b"_start"] + [str(number).encode() for number in range(1, len(bodies))]
    return (b"\0asm\x01\0\0\0" + section(1, types) + section(3, [b"\x01"] * len(bodies)) + section(5, [b"\0\x01"]) +
            section(7, [leb(len(name)) + name + b"\0" + leb(number) for number, name in enumerate(names)]) +
            section(10, [leb(len(body)) + body for body in bodies]))


def module(code, local_count=LOCALS, local_type=I32, results=0):
    return module_of([function_body(code, local_count, local_type)], results)


def fill(size, step):
    """step(0) + step(1) + ... up to `size` bytes."""
    out = bytearray()
    number = 0
    while len(out) < size:
        out += step(number)
        number += 1
    return bytes(out)


def straight(size):
    """One long block."""
    return module(fill(size, lambda n: get(n % 8) + const(n * 77 % 9999) + ADD + get((n * 5 + 3) % 8) + XOR + put(n * 3 % 8)))


def floats(size):
    """One long block whose values hang on each other."""
    return module(fill(size, lambda n: get(n % 8) + get((n + 1) % 8) + b"\xa2" + get((n * 5 + 3) % 8) + b"\xa0" + put(n * 3 % 8)), local_type=F64)


def blocks(size):
    count = size // 9
    return BLOCK * count + b"".join(get(n % 8) + br_if(n % max(1, count - 1 - n)) + END for n in range(count))


def nested_blocks(size):
    return module(blocks(size))


def loop_body(number):
    return get(number % 8) + const(1) + ADD + b"\x22" + leb(number % 8) + const(50) + b"\x48" + br_if(0) + END


def loops_within(size):
    count = size // 20
    return LOOP * count + b"".join(map(loop_body, range(count)))


def nested_loops(size):
    return module(loops_within(size))


def loops_behind(size):
    """Each uses what those before have computed."""
    return fill(size, lambda n: LOOP + get((n + 1) % 8) + LOAD + get((n + 3) % 8) + ADD + put((n + 1) % 8) + loop_body(n))


def many_loops(size):
    return module(loops_behind(size))


def repeated(size, code):
    body = function_body(code)
    return module_of([body] * (size // len(body)))


def small_nests(size):
    return repeated(size, loops_within(80))


def small_rows(size):
    return repeated(size, loops_behind(5000))


def small_blocks(size):
    return repeated(size, blocks(9000))


def many_locals(size, count=50000):
    chance = random.Random(1)
    local = lambda: chance.randrange(count)
    step = lambda _: BLOCK + get(local()) + br_if(0) + (get(local()) + get(local()) + ADD + put(local())) * 3 + END
    return module(LOOP + fill(size, step) + get(0) + br_if(0) + END, count)


def dispatch_code(size):
    """A switch of many targets in a loop."""
    count = size // 24
    head = LOOP + BLOCK * count + get(0) + LOAD + b"\x0e" + vector([leb(n) for n in range(count)]) + b"\0"
    return head + b"".join(END + get(n % 8) + get(n % 7) + ADD + put(n % 5) + br(count - 1 - n) for n in range(count)) + END


def dispatch(size):
    return module(dispatch_code(size))


def small_dispatches(size):
    return repeated(size, dispatch_code(24000))


def carried(size):
    """Branches of four bytes that carry a thousand values."""
    return module(b"\x02\x00" + const(0) * 1000 + (get(0) + br_if(0)) * (size // 4) + END + DROP * 1000, results=1000)


def exports(size):
    """One function under many names."""
    names = [b"_start"] + [b"%012x" % number for number in range(size // 15)]
    return (b"\0asm\x01\0\0\0" + section(1, [b"\x60\x00\x00"]) + section(3, [b"\0"]) +
            section(7, [leb(len(name)) + name + b"\0\0" for name in names]) + section(10, [b"\x02\0" + END]))


def segments(size):
    """Many pieces of data, of a few bytes each."""
    return (b"\0asm\x01\0\0\0" + section(1, [b"\x60\x00\x00"]) + section(3, [b"\0"]) + section(5, [b"\0\x01"]) +
            section(7, [b"\x06_start\0\0"]) + section(10, [b"\x02\0" + END]) +
            section(11, [b"\0" + const(number % 64) + END + b"\x08" + b"a" * 8 for number in range(size // 13)]))


SHAPES = {shape.__name__: shape for shape in (straight, floats, nested_blocks, nested_loops, many_loops, many_locals, dispatch, carried, small_nests, small_rows,
                                            small_blocks, small_dispatches, exports, segments)}

if __name__ == "__main__":
    with open(sys.argv[3], "wb") as output:
        output.write(SHAPES[sys.argv[1]](int(sys.argv[2])))
