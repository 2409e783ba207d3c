/* SPDX-License-Identifier: MIT */
/*
 * unload OBJECT [leave]: threads run a section of an object, which is then
 * unloaded while one of them sleeps and the others run; with leave, each has
 * told the object before.  Then all of them are moved about.
 */
#include "migrate.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4 };

static intptr_t (*count)(intptr_t *);
static void (*leave)(void);
static int leaving, unloaded, counted;
static pthread_barrier_t all_counted, all_over;
static int gate[2];

static int still(int *flag, int value)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE) == value;
}

static void sleep_at_gate(void)
{
	char byte;

	(void)!read(gate[0], &byte, 1);
}

static void *work(void *slot)
{
	static intptr_t values[THREADS];
	const unsigned int nth = (unsigned int)(uintptr_t)slot;

	__atomic_add_fetch(&counted, (int)count(&values[nth]),
			   __ATOMIC_RELAXED);
	be_victim(nth);
	/* The barrier is a system call, so the last section is run behind. */
	pthread_barrier_wait(&all_counted);
	count(&values[nth]);
	if (leaving)
		leave();
	__atomic_add_fetch(&counted, 1, __ATOMIC_RELEASE);
	if (nth == 0)
		sleep_at_gate();
	while (!still(&unloaded, 2))
		;
	be_no_victim(nth);
	pthread_barrier_wait(&all_over);
	return NULL;
}

static int is_mapped(const char *name)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");
	int found = 0;

	while (maps && fgets(line, sizeof line, maps))
		found |= strstr(line, name) != NULL;
	if (maps)
		fclose(maps);
	return found;
}

int main(int argc, char **argv)
{
	const struct timespec ten_ms = {.tv_nsec = 10000000};
	const struct timespec a_while = {.tv_nsec = 300000000};
	struct timespec pause = {.tv_nsec = 100000};
	pthread_t t[THREADS], mover;
	void *object;

	if (argc < 2 || !(object = dlopen(argv[1], RTLD_NOW))) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	leaving = argc > 2 && !strcmp(argv[2], "leave");
	*(void **)&count = dlsym(object, "object_count");
	*(void **)&leave = dlsym(object, "object_leave");
	pthread_barrier_init(&all_counted, NULL, THREADS);
	pthread_barrier_init(&all_over, NULL, THREADS);
	if (pipe(gate) != 0)
		return 2;
	for (int i = 0; i < THREADS; ++i)
		pthread_create(&t[i], NULL, work, (void *)(uintptr_t)i);
	while (__atomic_load_n(&counted, __ATOMIC_ACQUIRE) < 2 * THREADS)
		nanosleep(&ten_ms, NULL);
	nanosleep(&ten_ms, NULL);
	printf("closed=%d\n", dlclose(object));
	printf("mapped=%d\n", is_mapped(strrchr(argv[1], '/')));
	fflush(stdout);
	pthread_create(&mover, NULL, migrate, &pause);
	(void)!write(gate[1], "", 1);
	nanosleep(&a_while, NULL);
	__atomic_store_n(&unloaded, 2, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; ++i)
		pthread_join(t[i], NULL);
	__atomic_store_n(&stop_migrating, 1, __ATOMIC_RELAXED);
	pthread_join(mover, NULL);
	printf("survived=1\n");
	return 0;
}
