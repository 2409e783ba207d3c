/* SPDX-License-Identifier: MIT */
/*
 * Verbs for ppc64le.  The contract is in <rseq/section.h>.  r11 holds the
 * descriptor's address throughout, scratch is r10, r9 is the place and r8
 * spare.  r0 is clobbered, too: as a base register it would mean zero.
 */

#if defined(RSEQ_LIBC_LINE_) && TLABI_OFFSET != -0x7000 - 192
#error "rseq: the line of this architecture is at r13-0x7000-192"
#endif

#define RSEQ_READ_TP_	"mr %0, 13"	/* gcc has no builtin for it */

#define RSEQ_CLOBBERS_							\
	"cc", "lr", "ctr", "r0", "r8", "r9", "r10", "r11", "r12"
#define RSEQ_AREA_(field)	"%[" #field "](%[area])"
#define RSEQ_VALUE_	"r"
#define RSEQ_WORD64_(x)	".8byte " x "\n\t"
#define RSEQ_RELEASE	"lwsync\n\t"

/* Relative to here: a function that uses no TOC has none in r2. */
#define RSEQ_ADDRESS_							\
	"bcl 20, 31, .Lrseq_pc%=\n"					\
	".Lrseq_pc%=:\n\t"						\
	"mflr 11\n\t"							\
	"addis 11, 11, .Lrseq_cs%= - .Lrseq_pc%=@ha\n\t"		\
	"addi 11, 11, .Lrseq_cs%= - .Lrseq_pc%=@l\n\t"
#define RSEQ_PUBLISH_							\
	"std 11, " RSEQ_AREA_(rseq_cs) "\n\t"

#define RSEQ_CHECK_(index, reg, label)					\
	"lwz 10, " RSEQ_AREA_(index) "\n\t"				\
	"cmpw 10, %[" #reg "]\n\t"					\
	"bne- %l[" #label "]\n\t"

/* The sign: an index that is no cpu's, such as -1 and -2. */
#define RSEQ_PERCPU_(index, base, label)				\
	"lwa 9, " RSEQ_AREA_(index) "\n\t"				\
	"sldi. 9, 9, 16\n\t"						\
	"blt- %l[" #label "]\n\t"					\
	"add 9, 9, %[" #base "]\n\t"
#define RSEQ_BEFORE_(v)	"-8(%[" #v "])"
#define RSEQ_HERE_	"0(9)"
#define RSEQ_V(v)	"0(%[" #v "])"

#define RSEQ_UNWIND_(X)	X(11, 1, 11)
/* The signature: twui r5, 11, which traps. */
#define RSEQ_TRAP_	".4byte 0x0fe5000b\n"
/* The address behind the descriptor: b may not reach, nor r2 hold the TOC. */
#define RSEQ_LEAVE_(label)						\
	"ld 12, 32(11)\n\t"						\
	"mtctr 12\n\t"							\
	"bctr\n\t"

#define RSEQ_L32_	"lwz "
#define RSEQ_L64_	"ld "
#define RSEQ_S32_	"stw "
#define RSEQ_S64_	"std "
#define RSEQ_C32_	"cmpw "
#define RSEQ_C64_	"cmpd "

#define RSEQ_LOAD(w, at)	RSEQ_L##w##_ "10, " at "\n\t"
#define RSEQ_DEREF		"ld 10, 0(10)\n\t"
#define RSEQ_SAVE(w, at)	RSEQ_S##w##_ "10, " at "\n\t"
#define RSEQ_STORE(w, reg, at)	RSEQ_S##w##_ "%[" #reg "], " at "\n\t"
#define RSEQ_ADD(w, reg)	"add 10, 10, %[" #reg "]\n\t"
#define RSEQ_AND(w, reg)	"and 10, 10, %[" #reg "]\n\t"
#define RSEQ_OR(w, reg)		"or 10, 10, %[" #reg "]\n\t"
#define RSEQ_BNE(w, reg, label)						\
	RSEQ_C##w##_ "10, %[" #reg "]\n\t"				\
	"bne- %l[" #label "]\n\t"
#define RSEQ_BEQ(w, reg, label)						\
	RSEQ_C##w##_ "10, %[" #reg "]\n\t"				\
	"beq- %l[" #label "]\n\t"
#define RSEQ_DEREF_ADD_SAVE(w, reg)					\
	RSEQ_L##w##_ "9, 0(10)\n\t"					\
	"add 9, 9, %[" #reg "]\n\t"					\
	RSEQ_S##w##_ "9, 0(10)\n\t"

/* r10 is the index, r9 the datum. */
#define RSEQ_SET_(reg)		"mr 10, %[" #reg "]\n\t"
#define RSEQ_MORE_(n)		"addi 10, 10, " #n "\n\t"
#define RSEQ_LESS_(n, label)						\
	"addi 10, 10, -" #n "\n\t"					\
	"cmpdi 10, 0\n\t"						\
	"blt- " label "\n\t"
#define RSEQ_JUMP_(label)	"b " label "\n\t"
#define RSEQ_MOVE_(w, dst, src)						\
	"l" RSEQ_N##w##_ "x 9, %[" #src "], 10\n\t"			\
	"st" RSEQ_ST##w##_ "x 9, %[" #dst "], 10\n\t"
#define RSEQ_N8_	"bz"
#define RSEQ_N64_	"d"
#define RSEQ_ST8_	"b"
#define RSEQ_ST64_	"d"

/* A stack in per-cpu memory: r9 its address, r10 its count, r8 an object. */
#define RSEQ_STACK_CLOBBER_	"memory"
#define RSEQ_COPY_IS_(base)	"mr 9, %[" #base "]\n\t"
#define RSEQ_BAE_(reg, label)						\
	"cmpld 10, %[" #reg "]\n\t"					\
	"bge- %l[" #label "]\n\t"
#define RSEQ_SLOT_							\
	"sldi 8, 10, 3\n\t"						\
	"add 8, 8, 9\n\t"
#define RSEQ_TAKE_(place)						\
	RSEQ_SLOT_							\
	"ld 8, 8(8)\n\t"						\
	"std 8, " place "\n\t"
#define RSEQ_PUT_IN_(reg)						\
	RSEQ_SLOT_							\
	"std %[" #reg "], 8(8)\n\t"
