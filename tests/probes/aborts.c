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

enum { IDS = MAX_CPUS, THREADS = 7, TOKENS = 40, ROOM = 48,
       FIRST_TOKEN = 1000 };

struct slot {
	intptr_t value, copy;
	uintptr_t block[4];
	struct node *head;
	intptr_t token, bits;
	intptr_t count, items[ROOM];
};

static struct slot *slots;	/* per-cpu */

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

/* Of a chain, of which nobody else has a node; it may have become a ring. */
static struct node *last_of(struct node *node, long *wrong)
{
	int steps = 0;

	for (; ++node->moves, node->next; node = node->next)
		if (++steps == NODES) {
			++*wrong;
			break;
		}
	return node;
}

/* ---- kinds: each step does one thing, however often it is restarted ---- */

#define STEP(name)	static void name(struct own *own)
#define UNTIL(where, ...)						\
	for (;;) {							\
		const rseq_##where##_t id = ID_##where;			\
		if (id.n < 0)						\
			_exit(3);					\
		linger();						\
		struct slot *s = rseq_percpu_ptr(slots, id.n);		\
		enum rseq_result r;					\
		__VA_ARGS__						\
		if (r == RSEQ_COMMITTED)				\
			break;						\
		if (r == RSEQ_UNAVAILABLE)				\
			_exit(3);					\
		(void)again(r);						\
	}
#define ID_cpu		{ (int)rseq_cpu_start() }
#define ID_cid		rseq_this_cid()
#define TO_NEXT		offsetof(struct node, next)

/* One more, in the slots' values. */
#define COUNT(name, where, ...)						\
STEP(name)								\
{									\
	UNTIL(where, const intptr_t old = look(&s->value); (void)old;	\
	      r = __VA_ARGS__;)						\
	++own->counted;							\
}

#define STEPS(where)							\
COUNT(add_##where, where, rseq_add(&s->value, 1, id))			\
COUNT(compare_##where, where,						\
      rseq_compare_store(&s->value, old, old + 1, id))			\
COUNT(compare_release_##where, where,					\
      rseq_compare_store_release(&s->value, old, old + 1, id))		\
COUNT(put_##where, where,						\
      rseq_put_##where##_((uintptr_t *)&s->value, (uintptr_t)old,	\
			  (uintptr_t *)&s->copy, (uintptr_t)old + 1,	\
			  (uintptr_t)old + 1, id))			\
COUNT(copy_##where, where,						\
      rseq_copy_##where##_((uintptr_t *)&s->value, (uintptr_t)old,	\
			   s->block, (const uintptr_t *)		\
			   "a block of 27 bytes, or so", 27,		\
			   (uintptr_t)old + 1, id))			\
STEP(fetch_add_##where)							\
{									\
	intptr_t old_value = -1, first = -1;				\
	UNTIL(where, first = look(&s->value);				\
	      r = rseq_fetch_add(&s->value, 1, &old_value, id);)	\
	own->wrong += old_value < first;				\
	++own->counted;							\
}									\
STEP(exchange_##where)							\
{									\
	intptr_t other = 0;						\
	UNTIL(where, r = rseq_exchange(&s->token, own->token, &other, id);) \
	own->token = other;						\
}									\
/* Set the bit where it is not, clear it where it is. */		\
STEP(or_and_##where)							\
{									\
	const intptr_t bit = (intptr_t)1 << own->bit;			\
	int was = 0, at = 0;						\
	UNTIL(where, at = id.n; was = own->set[at];			\
	      own->wrong += !(look(&s->bits) & bit) != !was;		\
	      r = was ? rseq_and(&s->bits, ~bit, id) :			\
			rseq_or(&s->bits, bit, id);)			\
	own->set[at] = !was;						\
}									\
/* Take one and put it back, on whatever cpu that is by then. */	\
STEP(list_##where)							\
{									\
	struct node *node = 0;						\
	(void)own;							\
	UNTIL(where, r = rseq_list_pop(&s->head, &node, TO_NEXT, id);	\
	      if (r == RSEQ_DIFFERENT) return;)				\
	UNTIL(where, r = rseq_list_push_release(&s->head, node,		\
						&node->next, id);)	\
}									\
/* Take all and put them back as one chain, with others in front. */	\
STEP(list_all_##where)							\
{									\
	struct node *first = 0, *last;					\
	UNTIL(where, r = rseq_list_pop_all(&s->head, &first, id);	\
	      if (r == RSEQ_DIFFERENT) return;)				\
	last = last_of(first, &own->wrong);				\
	UNTIL(where, r = rseq_list_push_release(&s->head, first,	\
						&last->next, id);)	\
}									\
/* With a comparison: the list's head may not have changed meanwhile. */ \
STEP(compare_list_##where)						\
{									\
	struct node *node = 0;						\
	(void)own;							\
	UNTIL(where, r = rseq_list_pop(&s->head, &node, TO_NEXT, id);	\
	      if (r == RSEQ_DIFFERENT) return;)				\
	UNTIL(where,							\
	      struct node *const head = *(struct node *volatile *)&s->head; \
	      node->next = head;					\
	      r = rseq_compare_store_release(&s->head, head, node, id);	\
	      r = r == RSEQ_DIFFERENT ? RSEQ_RESTARTED : r;)		\
}									\
STEP(stack_##where)							\
{									\
	intptr_t item = 0;						\
	(void)own;							\
	UNTIL(where, r = rseq_stack_pop(s->items, &s->count, &item, id); \
	      if (r == RSEQ_DIFFERENT) return;)				\
	UNTIL(where, r = rseq_stack_push(s->items, &s->count, ROOM,	\
					 item, id);)			\
}									\
STEP(batch_##where)							\
{									\
	intptr_t item[3];						\
	(void)own;							\
	UNTIL(where, r = rseq_stack_pop_n(s->items, &s->count, item, 3, id); \
	      if (r == RSEQ_DIFFERENT) return;)				\
	UNTIL(where, r = rseq_stack_push_n(s->items, &s->count, ROOM,	\
					   item, 3, id);)		\
}									\
/* The same objects by a per-cpu pointer. */				\
COUNT(this_##where##_add, where,					\
      rseq_this_##where##_add(&slots->value, 1))			\
STEP(this_##where##_fetch_add)						\
{									\
	intptr_t old_value = -1;					\
	UNTIL(where, (void)s;						\
	      r = rseq_this_##where##_fetch_add(&slots->value, 1,	\
						&old_value);)		\
	own->wrong += old_value < 0;					\
	++own->counted;							\
}									\
STEP(this_##where##_list)						\
{									\
	struct node *node = 0;						\
	(void)own;							\
	UNTIL(where, (void)s;						\
	      r = rseq_this_##where##_list_pop(&slots->head, &node,	\
					       TO_NEXT);		\
	      if (r == RSEQ_DIFFERENT) return;)				\
	UNTIL(where, (void)s;						\
	      r = rseq_this_##where##_list_push(&slots->head, node,	\
						&node->next);)		\
}									\
STEP(this_##where##_list_all)						\
{									\
	struct node *first = 0, *last;					\
	UNTIL(where, (void)s;						\
	      r = rseq_this_##where##_list_pop_all(&slots->head, &first); \
	      if (r == RSEQ_DIFFERENT) return;)				\
	last = last_of(first, &own->wrong);				\
	UNTIL(where, (void)s;						\
	      r = rseq_this_##where##_list_push(&slots->head, first,	\
						&last->next);)		\
}

STEPS(cpu)
STEPS(cid)

/* ---- what must not be written ---- */

static inline enum rseq_result add_without_check(intptr_t *v)
{
	const intptr_t one = 1;

	RSEQ_RUN_(
		RSEQ_THEN(RSEQ_LOAD(64, RSEQ_V(v)))
		RSEQ_THEN(RSEQ_ADD(64, one) RSEQ_EXIT_(abort))
		RSEQ_COMMIT(RSEQ_SAVE(64, RSEQ_V(v))),
		RSEQ_WITH_(RSEQ_PLACE(v), RSEQ_IN(64, one)),
		abort);
	return RSEQ_COMMITTED;
abort:	return RSEQ_RESTARTED;
}

RSEQ_SECTION(add_behind_end, cpu, (intptr_t *v, intptr_t one),
	RSEQ_THEN(RSEQ_LOAD(64, RSEQ_V(v)))
	RSEQ_COMMIT(RSEQ_ADD(64, one))
	RSEQ_SAVE(64, RSEQ_V(v)),	/* behind the range */
	RSEQ_PLACE(v), RSEQ_IN(64, one))

COUNT(no_check, cpu, add_without_check(&s->value))
COUNT(late_store, cpu, add_behind_end(&s->value, 1, id))

#define KIND(name)	{ #name, name##_cpu }, { #name "_cid", name##_cid },
#define THIS(name)	{ "this_cpu_" #name, this_cpu_##name },		\
			{ "this_cid_" #name, this_cid_##name },
static const struct kind {
	const char *name;
	void (*step)(struct own *);
} kinds[] = {
	KIND(add) KIND(compare) KIND(compare_release) KIND(put) KIND(copy)
	KIND(fetch_add) KIND(exchange) KIND(or_and) KIND(list)
	KIND(list_all) KIND(compare_list) KIND(stack) KIND(batch)
	THIS(add) THIS(fetch_add) THIS(list) THIS(list_all)
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
	struct slot *s;
	intptr_t head = 0;
	int id = 0;

	RSEQ_FOR_EACH_CPU(s, slots)
		s->token = FIRST_TOKEN + id++;
	s = rseq_percpu_ptr(slots, 0);
	put_nodes(&head);
	s->head = (struct node *)head;
	for (int i = 0; i < TOKENS; ++i)
		s->items[i] = i;
	s->count = TOKENS;
	for (unsigned int i = 0; i < 2 * THREADS; ++i) {
		owners[i].bit = i;
		owners[i].token = 1 + (intptr_t)i;
	}
}

/* How many of what there was are not there exactly once. */
static int lost_nodes(void)
{
	int seen[NODES] = {0};
	struct slot *s;

	RSEQ_FOR_EACH_CPU(s, slots)
		see_nodes((intptr_t)s->head, seen);
	return not_seen_once(seen);
}

static int lost_items(void)
{
	int seen[TOKENS] = {0}, lost = 0;
	struct slot *s;

	RSEQ_FOR_EACH_CPU(s, slots)
		for (intptr_t n = 0; n < s->count; ++n)
			++seen[s->items[n]];
	for (int i = 0; i < TOKENS; ++i)
		lost += seen[i] != 1;
	return lost;
}

static int lost_tokens(void)
{
	int seen[FIRST_TOKEN + IDS] = {0}, lost = 0;
	struct slot *s;

	RSEQ_FOR_EACH_CPU(s, slots)
		++seen[s->token];
	for (int i = 0; i < 2 * THREADS; ++i)
		++seen[owners[i].token];
	for (int i = 0; i < (int)rseq_cpu_limit(); ++i)
		lost += seen[FIRST_TOKEN + i] != 1;
	for (int i = 1; i <= 2 * THREADS; ++i)
		lost += seen[i] != 1;
	return lost;
}

/* What is stored before the commit is there, or one further. */
static int wrong_copies(void)
{
	struct slot *s;
	int wrong = 0;

	if (!strncmp(kind->name, "put", 3))
		RSEQ_FOR_EACH_CPU(s, slots)
			wrong += s->copy != s->value &&
				s->copy != s->value + 1;
	return wrong;
}

static intptr_t sum(void)
{
	intptr_t all = 0;
	struct slot *s;

	RSEQ_FOR_EACH_CPU(s, slots)
		all += s->value;
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

	if (argc < 4 || !choose(argv[1]))
		return 2;
	slots = (struct slot *)rseq_percpu_alloc(sizeof *slots, 64);
	if (!slots)
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
