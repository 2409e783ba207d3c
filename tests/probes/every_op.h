/* SPDX-License-Identifier: MIT */
/*
 * Every operation: how it is called, what it does written in plain C, and
 * what its operands are, so that one program can call them all with anything.
 *
 * An operand is a uintptr_t, of one of these kinds:
 *
 *	p	address of a word	e	value to compare that word with
 *	v	value			c	address of a count
 *	d, s	address of a block	n	length in bytes
 *	o	offset in bytes		k, m	capacity, number of words
 *	t	stride			l	limit of the index
 *	i	the id that the index must equal
 */
#ifndef PROBE_EVERY_OP_H
#define PROBE_EVERY_OP_H

#include <string.h>

#include <rseq/array.h>
#include <rseq/index.h>

enum { MAX_OPERANDS = 7 };

/*
 * SHAPE_x: the kinds; CALL_x: operation F on words of type T; P(x) makes an
 * address of an operand.
 */
#define SHAPE_cbne_store	"pevi"
#define CALL_cbne_store(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (T)(b), (T)(c), (int)(d))

#define SHAPE_cbne_cbne_store	"pepevi"
#define CALL_cbne_cbne_store(F, T, P, a, b, c, d, e, f, g)		\
	F((T *)P(a), (T)(b), (T *)P(c), (T)(d), (T)(e), (int)(f))

#define SHAPE_cbne_store_store	"pepvvi"
#define CALL_cbne_store_store	CALL_cbne_cbne_store

#define SHAPE_cbne_memcpy_store	"pedsnvi"
#define CALL_cbne_memcpy_store(F, T, P, a, b, c, d, e, f, g)		\
	F((T *)P(a), (T)(b), (void *)P(c), (const void *)P(d),		\
	  (size_t)(e), (T)(f), (int)(g))

#define SHAPE_cbne_load_store	"peppvi"
#define CALL_cbne_load_store(F, T, P, a, b, c, d, e, f, g)		\
	F((T *)P(a), (T)(b), (T *)P(c), (T *)P(d), (T)(e), (int)(f))

#define SHAPE_cbeq_pop		"peopi"
#define CALL_cbeq_pop(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (T)(b), (intptr_t)(c), (T *)P(d), (int)(e))

#define SHAPE_arithmetic	"pvi"
#define CALL_arithmetic(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (T)(b), (int)(c))

#define SHAPE_fetch		"pvpi"
#define CALL_fetch(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (T)(b), (T *)P(c), (int)(d))

#define SHAPE_add_twice		"povi"
#define CALL_add_twice(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (intptr_t)(b), (T)(c), (int)(d))

#define SHAPE_index_add		"ptlv"
#define CALL_index_add(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (size_t)(b), (unsigned int)(c), (T)(d))

#define SHAPE_index_push	"ptlpv"
#define CALL_index_push(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (size_t)(b), (unsigned int)(c), (T *)P(d), (T)(e))

#define SHAPE_index_pop		"ptlop"
#define CALL_index_pop(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (size_t)(b), (unsigned int)(c), (intptr_t)(d),	\
	  (T *)P(e))

#define SHAPE_array_push	"dckvi"
#define CALL_array_push(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (T *)P(b), (T)(c), (T)(d), (int)(e))

#define SHAPE_array_pop		"dcpi"
#define CALL_array_pop(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (T *)P(b), (T *)P(c), (int)(d))

#define SHAPE_array_push_n	"dcksmi"
#define CALL_array_push_n(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (T *)P(b), (T)(c), (const T *)P(d), (size_t)(e), (int)(f))

#define SHAPE_array_pop_n	"dcsmi"
#define CALL_array_pop_n(F, T, P, a, b, c, d, e, f, g)			\
	F((T *)P(a), (T *)P(b), (T *)P(c), (size_t)(d), (int)(e))

/* The list: X(operation, tag of the type, shape, model, index). */
#define EVERY_WIDTH(X, op, shape, model, index)				\
	X(op, ptr, shape, model, index)					\
	X(op##_u32, u32, shape, model, index)				\
	X(op##_u64, u64, shape, model, index)

#define EVERY_OP_(X, at, index)					\
	EVERY_WIDTH(X, rseq_load_cbne_store##at, cbne_store,		\
		    cbne_store, index)					\
	EVERY_WIDTH(X, rseq_load_cbne_store_release##at, cbne_store,	\
		    cbne_store, index)					\
	EVERY_WIDTH(X, rseq_load_cbne_load_cbne_store##at,		\
		    cbne_cbne_store, cbne_cbne_store, index)		\
	EVERY_WIDTH(X, rseq_load_cbne_load_cbne_store_release##at,	\
		    cbne_cbne_store, cbne_cbne_store, index)		\
	EVERY_WIDTH(X, rseq_load_cbne_store_store##at, cbne_store_store, \
		    cbne_store_store, index)				\
	EVERY_WIDTH(X, rseq_load_cbne_store_store_release##at,		\
		    cbne_store_store, cbne_store_store, index)		\
	EVERY_WIDTH(X, rseq_load_add_store##at, arithmetic, plus, index)	\
	EVERY_WIDTH(X, rseq_load_and_store##at, arithmetic, mask, index)	\
	EVERY_WIDTH(X, rseq_load_or_store##at, arithmetic, join, index)	\
	EVERY_WIDTH(X, rseq_fetch_add##at, fetch, fetch_add, index)	\
	EVERY_WIDTH(X, rseq_exchange##at, fetch, exchange, index)	\
	EVERY_WIDTH(X, rseq_exchange_release##at, fetch, exchange, index) \
	EVERY_WIDTH(X, rseq_index_load_add_store##at, index_add,	\
		    index_add, index)					\
	X(rseq_load_cbne_memcpy_store##at, ptr, cbne_memcpy_store,	\
	  cbne_memcpy_store, index)					\
	X(rseq_load_cbne_memcpy_store_release##at, ptr,			\
	  cbne_memcpy_store, cbne_memcpy_store, index)			\
	X(rseq_load_cbne_load_store##at, ptr, cbne_load_store,		\
	  cbne_load_store, index)					\
	X(rseq_load_cbeq_store_add_load_store##at, ptr, cbeq_pop,	\
	  cbeq_pop, index)						\
	X(rseq_load_add_load_load_add_store##at, ptr, add_twice,	\
	  add_twice, index)						\
	X(rseq_index_push##at, ptr, index_push, index_push, index)	\
	X(rseq_index_push_release##at, ptr, index_push, index_push, index) \
	X(rseq_index_pop##at, ptr, index_pop, index_pop, index)		\
	X(rseq_array_push##at, ptr, array_push, array_push, index)	\
	X(rseq_array_push_release##at, ptr, array_push, array_push, index) \
	X(rseq_array_pop##at, ptr, array_pop, array_pop, index)		\
	X(rseq_array_push_n##at, ptr, array_push_n, array_push_n, index) \
	X(rseq_array_push_n_release##at, ptr, array_push_n,		\
	  array_push_n, index)						\
	X(rseq_array_pop_n##at, ptr, array_pop_n, array_pop_n, index)

#define EVERY_OP(X)	EVERY_OP_(X, , cpu_id) EVERY_OP_(X, _mm_cid, mm_cid)

typedef intptr_t tag_ptr;
typedef uint32_t tag_u32;
typedef uint64_t tag_u64;

/* ---- what each one does, where it runs at all ---- */

#define AS(T, x)	((T *)(x))
#define MODEL(name, T)							\
	static int model_##name##_##T(const uintptr_t *a, uintptr_t id)

#define MODELS(T)							\
MODEL(cbne_store, T)							\
{									\
	(void)id;							\
	if (*AS(T, a[0]) != (T)a[1])					\
		return RSEQ_DIFFERENT;					\
	*AS(T, a[0]) = (T)a[2];						\
	return RSEQ_COMMITTED;						\
}									\
MODEL(cbne_cbne_store, T)						\
{									\
	(void)id;							\
	if (*AS(T, a[0]) != (T)a[1] || *AS(T, a[2]) != (T)a[3])		\
		return RSEQ_DIFFERENT;					\
	*AS(T, a[0]) = (T)a[4];						\
	return RSEQ_COMMITTED;						\
}									\
MODEL(cbne_store_store, T)						\
{									\
	(void)id;							\
	if (*AS(T, a[0]) != (T)a[1])					\
		return RSEQ_DIFFERENT;					\
	*AS(T, a[2]) = (T)a[3];						\
	*AS(T, a[0]) = (T)a[4];						\
	return RSEQ_COMMITTED;						\
}									\
MODEL(plus, T)								\
{									\
	(void)id;							\
	*AS(T, a[0]) = (T)((uintptr_t)*AS(T, a[0]) + a[1]);		\
	return RSEQ_COMMITTED;						\
}									\
MODEL(mask, T)								\
{									\
	(void)id;							\
	*AS(T, a[0]) &= (T)a[1];					\
	return RSEQ_COMMITTED;						\
}									\
MODEL(join, T)								\
{									\
	(void)id;							\
	*AS(T, a[0]) |= (T)a[1];					\
	return RSEQ_COMMITTED;						\
}									\
MODEL(fetch_add, T)							\
{									\
	const T old = *AS(T, a[0]);					\
	(void)id;							\
	*AS(T, a[2]) = old;						\
	*AS(T, a[0]) = (T)((uintptr_t)old + a[1]);			\
	return RSEQ_COMMITTED;						\
}									\
MODEL(exchange, T)							\
{									\
	(void)id;							\
	*AS(T, a[2]) = *AS(T, a[0]);					\
	*AS(T, a[0]) = (T)a[1];						\
	return RSEQ_COMMITTED;						\
}									\
MODEL(index_add, T)							\
{									\
	T *v = AS(T, a[0] + id * a[1]);					\
	*v = (T)((uintptr_t)*v + a[3]);					\
	return RSEQ_COMMITTED;						\
}

MODELS(tag_ptr)
MODELS(tag_u32)
MODELS(tag_u64)

MODEL(cbne_memcpy_store, tag_ptr)
{
	(void)id;
	if (*AS(uintptr_t, a[0]) != a[1])
		return RSEQ_DIFFERENT;
	memmove((void *)a[2], (const void *)a[3], a[4]);
	*AS(uintptr_t, a[0]) = a[5];
	return RSEQ_COMMITTED;
}

MODEL(cbne_load_store, tag_ptr)
{
	(void)id;
	if (*AS(uintptr_t, a[0]) != a[1])
		return RSEQ_DIFFERENT;
	*AS(uintptr_t, a[3]) = *AS(uintptr_t, a[2]);
	*AS(uintptr_t, a[0]) = a[4];
	return RSEQ_COMMITTED;
}

MODEL(cbeq_pop, tag_ptr)
{
	const uintptr_t head = *AS(uintptr_t, a[0]);

	(void)id;
	if (head == a[1])
		return RSEQ_DIFFERENT;
	*AS(uintptr_t, a[3]) = head;
	*AS(uintptr_t, a[0]) = *AS(uintptr_t, head + a[2]);
	return RSEQ_COMMITTED;
}

MODEL(add_twice, tag_ptr)
{
	(void)id;
	*AS(uintptr_t, *AS(uintptr_t, *AS(uintptr_t, a[0]) + a[1])) += a[2];
	return RSEQ_COMMITTED;
}

MODEL(index_push, tag_ptr)
{
	uintptr_t *head = AS(uintptr_t, a[0] + id * a[1]);

	*AS(uintptr_t, a[3]) = *head;
	*head = a[4];
	return RSEQ_COMMITTED;
}

MODEL(index_pop, tag_ptr)
{
	uintptr_t *head = AS(uintptr_t, a[0] + id * a[1]);
	const uintptr_t node = *head;

	if (!node)
		return RSEQ_DIFFERENT;
	*AS(uintptr_t, a[4]) = node;
	*head = *AS(uintptr_t, node + a[3]);
	return RSEQ_COMMITTED;
}

MODEL(array_push, tag_ptr)
{
	intptr_t *count = AS(intptr_t, a[1]);
	const intptr_t n = *count;

	(void)id;
	if (n >= (intptr_t)a[2])
		return RSEQ_DIFFERENT;
	AS(uintptr_t, a[0])[n] = a[3];
	*count = n + 1;
	return RSEQ_COMMITTED;
}

MODEL(array_pop, tag_ptr)
{
	intptr_t *count = AS(intptr_t, a[1]);
	const intptr_t n = *count;

	(void)id;
	if (n <= 0)
		return RSEQ_DIFFERENT;
	*AS(uintptr_t, a[2]) = AS(uintptr_t, a[0])[n - 1];
	*count = n - 1;
	return RSEQ_COMMITTED;
}

MODEL(array_push_n, tag_ptr)
{
	intptr_t *count = AS(intptr_t, a[1]);
	const intptr_t n = *count;

	(void)id;
	if (n + (intptr_t)a[4] > (intptr_t)a[2])
		return RSEQ_DIFFERENT;
	memmove(AS(uintptr_t, a[0]) + n, (const void *)a[3],
		a[4] * sizeof(uintptr_t));
	*count = n + (intptr_t)a[4];
	return RSEQ_COMMITTED;
}

MODEL(array_pop_n, tag_ptr)
{
	intptr_t *count = AS(intptr_t, a[1]);
	const intptr_t n = *count - (intptr_t)a[3];

	(void)id;
	if (n < 0)
		return RSEQ_DIFFERENT;
	memmove((void *)a[2], AS(uintptr_t, a[0]) + n,
		a[3] * sizeof(uintptr_t));
	*count = n;
	return RSEQ_COMMITTED;
}

#endif
