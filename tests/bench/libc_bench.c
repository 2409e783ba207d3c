/* SPDX-License-Identifier: MIT */
/*
 * What a libc's own calls cost: run in turn on a patched libc and on the same
 * one without the patches.  Prints key=value lines; the best of many rounds.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static double best(double (*round)(void), int rounds)
{
	double min = round();

	for (int i = 1; i < rounds; ++i) {
		double t = round();
		if (t < min)
			min = t;
	}
	return min;
}

static double getcpu_round(void)
{
	enum { calls = 200000 };
	double start = now();

	for (int i = 0; i < calls; ++i)
		sched_getcpu();
	return (now() - start) / calls;
}

static char *volatile frame;

static void *start(void *arg)
{
	frame = __builtin_frame_address(0);
	return arg;
}

static double create_join_round(void)
{
	enum { threads = 200 };
	double begin = now();

	for (int i = 0; i < threads; ++i) {
		pthread_t t;
		if (pthread_create(&t, 0, start, 0))
			return 1e18;
		pthread_join(t, 0);
	}
	return (now() - begin) / threads;
}

/* TLS, TCB and the libc's own frames: from a stack's top to a thread's start */
static long thread_overhead(void)
{
	static char stack[1 << 18] __attribute__((__aligned__(4096)));
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	if (pthread_attr_setstack(&attr, stack, sizeof stack) ||
	    pthread_create(&t, &attr, start, 0))
		return -1;
	pthread_join(t, 0);
	return stack + sizeof stack - frame;
}

int main(void)
{
	printf("sched_getcpu_ns=%.3f\n", best(getcpu_round, 20));
	printf("create_join_ns=%.1f\n", best(create_join_round, 20));
	printf("thread_overhead_bytes=%ld\n", thread_overhead());
	return 0;
}
