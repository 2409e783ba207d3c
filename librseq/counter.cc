/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include <rseq/counter.h>
#include <rseq/cpu.h>
#include "internal.hh"

static constexpr size_t cacheline = 64;

static intptr_t *row(const rseq_counter *c, size_t n)
{
	return (intptr_t *)((char *)c->rows + n * c->stride);
}

int rseq_counter_init(struct rseq_counter *c, size_t count)
{
	const unsigned int cpus = rseq_cpu_limit();
	size_t stride, bytes;

	*c = {};
	if (count == 0)
		return -EINVAL;
	if (__builtin_mul_overflow(count, sizeof(intptr_t), &stride) ||
	    __builtin_add_overflow(stride, cacheline - 1, &stride))
		return -ENOMEM;
	stride &= ~(cacheline - 1);
	if (__builtin_mul_overflow(stride, (size_t)cpus * 2, &bytes) ||
	    __builtin_add_overflow(bytes, cacheline, &bytes))
		return -ENOMEM;

	/* calloc: rows that no cpu ever uses need not be backed by memory. */
	errno_guard keep;
	void *memory = calloc(1, bytes);
	if (!memory)
		return -ENOMEM;
	c->rows = (intptr_t *)(((uintptr_t)memory + cacheline - 1) &
			       ~(uintptr_t)(cacheline - 1));
	c->stride = stride;
	c->count = count;
	c->cpus = cpus;
	c->memory = memory;
	return 0;
}

void rseq_counter_fini(struct rseq_counter *c)
{
	free(c->memory);
	*c = {};
}

intptr_t rseq_counter_sum(const struct rseq_counter *c, size_t i)
{
	uintptr_t sum = 0;	/* unsigned: it may wrap */

	for (size_t n = 0; n < (size_t)c->cpus * 2; ++n)
		sum += (uintptr_t)__atomic_load_n(&row(c, n)[i],
						  __ATOMIC_RELAXED);
	return (intptr_t)sum;
}

/*
 * A section that is restarted again and again (a debugger that steps does
 * that) or that cannot run here must not keep the caller: after a few tries
 * the add is an atomic one, in rows that sections never touch.
 */
void rseq_counter_add_slow(const struct rseq_counter *c, size_t i, intptr_t n)
{
	static constexpr int tries = 16;
	rseq_result result = RSEQ_RESTARTED;

	for (int t = 0; t < tries && result == RSEQ_RESTARTED; ++t)
		result = rseq_index_load_add_store(c->rows + i, c->stride,
						   c->cpus, n);
	if (result == RSEQ_COMMITTED)
		return;

	errno_guard keep;
	const unsigned int shard = (unsigned int)sched_getcpu() % c->cpus;
	__atomic_fetch_add(&row(c, (size_t)c->cpus + shard)[i], n,
			   __ATOMIC_RELAXED);
}
