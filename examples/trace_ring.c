/* SPDX-License-Identifier: MIT */
/*
 * A trace in a file: threads write what they do, and whoever opens the file
 * later, even after a crash, sees the last of it.
 *
 *	cc -o trace_ring trace_ring.c -lrseq -lpthread
 *	./trace_ring FILE
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include <rseq/ring.h>

enum { THREADS = 4, EVENTS = 100000 };

struct event { int thread, step; };

static struct rseq_ring trace;
static int last[THREADS];

static void *work(void *arg)
{
	struct event e = { (int)(size_t)arg, 0 };

	while (++e.step <= EVENTS)
		rseq_ring_write(&trace, &e, sizeof e);
	return NULL;
}

static void see(void *arg, unsigned int cpu, const void *data, size_t len)
{
	const struct event *e = data;

	(void)arg, (void)cpu, (void)len;
	if (e->step > last[e->thread])
		last[e->thread] = e->step;
}

int main(int argc, char **argv)
{
	const int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	pthread_t thread[THREADS];

	if (argc < 2 || rseq_ring_init(&trace, 65536, RSEQ_RING_OVERWRITE, fd))
		return 1;
	for (size_t i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, work, (void *)i))
			return 1;
	for (int i = 0; i < THREADS; ++i)
		pthread_join(thread[i], NULL);
	rseq_ring_fini(&trace);		/* as if the program were gone */

	if (rseq_ring_attach(&trace, fd) ||
	    rseq_ring_read(&trace, see, NULL) < 0)
		return 1;
	for (int i = 0; i < THREADS; ++i)
		printf("last.%d=%d\n", i, last[i]);
}
