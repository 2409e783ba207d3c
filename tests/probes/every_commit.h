/* SPDX-License-Identifier: MIT */
/*
 * Every commit of a guard transaction: how it is called, and what it stores
 * written in plain C, so that one program can make them all.
 */
#ifndef PROBE_EVERY_COMMIT_H
#define PROBE_EVERY_COMMIT_H

#include <string.h>

#include <rseq/transaction.h>

enum { CELL = 32 };	/* bytes that a commit has to itself, aligned to 16 */

/* One fits an instruction, the other does not; neither is a constant here. */
#define NARROW	((uintptr_t)0x55)
#define WIDE	((uintptr_t)0x123456789abc)

/* CALL_x: commit F to a cell of words of type T; MODEL_x: what it does. */
#define CALL_one(F, T, t, at, a, b)					\
	((void)(b), F(t, (T *)(void *)(at), (T)(a)))
#define MODEL_one(T, at, a, b)						\
	((void)(b), *(T *)(void *)(at) = (T)(a))

#define CALL_two(F, T, t, at, a, b)					\
	F(t, (T *)(void *)((at) + 16), (T)(b), (T *)(void *)(at), (T)(a))
#define MODEL_two(T, at, a, b)						\
	(*(T *)(void *)((at) + 16) = (T)(b), *(T *)(void *)(at) = (T)(a))

#define CALL_pair(F, T, t, at, a, b)					\
	F(t, (T *)(void *)(at), make_pair(a, b))
#define MODEL_pair(T, at, a, b)						\
	(*(T *)(void *)(at) = make_pair(a, b))

/* The list: X(commit, type, way to call it). */
#define EVERY_COMMIT_(X, at, T)						\
	X(rseq_commit##at, T, one)					\
	X(rseq_commit_release##at, T, one)				\
	X(rseq_commit_store_store##at, T, two)				\
	X(rseq_commit_store_store_release##at, T, two)

#ifdef RSEQ_STORE_PAIR
static inline struct rseq_pair make_pair(uintptr_t a, uintptr_t b)
{
	const struct rseq_pair pair = {{(intptr_t)a, (intptr_t)b}};

	return pair;
}
#define EVERY_COMMIT_PAIR(X)	X(rseq_commit_pair, struct rseq_pair, pair)
#else
#define EVERY_COMMIT_PAIR(X)
#endif

#define EVERY_COMMIT(X)							\
	EVERY_COMMIT_(X, , intptr_t)					\
	EVERY_COMMIT_(X, _u32, uint32_t)				\
	EVERY_COMMIT_(X, _u64, uint64_t)				\
	EVERY_COMMIT_PAIR(X)

#endif
