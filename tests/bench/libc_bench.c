/* SPDX-License-Identifier: MIT */
/*
 * What a libc's own calls cost: run in turn on a patched libc and on the same
 * one without the patches.  Prints key=value lines; the best of many rounds.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

/* ---- calls ---- */

static double getcpu_round(void)
{
	enum { calls = 100000 };
	double start = now();

	for (int i = 0; i < calls; ++i)
		sched_getcpu();
	return (now() - start) / calls;
}

static double syscall_round(void)
{
	enum { calls = 5000 };
	double start = now();

	for (int i = 0; i < calls; ++i)
		getppid();
	return (now() - start) / calls;
}

/* ---- threads ---- */

static char *volatile frame;

static void *start(void *arg)
{
	frame = __builtin_frame_address(0);
	return arg;
}

static double create_join_round(void)
{
	enum { threads = 100 };
	double begin = now();

	for (int i = 0; i < threads; ++i) {
		pthread_t t;
		if (pthread_create(&t, 0, start, 0))
			return 1e18;
		pthread_join(t, 0);
	}
	return (now() - begin) / threads;
}

/* Two threads on one cpu hand a byte to and fro: two switches a turn. */
static int to[2], fro[2];

static void *answers(void *arg)
{
	char byte;

	while (read(to[0], &byte, 1) == 1 && byte)
		if (write(fro[1], &byte, 1) != 1)
			break;
	return arg;
}

static double switch_round(void)
{
	enum { turns = 500 };
	char byte = 1;
	double begin = now();

	for (int i = 0; i < turns; ++i)
		if (write(to[1], &byte, 1) != 1 || read(fro[0], &byte, 1) != 1)
			return 1e18;
	return (now() - begin) / turns / 2;
}

static double switches(int rounds)
{
	cpu_set_t all, one;
	pthread_t t;
	double min;
	int cpu = 0;

	if (pipe(to) || pipe(fro) || sched_getaffinity(0, sizeof all, &all))
		return 1e18;
	while (!CPU_ISSET(cpu, &all))
		++cpu;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
	if (pthread_create(&t, 0, answers, 0))
		return 1e18;
	min = best(switch_round, rounds);
	if (write(to[1], "", 1) == 1)
		pthread_join(t, 0);
	sched_setaffinity(0, sizeof all, &all);
	return min;
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

/* What one thread more takes of the machine's memory, its stack untouched. */
static pthread_barrier_t there, leave;

static void *stays(void *arg)
{
	pthread_barrier_wait(&there);
	pthread_barrier_wait(&leave);
	return arg;
}

static long resident(void)
{
	FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
	char line[128];
	long kb = -1;

	while (rollup && fgets(line, sizeof line, rollup))
		if (sscanf(line, "Rss: %ld", &kb) == 1)
			break;
	if (rollup)
		fclose(rollup);
	return kb;
}

static double thread_memory(void)
{
	enum { threads = 256 };
	pthread_t t[threads];
	long before = resident();
	double kb;

	pthread_barrier_init(&there, 0, threads + 1);
	pthread_barrier_init(&leave, 0, threads + 1);
	for (int i = 0; i < threads; ++i)
		if (pthread_create(&t[i], 0, stays, 0))
			_exit(1);	/* the others wait for all */
	pthread_barrier_wait(&there);
	kb = (double)(resident() - before) / threads;
	pthread_barrier_wait(&leave);
	for (int i = 0; i < threads; ++i)
		pthread_join(t[i], 0);
	return before < 0 ? -1 : kb;
}

/* ---- processes ---- */

static double fork_round(void)
{
	enum { children = 20 };
	double begin = now();

	for (int i = 0; i < children; ++i) {
		pid_t child = fork();
		if (child == 0)
			_exit(0);
		if (waitpid(child, 0, 0) != child)
			return 1e18;
	}
	return (now() - begin) / children;
}

extern char **environ;

/* A program that does nothing: loaded, started, ended and waited for. */
static double exec_round(void)
{
	enum { children = 10 };
	char self[] = "/proc/self/exe", nothing[] = "nothing";
	char *argv[] = {self, nothing, 0};
	double begin = now();

	for (int i = 0; i < children; ++i) {
		pid_t child;
		int status;
		if (posix_spawn(&child, self, 0, 0, argv, environ) ||
		    waitpid(child, &status, 0) != child || status)
			return 1e18;
	}
	return (now() - begin) / children;
}

/* What failed is no figure. */
static void say(const char *what, double value)
{
	if (value < 0 || value >= 1e18) {
		fprintf(stderr, "libc_bench: %s failed\n", what);
		_exit(1);
	}
	printf("%s=%.*f\n", what, value < 100 ? 3 : 1, value);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "nothing") == 0)
		return 0;
	/* First, as long as no stack is kept for the next thread. */
	say("thread_memory_kb", thread_memory());
	say("thread_overhead_bytes", thread_overhead());
	say("sched_getcpu_ns", best(getcpu_round, 20));
	say("syscall_ns", best(syscall_round, 40));
	say("create_join_ns", best(create_join_round, 20));
	say("switch_ns", switches(40));
	say("fork_ns", best(fork_round, 10));
	say("exec_ns", best(exec_round, 10));
	return 0;
}
