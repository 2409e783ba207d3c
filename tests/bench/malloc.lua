-- SPDX-License-Identifier: MIT
-- What Lua allocates for: strings, tables, closures, and a garbage collector.
local words, seed = {}, count
local function random(n)
	seed = (seed * 1103515245 + 12345) % 2147483648
	return seed % n + 1
end
for i = 1, 20000 do
	local word = string.format("%x", random(5000))
	local entry = words[word] or { n = 0, at = {} }
	entry.n = entry.n + 1
	entry.at[#entry.at % 8 + 1] = i
	entry.last = function() return word .. i end
	words[word] = entry
end
local longest = ""
for _, entry in pairs(words) do
	local s = entry.last() .. table.concat(entry.at, ",")
	if #s > #longest then longest = s end
end
assert(#longest > 0)
