/* SPDX-License-Identifier: MIT */
/*
 * How often librseq asks which cpu this is, for a thread that runs no sections
 * and adds, writes records, or gets and puts objects: sched_getcpu() is a
 * system call where the vDSO cannot answer.
 * Built with -Wl,--wrap=sched_getcpu.
 */
#include <rseq/cache.h>
#include <rseq/ring.h>
#include <rseq/rseq.h>

#include <stdio.h>

enum { ADDS = 6400 };

int __wrap_sched_getcpu(void);

static int asked;

int __wrap_sched_getcpu(void)
{
	return asked++ % 2;	/* one that moves to and fro */
}

static long records[2];

static void see(void *arg, unsigned int cpu, const void *data, size_t len)
{
	(void)arg, (void)data, (void)len;
	++records[cpu % 2];
}

static void drain(void *arg, void **objects, size_t n)
{
	(void)arg, (void)objects, (void)n;
}

static int trace(void)
{
	struct rseq_ring ring;

	if (rseq_ring_init(&ring, 1 << 20, 0, -1))
		return 1;
	asked = 0;
	for (int i = 0; i < ADDS; ++i)
		if (rseq_ring_write(&ring, &i, sizeof i))
			return 1;
	printf("ring.asked=%d\n", asked);
	if (rseq_ring_read(&ring, see, NULL) != ADDS)
		return 1;
	printf("records0=%ld\nrecords1=%ld\n", records[0], records[1]);
	rseq_ring_fini(&ring);
	return 0;
}

static int hand_out(void)
{
	struct rseq_cache cache;
	int object;

	if (rseq_cache_init(&cache, 2, NULL, drain, NULL))
		return 1;
	asked = 0;
	for (int i = 0; i < ADDS / 2; ++i) {
		(void)rseq_cache_put(&cache, &object);
		(void)rseq_cache_get(&cache);
	}
	printf("cache.asked=%d\n", asked);
	rseq_cache_fini(&cache);
	return 0;
}

int main(void)
{
	struct rseq_counter counter;
	intptr_t rows[2];

	if (rseq_counter_init(&counter, 1))
		return 1;
	for (int i = 0; i < ADDS; ++i)
		rseq_counter_add(&counter, 0, 1);
	/* What atomics add to begins in the next cache line. */
	for (unsigned int cpu = 0; cpu < 2; ++cpu)
		rows[cpu] = rseq_percpu_ptr(counter.words, cpu)[
			64 / sizeof *counter.words];
	printf("adds=%d\nasked=%d\nsum=%td\nrow0=%td\nrow1=%td\n", ADDS, asked,
	       rseq_counter_sum(&counter, 0), rows[0], rows[1]);
	rseq_counter_fini(&counter);
	return trace() || hand_out();
}
