/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_PERCPU_H
#define RSEQ_PERCPU_H

#include <rseq/list.h>
#include <rseq/word.h>

/*
 * Per-cpu memory: an object of which each cpu, or each concurrency id, has a
 * copy, RSEQ_PERCPU_STRIDE bytes behind the one before.  A per-cpu pointer
 * names all copies and is never dereferenced; so does one to a member.
 */

#ifdef __cplusplus
extern "C" {
#endif

/* Allocate size zeroed bytes for each cpu; NULL if there is no memory. */
void *rseq_percpu_alloc(size_t size, size_t align) RSEQ_NOTHROW_
	RSEQ_MUST_CHECK_;

/* Free what rseq_percpu_alloc() has returned, or NULL: 0 or -EINVAL. */
int rseq_percpu_free(void *p) RSEQ_NOTHROW_;

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus

/* The copy of one cpu or concurrency id, below rseq_cpu_limit(). */
template <class T, class N>
RSEQ_INLINE_ T *rseq_percpu_ptr(T *p, N cpu) noexcept
{
	return static_cast<T *>(
		rseq_copy_of_(p, static_cast<unsigned int>(cpu)));
}

#define RSEQ_CPP_(where)						\
RSEQ_INTEGERS_ RSEQ_OP_ rseq_##where##_add(T *p, RSEQ_T_ n) noexcept	\
{									\
	return rseq_add_##where##_(RSEQ_PUT_INTEGERS_(p), RSEQ_GET_(n)); \
}									\
RSEQ_INTEGERS_								\
RSEQ_OP_ rseq_##where##_fetch_add(T *p, RSEQ_T_ n, T *old) noexcept	\
{									\
	return rseq_fetch_add_##where##_(RSEQ_PUT_INTEGERS_(p), RSEQ_GET_(n), \
					 RSEQ_PUT_(old));		\
}									\
template <class T>							\
RSEQ_OP_ rseq_##where##_list_push(T **p, RSEQ_SAME_T_(T *) node,	\
				  T **next) noexcept			\
{									\
	typedef rseq_as_<T *> as;					\
	return rseq_list_push_##where##_(as::place(p), as::value(node),	\
					 as::place(next));		\
}									\
template <class T>							\
RSEQ_OP_ rseq_##where##_list_pop(T **p, T **node, size_t off) noexcept	\
{									\
	typedef rseq_as_<T *> as;					\
	return rseq_list_pop_##where##_(as::place(p), as::place(node),	\
					off);				\
}									\
template <class T>							\
RSEQ_OP_ rseq_##where##_list_pop_all(T **p, T **node) noexcept		\
{									\
	typedef rseq_as_<T *> as;					\
	return rseq_list_pop_all_##where##_(as::place(p),		\
					    as::place(node));		\
}
RSEQ_CPP_(this_cpu)
RSEQ_CPP_(this_cid)
#undef RSEQ_CPP_

#else

/* The copy of one cpu or concurrency id, below rseq_cpu_limit(). */
#define rseq_percpu_ptr(p, cpu)						\
	((__typeof__(p))rseq_copy_of_((p), (unsigned int)(cpu)))

/* *p += n, in this cpu's copy */
#define rseq_this_cpu_add(p, n)						\
	RSEQ_WIDTH_(rseq_add_this_cpu, p)				\
		(RSEQ_WORD_(p), RSEQ_NUMBER_(p, n))
#define rseq_this_cid_add(p, n)						\
	RSEQ_WIDTH_(rseq_add_this_cid, p)				\
		(RSEQ_WORD_(p), RSEQ_NUMBER_(p, n))

/* *old = *p; *p += n; */
#define rseq_this_cpu_fetch_add(p, n, old)				\
	RSEQ_WIDTH_(rseq_fetch_add_this_cpu, p)				\
		(RSEQ_WORD_(p), RSEQ_NUMBER_(p, n), RSEQ_SAME_(p, old))
#define rseq_this_cid_fetch_add(p, n, old)				\
	RSEQ_WIDTH_(rseq_fetch_add_this_cid, p)				\
		(RSEQ_WORD_(p), RSEQ_NUMBER_(p, n), RSEQ_SAME_(p, old))

/* *next = *p; *p = node; where next is in node, or in the last of a chain */
#define rseq_this_cpu_list_push(p, node, next)				\
	rseq_list_push_this_cpu_(RSEQ_WORD_(p), RSEQ_BITS_(p, node),	\
				 RSEQ_SAME_(p, next))
#define rseq_this_cid_list_push(p, node, next)				\
	rseq_list_push_this_cid_(RSEQ_WORD_(p), RSEQ_BITS_(p, node),	\
				 RSEQ_SAME_(p, next))

/* Pop into *node; a node's pointer to the next one is off bytes into it. */
#define rseq_this_cpu_list_pop(p, node, off)				\
	rseq_list_pop_this_cpu_(RSEQ_WORD_(p), RSEQ_SAME_(p, node), off)
#define rseq_this_cid_list_pop(p, node, off)				\
	rseq_list_pop_this_cid_(RSEQ_WORD_(p), RSEQ_SAME_(p, node), off)

/* Pop the chain of all nodes: its first one into *node. */
#define rseq_this_cpu_list_pop_all(p, node)				\
	rseq_list_pop_all_this_cpu_(RSEQ_WORD_(p), RSEQ_SAME_(p, node))
#define rseq_this_cid_list_pop_all(p, node)				\
	rseq_list_pop_all_this_cid_(RSEQ_WORD_(p), RSEQ_SAME_(p, node))

#endif

/* For each cpu that there may be, copy pointing to its copy of *p. */
#define RSEQ_FOR_EACH_CPU(copy, p)					\
	for (unsigned int cpu_ = 0, limit_ = rseq_cpu_limit();		\
	     cpu_ < limit_ && ((copy) = rseq_percpu_ptr((p), cpu_), 1);	\
	     ++cpu_)

#endif
