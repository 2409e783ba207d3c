/* SPDX-License-Identifier: MIT */
/*
 * Verbs for mips64el, n64.  The contract is in <rseq/section.h>.  $15 holds the
 * descriptor's address throughout, scratch is $14, $13 is the place and $12
 * spare; $31 is where this code is.  The assembler fills the delay slots: never
 * with a commit, since there is a label between that and any branch.
 */

#if defined(RSEQ_LIBC_LINE_) && TLABI_OFFSET != -0x7000 - 128
#error "rseq: the line of this architecture is at TP-0x7000-128"
#endif

/* A thread pointer that is read anew by each section: see rseq(7), Fibers. */
#ifdef RSEQ_FIBERS
#define RSEQ_READ_TP_							\
	".set push\n\t"							\
	".set mips64r2\n\t"						\
	"rdhwr %0, $29\n\t"						\
	".set pop"
#endif

#define RSEQ_CLOBBERS_	"$12", "$13", "$14", "$15", "$31"
#define RSEQ_AREA_(field)	"%[" #field "](%[area])"
#define RSEQ_VALUE_	"r"
#define RSEQ_WORD64_(x)	".8byte " x "\n\t"
#define RSEQ_RELEASE	"sync\n\t"

/* lw extends the sign, and so must a value that is compared with it. */
#define RSEQ_REG32_(x)	RSEQ_STATIC_(long, RSEQ_STATIC_(int32_t, x))
#define RSEQ_REG64_(x)	(x)
#define RSEQ_REG_(w, x)	RSEQ_REG##w##_(x)

/*
 * Relative to the label: $28 need not hold the GOT's address, nor $25 that of
 * the function.  The branch is never taken, and so not predicted as a call.
 */
#define RSEQ_ADDRESS_							\
	".set push\n\t"							\
	".set noreorder\n\t"						\
	"lui $15, %%pcrel_hi(.Lrseq_cs%= - 12)\n\t"			\
	"bltzal $0, .Lrseq_pc%=\n\t"					\
	"daddiu $15, $15, %%pcrel_lo(.Lrseq_cs%= - 4)\n"		\
	".Lrseq_pc%=:\n\t"						\
	"daddu $15, $15, $31\n\t"					\
	".set pop\n\t"
#define RSEQ_PUBLISH_							\
	"sd $15, " RSEQ_AREA_(rseq_cs) "\n\t"

#define RSEQ_CHECK_(index, reg, label)					\
	"lw $14, " RSEQ_AREA_(index) "\n\t"				\
	"bne $14, %[" #reg "], %l[" #label "]\n\t"

/* The sign: an index that is no cpu's, such as -1 and -2. */
#define RSEQ_PERCPU_(index, base, label)				\
	"lw $13, " RSEQ_AREA_(index) "\n\t"				\
	"bltz $13, %l[" #label "]\n\t"					\
	"dsll $13, $13, 16\n\t"						\
	"daddu $13, $13, %[" #base "]\n\t"
#define RSEQ_BEFORE_(v)	"-8(%[" #v "])"
#define RSEQ_HERE_	"0($13)"
#define RSEQ_V(v)	"0(%[" #v "])"

#define RSEQ_UNWIND_(X)	X(15, 29, 15)
/* The signature: break 848. */
#define RSEQ_TRAP_	".4byte 0x0350000d\n"
/* The address behind the descriptor: no jump is relative and reaches it. */
#define RSEQ_LEAVE_(label)						\
	"ld $12, 32($15)\n\t"						\
	"jr $12\n\t"

#define RSEQ_W32_	"w "
#define RSEQ_W64_	"d "
#define RSEQ_A32_	"addu "
#define RSEQ_A64_	"daddu "

#define RSEQ_LOAD(w, at)	"l" RSEQ_W##w##_ "$14, " at "\n\t"
#define RSEQ_DEREF		"ld $14, 0($14)\n\t"
#define RSEQ_SAVE(w, at)	"s" RSEQ_W##w##_ "$14, " at "\n\t"
#define RSEQ_STORE(w, reg, at)	"s" RSEQ_W##w##_ "%[" #reg "], " at "\n\t"
#define RSEQ_ADD(w, reg)	RSEQ_A##w##_ "$14, $14, %[" #reg "]\n\t"
#define RSEQ_AND(w, reg)	"and $14, $14, %[" #reg "]\n\t"
#define RSEQ_OR(w, reg)		"or $14, $14, %[" #reg "]\n\t"
#define RSEQ_BNE(w, reg, label)	"bne $14, %[" #reg "], %l[" #label "]\n\t"
#define RSEQ_BEQ(w, reg, label)	"beq $14, %[" #reg "], %l[" #label "]\n\t"
#define RSEQ_DEREF_ADD_SAVE(w, reg)					\
	"l" RSEQ_W##w##_ "$13, 0($14)\n\t"				\
	RSEQ_A##w##_ "$13, $13, %[" #reg "]\n\t"			\
	"s" RSEQ_W##w##_ "$13, 0($14)\n\t"

/* $14 is the index, $13 an address, $12 the datum. */
#define RSEQ_SET_(reg)		"move $14, %[" #reg "]\n\t"
#define RSEQ_MORE_(n)		"daddiu $14, $14, " #n "\n\t"
#define RSEQ_LESS_(n, label)						\
	"daddiu $14, $14, -" #n "\n\t"					\
	"bltz $14, " label "\n\t"
#define RSEQ_JUMP_(label)	"b " label "\n\t"
#define RSEQ_MOVE_(w, dst, src)						\
	"daddu $13, %[" #src "], $14\n\t"				\
	"l" RSEQ_W##w##_ "$12, 0($13)\n\t"				\
	"daddu $13, %[" #dst "], $14\n\t"				\
	"s" RSEQ_W##w##_ "$12, 0($13)\n\t"
#define RSEQ_W8_	"b "
#define RSEQ_UNLESS_ALIGNED_(dst, src, label)				\
	"or $13, %[" #dst "], %[" #src "]\n\t"				\
	"or $13, $13, $14\n\t"						\
	"andi $13, $13, 7\n\t"						\
	"bnez $13, " label "\n\t"

/* A stack in per-cpu memory: $13 its address, $14 its count, $12 an object. */
#define RSEQ_STACK_CLOBBER_	"memory"
#define RSEQ_COPY_IS_(base)	"move $13, %[" #base "]\n\t"
#define RSEQ_BAE_(reg, label)						\
	"sltu $12, $14, %[" #reg "]\n\t"				\
	"beqz $12, %l[" #label "]\n\t"
#define RSEQ_SLOT_							\
	"dsll $12, $14, 3\n\t"						\
	"daddu $12, $12, $13\n\t"
#define RSEQ_TAKE_(place)						\
	RSEQ_SLOT_							\
	"ld $12, 8($12)\n\t"						\
	"sd $12, " place "\n\t"
#define RSEQ_PUT_IN_(reg)						\
	RSEQ_SLOT_							\
	"sd %[" #reg "], 8($12)\n\t"
