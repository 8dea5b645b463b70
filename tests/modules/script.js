// For an interpreter of JavaScript, on standard input: exceptions through many frames, closures, sorting, regular expressions,
// numbers as text.
function thrower(depth) {
    if (depth === 0)
        throw new RangeError("deep");
    try {
        return thrower(depth - 1);
    } finally {
        thrower.count = (thrower.count || 0) + 1;
    }
}
try {
    thrower(50);
} catch (error) {
    print(error.name, error.message, thrower.count);
}
var numbers = [];
for (var i = 0, x = 1; i < 5000; i++)
    numbers.push(x = (x * 16807) % 2147483647);
numbers.sort(function (a, b) { return a - b; });
print(numbers[0], numbers[2500], numbers[4999]);
print("2026-11-21 and 1999-01-02".replace(/(\d+)-(\d+)-(\d+)/g, "$3.$2.$1"), /(a+)+$/.test("aaaaaaaab"));
print(0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, (123.456).toFixed(1), (255).toString(16), parseInt("0x1f"), -0 === 0);
print(JSON.stringify({ a: [1, { b: null }], c: "\u00e9\n" }), Object.keys(JSON.parse('{"x": 1, "y": [true]}')));
function counter() { var n = 0; return function () { return ++n; }; }
var one = counter(), two = counter();
print(one(), one(), two(), [3, 1, 2].map(function (v) { return v * v; }).reduce(function (a, b) { return a + b; }));
null.property;
