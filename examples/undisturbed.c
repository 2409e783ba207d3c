/* SPDX-License-Identifier: MIT */
/*
 * A benchmark that leaves out what it did not mean to measure: the samples in
 * which the thread was preempted, moved to another cpu or interrupted by a
 * signal.  What is timed makes no system call, so rseq_event() sees all of it.
 *
 *	cc -o undisturbed undisturbed.c -lrseq
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rseq/event.h>

enum { SAMPLES = 50000, WORDS = 4096 };

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* Some microseconds of work. */
static unsigned int measured(void)
{
	static unsigned int word[WORDS];
	unsigned int sum = 0;

	for (int i = 0; i < WORDS; ++i)
		sum += word[i] += sum + (unsigned int)i;
	return sum;
}

struct samples {
	long count, longest;
	double sum;
};

static void take(struct samples *s, long ns)
{
	++s->count;
	s->sum += (double)ns;
	if (ns > s->longest)
		s->longest = ns;
}

static void print(const char *name, const struct samples *s)
{
	printf("%s=%ld\n", name, s->count);
	if (s->count)
		printf("%s.mean=%.1f\n%s.longest=%ld\n", name,
		       s->sum / (double)s->count, name, s->longest);
}

int main(void)
{
	struct samples all = {0, 0, 0}, kept = {0, 0, 0};
	volatile unsigned int sink;

	for (int i = 0; i < SAMPLES; ++i) {
		const uint32_t event = rseq_event();
		const long begin = now();
		sink = measured();
		const long took = now() - begin;
		const int disturbed = rseq_event() != event;

		take(&all, took);
		if (!disturbed)
			take(&kept, took);
	}
	(void)sink;
	print("samples", &all);
	print("kept", &kept);
	if (!kept.count)
		fprintf(stderr, "undisturbed: this thread has no rseq\n");
	return EXIT_SUCCESS;
}
