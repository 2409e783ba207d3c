/* SPDX-License-Identifier: MIT */
/*
 * Verbs for s390x from z10 on.  The contract is in <rseq/section.h>.  r0 holds
 * the descriptor's address throughout, scratch is r1, r14 is how far the place
 * is from the operand v, and r4 is spare.  An address with r0 in it means zero
 * there, so no operand may be in that.
 */

#if defined(RSEQ_LIBC_LINE_) && TLABI_OFFSET != 0x80
#error "rseq: the line of this architecture is at TP+0x80"
#endif

/* A thread pointer that is read anew by each section: see rseq(7), Fibers. */
#ifdef RSEQ_FIBERS
#define RSEQ_READ_TP_							\
	"ear %0, %%a0\n\t"						\
	"sllg %0, %0, 32\n\t"						\
	"ear %0, %%a1"
#endif

#define RSEQ_CLOBBERS_	"cc", "r0", "r1", "r14"
#define RSEQ_AREA_(field)	"%[" #field "](%[area])"
#define RSEQ_VALUE_	"r"
#define RSEQ_WORD64_(x)	".8byte " x "\n\t"
#define RSEQ_RELEASE	""	/* TSO: a store has release semantics already */
#define RSEQ_GLOBAL_(name)						\
	"lgrl %0, " name "@GOT"

#define RSEQ_ADDRESS_							\
	"larl %%r0, .Lrseq_cs%=\n\t"
#define RSEQ_PUBLISH_							\
	"stg %%r0, " RSEQ_AREA_(rseq_cs) "\n\t"

/* Branches of 32 bits: others do not get out of a function of 64 KiB. */
#define RSEQ_CHECK_(index, reg, label)					\
	"c %[" #reg "], " RSEQ_AREA_(index) "\n\t"			\
	"jgne %l[" #label "]\n\t"

/* The sign: an index that is no cpu's, such as -1 and -2. */
#define RSEQ_PERCPU_(index, base, label)				\
	"ltgf %%r14, " RSEQ_AREA_(index) "\n\t"				\
	"jgl %l[" #label "]\n\t"					\
	"sllg %%r14, %%r14, 16\n\t"
#define RSEQ_BEFORE_(v)	"-8(%[" #v "])"
#define RSEQ_HERE_	"0(%%r14,%[v])"
#define RSEQ_V(v)	"0(%[" #v "])"

/* The return address has r0's number, since a leaf has its own in r14. */
#define RSEQ_UNWIND_(X)	X(0, 15, 0)
/* The signature: trap4 4095.  Instructions are at even addresses. */
#define RSEQ_TRAP_	".balign 2\n\t.4byte 0xb2ff0fff\n"
#define RSEQ_LEAVE_(label)	"jg %l[" #label "]\n\t"

#define RSEQ_W32_	" "
#define RSEQ_W64_	"g "
#define RSEQ_R32_	"r "
#define RSEQ_R64_	"gr "

#define RSEQ_LOAD(w, at)	"l" RSEQ_W##w##_ "%%r1, " at "\n\t"
#define RSEQ_DEREF		"lg %%r1, 0(%%r1)\n\t"
#define RSEQ_SAVE(w, at)	"st" RSEQ_W##w##_ "%%r1, " at "\n\t"
#define RSEQ_STORE(w, reg, at)	"st" RSEQ_W##w##_ "%[" #reg "], " at "\n\t"
#define RSEQ_ADD(w, reg)	"a" RSEQ_R##w##_ "%%r1, %[" #reg "]\n\t"
#define RSEQ_AND(w, reg)	"n" RSEQ_R##w##_ "%%r1, %[" #reg "]\n\t"
#define RSEQ_OR(w, reg)		"o" RSEQ_R##w##_ "%%r1, %[" #reg "]\n\t"
/* No register for next: a block's commit has none to spare. */
#define RSEQ_NEXT_							\
	"la %%r1, %[next](%[word])\n\t" RSEQ_SAVE(64, RSEQ_V(guard))
#define RSEQ_NEXT_OPERAND_	[next] "i" (2)
#define RSEQ_BNE(w, reg, label)						\
	"c" RSEQ_R##w##_ "%%r1, %[" #reg "]\n\t"			\
	"jgne %l[" #label "]\n\t"
#define RSEQ_BEQ(w, reg, label)						\
	"c" RSEQ_R##w##_ "%%r1, %[" #reg "]\n\t"			\
	"jge %l[" #label "]\n\t"
#define RSEQ_LOAD_BNE(w, at, reg, label)				\
	"c" RSEQ_W##w##_ "%[" #reg "], " at "\n\t"			\
	"jgne %l[" #label "]\n\t"
#define RSEQ_DEREF_ADD_SAVE(w, reg)					\
	"l" RSEQ_W##w##_ "%%r14, 0(%%r1)\n\t"				\
	"a" RSEQ_R##w##_ "%%r14, %[" #reg "]\n\t"			\
	"st" RSEQ_W##w##_ "%%r14, 0(%%r1)\n\t"

/* r1 is the index, r14 the datum. */
#define RSEQ_SET_(reg)		"lgr %%r1, %[" #reg "]\n\t"
#define RSEQ_MORE_(n)		"aghi %%r1, " #n "\n\t"
#define RSEQ_LESS_(n, label)						\
	"aghi %%r1, -" #n "\n\t"					\
	"jgl " label "\n\t"
#define RSEQ_JUMP_(label)	"j " label "\n\t"
#define RSEQ_MOVE_(w, dst, src)						\
	RSEQ_N##w##_ "%%r14, 0(%%r1,%[" #src "])\n\t"			\
	RSEQ_ST##w##_ "%%r14, 0(%%r1,%[" #dst "])\n\t"
#define RSEQ_N8_	"llgc "
#define RSEQ_N64_	"lg "
#define RSEQ_ST8_	"stc "
#define RSEQ_ST64_	"stg "

/* A stack in per-cpu memory: r1 its count, r4 an object or where that goes. */
#define RSEQ_STACK_CLOBBER_	"r4"
#define RSEQ_COPY_IS_(base)	"lghi %%r14, 0\n\t"
#define RSEQ_BAE_(reg, label)						\
	"clgr %%r1, %[" #reg "]\n\t"					\
	"jgnl %l[" #label "]\n\t"
#define RSEQ_SLOT_							\
	"sllg %%r4, %%r1, 3\n\t"					\
	"agr %%r4, %%r14\n\t"
#define RSEQ_TAKE_(place)						\
	RSEQ_SLOT_							\
	"lg %%r4, 8(%%r4,%[v])\n\t"					\
	"stg %%r4, " place "\n\t"
#define RSEQ_PUT_IN_(reg)						\
	RSEQ_SLOT_							\
	"stg %[" #reg "], 8(%%r4,%[v])\n\t"
