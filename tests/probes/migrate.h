/* SPDX-License-Identifier: MIT */
/* A thread that moves the others from cpu to cpu, against their will. */
#ifndef PROBE_MIGRATE_H
#define PROBE_MIGRATE_H

#include "cpus.h"

#include <pthread.h>
#include <time.h>

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

static inline void pin(int tid, const unsigned long *all, unsigned int nth)
{
	const unsigned int bits = (unsigned int)cpu_words() * CPU_BITS;
	unsigned int cpus = 0;

	for (unsigned int i = 0; i < bits; ++i)
		cpus += has_cpu(all, i);
	if (run_on(tid, (unsigned int)nth_cpu(all, nth % cpus)) == 0)
		__atomic_add_fetch(&migrations, 1, __ATOMIC_RELAXED);
}

/* Without a rest if it is given no time to rest between rounds. */
static inline void *migrate(void *pause)
{
	unsigned long all[cpu_words()];

	allowed_cpus(all);
	for (unsigned int round = 0;
	     !__atomic_load_n(&stop_migrating, __ATOMIC_RELAXED); ++round) {
		for (unsigned int i = 0; i < VICTIMS; ++i) {
			int tid = __atomic_load_n(&victims[i],
						  __ATOMIC_RELAXED);
			if (tid)
				pin(tid, all, round + i);
		}
		if (pause)
			nanosleep(pause, NULL);
	}
	return NULL;
}

#endif
