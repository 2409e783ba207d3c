/* SPDX-License-Identifier: MIT */
/*
 * Every commit of a guard transaction: how it is called, and what it stores
 * written in plain C, so that one program can make them all.
 */
#ifndef PROBE_EVERY_COMMIT_H
#define PROBE_EVERY_COMMIT_H

#include <string.h>

#include <rseq/percpu.h>
#include <rseq/transaction.h>

/* What a commit has to itself, aligned to 16: its word, another, a block. */
enum {
	FIRST = 16, BLOCK = 32,
#if defined __riscv || defined __mips__ || defined __loongarch__
	/* eight bytes at a time, or one if they are at odds */
	SHORT = 24,
#else	/* eight bytes at a time, and then one at a time */
	SHORT = 21,
#endif
	LONG = RSEQ_BLOCK_MAX + 3,
	CELL = BLOCK + (LONG + 15) / 16 * 16
};

/* One fits an instruction, the other does not; neither is a constant here. */
#define NARROW	((uintptr_t)0x55)
#define WIDE	((uintptr_t)0x123456789abc)

/* What a block is copied from, and whether that is aligned as its end is. */
__attribute__((__unused__)) static int at_odds;

static inline const char *block_of(uintptr_t a, uintptr_t b)
{
	static char room[LONG + 8] __attribute__((__aligned__(8)));
	char *const block = room + at_odds;

	for (int i = 0; i < LONG; ++i)
		block[i] = (char)((i % 2 ? a : b) >> i % 5 * 8);
	return block;
}

#define CELL_WORD(T, at, off)	((T *)(void *)((at) + (off)))

/*
 * CALL_x: a commit to a cell whose first word is a T2 and whose last is a T;
 * MODEL_x: what it does.
 */
#define CALL_one(T2, T, t, at, a, b)					\
	((void)(b), rseq_commit(t, CELL_WORD(T, at, 0), (T)(a)))
#define MODEL_one(T2, T, at, a, b)					\
	((void)(b), *CELL_WORD(T, at, 0) = (T)(a))

#define CALL_then(T2, T, t, at, a, b)					\
	rseq_commit_then(t, CELL_WORD(T2, at, FIRST), (T2)(b),		\
			 CELL_WORD(T, at, 0), (T)(a))
#define MODEL_then(T2, T, at, a, b)					\
	(*CELL_WORD(T2, at, FIRST) = (T2)(b),				\
	 *CELL_WORD(T, at, 0) = (T)(a))

#define CALL_block_of(length, T, t, at, a, b)				\
	rseq_commit_block(t, (at) + BLOCK, block_of(a, b), length,	\
			  CELL_WORD(T, at, 0), (T)(a))
#define MODEL_block_of(length, T, at, a, b)				\
	(memcpy((at) + BLOCK, block_of(a, b), length),			\
	 *CELL_WORD(T, at, 0) = (T)(a))
#define CALL_short(T2, T, t, at, a, b)	CALL_block_of(SHORT, T, t, at, a, b)
#define MODEL_short(T2, T, at, a, b)	MODEL_block_of(SHORT, T, at, a, b)
#define CALL_long(T2, T, t, at, a, b)	CALL_block_of(LONG, T, t, at, a, b)
#define MODEL_long(T2, T, at, a, b)	MODEL_block_of(LONG, T, at, a, b)

typedef char *text;

/* The list: X(row, name of the C function, way, types of the words). */
#define EVERY_SHORT_COMMIT(X)						\
	X(u32, rseq_commit_32_, one, uint32_t, uint32_t)		\
	X(u64, rseq_commit_64_, one, uint64_t, uint64_t)		\
	X(integer, rseq_commit_64_, one, intptr_t, intptr_t)		\
	X(pointer, rseq_commit_64_, one, text, text)			\
	X(u32_u32, rseq_commit_then_32_32_, then, uint32_t, uint32_t)	\
	X(u32_u64, rseq_commit_then_32_64_, then, uint32_t, uint64_t)	\
	X(u64_u32, rseq_commit_then_64_32_, then, uint64_t, uint32_t)	\
	X(u64_u64, rseq_commit_then_64_64_, then, uint64_t, uint64_t)	\
	X(pointer_int, rseq_commit_then_64_32_, then, text, int)	\
	X(integer_pointer, rseq_commit_then_64_64_, then, intptr_t, text) \
	X(block_u32, rseq_commit_block_fit_32_, short, uint32_t, uint32_t) \
	X(block_u64, rseq_commit_block_fit_64_, short, uint64_t, uint64_t) \
	X(block_pointer, rseq_commit_block_fit_64_, short, text, text)

#define EVERY_COMMIT(X)							\
	EVERY_SHORT_COMMIT(X)						\
	X(long_u32, rseq_commit_block_32_, long, uint32_t, uint32_t)	\
	X(long_pointer, rseq_commit_block_64_, long, text, text)

#endif
