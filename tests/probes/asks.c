/* SPDX-License-Identifier: MIT */
/*
 * How often librseq asks which cpu this is, for adds of a thread that runs no
 * sections: sched_getcpu() is a system call where the vDSO cannot answer.
 * Built with -Wl,--wrap=sched_getcpu.
 */
#include <rseq/rseq.h>

#include <stdio.h>

enum { ADDS = 6400 };

int __wrap_sched_getcpu(void);

static int asked;

int __wrap_sched_getcpu(void)
{
	return asked++ % 2;	/* one that moves to and fro */
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
	return 0;
}
