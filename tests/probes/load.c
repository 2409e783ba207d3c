/* SPDX-License-Identifier: MIT */
/*
 * load LIBRARY: can this program load it?  If it is librseq, or a plugin that
 * carries it, does it work?
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* As in <rseq/counter.h>, but this program is not built for it. */
struct counter { intptr_t *words; size_t count; };

static void (*add)(const struct counter *, size_t, intptr_t);
static struct counter counter;

static void *work(void *unused)
{
	for (int i = 0; i < 10000; ++i)
		add(&counter, 0, 1);
	return unused;
}

static void use(void *library)
{
	int (*init)(struct counter *, size_t);
	intptr_t (*sum)(const struct counter *, size_t);
	void (*fini)(struct counter *);
	pthread_t t;

	*(void **)&init = dlsym(library, "rseq_counter_init");
	*(void **)&sum = dlsym(library, "rseq_counter_sum");
	*(void **)&fini = dlsym(library, "rseq_counter_fini");
	*(void **)&add = dlsym(library, "rseq_counter_add_slow_");
	if (!init || !sum || !fini || !add || init(&counter, 1))
		return;
	pthread_create(&t, NULL, work, NULL);
	work(NULL);
	pthread_join(t, NULL);
	printf("counted=%td\n", sum(&counter, 0));
	fini(&counter);
}

int main(int argc, char **argv)
{
	int (*plug)(void);
	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;

	printf("loaded=%d\n", library != NULL);
	if (!library) {
		printf("error=%s\n", dlerror());
		return 0;
	}
	use(library);
	*(void **)&plug = dlsym(library, "plug");
	if (plug)
		printf("plugged=%d\n", plug());
	printf("closed=%d\n", dlclose(library));
	for (int i = 0; i < 100; ++i)
		sched_yield();	/* nothing that is gone is still used */
	printf("again=%d\n", dlopen(argv[1], RTLD_NOW) != NULL);
	return 0;
}
