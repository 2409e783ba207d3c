/* SPDX-License-Identifier: MIT */
/*
 * stress KIND SECONDS: more threads than cpus add to the same per-cpu words
 * while they are moved about and interrupted by signals whose handlers add to
 * the same words, until that has happened often enough, or for so long.  KIND
 * plain is what must not be done: it shows that the load is one under which
 * updates get lost.
 */
#include "area.h"
#include "under_load.h"

#include <rseq/rseq.h>

enum { MOVES = 2000, SIGNALS = 4000 };

struct slot {
	intptr_t value;
	char pad[64 - sizeof(intptr_t)];
};

static _Alignas(64) struct slot slots[MAX_CPUS];
static intptr_t *percpu;
static struct rseq_counter counter;
static intptr_t total, retries, signals;
static __thread intptr_t mine, in_handler, tried;	/* of this thread */
static void (*add_one)(void);

static void add_counter(void)
{
	rseq_counter_add(&counter, 0, 1);
}

/* The operations, as a program would write the loop around them. */
static void add_section(void)
{
	for (;;) {
		const rseq_cpu_t cpu = rseq_this_cpu();
		if (rseq_add(&slots[cpu.n].value, 1, cpu) == RSEQ_COMMITTED)
			return;
		++tried;
	}
}

static void add_percpu(void)
{
	while (rseq_this_cpu_add(percpu, 1) != RSEQ_COMMITTED)
		++tried;
}

static void add_compare(void)
{
	for (;;) {
		const rseq_cpu_t cpu = rseq_this_cpu();
		intptr_t *v = &slots[cpu.n].value;
		intptr_t old = *(volatile intptr_t *)v;
		if (rseq_compare_store(v, old, old + 1, cpu) == RSEQ_COMMITTED)
			return;
		++tried;
	}
}

static void add_plain(void)
{
	volatile intptr_t *v = &slots[rseq_cpu_start()].value;
	intptr_t old = *v;

	/* In between are branches, where emulators take interrupts. */
	for (volatile int i = 0; i < 3; ++i)
		;
	*v = old + 1;
}

static void handler(int signal)
{
	(void)signal;
	for (int i = 0; i < 3; ++i)
		add_one();
	in_handler += 3;
	__atomic_add_fetch(&signals, 1, __ATOMIC_RELAXED);
}

static int enough(void)
{
	return (__atomic_load_n(&signals, __ATOMIC_RELAXED) >= SIGNALS &&
		__atomic_load_n(&migrations, __ATOMIC_RELAXED) >= MOVES) ||
		now() > deadline;
}

static void work(unsigned int nth)
{
	(void)nth;
	do {
		for (int n = 0; n < 10000; ++n)
			add_one();
		mine += 10000;
	} while (!enough());
}

static void count(void)
{
	__atomic_add_fetch(&total, mine + in_handler, __ATOMIC_RELAXED);
	__atomic_add_fetch(&retries, tried, __ATOMIC_RELAXED);
}

static void *choose(const char *kind)
{
	static const struct {
		const char *name;
		void (*add)(void);
	} kinds[] = {
		{"counter", add_counter}, {"add", add_section},
		{"compare", add_compare}, {"percpu", add_percpu},
		{"plain", add_plain},
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
		if (!strcmp(kind, kinds[i].name))
			add_one = kinds[i].add;
	return add_one ? &add_one : NULL;
}

int main(int argc, char **argv)
{
	const struct load l = {
		least(3 * (int)sysconf(_SC_NPROCESSORS_ONLN) + 1, VICTIMS),
		NULL, work, handler, 100000, count,
	};
	intptr_t sum = 0, *copy;
	int failed;

	if (argc < 3 || !choose(argv[1]))
		return 2;
	deadline = now() + atoi(argv[2]);
	percpu = (intptr_t *)rseq_percpu_alloc(sizeof *percpu, 0);
	if (!percpu || rseq_counter_init(&counter, 1))
		return 2;
	failed = run_under_load(&l);
	for (int i = 0; i < MAX_CPUS; ++i)
		sum += slots[i].value;
	RSEQ_FOR_EACH_CPU(copy, percpu)
		sum += *copy;
	sum += rseq_counter_sum(&counter, 0);
	printf("threads=%d\nfailed=%d\nexpected=%td\nsum=%td\nsignals=%td\n"
	       "retries=%td\nmigrations=%lu\nregistered=%d\n", l.threads, failed,
	       total, sum, signals, retries, migrations,
	       rseq_this_cpu().n >= 0);
	return 0;
}
