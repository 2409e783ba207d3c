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

enum { CPUS = 256 };

/* ---- each commit, compiled in several ways ---- */

struct commit {
	const char *name;
	enum rseq_result (*variable)(struct rseq_transaction *, char *,
				     uintptr_t, uintptr_t);
	enum rseq_result (*constant)(struct rseq_transaction *, char *);
	void (*model)(char *, uintptr_t, uintptr_t);
};

#define WAYS(F, T, way)							\
NOINLINE enum rseq_result variable_##F(struct rseq_transaction *t,	\
				       char *at, uintptr_t a, uintptr_t b) \
{									\
	return CALL_##way(F, T, t, at, a, b);				\
}									\
NOINLINE enum rseq_result constant_##F(struct rseq_transaction *t, char *at) \
{									\
	return CALL_##way(F, T, t, at, WIDE, NARROW);			\
}									\
static void model_##F(char *at, uintptr_t a, uintptr_t b)		\
{									\
	MODEL_##way(T, at, a, b);					\
}
EVERY_COMMIT(WAYS)

static const struct commit commits[] = {
#define ROW(F, T, way)	{ #F, variable_##F, constant_##F, model_##F },
	EVERY_COMMIT(ROW)
};

/* ---- guards beside their data ---- */

static struct slot {
	struct rseq_guard guard;
	intptr_t odd_stride;	/* no power of two */
	char cell[CELL] __attribute__((__aligned__(16)));
	char pad[16];
} slots[CPUS] __attribute__((__aligned__(64)));

static const struct rseq_guards guards = {
	&slots[0].guard, sizeof slots[0], CPUS
};

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

	if (cpu < 0 || cpu >= CPUS) {
		printf("wrong: begin is %d\n", cpu);
		exit(1);
	}
	return &slots[cpu];
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
	enum rseq_result r;
	struct slot *s;
	struct slot due;

	do {
		struct rseq_transaction t = RSEQ_TRANSACTION(&guards);
		s = begin(&t);
		memset(s->cell, 0x11, CELL);
		due = *s;
		c->model(due.cell, a, b);
		r = a == WIDE && b == NARROW ? c->constant(&t, s->cell) :
			c->variable(&t, s->cell, a, b);
	} while (r == RSEQ_RESTARTED);
	check(r == RSEQ_COMMITTED, c->name, "committed");
	check(!memcmp(s->cell, due.cell, CELL), c->name, "stored");
	check(counted(due.guard.word, s->guard.word), c->name, "counted");
	check(s->odd_stride == due.odd_stride &&
	      !memcmp(s->pad, due.pad, sizeof s->pad), c->name, "no more");
}

/* ---- overtaken, and locked when that has happened too often ---- */

static int overtaken(const struct commit *c, struct rseq_transaction *t)
{
	struct slot *s = begin(t), before;
	enum rseq_result r;

	if (t->hold.guard)
		return 0;
	overtake(s);
	before = *s;
	r = c->variable(t, s->cell, WIDE, NARROW);
	check(r == RSEQ_RESTARTED, c->name, "overtaken");
	check(!memcmp(s, &before, sizeof before), c->name, "left alone");
	return 1;
}

static void try_locked(const struct commit *c, int commit)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&guards);
	enum rseq_result r = RSEQ_COMMITTED;
	struct slot *s, due;
	int attempts = 0;

	while (overtaken(c, &t))
		++attempts;
	/* A thread without sections begins so; others may be disturbed. */
	check(rseq_current_cpu() < 0 ? attempts == 0 :
	      attempts > 0 && attempts <= RSEQ_ATTEMPTS, c->name, "attempts");
	s = &slots[t.cpu];
	check(t.hold.guard == &s->guard && (s->guard.word & 1), c->name,
	      "locked");
	memset(s->cell, 0x22, CELL);
	due = *s;
	if (commit) {
		c->model(due.cell, NARROW, WIDE);
		r = c->variable(&t, s->cell, NARROW, WIDE);
	} else {
		rseq_cancel(&t);
	}
	check(r == RSEQ_COMMITTED, c->name, "committed, locked");
	check(!memcmp(s->cell, due.cell, CELL), c->name, "stored, locked");
	check(!t.hold.guard && !(s->guard.word & 1), c->name, "unlocked");
	rseq_cancel(&t);	/* nothing any more */
	check(!(s->guard.word & 1), c->name, "cancelled twice");
}

/* ---- operands that are the same variable, or each other's address ---- */

NOINLINE enum rseq_result same_place(struct rseq_transaction *t, intptr_t *v)
{
	return rseq_commit_store_store(t, v, 1, v, 2);
}

NOINLINE enum rseq_result same_value(struct rseq_transaction *t, intptr_t *v,
				     intptr_t a)
{
	return rseq_commit_store_store(t, v + 1, a, v, a);
}

NOINLINE enum rseq_result all_the_same(struct rseq_transaction *t, intptr_t *v)
{
	return rseq_commit_store_store(t, v, (intptr_t)v, v, (intptr_t)v);
}

NOINLINE enum rseq_result its_word(struct rseq_transaction *t, intptr_t *v)
{
	return rseq_commit_store_store(t, v, (intptr_t)t->word, v + 1,
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

#define ALIASED(call, right)						\
	do {								\
		enum rseq_result r;					\
		intptr_t *v, word;					\
		struct slot *s;						\
		do {							\
			struct rseq_transaction t =			\
				RSEQ_TRANSACTION(&guards);		\
			s = begin(&t);					\
			v = (intptr_t *)(void *)s->cell;		\
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
	ALIASED(its_cpu(&t, v), v[0] == s - slots);
}

int main(void)
{
	errno = 123;
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
	       rseq_current_cpu() >= 0);
	return 0;
}
