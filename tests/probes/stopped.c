/* SPDX-License-Identifier: MIT */
/*
 * A thread is stopped while it holds a guard, and continued: by a tracer, since
 * only that can stop one of many.  Those who wait for it sleep; others go on.
 */
#include "cpus.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rseq/rseq.h>

enum { WAITERS = 4, ADDS = 100, MS = 1000000 };

static struct slot {
	struct rseq_guard guard;
	intptr_t value;
} *slots;	/* per-cpu: that of the waiters' cpu, and another's */

static struct slot *slot(int cpu)
{
	return rseq_percpu_ptr(slots, cpu);
}

/* What the tracer and the program tell each other. */
static struct {
	int holder, stopped, adding;
	long wait_ns, cpu_ns;
} volatile *both;

static void wait_until(volatile int *flag)
{
	while (!*flag)
		usleep(1000);
}

static void pin_to_first(void)
{
	run_on(0, 0);
}

static long now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void lock(unsigned int cpu, struct rseq_hold *hold)
{
	if (rseq_guard_lock(&slots->guard, cpu, hold))
		_exit(3);
}

static void *hold(void *unused)
{
	struct rseq_hold hold;

	lock(0, &hold);
	both->holder = (int)syscall(SYS_gettid);
	wait_until(&both->stopped);
	slot(0)->value += 1;
	rseq_guard_unlock(&hold);
	return unused;
}

/* On cpu 0 each by a transaction, or by the lock. */
static void *add(void *nth)
{
	const long wall = now(CLOCK_MONOTONIC);
	const long cpu = now(CLOCK_THREAD_CPUTIME_ID);

	if ((uintptr_t)nth % 2 == 0)
		pin_to_first();
	__atomic_add_fetch(&both->adding, 1, __ATOMIC_RELAXED);
	for (int n = 0; n < ADDS; ++n)
		for (;;) {
			struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
			struct rseq_hold hold;
			intptr_t old;
			if ((uintptr_t)nth % 2) {
				lock(0, &hold);
				slot(0)->value += 1;
				rseq_guard_unlock(&hold);
				break;
			}
			if (rseq_begin(&t) < 0)
				_exit(3);
			old = *(volatile intptr_t *)&slot(0)->value;
			if (rseq_commit(&t, &slot(0)->value, old + 1) ==
			    RSEQ_COMMITTED)
				break;
		}
	__atomic_add_fetch(&both->wait_ns, now(CLOCK_MONOTONIC) - wall,
			   __ATOMIC_RELAXED);
	__atomic_add_fetch(&both->cpu_ns, now(CLOCK_THREAD_CPUTIME_ID) - cpu,
			   __ATOMIC_RELAXED);
	return NULL;
}

/* The other cpu's data all the while. */
static void *drain(void *drains)
{
	struct rseq_hold hold;

	while (!both->stopped) {
		lock(1, &hold);
		++*(long *)drains;
		rseq_guard_unlock(&hold);
		usleep(1000);
	}
	return NULL;
}

static int program(void)
{
	pthread_t holder, drainer, t[WAITERS];
	long drains = 0;

	pthread_create(&holder, NULL, hold, NULL);
	wait_until(&both->holder);
	pthread_create(&drainer, NULL, drain, &drains);
	for (uintptr_t i = 0; i < WAITERS; ++i)
		pthread_create(&t[i], NULL, add, (void *)i);
	for (int i = 0; i < WAITERS; ++i)
		pthread_join(t[i], NULL);
	pthread_join(holder, NULL);
	pthread_join(drainer, NULL);
	printf("sum=%td\nexpected=%d\nwait_ms=%ld\ncpu_ms=%ld\ndrains=%ld\n"
	       "even=%d\n", slot(0)->value, 1 + WAITERS * ADDS,
	       both->wait_ns / MS, both->cpu_ns / MS, drains,
	       !(slot(0)->guard.word & 1));
	return 0;
}

/* Stop the holder, let the others wait, let it go on. */
static int trace(pid_t child)
{
	int status;

	wait_until(&both->holder);
	if (ptrace(PTRACE_SEIZE, both->holder, NULL, NULL))
		return kill(child, SIGKILL), 77;
	syscall(SYS_tgkill, child, both->holder, SIGSTOP);
	if (waitpid(both->holder, &status, __WALL) < 0 || !WIFSTOPPED(status))
		return kill(child, SIGKILL), 1;
	while (both->adding < WAITERS)
		usleep(1000);
	usleep(400000);
	printf("stopped=%d\n", WSTOPSIG(status) == SIGSTOP);
	fflush(stdout);
	both->stopped = 1;
	ptrace(PTRACE_DETACH, both->holder, NULL, NULL);	/* no signal */
	waitpid(child, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

int main(void)
{
	pid_t child;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 1;
	both = page;
	slots = rseq_percpu_alloc(sizeof *slots, 64);
	if (!slots)
		return 1;
	child = fork();
	if (child == 0) {
		const int status = program();
		fflush(stdout);
		_exit(status);
	}
	return trace(child);
}
