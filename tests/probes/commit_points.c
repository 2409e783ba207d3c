/* SPDX-License-Identifier: MIT */
/*
 * commit_points [FILE]: abort_points, for the commits of transactions.  One of
 * a guard tries again by itself, unless it was restarted behind its store to
 * the guard: then that is an event, and the transaction runs again.
 */
#include "trap.h"
#include "every_commit.h"

#include <rseq/event.h>

#define NOINLINE	static __attribute__((__noinline__))

static struct rseq_guard *guard;	/* per-cpu */

/* ---- transactions that do nothing but commit ---- */

/* These ask for a lock first, and are begun again. */
#define IS_WIDE(T2, T)							\
	(sizeof(T) > sizeof(uintptr_t) || sizeof(T2) > sizeof(uintptr_t))

#define TRANSACTION(row, F, way, T2, T)					\
NOINLINE int call_##row(char *at)					\
{									\
	struct rseq_transaction t = RSEQ_TRANSACTION(guard);		\
									\
	if (rseq_begin(&t) < 0)						\
		return RSEQ_UNAVAILABLE;				\
	if (IS_WIDE(T2, T) &&						\
	    (CALL_##way(T2, T, &t, at, WIDE, NARROW) !=			\
	     RSEQ_RESTARTED || rseq_begin(&t) < 0))			\
		return RSEQ_UNAVAILABLE;				\
	return CALL_##way(T2, T, &t, at, WIDE, NARROW);			\
}									\
static void model_##row(char *at)					\
{									\
	MODEL_##way(T2, T, at, WIDE, NARROW);				\
}
EVERY_SHORT_COMMIT(TRANSACTION)

NOINLINE int call_undisturbed(char *at)
{
	const uint32_t event = rseq_event();

	return rseq_store_undisturbed(event, CELL_WORD(intptr_t, at, 0),
				      (intptr_t)WIDE);
}

static void model_undisturbed(char *at)
{
	MODEL_one(intptr_t, intptr_t, at, WIDE, NARROW);
}

enum { BLOCK_one, BLOCK_then = 0, BLOCK_short };

static const struct commit {
	const char *name;
	int block;
	size_t width;
	int wide;	/* wider than a pointer */
	int (*call)(char *);
	void (*model)(char *);
} commits[] = {
#define ROW(row, F, way, T2, T)	\
	{ #row, BLOCK_##way, sizeof(T), IS_WIDE(T2, T),			\
	  call_##row, model_##row },
	EVERY_SHORT_COMMIT(ROW)
	ROW(undisturbed, , one, intptr_t, intptr_t)
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
	int first = run_into_trap(c, d, at), second;

	if (!traps && c->block) {
		at_odds = 1;
		first = run_into_trap(c, d, at);
	}

	const int stored = !memcmp(cell, expected, CELL);
	const int left = untouched(c);

	++points;
	if (!traps) {
		printf("unreached: %s at +%#lx, first %d, stored %d\n", c->name,
		       (unsigned long)(at - d->start), first, stored);
		++unreached;
		at_odds = 0;
		return;
	}
	/* A block is copied behind that store: most points are there. */
	spurious += first == RSEQ_RESTARTED && !c->block;
	do
		second = c->call(cell);
	while (second == RSEQ_RESTARTED);
	at_odds = 0;
	if (traps == 1 && !elsewhere && !cut && !done &&
	    (first == RSEQ_COMMITTED ? stored :
	     first == RSEQ_RESTARTED && left) &&
	    second == RSEQ_COMMITTED && !memcmp(cell, expected, CELL))
		return;
	printf("wrong: %s at +%#lx: traps %d, elsewhere %d, cut %d, "
	       "done %d, first %d, stored %d, left %d, second %d\n", c->name,
	       (unsigned long)(at - d->start), traps, elsewhere, cut, done,
	       first, stored, left, second);
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

static int locks_and_stores(const struct commit *c)
{
	memset(cell, 0x11, CELL);
	memcpy(expected, cell, CELL);
	c->model(expected);
	return c->call(cell) == RSEQ_COMMITTED &&
		!memcmp(cell, expected, CELL);
}

int main(int argc, char **argv)
{
	const int status = set_up_traps(argc > 1 ? argv[1] : NULL);
	struct rseq_guard *g;
	long operations = 0, locked = 0;
	int odd = 0;

	if (status)
		return status;
	guard = rseq_percpu_alloc(sizeof *guard, 0);
	if (!guard)
		return 1;
	for (size_t i = 0; i < sizeof commits / sizeof *commits; ++i)
		if (commits[i].wide) {
			locked += locks_and_stores(&commits[i]);
		} else {
			++operations;
			try_section(&commits[i]);
		}
	RSEQ_FOR_EACH_CPU(g, guard)
		odd += (int)(g->word & 1);
	printf("operations=%ld\nlocked=%ld\nsections=%ld\npoints=%ld\nends=%ld\n"
	       "unreached=%ld\nwrong=%ld\nspurious=%ld\nodd=%d\n",
	       operations, locked, sections, points, ends,
	       unreached, wrong, spurious, odd);
	return 0;
}
