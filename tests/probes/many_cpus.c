/* SPDX-License-Identifier: MIT */
/*
 * many_cpus ROUNDS: what there is for each cpu, on as many as there are: memory
 * for those that are used, exact sums, a drain while all of them are busy with
 * ROUNDS transactions each, concurrency ids no higher than there are threads.
 * With -DCPUS=N and -Wl,--wrap=syscall N possible ones are pretended.
 */
#include "cpus.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rseq/rseq.h>

#ifdef CPUS
#include "wrap_syscall.h"

/* How long the kernel's cpu masks are; all else is real. */
static long called(long number, const long *a)
{
	if (number != SYS_sched_getaffinity)
		return really_call(number, a);
	return really_call(number, a) < 0 ? -1 : CPUS / 8;
}
#endif

enum { FEW = 4, MOST = 512, TIMES = 50 };

struct slot {
	struct rseq_guard guard;
	intptr_t value;
};

static struct slot *slots;	/* per-cpu */
static struct rseq_counter counter;
static unsigned long all[MAX_CPUS / CPU_BITS];
static long rounds;
static int busy, highest_cid, errors;
static intptr_t drained;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static long resident(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		pages = -1;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE) / 1024;
}

/* Of all cpus that there can be. */
static int highest_possible(void)
{
	char text[256] = "";
	FILE *f = fopen("/sys/devices/system/cpu/possible", "r");
	const char *last;

	if (f && !fgets(text, sizeof text, f))
		text[0] = 0;
	if (f)
		fclose(f);
	for (last = text + strlen(text); last > text; --last)
		if (last[-1] == '-' || last[-1] == ',')
			break;
	return *text ? atoi(last) : -1;
}

static void look_at_cid(void)
{
	const int cid = rseq_this_cid().n;
	int seen = __atomic_load_n(&highest_cid, __ATOMIC_RELAXED);

	while (cid > seen &&
	       !__atomic_compare_exchange_n(&highest_cid, &seen, cid, 0,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* From cpu to cpu, on all of them. */
static void *wander(void *nth)
{
	int cpu;

	for (unsigned int i = 0; i < 2 * rseq_cpu_limit() &&
	     (cpu = nth_cpu(all, i)) >= 0; ++i) {
		run_on(0, (unsigned int)cpu);
		look_at_cid();
	}
	allow_cpus(0, all);
	return nth;
}

static int ids_of_few(void)
{
	pthread_t t[FEW - 1];

	highest_cid = -1;
	for (int i = 0; i < FEW - 1; ++i)
		if (pthread_create(&t[i], NULL, wander, NULL))
			exit(1);
	wander(NULL);
	for (int i = 0; i < FEW - 1; ++i)
		pthread_join(t[i], NULL);
	return highest_cid;
}

static void *work(void *nth)
{
	run_on(0, (unsigned int)nth_cpu(all, (unsigned int)(uintptr_t)nth));
	for (long i = 0; i < rounds; ++i) {
		struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
		enum rseq_result result = RSEQ_RESTARTED;

		while (result != RSEQ_COMMITTED) {
			const int cpu = rseq_begin(&t);
			struct slot *const s = rseq_percpu_ptr(slots, cpu);
			if (cpu < 0) {
				__atomic_add_fetch(&errors, 1,
						   __ATOMIC_RELAXED);
				break;
			}
			result = rseq_commit(&t, &s->value, s->value + 1);
		}
		rseq_counter_add(&counter, 0, 1);
		look_at_cid();
	}
	__atomic_sub_fetch(&busy, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void take(unsigned int cpu, void *unused)
{
	struct slot *const s = rseq_percpu_ptr(slots, cpu);

	(void)unused;
	if (s->value) {		/* else memory that nobody has touched */
		drained += s->value;
		s->value = 0;
	}
}

static double drain(void)
{
	const double begun = now();

	if (rseq_guard_drain(&slots->guard, take, NULL))
		++errors;
	return now() - begun;
}

/* A thread on each cpu; how long a drain takes meanwhile. */
static double drain_all(int threads)
{
	static pthread_t t[MOST];
	double took = 0;
	int drains = 0;

	busy = threads;
	for (intptr_t i = 0; i < threads; ++i)
		if (pthread_create(&t[i], NULL, work, (void *)i))
			exit(1);
	do {
		took += drain();
		++drains;
	} while (__atomic_load_n(&busy, __ATOMIC_ACQUIRE));
	for (int i = 0; i < threads; ++i)
		pthread_join(t[i], NULL);
	drain();
	return took / drains;
}

int main(int argc, char **argv)
{
	unsigned int highest = 0;
	const int online = count_cpus(&highest);
	const int threads = online < MOST ? online : MOST;
	const long before = resident();
	double sum = 1e9, first, idle = 1e9, under_load;
	long after;

	rounds = argc > 1 ? atol(argv[1]) : 1000;
	allowed_cpus(all);
	printf("few=%d\nfew_highest_cid=%d\n", FEW, ids_of_few());
	slots = rseq_percpu_alloc(sizeof *slots, 64);
	if (!slots || rseq_counter_init(&counter, 1))
		return 1;
	after = resident();
	first = drain();	/* touches a page of each cpu */
	for (int i = 0; i < TIMES; ++i)
		idle = least(idle, drain());
	highest_cid = -1;
	under_load = drain_all(threads);
	for (int i = 0; i < TIMES; ++i) {
		const double begun = now();
		errors += rseq_counter_sum(&counter, 0) != threads * rounds;
		sum = least(sum, now() - begun);
	}
	printf("online=%d\npossible=%d\nlimit=%u\nset_bits=%zu\nthreads=%d\n"
	       "highest_cid=%d\nadded=%ld\ndrained=%td\nerrors=%d\n"
	       "init_kib=%ld\nused_kib=%ld\npage_kib=%ld\n",
	       online, highest_possible() + 1, rseq_cpu_limit(),
	       cpu_words() * CPU_BITS, threads,
	       highest_cid, threads * rounds, drained, errors, after - before,
	       resident() - before, sysconf(_SC_PAGESIZE) / 1024);
	printf("sum_us=%.2f\nfirst_drain_us=%.0f\ndrain_us=%.1f\n"
	       "busy_drain_us=%.0f\n", sum, first, idle, under_load);
	return 0;
}
