/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_OPS_H
#define RSEQ_OPS_H

#include <rseq/operation.h>

/* if (*v == expect) *v = newv; */
#define RSEQ_OP_CBNE_STORE(name, w, T, index, verb)			\
RSEQ_OP name(T *v, T expect, T newv, int id)				\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_IF_EQ(w, RSEQ_V(v), expect, ne)			\
		RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, expect),	\
			  RSEQ_IN(w, newv)),				\
		abort, ne);						\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
ne:	return RSEQ_DIFFERENT;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_CBNE_STORE, rseq_load_cbne_store, RSEQ_STORE)
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_CBNE_STORE, rseq_load_cbne_store_release,
	  RSEQ_STORE_RELEASE)

/* if (*v == expect && *v2 == expect2) *v = newv; */
#define RSEQ_OP_CBNE_CBNE_STORE(name, w, T, index, verb)		\
RSEQ_OP name(T *v, T expect, T *v2, T expect2,				\
	     T newv, int id)						\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_IF_EQ(w, RSEQ_V(v), expect, ne)			\
		RSEQ_IF_EQ(w, RSEQ_V(v2), expect2, ne)			\
		RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, expect),	\
			  RSEQ_PLACE(v2), RSEQ_IN(w, expect2),	\
			  RSEQ_IN(w, newv)),				\
		abort, ne);						\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
ne:	return RSEQ_DIFFERENT;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_CBNE_CBNE_STORE,
	  rseq_load_cbne_load_cbne_store, RSEQ_STORE)
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_CBNE_CBNE_STORE,
	  rseq_load_cbne_load_cbne_store_release, RSEQ_STORE_RELEASE)

/* if (*v == expect) { *v2 = newv2; *v = newv; } */
#define RSEQ_OP_CBNE_STORE_STORE(name, w, T, index, verb)		\
RSEQ_OP name(T *v, T expect, T *v2, T newv2,				\
	     T newv, int id)						\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_IF_EQ(w, RSEQ_V(v), expect, ne)			\
		RSEQ_THEN(RSEQ_STORE(w, newv2, RSEQ_V(v2)))		\
		RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, expect),	\
			  RSEQ_PLACE(v2), RSEQ_IN(w, newv2),		\
			  RSEQ_IN(w, newv)),				\
		abort, ne);						\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
ne:	return RSEQ_DIFFERENT;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_CBNE_STORE_STORE, rseq_load_cbne_store_store,
	  RSEQ_STORE)
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_CBNE_STORE_STORE,
	  rseq_load_cbne_store_store_release, RSEQ_STORE_RELEASE)

/* if (*v == expect) { memcpy(dst, src, len); *v = newv; } */
#define RSEQ_OP_CBNE_MEMCPY_STORE(name, w, T, index, verb)		\
RSEQ_OP name(T *v, T expect, void *dst,					\
	     const void *src, size_t len,				\
	     T newv, int id)						\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_IF_EQ(w, RSEQ_V(v), expect, ne)			\
		RSEQ_THEN(RSEQ_COPY(dst, src, len))			\
		RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, expect),	\
			  RSEQ_IN(w, newv), [dst] "r" (dst),		\
			  [src] "r" (src), [len] "r" (len)),		\
		abort, ne);						\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
ne:	return RSEQ_DIFFERENT;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_POINTER, RSEQ_OP_CBNE_MEMCPY_STORE,
	  rseq_load_cbne_memcpy_store, RSEQ_STORE)
RSEQ_MAKE(RSEQ_PER_POINTER, RSEQ_OP_CBNE_MEMCPY_STORE,
	  rseq_load_cbne_memcpy_store_release, RSEQ_STORE_RELEASE)

/* if (*v == expect) { *load = *from; *v = newv; } */
#define RSEQ_OP_CBNE_LOAD_STORE(name, w, T, index, verb)		\
RSEQ_OP name(T *v, T expect, T *from, T *load,				\
	     T newv, int id)						\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_IF_EQ(w, RSEQ_V(v), expect, ne)			\
		RSEQ_THEN(RSEQ_LOAD(w, RSEQ_V(from)))			\
		RSEQ_THEN(RSEQ_SAVE(w, RSEQ_V(load)))			\
		RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, expect),	\
			  RSEQ_PLACE(from), RSEQ_PLACE(load),		\
			  RSEQ_IN(w, newv)),				\
		abort, ne);						\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
ne:	return RSEQ_DIFFERENT;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_POINTER, RSEQ_OP_CBNE_LOAD_STORE,
	  rseq_load_cbne_load_store, RSEQ_STORE)

/* if (*v != expectnot) { *load = *v; *v = *(intptr_t *)(*v + off); } */
#define RSEQ_OP_CBEQ_STORE_ADD_LOAD_STORE(name, w, T, index, verb)	\
RSEQ_OP name(T *v, T expectnot, intptr_t off,				\
	     T *load, int id)						\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_IF_NE(w, RSEQ_V(v), expectnot, eq)			\
		RSEQ_THEN(RSEQ_SAVE(w, RSEQ_V(load)))			\
		RSEQ_THEN(RSEQ_ADD(w, off) RSEQ_DEREF)			\
		RSEQ_COMMIT(verb(w, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, expectnot), \
			  RSEQ_IN(w, off), RSEQ_PLACE(load)),		\
		abort, eq);						\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
eq:	return RSEQ_DIFFERENT;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_POINTER, RSEQ_OP_CBEQ_STORE_ADD_LOAD_STORE,
	  rseq_load_cbeq_store_add_load_store, RSEQ_SAVE)

/* *v op= count; */
#define RSEQ_OP_ARITHMETIC(name, w, T, index, verb)			\
RSEQ_OP name(T *v, T count, int id)					\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_COMMIT(verb(w, count, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, count)),	\
		abort);							\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_ARITHMETIC, rseq_load_add_store,
	  RSEQ_LOAD_ADD_SAVE)
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_ARITHMETIC, rseq_load_and_store,
	  RSEQ_LOAD_AND_SAVE)
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_ARITHMETIC, rseq_load_or_store,
	  RSEQ_LOAD_OR_SAVE)

/* *old = *v; *v += count; */
#define RSEQ_OP_FETCH_ADD(name, w, T, index, verb)			\
RSEQ_OP name(T *v, T count, T *old, int id)				\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_THEN(RSEQ_LOAD(w, RSEQ_V(v)))			\
		RSEQ_THEN(RSEQ_SAVE(w, RSEQ_V(old)))			\
		RSEQ_THEN(RSEQ_ADD(w, count))				\
		RSEQ_COMMIT(verb(w, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, count),	\
			  RSEQ_PLACE(old)),				\
		abort);							\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_FETCH_ADD, rseq_fetch_add, RSEQ_SAVE)

/* *old = *v; *v = newv; */
#define RSEQ_OP_EXCHANGE(name, w, T, index, verb)			\
RSEQ_OP name(T *v, T newv, T *old, int id)				\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_THEN(RSEQ_LOAD(w, RSEQ_V(v)))			\
		RSEQ_THEN(RSEQ_SAVE(w, RSEQ_V(old)))			\
		RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, newv),	\
			  RSEQ_PLACE(old)),				\
		abort);							\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_EXCHANGE, rseq_exchange, RSEQ_STORE)
RSEQ_MAKE(RSEQ_PER_WORD, RSEQ_OP_EXCHANGE, rseq_exchange_release,
	  RSEQ_STORE_RELEASE)

/* **(*v + off) += count; the pointer that lies off bytes behind *v */
#define RSEQ_OP_ADD_LOAD_LOAD_ADD_STORE(name, w, T, index, verb)	\
RSEQ_OP name(T *v, intptr_t off, T count, int id)			\
{									\
	if (!rseq_usable_##index(id))					\
		return RSEQ_UNAVAILABLE;				\
	rseq_tsan_release(v);						\
	RSEQ_CRITICAL(index,						\
		RSEQ_IF_INDEX(index, id, abort)				\
		RSEQ_THEN(RSEQ_LOAD(w, RSEQ_V(v)))			\
		RSEQ_THEN(RSEQ_ADD(w, off) RSEQ_DEREF)			\
		RSEQ_COMMIT(verb(w, count)),				\
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(w, off),	\
			  RSEQ_IN(w, count)),				\
		abort);							\
	rseq_tsan_acquire(v);						\
	return RSEQ_COMMITTED;						\
abort:	return rseq_why_not();						\
}
RSEQ_MAKE(RSEQ_PER_POINTER, RSEQ_OP_ADD_LOAD_LOAD_ADD_STORE,
	  rseq_load_add_load_load_add_store, RSEQ_DEREF_ADD_SAVE)

#endif
