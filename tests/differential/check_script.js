// Runs a test script of the kind that random_modules.py makes in V8: says what differs and ends with status 1.
"use strict";
const fs = require("fs");
const path = require("path");

const TRAPS = {
    "unreachable": "unreachable",
    "out of bounds memory access": "memory access out of bounds",
    "out of bounds table access": "table index is out of bounds",
    "undefined element": "table index is out of bounds",
    "uninitialized element": "null function or function signature mismatch",
    "indirect call type mismatch": "null function or function signature mismatch",
    "integer divide by zero": "divide by zero",
    "integer overflow": "divide result unrepresentable",
    "invalid conversion to integer": "float unrepresentable in integer range",
    "call stack exhausted": "Maximum call stack size exceeded",
};
const OTHERS = { "integer divide by zero": "remainder by zero", "integer overflow": "float unrepresentable in integer range" };

const file = process.argv[2];
const names = {}, registered = {};
let last, problems = 0;

function invoke(action) {
    const instance = action.module ? names[action.module] : last;
    return instance.exports[action.field]();
}

function problem(command, text) {
    console.log(`line ${command.line}: ${text}`);
    problems++;
}

function take(command) {
    if (command.type === "module") {
        const module = new WebAssembly.Module(fs.readFileSync(path.join(path.dirname(file), command.filename)));
        last = new WebAssembly.Instance(module, registered);
        if (command.name)
            names[command.name] = last;
    } else if (command.type === "register") {
        registered[command.as] = names[command.name].exports;
    } else if (command.type === "action") {
        invoke(command.action);
    } else if (command.type === "assert_return") {
        const result = invoke(command.action), expected = command.expected[0];
        if (!expected)
            return;
        const bits = expected.type === "i64" ? BigInt.asUintN(64, result) : result >>> 0;
        if (bits.toString() !== expected.value)
            problem(command, `${bits} instead of ${expected.value}`);
    } else if (command.type === "assert_trap") {
        try {
            invoke(command.action);
            problem(command, "no trap");
        } catch (error) {
            if (error.message !== TRAPS[command.text] && error.message !== OTHERS[command.text])
                problem(command, `'${error.message}' instead of '${command.text}'`);
        }
    }
}

for (const command of JSON.parse(fs.readFileSync(file, "utf8")).commands) {
    try {
        take(command);
    } catch (error) {
        problem(command, `${error.message}`);
    }
}
process.exit(problems ? 1 : 0);
