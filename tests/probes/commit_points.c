/* SPDX-License-Identifier: MIT */
/*
 * commit_points [FILE]: abort_points, for the commits of transactions.  One of
 * a guard tries again by itself, unless it was restarted behind its store to
 * the guard: then that is an event, and the transaction runs again.
 */
#include "trap.h"
#include "every_commit.h"

#define NOINLINE	static __attribute__((__noinline__))

enum { CPUS = 40 };

static struct rseq_guard guard[CPUS];
static const struct rseq_guards guards = { guard, sizeof *guard, CPUS };

/* ---- transactions that do nothing but commit ---- */

#define TRANSACTION(F, T, way)						\
NOINLINE int call_##F(char *at)						\
{									\
	struct rseq_transaction t = RSEQ_TRANSACTION(&guards);		\
									\
	rseq_begin(&t);							\
	return CALL_##way(F, T, &t, at, WIDE, NARROW);			\
}									\
static void model_##F(char *at)						\
{									\
	MODEL_##way(T, at, WIDE, NARROW);				\
}
EVERY_COMMIT(TRANSACTION)

NOINLINE int call_rseq_finish(char *at)
{
	const uint32_t event = rseq_start();

	return rseq_finish(event, (intptr_t *)(void *)at, (intptr_t)WIDE);
}

static void model_rseq_finish(char *at)
{
	MODEL_one(intptr_t, at, WIDE, NARROW);
}

static const struct commit {
	const char *name;
	size_t width;
	int (*call)(char *);
	void (*model)(char *);
} commits[] = {
#define ROW(F, T, way)	{ #F, sizeof(T), call_##F, model_##F },
	EVERY_COMMIT(ROW)
	ROW(rseq_finish, intptr_t, one)
};

static char cell[CELL] __attribute__((__aligned__(16)));
static char before[CELL], expected[CELL];

/* ---- one point ---- */

static long sections, points, ends, unreached, wrong, spurious;

/* Run up to the trap, if it is on the way; anything else may disturb, too. */
static int run_into_trap(const struct commit *c, const struct descriptor *d,
			 uintptr_t at)
{
	int first;

	memset(cell, 0x11, CELL);
	memcpy(before, cell, CELL);
	memcpy(expected, cell, CELL);
	c->model(expected);
	result_at = (uintptr_t)cell;
	result_width = c->width < sizeof result_was ? c->width :
		sizeof result_was;
	memcpy(&result_was, cell, result_width);
	set_trap(d, at);
	do
		first = c->call(cell);
	while (first == RSEQ_RESTARTED && !traps);
	if (!traps)
		write_code(was);
	return first;
}

static int untouched(const struct commit *c)
{
	return !memcmp(cell, before, c->width);
}

static void try_point(const struct commit *c, const struct descriptor *d,
		      uintptr_t at)
{
	const int first = run_into_trap(c, d, at);
	const int stored = !memcmp(cell, expected, CELL);
	const int left = untouched(c);
	int second;

	++points;
	if (!traps) {
		printf("unreached: %s at +%#lx\n", c->name,
		       (unsigned long)(at - d->start));
		++unreached;
		return;
	}
	spurious += first == RSEQ_RESTARTED;
	do
		second = c->call(cell);
	while (second == RSEQ_RESTARTED);
	if (traps == 1 && !elsewhere && !done &&
	    (first == RSEQ_COMMITTED ? stored :
	     first == RSEQ_RESTARTED && left) &&
	    second == RSEQ_COMMITTED && !memcmp(cell, expected, CELL))
		return;
	printf("wrong: %s at +%#lx: traps %d, elsewhere %d, done %d, first %d, "
	       "stored %d, left %d, second %d\n", c->name,
	       (unsigned long)(at - d->start), traps, elsewhere, done, first,
	       stored, left, second);
	++wrong;
}

/* Right behind the range nothing restarts it, and all of it has been done. */
static void try_end(const struct commit *c, const struct descriptor *d)
{
	const int first = run_into_trap(c, d, d->start + d->length);

	if (traps == 1 && done && first == RSEQ_COMMITTED &&
	    !memcmp(cell, expected, CELL)) {
		++ends;
		return;
	}
	printf("wrong: %s at its end: traps %d, done %d, first %d\n", c->name,
	       traps, done, first);
	++wrong;
}

static void try_section(const struct commit *c)
{
	const struct descriptor *d = NULL;

	for (int tries = 0; tries < 1000 && !d; ++tries)
		if (c->call(cell) == RSEQ_COMMITTED)
			d = published();
	if (!d) {
		printf("wrong: %s has no section\n", c->name);
		++wrong;
		return;
	}
	++sections;
	for (uintptr_t at = d->start; at < d->start + d->length;
	     at = next_instruction(at))
		try_point(c, d, at);
	try_end(c, d);
}

int main(int argc, char **argv)
{
	const int status = set_up_traps(argc > 1 ? argv[1] : NULL);
	int odd = 0;

	if (status)
		return status;
	if (rseq_current_cpu() >= CPUS)
		return 77;
	for (size_t i = 0; i < sizeof commits / sizeof *commits; ++i)
		try_section(&commits[i]);
	for (int i = 0; i < CPUS; ++i)
		odd += (int)(guard[i].word & 1);
	printf("operations=%zu\nsections=%ld\npoints=%ld\nends=%ld\n"
	       "unreached=%ld\nwrong=%ld\nspurious=%ld\nodd=%d\n",
	       sizeof commits / sizeof *commits, sections, points, ends,
	       unreached, wrong, spurious, odd);
	return 0;
}
