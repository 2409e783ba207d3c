/* SPDX-License-Identifier: MIT */
/*
 * malloc_points FILE: put a trap over each instruction of each section of
 * malloc() and free() in turn, as abort_points does.  While the thread is
 * stopped there, another one uses the same cpu's caches, and the thread may be
 * moved to another cpu.  FILE names the addresses of this program's
 * instructions.  The program has to be static, so that the sections are in it.
 */
#include "trap.h"
#include "migrate.h"

#include <time.h>

enum { BLOCKS = 200, MAX_SECTIONS = 16 };

static struct block {
	unsigned char *at;
	size_t size;
	unsigned char mark;
} blocks[BLOCKS];

static const struct descriptor *found[MAX_SECTIONS];
static int sections;
static long wrong, points, unreached, ends;
static volatile int stop, interfere, hits, strayed, disturbed_by;
static unsigned long all[1024];	/* the cpus at first */

/* ---- what the thread does ---- */

static unsigned int seed = 1;

static unsigned int number(unsigned int below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

static void check(const struct block *b)
{
	for (size_t i = 0; i < b->size; ++i)
		if (b->at[i] != b->mark) {
			++wrong;
			return;
		}
}

static void see_section(void)
{
	const struct descriptor *d = (const struct descriptor *)(uintptr_t)
		rseq_self()->rseq_cs;

	for (int i = 0; i < sections; ++i)
		if (found[i] == d)
			return;
	if (d && sections < MAX_SECTIONS)
		found[sections++] = d;
}

static void replace(struct block *b, size_t size)
{
	static unsigned char mark;

	if (b->at) {
		check(b);
		memset(b->at, 0, b->size);
		free(b->at);
		see_section();
	}
	b->at = NULL;
	if (!size)
		return;
	b->size = size;
	b->mark = ++mark;
	b->at = malloc(size);
	see_section();
	if (b->at)
		memset(b->at, b->mark, size);
	else
		++wrong;
}

/* Bursts, since caches have to be found empty and full; a size of its own. */
static void round_of_work(void)
{
	static const size_t sizes[] = { 24, 100, 180, 1000, 1500, 2200 };
	const size_t size = sizes[number(sizeof sizes / sizeof *sizes)];

	for (int i = 0; i < BLOCKS && !hits; ++i)
		replace(&blocks[i], size);
	for (int i = 0; i < BLOCKS && !hits; ++i)
		replace(&blocks[i], 0);
}

static void *other_thread(void *unused)
{
	unsigned char *p[8];

	pin(0, all, 0);
	while (!stop) {
		for (int i = 0; i < 8; ++i) {
			p[i] = malloc(i & 1 ? 100 : 1000);
			memset(p[i], 0xee, i & 1 ? 100 : 1000);
		}
		for (int i = 0; i < 8; ++i)
			free(p[i]);
		++disturbed_by;
		usleep(100);
	}
	return unused;
}

/* ---- the trap ---- */

static void stopped(int signal, siginfo_t *info, void *context)
{
	const struct timespec pause = { 0, 300 * 1000 };
	ucontext_t *frame = context;
	const uintptr_t at = (uintptr_t)trapped_at;

	(void)signal, (void)info;
	write_code(was);
	++hits;
	if ((uintptr_t)PC(frame) - at <= TRAP_SIZE)
		PC(frame) = at;
	if (at < trapped_in->start + trapped_in->length)
		strayed += (uint64_t)PC(frame) != trapped_in->abort;
	else
		strayed += (uint64_t)PC(frame) != at;
	if (interfere) {
		nanosleep(&pause, NULL);
		pin(0, all, (unsigned int)hits + number(2));
	}
}

static int try_point(const struct descriptor *d, uintptr_t at)
{
	const long before = wrong;

	pin(0, all, 0);
	hits = strayed = 0;
	set_trap(d, at);
	for (int tries = 0; tries < 400 && !hits; ++tries)
		round_of_work();
	if (!hits) {
		write_code(was);
		printf("unreached: +%#lx of %#lx\n",
		       (unsigned long)(at - d->start), (unsigned long)d->start);
		++unreached;
		return 0;
	}
	hits = 0;
	round_of_work();
	for (int i = 0; i < BLOCKS; ++i)
		replace(&blocks[i], 0);
	wrong += strayed;
	if (wrong != before)
		printf("wrong: +%#lx of %#lx\n", (unsigned long)(at - d->start),
		       (unsigned long)d->start);
	return 1;
}

int main(int argc, char **argv)
{
	struct sigaction action;
	pthread_t t;
	int status;

	allowed_cpus(all);
	status = set_up_traps(argc > 1 ? argv[1] : NULL);
	if (status)
		return status;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = stopped;
	action.sa_flags = SA_SIGINFO;
	sigaction(TRAP_SIGNAL, &action, NULL);
	pthread_create(&t, NULL, other_thread, NULL);
	for (int i = 0; i < 2000; ++i)
		round_of_work();
	interfere = 1;
	for (int i = 0; i < sections; ++i) {
		const struct descriptor *d = found[i];

		for (uintptr_t at = d->start; at < d->start + d->length;
		     at = next_instruction(at))
			points += try_point(d, at);
		ends += try_point(d, d->start + d->length);
	}
	stop = 1;
	pthread_join(t, NULL);
	printf("sections=%d\npoints=%ld\nends=%ld\nunreached=%ld\nwrong=%ld\n"
	       "disturbed=%d\n", sections, points, ends, unreached, wrong,
	       disturbed_by);
	return 0;
}
