-- Errors across calls, coroutines, closures, strings, numbers and the collector.
local function try(f, ...)
  return select(2, pcall(f, ...))
end
print(try(error, {code = 7}).code, try(function() local t = nil; return t.x end))
print(xpcall(function() error("deep") end, function(m) return "handled " .. m end))

local function walk(n)
  return coroutine.wrap(function()
    for i = 1, n do coroutine.yield(i * i) end
    error("end of walk")
  end)
end
local sum, step = 0, walk(100)
local ok, message = pcall(function() while true do sum = sum + step() end end)
print(sum, ok, message)

local words = {}
for word in ("the quick brown fox jumps over the lazy dog"):gmatch("%a+") do words[#words + 1] = word:upper():reverse() end
table.sort(words)
print(table.concat(words, " "), #words)

local objects = setmetatable({}, {__mode = "k"})
for i = 1, 20000 do objects[{i}] = string.rep("x", i % 50) end
collectgarbage()
local left = 0
for _ in pairs(objects) do left = left + 1 end
print(left, string.format("%.10f %d %a", math.pi, 1 << 40, 0.1))

local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(24), 7 // -2, 7 % -3, 2^0.5, 10 // 0.0, -1 % math.huge)
print(select("#", table.unpack({1, nil, 3}, 1, 3)), #"\u{20AC}", utf8.len("\u{20AC}uro"))
goto done
print("not here")
::done::
print(pcall(string.rep, "x", -1), tostring(nil), math.maxinteger + 1 == math.mininteger)
