/* SPDX-License-Identifier: MIT */
#include <sched.h>

#include <rseq/counter.h>
#include "internal.hh"

static constexpr size_t cacheline = 64;

/* A row is as long as its counters, in whole cache lines. */
static size_t row_size(size_t count)
{
	return (count * sizeof(intptr_t) + cacheline - 1) & ~(cacheline - 1);
}

int rseq_counter_init(struct rseq_counter *c, size_t count) noexcept
{
	*c = {};
	if (count == 0)
		return -EINVAL;
	if (count > RSEQ_PERCPU_STRIDE / 2 / sizeof(intptr_t))
		return -ENOMEM;
	void *const words = rseq_percpu_alloc(row_size(count) * 2, cacheline);
	if (!words)
		return -ENOMEM;
	c->words = static_cast<intptr_t *>(words);
	c->count = count;
	return 0;
}

void rseq_counter_fini(struct rseq_counter *c) noexcept
{
	(void)rseq_percpu_free(c->words);
	*c = {};
}

/* What atomics add to, on the same cpu. */
static intptr_t *atomic_row(const rseq_counter *c, unsigned int cpu)
{
	return rseq_percpu_ptr(c->words + row_size(c->count) /
			       sizeof(intptr_t), cpu);
}

static uintptr_t load(const intptr_t *word)
{
	return (uintptr_t)__atomic_load_n(word, __ATOMIC_RELAXED);
}

intptr_t rseq_counter_sum(const struct rseq_counter *c, size_t i) noexcept
{
	uintptr_t sum = 0;	/* unsigned: it may wrap */

	if (!c->words)
		return 0;
	for (unsigned int cpu = 0; cpu < rseq_cpu_limit(); ++cpu) {
		sum += load(rseq_percpu_ptr(c->words, cpu) + i);
		sum += load(atomic_row(c, cpu) + i);
	}
	return (intptr_t)sum;
}

/*
 * A section that is restarted again and again (a debugger that steps does
 * that) or that cannot run here must not keep the caller: after a few tries
 * the add is an atomic one, in rows that sections never touch.
 */
void rseq_counter_add_slow_(const struct rseq_counter *c, size_t i, intptr_t n) noexcept
{
	static constexpr int tries = 16;
	rseq_result result = RSEQ_RESTARTED;

	if (!c->words)
		return;
	for (int t = 0; t < tries && result == RSEQ_RESTARTED; ++t)
		result = rseq_this_cpu_add(c->words + i, n);
	if (result == RSEQ_COMMITTED)
		return;

	errno_guard keep;
	const unsigned int cpu = (unsigned int)sched_getcpu();
	__atomic_fetch_add(&atomic_row(c, cpu % rseq_cpu_limit())[i], n,
			   __ATOMIC_RELAXED);
}
