/* SPDX-License-Identifier: MIT */
/*
 * A commit stores to the guard and then to the data, which is one step for its
 * own cpu and two for the others.  Here a thread is moved to another cpu when
 * it has looked at the cpu and not yet at the guard, and looks at it between
 * the two stores: must it not go by what it has seen, or an update is lost.
 *
 * The guards' pages are mapped twice, as per-cpu memory lies.  The thread reads
 * them where they are not accessible at first, so that it is known when it
 * comes there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rseq/rseq.h>

#include "cpus.h"

enum { CPUS = 64, ROUNDS = 20 };
#define ALL	(CPUS * RSEQ_PERCPU_STRIDE)
/* Where cpu 0's copy is in it: at one end or the other. */
#define CPU_0	(0 RSEQ_PERCPU_SIGN_ 1 > 0 ? 0 : ALL - RSEQ_PERCPU_STRIDE)

static char *both, *moved;		/* mappings, of both and of that thread */
static struct rseq_guard *there, *here;	/* the same, as per-cpu pointers */
static volatile intptr_t data[CPUS];
static volatile int hold, started, committed;
static volatile unsigned int first, other;
static volatile uintptr_t seen;

static struct rseq_guard *guard(void)
{
	return rseq_percpu_ptr(there, first);
}

static void move_to(unsigned int cpu)
{
	run_on(0, cpu);
}

static int has_committed(void)
{
	return committed;
}

static int has_bumped(void)
{
	return __atomic_load_n(&guard()->word, __ATOMIC_ACQUIRE) != seen;
}

static void wait_until(int (*happened)(void))
{
	while (!happened())
		sched_yield();
}

#define LINGER								\
	"2:\tcmpl $0, (%[hold])\n\t"					\
	"jne 2b\n\t"

/* rseq_commit(), with a rest between the two stores. */
static enum rseq_result commit_slowly(struct rseq_transaction *t, intptr_t *v,
				      intptr_t newv)
{
	struct rseq_guard *const guard = t->guard;
	const uintptr_t word = t->word, next = word + 2;
	const rseq_cpu_t id = { t->cpu };

	RSEQ_RUN_(
		RSEQ_IF_INDEX_(cpu_id, id, conflict)
		RSEQ_IF_EQ(64, RSEQ_V(guard), word, conflict)
		RSEQ_THEN(RSEQ_STORE(64, next, RSEQ_V(guard)))
		RSEQ_THEN(LINGER)
		RSEQ_COMMIT(RSEQ_STORE(64, newv, RSEQ_V(v))),
		RSEQ_WITH_(RSEQ_OPERANDS_cpu_, RSEQ_PLACE(guard),
			   RSEQ_IN(64, word), RSEQ_IN(64, next),
			   RSEQ_OPERAND(hold, &hold), RSEQ_PLACE(v),
			   RSEQ_IN(64, newv)),
		abort, conflict);
	return RSEQ_COMMITTED;
abort:
conflict:
	return RSEQ_RESTARTED;
}

static void *commit_first(void *unused)
{
	enum rseq_result r;

	move_to(first);
	while (!started)
		sched_yield();
	do {
		struct rseq_transaction t = RSEQ_TRANSACTION(there);
		int cpu = rseq_begin(&t);
		intptr_t *v = (intptr_t *)&data[cpu];
		r = commit_slowly(&t, v, data[cpu] + 1);
	} while (r != RSEQ_COMMITTED);
	committed = 1;
	return unused;
}

/* The thread has just come to the guard. */
static void on_fault(int signal)
{
	(void)signal;
	move_to(other);
	started = 1;
	wait_until(has_bumped);
	mprotect(moved, ALL, PROT_READ | PROT_WRITE);
}

static void commit_second(void)
{
	for (;;) {
		struct rseq_transaction t = RSEQ_TRANSACTION(here);
		int cpu = rseq_begin(&t);
		const intptr_t old = data[cpu];
		hold = 0;
		wait_until(has_committed);
		move_to((unsigned int)cpu);
		if (rseq_commit(&t, (intptr_t *)&data[cpu], old + 1) ==
		    RSEQ_COMMITTED)
			return;
	}
}

static int choose_cpus(void)
{
	unsigned long all[cpu_words()];
	unsigned int n = 0, cpu = 0;

	allowed_cpus(all);
	for (; cpu < CPUS && n < 2; ++cpu)
		if (has_cpu(all, cpu))
			*(n++ ? &other : &first) = cpu;
	return n == 2 && rseq_this_cpu().n >= 0;
}

static int map_twice(void)
{
	const int fd = (int)syscall(SYS_memfd_create, "guards", 0);

	if (ftruncate(fd, (off_t)ALL))
		return 0;
	both = mmap(NULL, ALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	moved = mmap(NULL, ALL, PROT_NONE, MAP_SHARED, fd, 0);
	there = (struct rseq_guard *)(both + CPU_0);
	here = (struct rseq_guard *)(moved + CPU_0);
	return both != MAP_FAILED && moved != MAP_FAILED;
}

int main(void)
{
	const struct sigaction action = {.sa_handler = on_fault};
	pthread_t t;
	intptr_t sum = 0;

	if (!choose_cpus() || !map_twice())
		return 77;
	sigaction(SIGSEGV, &action, NULL);
	for (int round = 0; round < ROUNDS; ++round) {
		mprotect(moved, ALL, PROT_NONE);
		move_to(first);
		seen = guard()->word;
		started = committed = 0;
		hold = 1;
		pthread_create(&t, NULL, commit_first, NULL);
		commit_second();
		pthread_join(t, NULL);
	}
	for (unsigned int cpu = 0; cpu < CPUS; ++cpu)
		sum += data[cpu];
	printf("commits=%d\nsum=%td\n", 2 * ROUNDS, sum);
	return 0;
}
