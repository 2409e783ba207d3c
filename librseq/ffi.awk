# SPDX-License-Identifier: MIT
# The C of the public headers, preprocessed, as functions to be called: see
# make-ffi.  Of each inline function it reads the head, of each macro ("made_of
# NAME PARAMETERS : EXPANSION end_of") which inline functions it may call.
BEGIN {
	# What other languages get in place of a structure that is a value.
	member["rseq_cpu_t"] = "int n"
	member["rseq_cid_t"] = "int n"
	member["struct rseq_reading"] = "unsigned int phase"
}

{
	if ($0 !~ /^#/)
		text = text " " $0
}

END {
	gsub(/[ \t]+/, " ", text)
	read_structs(text)
	read_functions(text)
	n = split(text, part, / made_of /)
	for (i = 2; i <= n; ++i)
		read_macro(part[i])
	for (i = 1; i <= functions; ++i)
		if (names[i] !~ /_$/)
			call("rseq_ffi_" substr(names[i], 6), names[i])
	if (!made || !structs || !initializers || failed) {
		print "make-ffi: the headers are not as expected" >"/dev/stderr"
		exit 1
	}
	write()
}

# ---- reading ----

# The end of the parenthesis that begins text.
function closing(text,    i, c, depth)
{
	for (i = 1; i <= length(text); ++i) {
		c = substr(text, i, 1)
		depth += (c == "(") - (c == ")")
		if (depth == 0)
			return i
	}
	return 0
}

function trim(text)
{
	gsub(/^ +| +$/, "", text)
	return text
}

# "static inline attributes TYPE NAME(PARAMETERS) {"
function read_functions(text,    i, n, part, head, name)
{
	n = split(text, part, /static inline /)
	for (i = 2; i <= n; ++i) {
		head = trim(part[i])
		while (sub(/^__attribute__ ?/, "", head))
			head = trim(substr(head, closing(head) + 1))
		sub(/[{;].*/, "", head)
		if (!match(head, /rseq_[a-z0-9_]+ ?\(/))
			continue
		name = substr(head, RSTART, RLENGTH - 1)
		gsub(/ /, "", name)
		type[name] = trim(substr(head, 1, RSTART - 1))
		head = substr(head, RSTART + RLENGTH - 1)
		parameters[name] = trim(substr(head, 2, closing(head) - 2))
		names[++functions] = name
	}
}

function read_structs(text,    name)
{
	while (match(text, /struct rseq_[a-z0-9_]*[a-z0-9] \{/)) {
		name = substr(text, RSTART + 7, RLENGTH - 9)
		struct[++structs] = name
		is_struct[name] = 1
		text = substr(text, RSTART + RLENGTH)
	}
}

# A macro that is not an operation, such as a loop, calls none and is left out.
function read_macro(text,    i, n, word, macro, params, seen)
{
	sub(/ end_of.*/, "", text)
	macro = text
	sub(/ .*/, "", macro)
	params = substr(text, length(macro) + 2)
	sub(/ :.*/, "", params)
	if (macro ~ /^RSEQ/) {
		if (tolower(macro) in is_struct)
			initialize(macro, params)
		return
	}
	sub(/^[^:]*:/, "", text)
	n = split(text, word, /[^A-Za-z0-9_]+/)
	for (i = 1; i <= n; ++i) {
		if (!(word[i] in type) || word[i] in seen)
			continue
		seen[word[i]] = 1
		call("rseq_ffi_" substr(macro, 6) ending(word[i]), word[i])
	}
	for (i in seen)
		return
	print "make-ffi: " macro "() calls no inline function" >"/dev/stderr"
	failed = 1
}

# For rseq_add_cpu_32_ "_cpu_32", but this_cpu is part of the macro's name.
function ending(name,    i, n, word, end)
{
	n = split(name, word, /_/)
	for (i = 1; i <= n; ++i)
		if (word[i] == "this")
			++i
		else if (word[i] ~ /^(cpu|cid|32|64)$/)
			end = end "_" word[i]
	return end
}

# ---- writing ----

function define(result, name, params, body)
{
	if (name in defined) {
		print "make-ffi: " name "() for two" >"/dev/stderr"
		failed = 1
	}
	defined[name] = 1
	head[++made] = folded(result (result ~ /\*$/ ? "" : " ") name "(", \
			      params ")")
	code[made] = body
}

# A prototype in lines of 80 columns.
function folded(line, params,    i, n, word, out)
{
	n = split(params, word, /, /)
	for (i = 1; i <= n; ++i) {
		word[i] = word[i] (i < n ? "," : "")
		if (length(line) + length(word[i]) > 78) {
			out = out line "\n"
			line = "\t" word[i]
		} else {
			line = line (i > 1 ? " " : "") word[i]
		}
	}
	return out line
}

# A function that calls inline.
function call(name, inline,    i, n, word, result, kind, params, args, one)
{
	n = split_parameters(parameters[inline], word)
	for (i = 1; i <= n; ++i) {
		one = word[i]
		if (match(one, /\(\*[a-z_]+\)/))
			one = substr(one, RSTART + 2, RLENGTH - 3)
		sub(/.*[^a-z0-9_]/, "", one)
		kind = trim(substr(word[i], 1, length(word[i]) - length(one)))
		if (kind in member) {
			args = args ", (" kind "){ " one " }"
			word[i] = member[kind]
			sub(/[a-z]+$/, one, word[i])
		} else {
			args = args ", " one
			refuse_value(kind, name)
		}
		params = params ", " word[i]
	}
	one = inline "(" substr(args, 3) ")"
	result = type[inline]
	if (result in member) {
		kind = member[result]
		one = one "." substr(kind, match(kind, /[a-z]+$/))
		result = substr(kind, 1, RSTART - 2)
	}
	refuse_value(result, name)
	sub(/^enum .*/, "int", result)
	define(result, name, params == "" ? "void" : substr(params, 3), \
	       (result == "void" ? "" : "return ") one ";")
}

function refuse_value(kind, name)
{
	if (kind !~ /^(const )?struct [a-z0-9_]+$/)
		return
	print "make-ffi: " name "() has a structure by value" >"/dev/stderr"
	failed = 1
}

# The commas inside a parameter are a function pointer's.
function split_parameters(text, word,    i, n, c, depth)
{
	split("", word)
	if (text == "void")
		return 0
	for (i = 1; i <= length(text); ++i) {
		c = substr(text, i, 1)
		depth += (c == "(") - (c == ")")
		if (i == 1 || (c == "," && !depth))
			++n
		if (c != "," || depth)
			word[n] = word[n] c
	}
	for (i = 1; i <= n; ++i)
		word[i] = trim(word[i])
	return n
}

function initialize(macro, params,    i, n, word, list, name)
{
	name = tolower(macro)
	n = split(params, word, /, */)
	for (i = 1; i <= n; ++i)
		list = list ", void *" word[i]
	define("void", "rseq_ffi_" substr(name, 6), \
	       "struct " name " *at" list, \
	       "*at = (struct " name ")" macro "(" params ");")
	++initializers
}

function write(    i, name)
{
	print "/* SPDX-License-Identifier: MIT */\n" \
	      "/* librseq for those who cannot inline: librseq-ffi(3). */\n" \
	      "#ifndef RSEQ_FFI_H\n#define RSEQ_FFI_H\n\n" \
	      "#include <stddef.h>\n#include <stdint.h>\n\n" \
	      "struct tlabi;" >header
	for (i = 1; i <= structs; ++i) {
		name = struct[i]
		print "struct " name ";" >header
		define("size_t", "rseq_ffi_sizeof_" substr(name, 6), "void", \
		       "return sizeof(struct " name ");")
	}
	print "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n" >header
	print "/* Made by librseq/make-ffi. */\n" ENVIRON["includes"] "\n" \
	      "#include \"ffi.h\"\n" >source
	for (i = 1; i <= made; ++i) {
		print head[i] ";" >header
		print head[i] "\n{\n\t" code[i] "\n}\n" >source
	}
	print "\n#ifdef __cplusplus\n}\n#endif\n\n#endif" >header
	for (i = 1; i <= structs; ++i)
		print "_Static_assert(_Alignof(struct " struct[i] \
		      ") <= _Alignof(max_align_t), \"malloc()\");" >source
}
