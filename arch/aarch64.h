/* SPDX-License-Identifier: MIT */
/* Verbs for AArch64.  The contract is in <rseq/section.h>; scratch is x15. */

#if defined(RSEQ_LIBC_LINE) && TLABI_OFFSET != -128
#error "rseq: the line of this architecture is at TP-128"
#endif

/* brk #0x45e0.  Code is little-endian whatever data is. */
#define RSEQ_SIG_CODE	0xd428bc00
#ifdef __AARCH64EB__
#define RSEQ_SIG	0x00bc28d4
#else
#define RSEQ_SIG	RSEQ_SIG_CODE
#endif

#define RSEQ_CLOBBERS	"cc", "x14", "x15"
#define RSEQ_AREA(field)	"[%[area], %[" #field "]]"
#define RSEQ_VALUE	"r"
#define RSEQ_RELEASE	"dmb ish\n\t"	/* where stlr does not do */
#define RSEQ_WORD64(x)	".8byte " x "\n\t"

#define RSEQ_PUBLISH							\
	"adrp x15, .Lrseq_cs%=\n\t"					\
	"add x15, x15, :lo12:.Lrseq_cs%=\n\t"				\
	"str x15, " RSEQ_AREA(rseq_cs) "\n"

#define RSEQ_CHECK(index, reg, label)					\
	"ldr w15, " RSEQ_AREA(index) "\n\t"				\
	"cmp w15, %w[" #reg "]\n\t"					\
	"b.ne %l[" #label "]\n\t"

/* One unsigned test for -1, -2 and the limit. */
#define RSEQ_INDEX(index, limit, stride, base, label)			\
	"ldr w14, " RSEQ_AREA(index) "\n\t"				\
	"cmp w14, %w[" #limit "]\n\t"					\
	"b.hs %l[" #label "]\n\t"					\
	"madd x14, x14, %[" #stride "], %[" #base "]\n\t"
#define RSEQ_AT(base)	"[x14]"
#define RSEQ_V(v)	"[%[" #v "]]"

/* Behind the function, in its own section: no veneer clobbers x16 and x17. */
#define RSEQ_ABORT							\
	".subsection 1\n\t"						\
	".inst " RSEQ_STR(RSEQ_SIG_CODE) "\n"				\
	".Lrseq_abort%=:\n\t"						\
	"b %l[abort]\n\t"						\
	".previous\n\t"

#define RSEQ_R32	"w"
#define RSEQ_R64	"x"
#define RSEQ_X(w, reg)	"%" RSEQ_R##w "[" #reg "]"

#define RSEQ_LOAD(w, at)	"ldr " RSEQ_R##w "15, " at "\n\t"
#define RSEQ_DEREF		"ldr x15, [x15]\n\t"
#define RSEQ_SAVE(w, at)	"str " RSEQ_R##w "15, " at "\n\t"
#define RSEQ_STORE(w, reg, at)	"str " RSEQ_X(w, reg) ", " at "\n\t"
#define RSEQ_STORE_RELEASE(w, reg, at)	"stlr " RSEQ_X(w, reg) ", " at "\n\t"

#define RSEQ_ADD(w, reg)						\
	"add " RSEQ_R##w "15, " RSEQ_R##w "15, " RSEQ_X(w, reg) "\n\t"
#define RSEQ_AND(w, reg)						\
	"and " RSEQ_R##w "15, " RSEQ_R##w "15, " RSEQ_X(w, reg) "\n\t"
#define RSEQ_OR(w, reg)							\
	"orr " RSEQ_R##w "15, " RSEQ_R##w "15, " RSEQ_X(w, reg) "\n\t"
#define RSEQ_DEREF_ADD_SAVE(w, reg)					\
	"ldr " RSEQ_R##w "14, [x15]\n\t"				\
	"add " RSEQ_R##w "14, " RSEQ_R##w "14, " RSEQ_X(w, reg) "\n\t"	\
	"str " RSEQ_R##w "14, [x15]\n\t"

#define RSEQ_BNE(w, reg, label)						\
	"cmp " RSEQ_R##w "15, " RSEQ_X(w, reg) "\n\t"			\
	"b.ne %l[" #label "]\n\t"
#define RSEQ_BEQ(w, reg, label)						\
	"cmp " RSEQ_R##w "15, " RSEQ_X(w, reg) "\n\t"			\
	"b.eq %l[" #label "]\n\t"

#define RSEQ_COPY(dst, src, len)	/* from the end down, 8 and 1 */ \
	"mov x15, %[" #len "]\n"					\
	".Lrseq_copy8%=:\n\t"						\
	"subs x15, x15, #8\n\t"						\
	"b.lo .Lrseq_copied8%=\n\t"					\
	"ldr x14, [%[" #src "], x15]\n\t"				\
	"str x14, [%[" #dst "], x15]\n\t"				\
	"b .Lrseq_copy8%=\n"						\
	".Lrseq_copied8%=:\n\t"						\
	"add x15, x15, #8\n"						\
	".Lrseq_copy1%=:\n\t"						\
	"subs x15, x15, #1\n\t"						\
	"b.lo .Lrseq_copied1%=\n\t"					\
	"ldrb w14, [%[" #src "], x15]\n\t"				\
	"strb w14, [%[" #dst "], x15]\n\t"				\
	"b .Lrseq_copy1%=\n"						\
	".Lrseq_copied1%=:\n\t"
