/* SPDX-License-Identifier: MIT */
#include <rseq/histogram.h>

#include "internal.hh"
#include "rows.hh"

static constexpr unsigned int buckets = RSEQ_HISTOGRAM_BUCKETS;

void rseq_histogram_add_slow_(struct rseq_histogram *h, unsigned int bucket)
	noexcept
{
	intptr_t *const words = rows_once(&h->buckets, buckets);

	if (words)
		rows{words, buckets}.add(bucket, 1);
}

uint64_t rseq_histogram_value(unsigned int bucket) noexcept
{
	if (bucket < 8)
		return bucket;
	return (uint64_t)(8 + bucket % 8) << (bucket / 8 - 1);
}

uint64_t rseq_histogram_read(const struct rseq_histogram *h,
			     uint64_t *counts) noexcept
{
	intptr_t *const words = __atomic_load_n(&h->buckets, __ATOMIC_ACQUIRE);
	uint64_t all = 0;

	for (unsigned int i = 0; words && i < buckets; ++i) {
		const uint64_t n = rows{words, buckets}.sum(i);
		counts[i] += n;
		all += n;
	}
	return all;
}

uint64_t rseq_histogram_quantile(const uint64_t *counts, double part) noexcept
{
	uint64_t all = 0, below = 0;
	unsigned int last = 0;

	for (unsigned int i = 0; i < buckets; ++i) {
		all += counts[i];
		if (counts[i])
			last = i;
	}
	for (unsigned int i = 0; i < buckets; ++i) {
		below += counts[i];
		if (counts[i] && (double)below >= part * (double)all)
			return rseq_histogram_value(i);
	}
	return rseq_histogram_value(last);
}

void rseq_histogram_fini(struct rseq_histogram *h) noexcept
{
	(void)rseq_percpu_free(h->buckets);
	*h = {};
}
