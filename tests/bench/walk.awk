# SPDX-License-Identifier: MIT
# objdump -d --no-show-raw-insn PROGRAM | awk -f walk.awk: walks each function
# count_OP (its cold part is not one) from its first instruction to its return,
# falling through every conditional branch, and prints how many instructions,
# stores, fences (what orders more than a plain access, or is atomic) and taken
# branches that is.  Where that way calls something or leaves
# the function it is not the one of success: no figures then, but a line that
# says so.

/file format/ {
	isa = $NF ~ /x86|i386/ ? "x86" : $NF ~ /aarch64/ ? "aarch64" :
		$NF ~ /riscv/ ? "riscv" : $NF ~ /arm/ ? "arm" :
		$NF ~ /powerpc/ ? "ppc" : $NF ~ /s390/ ? "s390" :
		$NF ~ /mips/ ? "mips" : $NF ~ /loongarch/ ? "loongarch" :
		"unknown"
}
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
	if (isa == "loongarch")	# where a branch leads to is a remark
		sub(/[-0-9]+\t# /, "", text[n])
	sub(/ *(#|\/\/|@) .*/, "", text[n])	# the disassembler's remarks
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

# The others' mnemonics.
BEGIN {
	storing["aarch64"] = "^(st|swp|cas)"
	storing["riscv"] = "^(f?s[bhwdq]|sc\\..*|amo.*|c\\.f?s[wd].*)$"
	storing["arm"] = "^(v?st|push)"
	storing["ppc"] = "^st"
	storing["s390"] = "^(st(g|h|c|y|hy|cy|m|mg|rl|grl|e|d)?|a(g)?si|mv.*|[nox][ic])$"
	storing["mips"] = "^(s[bhwd]|s[wd]c1|sc|scd)$"
	storing["loongarch"] = "^(f?st(x|ptr)?\\.[bhwd]|fstx?\\.s|x?vst.*|sc\\..*|am.*)$"

	fencing["aarch64"] = \
		"^(d[ms]b|lda|stl|ldx|stx|ld(add|clr|set|eor)|swp|cas)"
	fencing["riscv"] = "^(fence|lr\\.|sc\\.)|\\.(aq|rl|aqrl)$"
	fencing["arm"] = "^(d[ms]b|lda|stl|ldrex|strex)"
	fencing["ppc"] = "^(lw|hw|i)?sync|^eieio|^l[bhwd]arx|^st[bhwd]cx"
	fencing["s390"] = "^(cs|cds|csy|csg|cdsg|la[anox]g?|laalg?|ts)$"
	fencing["mips"] = "^(sync|lld?|scd?)$"
	fencing["loongarch"] = "^(dbar|ll\\.|sc\\.|am.*\\.[wd]$)"

	jumping["x86"] = "^jmp$"
	jumping["riscv"] = "^j$"
	jumping["arm"] = "^b(\\.[nw])?$"
	jumping["s390"] = "^(j|jg)$"
	jumping["aarch64"] = jumping["ppc"] = jumping["mips"] = \
		jumping["loongarch"] = "^b$"

	branching["x86"] = "^j"
	branching["aarch64"] = "^(b\\.|cbn?z|tbn?z)"
	branching["riscv"] = "^b"
	branching["arm"] = "^(b(eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)|cbn?z)"
	# Never taken, or to the next instruction: how code finds itself.
	branching["ppc"] = "^(b(eq|ne|ge|le|gt|lt|ns|so|dnz|dz)[-+]?|bcl)$"
	branching["mips"] = "^(b(eq|ne|ge|le|gt|lt)z?l?|bltzal)$"
	branching["loongarch"] = "^b(eq|ne|lt|ge|gt|le)(u|z)?$"
	branching["s390"] = "^(jg?n?[ehlmpoz]|jg?n?[hl]e|br[cx].*|c.*r?j.*)$"
}

function stores(m, s) {
	return isa == "x86" ? stores_x86(m, s) : m ~ storing[isa]
}

function fences(m, s) {
	if (isa == "x86")
		return s ~ /^lock / || m ~ /^[lsm]fence/ ||
			(m ~ /^xchg/ && s ~ /[(:]/)
	# Behind a relaxed load: those of one address keep their order.
	if (s ~ /^dbar +0x700$/)
		return 0
	return m ~ fencing[isa] || s ~ /^bcr? +1[45],/
}

function returns(m, s) {
	return m ~ /^(ret.*|blr)$/ || s ~ /^(br +%r14|bx +lr|jr +ra)$/ ||
		s ~ /^(pop|ldm).*pc}$/
}
function jumps(m) { return m ~ jumping[isa] }
function branches(m) { return m ~ branching[isa] }
function leaves(m) {
	return m ~ /^(call|bl|blr|blx|bx|br|bctrl?|bal|bras.*|bas.*|jal|jalr|jr|tail|ud|brk|udf|trap|ebreak|unimp|\.)/
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
		if (returns(m, text[i])) {
			if (isa == "mips") {	# the delay slot
				count++
				stored += stores(mnemonic(text[i + 1]))
			}
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
			if (isa == "mips") {
				count++
				stored += stores(mnemonic(text[i + 1]))
			}
			if (!(i = target(i)) || been[i]++)
				break
		} else if (text[i] ~ /get_pc_thunk/) {
			count += 2	# where i386 is: mov, ret
			i++
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
