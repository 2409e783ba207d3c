/* SPDX-License-Identifier: MIT */
/*
 * Verbs for AArch64.  The contract is in <rseq/section.h>.  x15 holds the
 * descriptor's address throughout, scratch is x14, and x13 is the place.
 */

#if defined(RSEQ_LIBC_LINE_) && TLABI_OFFSET != -128
#error "rseq: the line of this architecture is at TP-128"
#endif

/* A thread pointer that is read anew by each section: see rseq(7), Fibers. */
#ifdef RSEQ_FIBERS
#define RSEQ_READ_TP_	"mrs %0, tpidr_el0"
#endif

/* x16 and x17: a veneer between the stub and the function may use them. */
#define RSEQ_CLOBBERS_	"cc", "x13", "x14", "x15", "x16", "x17"
#define RSEQ_AREA_(field)	"[%[area], %[" #field "]]"
#define RSEQ_VALUE_	"r"
#define RSEQ_RELEASE	"dmb ish\n\t"	/* where stlr does not do */
#define RSEQ_WORD64_(x)	".8byte " x "\n\t"
#define RSEQ_GLOBAL_(name)						\
	"adrp %0, :got:" name "\n\t"					\
	"ldr %0, [%0, :got_lo12:" name "]"

#define RSEQ_ADDRESS_							\
	"adrp x15, .Lrseq_cs%=\n\t"					\
	"add x15, x15, :lo12:.Lrseq_cs%=\n\t"
#define RSEQ_PUBLISH_							\
	"str x15, " RSEQ_AREA_(rseq_cs) "\n\t"

#define RSEQ_CHECK_(index, reg, label)					\
	"ldr w14, " RSEQ_AREA_(index) "\n\t"				\
	"cmp w14, %w[" #reg "]\n\t"					\
	"b.ne %l[" #label "]\n\t"

/*
 * Each cpu's copy is below that of the cpu before it, so that one condition
 * tells both that the index is no cpu's, such as -1 and -2, and that the kernel
 * restarts nothing.  Addresses have 48 bits: less such an index in bits 16 to
 * 47, the difference is negative.  Where nothing is restarted,
 * rseq_percpu_alloc() makes the pointer itself negative; less such an index it
 * overflows.  "lt" is negative or overflowed, and not both.
 */
#define RSEQ_PERCPU_SIGN_	-
#define RSEQ_PERCPU_NONE_	(1ull << 63)
#define RSEQ_PERCPU_(index, base, label)				\
	"ldr w13, " RSEQ_AREA_(index) "\n\t"				\
	"subs x13, %[" #base "], x13, lsl #16\n\t"			\
	"b.lt %l[" #label "]\n\t"
#define RSEQ_BEFORE_(v)	"[%[" #v "], #-8]"
#define RSEQ_HERE_	"[x13]"
#define RSEQ_V(v)	"[%[" #v "]]"

#define RSEQ_UNWIND_(X)	X(15, 31, 15)
/* The signature: brk #0x45e0.  Code is little-endian whatever data is. */
#define RSEQ_TRAP_	".inst 0xd428bc00\n"
#define RSEQ_LEAVE_(label)	"b %l[" #label "]\n\t"

#define RSEQ_R32_	"w"
#define RSEQ_R64_	"x"
#define RSEQ_X_(w, reg)	"%" RSEQ_R##w##_ "[" #reg "]"

#define RSEQ_LOAD(w, at)	"ldr " RSEQ_R##w##_ "14, " at "\n\t"
#define RSEQ_DEREF		"ldr x14, [x14]\n\t"
#define RSEQ_SAVE(w, at)	"str " RSEQ_R##w##_ "14, " at "\n\t"
#define RSEQ_STORE(w, reg, at)	"str " RSEQ_X_(w, reg) ", " at "\n\t"
#define RSEQ_STORE_RELEASE(w, reg, at)	"stlr " RSEQ_X_(w, reg) ", " at "\n\t"

#define RSEQ_ADD(w, reg)						\
	"add " RSEQ_R##w##_ "14, " RSEQ_R##w##_ "14, " RSEQ_X_(w, reg) "\n\t"
#define RSEQ_AND(w, reg)						\
	"and " RSEQ_R##w##_ "14, " RSEQ_R##w##_ "14, " RSEQ_X_(w, reg) "\n\t"
#define RSEQ_OR(w, reg)							\
	"orr " RSEQ_R##w##_ "14, " RSEQ_R##w##_ "14, " RSEQ_X_(w, reg) "\n\t"
#define RSEQ_DEREF_ADD_SAVE(w, reg)					\
	"ldr " RSEQ_R##w##_ "13, [x14]\n\t"				\
	"add " RSEQ_R##w##_ "13, " RSEQ_R##w##_ "13, " RSEQ_X_(w, reg) "\n\t" \
	"str " RSEQ_R##w##_ "13, [x14]\n\t"

#define RSEQ_BNE(w, reg, label)						\
	"cmp " RSEQ_R##w##_ "14, " RSEQ_X_(w, reg) "\n\t"		\
	"b.ne %l[" #label "]\n\t"
#define RSEQ_BEQ(w, reg, label)						\
	"cmp " RSEQ_R##w##_ "14, " RSEQ_X_(w, reg) "\n\t"		\
	"b.eq %l[" #label "]\n\t"

/* x14 is the index, x13 the datum. */
#define RSEQ_SET_(reg)		"mov x14, %[" #reg "]\n\t"
#define RSEQ_MORE_(n)		"add x14, x14, #" #n "\n\t"
#define RSEQ_LESS_(n, label)						\
	"subs x14, x14, #" #n "\n\t"					\
	"b.mi " label "\n\t"
#define RSEQ_JUMP_(label)	"b " label "\n\t"
#define RSEQ_MOVE_(w, dst, src)						\
	"ldr" RSEQ_N##w##_ "13, [%[" #src "], x14]\n\t"			\
	"str" RSEQ_N##w##_ "13, [%[" #dst "], x14]\n\t"
#define RSEQ_N8_	"b w"
#define RSEQ_N64_	" x"

/* A stack in per-cpu memory: x13 its address, x14 its count, x12 an object. */
#define RSEQ_STACK_CLOBBER_	"x12"
#define RSEQ_COPY_IS_(base)	"mov x13, %[" #base "]\n\t"
#define RSEQ_BAE_(reg, label)						\
	"cmp x14, %[" #reg "]\n\t"					\
	"b.hs %l[" #label "]\n\t"
#define RSEQ_TAKE_(place)						\
	"add x12, x13, x14, lsl #3\n\t"					\
	"ldr x12, [x12, #8]\n\t"					\
	"str x12, " place "\n\t"
#define RSEQ_PUT_IN_(reg)						\
	"add x12, x13, x14, lsl #3\n\t"					\
	"str %[" #reg "], [x12, #8]\n\t"
