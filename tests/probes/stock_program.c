/* SPDX-License-Identifier: MIT */
/*
 * A program as people write it for stock glibc, from 2.35 on: it knows
 * <sys/rseq.h> and its variables, and a critical section of its own.  With an
 * error number, how its loop fares in a thread that is refused.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/rseq.h>

#include "filter.h"
#include "thread_pointer.h"

enum { THREADS = 8, ROUNDS = 200000, MAX_CPUS = 8192, ATTEMPTS = 1000000 };

static _Alignas(64) struct { intptr_t n; char pad[56]; } count[MAX_CPUS];

static struct rseq *area(void)
{
	return (struct rseq *)(thread_pointer() + __rseq_offset);
}

/* if (cpu_id == cpu) ++*v; */
static int add(struct rseq *rs, intptr_t *v, int cpu)
{
	__asm__ goto(
		".pushsection __rseq_cs, \"aw\"\n\t"
		".balign 32\n"
		"3:\t.long 0, 0\n\t"
		".quad 1f, 2f - 1f, 4f\n\t"
		".popsection\n\t"
		"leaq 3b(%%rip), %%rax\n\t"
		"movq %%rax, %c[cs](%[rs])\n"
		"1:\tcmpl %[cpu], %c[id](%[rs])\n\t"
		"jne %l[again]\n\t"
		"addq $1, (%[v])\n"
		"2:\n\t"
		".pushsection __rseq_failure, \"ax\"\n\t"
		".byte 0x0f, 0xb9, 0x3d\n\t"
		".long %c[sig]\n"
		"4:\tjmp %l[again]\n\t"
		".popsection"
		: : [rs] "r" (rs), [v] "r" (v), [cpu] "r" (cpu),
		  [cs] "i" (offsetof(struct rseq, rseq_cs)),
		  [id] "i" (offsetof(struct rseq, cpu_id)),
		  [sig] "i" (RSEQ_SIG)
		: "rax", "cc", "memory" : again);
	return 0;
again:	return -1;
}

static void *work(void *unused)
{
	for (int i = 0; i < ROUNDS; ++i) {
		int cpu;
		do {
			cpu = (int)*(volatile uint32_t *)&area()->cpu_id_start;
		} while (add(area(), &count[cpu].n, cpu));
	}
	return unused;
}

/* One round of it, given up after so many attempts. */
static void *attempt(void *failed)
{
	int *n = failed;

	while (*n < ATTEMPTS &&
	       add(area(), &count[0].n,
		   (int)*(volatile uint32_t *)&area()->cpu_id_start))
		++*n;
	return NULL;
}

static int refused(int error)
{
	pthread_t t;
	int before = 0, after = 0, itself = 0;

	pthread_create(&t, NULL, attempt, &before);
	pthread_join(t, NULL);
	if (refuse_rseq(error))
		return 77;
	pthread_create(&t, NULL, attempt, &after);
	pthread_join(t, NULL);
	attempt(&itself);
	printf("attempts=%d\nbefore=%d\nafter=%d\nitself=%d\n", ATTEMPTS,
	       before, after, itself);
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	intptr_t sum = 0;

	printf("size=%u\nflags=%u\ncpu_id=%d\n", __rseq_size, __rseq_flags,
	       (int)area()->cpu_id);
	if (__rseq_size == 0)
		return 0;
	if (argc > 1)
		return refused(atoi(argv[1]));
	for (int i = 0; i < THREADS; ++i)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; ++i)
		pthread_join(t[i], NULL);
	for (int i = 0; i < MAX_CPUS; ++i)
		sum += count[i].n;
	printf("expected=%d\nsum=%td\n", THREADS * ROUNDS, sum);
	return 0;
}
