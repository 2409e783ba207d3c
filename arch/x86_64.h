/* SPDX-License-Identifier: MIT */
/* Verbs for x86-64.  The contract is in <rseq/section.h>; scratch is rax. */

#if defined(RSEQ_LIBC_LINE) && TLABI_OFFSET != 0x80
#error "rseq: the line of this architecture is at %fs:0x80"
#endif

/* ud1 %edi, 0x53053053(%rip): traps if it is ever executed. */
#define RSEQ_SIG	0x53053053

/* %fs adds the thread pointer by itself: a line needs no base register. */
#ifdef RSEQ_LIBC_LINE
#define RSEQ_AREA(field)	"%%fs:%c[" #field "]"
#define RSEQ_BASE		"i" (0)
#else
#define RSEQ_AREA(field)	"%%fs:%c[" #field "](%[area])"
#define RSEQ_BASE		"r" (rseq_offset())
#endif

#define rseq_read(field) __extension__ ({				\
	uint32_t v_;							\
	__asm__ __volatile__("movl " RSEQ_AREA(field) ", %[v_]"		\
		: [v_] "=r" (v_)					\
		: [area] RSEQ_BASE, [field] RSEQ_FIELD(field));		\
	v_; })

#define rseq_cs_differs(cs) __extension__ ({				\
	int ne_;							\
	__asm__ __volatile__("cmpq %[v_], " RSEQ_AREA(rseq_cs)		\
		: "=@ccne" (ne_)					\
		: [v_] "r" (cs), [area] RSEQ_BASE,			\
		  [rseq_cs] RSEQ_FIELD(rseq_cs));			\
	ne_; })

#define RSEQ_CLOBBERS	"cc", "rax", "r10"
#define RSEQ_VALUE	"er"	/* a register, or 32 bits that extend to 64 */
#define RSEQ_WORD64(x)	".8byte " x "\n\t"
#define RSEQ_RELEASE	""	/* TSO: a store has release semantics already */

#define RSEQ_PUBLISH							\
	"leaq .Lrseq_cs%=(%%rip), %%rax\n\t"				\
	"movq %%rax, " RSEQ_AREA(rseq_cs) "\n"

#define RSEQ_CHECK(index, reg, label)					\
	"cmpl %[" #reg "], " RSEQ_AREA(index) "\n\t"			\
	"jne %l[" #label "]\n\t"

/* The element's offset in r10; one unsigned test for -1, -2 and the limit. */
#define RSEQ_INDEX(index, limit, stride, base, label)			\
	"movl " RSEQ_AREA(index) ", %%r10d\n\t"				\
	"cmpl %[" #limit "], %%r10d\n\t"				\
	"jae %l[" #label "]\n\t"					\
	"imulq %[" #stride "], %%r10\n\t"
#define RSEQ_AT(base)	"(%[" #base "],%%r10)"
#define RSEQ_V(v)	"(%[" #v "])"

#define RSEQ_ABORT							\
	RSEQ_SECTION(__rseq_failure, "ax")				\
	".byte 0x0f, 0xb9, 0x3d\n\t"					\
	".4byte " RSEQ_STR(RSEQ_SIG) "\n"				\
	".Lrseq_abort%=:\n\t"						\
	"jmp %l[abort]\n\t"						\
	".popsection\n\t"

#define RSEQ_S32	"l "
#define RSEQ_S64	"q "
#define RSEQ_R32	"%%eax"
#define RSEQ_R64	"%%rax"

#define RSEQ_LOAD(w, at)	"mov" RSEQ_S##w at ", " RSEQ_R##w "\n\t"
#define RSEQ_DEREF		"movq (%%rax), %%rax\n\t"
#define RSEQ_ADD(w, reg)	"add" RSEQ_S##w "%[" #reg "], " RSEQ_R##w "\n\t"
#define RSEQ_AND(w, reg)	"and" RSEQ_S##w "%[" #reg "], " RSEQ_R##w "\n\t"
#define RSEQ_OR(w, reg)		"or" RSEQ_S##w "%[" #reg "], " RSEQ_R##w "\n\t"
#define RSEQ_SAVE(w, at)	"mov" RSEQ_S##w RSEQ_R##w ", " at "\n\t"
#define RSEQ_STORE(w, reg, at)	"mov" RSEQ_S##w "%[" #reg "], " at "\n\t"
#define RSEQ_CMP(w, reg)	"cmp" RSEQ_S##w "%[" #reg "], " RSEQ_R##w "\n\t"
#define RSEQ_BEQ(w, reg, label)	RSEQ_CMP(w, reg) "je %l[" #label "]\n\t"
#define RSEQ_BNE(w, reg, label)	RSEQ_CMP(w, reg) "jne %l[" #label "]\n\t"

/* With memory operands these are one instruction shorter than the default. */
#define RSEQ_LOAD_BNE(w, at, reg, label)				\
	"cmp" RSEQ_S##w "%[" #reg "], " at "\n\tjne %l[" #label "]\n\t"
#define RSEQ_LOAD_ADD_SAVE(w, reg, at)	"add" RSEQ_S##w "%[" #reg "], " at "\n\t"
#define RSEQ_LOAD_AND_SAVE(w, reg, at)	"and" RSEQ_S##w "%[" #reg "], " at "\n\t"
#define RSEQ_LOAD_OR_SAVE(w, reg, at)	"or" RSEQ_S##w "%[" #reg "], " at "\n\t"

#define RSEQ_COPY(dst, src, len)	/* from the end down, 8 and 1 */ \
	"movq %[" #len "], %%rax\n"					\
	".Lrseq_copy8%=:\n\tsubq $8, %%rax\n\tjb .Lrseq_copied8%=\n\t"	\
	"movq (%[" #src "],%%rax), %%r10\n\t"				\
	"movq %%r10, (%[" #dst "],%%rax)\n\tjmp .Lrseq_copy8%=\n"	\
	".Lrseq_copied8%=:\n\taddq $8, %%rax\n"				\
	".Lrseq_copy1%=:\n\tsubq $1, %%rax\n\tjb .Lrseq_copied1%=\n\t"	\
	"movb (%[" #src "],%%rax), %%r10b\n\t"				\
	"movb %%r10b, (%[" #dst "],%%rax)\n\tjmp .Lrseq_copy1%=\n"	\
	".Lrseq_copied1%=:\n\t"
#define RSEQ_DEREF_ADD_SAVE(w, reg)	"add" RSEQ_S##w "%[" #reg "], (%%rax)\n\t"
#define RSEQ_STORE_PAIR(reg, at)	"movups %[" #reg "], " at "\n\t"
#define RSEQ_IN_PAIR(x)			[x] "x" (x)
