/* SPDX-License-Identifier: MIT */
/*
 * Verbs for RV64.  The contract is in <rseq/section.h>.  t6 holds the
 * descriptor's address throughout, scratch is t5, t4 is the place and t3 spare.
 */

#if defined(RSEQ_LIBC_LINE_) && TLABI_OFFSET != -128
#error "rseq: the line of this architecture is at tp-128"
#endif

/* A thread pointer that is read anew by each section: see rseq(7), Fibers. */
#ifdef RSEQ_FIBERS
#define RSEQ_READ_TP_	"mv %0, tp"
#endif

#define RSEQ_CLOBBERS_	"t3", "t4", "t5", "t6"
#define RSEQ_AREA_(field)	"%[" #field "](%[area])"
#define RSEQ_VALUE_	"r"
#define RSEQ_WORD64_(x)	".8byte " x "\n\t"
#define RSEQ_RELEASE	"fence rw, w\n\t"

/* lw extends the sign, and so must a value that is compared with it. */
#define RSEQ_REG32_(x)	RSEQ_STATIC_(long, RSEQ_STATIC_(int32_t, x))
#define RSEQ_REG64_(x)	(x)
#define RSEQ_REG_(w, x)	RSEQ_REG##w##_(x)

#define RSEQ_ADDRESS_							\
	"lla t6, .Lrseq_cs%=\n\t"
#define RSEQ_PUBLISH_							\
	"sd t6, " RSEQ_AREA_(rseq_cs) "\n\t"

#define RSEQ_CHECK_(index, reg, label)					\
	"lw t5, " RSEQ_AREA_(index) "\n\t"				\
	"bne t5, %[" #reg "], %l[" #label "]\n\t"

/* The sign: an index that is no cpu's, such as -1 and -2. */
#define RSEQ_PERCPU_(index, base, label)				\
	"lw t4, " RSEQ_AREA_(index) "\n\t"				\
	"bltz t4, %l[" #label "]\n\t"					\
	"slli t4, t4, 16\n\t"						\
	"add t4, t4, %[" #base "]\n\t"
#define RSEQ_BEFORE_(v)	"-8(%[" #v "])"
#define RSEQ_HERE_	"(t4)"
#define RSEQ_V(v)	"(%[" #v "])"

#define RSEQ_UNWIND_(X)	X(31, 2, 31)
/* The signature: csrw mhartid, x0, illegal in every mode. */
#define RSEQ_TRAP_	".4byte 0xf1401073\n"
/* The stub may be farther from the function than j reaches. */
#define RSEQ_LEAVE_(label)	"jump %l[" #label "], t3\n\t"

#define RSEQ_S32_	"w "
#define RSEQ_S64_	"d "
#define RSEQ_A32_	"w "
#define RSEQ_A64_	" "

#define RSEQ_LOAD(w, at)	"l" RSEQ_S##w##_ "t5, " at "\n\t"
#define RSEQ_DEREF		"ld t5, (t5)\n\t"
#define RSEQ_SAVE(w, at)	"s" RSEQ_S##w##_ "t5, " at "\n\t"
#define RSEQ_STORE(w, reg, at)	"s" RSEQ_S##w##_ "%[" #reg "], " at "\n\t"
#define RSEQ_ADD(w, reg)	"add" RSEQ_A##w##_ "t5, t5, %[" #reg "]\n\t"
#define RSEQ_AND(w, reg)	"and t5, t5, %[" #reg "]\n\t"
#define RSEQ_OR(w, reg)		"or t5, t5, %[" #reg "]\n\t"
#define RSEQ_BNE(w, reg, label)	"bne t5, %[" #reg "], %l[" #label "]\n\t"
#define RSEQ_BEQ(w, reg, label)	"beq t5, %[" #reg "], %l[" #label "]\n\t"

/* One instruction each, which is also the commit. */
#define RSEQ_AMO_(op, w, reg, at)					\
	"amo" op "." RSEQ_S##w##_ "zero, %[" #reg "], " at "\n\t"
#define RSEQ_LOAD_ADD_SAVE(w, reg, at)	RSEQ_AMO_("add", w, reg, at)
#define RSEQ_LOAD_AND_SAVE(w, reg, at)	RSEQ_AMO_("and", w, reg, at)
#define RSEQ_LOAD_OR_SAVE(w, reg, at)	RSEQ_AMO_("or", w, reg, at)
#define RSEQ_DEREF_ADD_SAVE(w, reg)	RSEQ_AMO_("add", w, reg, "(t5)")

/* t5 is the index, t4 an address, t3 the datum. */
#define RSEQ_SET_(reg)		"mv t5, %[" #reg "]\n\t"
#define RSEQ_MORE_(n)		"addi t5, t5, " #n "\n\t"
#define RSEQ_LESS_(n, label)						\
	"addi t5, t5, -" #n "\n\t"					\
	"bltz t5, " label "\n\t"
#define RSEQ_JUMP_(label)	"j " label "\n\t"
#define RSEQ_MOVE_(w, dst, src)						\
	"add t4, %[" #src "], t5\n\t"					\
	"l" RSEQ_S##w##_ "t3, (t4)\n\t"					\
	"add t4, %[" #dst "], t5\n\t"					\
	"s" RSEQ_S##w##_ "t3, (t4)\n\t"
#define RSEQ_S8_	"b "
#define RSEQ_UNLESS_ALIGNED_(dst, src, label)				\
	"or t4, %[" #dst "], %[" #src "]\n\t"				\
	"or t4, t4, t5\n\t"						\
	"andi t4, t4, 7\n\t"						\
	"bnez t4, " label "\n\t"

/* A stack in per-cpu memory: t4 its address, t5 its count, t3 an object. */
#define RSEQ_STACK_CLOBBER_	"memory"
#define RSEQ_COPY_IS_(base)	"mv t4, %[" #base "]\n\t"
#define RSEQ_BAE_(reg, label)	"bgeu t5, %[" #reg "], %l[" #label "]\n\t"
#define RSEQ_TAKE_(place)						\
	"slli t3, t5, 3\n\t"						\
	"add t3, t3, t4\n\t"						\
	"ld t3, 8(t3)\n\t"						\
	"sd t3, " place "\n\t"
#define RSEQ_PUT_IN_(reg)						\
	"slli t3, t5, 3\n\t"						\
	"add t3, t3, t4\n\t"						\
	"sd %[" #reg "], 8(t3)\n\t"
