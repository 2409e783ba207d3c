/* SPDX-License-Identifier: MIT */
/*
 * Counters, the set of them and the histogram: what bad use of them gets, and
 * that an add which had no memory is told or made up for.
 */
#include "checks.h"
#include "children.h"
#include "deaths.h"
#include "filter.h"
#include "in_mmap.h"
#include "many_cpus.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <rseq/counter.h>
#include <rseq/counters.h>
#include <rseq/histogram.h>

enum { MAX = RSEQ_COUNTERS_MAX };

static struct rseq_counter counter;
static struct rseq_counters set;
static struct rseq_histogram histogram;
static uint64_t counts[RSEQ_HISTOGRAM_BUCKETS];

static uint64_t values(void)
{
	memset(counts, 0, sizeof counts);
	return rseq_histogram_read(&histogram, counts);
}

/* All zeros, or given up. */
static void expect_nothing(void)
{
	intptr_t sums[4] = {1, 1, 1, 1};

	rseq_counter_add(&counter, 0, 5);
	rseq_counter_add(&counter, SIZE_MAX, 5);
	EXPECT(rseq_counter_sum(&counter, 0) == 0);
	EXPECT(rseq_counter_sum(&counter, SIZE_MAX) == 0);
	EXPECT(rseq_counters_sum(&set, 0) == 0);
	EXPECT(rseq_counters_sum(&set, SIZE_MAX) == 0);
	EXPECT(rseq_counters_take(&set, MAX) == 0);
	EXPECT(rseq_counters_take(&set, SIZE_MAX) == 0);
	EXPECT(rseq_counters_read(&set, sums, 4) == 0 && sums[0] == 1);
	EXPECT(rseq_counters_read(&set, NULL, 0) == 0);
	EXPECT(!rseq_counters_name(&set, 0));
	EXPECT(!rseq_counters_name(&set, SIZE_MAX));
	EXPECT(values() == 0 && rseq_histogram_quantile(counts, 0.5) == 0);
	rseq_counter_fini(&counter);
	rseq_counters_fini(&set);
	rseq_histogram_fini(&histogram);
}

static void refused(void)
{
	static const size_t bad[] = { RSEQ_PERCPU_STRIDE / 2 / sizeof(intptr_t)
		+ 1, SIZE_MAX >> 14, SIZE_MAX / 2, SIZE_MAX };

	expect_nothing();
	EXPECT(rseq_counter_init(&counter, 0) == -EINVAL);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
		EXPECT(rseq_counter_init(&counter, bad[i]) == -ENOMEM);
	expect_nothing();
	/* Beyond the set: told, and that alone. */
	rseq_counters_add(&set, MAX, 1);
	rseq_counters_add(&set, SIZE_MAX, 1);
	EXPECT(set.lost == 2 && rseq_counters_sum(&set, MAX) == 0);
	rseq_counters_fini(&set);
}

static void used(void)
{
	char name[] = "name";

	/* What was never made can be added to; the name is copied. */
	rseq_counters_add(&set, MAX - 1, 3);
	EXPECT(rseq_counters_sum(&set, MAX - 1) == 3);
	EXPECT(rseq_counters_make(&set, name) == 0);
	memset(name, 'x', 4);
	EXPECT(!strcmp(rseq_counters_name(&set, 0), "name"));
	EXPECT(rseq_counters_make(&set, "") == 1);
	EXPECT(!strcmp(rseq_counters_name(&set, 1), ""));
	EXPECT(rseq_counters_make(&set, NULL) == 2);
	EXPECT(!rseq_counters_name(&set, 2));
	/* Around the end of what a word holds. */
	rseq_counters_add(&set, 0, INTPTR_MAX);
	EXPECT(rseq_counters_take(&set, 0) == INTPTR_MAX);
	rseq_counters_add(&set, 0, INTPTR_MAX);
	EXPECT(rseq_counters_take(&set, 0) == INTPTR_MAX);
	EXPECT(rseq_counters_take(&set, 0) == 0);
	rseq_counters_fini(&set);
	expect_nothing();
	rseq_counters_add(&set, 7, 1);		/* and it is a set again */
	EXPECT(rseq_counters_sum(&set, 7) == 1 && set.lost == 0);
	rseq_counters_fini(&set);

	rseq_histogram_add(&histogram, 0);
	rseq_histogram_add(&histogram, UINT64_MAX);
	EXPECT(values() == 2);
	/* What is no part of 1 is taken for the nearest one. */
	EXPECT(rseq_histogram_quantile(counts, -1) == 0);
	EXPECT(rseq_histogram_quantile(counts, 0) == 0);
	EXPECT(rseq_histogram_quantile(counts, 2) ==
	       rseq_histogram_value(RSEQ_HISTOGRAM_BUCKETS - 1));
	rseq_histogram_fini(&histogram);
	expect_nothing();
}

/* ---- a thread that dies as it makes room, with librseq's lock held ---- */

static void *die_in_set(void *unused)
{
	in_next_call = die;
	rseq_counters_add(&set, 5, 1);
	return unused;
}

static void *die_in_histogram(void *unused)
{
	in_next_call = die;
	rseq_histogram_add(&histogram, 5);
	return unused;
}

static void *die_in_init(void *unused)
{
	in_next_call = die;
	return rseq_counter_init(&counter, 512) ? unused : NULL;
}

static int mapped;

static void note(void)
{
	++mapped;
}

/* Until each chunk is full: eight such objects make one. */
static void use_up(void)
{
	struct rseq_counter c;

	in_next_call = note;
	for (mapped = 0; !mapped;)
		EXPECT(rseq_counter_init(&c, 512) == 0);
	for (int i = 1; i < 8; ++i)
		EXPECT(rseq_counter_init(&c, 512) == 0);
}

static void deaths(void)
{
	use_up();
	let_die(die_in_set, NULL);
	rseq_counters_add(&set, 5, 1);
	EXPECT(rseq_counters_sum(&set, 5) == 1 && set.lost == 0);
	rseq_counters_fini(&set);
	use_up();
	let_die(die_in_histogram, NULL);
	rseq_histogram_add(&histogram, 5);
	EXPECT(values() == 1);
	rseq_histogram_fini(&histogram);
	use_up();
	let_die(die_in_init, NULL);
	EXPECT(rseq_counter_init(&counter, 512) == 0);
	rseq_counter_add(&counter, 0, 2);
	EXPECT(rseq_counter_sum(&counter, 0) == 2);
	rseq_counter_fini(&counter);
}

/* ---- children ---- */

static void add_one(void)
{
	rseq_counters_add(&set, 1, 1);
	rseq_histogram_add(&histogram, 9);
	EXPECT(rseq_counters_sum(&set, 1) == 3 && values() == 2);
	EXPECT(rseq_counters_take(&set, 1) == 1);
	EXPECT(!strcmp(rseq_counters_name(&set, 0), "parent's"));
}

static void forks(void)
{
	EXPECT(rseq_counters_make(&set, "parent's") == 0);
	rseq_counters_add(&set, 1, 2);
	EXPECT(rseq_counters_take(&set, 1) == 2);
	rseq_histogram_add(&histogram, 9);
	in_child(add_one);
	EXPECT(rseq_counters_sum(&set, 1) == 2 && values() == 1);
	EXPECT(rseq_counters_take(&set, 1) == 0);
	rseq_counters_fini(&set);
	rseq_histogram_fini(&histogram);
}

static void without_memory(void)
{
	errno = 123;
	EXPECT(rseq_counter_init(&counter, 4096) == -ENOMEM);
	rseq_counters_add(&set, 3, 1);
	rseq_counters_add(&set, 4, 1);
	EXPECT(set.lost == 2 && rseq_counters_sum(&set, 3) == 0);
	EXPECT(rseq_counters_make(&set, NULL) == -ENOMEM);
	EXPECT(rseq_counters_take(&set, 3) == 0);
	rseq_histogram_add(&histogram, 1);
	EXPECT(values() == 0 && errno == 123);
}

/* Nothing where there is no memory, and all again where there is. */
static void short_of_memory(void)
{
	struct rlimit all, none;
	struct rseq_counter c;

	getrlimit(RLIMIT_AS, &all);
	none = (struct rlimit){1 << 20, all.rlim_max};
	while (setrlimit(RLIMIT_AS, &none) == 0 &&
	       rseq_counter_init(&c, 8) == 0)	/* of the chunks there are */
		;
	without_memory();
	setrlimit(RLIMIT_AS, &all);
	expect_nothing();
	rseq_counters_add(&set, 3, 1);
	EXPECT(rseq_counters_sum(&set, 3) == 1);
	rseq_counters_fini(&set);
	while (setrlimit(RLIMIT_AS, &none) == 0 &&
	       rseq_counter_init(&c, 8) == 0)
		;
	setrlimit(RLIMIT_AS, &all);
	EXPECT(refuse_mmap(ENOMEM) == 0);
	without_memory();
}

int main(void)
{
	errno = 123;
	refused();
	used();
	EXPECT(errno == 123);
	deaths();
	forks();
	in_child(short_of_memory);
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}
