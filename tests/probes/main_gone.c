/* SPDX-License-Identifier: MIT */
/* The first thread ends with a guard held; the process goes on without it. */
#include <rseq/rseq.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct rseq_guard *guard;	/* per-cpu */
static volatile int alive;
static pthread_t waiter;

static void *take_over(void *leader)
{
	struct rseq_hold hold;
	sigset_t ring;
	int result;

	usleep(150000);		/* it is there, and keeps others out */
	printf("held=%d\n", (int)(rseq_percpu_ptr(guard, 0)->word & 1));
	alive = 0;
	pthread_join(*(pthread_t *)leader, NULL);
	sigemptyset(&ring);	/* the mask is from a holder */
	sigaddset(&ring, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &ring, NULL);
	alarm(5);
	result = rseq_guard_lock(guard, 0, &hold);
	printf("lock=%d\n", result);
	if (result == 0)
		rseq_guard_unlock(&hold);
	pthread_join(waiter, NULL);
	exit(0);
}

static void *wait_for_leader(void *unused)
{
	struct rseq_hold hold;

	if (rseq_guard_lock(guard, 0, &hold))
		return unused;
	printf("waited=%d\n", !alive);
	rseq_guard_unlock(&hold);
	return unused;
}

int main(void)
{
	static pthread_t self;
	struct rseq_hold hold;
	pthread_t t;

	setvbuf(stdout, NULL, _IOLBF, 0);
	guard = rseq_percpu_alloc(sizeof *guard, 0);
	if (!guard || rseq_guard_lock(guard, 0, &hold))
		return 1;
	self = pthread_self();
	alive = 1;
	pthread_create(&waiter, NULL, wait_for_leader, NULL);
	pthread_create(&t, NULL, take_over, &self);
	while (alive)
		usleep(1000);
	pthread_exit(NULL);
}
