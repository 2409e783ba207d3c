/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_COUNTER_H
#define RSEQ_COUNTER_H

#include <rseq/index.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Counters with a word per cpu.  Two rows a cpu: one that sections add to,
 * one that atomics add to where sections cannot run.  The fields are
 * read-only; they are here so that an add is inline.
 */
struct rseq_counter {
	intptr_t	*rows;
	size_t		stride;		/* bytes from a row to the next */
	size_t		count;
	unsigned int	cpus;
	void		*memory;
};

/* Make count counters, each zero: 0, -EINVAL or -ENOMEM. */
int rseq_counter_init(struct rseq_counter *c, size_t count);

/* Release what init allocated; c is then as if it had never been made. */
void rseq_counter_fini(struct rseq_counter *c);

/* The sum over all cpus of counter i: exact once nobody adds any more. */
intptr_t rseq_counter_sum(const struct rseq_counter *c, size_t i);

/* Add without a section: what an add does when its section fails. */
void rseq_counter_add_slow(const struct rseq_counter *c, size_t i, intptr_t n);

#ifdef __cplusplus
}
#endif

/* Add n to counter i, which must be below count.  Always completes. */
static inline void rseq_counter_add(const struct rseq_counter *c, size_t i,
				    intptr_t n)
{
	if (__builtin_expect(rseq_index_load_add_store(c->rows + i, c->stride,
			     c->cpus, n) != RSEQ_COMMITTED, 0))
		rseq_counter_add_slow(c, i, n);
}

#endif
