/* SPDX-License-Identifier: MIT */
/*
 * Include before anything of librseq: a delay between any two steps of a
 * section, so that something happens to the thread there, often.
 */
#ifndef PROBE_INJECT_H
#define PROBE_INJECT_H

#if defined __x86_64__
#define RSEQ_INJECT_CLOBBERS_	, "r9"
#define RSEQ_INJECT_							\
	"movl $200, %%r9d\n"						\
	"661:\n\t"							\
	"subl $1, %%r9d\n\t"						\
	"jnz 661b\n\t"
#elif defined __i386__
#define RSEQ_INJECT_CLOBBERS_	, "edi"
#define RSEQ_INJECT_							\
	"movl $200, %%edi\n"						\
	"661:\n\t"							\
	"subl $1, %%edi\n\t"						\
	"jnz 661b\n\t"
#elif defined __aarch64__
#define RSEQ_INJECT_CLOBBERS_	, "x12"
#define RSEQ_INJECT_							\
	"mov x12, #200\n"						\
	"661:\n\t"							\
	"sub x12, x12, #1\n\t"						\
	"cbnz x12, 661b\n\t"
#elif defined __riscv
#define RSEQ_INJECT_CLOBBERS_	, "t2"
#define RSEQ_INJECT_							\
	"li t2, 200\n"							\
	"661:\n\t"							\
	"addi t2, t2, -1\n\t"						\
	"bnez t2, 661b\n\t"
#elif defined __arm__
/* A section may need all core registers that there are. */
#define RSEQ_INJECT_CLOBBERS_	, "s14", "s15"
#define RSEQ_INJECT_							\
	"vmov.f32 s14, #31.0\n\t"					\
	"vmov.f32 s15, #0.5\n"						\
	"661:\n\t"							\
	"vsub.f32 s14, s14, s15\n\t"					\
	"vcmp.f32 s14, #0.0\n\t"					\
	"vmrs APSR_nzcv, fpscr\n\t"					\
	"bne 661b\n\t"
#elif defined __powerpc64__
#define RSEQ_INJECT_CLOBBERS_	, "r7"
#define RSEQ_INJECT_							\
	"li 7, 200\n"							\
	"661:\n\t"							\
	"addi 7, 7, -1\n\t"						\
	"cmpdi 7, 0\n\t"						\
	"bne 661b\n\t"
#elif defined __s390x__
#define RSEQ_INJECT_CLOBBERS_	, "r3"
#define RSEQ_INJECT_							\
	"lghi %%r3, 200\n"						\
	"661:\n\t"							\
	"brctg %%r3, 661b\n\t"
#elif defined __mips__
#define RSEQ_INJECT_CLOBBERS_	, "$24"
#define RSEQ_INJECT_							\
	"li $24, 200\n"							\
	"661:\n\t"							\
	"addiu $24, $24, -1\n\t"					\
	"bnez $24, 661b\n\t"
#elif defined __loongarch__
#define RSEQ_INJECT_CLOBBERS_	, "$r16"
#define RSEQ_INJECT_							\
	"ori $r16, $r0, 200\n"						\
	"661:\n\t"							\
	"addi.d $r16, $r16, -1\n\t"					\
	"bnez $r16, 661b\n\t"
#endif

#endif
