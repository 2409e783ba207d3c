/* SPDX-License-Identifier: MIT */
/*
 * Verbs for 32-bit Arm from v7 on, Arm and Thumb.  The contract is in
 * <rseq/section.h>.  Scratch is r3.  r12 holds the descriptor's address until
 * that is published, then it is the place.  Words of 8 bytes do not occur.
 */

#if defined(RSEQ_LIBC_LINE_) && TLABI_OFFSET != -128
#error "rseq: the line of this architecture is at TP-128"
#endif

/* A thread pointer that is read anew by each section: see rseq(7), Fibers. */
#ifdef RSEQ_FIBERS
#define RSEQ_READ_TP_	"mrc p15, 0, %0, c13, c0, 3"
#endif

#define RSEQ_CLOBBERS_	"cc", "r3", "r12"
#define RSEQ_AREA_(field)	"[%[area], %[" #field "]]"
/* gcc's Thumb may use no high register for "r", and the low ones are few. */
#if defined(__thumb__) && !defined(__clang__)
#define RSEQ_VALUE_	"h"
#define RSEQ_ID_	"h"
#else
#define RSEQ_VALUE_	"r"
#endif
#define RSEQ_WORD64_(x)	".4byte " x ", 0\n\t"
#define RSEQ_RELEASE	"dmb ish\n\t"

#ifdef __thumb__
#define RSEQ_PC_	"4"
#else
#define RSEQ_PC_	"8"
#endif

#define RSEQ_ADDRESS_							\
	"movw r12, #:lower16:(.Lrseq_cs%= - (.Lrseq_pc%= + " RSEQ_PC_ "))\n\t" \
	"movt r12, #:upper16:(.Lrseq_cs%= - (.Lrseq_pc%= + " RSEQ_PC_ "))\n" \
	".Lrseq_pc%=:\n\t"						\
	"add r12, pc\n\t"
/* The upper half of rseq_cs is 0 and stays it. */
#define RSEQ_PUBLISH_							\
	"str r12, " RSEQ_AREA_(rseq_cs) "\n\t"

#define RSEQ_CHECK_(index, reg, label)					\
	"ldr r3, " RSEQ_AREA_(index) "\n\t"				\
	"cmp r3, %[" #reg "]\n\t"					\
	"bne %l[" #label "]\n\t"

/* The sign: an index that is no cpu's, such as -1 and -2. */
#define RSEQ_PERCPU_(index, base, label)				\
	"ldr r12, " RSEQ_AREA_(index) "\n\t"				\
	"movs r12, r12, lsl #16\n\t"					\
	"bmi %l[" #label "]\n\t"					\
	"add r12, r12, %[" #base "]\n\t"
#define RSEQ_BEFORE_(v)	"[%[" #v "], #-4]"
#define RSEQ_HERE_	"[r12]"
#define RSEQ_V(v)	"[%[" #v "]]"

/* Unwinding goes by tables that know whole functions only. */
#define RSEQ_JUMP_OVER_(label)	"b " label "\n\t"
/* The signature, udf #24035 in Arm and udf #243 in Thumb. */
#define RSEQ_TRAP_	".4byte 0xe7f5def3\n"
#define RSEQ_LEAVE_(label)	"b %l[" #label "]\n\t"

#define RSEQ_LOAD(w, at)	"ldr r3, " at "\n\t"
#define RSEQ_DEREF		"ldr r3, [r3]\n\t"
#define RSEQ_SAVE(w, at)	"str r3, " at "\n\t"
#define RSEQ_STORE(w, reg, at)	"str %[" #reg "], " at "\n\t"
#define RSEQ_ADD(w, reg)	"add r3, r3, %[" #reg "]\n\t"
#define RSEQ_AND(w, reg)	"and r3, r3, %[" #reg "]\n\t"
#define RSEQ_OR(w, reg)		"orr r3, r3, %[" #reg "]\n\t"
#define RSEQ_BNE(w, reg, label)						\
	"cmp r3, %[" #reg "]\n\t"					\
	"bne %l[" #label "]\n\t"
#define RSEQ_BEQ(w, reg, label)						\
	"cmp r3, %[" #reg "]\n\t"					\
	"beq %l[" #label "]\n\t"
#define RSEQ_DEREF_ADD_SAVE(w, reg)					\
	"ldr r12, [r3]\n\t"						\
	"add r12, r12, %[" #reg "]\n\t"					\
	"str r12, [r3]\n\t"

/* r3 is the index, r12 the datum. */
#define RSEQ_SET_(reg)		"mov r3, %[" #reg "]\n\t"
#define RSEQ_MORE_(n)		"add r3, r3, #" #n "\n\t"
#define RSEQ_LESS_(n, label)						\
	"subs r3, r3, #" #n "\n\t"					\
	"bmi " label "\n\t"
#define RSEQ_JUMP_(label)	"b " label "\n\t"
#define RSEQ_MOVE_(w, dst, src)						\
	"ldr" RSEQ_N##w##_ " r12, [%[" #src "], r3]\n\t"		\
	"str" RSEQ_N##w##_ " r12, [%[" #dst "], r3]\n\t"
#define RSEQ_N8_	"b"
#define RSEQ_N32_

/* A stack in per-cpu memory: r12 its address, r3 its count, r2 an object. */
#define RSEQ_STACK_CLOBBER_	"r2"
#define RSEQ_COPY_IS_(base)	"mov r12, %[" #base "]\n\t"
#define RSEQ_BAE_(reg, label)						\
	"cmp r3, %[" #reg "]\n\t"					\
	"bhs %l[" #label "]\n\t"
#define RSEQ_TAKE_(place)						\
	"add r2, r12, r3, lsl #2\n\t"					\
	"ldr r2, [r2, #4]\n\t"						\
	"str r2, " place "\n\t"
#define RSEQ_PUT_IN_(reg)						\
	"add r2, r12, r3, lsl #2\n\t"					\
	"str %[" #reg "], [r2, #4]\n\t"
