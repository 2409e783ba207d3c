/* SPDX-License-Identifier: MIT */
/*
 * Verbs for LoongArch of 64 bits.  The contract is in <rseq/section.h>.  $r15
 * holds the descriptor's address throughout, scratch is $r14, $r13 is the place
 * and $r12 spare.
 */

#if defined(RSEQ_LIBC_LINE_) && TLABI_OFFSET != -128
#error "rseq: the line of this architecture is at tp-128"
#endif

/* A thread pointer that is read anew by each section: see rseq(7), Fibers. */
#ifdef RSEQ_FIBERS
#define RSEQ_READ_TP_	"move %0, $r2"
#endif

#define RSEQ_CLOBBERS_	"$r12", "$r13", "$r14", "$r15"
#define RSEQ_AREA_(field)	"%[area], %[" #field "]"
#define RSEQ_VALUE_	"r"
#define RSEQ_WORD64_(x)	".8byte " x "\n\t"
#define RSEQ_RELEASE	"dbar 0x12\n\t"	/* loads, stores before stores */

/* ld.w extends the sign, and so must a value that is compared with it. */
#define RSEQ_REG32_(x)	RSEQ_STATIC_(long, RSEQ_STATIC_(int32_t, x))
#define RSEQ_REG64_(x)	(x)
#define RSEQ_REG_(w, x)	RSEQ_REG##w##_(x)

#define RSEQ_ADDRESS_							\
	"la.local $r15, .Lrseq_cs%=\n\t"
#define RSEQ_PUBLISH_							\
	"st.d $r15, " RSEQ_AREA_(rseq_cs) "\n\t"

#define RSEQ_CHECK_(index, reg, label)					\
	"ld.w $r14, " RSEQ_AREA_(index) "\n\t"				\
	"bne $r14, %[" #reg "], %l[" #label "]\n\t"

/* The sign: an index that is no cpu's, such as -1 and -2. */
#define RSEQ_PERCPU_(index, base, label)				\
	"ld.w $r13, " RSEQ_AREA_(index) "\n\t"				\
	"bltz $r13, %l[" #label "]\n\t"					\
	"slli.d $r13, $r13, 16\n\t"					\
	"add.d $r13, $r13, %[" #base "]\n\t"
#define RSEQ_BEFORE_(v)	"%[" #v "], -8"
#define RSEQ_HERE_	"$r13, 0"
#define RSEQ_V(v)	"%[" #v "], 0"

#define RSEQ_UNWIND_(X)	X(15, 3, 15)
/* The signature: break 16. */
#define RSEQ_TRAP_	".4byte 0x002a0010\n"
/* The address behind the descriptor, however far the function is. */
#define RSEQ_LEAVE_(label)						\
	"ld.d $r12, $r15, 32\n\t"					\
	"jr $r12\n\t"

#define RSEQ_W32_	".w "
#define RSEQ_W64_	".d "

#define RSEQ_LOAD(w, at)	"ld" RSEQ_W##w##_ "$r14, " at "\n\t"
#define RSEQ_DEREF		"ld.d $r14, $r14, 0\n\t"
#define RSEQ_SAVE(w, at)	"st" RSEQ_W##w##_ "$r14, " at "\n\t"
#define RSEQ_STORE(w, reg, at)	"st" RSEQ_W##w##_ "%[" #reg "], " at "\n\t"
#define RSEQ_ADD(w, reg)	"add" RSEQ_W##w##_ "$r14, $r14, %[" #reg "]\n\t"
#define RSEQ_AND(w, reg)	"and $r14, $r14, %[" #reg "]\n\t"
#define RSEQ_OR(w, reg)		"or $r14, $r14, %[" #reg "]\n\t"
#define RSEQ_BNE(w, reg, label)	"bne $r14, %[" #reg "], %l[" #label "]\n\t"
#define RSEQ_BEQ(w, reg, label)	"beq $r14, %[" #reg "], %l[" #label "]\n\t"
#define RSEQ_DEREF_ADD_SAVE(w, reg)					\
	"ld" RSEQ_W##w##_ "$r13, $r14, 0\n\t"				\
	"add" RSEQ_W##w##_ "$r13, $r13, %[" #reg "]\n\t"		\
	"st" RSEQ_W##w##_ "$r13, $r14, 0\n\t"

/* $r14 is the index, $r13 the datum. */
#define RSEQ_SET_(reg)		"move $r14, %[" #reg "]\n\t"
#define RSEQ_MORE_(n)		"addi.d $r14, $r14, " #n "\n\t"
#define RSEQ_LESS_(n, label)						\
	"addi.d $r14, $r14, -" #n "\n\t"				\
	"bltz $r14, " label "\n\t"
#define RSEQ_JUMP_(label)	"b " label "\n\t"
#define RSEQ_MOVE_(w, dst, src)						\
	"ldx" RSEQ_W##w##_ "$r13, %[" #src "], $r14\n\t"		\
	"stx" RSEQ_W##w##_ "$r13, %[" #dst "], $r14\n\t"
#define RSEQ_W8_	".b "
#define RSEQ_UNLESS_ALIGNED_(dst, src, label)				\
	"or $r13, %[" #dst "], %[" #src "]\n\t"				\
	"or $r13, $r13, $r14\n\t"					\
	"andi $r13, $r13, 7\n\t"					\
	"bnez $r13, " label "\n\t"

/* A stack in per-cpu memory: $r13 its address, $r14 its count, $r12 spare. */
#define RSEQ_STACK_CLOBBER_	"memory"
#define RSEQ_COPY_IS_(base)	"move $r13, %[" #base "]\n\t"
#define RSEQ_BAE_(reg, label)	"bgeu $r14, %[" #reg "], %l[" #label "]\n\t"
#define RSEQ_TAKE_(place)						\
	"alsl.d $r12, $r14, $r13, 3\n\t"				\
	"ld.d $r12, $r12, 8\n\t"					\
	"st.d $r12, " place "\n\t"
#define RSEQ_PUT_IN_(reg)						\
	"alsl.d $r12, $r14, $r13, 3\n\t"				\
	"st.d %[" #reg "], $r12, 8\n\t"
