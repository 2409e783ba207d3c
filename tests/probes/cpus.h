/* SPDX-License-Identifier: MIT */
/*
 * Sets of cpus on machines of any size: a cpu_set_t ends at cpu 1023, and a
 * kernel that can have more refuses to fill one in.
 */
#ifndef PROBE_CPUS_H
#define PROBE_CPUS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	CPU_BITS = 8 * sizeof(unsigned long),
	MAX_CPUS = 8192,	/* of any Linux */
};

/*
 * How many words this kernel's sets have; small, since stacks can be.  A call,
 * since a child of vfork() shares its caller's frame.
 */
__attribute__((__noinline__, __unused__)) static size_t cpu_words(void)
{
	static unsigned long room[MAX_CPUS / CPU_BITS];
	static size_t words;
	size_t n = __atomic_load_n(&words, __ATOMIC_RELAXED);

	if (!n) {
		n = (size_t)syscall(SYS_sched_getaffinity, 0, sizeof room,
				    room) / sizeof *room;
		__atomic_store_n(&words, n, __ATOMIC_RELAXED);
	}
	return n;
}

/* Fill in a set of cpu_words() words. */
static inline void allowed_cpus(unsigned long *set)
{
	sched_getaffinity(0, cpu_words() * sizeof *set, (cpu_set_t *)set);
}

static inline void allow_cpus(int tid, const unsigned long *set)
{
	sched_setaffinity(tid, cpu_words() * sizeof *set,
			  (const cpu_set_t *)set);
}

static inline int has_cpu(const unsigned long *set, unsigned int cpu)
{
	return set[cpu / CPU_BITS] >> cpu % CPU_BITS & 1;
}

/* Let a thread run on one cpu only; -1 if it may not. */
__attribute__((__noinline__, __unused__)) static int run_on(int tid,
							   unsigned int cpu)
{
	unsigned long one[cpu_words()];

	memset(one, 0, sizeof one);
	one[cpu / CPU_BITS] = 1UL << cpu % CPU_BITS;
	return sched_setaffinity(tid, sizeof one, (const cpu_set_t *)one);
}

/* The nth cpu of a set, from 0; -1 if it has fewer. */
__attribute__((__unused__)) static int nth_cpu(const unsigned long *set,
					       unsigned int nth)
{
	for (unsigned int cpu = 0; cpu < cpu_words() * CPU_BITS; ++cpu)
		if (has_cpu(set, cpu) && nth-- == 0)
			return (int)cpu;
	return -1;
}

/* Run this thread on the nth of its cpus, if it has as many. */
__attribute__((__unused__)) static void run_on_nth(unsigned int nth)
{
	unsigned long all[cpu_words()];
	int cpu;

	allowed_cpus(all);
	cpu = nth_cpu(all, nth);
	if (cpu >= 0)
		run_on(0, (unsigned int)cpu);
}

/* How many cpus this thread may run on, and the highest of them. */
__attribute__((__noinline__, __unused__)) static int count_cpus(
	unsigned int *highest)
{
	unsigned long all[cpu_words()];
	int n = 0;

	allowed_cpus(all);
	for (unsigned int cpu = 0; cpu < cpu_words() * CPU_BITS; ++cpu)
		if (has_cpu(all, cpu)) {
			*highest = cpu;
			++n;
		}
	return n;
}

#endif
