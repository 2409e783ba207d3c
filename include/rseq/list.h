/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_LIST_H
#define RSEQ_LIST_H

#include <rseq/frame.h>

/*
 * Intrusive lists, one a cpu or one a concurrency id: a head, and in each node
 * a pointer to the next.  No ABA: nobody else can change a list between a
 * pop's load of the head and its store.
 */

/* *next = *v; *v = node; where next is in node, or in the last of a chain */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION(name, where, (T *v, T node, T *next),			\
	RSEQ_THEN(RSEQ_LOAD_(w, RSEQ_AT_##where##_(v)))			\
	RSEQ_THEN(RSEQ_SAVE_(w, RSEQ_V(next)))				\
	RSEQ_COMMIT(verb(w, node, RSEQ_AT_##where##_(v))),		\
	RSEQ_PLACE(v), RSEQ_IN(w, node), RSEQ_RESULT(next))
RSEQ_BY_ID_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_list_push, RSEQ_STORE_)
RSEQ_BY_ID_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_list_push_release,
	    RSEQ_STORE_RELEASE_)
RSEQ_BY_PERCPU_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_list_push, RSEQ_STORE_)
#undef RSEQ_MAKE_

/* if (*v) { *node = *v; *v = *(pointer to the next at *v + off); } */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION_UNLESS_(name, where, (T *v, T *node, size_t off),		\
	!__atomic_load_n(v, __ATOMIC_RELAXED),				\
	RSEQ_IF_NE_(w, RSEQ_AT_##where##_(v), nothing, different)	\
	RSEQ_THEN(RSEQ_SAVE_(w, RSEQ_V(node)))				\
	RSEQ_THEN(RSEQ_ADD_(w, off) RSEQ_DEREF)				\
	RSEQ_COMMIT(verb(w, RSEQ_AT_##where##_(v))),			\
	RSEQ_PLACE(v),							\
	RSEQ_INPUT_(nothing, RSEQ_VALUE_, RSEQ_STATIC_(T, 0)),		\
	RSEQ_RESULT(node), RSEQ_IN(w, off))
RSEQ_BY_ID_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_list_pop, RSEQ_SAVE_)
RSEQ_BY_PERCPU_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_list_pop, RSEQ_SAVE_)
#undef RSEQ_MAKE_

/*
 * if (*v) { *node = *v; *v = 0; }  It would need no argument about ABA even
 * where others push meanwhile: it looks into no node.
 */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION_UNLESS_(name, where, (T *v, T *node),			\
	!__atomic_load_n(v, __ATOMIC_RELAXED),				\
	RSEQ_IF_NE_(w, RSEQ_AT_##where##_(v), nothing, different)	\
	RSEQ_THEN(RSEQ_SAVE_(w, RSEQ_V(node)))				\
	RSEQ_COMMIT(verb(w, nothing, RSEQ_AT_##where##_(v))),		\
	RSEQ_PLACE(v),							\
	RSEQ_INPUT_(nothing, RSEQ_VALUE_, RSEQ_STATIC_(T, 0)),		\
	RSEQ_RESULT(node))
RSEQ_BY_ID_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_list_pop_all, RSEQ_STORE_)
RSEQ_BY_PERCPU_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_list_pop_all, RSEQ_STORE_)
#undef RSEQ_MAKE_

#ifdef __cplusplus

#define RSEQ_CPP_(Id, where)						\
template <class T>							\
RSEQ_OP_ rseq_list_push(T **v, RSEQ_SAME_T_(T *) node, T **next, Id id)	\
	noexcept							\
{									\
	typedef rseq_as_<T *> as;					\
	return rseq_list_push_##where##_(as::place(v), as::value(node),	\
					 as::place(next), id);		\
}									\
template <class T>							\
RSEQ_OP_ rseq_list_push_release(T **v, RSEQ_SAME_T_(T *) node,		\
				T **next, Id id) noexcept		\
{									\
	typedef rseq_as_<T *> as;					\
	return rseq_list_push_release_##where##_(as::place(v),		\
			as::value(node), as::place(next), id);		\
}									\
template <class T>							\
RSEQ_OP_ rseq_list_pop(T **v, T **node, size_t off, Id id) noexcept	\
{									\
	typedef rseq_as_<T *> as;					\
	return rseq_list_pop_##where##_(as::place(v), as::place(node),	\
					off, id);			\
}									\
template <class T>							\
RSEQ_OP_ rseq_list_pop_all(T **v, T **node, Id id) noexcept		\
{									\
	typedef rseq_as_<T *> as;					\
	return rseq_list_pop_all_##where##_(as::place(v),		\
					    as::place(node), id);	\
}
RSEQ_CPP_(rseq_cpu_t, cpu)
RSEQ_CPP_(rseq_cid_t, cid)
#undef RSEQ_CPP_

#else

/*
 * Push node, whose pointer to the next one is at next; or push the chain that
 * begins with node and ends with the node that next is in.
 */
#define rseq_list_push(v, node, next, id)				\
	RSEQ_FOR_(rseq_list_push, id)					\
		(RSEQ_WORD_(v), RSEQ_BITS_(v, node), RSEQ_SAME_(v, next), id)
#define rseq_list_push_release(v, node, next, id)			\
	RSEQ_FOR_(rseq_list_push_release, id)				\
		(RSEQ_WORD_(v), RSEQ_BITS_(v, node), RSEQ_SAME_(v, next), id)

/* Pop into *node; a node's pointer to the next one is off bytes into it. */
#define rseq_list_pop(v, node, off, id)					\
	RSEQ_FOR_(rseq_list_pop, id)					\
		(RSEQ_WORD_(v), RSEQ_SAME_(v, node), off, id)

/* Pop the chain of all nodes: its first one into *node. */
#define rseq_list_pop_all(v, node, id)					\
	RSEQ_FOR_(rseq_list_pop_all, id)				\
		(RSEQ_WORD_(v), RSEQ_SAME_(v, node), id)

#endif

#endif
