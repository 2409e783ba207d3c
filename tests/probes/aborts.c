/* SPDX-License-Identifier: MIT */
/*
 * aborts KIND ABORTS SECONDS: more threads than cpus work on the same per-cpu
 * objects with the operations of a kind, while they are moved about and
 * interrupted by signals whose handlers work on the same objects, until the
 * kernel has restarted so many sections, or for so long.  A delay between any
 * two steps of a section makes that happen inside.
 *
 * no_check and late_store are what must not be written: they show that the
 * load is one under which it would be seen.
 */
#include "inject.h"
#include "under_load.h"
#include "nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rseq/rseq.h>

enum { IDS = 256, THREADS = 7, TOKENS = 40, ROOM = 48 };

static _Alignas(64) struct slot {
	intptr_t value, copy, *target, aim;
	char block[32];
	intptr_t head, token, bits;
	intptr_t count, items[ROOM];
	char pad[64];
} slots[IDS];

static long aborts, restarts, signals, wanted, counted;

/* What a thread has of its own, and its signal handler of its own. */
struct own {
	unsigned int bit;		/* in each slot's bits */
	unsigned char set[IDS];		/* whether it is set there */
	intptr_t token;
	long counted, wrong;
};

static struct own owners[2 * THREADS];
static __thread struct own *thread_own, *handler_own;
static __thread long my_aborts, my_restarts;

/*
 * Whether the kernel restarted a section is seen from what it cleared; a
 * section that found itself on the wrong cpu leaves it as it was.
 */
static int again(enum rseq_result result)
{
	if (result != RSEQ_RESTARTED)
		return 0;
	++my_restarts;
	my_aborts += rseq_self()->rseq_cs == 0;
	return 1;
}

static intptr_t look(intptr_t *v)
{
	return *(volatile intptr_t *)v;
}

/* Time in which to be moved between looking at the cpu and acting on it. */
static inline void linger(void)
{
	for (volatile int n = 0; n < 200; ++n)
		;
}

/* ---- kinds: each step does one thing, however often it is restarted ---- */

#define STEP(name)	static void name(struct own *own)
#define UNTIL(index, ...)						\
	for (;;) {							\
		const int id = ID_##index;				\
		if (id < 0)						\
			exit(3);					\
		linger();						\
		struct slot *s = &slots[id];				\
		enum rseq_result r;					\
		__VA_ARGS__						\
		if (r == RSEQ_COMMITTED)				\
			break;						\
		if (r == RSEQ_UNAVAILABLE)				\
			exit(3);					\
		(void)again(r);						\
	}
#define ID_cpu_id	rseq_cpu_start()
#define ID_mm_cid	rseq_mm_cid()

/* One more, in the slots' values. */
#define COUNT(name, index, ...)						\
STEP(name)								\
{									\
	UNTIL(index, const intptr_t old = look(&s->value); (void)old;	\
	      r = __VA_ARGS__;)						\
	++own->counted;							\
}

#define COUNTERS(at, index)						\
COUNT(add##at, index, rseq_load_add_store##at(&s->value, 1, id))	\
COUNT(cbne##at, index,							\
      rseq_load_cbne_store##at(&s->value, old, old + 1, id))		\
COUNT(cbne_release##at, index,						\
      rseq_load_cbne_store_release##at(&s->value, old, old + 1, id))	\
COUNT(cbne_cbne##at, index,						\
      rseq_load_cbne_load_cbne_store##at(&s->value, old, &s->aim, 0,	\
					 old + 1, id))			\
COUNT(store_store##at, index,						\
      rseq_load_cbne_store_store##at(&s->value, old, &s->copy, old + 1,	\
				     old + 1, id))			\
COUNT(memcpy_store##at, index,						\
      rseq_load_cbne_memcpy_store##at(&s->value, old, s->block,		\
				      "a block of 27 bytes, or so", 27,	\
				      old + 1, id))			\
COUNT(add_twice##at, index,						\
      rseq_load_add_load_load_add_store##at(				\
		(intptr_t *)&s->target, 0, 1, id))			\
STEP(fetch_add##at)							\
{									\
	intptr_t old_value = -1, first = -1;				\
	UNTIL(index, first = look(&s->value);				\
	      r = rseq_fetch_add##at(&s->value, 1, &old_value, id);)	\
	own->wrong += old_value < first;				\
	++own->counted;							\
}									\
STEP(exchange##at)							\
{									\
	intptr_t other = 0;						\
	UNTIL(index, r = rseq_exchange##at(&s->token, own->token, &other, \
					   id);)			\
	own->token = other;						\
}									\
/* Set the bit where it is not, clear it where it is. */		\
STEP(or_and##at)							\
{									\
	const intptr_t bit = (intptr_t)1 << own->bit;			\
	int was = 0, where = 0;						\
	UNTIL(index, where = id; was = own->set[id];			\
	      own->wrong += !(look(&s->bits) & bit) != !was;		\
	      r = was ? rseq_load_and_store##at(&s->bits, ~bit, id) :	\
			rseq_load_or_store##at(&s->bits, bit, id);)	\
	own->set[where] = !was;						\
}									\
STEP(index_add##at)							\
{									\
	UNTIL(index, (void)s; r = rseq_index_load_add_store##at(	\
			&slots->value, sizeof *s, IDS, 1);)		\
	++own->counted;							\
}									\
static void push##at(intptr_t node)					\
{									\
	UNTIL(index, const intptr_t head = look(&s->head);		\
	      ((struct node *)node)->next = (struct node *)head;	\
	      r = rseq_load_cbne_store_release##at(&s->head, head, node, id); \
	      r = r == RSEQ_DIFFERENT ? RSEQ_RESTARTED : r;)		\
}									\
/* Take one and put it back, on whatever cpu that is by then. */	\
STEP(list##at)								\
{									\
	intptr_t node = 0;						\
	(void)own;							\
	UNTIL(index, r = rseq_load_cbeq_store_add_load_store##at(	\
			&s->head, 0, offsetof(struct node, next), &node, id); \
	      if (r == RSEQ_DIFFERENT) return;)				\
	push##at(node);							\
}									\
STEP(index_list##at)							\
{									\
	intptr_t node = 0;						\
	(void)own;							\
	UNTIL(index, (void)s; r = rseq_index_pop##at(			\
			&slots->head, sizeof *s, IDS,			\
			offsetof(struct node, next), &node);		\
	      if (r == RSEQ_DIFFERENT) return;)				\
	UNTIL(index, (void)s; r = rseq_index_push_release##at(		\
			&slots->head, sizeof *s, IDS,			\
			(intptr_t *)&((struct node *)node)->next, node);) \
}									\
STEP(array##at)								\
{									\
	intptr_t item = 0;						\
	(void)own;							\
	UNTIL(index, r = rseq_array_pop##at(s->items, &s->count, &item, id); \
	      if (r == RSEQ_DIFFERENT) return;)				\
	UNTIL(index, r = rseq_array_push##at(s->items, &s->count, ROOM,	\
					     item, id);)		\
}									\
STEP(batch##at)								\
{									\
	intptr_t item[3];						\
	(void)own;							\
	UNTIL(index, r = rseq_array_pop_n##at(s->items, &s->count, item, 3, \
					      id);			\
	      if (r == RSEQ_DIFFERENT) return;)				\
	UNTIL(index, r = rseq_array_push_n##at(s->items, &s->count, ROOM, \
					       item, 3, id);)		\
}

COUNTERS(, cpu_id)
COUNTERS(_mm_cid, mm_cid)

/* ---- what must not be written ---- */

static inline enum rseq_result add_without_check(intptr_t *v, int id)
{
	const intptr_t one = 1;

	(void)id;
	RSEQ_CRITICAL(cpu_id,
		RSEQ_THEN(RSEQ_LOAD(64, RSEQ_V(v)))
		RSEQ_THEN(RSEQ_ADD(64, one) RSEQ_EXIT(abort))
		RSEQ_COMMIT(RSEQ_SAVE(64, RSEQ_V(v))),
		RSEQ_WITH(RSEQ_PLACE(v), RSEQ_IN(64, one)),
		abort);
	return RSEQ_COMMITTED;
abort:	return RSEQ_RESTARTED;
}

static inline enum rseq_result add_behind_end(intptr_t *v, int id)
{
	const intptr_t one = 1;

	RSEQ_CRITICAL(cpu_id,
		RSEQ_IF_INDEX(cpu_id, id, abort)
		RSEQ_THEN(RSEQ_LOAD(64, RSEQ_V(v)))
		RSEQ_COMMIT(RSEQ_ADD(64, one))
		RSEQ_SAVE(64, RSEQ_V(v)),
		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v), RSEQ_IN(64, one)),
		abort);
	return RSEQ_COMMITTED;
abort:	return rseq_why_not();
}

COUNT(no_check, cpu_id, add_without_check(&s->value, id))
COUNT(late_store, cpu_id, add_behind_end(&s->value, id))

#define KIND(name)	{ #name, name }, { #name "_mm_cid", name##_mm_cid },
static const struct kind {
	const char *name;
	void (*step)(struct own *);
} kinds[] = {
	KIND(add) KIND(cbne) KIND(cbne_release) KIND(cbne_cbne)
	KIND(store_store) KIND(memcpy_store) KIND(add_twice) KIND(fetch_add)
	KIND(exchange) KIND(or_and) KIND(index_add) KIND(list)
	KIND(index_list) KIND(array) KIND(batch)
	{ "no_check", no_check }, { "late_store", late_store },
};
static const struct kind *kind;

/* ---- the load ---- */

static void handler(int signal)
{
	(void)signal;
	for (int n = 0; n < 2; ++n)
		kind->step(handler_own);
	rseq_prepare_unload();	/* as it was: see again() */
	__atomic_add_fetch(&signals, 1, __ATOMIC_RELAXED);
}

static void start(unsigned int nth)
{
	thread_own = &owners[2 * nth];
	handler_own = &owners[2 * nth + 1];
}

static void work(unsigned int unused)
{
	(void)unused;
	do {
		for (int n = 0; n < 500; ++n)
			kind->step(thread_own);
		__atomic_add_fetch(&aborts, my_aborts, __ATOMIC_RELAXED);
		__atomic_add_fetch(&restarts, my_restarts, __ATOMIC_RELAXED);
		my_aborts = my_restarts = 0;
	} while (__atomic_load_n(&aborts, __ATOMIC_RELAXED) < wanted &&
		 now() <= deadline);
}

/* ---- before and after ---- */

static void set_up(void)
{
	for (int i = 0; i < IDS; ++i) {
		slots[i].target = &slots[i].aim;
		slots[i].token = 1000 + i;
	}
	/* The chain of add_twice: target -> aim -> value. */
	if (!strncmp(kind->name, "add_twice", 9))
		for (int i = 0; i < IDS; ++i)
			slots[i].aim = (intptr_t)&slots[i].value;
	put_nodes(&slots[0].head);
	for (int i = 0; i < TOKENS; ++i)
		slots[0].items[i] = i;
	slots[0].count = TOKENS;
	for (unsigned int i = 0; i < 2 * THREADS; ++i) {
		owners[i].bit = i;
		owners[i].token = 1 + (intptr_t)i;
	}
}

/* How many of what there was are not there exactly once. */
static int lost_nodes(void)
{
	int seen[NODES] = {0};

	for (int i = 0; i < IDS; ++i)
		see_nodes(slots[i].head, seen);
	return not_seen_once(seen);
}

static int lost_items(void)
{
	int seen[TOKENS] = {0}, lost = 0;

	for (int i = 0; i < IDS; ++i)
		for (intptr_t n = 0; n < slots[i].count; ++n)
			++seen[slots[i].items[n]];
	for (int i = 0; i < TOKENS; ++i)
		lost += seen[i] != 1;
	return lost;
}

static int lost_tokens(void)
{
	int seen[1000 + IDS] = {0}, lost = 0;

	for (int i = 0; i < IDS; ++i)
		++seen[slots[i].token];
	for (int i = 0; i < 2 * THREADS; ++i)
		++seen[owners[i].token];
	for (int i = 0; i < IDS; ++i)
		lost += seen[1000 + i] != 1;
	for (int i = 1; i <= 2 * THREADS; ++i)
		lost += seen[i] != 1;
	return lost;
}

/* What is stored before the commit is there, or one further. */
static int wrong_copies(void)
{
	int wrong = 0;

	if (!strncmp(kind->name, "store_store", 11))
		for (int i = 0; i < IDS; ++i)
			wrong += slots[i].copy != slots[i].value &&
				slots[i].copy != slots[i].value + 1;
	return wrong;
}

static intptr_t sum(void)
{
	intptr_t all = 0;

	for (int i = 0; i < IDS; ++i)
		all += slots[i].value;
	return all;
}

static int choose(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
		if (!strcmp(name, kinds[i].name))
			kind = &kinds[i];
	return kind != NULL;
}

int main(int argc, char **argv)
{
	const struct load l = {THREADS, start, work, handler, 300000, NULL};
	int failed;
	long wrong = 0;

	if (argc < 4 || !choose(argv[1]) || rseq_cpu_limit() > IDS)
		return 2;
	wanted = atol(argv[2]);
	deadline = now() + atol(argv[3]);
	set_up();
	failed = run_under_load(&l);
	for (int i = 0; i < 2 * THREADS; ++i) {
		counted += owners[i].counted;
		wrong += owners[i].wrong;
	}
	printf("failed=%d\naborts=%ld\nrestarts=%ld\nsignals=%ld\n"
	       "migrations=%lu\ncounted=%ld\nlost=%ld\nwrong=%ld\n"
	       "lost_nodes=%d\nlost_items=%d\nlost_tokens=%d\n"
	       "wrong_copies=%d\n", failed, aborts, restarts, signals,
	       migrations, counted, counted - (long)sum(), wrong,
	       lost_nodes(), lost_items(), lost_tokens(), wrong_copies());
	return 0;
}
