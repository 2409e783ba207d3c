/* SPDX-License-Identifier: MIT */
/*
 * malloc_bench WORKLOAD THREADS [SECONDS [lines]]: nanoseconds of cpu time for a
 * free() and a malloc() together, the most memory, and how often a thread
 * waited.  With "lines", in place of times: how many cache lines of its blocks a
 * thread found that had last been written on another cpu, and how many calls
 * musl's caches neither served nor were filled or emptied by.
 *
 *	own	each thread replaces its own 512 blocks of 16 to 255 bytes
 *	cross	threads free what their neighbour allocated (xmalloc)
 *	larson	as own, and each 2000 rounds a new thread inherits the blocks
 *	flat	as own, 65536 blocks shared out among the threads: for memory
 *	burst	512 blocks of 128 bytes are allocated, then freed
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#if __has_include(<sys/tlabi.h>)
#include <sys/tlabi.h>
#endif

enum { SLOTS = 512, ALL_SLOTS = 65536, MAX_THREADS = 256, GENERATION = 2000 };

static void *slots[SLOTS * MAX_THREADS];

/* None shares a line with its neighbour, nor the pair that is fetched. */
static struct __attribute__((__aligned__(128))) worker {
	void **slots;
	unsigned int count;
	uint64_t random;
	long operations, foreign;
	pthread_t thread;
} workers[MAX_THREADS];

static int threads;
static volatile int stop;

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

/* The cpu that wrote each line last, plus 1; many more than the heap has. */
enum { LINE = 64, LINES = 1 << 22 };
static uint16_t *writers;

static void write_lines(struct worker *w, const void *p, size_t size)
{
	const uintptr_t begin = (uintptr_t)p / LINE;
	const uint16_t cpu = (uint16_t)(sched_getcpu() + 1);

	for (uintptr_t i = begin; i <= ((uintptr_t)p + size - 1) / LINE; ++i) {
		uint16_t *last = &writers[i % LINES];

		w->foreign += *last && *last != cpu;
		*last = cpu;
	}
}

static void *block(struct worker *w, uint64_t r)
{
	const size_t size = 16 + r % 240;
	char *p = malloc(size);

	if (writers)
		write_lines(w, p, size);
	*p = 1;
	return p;
}

/* What free() writes is at the block's beginning, or just before it. */
static void end_block(struct worker *w, void *p)
{
	if (writers && p)
		write_lines(w, p, 1);
	free(p);
}

static void replace(struct worker *w)
{
	const uint64_t r = next(&w->random);
	void **slot = &w->slots[r % w->count];

	end_block(w, *slot);
	*slot = block(w, r >> 20);
	++w->operations;
}

static void *own(void *arg)
{
	while (!stop)
		for (int i = 0; i < 256; ++i)
			replace(arg);
	return NULL;
}

static void *burst(void *arg)
{
	struct worker *w = arg;

	while (!stop) {
		for (unsigned int i = 0; i < w->count; ++i)
			w->slots[i] = block(w, 128 - 16);
		for (unsigned int i = 0; i < w->count; ++i)
			end_block(w, w->slots[i]);
		w->operations += w->count;
	}
	return NULL;
}

/* The neighbour's slots: what is there is another's, nearly always. */
static void *cross(void *arg)
{
	struct worker *w = arg, *to = workers + (w - workers + 1) % threads;

	while (!stop)
		for (int i = 0; i < 256; ++i) {
			const uint64_t r = next(&w->random);

			end_block(w, __atomic_exchange_n(&to->slots[r % SLOTS],
							 block(w, r >> 20),
							 __ATOMIC_ACQ_REL));
			++w->operations;
		}
	return NULL;
}

static void *generation(void *arg)
{
	for (int i = 0; i < GENERATION; ++i)
		replace(arg);
	return NULL;
}

static void *larson(void *arg)
{
	while (!stop) {
		pthread_t t;

		if (pthread_create(&t, NULL, generation, arg))
			return NULL;
		pthread_join(t, NULL);
	}
	return NULL;
}

/* ru_maxrss would be no less than that of who started this program. */
static long most_memory(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	long kb = -1;

	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "VmHWM:", 6))
			kb = atol(line + 6);
	if (f)
		fclose(f);
	return kb;
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec * 1e-6;
}

int main(int argc, char **argv)
{
	void *(*run)(void *);
	struct timespec length = { 0, 0 };
	struct rusage used;
	double wanted = argc > 3 ? atof(argv[3]) : 1, cpu;
	long operations = 0, foreign = 0;

	if (argc < 3)
		return 2;
	run = !strcmp(argv[1], "cross") ? cross :
		!strcmp(argv[1], "larson") ? larson :
		!strcmp(argv[1], "burst") ? burst : own;
	threads = atoi(argv[2]);
	if (threads < 1 || threads > MAX_THREADS)
		return 2;
	if (argc > 4)
		writers = calloc(LINES, sizeof *writers);
	length.tv_sec = (time_t)wanted;
	length.tv_nsec = (long)((wanted - (double)length.tv_sec) * 1e9);
	for (unsigned int i = 0; i < (unsigned int)threads; ++i) {
		struct worker *w = &workers[i];

		w->random = 0x9e3779b97f4a7c15 * (uint64_t)(i + 1);
		w->count = strcmp(argv[1], "flat") ? SLOTS :
			ALL_SLOTS / (unsigned int)threads;
		w->slots = slots + i * w->count;
	}
	for (int i = 0; i < threads; ++i)
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]))
			return 1;
	nanosleep(&length, NULL);
	stop = 1;
	for (int i = 0; i < threads; ++i) {
		pthread_join(workers[i].thread, NULL);
		operations += workers[i].operations;
		foreign += workers[i].foreign;
	}
	getrusage(RUSAGE_SELF, &used);
	cpu = seconds(&used.ru_utime) + seconds(&used.ru_stime);
	if (writers)
		printf("lines=%.6f", (double)foreign / (double)operations);
	else
		printf("ns=%.1f ops=%ld rss=%ld waits=%.6f",
		       cpu / (double)operations * 1e9, operations,
		       most_memory(),
		       (double)used.ru_nvcsw / (double)operations);
#ifdef TLABI_MALLOC_STATS
	struct tlabi_malloc_stats s;

	tlabi_malloc_stats(&s);
	if (writers && s.hits)
		printf(" past=%.6f", 2 - (double)(s.hits + s.misses) /
		       (double)operations);
	else if (s.hits)
		printf(" locks=%.6f", (double)s.misses / (double)operations);
#endif
	puts("");
	return 0;
}
