/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_REFCOUNT_H
#define RSEQ_REFCOUNT_H

#include <rseq/percpu.h>

/*
 * References to an object, counted per cpu while it is in use: no thread can
 * see such a count come to zero, and none needs to while the first reference is
 * there.  Whoever gives that one back kills the count: it becomes one word, and
 * exactly one caller is told that it has come to zero.
 *
 * The fields are private.  All zeros is one reference, counted atomically.
 */
struct rseq_refcount {
	uintptr_t	*words;		/* per-cpu, until it is killed; or 0 */
	uintptr_t	count;		/* the others, times 2; 1: killed */
	uintptr_t	*killed;	/* the words, while it is killed */
	uint32_t	killer;		/* the thread that does, or did */
};

#ifdef __cplusplus
extern "C" {
#endif

/* Make one reference: 0 or -ENOMEM, and c works in either case. */
int rseq_refcount_init(struct rseq_refcount *c) RSEQ_NOTHROW_;

/* Add n where no section can; whether that was the end. */
int rseq_refcount_slow_(struct rseq_refcount *c, uintptr_t n) RSEQ_NOTHROW_
	RSEQ_COLD_;
int rseq_refcount_kill_(struct rseq_refcount *c) RSEQ_NOTHROW_
	RSEQ_MUST_CHECK_;

#ifdef __cplusplus
}
#endif

/* if (*at == words) *v += n; where words is v, which others may free */
RSEQ_FRAME_(rseq_refcount_add_, this_cpu,
	(uintptr_t *v, uintptr_t *const *at, uintptr_t words, uintptr_t n),
	RSEQ_TSAN_UNLESS_(this_cpu, RSEQ_CAST_(uintptr_t,
		__atomic_load_n(at, __ATOMIC_RELAXED)) != words),
	(void)0, "memory",
	RSEQ_IF_EQ_(RSEQ_POINTER_, RSEQ_V(at), words, different)
	RSEQ_COMMIT(RSEQ_LOAD_ADD_SAVE_(RSEQ_POINTER_, n,
					RSEQ_AT_this_cpu_(v))),
	RSEQ_DIFFERENT_LABEL_, RSEQ_DIFFERENT_RESULT_,
	RSEQ_PLACE(v), RSEQ_PLACE(at), RSEQ_IN(RSEQ_POINTER_, words),
	RSEQ_IN(RSEQ_POINTER_, n))

RSEQ_INLINE_ int rseq_refcount_by_(struct rseq_refcount *c, uintptr_t n)
{
	uintptr_t *const words = __atomic_load_n(&c->words, __ATOMIC_RELAXED);

	return __builtin_expect(words &&
				rseq_refcount_add_(words, &c->words,
						   RSEQ_CAST_(uintptr_t, words),
						   n) == RSEQ_COMMITTED, 1) ?
		0 : rseq_refcount_slow_(c, n);
}

/* Take another reference; the caller has one, or knows that there is one. */
RSEQ_INLINE_ void rseq_refcount_get(struct rseq_refcount *c)
{
	(void)rseq_refcount_by_(c, 1);
}

/* Give a reference back: 1: it was the last one, else 0. */
RSEQ_MUST_CHECK_ RSEQ_INLINE_ int rseq_refcount_put(struct rseq_refcount *c)
{
	int last;

	rseq_tsan_release_(c);
	last = rseq_refcount_by_(c, RSEQ_STATIC_(uintptr_t, -1));
	if (last)
		rseq_tsan_acquire_(c);
	return last;
}

/*
 * Give the first reference back, once: 1: it was the last one, 0: another one
 * will be; -EINVAL or -ENOSYS: nothing was done.
 */
RSEQ_MUST_CHECK_ RSEQ_INLINE_ int rseq_refcount_kill(struct rseq_refcount *c)
{
	int last;

	rseq_tsan_release_(c);
	last = rseq_refcount_kill_(c);
	if (last > 0)
		rseq_tsan_acquire_(c);
	return last;
}

#endif
