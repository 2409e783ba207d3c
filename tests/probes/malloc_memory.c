/* SPDX-License-Identifier: MIT */
/*
 * malloc_memory PATTERN: what a process still has in memory, in kB, after its
 * need has gone: "passed" from a thread to another, "freed", one "class" after
 * another, 200 "threads", "forks".  Another thread lives to the end.
 * "held": four threads on two cpus have 32 MB together, and free each other's,
 * once for each of five sizes; wrong=0 if each block was its holder's.
 */
#include "cpus.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#if __has_include(<sys/tlabi.h>)
#include <sys/tlabi.h>
#endif

static volatile int stop;

static long memory(const char *which)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	long value = -1;

	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, which, strlen(which)))
			value = atol(line + strlen(which));
	if (f)
		fclose(f);
	return value;
}

static void *rest(void *unused)
{
	while (!stop)
		usleep(1000);
	return unused;
}

static unsigned int number(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

static char *block(size_t size)
{
	char *p = malloc(size);

	if (!p)
		exit(1);
	return memset(p, 1, size);
}

/* ---- the patterns ---- */

enum { MANY = 100000, QUEUE = 1024 };

static char *blocks[MANY];
static char *queue[QUEUE];
static volatile unsigned long in, out;

static void *consume(void *unused)
{
	while (out < 300000) {
		while (out == in)
			usleep(100);
		free(queue[out % QUEUE]);
		__atomic_store_n(&out, out + 1, __ATOMIC_RELEASE);
	}
	return unused;
}

static void passed(void)
{
	unsigned int seed = 1;
	pthread_t t;

	pthread_create(&t, NULL, consume, NULL);
	while (in < 300000) {
		while (in - out == QUEUE)
			usleep(100);
		queue[in % QUEUE] = block(16 + number(&seed) % 1000);
		__atomic_store_n(&in, in + 1, __ATOMIC_RELEASE);
	}
	pthread_join(t, NULL);
}

static void freed(void)
{
	unsigned int seed = 1;

	for (int i = 0; i < MANY; ++i)
		blocks[i] = block(16 + number(&seed) % 1000);
	for (int i = 0; i < MANY; ++i) {
		const int j = (int)(number(&seed) % MANY);
		char *p = blocks[i];

		blocks[i] = blocks[j];
		blocks[j] = p;
	}
	for (int i = 0; i < MANY; ++i)
		free(blocks[i]);
}

static void classes(void)
{
	for (size_t size = 16; size < 4000; size += size / 4) {
		const int count = (int)(20000000 / size) % MANY;

		for (int i = 0; i < count; ++i)
			blocks[i] = block(size);
		for (int i = 0; i < count; ++i)
			free(blocks[i]);
	}
}

static void *short_life(void *seed_value)
{
	unsigned int seed = (unsigned int)(uintptr_t)seed_value;
	char *mine[500];

	for (int round = 0; round < 4; ++round) {
		for (int i = 0; i < 500; ++i)
			mine[i] = block(16 + number(&seed) % 1000);
		for (int i = 0; i < 500; ++i)
			free(mine[i]);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t[50];

	for (uintptr_t n = 0; n < 200; n += 50) {
		for (uintptr_t i = 0; i < 50; ++i)
			pthread_create(&t[i], NULL, short_life, (void *)(n + i));
		for (int i = 0; i < 50; ++i)
			pthread_join(t[i], NULL);
	}
}

static void forks(void)
{
	for (uintptr_t i = 0; i < 50; ++i) {
		const pid_t child = fork();

		if (!child) {
			short_life((void *)i);
			_exit(0);
		}
		short_life((void *)i);
		waitpid(child, NULL, 0);
	}
}

enum { HOLDERS = 4, SHARE = 8 << 20 };

static struct held {
	struct held *next;
	uintptr_t mark;
} *lists[HOLDERS];
static pthread_barrier_t all_there;
static _Atomic long wrong;

static void *hold(void *holder)
{
	static const size_t sizes[] = { 24, 1000, 200, 3000, 64 };
	const uintptr_t mine = (uintptr_t)holder, next = (mine + 1) % HOLDERS;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
		for (size_t have = 0; have < SHARE; have += sizes[i]) {
			struct held *p = (void *)block(sizes[i]);

			p->next = lists[mine];
			p->mark = mine;
			lists[mine] = p;
		}
		pthread_barrier_wait(&all_there);
		for (struct held *p; (p = lists[next]);) {
			wrong += p->mark != next;
			lists[next] = p->next;
			free(p);
		}
		pthread_barrier_wait(&all_there);
	}
	return NULL;
}

static void held(void)
{
	unsigned long allowed[cpu_words()], two[cpu_words()];
	pthread_t t[HOLDERS];

	allowed_cpus(allowed);
	memset(two, 0, sizeof two);
	for (unsigned int i = 0; i < 2; ++i) {
		const int cpu = nth_cpu(allowed, i);

		if (cpu >= 0)
			two[cpu / CPU_BITS] |= 1UL << cpu % CPU_BITS;
	}
	allow_cpus(0, two);
	pthread_barrier_init(&all_there, NULL, HOLDERS);
	for (uintptr_t i = 0; i < HOLDERS; ++i)
		pthread_create(&t[i], NULL, hold, (void *)i);
	for (int i = 0; i < HOLDERS; ++i)
		pthread_join(t[i], NULL);
	printf("wrong=%ld\n", wrong);
}

static const struct {
	const char *name;
	void (*run)(void);
} patterns[] = {
	{ "passed", passed }, { "freed", freed }, { "classes", classes },
	{ "threads", threads }, { "forks", forks },
	{ "held", held },
};

int main(int argc, char **argv)
{
	pthread_t t;

	pthread_create(&t, NULL, rest, NULL);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; ++i)
		if (argc > 1 && !strcmp(argv[1], patterns[i].name))
			patterns[i].run();
	printf("rss=%ld\npeak=%ld\n", memory("VmRSS:"), memory("VmHWM:"));
#ifdef TLABI_MALLOC_STATS
	struct tlabi_malloc_stats s;

	tlabi_malloc_stats(&s);
	printf("bytes=%llu\nlimit=%llu\n", (unsigned long long)s.bytes,
	       (unsigned long long)s.limit);
#endif
	stop = 1;
	pthread_join(t, NULL);
	return 0;
}
