/* SPDX-License-Identifier: MIT */
/* threads SECONDS: eight threads that ask for their cpu meanwhile. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 8 };

__thread int own = -1;
static atomic_int stop, wrong;

void *work(void *number)
{
	own = (int)(long)number;
	while (!stop) {
		if (sched_getcpu() < 0 || own != (int)(long)number)
			wrong++;
		usleep(2000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	double seconds = argc > 1 ? atof(argv[1]) : 1;

	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)i))
			return 1;
	usleep((useconds_t)(seconds * 1000000));
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	puts(wrong ? "wrong" : "threads ok");
	return wrong != 0;
}
