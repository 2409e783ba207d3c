# SPDX-License-Identifier: MIT
# objdump -d --no-show-raw-insn PROGRAM | awk -f walk.awk: walks each function
# count_OP (its cold part is not one) from its first instruction to its return,
# falling through every conditional branch, and prints how many instructions,
# stores, fences (what orders more than a plain access, or is atomic) and taken
# branches that is.  Where that way calls something or leaves
# the function it is not the one of success: no figures then, but a line that
# says so.

/file format/ { isa = $NF }
/^[0-9a-f]+ <.*>:$/ {
	name = substr($2, 2, length($2) - 3)
	if (name ~ /^count_/ && name !~ /\.cold$/) {
		names[++functions] = name
		first[name] = n + 1
	}
	next
}
/^ +[0-9a-f]+:\t/ {
	split($1, address, ":")
	of[++n] = name
	at[address[1]] = n
	text[n] = substr($0, index($0, ":\t") + 2)
	sub(/ *(#|\/\/) .*/, "", text[n])	# the disassembler's remarks
	gsub(/\t/, " ", text[n])
}

# The mnemonic, without the prefixes that x86 prints before it.
function mnemonic(s) {
	while (s ~ /^(lock|rep|repz|repnz|bnd|notrack|cs|ds|data16) /)
		sub(/^[^ ]+ +/, "", s)
	sub(/ .*/, "", s)
	return s
}

# AT&T syntax: the last operand is what is written, if anything is.
function stores_x86(m, s) {
	if (m ~ /^(push|call|cmpxchg|xadd)/)
		return 1
	if (m ~ /^(cmp|test|lea|nop|prefetch|bt$|bt[lq]$|j|u?comis|i?mul|i?div)/)
		return 0
	if (m ~ /^xchg/)
		return s ~ /[(:]/
	return s ~ /\)$/ || s ~ /[ ,]%[c-g]s:[^,]*$/ || s ~ /,-?0x[0-9a-f]+$/
}

function stores(m, s) {
	if (isa ~ /x86/)
		return stores_x86(m, s)
	if (isa ~ /aarch64/)
		return m ~ /^(st|swp|cas)/
	return m ~ /^(f?s[bhwdq]|sc\..*|amo.*|c\.f?s[wd].*)$/
}

function fences(m, s) {
	if (isa ~ /x86/)
		return s ~ /^lock / || m ~ /^[lsm]fence/ ||
			(m ~ /^xchg/ && s ~ /[(:]/)
	if (isa ~ /aarch64/)
		return m ~ /^(d[ms]b|lda|stl|ldx|stx|ld(add|clr|set|eor)|swp|cas)/
	return m ~ /^(fence|lr\.|sc\.)|\.(aq|rl|aqrl)$/
}

function returns(m) { return m ~ /^ret/ }
function jumps(m) {
	return m == (isa ~ /x86/ ? "jmp" : isa ~ /aarch/ ? "b" : "j")
}
function branches(m) {
	return isa ~ /x86/ ? m ~ /^j/ : isa ~ /aarch/ ?
		m ~ /^(b\.|cbn?z|tbn?z)/ : m ~ /^b/
}
function leaves(m) {
	return m ~ /^(call|bl|blr|br|jal|jalr|jr|tail|ud|brk|udf|ebreak|unimp)/
}

# The instruction that a jump leads to, if it says which.
function target(i,	s) {
	s = text[i]
	sub(/ <.*/, "", s)
	sub(/.*[ ,]/, "", s)
	return at[s]
}

function walk(f,	i, m, count, stored, fenced, taken) {
	for (i = first[f]; of[i] == f; ) {
		m = mnemonic(text[i])
		if (returns(m)) {
			print substr(f, 7) ".instructions=" count + 0
			print substr(f, 7) ".stores=" stored + 0
			print substr(f, 7) ".fences=" fenced + 0
			print substr(f, 7) ".taken_branches=" taken + 0
			return
		}
		# A landing pad is the function's, which inlining removes.
		if (m !~ /^(endbr64|bti)$/)
			count++
		stored += stores(m, text[i])
		fenced += fences(m, text[i])
		if (jumps(m)) {
			taken++
			if (!(i = target(i)) || been[i]++)
				break
		} else if (leaves(m) && !branches(m)) {
			break
		} else {
			i++
		}
	}
	print "walk: " f ": no way to its return but by a branch" \
		>"/dev/stderr"
}

END {
	for (i = 1; i <= functions; i++)
		walk(names[i])
}
