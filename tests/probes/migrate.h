/* SPDX-License-Identifier: MIT */
/* A thread that moves the others from cpu to cpu, against their will. */
#ifndef PROBE_MIGRATE_H
#define PROBE_MIGRATE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { VICTIMS = 64 };

static int victims[VICTIMS];	/* thread ids; 0: none */
static int stop_migrating;
static unsigned long migrations;

static inline void be_victim(unsigned int slot)
{
	__atomic_store_n(&victims[slot % VICTIMS], (int)syscall(SYS_gettid),
			 __ATOMIC_RELAXED);
}

static inline void be_no_victim(unsigned int slot)
{
	__atomic_store_n(&victims[slot % VICTIMS], 0, __ATOMIC_RELAXED);
}

static inline void pin(int tid, const cpu_set_t *all, unsigned int nth)
{
	const unsigned int skip = nth % (unsigned int)CPU_COUNT(all);
	unsigned int cpu = 0;
	cpu_set_t one;

	for (unsigned int n = 0; cpu < CPU_SETSIZE; ++cpu)
		if (CPU_ISSET(cpu, all) && n++ == skip)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(tid, sizeof one, &one) == 0)
		__atomic_add_fetch(&migrations, 1, __ATOMIC_RELAXED);
}

/* Without a rest if it is given no time to rest between rounds. */
static inline void *migrate(void *pause)
{
	cpu_set_t all;

	sched_getaffinity(0, sizeof all, &all);
	for (unsigned int round = 0;
	     !__atomic_load_n(&stop_migrating, __ATOMIC_RELAXED); ++round) {
		for (unsigned int i = 0; i < VICTIMS; ++i) {
			int tid = __atomic_load_n(&victims[i],
						  __ATOMIC_RELAXED);
			if (tid)
				pin(tid, &all, round + i);
		}
		if (pause)
			nanosleep(pause, NULL);
	}
	return NULL;
}

#endif
