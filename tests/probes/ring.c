/* SPDX-License-Identifier: MIT */
/*
 * A ring under writers, handlers that write and a reader that sleeps: every
 * record is whole, in the order of its cpu, and read, dropped or overwritten
 * exactly once.
 *
 *	ring drop|overwrite|reserve [seconds [file]]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rseq/ring.h>

enum { THREADS = 5, WRITERS = 2 * THREADS, CPUS = 512, LONGEST = 20 };

struct record {
	uint32_t writer, number, words;
	uint32_t word[LONGEST];
};

static struct rseq_ring ring;
static long torn, disordered, seen, written, refused, handled;
static int stop, reserve;
static uint32_t last[CPUS][WRITERS];

/* Two numbers a thread: what it writes itself, and what its handler does. */
static __thread struct writer {
	uint32_t id, number, random;
} mine[2];

static void fill(struct record *r, struct writer *w)
{
	w->random = w->random * 1664525 + 1013904223;
	r->writer = w->id;
	r->number = ++w->number;
	r->words = w->random >> 16 & 15;
	for (uint32_t i = 0; i < r->words; ++i)
		r->word[i] = r->writer * 7919 + r->number + i;
}

static void write_one(struct writer *w)
{
	struct record r;
	size_t len;
	int ret;

	fill(&r, w);
	len = offsetof(struct record, word) + r.words * sizeof r.word[0];
	if (reserve) {
		void *room = rseq_ring_reserve(&ring, len);
		ret = room ? 0 : -1;
		if (room)
			memcpy(room, &r, len);
		rseq_ring_commit(&ring, room);
	} else {
		ret = rseq_ring_write(&ring, &r, len);
	}
	__atomic_fetch_add(ret ? &refused : &written, 1, __ATOMIC_RELAXED);
}

static void see(void *arg, unsigned int cpu, const void *data, size_t len)
{
	const struct record *r = data;

	(void)arg;
	++seen;
	if (len < offsetof(struct record, word) || r->words > 15 ||
	    len != offsetof(struct record, word) +
	    r->words * sizeof r->word[0] || r->writer >= WRITERS) {
		++torn;
		return;
	}
	for (uint32_t i = 0; i < r->words; ++i)
		torn += r->word[i] != r->writer * 7919 + r->number + i;
	disordered += r->number <= last[cpu % CPUS][r->writer];
	last[cpu % CPUS][r->writer] = r->number;
}

static void handler(int sig)
{
	(void)sig;
	if (mine[1].id) {
		write_one(&mine[1]);
		__atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
	}
}

static void *work(void *arg)
{
	const uint32_t id = (uint32_t)(uintptr_t)arg;

	mine[0].id = id;
	mine[0].random = id;
	mine[1].random = id + 100;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	mine[1].id = id + THREADS;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		write_one(&mine[0]);
	mine[1].id = 0;
	return NULL;
}

static void *read_all(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		rseq_ring_read(&ring, see, NULL);
		rseq_ring_wait(&ring, 100);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "drop";
	const double seconds = argc > 2 ? atof(argv[2]) : 1;
	const int fd = argc > 3 ? open(argv[3], O_RDWR | O_CREAT, 0600) : -1;
	struct rseq_ring_stats stats;
	struct sigaction action;
	pthread_t thread[THREADS], reader;
	int ret;

	reserve = !strcmp(kind, "reserve");
	ret = rseq_ring_init(&ring, 1 << 14, strcmp(kind, "overwrite") ? 0 :
			     RSEQ_RING_OVERWRITE, fd);
	if (ret) {
		printf("error=%d\n", ret);
		return EXIT_FAILURE;
	}
	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	if (pthread_create(&reader, NULL, read_all, NULL))
		return EXIT_FAILURE;
	for (uintptr_t i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, work, (void *)i))
			return EXIT_FAILURE;
	for (int i = 0; i < (int)(seconds * 5000); ++i) {
		usleep(200);
		pthread_kill(thread[i % THREADS], SIGALRM);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; ++i)
		pthread_join(thread[i], NULL);
	pthread_join(reader, NULL);
	rseq_ring_read(&ring, see, NULL);
	rseq_ring_read_stats(&ring, &stats);
	printf("written=%ld\nrefused=%ld\nseen=%ld\nhandled=%ld\n", written,
	       refused, seen, handled);
	printf("stats.written=%lld\nstats.read=%lld\nstats.dropped=%lld\n"
	       "stats.overwritten=%lld\n", (long long)stats.written,
	       (long long)stats.read, (long long)stats.dropped,
	       (long long)stats.overwritten);
	printf("torn=%ld\ndisordered=%ld\nunaccounted=%lld\n", torn, disordered,
	       written - seen - (long long)stats.overwritten);
	rseq_ring_fini(&ring);
	return EXIT_SUCCESS;
}
