/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_INDEX_OPS_H
#define RSEQ_INDEX_OPS_H

#include <rseq/operation.h>

/*
 * Updates of an array with an element a cpu, which read the cpu inside the
 * section: no cpu to pass, no result for a wrong one.  v is the element of
 * cpu 0, the next one lies stride bytes on, and there are limit of them.
 */

#define RSEQ_AT_ID(v)	[v] "r" (rseq_aligned(v)),			\
			[stride] "r" (rseq_multiple(stride, sizeof *(v))), \
			[limit] "r" (RSEQ_REG(32, limit))

/* v[id] += count, in an array with an element each stride bytes */
#define RSEQ_OP_INDEX_ADD(name, w, T, index, verb)			\
RSEQ_OP name(T *v, size_t stride, unsigned int limit,			\
	     T count)							\
{									\
	if (!rseq_usable_##index(0))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_AT_INDEX(index, limit, stride, v, none)		\
		RSEQ_COMMIT(verb(w, count, RSEQ_AT(v))),		\
		RSEQ_WITH(RSEQ_AT_ID(v), RSEQ_IN(w, count)),		\
		abort, none);						\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
none:	return RSEQ_UNAVAILABLE;					\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_INDEX_ADD, rseq_index_load_add_store,
	  RSEQ_LOAD_ADD_SAVE)

/* *link = v[id]; v[id] = node; where link is in node: list push */
#define RSEQ_OP_INDEX_PUSH(name, w, T, index, verb)			\
RSEQ_OP name(T *v, size_t stride, unsigned int limit,			\
	     T *link, T node)						\
{									\
	if (!rseq_usable_##index(0))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_AT_INDEX(index, limit, stride, v, none)		\
		RSEQ_THEN(RSEQ_LOAD(w, RSEQ_AT(v)))			\
		RSEQ_THEN(RSEQ_SAVE(w, RSEQ_V(link)))			\
		RSEQ_COMMIT(verb(w, node, RSEQ_AT(v))),			\
		RSEQ_WITH(RSEQ_AT_ID(v), RSEQ_PLACE(link),		\
			  RSEQ_IN(w, node)),				\
		abort, none);						\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
none:	return RSEQ_UNAVAILABLE;					\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_POINTER, RSEQ_OP_INDEX_PUSH, rseq_index_push, RSEQ_STORE)
RSEQ_MAKE(RSEQ_PER_POINTER, RSEQ_OP_INDEX_PUSH, rseq_index_push_release,
	  RSEQ_STORE_RELEASE)

/* if (v[id]) { *node = v[id]; v[id] = *(intptr_t *)(v[id] + off); } */
#define RSEQ_OP_INDEX_POP(name, w, T, index, verb)			\
RSEQ_OP name(T *v, size_t stride, unsigned int limit,			\
	     intptr_t off, T *node)					\
{									\
	if (!rseq_usable_##index(0))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_AT_INDEX(index, limit, stride, v, none)		\
		RSEQ_IF_NE(w, RSEQ_AT(v), empty, eq)			\
		RSEQ_THEN(RSEQ_SAVE(w, RSEQ_V(node)))			\
		RSEQ_THEN(RSEQ_ADD(w, off) RSEQ_DEREF)			\
		RSEQ_COMMIT(verb(w, RSEQ_AT(v))),			\
		RSEQ_WITH(RSEQ_AT_ID(v), RSEQ_IN(w, off),		\
			  [empty] RSEQ_VALUE ((T)0), RSEQ_PLACE(node)),	\
		abort, none, eq);					\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
none:	return RSEQ_UNAVAILABLE;					\
eq:	return RSEQ_DIFFERENT;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_POINTER, RSEQ_OP_INDEX_POP, rseq_index_pop, RSEQ_SAVE)

#endif
