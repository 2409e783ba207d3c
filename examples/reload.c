/* SPDX-License-Identifier: MIT */
/*
 * A table of words, read from a file, that threads look up in while it is read
 * again and again.  Whoever looks up takes no lock and writes nothing that
 * others write; the table that was replaced is freed when no one reads it, and
 * when no one who has kept it uses it any more.
 *
 *	cc -o reload reload.c -lrseq -lpthread
 *	./reload FILE
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rseq/counter.h>
#include <rseq/readers.h>
#include <rseq/refcount.h>

enum { THREADS = 4, RELOADS = 50, WORDS = 4096, LENGTH = 128 };

struct table {
	struct rseq_refcount refs;	/* the program's, and who keeps it */
	size_t n;
	char words[WORDS][LENGTH];
};

static struct rseq_readers readers;
static struct rseq_counter looked_up;
static struct table *current;
static int stop, freed;

static struct table *load(const char *file)
{
	struct table *const t = calloc(1, sizeof *t);
	FILE *const f = fopen(file, "r");

	if (!t || !f || rseq_refcount_init(&t->refs))
		exit(EXIT_FAILURE);
	while (t->n < WORDS && fscanf(f, "%127s", t->words[t->n]) == 1)
		++t->n;
	fclose(f);
	return t;
}

static void discard(struct table *t)
{
	__atomic_fetch_add(&freed, 1, __ATOMIC_RELAXED);
	free(t);
}

/* What is found while reading may be kept: there is a reference to it. */
static struct table *keep(void)
{
	const struct rseq_reading in = rseq_readers_enter(&readers);
	struct table *const t = __atomic_load_n(&current, __ATOMIC_ACQUIRE);

	rseq_refcount_get(&t->refs);
	rseq_readers_leave(&readers, in);
	return t;
}

static void *work(void *arg)
{
	do {
		struct table *const t = keep();

		for (size_t i = 0; i < t->n; ++i)
			rseq_counter_add(&looked_up, 0, !!*t->words[i]);
		if (rseq_refcount_put(&t->refs))
			discard(t);
	} while (!__atomic_load_n(&stop, __ATOMIC_RELAXED));
	return arg;
}

static void replace(struct table *new_one)
{
	struct table *const old = __atomic_exchange_n(&current, new_one,
						      __ATOMIC_ACQ_REL);

	if (!old)
		return;
	if (rseq_readers_wait(&readers, -1))	/* for who is in keep() */
		exit(EXIT_FAILURE);
	if (rseq_refcount_kill(&old->refs) == 1)
		discard(old);
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	if (argc < 2 || rseq_readers_init(&readers) ||
	    rseq_counter_init(&looked_up, 1))
		return EXIT_FAILURE;
	replace(load(argv[1]));
	for (int i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, work, NULL))
			return EXIT_FAILURE;
	for (int i = 0; i < RELOADS; ++i)
		replace(load(argv[1]));
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; ++i)
		pthread_join(thread[i], NULL);
	printf("words=%zu\nlooked_up=%td\nreplaced=%d\nfreed=%d\n", current->n,
	       rseq_counter_sum(&looked_up, 0), RELOADS, freed);
	replace(NULL);
	rseq_readers_fini(&readers);
	rseq_counter_fini(&looked_up);
}
