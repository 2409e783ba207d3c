/* SPDX-License-Identifier: MIT */
/*
 * no_fence ERRNO: guards where membarrier(2) is refused, and one thread has no
 * registration; and a lock where it cannot sleep.
 */
#include "area.h"
#include "filter.h"

#include <pthread.h>
#include <sys/wait.h>

#include <rseq/rseq.h>

enum { CPUS = 256, ADDS = 1000 };

static struct slot {
	struct rseq_guard guard;
	intptr_t value;
} slots[CPUS];

static const struct rseq_guards guards = {
	&slots[0].guard, sizeof slots[0], CPUS
};

static int odd(void)
{
	int n = 0;

	for (int i = 0; i < CPUS; ++i)
		n += (int)(slots[i].guard.word & 1);
	return n;
}

static intptr_t sum(void)
{
	intptr_t all = 0;

	for (int i = 0; i < CPUS; ++i)
		all += slots[i].value;
	return all;
}

/* As if each had failed too often. */
static long add_one(int *held)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&guards);

	for (t.left = 0;;) {
		const int cpu = rseq_begin(&t);
		if (cpu < 0)
			return cpu;
		*held += t.hold.guard != NULL;
		if (rseq_commit(&t, &slots[cpu].value, *(volatile intptr_t *)
				&slots[cpu].value + 1) == RSEQ_COMMITTED)
			return 0;
	}
}

static void transactions(const char *who)
{
	struct rseq_hold hold;
	int held = 0, bad = 0;
	long last = 0;

	errno = 123;
	for (int n = 0; n < ADDS; ++n) {
		long r = add_one(&held);
		bad += r != 0;
		last = r ? r : last;
	}
	printf("%s.registered=%d\n%s.refused=%d\n%s.begin=%ld\n%s.held=%d\n",
	       who, (int)word(CPU_ID) >= 0, who, bad, who, last, who, held);
	last = rseq_guard_lock(&guards, 0, &hold);
	if (last == 0)
		rseq_guard_unlock(&hold);
	printf("%s.lock=%ld\n%s.odd=%d\n%s.errno=%d\n", who, last, who, odd(),
	       who, errno);
}

static void *unregistered(void *unused)
{
	const int length = registered_length();

	if (length > 0)
		syscall(SYS_rseq, area(), length, 1, RSEQ_SIG);
	transactions("other");
	return unused;
}

static volatile int done;

static void *lock_without_futex(void *unused)
{
	struct rseq_hold hold;

	if (refuse_call(SYS_futex, ENOSYS))
		return unused;
	printf("no_futex=%d\n", rseq_guard_lock(&guards, 0, &hold));
	rseq_guard_unlock(&hold);
	done = 1;
	return unused;
}

/* In a process of its own: a C library cannot join such a thread. */
static void wait_without_futex(void)
{
	const pid_t child = fork();
	struct rseq_hold hold;
	pthread_t t;

	if (child) {
		waitpid(child, NULL, 0);
		return;
	}
	rseq_guard_lock(&guards, 0, &hold);
	pthread_create(&t, NULL, lock_without_futex, NULL);
	usleep(20000);
	rseq_guard_unlock(&hold);
	for (int ms = 0; !done && ms < 10000; ++ms)
		usleep(1000);
	_exit(0);
}

int main(int argc, char **argv)
{
	pthread_t t;

	setvbuf(stdout, NULL, _IOLBF, 0);
	wait_without_futex();
	if (argc < 2 || refuse_call(SYS_membarrier, atoi(argv[1])))
		return 77;
	transactions("main");
	pthread_create(&t, NULL, unregistered, NULL);
	pthread_join(t, NULL);
	printf("sum=%td\n", sum());
	return 0;
}
