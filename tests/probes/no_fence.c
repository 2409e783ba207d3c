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

enum { ADDS = 1000, LONG = RSEQ_BLOCK_MAX + 8 };

static struct slot {
	struct rseq_guard guard;
	intptr_t value;
	char block[LONG];
} *slots;	/* per-cpu */

static int odd(void)
{
	struct slot *s;
	int n = 0;

	RSEQ_FOR_EACH_CPU(s, slots)
		n += (int)(s->guard.word & 1);
	return n;
}

static intptr_t sum(void)
{
	struct slot *s;
	intptr_t all = 0;

	RSEQ_FOR_EACH_CPU(s, slots)
		all += s->value;
	return all;
}

/* As if each had failed too often; every tenth is too long for a section. */
static long add_one(int *held, int n)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	static const char block[LONG];

	for (t.left = 0;;) {
		const int cpu = rseq_begin(&t);
		struct slot *s;
		intptr_t next;
		enum rseq_result r;
		if (cpu < 0)
			return cpu;
		s = rseq_percpu_ptr(slots, cpu);
		next = *(volatile intptr_t *)&s->value + 1;
		*held += t.hold.guard != NULL;
		r = n % 10 ? rseq_commit(&t, &s->value, next) :
			rseq_commit_block(&t, s->block, block, LONG,
					  &s->value, next);
		if (r == RSEQ_COMMITTED)
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
		long r = add_one(&held, n);
		bad += r != 0;
		last = r ? r : last;
	}
	printf("%s.registered=%d\n%s.refused=%d\n%s.begin=%ld\n%s.held=%d\n",
	       who, (int)word(CPU_ID) >= 0, who, bad, who, last, who, held);
	last = rseq_guard_lock(&slots->guard, 0, &hold);
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
	printf("no_futex=%d\n", rseq_guard_lock(&slots->guard, 0, &hold));
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
	if (rseq_guard_lock(&slots->guard, 0, &hold))
		_exit(1);
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

	slots = rseq_percpu_alloc(sizeof *slots, 0);
	if (!slots)
		return 1;
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
