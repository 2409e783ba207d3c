/* SPDX-License-Identifier: MIT */
/* churn N: N detached threads, moved about while they start and end. */
#include "area.h"
#include "migrate.h"

#include <semaphore.h>

static sem_t slots;
static int ran, unregistered, wrong;

static void *visit(void *slot)
{
	unsigned int cpu, nth = (unsigned int)(uintptr_t)slot;
	int before, after;

	be_victim(nth);
	if ((int)word(CPU_ID) < 0)
		__atomic_add_fetch(&unregistered, 1, __ATOMIC_RELAXED);
	/* The same before and after: it was that one in between. */
	before = (int)word(CPU_ID);
	cpu = kernel_cpu();
	after = (int)word(CPU_ID);
	if (before == after && cpu != (unsigned int)before)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
	if (nth % 2)	/* half of them are moved in their last steps too */
		be_no_victim(nth);
	sem_post(&slots);
	return NULL;
}

int main(int argc, char **argv)
{
	const int count = argc > 1 ? atoi(argv[1]) : 1000;
	pthread_attr_t attr;
	pthread_t t, mover;
	int failed = 0;

	sem_init(&slots, 0, 48);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_create(&mover, NULL, migrate, NULL);
	for (int i = 0; i < count; ++i) {
		sem_wait(&slots);
		if (pthread_create(&t, &attr, visit, (void *)(uintptr_t)i)) {
			++failed;
			sem_post(&slots);
		}
	}
	for (int i = 0; i < 48; ++i)
		sem_wait(&slots);
	__atomic_store_n(&stop_migrating, 1, __ATOMIC_RELAXED);
	pthread_join(mover, NULL);
	usleep(20000);	/* the last ones are still ending */
	printf("created=%d\nran=%d\nunregistered=%d\nwrong=%d\n"
	       "migrations=%lu\n", count - failed, ran, unregistered, wrong,
	       migrations);
	tell("main");
	return 0;
}
