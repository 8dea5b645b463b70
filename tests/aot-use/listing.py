#!/usr/bin/env python3
"""Keeps the listings of docs/aot.md true: what typical operators of each group become on both machines.

    listing.py --aot FILE                  whether the page says what the translator does
    listing.py --aot FILE --write          make it so

The listings stand between two comments in the page. Each is one function of one operator, or a few, translated at -O2.
"""
import argparse
import difflib
import pathlib
import re
import subprocess
import sys
import tempfile

import encoded

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "aot.md"
BEGIN, END = "<!-- listings: tests/aot-use/listing.py -->\n", "<!-- end of listings -->\n"
WIDTH = 56


def binary(name, type_, result=None):
    return f"(func ${name} (export \"{name}\") (param {type_} {type_}) (result {result or type_}) ({name} (local.get 0) (local.get 1)))"


def unary(name, type_, result=None):
    return f"(func ${name} (export \"{name}\") (param {type_}) (result {result or type_}) ({name} (local.get 0)))"


def function(name, signature, body):
    return f"(func ${name} (export \"{name}\") {signature} {body})"


# More than LLVM inlines.
STORES = " ".join(f"(i32.store offset={offset} (local.get 0) (i32.const {offset}))" for offset in range(0, 1000, 8))

# Group, what is said of it, flags of wat2wasm, the module's other fields, functions.
GROUPS = [
    ("Integers", "One instruction each; what traps is tested before, and the trap stands out of line.", "", "", [
        binary("i32.add", "i32"), binary("i64.mul", "i64"), binary("i32.div_s", "i32"), binary("i32.rem_u", "i32"),
        binary("i32.shl", "i32"), binary("i32.rotl", "i32"), unary("i32.clz", "i32"), unary("i32.ctz", "i32"),
        unary("i32.popcnt", "i32"), binary("i64.lt_s", "i64", "i32"), unary("i64.extend_i32_s", "i32", "i64"),
        unary("i32.wrap_i64", "i64", "i32"), unary("i32.extend8_s", "i32")]),
    ("Floating point", "IEEE 754's, with all that WebAssembly says of NaNs and of what cannot be converted.", "", "", [
        binary("f64.add", "f64"), unary("f64.sqrt", "f64"), unary("f64.nearest", "f64"), binary("f64.min", "f64"),
        binary("f32.copysign", "f32"), binary("f64.lt", "f64", "i32"), unary("i32.trunc_f64_s", "f64", "i32"),
        unary("i32.trunc_sat_f64_s", "f64", "i32"), unary("f64.convert_i32_u", "i32", "f64"),
        unary("f32.demote_f64", "f64", "f32"), unary("i64.reinterpret_f64", "f64", "i64")]),
    ("Memory", "An access is one instruction, and the fault is the trap. The first line is the zero extension of a parameter.",
     "", "(memory 1) (data $d \"0123456789\")", [
         function("i32.load", "(param i32) (result i32)", "(i32.load offset=16 (local.get 0))"),
         function("i64.store", "(param i32 i64)", "(i64.store offset=8 (local.get 0) (local.get 1))"),
         function("i32.load8_s", "(param i32) (result i32)", "(i32.load8_s (local.get 0))"),
         function("f64.load", "(param i32) (result f64)", "(f64.load (local.get 0))"),
         function("memory.size", "(result i32)", "(memory.size)"),
         function("memory.grow", "(param i32) (result i32)", "(memory.grow (local.get 0))"),
         function("memory.fill", "(param i32 i32)", "(memory.fill (local.get 0) (local.get 1) (i32.const 100))"),
         function("memory.copy", "(param i32 i32 i32)", "(memory.copy (local.get 0) (local.get 1) (local.get 2))"),
         function("memory.init", "(param i32)", "(memory.init $d (local.get 0) (i32.const 2) (i32.const 4))")]),
    ("Variables and control", "Blocks and locals are gone; what is left are branches and registers.", "",
     "(memory 1) (global $g (mut i32) (i32.const 0))", [
         function("global", "(param i32) (result i32)", "(global.get $g) (global.set $g (local.get 0))"),
         function("select", "(param i32 i32 i32) (result i32)", "(select (local.get 0) (local.get 1) (local.get 2))"),
         function("loop", "(param i32) (result i32) (local i32)",
                  "(loop (local.set 1 (i32.xor (local.get 1) (i32.load (local.get 0)))) "
                  "(br_if 0 (local.tee 0 (i32.load offset=4 (local.get 0))))) (local.get 1)"),
         function("br_table", "(param i32) (result i32)",
                  "(block (block (block (block (block (block (block (block (block (br_table 0 1 2 3 4 5 6 7 8 (local.get 0))) "
                  "(return (i32.load (i32.const 4)))) (return (i32.const 7))) (return (i32.load (i32.const 8)))) "
                  "(return (i32.const 1))) (return (i32.load (i32.const 40)))) (return (i32.const 9))) (return (i32.load (i32.const 16)))) "
                  "(return (i32.const 2)))  (i32.const 3)"),
         function("unreachable", "", "unreachable")]),
    ("Calls and tables", "The number of a function's type stands before its code; a table entry is its address.", "--enable-tail-call",
     "(type $t (func (param i32) (result i32))) (table $table 8 100 funcref) (elem (i32.const 0) $f) (func $f (param i32) (result i32) "
     "(table.set $table (i32.const 1) (ref.null func)) (drop (table.grow $table (ref.null func) (i32.const 1))) " + STORES + "(i32.load (local.get 0))) (memory 1)"
     "(func $away (import \"wasi_snapshot_preview1\" \"sched_yield\") (result i32))", [
         function("call", "(param i32) (result i32)", "(i32.add (call $f (local.get 0)) (i32.const 1))"),
         function("call_indirect", "(param i32 i32) (result i32)",
                  "(i32.add (call_indirect (type $t) (local.get 0) (local.get 1)) (i32.const 1))"),
         function("table.get", "(param i32) (result i32)", "(ref.is_null (table.get $table (local.get 0)))"),
         function("table.size", "(result i32)", "(table.size $table)"),
         function("ref.func", "", "(table.set $table (i32.const 0) (ref.func $f))"),
         function("import", "", "(drop (call $away))")]),
    ("Tail calls", "The frame is gone before the jump.", "--enable-tail-call",
     "(type $t (func (param i32) (result i32))) (table 2 2 funcref) (elem (i32.const 0) $odd)", [
         function("return_call", "(param i32) (result i32)",
                  "(if (i32.eqz (local.get 0)) (then (return (i32.const 1)))) (return_call $odd (i32.sub (local.get 0) (i32.const 1)))"),
         "(func $odd (param i32) (result i32) (return_call_indirect (type $t) (local.get 0) (local.get 0)))"]),
    ("SIMD", "A v128 is a vector register; an operator sees it as its own lanes.", "", "(memory 1)", [
        function("v128.load", "(param i32) (result v128)", "(v128.load offset=16 (local.get 0))"),
        function("i32x4.add", "(param v128 v128) (result v128)", "(i32x4.add (local.get 0) (local.get 1))"),
        function("f32x4.min", "(param v128 v128) (result v128)", "(f32x4.min (local.get 0) (local.get 1))"),
        function("i8x16.swizzle", "(param v128 v128) (result v128)", "(i8x16.swizzle (local.get 0) (local.get 1))"),
        function("i8x16.shuffle", "(param v128 v128) (result v128)",
                 "(i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get 0) (local.get 1))"),
        function("i32x4.trunc_sat_f32x4_s", "(param v128) (result v128)", "(i32x4.trunc_sat_f32x4_s (local.get 0))"),
        function("i32x4.dot_i16x8_s", "(param v128 v128) (result v128)", "(i32x4.dot_i16x8_s (local.get 0) (local.get 1))"),
        function("i16x8.extadd_pairwise_i8x16_u", "(param v128) (result v128)", "(i16x8.extadd_pairwise_i8x16_u (local.get 0))"),
        function("v128.load8x8_s", "(param i32) (result v128)", "(v128.load8x8_s offset=16 (local.get 0))"),
        function("i8x16.bitmask", "(param v128) (result i32)", "(i8x16.bitmask (local.get 0))")]),
    ("Atomics", "Sequentially consistent, as all of the proposal's; misaligned ones trap.", "--enable-threads", "(memory 1 1 shared)", [
        function("i32.atomic.load", "(param i32) (result i32)", "(i32.atomic.load (local.get 0))"),
        function("i32.atomic.store", "(param i32 i32)", "(i32.atomic.store (local.get 0) (local.get 1))"),
        function("i32.atomic.rmw.add", "(param i32 i32) (result i32)", "(i32.atomic.rmw.add (local.get 0) (local.get 1))"),
        function("i64.atomic.rmw.cmpxchg", "(param i32 i64 i64) (result i64)",
                 "(i64.atomic.rmw.cmpxchg (local.get 0) (local.get 1) (local.get 2))"),
        function("atomic.fence", "", "(atomic.fence)"),
        function("memory.atomic.notify", "(param i32 i32) (result i32)", "(memory.atomic.notify (local.get 0) (local.get 1))"),
        function("memory.atomic.wait32", "(param i32 i32 i64) (result i32)",
                 "(memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2))")]),
    ("Exceptions", "A try costs nothing until something is thrown: the landing pad is reached by tables.", "--enable-exceptions",
     "(tag $t (param i32)) (func $f (import \"wasi_snapshot_preview1\" \"sched_yield\") (result i32)) "
     "(func $g (result i32) (if (call $f) (then (throw $t (i32.const 7)))) (call $f))", [
         function("throw", "(param i32)", "(throw $t (local.get 0))"),
         function("try", "(result i32)", "(try (result i32) (do (i32.add (call $throws) (i32.const 1))) (catch $t))"),
         "(func $throws (result i32) (if (call $f) (then (call $throw (i32.const 1)) (drop (call $throws)))) (call $f))"]),
    ("Relaxed SIMD", "The same on both machines: what the deterministic profile says.", "--enable-relaxed-simd", "", [
        function("i8x16.relaxed_swizzle", "(param v128 v128) (result v128)", "(i8x16.relaxed_swizzle (local.get 0) (local.get 1))"),
        function("i32x4.relaxed_trunc_f32x4_s", "(param v128) (result v128)", "(i32x4.relaxed_trunc_f32x4_s (local.get 0))")]),
    ("64-bit memories", "No guard is that large: the bounds are checked.", "--enable-memory64", "(memory i64 1)", [
        function("i32.load", "(param i64) (result i32)", "(i32.load offset=16 (local.get 0))"),
        function("memory.size", "(result i64)", "(memory.size)")]),
    ("Several memories", "Another memory is another constant.", "--enable-multi-memory", "(memory 1) (memory $second 1)", [
        function("i32.load $second", "(param i32) (result i32)", "(i32.load $second (local.get 0))").replace("$i32.load $second", "$load", 1)
        .replace('"i32.load $second"', '"load"'),
        function("i64.store $second", "(param i32 i64)", "(i64.store $second offset=8 (local.get 0) (local.get 1))")
        .replace("$i64.store $second", "$store", 1).replace('"i64.store $second"', '"store"')]),
]

# Of operators that wat2wasm does not know: what makes the module, and tells the functions' names.
ENCODED_GROUPS = [
    ("Function references", "A reference is the function's address, its type known: a call checks for null where the type has it.", encoded.references),
    ("Tail calls by reference", "", encoded.tail_calls),
    ("Exceptions as references", "As the older encoding; a reference is the exception's record.", encoded.exceptions),
]

# What every function has and says nothing: setting up and removing the frame.
FRAME = re.compile(r"(pushq|popq) %rbp|movq %rsp, %rbp|stp x29, x30, \[sp, #-16\]!|mov x29, sp|ldp x29, x30, \[sp\], #16")


def assembly(options, module, target):
    done = subprocess.run([options.aot, "--target", target, "-O2", "-g0", "--emit", "asm", "-o", "-", module],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout


def body(text, name):
    """The instructions of one function, with its labels numbered."""
    match = re.search(rf'^"?wasm\.{re.escape(name)}"?:\s*(?:[#/;].*)?\n(.*?)^\.Lfunc_end', text, re.MULTILINE | re.DOTALL)
    if not match:
        sys.exit(f"no function {name} in the assembly")
    lines, labels = [], {}
    for line in match[1].splitlines():
        line = re.sub(r"\s*(#|//|;)\s.*$", "", line.replace("\t", " ").strip())
        line = re.sub(r"\s*##?.*$", "", line) if line.startswith((".LBB", "#")) else line
        label = re.fullmatch(r"(\.L(?:BB|tmp)\w+):", line)
        if label:
            lines.append([label[1], ""])
        elif line and not line.startswith((".", "#", "//")):
            line = re.sub(r" +", " ", line)
            if not FRAME.fullmatch(line):
                lines.append(["", line])
    in_tables = re.findall(r"^\s*\.(?:long|byte|hword|word|quad)\s.*", text, re.MULTILINE)
    used = [name for name in dict.fromkeys(re.findall(r"\.L(?:BB|tmp)\w+", "\n".join(code for _, code in lines)))]
    used += re.findall(r"\.LBB\w+", "\n".join(in_tables))
    for label, _ in lines:
        if label in used and label not in labels:
            labels[label] = str(len(labels) + 1)
    shown, pending = [], ""
    for label, code in lines:
        if label:
            pending = f"{labels[label]}:" if label in labels else pending
            continue
        for name_, number in labels.items():
            code = re.sub(re.escape(name_) + r"\b", number, code)
        code = re.sub(r"^(\S+) ", lambda match: f"{match[1]:<7} ", code)
        shown.append(f"{pending:<3}{code}")
        pending = ""
    return shown


def listing(name, left, right):
    rows = [f"    {name}"]
    for i in range(max(len(left), len(right))):
        first, second = left[i] if i < len(left) else "", right[i] if i < len(right) else ""
        rows.append(f"        {first:<{WIDTH}} {second}".rstrip())
    return "\n".join(rows) + "\n"


def codes(options, module):
    return [assembly(options, module, target) for target in ("x86_64", "arm64")]


def make_group(options, file, group):
    """The listings of a group of texts."""
    name, remark, flags, fields, functions = group
    imports = "".join(re.findall(r'\(func \$\w+ \(import [^)]*\)[^)]*\)\)', fields))
    file.with_suffix(".wat").write_text(f"(module {imports} {fields.replace(imports, '')} {' '.join(functions)})")
    done = subprocess.run(["wat2wasm", "--debug-names", *flags.split(), file.with_suffix(".wat"), "-o", file],
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}: {done.stderr}")
    both = codes(options, file)
    text = f"**{name}.** {remark}".strip() + "\n\n"
    for function_ in functions:
        name = re.match(r"\(func \$(\S+)", function_)[1]
        if "(export " not in function_:
            continue
        shown = re.search(r'\(export "[^"]*"\) *(?:\(param[^)]*\)|\(result[^)]*\)|\(local[^)]*\)| )*(.*)\)$', function_)
        title = {"load": "i32.load $second", "store": "i64.store $second offset=8"}.get(name, name)
        if shown:
            offset = re.search(r"offset=\d+", shown[1])
            title += f" {offset[0]}" if offset and name not in ("store", "loop") else ""
        text += listing(title, *(body(code, name) for code in both)) + "\n"
    return text


def make_encoded_group(options, file, group):
    name, remark, make_module = group
    module, titles = make_module()
    file.write_bytes(module)
    both = codes(options, file)
    text = f"**{name}.** {remark}".strip() + "\n\n"
    return text + "".join(listing(title, *(body(code, title) for code in both)) + "\n" for title in titles)


def make(options):
    with tempfile.TemporaryDirectory(prefix="listing-") as folder:
        file = pathlib.Path(folder) / "module.wasm"
        return ("".join(make_group(options, file, group) for group in GROUPS) +
                "".join(make_encoded_group(options, file, group) for group in ENCODED_GROUPS))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aot", required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    page = PAGE.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        sys.exit(f"{PAGE}: no place for the listings")
    before, rest = page.split(BEGIN)
    now, after = rest.split(END)
    wanted = "\n" + make(options)
    if options.write:
        PAGE.write_text(before + BEGIN + wanted + END + after)
    elif now != wanted:
        print("".join(difflib.unified_diff(now.splitlines(True), wanted.splitlines(True), "docs/aot.md", "the translator")))
        print(f"docs/aot.md is not what the translator does: {sys.argv[0]} --aot {options.aot} --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
