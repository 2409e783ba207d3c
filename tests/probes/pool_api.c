/* SPDX-License-Identifier: MIT */
/* Each function of the pool by itself, and what bad use of it gets. */
#include "checks.h"
#include "children.h"
#include "cpus.h"
#include "deaths.h"
#include "filter.h"
#include "in_mmap.h"
#include "many_cpus.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rseq/pool.h>

enum { SLAB = RSEQ_SLAB_SIZE, MANY = 2000 };

static struct rseq_pool pool;
static void *many[MANY];

static struct rseq_pool_stats stats(void)
{
	struct rseq_pool_stats s;

	rseq_pool_read(&pool, &s);
	return s;
}

static void expect_no_pool(void)
{
	EXPECT(!rseq_pool_alloc(&pool));
	rseq_pool_free(&pool, NULL);
	EXPECT(rseq_pool_trim(&pool) == -EINVAL);
	EXPECT(!rseq_pool_owns(&pool, &pool) && !rseq_pool_owns(&pool, NULL));
	EXPECT(stats().slabs == 0 && stats().objects == 0);
	rseq_pool_fini(&pool);
}

static void refused(void)
{
	static const struct { size_t size, align, limit; } bad[] = {
		{ 0, 0, 0 }, { 8193, 0, 0 }, { SIZE_MAX, 0, 0 },
		{ SIZE_MAX - 14, 16, 0 }, { 8, 3, 0 }, { 8, 128, 0 },
		{ 8, SIZE_MAX, 0 }, { 8, 0, 1 }, { 8, 0, SLAB - 1 },
	};

	expect_no_pool();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
		EXPECT(rseq_pool_init(&pool, bad[i].size, bad[i].align,
				      bad[i].limit) == -EINVAL);
		expect_no_pool();
	}
}

static void used(void)
{
	char *a, *b;
	long n = 0;

	EXPECT(rseq_pool_init(&pool, 8192, 64, SIZE_MAX) == 0);
	EXPECT(rseq_pool_alloc(&pool));
	rseq_pool_fini(&pool);		/* while an object is out */
	expect_no_pool();

	EXPECT(rseq_pool_init(&pool, 100, 64, 2 * SLAB + SLAB / 2) == 0);
	EXPECT(rseq_pool_trim(&pool) == 0);
	a = (char *)rseq_pool_alloc(&pool);
	b = (char *)rseq_pool_alloc(&pool);
	EXPECT(a && b && (a - b >= 100 || b - a >= 100));
	EXPECT(((uintptr_t)a | (uintptr_t)b) % 64 == 0);
	EXPECT(rseq_pool_owns(&pool, a) == 1 && rseq_pool_owns(&pool, b) == 1);
	EXPECT(!rseq_pool_owns(&pool, a + 8) && !rseq_pool_owns(&pool, a - 1));
	EXPECT(!rseq_pool_owns(&pool, &pool) && !rseq_pool_owns(&pool, NULL));
	/* The beginning of its slab, and behind the last object. */
	EXPECT(!rseq_pool_owns(&pool, a - (uintptr_t)a % SLAB));
	EXPECT(!rseq_pool_owns(&pool, a - (uintptr_t)a % SLAB + SLAB - 64));
	rseq_pool_free(&pool, NULL);
	rseq_pool_free(&pool, a);
	EXPECT(rseq_pool_owns(&pool, a) == 1);
	EXPECT(rseq_pool_trim(&pool) == 0);	/* b is there */
	rseq_pool_free(&pool, b);
	EXPECT(rseq_pool_trim(&pool) == 1 && !rseq_pool_owns(&pool, b));
	/* Two slabs of 65536 bytes, 64 of them a header, of 128 each. */
	while (n < MANY && (many[n] = rseq_pool_alloc(&pool)))
		++n;
	EXPECT(n == 2 * ((SLAB - 64) / 128) && stats().slabs == 2);
	EXPECT(!rseq_pool_alloc(&pool) && stats().slabs == 2);
	while (n > 0)
		rseq_pool_free(&pool, many[--n]);
	EXPECT(rseq_pool_trim(&pool) == 2 && stats().bytes == 0);
	rseq_pool_fini(&pool);
}

static int by_address(const void *a, const void *b)
{
	const char *const x = *(char *const *)a, *const y = *(char *const *)b;

	return (x > y) - (x < y);
}

/* So many are there, each once, and theirs is the memory. */
static void expect_all_once(long n)
{
	long got = 0;

	while (got < MANY && (many[got] = rseq_pool_alloc(&pool)))
		memset(many[got++], 0xff, pool.size);
	EXPECT(got == n);
	qsort(many, (size_t)got, sizeof *many, by_address);
	for (long i = 0; i < got; ++i)
		EXPECT(rseq_pool_owns(&pool, many[i]) == 1 &&
		       (i == 0 || many[i] != many[i - 1]));
	while (got > 0)
		rseq_pool_free(&pool, many[--got]);
}

/* As the page says: it is handed out as often, and is found with RSEQ_DEBUG. */
static void freed_twice(void)
{
	static char foreign[256] __attribute__((__aligned__(64)));
	const long in_slab = (SLAB - 64 - 128) / 64;
	char *o, *first, *second, *third;
	void *wrong_ones[] = {
		foreign, foreign + 1, &pool, (void *)8, (void *)-64, NULL,
		NULL, NULL, NULL,
	};

	EXPECT(rseq_pool_init(&pool, 64, 64, SLAB) == 0);
	o = (char *)rseq_pool_alloc(&pool);
	rseq_pool_free(&pool, o);
	rseq_pool_free(&pool, o);
	first = (char *)rseq_pool_alloc(&pool);
	second = (char *)rseq_pool_alloc(&pool);
	third = (char *)rseq_pool_alloc(&pool);
	EXPECT(first == o && second == o && third != o);
	rseq_pool_free(&pool, foreign);
	EXPECT(!rseq_pool_owns(&pool, foreign));
	EXPECT(rseq_pool_alloc(&pool) == foreign);

	/* On the shared list they are once, or not at all. */
	wrong_ones[5] = o + 32;
	wrong_ones[6] = o - (uintptr_t)o % SLAB;
	wrong_ones[7] = o - (uintptr_t)o % SLAB + SLAB - 64;
	wrong_ones[8] = o + 16 * SLAB;
	for (size_t i = 0; i < sizeof wrong_ones / sizeof *wrong_ones; ++i)
		rseq_pool_free(&pool, wrong_ones[i]);
	rseq_pool_free(&pool, o);
	rseq_pool_free(&pool, o);
	EXPECT(rseq_pool_trim(&pool) == 0);	/* third is there */
	EXPECT(stats().shared == (uint64_t)in_slab - 1);
	rseq_pool_free(&pool, third);
	EXPECT(rseq_pool_trim(&pool) == 1 && stats().slabs == 0);
	expect_all_once(in_slab);

	/* Free, in use and written to, and then free again. */
	o = (char *)rseq_pool_alloc(&pool);
	third = (char *)rseq_pool_alloc(&pool);
	for (int i = 0; i < 3; ++i)
		rseq_pool_free(&pool, o);
	first = (char *)rseq_pool_alloc(&pool);
	EXPECT(first == o);
	memset(first, 0xff, 64);
	EXPECT(rseq_pool_trim(&pool) == 0);
	rseq_pool_free(&pool, first);
	rseq_pool_free(&pool, third);
	EXPECT(rseq_pool_trim(&pool) == 1);
	expect_all_once(in_slab);
	rseq_pool_fini(&pool);
}

/* ---- in the middle of it: the pool's lock is held ---- */

static void *known, *freed;
static int interrupted;

static void in_handler(int sig)
{
	(void)sig;
	++interrupted;
	EXPECT(rseq_pool_owns(&pool, known) == 1);
	EXPECT(rseq_pool_owns(&pool, (char *)known + 1) == 0);
	EXPECT(rseq_pool_owns(&pool, &pool) == 0);
	EXPECT(!rseq_pool_alloc(&pool));
	EXPECT(rseq_pool_trim(&pool) == -EDEADLK);
	/* Free is what it is, however often, and for the next one to find. */
	for (int i = 0; freed && i < 3; ++i)
		rseq_pool_free(&pool, freed);
	EXPECT(rseq_cache_drain(&pool.cache) == 0);
	EXPECT(!rseq_pool_alloc(&pool));
}

static void interrupt(void)
{
	raise(SIGUSR1);
}

static void handlers(void)
{
	void *spare;
	int n = 0;

	signal(SIGUSR1, in_handler);
	EXPECT(rseq_pool_init(&pool, 8192, 64, 0) == 0);
	known = rseq_pool_alloc(&pool);
	spare = rseq_pool_alloc(&pool);
	/* One slab is used up; the next one is mapped. */
	in_next_call = interrupt;
	while (n < 20 && !interrupted)
		many[n++] = rseq_pool_alloc(&pool);
	EXPECT(interrupted == 1 && many[n - 1] && n < 20);
	freed = spare;
	while (n > 0)
		rseq_pool_free(&pool, many[--n]);
	/* One slab is unmapped; the other one has an object in use. */
	in_next_call = interrupt;
	EXPECT(rseq_pool_trim(&pool) == 1 && interrupted == 2);
	freed = NULL;
	rseq_pool_free(&pool, known);
	EXPECT(rseq_pool_trim(&pool) == 1);
	rseq_pool_fini(&pool);
}

static void *die_in_alloc(void *unused)
{
	in_next_call = die;
	return rseq_pool_alloc(&pool) ? unused : NULL;
}

static void *die_in_trim(void *unused)
{
	in_next_call = die;
	return rseq_pool_trim(&pool) ? unused : NULL;
}

static void deaths(void)
{
	int n = 0;

	EXPECT(rseq_pool_init(&pool, 8192, 64, 4 * SLAB) == 0);
	let_die(die_in_alloc, NULL);
	while (n < MANY && (many[n] = rseq_pool_alloc(&pool)))
		++n;
	EXPECT(n == 4 * 7);	/* of which none is lost */
	while (n > 0)
		rseq_pool_free(&pool, many[--n]);
	let_die(die_in_trim, NULL);
	/* What it would have unmapped is no part of the pool any more. */
	EXPECT(stats().slabs == 0);
	while (n < MANY && (many[n] = rseq_pool_alloc(&pool)))
		++n;
	EXPECT(n == 4 * 7);
	for (int i = 0; i < n; ++i)
		memset(many[i], i, 8192);
	while (n > 0)
		rseq_pool_free(&pool, many[--n]);
	EXPECT(rseq_pool_trim(&pool) == 4);
	rseq_pool_fini(&pool);
}

/* ---- children ---- */

static void go_on(void)
{
	void *o = rseq_pool_alloc(&pool);

	EXPECT(o && o != known && rseq_pool_owns(&pool, known) == 1);
	EXPECT(*(char *)known == 7);
	rseq_pool_free(&pool, o);
	rseq_pool_free(&pool, known);
	EXPECT(rseq_pool_trim(&pool) == 1 && stats().slabs == 0);
	EXPECT(rseq_pool_alloc(&pool));
}

static void forks(void)
{
	EXPECT(rseq_pool_init(&pool, 64, 0, 0) == 0);
	known = rseq_pool_alloc(&pool);
	*(char *)known = 7;
	in_child(go_on);
	EXPECT(rseq_pool_owns(&pool, known) == 1 && *(char *)known == 7);
	EXPECT(rseq_pool_trim(&pool) == 0 && stats().slabs == 1);
	rseq_pool_free(&pool, known);
	EXPECT(rseq_pool_trim(&pool) == 1);
	rseq_pool_fini(&pool);
}

/* Nothing where there is no memory, and all again where there is. */
static void short_of_memory(void)
{
	struct rlimit all, none = {1 << 20, 1 << 20};
	struct rseq_pool_stats before;

	getrlimit(RLIMIT_AS, &all);
	none.rlim_max = all.rlim_max;
	EXPECT(rseq_pool_init(&pool, 4096, 0, 0) == 0);
	setrlimit(RLIMIT_AS, &none);
	errno = 123;
	EXPECT(!rseq_pool_alloc(&pool) && errno == 123);
	EXPECT(stats().slabs == 0 && rseq_pool_trim(&pool) == 0);
	setrlimit(RLIMIT_AS, &all);
	known = rseq_pool_alloc(&pool);
	EXPECT(known);
	while (stats().cached + stats().shared)
		EXPECT(rseq_pool_alloc(&pool));
	before = stats();
	EXPECT(refuse_mmap(ENOMEM) == 0);
	EXPECT(!rseq_pool_alloc(&pool) && errno == 123);
	EXPECT(stats().objects == before.objects);
	rseq_pool_free(&pool, known);
	EXPECT(rseq_pool_alloc(&pool) == known);
	rseq_pool_fini(&pool);
}

int main(void)
{
	unsigned int here;

	count_cpus(&here);
	run_on(0, here);
	errno = 123;
	refused();
	used();
	freed_twice();
	EXPECT(errno == 123);
	handlers();
	deaths();
	forks();
	in_child(short_of_memory);
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}
