/* SPDX-License-Identifier: MIT */
/*
 * Include before anything of librseq: a delay between any two steps of a
 * section, so that something happens to the thread there, often.
 */
#ifndef PROBE_INJECT_H
#define PROBE_INJECT_H

#if defined __x86_64__
#define RSEQ_INJECT_CLOBBERS	, "r11"
#define RSEQ_INJECT							\
	"movl $200, %%r11d\n"						\
	"661:\n\t"							\
	"subl $1, %%r11d\n\t"						\
	"jnz 661b\n\t"
#elif defined __aarch64__
#define RSEQ_INJECT_CLOBBERS	, "x13"
#define RSEQ_INJECT							\
	"mov x13, #200\n"						\
	"661:\n\t"							\
	"sub x13, x13, #1\n\t"						\
	"cbnz x13, 661b\n\t"
#elif defined __riscv
#define RSEQ_INJECT_CLOBBERS	, "t3"
#define RSEQ_INJECT							\
	"li t3, 200\n"							\
	"661:\n\t"							\
	"addi t3, t3, -1\n\t"						\
	"bnez t3, 661b\n\t"
#endif

#endif
