/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_HISTOGRAM_H
#define RSEQ_HISTOGRAM_H

#include <rseq/percpu.h>

/*
 * A histogram of 64-bit values, counted a cpu: eight buckets for each power of
 * two, so that a value's bucket tells it to an eighth.  All zeros is an empty
 * one, which can be added to.
 */
#define RSEQ_HISTOGRAM_BUCKETS	496u

/* The field is private. */
struct rseq_histogram {
	intptr_t	*buckets;	/* per-cpu */
};

/* The bucket that a value falls into; values below 8 have one of their own. */
static inline unsigned int rseq_histogram_bucket(uint64_t value)
{
	const unsigned int high = value < 8 ? 3 :
		63 - RSEQ_STATIC_(unsigned int, __builtin_clzll(value));

	return (high - 3) * 8 + RSEQ_STATIC_(unsigned int,
					     value >> (high - 3));
}

#ifdef __cplusplus
extern "C" {
#endif

/* The smallest value of a bucket. */
uint64_t rseq_histogram_value(unsigned int bucket) RSEQ_NOTHROW_;

/* Add the counts to counts, which merges histograms: how many values. */
uint64_t rseq_histogram_read(const struct rseq_histogram *h,
			     uint64_t *counts) RSEQ_NOTHROW_;

/* The smallest value of the bucket in which that part of the values ends. */
uint64_t rseq_histogram_quantile(const uint64_t *counts, double part)
	RSEQ_NOTHROW_;

/* Free it; it is empty then. */
void rseq_histogram_fini(struct rseq_histogram *h) RSEQ_NOTHROW_;

void rseq_histogram_add_slow_(struct rseq_histogram *h, unsigned int bucket)
	RSEQ_NOTHROW_ RSEQ_COLD_;

#ifdef __cplusplus
}
#endif

/* Count a value.  Completes, but for want of memory on the first one. */
static inline void rseq_histogram_add(struct rseq_histogram *h, uint64_t value)
{
	const unsigned int bucket = rseq_histogram_bucket(value);
	intptr_t *const buckets = __atomic_load_n(&h->buckets,
						  __ATOMIC_RELAXED);

	if (__builtin_expect(!buckets ||
			     rseq_this_cpu_add(buckets + bucket, 1) !=
			     RSEQ_COMMITTED, 0))
		rseq_histogram_add_slow_(h, bucket);
}

#endif
