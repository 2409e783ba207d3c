/* SPDX-License-Identifier: MIT */
/*
 * transactions: every commit, with operands of each shape, in each state in
 * which a transaction may be: free, overtaken, locked and cancelled.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "every_commit.h"

#define NOINLINE	static __attribute__((__noinline__))

/* ---- each commit, compiled in several ways ---- */

struct commit {
	const char *row, *name;
	enum rseq_result (*variable)(struct rseq_transaction *, char *,
				     uintptr_t, uintptr_t);
	enum rseq_result (*constant)(struct rseq_transaction *, char *);
	void (*model)(char *, uintptr_t, uintptr_t);
	int held;	/* too long for a section: made with the guard held */
};

#define WAYS(row, F, way, T2, T)					\
NOINLINE enum rseq_result variable_##row(struct rseq_transaction *t,	\
					 char *at, uintptr_t a, uintptr_t b) \
{									\
	return CALL_##way(T2, T, t, at, a, b);				\
}									\
NOINLINE enum rseq_result constant_##row(struct rseq_transaction *t,	\
					 char *at)			\
{									\
	return CALL_##way(T2, T, t, at, WIDE, NARROW);			\
}									\
static void model_##row(char *at, uintptr_t a, uintptr_t b)		\
{									\
	MODEL_##way(T2, T, at, a, b);					\
}
EVERY_COMMIT(WAYS)

enum { HELD_one, HELD_then, HELD_short, HELD_long };

static const struct commit commits[] = {
#define ROW(row, F, way, T2, T)						\
	{ #row, #F, variable_##row, constant_##row, model_##row,	\
	  HELD_##way == HELD_long },
	EVERY_COMMIT(ROW)
};

/* ---- guards beside their data ---- */

struct slot {
	struct rseq_guard guard;
	intptr_t before;
	char cell[CELL] __attribute__((__aligned__(16)));
	char pad[16];
};

static struct slot *slots;	/* per-cpu */

static long checks, wrong;

static void check(int right, const char *name, const char *what)
{
	++checks;
	if (right)
		return;
	++wrong;
	printf("wrong: %s: %s\n", name, what);
}

/* Nothing is disturbed for long: a few tries always do. */
static struct slot *begin(struct rseq_transaction *t)
{
	const int cpu = rseq_begin(t);

	if (cpu < 0 || (unsigned int)cpu >= rseq_cpu_limit()) {
		printf("wrong: begin is %d\n", cpu);
		exit(1);
	}
	return rseq_percpu_ptr(slots, cpu);
}

/* What somebody else's commit does to the guard. */
static void overtake(struct slot *s)
{
	s->guard.word += 2;
}

/* An event more than before, held or not; the holder's id has gone. */
static int counted(uintptr_t before, uintptr_t now)
{
	return !(now & 1) && (uint32_t)now == ((uint32_t)before & ~1u) + 2;
}

/* ---- free: the commit is made, and is all that is done ---- */

static void try_free(const struct commit *c, uintptr_t a, uintptr_t b)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	enum rseq_result r;
	struct slot *s;
	struct slot due;
	int refused = 0;

	do {
		s = begin(&t);
		memset(s->cell, 0x11, CELL);
		due = *s;
		c->model(due.cell, a, b);
		r = a == WIDE && b == NARROW ? c->constant(&t, s->cell) :
			c->variable(&t, s->cell, a, b);
		refused += r == RSEQ_RESTARTED;
	} while (r == RSEQ_RESTARTED);
	check(r == RSEQ_COMMITTED, c->row, "committed");
	check(!memcmp(s->cell, due.cell, CELL), c->row, "stored");
	check(counted(due.guard.word, s->guard.word), c->row, "counted");
	check(s->before == due.before &&
	      !memcmp(s->pad, due.pad, sizeof s->pad), c->row, "no more");
	check(!c->held || refused == (rseq_this_cpu().n >= 0), c->row,
	      "held at the second attempt");
}

/* ---- overtaken, and locked when that has happened too often ---- */

static int overtaken(const struct commit *c, struct rseq_transaction *t)
{
	struct slot *s = begin(t), before;
	enum rseq_result r;

	if (s->guard.word & 1)
		return 0;
	overtake(s);
	before = *s;
	r = c->variable(t, s->cell, WIDE, NARROW);
	check(r == RSEQ_RESTARTED, c->row, "overtaken");
	check(!memcmp(s, &before, sizeof before), c->row, "left alone");
	return 1;
}

static void try_locked(const struct commit *c, int commit)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	enum rseq_result r = RSEQ_COMMITTED;
	struct slot *s, due;
	int attempts = 0;

	while (overtaken(c, &t))
		++attempts;
	/* Fewer than all if something else disturbs. */
	check(attempts > 0 && attempts <= RSEQ_ATTEMPTS, c->row, "attempts");
	s = rseq_percpu_ptr(slots, t.cpu);
	check(t.hold.guard == &s->guard && (s->guard.word & 1), c->row,
	      "locked");
	memset(s->cell, 0x22, CELL);
	due = *s;
	if (commit) {
		c->model(due.cell, NARROW, WIDE);
		r = c->variable(&t, s->cell, NARROW, WIDE);
	} else {
		rseq_cancel(&t);
	}
	check(r == RSEQ_COMMITTED, c->row, "committed, locked");
	check(!memcmp(s->cell, due.cell, CELL), c->row, "stored, locked");
	check(!t.hold.guard && !(s->guard.word & 1), c->row, "unlocked");
	rseq_cancel(&t);	/* nothing any more */
	check(!(s->guard.word & 1), c->row, "cancelled twice");
}

/* ---- operands that are the same variable, or each other's address ---- */

NOINLINE enum rseq_result same_place(struct rseq_transaction *t, intptr_t *v)
{
	return rseq_commit_then(t, v, 1, v, 2);
}

NOINLINE enum rseq_result same_value(struct rseq_transaction *t, intptr_t *v,
				     intptr_t a)
{
	return rseq_commit_then(t, v + 1, a, v, a);
}

NOINLINE enum rseq_result all_the_same(struct rseq_transaction *t, intptr_t *v)
{
	return rseq_commit_then(t, v, (intptr_t)v, v, (intptr_t)v);
}

NOINLINE enum rseq_result its_word(struct rseq_transaction *t, intptr_t *v)
{
	return rseq_commit_then(t, v, (intptr_t)t->word, v + 1,
				(intptr_t)t->word + 2);
}

NOINLINE enum rseq_result its_guard(struct rseq_transaction *t, intptr_t *v)
{
	return rseq_commit(t, v, (intptr_t)t->guard);
}

NOINLINE enum rseq_result its_cpu(struct rseq_transaction *t, intptr_t *v)
{
	return rseq_commit(t, v, t->cpu);
}

NOINLINE enum rseq_result itself(struct rseq_transaction *t, intptr_t *v)
{
	return rseq_commit_block(t, v, v, 3 * sizeof *v, v, (intptr_t)v);
}

#define ALIASED(call, right)						\
	do {								\
		enum rseq_result r;					\
		intptr_t *v, word;					\
		struct slot *s;						\
		do {							\
			struct rseq_transaction t =			\
				RSEQ_TRANSACTION(&slots->guard);	\
			s = begin(&t);					\
			v = (intptr_t *)(void *)s->cell;		\
			v[2] = 77;					\
			word = (intptr_t)t.word;			\
			r = call;					\
		} while (r == RSEQ_RESTARTED);				\
		check(r == RSEQ_COMMITTED && (right), "aliased", #call); \
		(void)word;						\
	} while (0)

static void try_aliased(void)
{
	ALIASED(same_place(&t, v), v[0] == 2);
	ALIASED(same_value(&t, v, (intptr_t)WIDE),
		v[0] == (intptr_t)WIDE && v[1] == v[0]);
	ALIASED(all_the_same(&t, v), v[0] == (intptr_t)v);
	ALIASED(its_word(&t, v), v[0] == word && v[1] == word + 2);
	ALIASED(its_guard(&t, v), v[0] == (intptr_t)&s->guard);
	ALIASED(its_cpu(&t, v), s == rseq_percpu_ptr(slots, v[0]));
	ALIASED(itself(&t, v), v[0] == (intptr_t)v && v[2] == 77);
}

int main(void)
{
	errno = 123;
	slots = (struct slot *)rseq_percpu_alloc(sizeof *slots, 16);
	if (!slots)
		return 1;
	for (size_t i = 0; i < sizeof commits / sizeof *commits; ++i) {
		const struct commit *c = &commits[i];
		try_free(c, WIDE, NARROW);
		try_free(c, NARROW, WIDE);
		try_free(c, (uintptr_t)-3, 0);
		try_locked(c, 1);
		try_locked(c, 0);
	}
	try_aliased();
	check(errno == 123, "errno", "left alone");
	printf("commits=%zu\nchecks=%ld\nwrong=%ld\nregistered=%d\n",
	       sizeof commits / sizeof *commits, checks, wrong,
	       rseq_this_cpu().n >= 0);
	return 0;
}
