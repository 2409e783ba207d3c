/* SPDX-License-Identifier: MIT */
/*
 * Every operation: how it is called, what it does written in plain C, and
 * what its operands are, so that one program can call them all with anything.
 * A new operation is a row of a list below, and a model if it has none.
 *
 * An operand is a uintptr_t, of one of these kinds:
 *
 *	p	address of a word	e	value to compare that word with
 *	q	the same, per-cpu	v	value
 *	d, s	address of words	c	address of a count
 *	x, y	address of bytes
 *	n	length in bytes		o	offset in bytes
 *	k	capacity		m	number of words
 *	i	whose data the words are
 */
#ifndef PROBE_EVERY_OP_H
#define PROBE_EVERY_OP_H

#include <string.h>

#include <rseq/percpu.h>
#include <rseq/stack.h>

enum { MAX_OPERANDS = 7 };

/*
 * The list: X(function, type of the word, where, model, number of operands,
 * their kinds...).
 */
#define EVERY_OP_ID(X, where)						\
	WORDS(X, rseq_compare_store, where, compare_store, 4, p, e, v, i) \
	WORDS(X, rseq_compare_store_release, where, compare_store,	\
	      4, p, e, v, i)						\
	WORDS(X, rseq_add, where, add, 3, p, v, i)			\
	WORDS(X, rseq_and, where, mask, 3, p, v, i)			\
	WORDS(X, rseq_or, where, join, 3, p, v, i)			\
	WORDS(X, rseq_fetch_add, where, fetch_add, 4, p, v, p, i)	\
	WORDS(X, rseq_exchange, where, exchange, 4, p, v, p, i)		\
	WORDS(X, rseq_exchange_release, where, exchange, 4, p, v, p, i)	\
	X(rseq_list_push, pointer, where, list_push, 4, p, v, p, i)	\
	X(rseq_list_push_release, pointer, where, list_push,		\
	  4, p, v, p, i)						\
	X(rseq_list_pop, pointer, where, list_pop, 4, p, p, o, i)	\
	X(rseq_list_pop_all, pointer, where, list_pop_all, 3, p, p, i)	\
	X(rseq_stack_push, pointer, where, stack_push, 5, d, c, k, v, i) \
	X(rseq_stack_push_release, pointer, where, stack_push,		\
	  5, d, c, k, v, i)						\
	X(rseq_stack_pop, pointer, where, stack_pop, 4, d, c, p, i)	\
	X(rseq_stack_push_n, pointer, where, stack_push_n,		\
	  6, d, c, k, s, m, i)						\
	X(rseq_stack_push_n_release, pointer, where, stack_push_n,	\
	  6, d, c, k, s, m, i)						\
	X(rseq_stack_pop_n, pointer, where, stack_pop_n, 5, d, c, s, m, i) \
	/* What stacks are made of. */					\
	X(rseq_put_##where##_, uintptr_t, where, put, 6, p, e, p, v, v, i) \
	X(rseq_put_release_##where##_, uintptr_t, where, put,		\
	  6, p, e, p, v, v, i)						\
	X(rseq_take_##where##_, uintptr_t, where, take, 6, p, e, p, p, v, i) \
	X(rseq_copy_##where##_, uintptr_t, where, copy,			\
	  7, p, e, x, y, n, v, i)					\
	X(rseq_copy_release_##where##_, uintptr_t, where, copy,		\
	  7, p, e, x, y, n, v, i)
#define EVERY_OP_PERCPU(X, where)					\
	WORDS(X, rseq_##where##_add, where, add, 2, q, v)		\
	WORDS(X, rseq_##where##_fetch_add, where, fetch_add, 3, q, v, p) \
	X(rseq_##where##_list_push, pointer, where, list_push, 3, q, v, p) \
	X(rseq_##where##_list_pop, pointer, where, list_pop, 3, q, p, o) \
	X(rseq_##where##_list_pop_all, pointer, where, list_pop_all, 2, q, p)

#define EVERY_OP_CPU(X)	EVERY_OP_ID(X, cpu) EVERY_OP_PERCPU(X, this_cpu)
#define EVERY_OP_CID(X)	EVERY_OP_ID(X, cid) EVERY_OP_PERCPU(X, this_cid)
#define EVERY_OP(X)	EVERY_OP_CPU(X) EVERY_OP_CID(X)

#define WORDS(X, op, ...)						\
	X(op, intptr_t, __VA_ARGS__)					\
	X(op, uint32_t, __VA_ARGS__)					\
	X(op, uint64_t, __VA_ARGS__)

typedef void *pointer;

/* A name for each row. */
#define NAME(way, op, T, where)		way##_##op##_##T##_##where

/*
 * Its call with the operands a to g, where P(x) makes an address of an
 * operand that is one.
 */
#define AS_p(T, where, P, x)	(T *)P(x)
#define AS_q			AS_p
#define AS_d			AS_p
#define AS_s			AS_p
#define AS_x			AS_p
#define AS_y			AS_p
#define AS_c(T, where, P, x)	(intptr_t *)P(x)
#define AS_e(T, where, P, x)	(T)(x)
#define AS_v			AS_e
#define AS_k(T, where, P, x)	(intptr_t)(x)
#define AS_o(T, where, P, x)	(size_t)(x)
#define AS_n			AS_o
#define AS_m			AS_o
#define AS_i(T, where, P, x)	as_##where(x)

static inline rseq_cpu_t as_cpu(uintptr_t x)
{
	const rseq_cpu_t cpu = { (int)x };

	return cpu;
}

static inline rseq_cid_t as_cid(uintptr_t x)
{
	const rseq_cid_t cid = { (int)x };

	return cid;
}

#define CALL_2(F, T, w, P, a, b, c, d, e, f, g, k0, k1)			\
	F(AS_##k0(T, w, P, a), AS_##k1(T, w, P, b))
#define CALL_3(F, T, w, P, a, b, c, d, e, f, g, k0, k1, k2)		\
	F(AS_##k0(T, w, P, a), AS_##k1(T, w, P, b), AS_##k2(T, w, P, c))
#define CALL_4(F, T, w, P, a, b, c, d, e, f, g, k0, k1, k2, k3)		\
	F(AS_##k0(T, w, P, a), AS_##k1(T, w, P, b), AS_##k2(T, w, P, c), \
	  AS_##k3(T, w, P, d))
#define CALL_5(F, T, w, P, a, b, c, d, e, f, g, k0, k1, k2, k3, k4)	\
	F(AS_##k0(T, w, P, a), AS_##k1(T, w, P, b), AS_##k2(T, w, P, c), \
	  AS_##k3(T, w, P, d), AS_##k4(T, w, P, e))
#define CALL_6(F, T, w, P, a, b, c, d, e, f, g, k0, k1, k2, k3, k4, k5)	\
	F(AS_##k0(T, w, P, a), AS_##k1(T, w, P, b), AS_##k2(T, w, P, c), \
	  AS_##k3(T, w, P, d), AS_##k4(T, w, P, e), AS_##k5(T, w, P, f))
#define CALL_7(F, T, w, P, a, b, c, d, e, f, g, k0, k1, k2, k3, k4, k5, k6) \
	F(AS_##k0(T, w, P, a), AS_##k1(T, w, P, b), AS_##k2(T, w, P, c), \
	  AS_##k3(T, w, P, d), AS_##k4(T, w, P, e), AS_##k5(T, w, P, f), \
	  AS_##k6(T, w, P, g))

/* F(number of an operand, its kind), and zeros for those that are not there. */
#define EACH_2(F, SEP, k0, k1)						\
	F(0, k0) SEP F(1, k1) SEP 0 SEP 0 SEP 0 SEP 0 SEP 0
#define EACH_3(F, SEP, k0, k1, k2)					\
	F(0, k0) SEP F(1, k1) SEP F(2, k2) SEP 0 SEP 0 SEP 0 SEP 0
#define EACH_4(F, SEP, k0, k1, k2, k3)					\
	F(0, k0) SEP F(1, k1) SEP F(2, k2) SEP F(3, k3) SEP 0 SEP 0 SEP 0
#define EACH_5(F, SEP, k0, k1, k2, k3, k4)				\
	F(0, k0) SEP F(1, k1) SEP F(2, k2) SEP F(3, k3) SEP F(4, k4)	\
	SEP 0 SEP 0
#define EACH_6(F, SEP, k0, k1, k2, k3, k4, k5)				\
	F(0, k0) SEP F(1, k1) SEP F(2, k2) SEP F(3, k3) SEP F(4, k4)	\
	SEP F(5, k5) SEP 0
#define EACH_7(F, SEP, k0, k1, k2, k3, k4, k5, k6)			\
	F(0, k0) SEP F(1, k1) SEP F(2, k2) SEP F(3, k3) SEP F(4, k4)	\
	SEP F(5, k5) SEP F(6, k6)
#define COMMA		,
#define LETTER(n, kind)	#kind[0]

enum where { where_cpu, where_cid, where_this_cpu, where_this_cid };

static inline int by_cid(enum where where)
{
	return where == where_cid || where == where_this_cid;
}

/* How many bytes a cpu's copy of a per-cpu word is from the first. */
static inline uintptr_t copy_at(uintptr_t id)
{
	return 0 RSEQ_PERCPU_SIGN_ id * RSEQ_PERCPU_STRIDE;
}

/* ---- what each one does, where it runs at all ---- */

/*
 * a: the operands, of which the first is already the copy's address if it is
 * per-cpu.
 */
#define AS(T, x)	((T *)(x))
#define MODEL(name, T)	static int model_##name##_##T(const uintptr_t *a)

#define MODELS(T)							\
MODEL(compare_store, T)							\
{									\
	if (*AS(T, a[0]) != (T)a[1])					\
		return RSEQ_DIFFERENT;					\
	*AS(T, a[0]) = (T)a[2];						\
	return RSEQ_COMMITTED;						\
}									\
MODEL(add, T)								\
{									\
	*AS(T, a[0]) = (T)((uintptr_t)*AS(T, a[0]) + a[1]);		\
	return RSEQ_COMMITTED;						\
}									\
MODEL(mask, T)								\
{									\
	*AS(T, a[0]) &= (T)a[1];					\
	return RSEQ_COMMITTED;						\
}									\
MODEL(join, T)								\
{									\
	*AS(T, a[0]) |= (T)a[1];					\
	return RSEQ_COMMITTED;						\
}									\
MODEL(fetch_add, T)							\
{									\
	const T old = *AS(T, a[0]);					\
	*AS(T, a[2]) = old;						\
	*AS(T, a[0]) = (T)((uintptr_t)old + a[1]);			\
	return RSEQ_COMMITTED;						\
}									\
MODEL(exchange, T)							\
{									\
	*AS(T, a[2]) = *AS(T, a[0]);					\
	*AS(T, a[0]) = (T)a[1];						\
	return RSEQ_COMMITTED;						\
}

MODELS(intptr_t)
MODELS(uint32_t)
MODELS(uint64_t)

MODEL(list_push, pointer)
{
	*AS(uintptr_t, a[2]) = *AS(uintptr_t, a[0]);
	*AS(uintptr_t, a[0]) = a[1];
	return RSEQ_COMMITTED;
}

MODEL(list_pop, pointer)
{
	const uintptr_t head = *AS(uintptr_t, a[0]);

	if (!head)
		return RSEQ_DIFFERENT;
	*AS(uintptr_t, a[1]) = head;
	*AS(uintptr_t, a[0]) = *AS(uintptr_t, head + a[2]);
	return RSEQ_COMMITTED;
}

MODEL(list_pop_all, pointer)
{
	const uintptr_t head = *AS(uintptr_t, a[0]);

	if (!head)
		return RSEQ_DIFFERENT;
	*AS(uintptr_t, a[1]) = head;
	*AS(uintptr_t, a[0]) = 0;
	return RSEQ_COMMITTED;
}

MODEL(stack_push, pointer)
{
	intptr_t *count = AS(intptr_t, a[1]);
	const intptr_t n = *count;

	if (n >= (intptr_t)a[2])
		return RSEQ_DIFFERENT;
	AS(uintptr_t, a[0])[n] = a[3];
	*count = n + 1;
	return RSEQ_COMMITTED;
}

MODEL(stack_pop, pointer)
{
	intptr_t *count = AS(intptr_t, a[1]);
	const intptr_t n = *count;

	if (n <= 0)
		return RSEQ_DIFFERENT;
	*AS(uintptr_t, a[2]) = AS(uintptr_t, a[0])[n - 1];
	*count = n - 1;
	return RSEQ_COMMITTED;
}

MODEL(stack_push_n, pointer)
{
	intptr_t *count = AS(intptr_t, a[1]);
	const intptr_t n = *count;

	if (n + (intptr_t)a[4] > (intptr_t)a[2])
		return RSEQ_DIFFERENT;
	memmove(AS(uintptr_t, a[0]) + n, (const void *)a[3],
		a[4] * sizeof(uintptr_t));
	*count = n + (intptr_t)a[4];
	return RSEQ_COMMITTED;
}

MODEL(stack_pop_n, pointer)
{
	intptr_t *count = AS(intptr_t, a[1]);
	const intptr_t n = *count - (intptr_t)a[3];

	if (n < 0)
		return RSEQ_DIFFERENT;
	memmove((void *)a[2], AS(uintptr_t, a[0]) + n,
		a[3] * sizeof(uintptr_t));
	*count = n;
	return RSEQ_COMMITTED;
}

MODEL(put, uintptr_t)
{
	if (*AS(uintptr_t, a[0]) != a[1])
		return RSEQ_DIFFERENT;
	*AS(uintptr_t, a[2]) = a[3];
	*AS(uintptr_t, a[0]) = a[4];
	return RSEQ_COMMITTED;
}

MODEL(take, uintptr_t)
{
	if (*AS(uintptr_t, a[0]) != a[1])
		return RSEQ_DIFFERENT;
	*AS(uintptr_t, a[3]) = *AS(uintptr_t, a[2]);
	*AS(uintptr_t, a[0]) = a[4];
	return RSEQ_COMMITTED;
}

MODEL(copy, uintptr_t)
{
	if (*AS(uintptr_t, a[0]) != a[1])
		return RSEQ_DIFFERENT;
	memmove((void *)a[2], (const void *)a[3], a[4]);
	*AS(uintptr_t, a[0]) = a[5];
	return RSEQ_COMMITTED;
}

#endif
