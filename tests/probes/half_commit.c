/* SPDX-License-Identifier: MIT */
/*
 * A commit stores to the guard and then to the data, which is one step for its
 * own cpu and two for the others.  Here a thread is moved to another cpu when
 * it has looked at the cpu and not yet at the guard, and looks at it between
 * the two stores: must it not go by what it has seen, or an update is lost.
 *
 * The guard's page is mapped twice.  The thread reads it where it is not
 * accessible at first, so that it is known when it comes there.
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

enum { PAGE = 4096, STRIDE = 64, ROUNDS = 20 };

static struct rseq_guards there, here;	/* of both, and of the thread moved */
static volatile intptr_t data[PAGE / STRIDE];
static volatile int hold, started, committed;
static volatile unsigned int first, other;
static volatile uintptr_t seen;

static struct rseq_guard *guard(void)
{
	return (struct rseq_guard *)((char *)there.first + first * STRIDE);
}

static void move_to(unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
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
	RSEQ_BEGUN(t);

	RSEQ_CRITICAL(cpu_id,
		RSEQ_IF_UNCHANGED
		RSEQ_THEN(LINGER)
		RSEQ_COMMIT(RSEQ_STORE(64, newv, RSEQ_V(v))),
		RSEQ_WITH(RSEQ_GUARD, [hold] "r" (&hold), RSEQ_PLACE(v),
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
		struct rseq_transaction t = RSEQ_TRANSACTION(&there);
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
	mprotect(here.first, PAGE, PROT_READ | PROT_WRITE);
}

static void commit_second(void)
{
	for (;;) {
		struct rseq_transaction t = RSEQ_TRANSACTION(&here);
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
	cpu_set_t all;
	unsigned int n = 0, cpu = 0;

	sched_getaffinity(0, sizeof all, &all);
	for (; cpu < PAGE / STRIDE && n < 2; ++cpu)
		if (CPU_ISSET(cpu, &all))
			*(n++ ? &other : &first) = cpu;
	return n == 2 && rseq_current_cpu() >= 0 &&
		rseq_cpu_limit() <= PAGE / STRIDE;
}

static int map_twice(void)
{
	const int fd = (int)syscall(SYS_memfd_create, "guards", 0);

	there.count = PAGE / STRIDE;
	there.stride = STRIDE;
	here = there;
	if (ftruncate(fd, PAGE))
		return 0;
	there.first = (struct rseq_guard *)
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	here.first = (struct rseq_guard *)
		mmap(NULL, PAGE, PROT_NONE, MAP_SHARED, fd, 0);
	return there.first != MAP_FAILED && here.first != MAP_FAILED;
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
		mprotect(here.first, PAGE, PROT_NONE);
		move_to(first);
		seen = guard()->word;
		started = committed = 0;
		hold = 1;
		pthread_create(&t, NULL, commit_first, NULL);
		commit_second();
		pthread_join(t, NULL);
	}
	for (unsigned int cpu = 0; cpu < PAGE / STRIDE; ++cpu)
		sum += data[cpu];
	printf("commits=%d\nsum=%td\n", 2 * ROUNDS, sum);
	return 0;
}
