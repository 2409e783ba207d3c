/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_ARRAY_H
#define RSEQ_ARRAY_H

#include <rseq/ops.h>

/*
 * A bounded stack of words in an array: a count and slots, one pair a cpu.
 * The count is read before the section, which goes on only if it is still
 * the same there; a change in between is a restart like any other.
 */

/* if (*count < capacity) slots[(*count)++] = item; else RSEQ_DIFFERENT */
#define RSEQ_ARRAY_PUSH(name, index, cbne_store_store)			\
RSEQ_OP name(intptr_t *slots, intptr_t *count, intptr_t capacity,	\
	     intptr_t item, int id)					\
{									\
	const intptr_t n = __atomic_load_n(count, __ATOMIC_RELAXED);	\
	enum rseq_result result;					\
									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	if (n >= capacity)						\
		return RSEQ_DIFFERENT;					\
	result = cbne_store_store(count, n, &rseq_aligned(slots)[n],	\
				  item, n + 1, id);			\
	return result == RSEQ_DIFFERENT ? RSEQ_RESTARTED : result;	\
}
RSEQ_ARRAY_PUSH(rseq_array_push, cpu_id, rseq_load_cbne_store_store)
RSEQ_ARRAY_PUSH(rseq_array_push_mm_cid, mm_cid,
		rseq_load_cbne_store_store_mm_cid)
RSEQ_ARRAY_PUSH(rseq_array_push_release, cpu_id,
		rseq_load_cbne_store_store_release)
RSEQ_ARRAY_PUSH(rseq_array_push_release_mm_cid, mm_cid,
		rseq_load_cbne_store_store_release_mm_cid)

/* if (*count) *item = slots[--*count]; else RSEQ_DIFFERENT */
#define RSEQ_ARRAY_POP(name, index, cbne_load_store)			\
RSEQ_OP name(intptr_t *slots, intptr_t *count, intptr_t *item, int id)	\
{									\
	const intptr_t n = __atomic_load_n(count, __ATOMIC_RELAXED);	\
	enum rseq_result result;					\
									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	if (n <= 0)							\
		return RSEQ_DIFFERENT;					\
	result = cbne_load_store(count, n, &rseq_aligned(slots)[n - 1],	\
				 item, n - 1, id);			\
	return result == RSEQ_DIFFERENT ? RSEQ_RESTARTED : result;	\
}
RSEQ_ARRAY_POP(rseq_array_pop, cpu_id, rseq_load_cbne_load_store)
RSEQ_ARRAY_POP(rseq_array_pop_mm_cid, mm_cid, rseq_load_cbne_load_store_mm_cid)

/* Push all of items[0..n) in this order, or none of them. */
#define RSEQ_ARRAY_PUSH_N(name, index, cbne_memcpy_store)		\
RSEQ_OP name(intptr_t *slots, intptr_t *count, intptr_t capacity,	\
	     const intptr_t *items, size_t n, int id)			\
{									\
	const intptr_t used = __atomic_load_n(count, __ATOMIC_RELAXED);	\
	enum rseq_result result;					\
									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	if (used > capacity || n > (size_t)(capacity - used))		\
		return RSEQ_DIFFERENT;					\
	result = cbne_memcpy_store(count, used,				\
				   &rseq_aligned(slots)[used],		\
				   rseq_aligned(items), n * sizeof *items, \
				   used + (intptr_t)n, id);		\
	return result == RSEQ_DIFFERENT ? RSEQ_RESTARTED : result;	\
}
RSEQ_ARRAY_PUSH_N(rseq_array_push_n, cpu_id, rseq_load_cbne_memcpy_store)
RSEQ_ARRAY_PUSH_N(rseq_array_push_n_mm_cid, mm_cid,
		  rseq_load_cbne_memcpy_store_mm_cid)
RSEQ_ARRAY_PUSH_N(rseq_array_push_n_release, cpu_id,
		  rseq_load_cbne_memcpy_store_release)
RSEQ_ARRAY_PUSH_N(rseq_array_push_n_release_mm_cid, mm_cid,
		  rseq_load_cbne_memcpy_store_release_mm_cid)

/* Pop the n on top into items, the last pushed at its end, or none of them. */
#define RSEQ_ARRAY_POP_N(name, index, cbne_memcpy_store)		\
RSEQ_OP name(intptr_t *slots, intptr_t *count, intptr_t *items,		\
	     size_t n, int id)						\
{									\
	const intptr_t used = __atomic_load_n(count, __ATOMIC_RELAXED);	\
	intptr_t left;							\
	enum rseq_result result;					\
									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	if (used < 0 || n > (size_t)used)				\
		return RSEQ_DIFFERENT;					\
	left = used - (intptr_t)n;					\
	result = cbne_memcpy_store(count, used, rseq_aligned(items),	\
				   &rseq_aligned(slots)[left],		\
				   n * sizeof *items, left, id);	\
	return result == RSEQ_DIFFERENT ? RSEQ_RESTARTED : result;	\
}
RSEQ_ARRAY_POP_N(rseq_array_pop_n, cpu_id, rseq_load_cbne_memcpy_store)
RSEQ_ARRAY_POP_N(rseq_array_pop_n_mm_cid, mm_cid,
		 rseq_load_cbne_memcpy_store_mm_cid)

#endif
