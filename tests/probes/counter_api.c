/* SPDX-License-Identifier: MIT */
/* rseq_counter by itself: its errors, sums, and what it leaves alone. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <rseq/rseq.h>

static int is_zero(const struct rseq_counter *c)
{
	return !c->words && !c->count;
}

static void try_init(const char *name, size_t count)
{
	struct rseq_counter c;

	memset(&c, 0xff, sizeof c);
	errno = 0;
	printf("%s=%d\n", name, rseq_counter_init(&c, count));
	printf("%s.errno=%d\n%s.empty=%d\n", name, errno, name, is_zero(&c));
}

int main(void)
{
	struct rseq_counter c;

	try_init("zero", 0);
	try_init("most", SIZE_MAX);
	try_init("overflow", SIZE_MAX / sizeof(intptr_t));
	try_init("overflow_rows", SIZE_MAX / sizeof(intptr_t) / 2);
	try_init("huge", SIZE_MAX >> 14);
	try_init("one_too_many", RSEQ_PERCPU_STRIDE / 2 / sizeof(intptr_t) + 1);
	printf("most_that_fit=%d\n", rseq_counter_init(&c,
		RSEQ_PERCPU_STRIDE / 2 / sizeof(intptr_t)));
	rseq_counter_fini(&c);

	printf("init=%d\n", rseq_counter_init(&c, 3));
	printf("count=%zu\naligned=%d\n", c.count,
	       (uintptr_t)c.words % 64 == 0);
	printf("fresh=%td\n", rseq_counter_sum(&c, 0) |
	       rseq_counter_sum(&c, 1) | rseq_counter_sum(&c, 2));

	errno = 123;
	for (int i = 0; i < 1000; ++i) {
		rseq_counter_add(&c, 0, 1);
		rseq_counter_add(&c, 1, -i);
	}
	rseq_counter_add_slow_(&c, 0, 5);
	rseq_counter_add(&c, 2, INTPTR_MAX);
	rseq_counter_add(&c, 2, INTPTR_MAX);
	rseq_counter_add(&c, 2, 3);
	printf("errno=%d\n", errno);
	printf("sum0=%td\nsum1=%td\nsum2=%td\n", rseq_counter_sum(&c, 0),
	       rseq_counter_sum(&c, 1), rseq_counter_sum(&c, 2));
	rseq_counter_fini(&c);
	printf("fini=%d\n", is_zero(&c));
	rseq_counter_fini(&c);	/* again is harmless */
	/* What was never made, or could not be: nothing. */
	rseq_counter_add(&c, 0, 1);
	rseq_counter_add(&c, 1000, 1);
	rseq_counter_add_slow_(&c, 0, 1);
	printf("zeroed=%td\n", rseq_counter_sum(&c, 0));
	return 0;
}
