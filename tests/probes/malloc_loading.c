/* SPDX-License-Identifier: MIT */
/*
 * malloc_loading LIBRARY SECOND OTHER: loads the library before there are
 * threads, and its second copy beside threads that use the first; blocks go
 * from the program to a library and back, also when it was closed.  Last an
 * allocator is loaded, which is nothing but a library to those that are there.
 */
#include "cpus.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#if __has_include(<sys/tlabi.h>)
#include <sys/tlabi.h>
#endif

static volatile int stop;
static _Atomic long wrong, rounds;

struct library {
	void *handle;
	long (*end_early)(void);
	unsigned char *(*give)(size_t, int);
	long (*take)(unsigned char *, size_t, int);
};

static void *symbol(void *handle, const char *name)
{
	void *s = dlsym(handle, name);

	if (!s) {
		printf("missing=%s: %s\n", name, dlerror());
		exit(1);
	}
	return s;
}

static struct library load(const char *path)
{
	struct library l = { .handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL) };

	if (!l.handle) {
		printf("not_loaded=%s\n", dlerror());
		exit(1);
	}
	*(void **)&l.end_early = symbol(l.handle, "end_early");
	*(void **)&l.give = symbol(l.handle, "give");
	*(void **)&l.take = symbol(l.handle, "take");
	return l;
}

static void report(const char *when)
{
#ifdef TLABI_MALLOC_STATS
	struct tlabi_malloc_stats s;

	tlabi_malloc_stats(&s);
	printf("%s.hits=%llu\n%s.bytes=%llu\n", when,
	       (unsigned long long)s.hits, when, (unsigned long long)s.bytes);
#else
	(void)when;
#endif
}

/* What one side allocates the other one frees. */
static void use(const struct library *l, int count)
{
	enum { HELD = 40, SIZE = 120 };
	unsigned char *p[HELD], *mine;

	while (count--) {
		const int mark = (int)(++rounds & 0xff);

		for (int i = 0; i < HELD; ++i)
			p[i] = l->give(SIZE, mark);
		for (int i = 0; i < HELD; ++i) {
			for (int at = 0; at < SIZE; ++at)
				wrong += p[i][at] != mark;
			free(p[i]);
			mine = malloc(SIZE);
			wrong += l->take(memset(mine, mark, SIZE), SIZE, mark);
		}
	}
}

static void *busy(void *library)
{
	while (!stop)
		use(library, 1);
	return NULL;
}

static void *open_and_close(void *path)
{
	for (int i = 0; i < 50; ++i) {
		void *handle = dlopen(path, RTLD_NOW);

		wrong += !handle || dlclose(handle);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct library first, second;
	pthread_t t[5];
	void *other;
	unsigned char *kept[64], *its, *ours;

	if (argc < 4)
		return 2;
	first = load(argv[1]);
	report("loaded");
	wrong += first.end_early();
	use(&first, 10);
	for (int i = 0; i < 3; ++i)
		pthread_create(&t[i], NULL, busy, &first);
	second = load(argv[2]);
	use(&second, 100);
	wrong += second.end_early();
	for (int i = 0; i < 64; ++i)
		kept[i] = second.give(500, i);
	for (int i = 3; i < 5; ++i)
		pthread_create(&t[i], NULL, open_and_close, argv[1 + i % 2]);
	wrong += dlclose(second.handle);
	for (int i = 0; i < 64; ++i) {
		for (int at = 0; at < 500; ++at)
			wrong += kept[i][at] != i;
		free(kept[i]);
	}
	report("beside");

	/* An allocator that comes late: nothing that is there is bound to it,
	 * nor is what it finds by the name. */
	other = dlopen(argv[3], RTLD_NOW | RTLD_GLOBAL);
	if (!other)
		return 1;
	its = ((unsigned char *(*)(size_t))symbol(other, "malloc"))(100);
	ours = malloc(100);
	printf("late.malloc_is_ours=%d\n",
	       dlsym(RTLD_DEFAULT, "malloc") == (void *)malloc);
	printf("late.its_own=%d\n", its && its != ours &&
	       (void *)malloc != symbol(other, "malloc"));
	free(ours);
	use(&first, 100);
	report("late");
	stop = 1;
	for (int i = 0; i < 5; ++i)
		pthread_join(t[i], NULL);
	printf("wrong=%ld\nrounds=%ld\n", wrong, rounds);
	return 0;
}
