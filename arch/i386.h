/* SPDX-License-Identifier: MIT */
/*
 * Verbs for i386.  The contract is in <rseq/section.h>.  There are six
 * registers, with a frame pointer, and a commit of a block has more operands
 * than that.  So all values lie in a block on the stack, which one register,
 * [args], leads to.  Scratch is eax, which holds the descriptor's address until
 * that is published; edx is the address of a place, and ecx is spare.
 * {AT&T|Intel}: the compiler takes the half that -masm asks for.
 */

#if defined(RSEQ_LIBC_LINE_) && TLABI_OFFSET != 0x80
#error "rseq: the line of this architecture is at %gs:0x80"
#endif

/* ---- the block: an operand is (value_, name, x) or (const_, name, x) ---- */

#define RSEQ_INPUT_(name, constraint, x)	(value_, name, x)
#define RSEQ_INDEX_OPERAND_(index)	(const_, index, RSEQ_FIELD_(index))
#ifdef RSEQ_LIBC_LINE_
#define RSEQ_AREA_INPUTS_	(const_, rseq_cs, RSEQ_FIELD_(rseq_cs))
#else
#define RSEQ_AREA_INPUTS_						\
	(value_, area, rseq_offset_()), (const_, rseq_cs, RSEQ_FIELD_(rseq_cs))
#endif

/* Code that may lie anywhere finds the descriptor from the GOT's address. */
#ifdef __PIC__
extern const char rseq_global_offset_table_[] __asm__("_GLOBAL_OFFSET_TABLE_")
	__attribute__((__visibility__("hidden")));
#define RSEQ_GOT_INPUT_		(value_, got, &rseq_global_offset_table_[0])
#else
#define RSEQ_GOT_INPUT_		(const_, got, "i" (0))
#endif

#define RSEQ_BLOCK_(...)						\
	struct {							\
		RSEQ_EACH_(RSEQ_MEMBER_, RSEQ_GOT_INPUT_, __VA_ARGS__)	\
	} rseq_args_ = {						\
		RSEQ_EACH_(RSEQ_INITIAL_, RSEQ_GOT_INPUT_, __VA_ARGS__)	\
	};
#define RSEQ_INPUTS_(...)						\
	[args] "r" (&rseq_args_)					\
	RSEQ_EACH_(RSEQ_WHERE_, RSEQ_GOT_INPUT_, __VA_ARGS__)

#define RSEQ_MEMBER_(kind, name, x)	RSEQ_MEMBER_##kind(name, x)
#define RSEQ_MEMBER_value_(name, x)	__typeof__(x) rseq_##name##_;
#define RSEQ_MEMBER_const_(name, x)
#define RSEQ_INITIAL_(kind, name, x)	RSEQ_INITIAL_##kind(name, x)
#define RSEQ_INITIAL_value_(name, x)	x,
#define RSEQ_INITIAL_const_(name, x)
#define RSEQ_WHERE_(kind, name, x)	RSEQ_WHERE_##kind(name, x)
#define RSEQ_WHERE_value_(name, x)					\
	, [name] "i" (__builtin_offsetof(__typeof__(rseq_args_),	\
					 rseq_##name##_))
#define RSEQ_WHERE_const_(name, x)	, [name] x

/* M for each of up to 16 operands. */
#define RSEQ_EACH_(M, ...)						\
	RSEQ_PICK_(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7,	\
		   6, 5, 4, 3, 2, 1, 0)(M, __VA_ARGS__)
#define RSEQ_PICK_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, N, ...) \
	RSEQ_EACH_##N##_
#define RSEQ_EACH_1_(M, x)		M x
#define RSEQ_EACH_2_(M, x, ...)	M x RSEQ_EACH_1_(M, __VA_ARGS__)
#define RSEQ_EACH_3_(M, x, ...)	M x RSEQ_EACH_2_(M, __VA_ARGS__)
#define RSEQ_EACH_4_(M, x, ...)	M x RSEQ_EACH_3_(M, __VA_ARGS__)
#define RSEQ_EACH_5_(M, x, ...)	M x RSEQ_EACH_4_(M, __VA_ARGS__)
#define RSEQ_EACH_6_(M, x, ...)	M x RSEQ_EACH_5_(M, __VA_ARGS__)
#define RSEQ_EACH_7_(M, x, ...)	M x RSEQ_EACH_6_(M, __VA_ARGS__)
#define RSEQ_EACH_8_(M, x, ...)	M x RSEQ_EACH_7_(M, __VA_ARGS__)
#define RSEQ_EACH_9_(M, x, ...)	M x RSEQ_EACH_8_(M, __VA_ARGS__)
#define RSEQ_EACH_10_(M, x, ...)	M x RSEQ_EACH_9_(M, __VA_ARGS__)
#define RSEQ_EACH_11_(M, x, ...)	M x RSEQ_EACH_10_(M, __VA_ARGS__)
#define RSEQ_EACH_12_(M, x, ...)	M x RSEQ_EACH_11_(M, __VA_ARGS__)
#define RSEQ_EACH_13_(M, x, ...)	M x RSEQ_EACH_12_(M, __VA_ARGS__)
#define RSEQ_EACH_14_(M, x, ...)	M x RSEQ_EACH_13_(M, __VA_ARGS__)
#define RSEQ_EACH_15_(M, x, ...)	M x RSEQ_EACH_14_(M, __VA_ARGS__)
#define RSEQ_EACH_16_(M, x, ...)	M x RSEQ_EACH_15_(M, __VA_ARGS__)

/* ---- op src, dst; each a pair, as either syntax writes it ---- */

#define RSEQ_ATT_(att, intel)	att
#define RSEQ_INT_(att, intel)	intel
#define RSEQ_OP2_(op, src, dst)						\
	op "\t{" RSEQ_ATT_ src ", " RSEQ_ATT_ dst			\
	"|" RSEQ_INT_ dst ", " RSEQ_INT_ src "}\n\t"
#define RSEQ_EAX_		("%%eax", "eax")
#define RSEQ_ECX_		("%%ecx", "ecx")
#define RSEQ_EDX_		("%%edx", "edx")
#define RSEQ_IMM_(n)		("$" #n, #n)
#define RSEQ_AT_EDX_		("(%%edx)", "[edx]")
#define RSEQ_ARG_(x)		("%c[" #x "](%[args])", "[%[args]+%c[" #x "]]")

/* A place in memory: what comes first, and then the pair. */
#define RSEQ_FIRST_(first, att, intel)	first
#define RSEQ_PAIR_(first, att, intel)	(att, intel)
#define RSEQ_V(v)							\
	(RSEQ_OP2_("mov", RSEQ_ARG_(v), RSEQ_EDX_), "(%%edx)", "[edx]")
#define RSEQ_BEFORE_(v)							\
	(RSEQ_OP2_("mov", RSEQ_ARG_(v), RSEQ_EDX_), "-4(%%edx)", "[edx-4]")
#define RSEQ_HERE_	RSEQ_V(v)	/* RSEQ_PERCPU_ has changed it */
#ifdef RSEQ_LIBC_LINE_
#define RSEQ_AREA_(field)						\
	("", "%%gs:%c[" #field "]", "gs:[%c[" #field "]]")
#define RSEQ_BASE_		"i" (0)
#define RSEQ_READ_AT_		("%%gs:%c[field]", "gs:[%c[field]]")
#else
#define RSEQ_AREA_(field)						\
	(RSEQ_OP2_("mov", RSEQ_ARG_(area), RSEQ_EDX_),			\
	 "%%gs:%c[" #field "](%%edx)", "gs:[edx+%c[" #field "]]")
#define RSEQ_BASE_		"r" (rseq_offset_())
#define RSEQ_READ_AT_							\
	("%%gs:%c[field](%[area])", "gs:[%[area]+%c[field]]")
#endif

/* %gs adds the thread pointer by itself. */
#define rseq_read_(name) __extension__ ({				\
	uint32_t v_;							\
	__asm__ __volatile__(						\
		RSEQ_OP2_("mov", RSEQ_READ_AT_, ("%0", "%0"))		\
		: "=r" (v_)						\
		: [area] RSEQ_BASE_, [field] RSEQ_FIELD_(name));	\
	v_; })

/* The upper half of rseq_cs is 0 and stays it. */
#define rseq_cs_differs_(cs) __extension__ ({				\
	int ne_;							\
	__asm__ __volatile__(						\
		RSEQ_OP2_("cmp", ("%[v_]", "%[v_]"), RSEQ_READ_AT_)	\
		: "=@ccne" (ne_)					\
		: [v_] "r" (cs), [area] RSEQ_BASE_,			\
		  [field] RSEQ_FIELD_(rseq_cs));			\
	ne_; })

#define RSEQ_CLOBBERS_	"cc", "eax", "ecx", "edx"
#define RSEQ_VALUE_	"r"
#define RSEQ_WORD64_(x)	".4byte " x ", 0\n\t"
#define RSEQ_RELEASE	""	/* TSO: a store has release semantics already */

#ifdef __PIC__
#define RSEQ_ADDRESS_							\
	RSEQ_OP2_("mov", RSEQ_ARG_(got), RSEQ_EAX_)			\
	RSEQ_OP2_("lea", (".Lrseq_cs%=@GOTOFF(%%eax)",			\
			  "[eax+.Lrseq_cs%=@GOTOFF]"), RSEQ_EAX_)
#else
#define RSEQ_ADDRESS_							\
	RSEQ_OP2_("mov", ("$.Lrseq_cs%=", "offset .Lrseq_cs%="), RSEQ_EAX_)
#endif
#define RSEQ_PUBLISH_	RSEQ_SAVE(32, RSEQ_AREA_(rseq_cs))

#define RSEQ_CHECK_(index, reg, label)					\
	RSEQ_LOAD(32, RSEQ_AREA_(index)) RSEQ_BNE(32, reg, label)

/* The sign: an index that is no cpu's, such as -1 and -2. */
#define RSEQ_PERCPU_(index, base, label)				\
	RSEQ_LOAD(32, RSEQ_AREA_(index))				\
	RSEQ_OP2_("shl", RSEQ_IMM_(16), RSEQ_EAX_)			\
	"js\t%l[" #label "]\n\t"					\
	RSEQ_OP2_("add", RSEQ_EAX_, RSEQ_ARG_(base))

/*
 * The stub is one jump of five bytes, and where that leads to is the return
 * address: val_expression, eip + 5 + *(eip + 1).
 */
#define RSEQ_UNWIND_(X)	X(8, 4, 0)
#define RSEQ_SAVED_(ra, sp, cs)						\
	"0x16, " #ra ", 6, 0x78, 5, 0x78, 1, 0x06, 0x22\n\t"
/* The signature: ud1 0x53053053, %edi, which traps. */
#define RSEQ_TRAP_	".byte 0x0f, 0xb9, 0x3d\n\t.4byte 0x53053053\n"
#define RSEQ_LEAVE_(label)	"jmp\t%l[" #label "]\n\t"

#define RSEQ_LOAD(w, at)						\
	RSEQ_FIRST_ at RSEQ_OP2_("mov", RSEQ_PAIR_ at, RSEQ_EAX_)
#define RSEQ_SAVE(w, at)						\
	RSEQ_FIRST_ at RSEQ_OP2_("mov", RSEQ_EAX_, RSEQ_PAIR_ at)
#define RSEQ_TO_(op, x, at)						\
	RSEQ_FIRST_ at							\
	RSEQ_OP2_("mov", RSEQ_ARG_(x), RSEQ_ECX_)			\
	RSEQ_OP2_(op, RSEQ_ECX_, RSEQ_PAIR_ at)
#define RSEQ_STORE(w, x, at)		RSEQ_TO_("mov", x, at)
#define RSEQ_LOAD_ADD_SAVE(w, x, at)	RSEQ_TO_("add", x, at)
#define RSEQ_LOAD_AND_SAVE(w, x, at)	RSEQ_TO_("and", x, at)
#define RSEQ_LOAD_OR_SAVE(w, x, at)	RSEQ_TO_("or", x, at)
#define RSEQ_DEREF_ADD_SAVE(w, x)					\
	RSEQ_TO_("add", x, ("", "(%%eax)", "[eax]"))
#define RSEQ_DEREF	RSEQ_LOAD(32, ("", "(%%eax)", "[eax]"))
#define RSEQ_ADD(w, x)	RSEQ_OP2_("add", RSEQ_ARG_(x), RSEQ_EAX_)
#define RSEQ_AND(w, x)	RSEQ_OP2_("and", RSEQ_ARG_(x), RSEQ_EAX_)
#define RSEQ_OR(w, x)	RSEQ_OP2_("or", RSEQ_ARG_(x), RSEQ_EAX_)
#define RSEQ_CMP_(x)	RSEQ_OP2_("cmp", RSEQ_ARG_(x), RSEQ_EAX_)
#define RSEQ_BEQ(w, x, label)	RSEQ_CMP_(x) "je\t%l[" #label "]\n\t"
#define RSEQ_BNE(w, x, label)	RSEQ_CMP_(x) "jne\t%l[" #label "]\n\t"

/* eax is the index, edx an address, ecx the datum. */
#define RSEQ_SET_(x)	RSEQ_OP2_("mov", RSEQ_ARG_(x), RSEQ_EAX_)
#define RSEQ_MORE_(n)	RSEQ_OP2_("add", RSEQ_IMM_(n), RSEQ_EAX_)
#define RSEQ_LESS_(n, label)						\
	RSEQ_OP2_("sub", RSEQ_IMM_(n), RSEQ_EAX_) "js\t" label "\n\t"
#define RSEQ_JUMP_(label)	"jmp\t" label "\n\t"
#define RSEQ_MOVE_(w, dst, src)						\
	RSEQ_OP2_("mov", RSEQ_ARG_(src), RSEQ_EDX_)			\
	RSEQ_OP2_("mov", ("(%%edx,%%eax)", "[edx+eax]"), RSEQ_N##w##_)	\
	RSEQ_OP2_("mov", RSEQ_ARG_(dst), RSEQ_EDX_)			\
	RSEQ_OP2_("mov", RSEQ_N##w##_, ("(%%edx,%%eax)", "[edx+eax]"))
#define RSEQ_N8_	("%%cl", "cl")
#define RSEQ_N32_	RSEQ_ECX_

/* A stack in per-cpu memory: eax its count, ecx an object. */
#define RSEQ_STACK_CLOBBER_	"memory"
#define RSEQ_COPY_IS_(base)	""
#define RSEQ_SLOT_		("4(%%edx,%%eax,4)", "[edx+eax*4+4]")
#define RSEQ_BAE_(reg, label)	RSEQ_CMP_(reg) "jae\t%l[" #label "]\n\t"
#define RSEQ_TAKE_(place)						\
	RSEQ_FIRST_ RSEQ_HERE_						\
	RSEQ_OP2_("mov", RSEQ_SLOT_, RSEQ_ECX_)				\
	RSEQ_FIRST_ place RSEQ_OP2_("mov", RSEQ_ECX_, RSEQ_PAIR_ place)
#define RSEQ_PUT_IN_(reg)						\
	RSEQ_FIRST_ RSEQ_HERE_						\
	RSEQ_OP2_("mov", RSEQ_ARG_(reg), RSEQ_ECX_)			\
	RSEQ_OP2_("mov", RSEQ_ECX_, RSEQ_SLOT_)
