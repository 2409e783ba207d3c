/* SPDX-License-Identifier: MIT */
#include <rseq/counter.h>

#include "internal.hh"
#include "rows.hh"

int rseq_counter_init(struct rseq_counter *c, size_t count) noexcept
{
	*c = {};
	if (count == 0)
		return -EINVAL;
	if (count > RSEQ_PERCPU_STRIDE / 2 / sizeof(intptr_t))
		return -ENOMEM;
	c->words = rows::alloc(count);
	if (!c->words)
		return -ENOMEM;
	c->count = count;
	return 0;
}

void rseq_counter_fini(struct rseq_counter *c) noexcept
{
	(void)rseq_percpu_free(c->words);
	*c = {};
}

intptr_t rseq_counter_sum(const struct rseq_counter *c, size_t i) noexcept
{
	return c->words ? (intptr_t)rows{c->words, c->count}.sum(i) : 0;
}

void rseq_counter_add_slow_(const struct rseq_counter *c, size_t i,
			    intptr_t n) noexcept
{
	if (c->words)
		rows{c->words, c->count}.add(i, n);
}
