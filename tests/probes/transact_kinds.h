/* SPDX-License-Identifier: MIT */
/*
 * What threads and their handlers do with per-cpu objects, as transactions:
 * each step is one more in the counters, or takes a node from one list and puts
 * it into another.
 *
 * Bodies read what others are about to store: relaxed atomics, which cost
 * nothing, so that no compiler and no sanitizer is misled.
 */
#ifndef PROBE_TRANSACT_KINDS_H
#define PROBE_TRANSACT_KINDS_H

#include "nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <rseq/rseq.h>

/* Two words that are one: the index says which of the pairs is valid. */
struct pair {
	intptr_t word[2];
};

/* Guards beside the data. */
struct slot {
	struct rseq_guard guard;
	intptr_t value, copy, head;
	struct pair pair[2];
	uint32_t valid;
};

static struct slot *slots, *others;	/* per-cpu */

static inline struct slot *slot(unsigned int cpu)
{
	return rseq_percpu_ptr(slots, cpu);
}

/* What a thread has of its own, and its signal handler of its own. */
struct own {
	intptr_t counted;	/* in slots */
	intptr_t commits;	/* with a guard, of whatever */
	intptr_t reruns;	/* bodies that had to run again */
	intptr_t others;	/* counted, in others */
	intptr_t spare;		/* where no section can run */
	intptr_t drained;
	uint64_t dice;
};

static void dawdle(struct own *own);	/* in a body: time, or a system call */
static int impatient(struct own *own);	/* to hold the guard after a failure */
static int in_commit(struct own *own);	/* a handler that may be there */
static void spin(long n);

#define GET(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define PUT(x, y)	__atomic_store_n(&(x), (y), __ATOMIC_RELAXED)

/*
 * A body that runs until its commit, the last thing in it, is made; s is the
 * slot of the cpu.  Only "return" leaves it otherwise.
 */
#define BY_GUARD(own, slots, commit, ...)				\
	for (struct rseq_transaction t =				\
	     RSEQ_TRANSACTION(&(slots)->guard);;) {			\
		const int cpu_ = rseq_begin(&t);			\
		struct slot *s;						\
		if (cpu_ < 0)						\
			exit(4);					\
		s = rseq_percpu_ptr(slots, cpu_);			\
		if (t.left > 1 && impatient(own))			\
			t.left = 1;					\
		__VA_ARGS__						\
		if ((commit) == RSEQ_COMMITTED)				\
			break;						\
		++(own)->reruns;					\
	}								\
	++(own)->commits

#define BY_EVENT(own, commit, unavailable, ...)				\
	for (int tries_ = 0;; ++tries_) {				\
		const uint32_t event = rseq_event();			\
		struct slot *s = slot(rseq_cpu_start());		\
		enum rseq_result r_;					\
		(void)event;						\
		if (tries_ < 8)	/* then as fast as it can */		\
			dawdle(own);					\
		__VA_ARGS__						\
		r_ = commit;						\
		if (r_ == RSEQ_COMMITTED)				\
			break;						\
		if (r_ == RSEQ_UNAVAILABLE) {				\
			unavailable;					\
		}							\
		++(own)->reruns;					\
	}

/* ---- by guards ---- */

#define STEP(name)	static void name(struct own *own)

STEP(guard_add)
{
	BY_GUARD(own, slots, rseq_commit(&t, &s->value, old + 1),
		 const intptr_t old = GET(s->value);
		 dawdle(own););
	++own->counted;
}

STEP(guard_two)
{
	BY_GUARD(own, slots,
		 rseq_commit_then(&t, &s->copy, old + 1, &s->value, old + 1),
		 const intptr_t old = GET(s->value);
		 dawdle(own););
	++own->counted;
}

/* Both words, or neither. */
STEP(guard_pair)
{
	BY_GUARD(own, slots,
		 rseq_commit_block(&t, &s->pair[next], &more, sizeof more,
				   &s->valid, next),
		 struct pair more;
		 const uint32_t last = GET(s->valid);
		 const uint32_t next = 1 - last;
		 more.word[0] = GET(s->pair[last].word[0]) + 1;
		 dawdle(own);
		 more.word[1] = GET(s->pair[last].word[1]) - 1;);
	++own->counted;
}

static struct node *guard_pop(struct own *own)
{
	struct node *n;

	BY_GUARD(own, slots,
		 rseq_commit(&t, &s->head, (intptr_t)next),
		 n = (struct node *)GET(s->head);
		 dawdle(own);
		 if (!n) {
			rseq_cancel(&t);
			return NULL;
		 }
		 struct node *next = GET(n->next););
	return n;
}

static void guard_push(struct own *own, struct node *n)
{
	BY_GUARD(own, slots,
		 rseq_commit(&t, &s->head, (intptr_t)n),
		 PUT(n->next, (struct node *)GET(s->head));
		 dawdle(own););
}

STEP(guard_list)
{
	struct node *n = guard_pop(own);

	if (n) {
		++n->moves;
		guard_push(own, n);
	}
}

STEP(guard_all)
{
	guard_add(own);
	guard_two(own);
	guard_list(own);
}

/* What a handler does that has nothing to do with the others. */
STEP(guard_other)
{
	BY_GUARD(own, others,
		 rseq_commit(&t, &s->value, old + 1),
		 const intptr_t old = GET(s->value););
	++own->others;
}

STEP(guard_both)
{
	guard_all(own);
	guard_other(own);
}

/* ---- with the guard held, on whatever cpu ---- */

STEP(lock_add)
{
	static int cpus;
	struct rseq_hold hold;
	unsigned int cpu;

	if (!GET(cpus))
		PUT(cpus, (int)sysconf(_SC_NPROCESSORS_ONLN));
	cpu = (unsigned int)(own->dice >> 40) % (unsigned int)GET(cpus);
	if (rseq_guard_lock(&slots->guard, cpu, &hold))
		exit(4);
	PUT(slot(cpu)->value, GET(slot(cpu)->value) + 1);
	dawdle(own);
	rseq_guard_unlock(&hold);
	++own->counted;
}

STEP(lock_all)
{
	guard_all(own);
	if (own->dice % 8 == 0)
		lock_add(own);
}

struct take {
	struct own *own;
	struct node *taken[NODES];
	int count;
};

/* All that a cpu has. */
static void take(unsigned int cpu, void *arg)
{
	struct take *to = (struct take *)arg;

	to->own->drained += GET(slot(cpu)->value);
	PUT(slot(cpu)->value, 0);
	for (struct node *n = (struct node *)GET(slot(cpu)->head); n;
	     n = GET(n->next)) {
		if (to->count == NODES)
			exit(5);
		++n->moves;
		to->taken[to->count++] = n;
	}
	PUT(slot(cpu)->head, 0);
}

STEP(drain_all)
{
	struct take to = { own, { NULL }, 0 };
	int ret;

	guard_add(own);
	guard_list(own);
	if (own->dice % 32)
		return;
	ret = rseq_guard_drain(&slots->guard, take, &to);
	if (ret && !(ret == -EDEADLK && in_commit(own)))
		exit(4);
	while (to.count)
		guard_push(own, to.taken[--to.count]);
}

/* ---- by the thread's event ---- */

STEP(event_add)
{
	BY_EVENT(own, rseq_store_undisturbed(event, &s->value, old + 1),
		 __atomic_add_fetch(&own->spare, 1, __ATOMIC_RELAXED); return,
		 const intptr_t old = GET(s->value););
	++own->counted;
}

STEP(event_list)
{
	struct node *n;

	BY_EVENT(own, rseq_store_undisturbed(event, &s->head, (intptr_t)next), return,
		 n = (struct node *)GET(s->head);
		 if (!n)
			return;
		 struct node *next = GET(n->next););
	++n->moves;
	BY_EVENT(own, rseq_store_undisturbed(event, &s->head, (intptr_t)n), exit(4),
		 PUT(n->next, (struct node *)GET(s->head)););
}

STEP(event_all)
{
	event_add(own);
	event_list(own);
}

/* Sections of another kind among them. */
STEP(event_both)
{
	event_all(own);
	guard_other(own);
}

#endif
