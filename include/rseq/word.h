/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_WORD_H
#define RSEQ_WORD_H

#include <rseq/frame.h>

/*
 * Operations on a word of 4 or 8 bytes: an integer or a pointer.  The word's
 * type chooses the code, the id's type says whose data the word is.
 */

/* if (*v == expect) *v = newv; */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION_UNLESS_(name, where, (T *v, T expect, T newv),		\
	__atomic_load_n(v, __ATOMIC_RELAXED) != expect,			\
	RSEQ_IF_EQ(w, RSEQ_V(v), expect, different)			\
	RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),				\
	RSEQ_PLACE(v), RSEQ_IN(w, expect), RSEQ_IN(w, newv))
RSEQ_BY_ID_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_compare_store, RSEQ_STORE)
RSEQ_BY_ID_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_compare_store_release,
	    RSEQ_STORE_RELEASE)
#undef RSEQ_MAKE_

/* *v op= n; */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION_BLIND_(name, where, (T *v, T n),				\
	RSEQ_COMMIT(verb(w, n, RSEQ_AT_##where##_(v))),			\
	RSEQ_PLACE(v), RSEQ_IN(w, n))
RSEQ_BY_ID_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_add, RSEQ_LOAD_ADD_SAVE)
RSEQ_BY_ID_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_and, RSEQ_LOAD_AND_SAVE)
RSEQ_BY_ID_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_or, RSEQ_LOAD_OR_SAVE)
RSEQ_BY_PERCPU_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_add, RSEQ_LOAD_ADD_SAVE)
#undef RSEQ_MAKE_

/* *old = *v; *v += n; */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION(name, where, (T *v, T n, T *old),				\
	RSEQ_THEN(RSEQ_LOAD(w, RSEQ_AT_##where##_(v)))			\
	RSEQ_THEN(RSEQ_SAVE(w, RSEQ_V(old)))				\
	RSEQ_THEN(RSEQ_ADD(w, n))					\
	RSEQ_COMMIT(verb(w, RSEQ_AT_##where##_(v))),			\
	RSEQ_PLACE(v), RSEQ_IN(w, n), RSEQ_RESULT(old))
RSEQ_BY_ID_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_fetch_add, RSEQ_SAVE)
RSEQ_BY_PERCPU_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_fetch_add, RSEQ_SAVE)
#undef RSEQ_MAKE_

/* *old = *v; *v = newv; */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION(name, where, (T *v, T newv, T *old),			\
	RSEQ_THEN(RSEQ_LOAD(w, RSEQ_V(v)))				\
	RSEQ_THEN(RSEQ_SAVE(w, RSEQ_V(old)))				\
	RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),				\
	RSEQ_PLACE(v), RSEQ_IN(w, newv), RSEQ_RESULT(old))
RSEQ_BY_ID_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_exchange, RSEQ_STORE)
RSEQ_BY_ID_(RSEQ_PER_WORD_, RSEQ_MAKE_, rseq_exchange_release,
	    RSEQ_STORE_RELEASE)
#undef RSEQ_MAKE_

#ifdef __cplusplus

#define RSEQ_CPP_(kind, name, Id, where)				\
RSEQ_##kind##_ RSEQ_OP_ name(T *v, RSEQ_T_ x, Id id) noexcept		\
{									\
	return name##_##where##_(RSEQ_PUT_##kind##_(v), RSEQ_GET_(x), id); \
}
#define RSEQ_CPP_OLD_(kind, name, Id, where)				\
RSEQ_##kind##_ RSEQ_OP_ name(T *v, RSEQ_T_ x, T *old, Id id) noexcept	\
{									\
	return name##_##where##_(RSEQ_PUT_##kind##_(v), RSEQ_GET_(x),	\
				 RSEQ_PUT_(old), id);			\
}
#define RSEQ_CPP_EXPECT_(kind, name, Id, where)				\
RSEQ_##kind##_								\
RSEQ_OP_ name(T *v, RSEQ_T_ expect, RSEQ_T_ newv, Id id) noexcept	\
{									\
	return name##_##where##_(RSEQ_PUT_##kind##_(v), RSEQ_GET_(expect), \
				 RSEQ_GET_(newv), id);			\
}
#define RSEQ_CPP_BY_ID_(MAKE, kind, name)				\
	MAKE(kind, name, rseq_cpu_t, cpu)				\
	MAKE(kind, name, rseq_cid_t, cid)

RSEQ_CPP_BY_ID_(RSEQ_CPP_, INTEGERS, rseq_add)
RSEQ_CPP_BY_ID_(RSEQ_CPP_, INTEGERS, rseq_and)
RSEQ_CPP_BY_ID_(RSEQ_CPP_, INTEGERS, rseq_or)
RSEQ_CPP_BY_ID_(RSEQ_CPP_OLD_, INTEGERS, rseq_fetch_add)
RSEQ_CPP_BY_ID_(RSEQ_CPP_OLD_, WORDS, rseq_exchange)
RSEQ_CPP_BY_ID_(RSEQ_CPP_OLD_, WORDS, rseq_exchange_release)
RSEQ_CPP_BY_ID_(RSEQ_CPP_EXPECT_, WORDS, rseq_compare_store)
RSEQ_CPP_BY_ID_(RSEQ_CPP_EXPECT_, WORDS, rseq_compare_store_release)

#undef RSEQ_CPP_
#undef RSEQ_CPP_OLD_
#undef RSEQ_CPP_EXPECT_
#undef RSEQ_CPP_BY_ID_

#else

/* *v += n; */
#define rseq_add(v, n, id)						\
	RSEQ_FOR_WIDTH_(rseq_add, v, id)				\
		(RSEQ_WORD_(v), RSEQ_NUMBER_(v, n), id)

/* *v &= n; */
#define rseq_and(v, n, id)						\
	RSEQ_FOR_WIDTH_(rseq_and, v, id)				\
		(RSEQ_WORD_(v), RSEQ_NUMBER_(v, n), id)

/* *v |= n; */
#define rseq_or(v, n, id)						\
	RSEQ_FOR_WIDTH_(rseq_or, v, id)					\
		(RSEQ_WORD_(v), RSEQ_NUMBER_(v, n), id)

/* *old = *v; *v += n; */
#define rseq_fetch_add(v, n, old, id)					\
	RSEQ_FOR_WIDTH_(rseq_fetch_add, v, id)				\
		(RSEQ_WORD_(v), RSEQ_NUMBER_(v, n), RSEQ_SAME_(v, old), id)

/* *old = *v; *v = newv; */
#define rseq_exchange(v, newv, old, id)					\
	RSEQ_FOR_WIDTH_(rseq_exchange, v, id)				\
		(RSEQ_WORD_(v), RSEQ_BITS_(v, newv), RSEQ_SAME_(v, old), id)
#define rseq_exchange_release(v, newv, old, id)				\
	RSEQ_FOR_WIDTH_(rseq_exchange_release, v, id)			\
		(RSEQ_WORD_(v), RSEQ_BITS_(v, newv), RSEQ_SAME_(v, old), id)

/* if (*v == expect) *v = newv; else RSEQ_DIFFERENT */
#define rseq_compare_store(v, expect, newv, id)				\
	RSEQ_FOR_WIDTH_(rseq_compare_store, v, id)			\
		(RSEQ_WORD_(v), RSEQ_BITS_(v, expect), RSEQ_BITS_(v, newv), id)
#define rseq_compare_store_release(v, expect, newv, id)			\
	RSEQ_FOR_WIDTH_(rseq_compare_store_release, v, id)		\
		(RSEQ_WORD_(v), RSEQ_BITS_(v, expect), RSEQ_BITS_(v, newv), id)

#endif

#endif
