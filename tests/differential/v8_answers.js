// Runs the functions of a random module in V8 and tells what each did:
//
//     node v8_answers.js SUPPORT GLOBALS MODULE
//
// One line of JSON: [{"field", "trap" (V8's message) or "exception" (true), "hash" (of the log so far)}, ...]. Ends with status 1
// when the module cannot be instantiated.
"use strict";
const fs = require("fs");

const [support, globals] = process.argv.slice(2, 4).map(load).map(module => new WebAssembly.Instance(module).exports);

function load(file) {
    return new WebAssembly.Module(fs.readFileSync(file));
}

function call(exports, field) {
    const answer = { field };
    try {
        exports[field]();
    } catch (error) {
        if (error instanceof WebAssembly.Exception || error === null)
            answer.exception = true;
        else if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError)
            answer.trap = error.message;
        else
            throw error;
    }
    answer.hash = BigInt.asUintN(64, support.hash()).toString();
    return answer;
}

const module_ = load(process.argv[4]), imports = { "fuzzing-support": support, "__fuzz_import": globals };
for (const { module, name } of WebAssembly.Module.imports(module_)) {
    if (!(name in imports[module])) // V8 would take undefined for a reference
        throw new Error(`nobody provides ${module} ${name}`);
}
const instance = new WebAssembly.Instance(module_, imports);
const fields = Object.keys(instance.exports).filter(name => name.endsWith("_invoker"));
console.log(JSON.stringify(fields.map(field => call(instance.exports, field))));
