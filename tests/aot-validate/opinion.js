// V8's opinion on modules, for opinion.h: node opinion.js
"use strict";
const fs = require("fs");

// What V8 refuses though the specification allows it: more than its limits, both kinds of exceptions in one module, and numbers
// of 64 bits (in more than five bytes) as the limits and offsets of 32-bit memories and tables, which are u64 in version 3.0.
const NO_OPINION = new RegExp("implementation limit|internal limit|> maximum|local count too large|mix of legacy and new|enable with|" +
    "length overflow while decoding (initial size|offset)");

function read(size) {
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size;) {
        const count = fs.readSync(0, bytes, at, size - at, null);
        if (count === 0)
            process.exit(0);
        at += count;
    }
    return bytes;
}

function opinion(bytes) {
    if (WebAssembly.validate(bytes))
        return "ok";
    try {
        new WebAssembly.Module(bytes);
    } catch (error) {
        const text = error.message.replace(/\s+/g, " ").slice(0, 400);
        return (NO_OPINION.test(text) ? "? " : "no ") + text;
    }
    return "? refused by validate only";
}

for (;;)
    fs.writeSync(1, opinion(read(read(4).readUInt32LE(0))) + "\n");
