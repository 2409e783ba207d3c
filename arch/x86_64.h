/* SPDX-License-Identifier: MIT */
/* Verbs for x86-64.  The contract is in <rseq/section.h>; scratch is rax. */

#if defined(RSEQ_LIBC_LINE) && TLABI_OFFSET != 0x80
#error "rseq: the line of this architecture is at %fs:0x80"
#endif

/* ud1 %edi, 0x53053053(%rip): traps if it is ever executed. */
#define RSEQ_SIG	0x53053053

/*
 * %fs adds the thread pointer by itself, so the address of a field is an
 * offset: a constant one is not written as "m", for gcc 12 warns of those.
 */
#ifdef RSEQ_LIBC_LINE
#define RSEQ_AREA(field)	"%%fs:%c[" #field "]"
#define RSEQ_OPERAND(field)						\
	"i" (TLABI_OFFSET + offsetof(struct tlabi, field))
#else
#define RSEQ_AREA(field)	"%%fs:%[" #field "]"
#define RSEQ_OPERAND(field)						\
	"m" (((struct tlabi *)rseq_offset())->field)
#endif

#define rseq_read(field)						\
	__extension__ ({						\
		uint32_t v_;						\
		__asm__ __volatile__("movl " RSEQ_AREA(field) ", %[v_]"	\
			: [v_] "=r" (v_) : [field] RSEQ_OPERAND(field));	\
		v_;							\
	})

#define rseq_cs_differs(cs)						\
	__extension__ ({						\
		int ne_;						\
		__asm__ __volatile__("cmpq %[v_], " RSEQ_AREA(rseq_cs)	\
			: "=@ccne" (ne_)				\
			: [v_] "r" (cs), [rseq_cs] RSEQ_OPERAND(rseq_cs));	\
		ne_;							\
	})

#define RSEQ_CLOBBERS	"cc", "rax"
#define RSEQ_MEM	"m"
#define RSEQ_VALUE	"er"	/* a register, or 32 bits that extend to 64 */
#define RSEQ_WORD64(x)	".8byte " x "\n\t"

#define RSEQ_PUBLISH							\
	"leaq .Lrseq_cs%=(%%rip), %%rax\n\t"				\
	"movq %%rax, " RSEQ_AREA(rseq_cs) "\n"

#define RSEQ_CHECK(index, reg, label)					\
	"cmpl %[" #reg "], " RSEQ_AREA(index) "\n\t"			\
	"jne %l[" #label "]\n\t"

/* One unsigned test for -1, -2 and the limit. */
#define RSEQ_INDEX(index, limit, stride, label)				\
	"movl " RSEQ_AREA(index) ", %%eax\n\t"				\
	"cmpl %[" #limit "], %%eax\n\t"					\
	"jae %l[" #label "]\n\t"					\
	"imulq %[" #stride "], %%rax\n\t"

#define RSEQ_ABORT							\
	RSEQ_SECTION(__rseq_failure, "ax")				\
	".byte 0x0f, 0xb9, 0x3d\n\t"					\
	".4byte " RSEQ_STR(RSEQ_SIG) "\n"				\
	".Lrseq_abort%=:\n\t"						\
	"jmp %l[abort]\n\t"						\
	".popsection\n\t"

#define RSEQ_LOAD(mem)		"movq %[" #mem "], %%rax\n\t"
#define RSEQ_ADD(reg)		"addq %[" #reg "], %%rax\n\t"
#define RSEQ_SAVE(mem)		"movq %%rax, %[" #mem "]\n\t"
#define RSEQ_STORE(reg, mem)	"movq %[" #reg "], %[" #mem "]\n\t"

/* Memory operands make these one instruction shorter than the default. */
#define RSEQ_LOAD_BNE(mem, reg, label)					\
	"cmpq %[" #reg "], %[" #mem "]\n\t"				\
	"jne %l[" #label "]\n\t"
#define RSEQ_LOAD_ADD_SAVE(reg, mem)					\
	"addq %[" #reg "], %[" #mem "]\n\t"
#define RSEQ_AT_LOAD_ADD_SAVE(reg, base)	/* base[scratch] += reg */ \
	"addq %[" #reg "], (%[" #base "],%%rax)\n\t"
