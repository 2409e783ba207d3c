/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_COUNTERS_H
#define RSEQ_COUNTERS_H

#include <rseq/percpu.h>

/*
 * A set of counters that grows while it is used, two words a counter and cpu.
 * All zeros is an empty set, which can be added to: static sets work before any
 * constructor has run.
 */
#define RSEQ_COUNTERS_SEGMENT_	512u	/* counters, allocated at once */
#define RSEQ_COUNTERS_SEGMENTS_	64u
#define RSEQ_COUNTERS_MAX						\
	(RSEQ_COUNTERS_SEGMENT_ * RSEQ_COUNTERS_SEGMENTS_)

/* The fields are private. */
struct rseq_counters {
	intptr_t	*segment[RSEQ_COUNTERS_SEGMENTS_];	/* per-cpu */
	struct rseq_counter_names_ *names[RSEQ_COUNTERS_SEGMENTS_];
	uint32_t	made;		/* indices that have been given out */
	uint32_t	lost;		/* adds for which there was no memory */
};

#ifdef __cplusplus
extern "C" {
#endif

/* The index of a new counter, called name, or NULL: -ENOMEM, -ENOSPC. */
long rseq_counters_make(struct rseq_counters *s, const char *name)
	RSEQ_NOTHROW_ RSEQ_MUST_CHECK_;

/* What rseq_counters_make() was given, or NULL. */
const char *rseq_counters_name(const struct rseq_counters *s, size_t i)
	RSEQ_NOTHROW_;

/* The sum of counter i: exact once nobody adds any more. */
intptr_t rseq_counters_sum(const struct rseq_counters *s, size_t i)
	RSEQ_NOTHROW_;

/* What was added to counter i since the last take; nothing is lost. */
intptr_t rseq_counters_take(struct rseq_counters *s, size_t i) RSEQ_NOTHROW_;

/* The sums of the first n counters: how many have been made. */
size_t rseq_counters_read(const struct rseq_counters *s, intptr_t *sums,
			  size_t n) RSEQ_NOTHROW_;

/* Free all; the set is empty then. */
void rseq_counters_fini(struct rseq_counters *s) RSEQ_NOTHROW_;

void rseq_counters_add_slow_(struct rseq_counters *s, size_t i, intptr_t n)
	RSEQ_NOTHROW_ RSEQ_COLD_;

#ifdef __cplusplus
}
#endif

/* Add n to counter i, below RSEQ_COUNTERS_MAX, made or not.  Completes. */
RSEQ_INLINE_ void rseq_counters_add(struct rseq_counters *s, size_t i,
				    intptr_t n)
{
	intptr_t *const segment = i < RSEQ_COUNTERS_MAX ?
		__atomic_load_n(&s->segment[i / RSEQ_COUNTERS_SEGMENT_],
				__ATOMIC_RELAXED) : RSEQ_STATIC_(intptr_t *,
								 RSEQ_NULL_);

	if (__builtin_expect(!segment ||
			     rseq_this_cpu_add(segment + i %
					       RSEQ_COUNTERS_SEGMENT_, n) !=
			     RSEQ_COMMITTED, 0))
		rseq_counters_add_slow_(s, i, n);
}

#endif
