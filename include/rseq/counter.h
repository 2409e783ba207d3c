/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_COUNTER_H
#define RSEQ_COUNTER_H

#include <rseq/percpu.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Counters with a word per cpu.  Two rows a cpu: one that sections add to,
 * one that atomics add to where sections cannot run.  The fields are
 * read-only; they are here so that an add is inline.  All zeros: no counter,
 * to which adding does nothing.
 */
struct rseq_counter {
	intptr_t	*words;		/* per-cpu */
	size_t		count;
};

/* Make count counters, each zero: 0, -EINVAL or -ENOMEM. */
int rseq_counter_init(struct rseq_counter *c, size_t count) RSEQ_NOTHROW_
	RSEQ_MUST_CHECK_;

/* Release what init allocated; c is then as if it had never been made. */
void rseq_counter_fini(struct rseq_counter *c) RSEQ_NOTHROW_;

/* The sum over all cpus of counter i: exact once nobody adds any more. */
intptr_t rseq_counter_sum(const struct rseq_counter *c, size_t i)
	RSEQ_NOTHROW_;

/* Add without a section: what an add does when its section fails. */
void rseq_counter_add_slow_(const struct rseq_counter *c, size_t i, intptr_t n)
	RSEQ_NOTHROW_ RSEQ_COLD_;

#ifdef __cplusplus
}
#endif

/* Add n to counter i, which must be below count.  Always completes. */
RSEQ_INLINE_ void rseq_counter_add(const struct rseq_counter *c, size_t i,
				    intptr_t n)
{
	if (__builtin_expect(!c->words ||
			     rseq_this_cpu_add(c->words + i, n) !=
			     RSEQ_COMMITTED, 0))
		rseq_counter_add_slow_(c, i, n);
}

#endif
