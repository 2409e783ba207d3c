/* SPDX-License-Identifier: MIT */
/*
 * Verbs for x86-64.  The contract is in <rseq/section.h>.  rax holds the
 * descriptor's address throughout, scratch is r10, and r11 is the place.
 * {AT&T|Intel}: the compiler takes the half that -masm asks for.
 */

#if defined(RSEQ_LIBC_LINE_) && TLABI_OFFSET != 0x80
#error "rseq: the line of this architecture is at %fs:0x80"
#endif

/* A place in memory is a pair: how each syntax writes it. */
#define RSEQ_ATT_(att, intel)	att
#define RSEQ_INT_(att, intel)	intel
#define RSEQ_V(v)	("(%[" #v "])", "[%[" #v "]]")
#define RSEQ_BEFORE_(v)	("-8(%[" #v "])", "[%[" #v "]-8]")
#define RSEQ_HERE_	("(%%r11)", "[r11]")

/* %fs adds the thread pointer by itself: a line needs no base register. */
#ifdef RSEQ_LIBC_LINE_
#define RSEQ_AREA_AT_(field, more)					\
	("%%fs:%c[" #field "]" more, "fs:[%c[" #field "]" more "]")
#define RSEQ_BASE_		"i" (0)
#else
#define RSEQ_AREA_AT_(field, more)					\
	("%%fs:%c[" #field "]" more "(%[area])",			\
	 "fs:[%[area]+%c[" #field "]" more "]")
#define RSEQ_BASE_		"r" (rseq_offset_())
#endif
#define RSEQ_AREA_(field)	RSEQ_AREA_AT_(field, "")
#define RSEQ_GLOBAL_(name)						\
	"mov{q}\t{" name "@GOTPCREL(%%rip), %0|%0, " name "@GOTPCREL[rip]}"

#define RSEQ_S8_	"{b}\t"
#define RSEQ_S32_	"{l}\t"
#define RSEQ_S64_	"{q}\t"
#define RSEQ_P8_	"BYTE PTR "
#define RSEQ_P32_	"DWORD PTR "
#define RSEQ_P64_	"QWORD PTR "
/* scratch, and the place or a datum */
#define RSEQ_R32_	("%%r10d", "r10d")
#define RSEQ_R64_	("%%r10", "r10")
#define RSEQ_D8_	("%%r11b", "r11b")
#define RSEQ_D64_	("%%r11", "r11")
#define RSEQ_IMM_(n)	("$" #n, #n)

/* op src, dst: from memory, to memory, between registers and values */
#define RSEQ_FROM_(op, w, at, reg)	op RSEQ_S##w##_ "{" RSEQ_ATT_ at ", " \
	RSEQ_ATT_ reg "|" RSEQ_INT_ reg ", " RSEQ_P##w##_ RSEQ_INT_ at "}\n\t"
#define RSEQ_TO_(op, w, reg, at)	op RSEQ_S##w##_ "{" RSEQ_ATT_ reg ", " \
	RSEQ_ATT_ at "|" RSEQ_P##w##_ RSEQ_INT_ at ", " RSEQ_INT_ reg "}\n\t"
#define RSEQ_BY_(op, w, src, reg)	op RSEQ_S##w##_ "{" RSEQ_ATT_ src ", " \
	RSEQ_ATT_ reg "|" RSEQ_INT_ reg ", " RSEQ_INT_ src "}\n\t"
#define RSEQ_OPERAND_(x)	("%[" #x "]", "%[" #x "]")
#define RSEQ_WORD_AT_R10_	("(%%r10)", "[r10]")

#define rseq_read_(field) __extension__ ({				\
	uint32_t v_;							\
	__asm__ __volatile__(						\
		RSEQ_FROM_("mov", 32, RSEQ_AREA_(field), RSEQ_OPERAND_(v_)) \
		: [v_] "=r" (v_)					\
		: [area] RSEQ_BASE_, [field] RSEQ_FIELD_(field));	\
	v_; })

#define rseq_cs_differs_(cs) __extension__ ({				\
	int ne_;							\
	__asm__ __volatile__(						\
		RSEQ_TO_("cmp", 64, RSEQ_OPERAND_(v_), RSEQ_AREA_(rseq_cs)) \
		: "=@ccne" (ne_)					\
		: [v_] "r" (cs), [area] RSEQ_BASE_,			\
		  [rseq_cs] RSEQ_FIELD_(rseq_cs));			\
	ne_; })

#define RSEQ_CLOBBERS_	"cc", "rax", "r10", "r11"
#define RSEQ_VALUE_	"er"	/* a register, or 32 bits that extend to 64 */
#define RSEQ_WORD64_(x)	".8byte " x "\n\t"
#define RSEQ_RELEASE	""	/* TSO: a store has release semantics already */

#define RSEQ_ADDRESS_							\
	"lea{q}\t{.Lrseq_cs%=(%%rip), %%rax|rax, [rip+.Lrseq_cs%=]}\n\t"
#define RSEQ_PUBLISH_							\
	RSEQ_TO_("mov", 64, ("%%rax", "rax"), RSEQ_AREA_(rseq_cs))

#define RSEQ_CHECK_(index, reg, label)					\
	RSEQ_TO_("cmp", 32, RSEQ_OPERAND_(reg), RSEQ_AREA_(index))	\
	"jne\t%l[" #label "]\n\t"

/*
 * r11 = index << 16, with its sign.  cpu_id needs no shift: what lies two bytes
 * before it has cpu_id below, and the upper half of cpu_id_start, which is 0
 * since it is always the number of a possible cpu.
 */
#define RSEQ_SHIFTED_cpu_id_						\
	RSEQ_SIGNED_(RSEQ_AREA_AT_(cpu_id, "-2"))
#define RSEQ_SHIFTED_mm_cid_						\
	RSEQ_SIGNED_(RSEQ_AREA_AT_(mm_cid, ""))				\
	RSEQ_BY_("shl", 64, RSEQ_IMM_(16), RSEQ_D64_)
#define RSEQ_SIGNED_(at)						\
	"{movslq\t" RSEQ_ATT_ at ", %%r11|"				\
	"movsxd\tr11, DWORD PTR " RSEQ_INT_ at "}\n\t"

/*
 * The carry: an index that is no cpu's, such as -1 and -2.  The place is one
 * register: with an index register beside it, a load does not find what was
 * stored before as fast, and an add takes three times as long.
 */
#define RSEQ_PERCPU_(index, base, label)				\
	RSEQ_SHIFTED_##index##_						\
	RSEQ_BY_("add", 64, RSEQ_OPERAND_(base), RSEQ_D64_)		\
	"jc\t%l[" #label "]\n\t"

#define RSEQ_UNWIND_(X)	X(16, 7, 0)
#define RSEQ_EH_TYPE_	"@unwind"
/* The signature: ud1 %edi, 0x53053053(%rip), which traps. */
#define RSEQ_TRAP_	".byte 0x0f, 0xb9, 0x3d\n\t.4byte 0x53053053\n"
#define RSEQ_LEAVE_(label)	"jmp\t%l[" #label "]\n\t"

#define RSEQ_LOAD(w, at)	RSEQ_FROM_("mov", w, at, RSEQ_R##w##_)
#define RSEQ_DEREF	RSEQ_FROM_("mov", 64, RSEQ_WORD_AT_R10_, RSEQ_R64_)
#define RSEQ_ADD(w, x)	RSEQ_BY_("add", w, RSEQ_OPERAND_(x), RSEQ_R##w##_)
#define RSEQ_AND(w, x)	RSEQ_BY_("and", w, RSEQ_OPERAND_(x), RSEQ_R##w##_)
#define RSEQ_OR(w, x)	RSEQ_BY_("or", w, RSEQ_OPERAND_(x), RSEQ_R##w##_)
#define RSEQ_SAVE(w, at)	RSEQ_TO_("mov", w, RSEQ_R##w##_, at)
#define RSEQ_STORE(w, x, at)	RSEQ_TO_("mov", w, RSEQ_OPERAND_(x), at)
#define RSEQ_CMP_(w, x)	RSEQ_BY_("cmp", w, RSEQ_OPERAND_(x), RSEQ_R##w##_)
#define RSEQ_BEQ(w, x, label)	RSEQ_CMP_(w, x) "je\t%l[" #label "]\n\t"
#define RSEQ_BNE(w, x, label)	RSEQ_CMP_(w, x) "jne\t%l[" #label "]\n\t"

/* With memory operands these are one instruction shorter than the default. */
#define RSEQ_LOAD_BNE(w, at, x, label)					\
	RSEQ_TO_("cmp", w, RSEQ_OPERAND_(x), at) "jne\t%l[" #label "]\n\t"
#define RSEQ_LOAD_ADD_SAVE(w, x, at)	RSEQ_TO_("add", w, RSEQ_OPERAND_(x), at)
#define RSEQ_LOAD_AND_SAVE(w, x, at)	RSEQ_TO_("and", w, RSEQ_OPERAND_(x), at)
#define RSEQ_LOAD_OR_SAVE(w, x, at)	RSEQ_TO_("or", w, RSEQ_OPERAND_(x), at)
#define RSEQ_DEREF_ADD_SAVE(w, x)					\
	RSEQ_TO_("add", w, RSEQ_OPERAND_(x), RSEQ_WORD_AT_R10_)

/* r10 is the index, r11 the datum. */
#define RSEQ_SET_(x)	RSEQ_BY_("mov", 64, RSEQ_OPERAND_(x), RSEQ_R64_)
#define RSEQ_MORE_(n)	RSEQ_BY_("add", 64, RSEQ_IMM_(n), RSEQ_R64_)
#define RSEQ_LESS_(n, label)						\
	RSEQ_BY_("sub", 64, RSEQ_IMM_(n), RSEQ_R64_) "js\t" label "\n\t"
#define RSEQ_JUMP_(label)	"jmp\t" label "\n\t"
#define RSEQ_MOVE_(w, dst, src)						\
	RSEQ_FROM_("mov", w, RSEQ_INDEXED_(src), RSEQ_D##w##_)		\
	RSEQ_TO_("mov", w, RSEQ_D##w##_, RSEQ_INDEXED_(dst))
#define RSEQ_INDEXED_(x)	("(%[" #x "],%%r10)", "[%[" #x "]+r10]")

/* A stack in per-cpu memory: r11 its address, r10 its count, rcx an object. */
#define RSEQ_STACK_CLOBBER_	"rcx"
#define RSEQ_COPY_IS_(x)	RSEQ_BY_("mov", 64, RSEQ_OPERAND_(x), RSEQ_D64_)
#define RSEQ_SLOT_		("8(%%r11,%%r10,8)", "[r11+r10*8+8]")
#define RSEQ_BAE_(reg, label)	RSEQ_CMP_(64, reg) "jae\t%l[" #label "]\n\t"
#define RSEQ_TAKE_(place)						\
	RSEQ_FROM_("mov", 64, RSEQ_SLOT_, ("%%rcx", "rcx"))		\
	RSEQ_TO_("mov", 64, ("%%rcx", "rcx"), place)
#define RSEQ_PUT_IN_(reg)						\
	RSEQ_TO_("mov", 64, RSEQ_OPERAND_(reg), RSEQ_SLOT_)
