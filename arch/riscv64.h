/* SPDX-License-Identifier: MIT */
/* Verbs for RV64.  The contract is in <rseq/section.h>; scratch is t6. */

#if defined(RSEQ_LIBC_LINE) && TLABI_OFFSET != -128
#error "rseq: the line of this architecture is at tp-128"
#endif

/* csrw mhartid, x0: illegal in every mode (ebreak has no immediate). */
#define RSEQ_SIG	0xf1401073

#define RSEQ_CLOBBERS	"t4", "t5", "t6"
#define RSEQ_AREA(field)	"%[" #field "](%[area])"
#define RSEQ_VALUE	"r"
#define RSEQ_WORD64(x)	".8byte " x "\n\t"
#define RSEQ_RELEASE	"fence rw, w\n\t"

/* lw extends the sign, and so must a value that is compared with it. */
#define RSEQ_REG32(x)	((long)(int32_t)(x))
#define RSEQ_REG64(x)	(x)
#define RSEQ_REG(w, x)	RSEQ_REG##w(x)

#define RSEQ_PUBLISH							\
	"lla t6, .Lrseq_cs%=\n\t"					\
	"sd t6, " RSEQ_AREA(rseq_cs) "\n"

#define RSEQ_CHECK(index, reg, label)					\
	"lw t6, " RSEQ_AREA(index) "\n\t"				\
	"bne t6, %[" #reg "], %l[" #label "]\n\t"

/* One unsigned test for -1, -2 and the limit. */
#define RSEQ_INDEX(index, limit, stride, base, label)			\
	"lwu t5, " RSEQ_AREA(index) "\n\t"				\
	"bgeu t5, %[" #limit "], %l[" #label "]\n\t"			\
	"mul t5, t5, %[" #stride "]\n\t"				\
	"add t5, t5, %[" #base "]\n\t"
#define RSEQ_AT(base)	"(t5)"
#define RSEQ_V(v)	"(%[" #v "])"

/* Behind the function, in its own section. */
#define RSEQ_ABORT							\
	".subsection 1\n\t"						\
	".4byte " RSEQ_STR(RSEQ_SIG) "\n"				\
	".Lrseq_abort%=:\n\t"						\
	"j %l[abort]\n\t"						\
	".previous\n\t"

#define RSEQ_S32	"w "
#define RSEQ_S64	"d "
#define RSEQ_A32	"w "
#define RSEQ_A64	" "

#define RSEQ_LOAD(w, at)	"l" RSEQ_S##w "t6, " at "\n\t"
#define RSEQ_DEREF		"ld t6, (t6)\n\t"
#define RSEQ_SAVE(w, at)	"s" RSEQ_S##w "t6, " at "\n\t"
#define RSEQ_STORE(w, reg, at)	"s" RSEQ_S##w "%[" #reg "], " at "\n\t"
#define RSEQ_ADD(w, reg)	"add" RSEQ_A##w "t6, t6, %[" #reg "]\n\t"
#define RSEQ_AND(w, reg)	"and t6, t6, %[" #reg "]\n\t"
#define RSEQ_OR(w, reg)		"or t6, t6, %[" #reg "]\n\t"
#define RSEQ_DEREF_ADD_SAVE(w, reg)					\
	"l" RSEQ_S##w "t5, (t6)\n\t"					\
	"add" RSEQ_A##w "t5, t5, %[" #reg "]\n\t"			\
	"s" RSEQ_S##w "t5, (t6)\n\t"
#define RSEQ_BNE(w, reg, label)	"bne t6, %[" #reg "], %l[" #label "]\n\t"
#define RSEQ_BEQ(w, reg, label)	"beq t6, %[" #reg "], %l[" #label "]\n\t"

/* From the end down; in words of 8 if both ends are aligned to them. */
#define RSEQ_COPY(dst, src, len)					\
	"mv t6, %[" #len "]\n\t"					\
	"or t5, %[" #dst "], %[" #src "]\n\t"				\
	"or t5, t5, t6\n\t"						\
	"andi t5, t5, 7\n\t"						\
	"bnez t5, .Lrseq_copy1%=\n"					\
	".Lrseq_copy8%=:\n\t"						\
	"beqz t6, .Lrseq_copied%=\n\t"					\
	"addi t6, t6, -8\n\t"						\
	"add t5, %[" #src "], t6\n\t"					\
	"ld t4, (t5)\n\t"						\
	"add t5, %[" #dst "], t6\n\t"					\
	"sd t4, (t5)\n\t"						\
	"j .Lrseq_copy8%=\n"						\
	".Lrseq_copy1%=:\n\t"						\
	"beqz t6, .Lrseq_copied%=\n\t"					\
	"addi t6, t6, -1\n\t"						\
	"add t5, %[" #src "], t6\n\t"					\
	"lb t4, (t5)\n\t"						\
	"add t5, %[" #dst "], t6\n\t"					\
	"sb t4, (t5)\n\t"						\
	"j .Lrseq_copy1%=\n"						\
	".Lrseq_copied%=:\n\t"
