/* SPDX-License-Identifier: MIT */
/*
 * A function for each operation whose instructions are counted.  Operands come
 * in registers; whatever does not commit goes elsewhere and never returns, so
 * the way from the first instruction to the return is that of success.
 */
#include <rseq/readers.h>
#include <rseq/refcount.h>
#include <rseq/rseq.h>

void failed(void) __attribute__((__noreturn__, __cold__));

#define COUNT(op, parameters, ...)					\
void count_##op parameters;						\
void count_##op parameters						\
{									\
	if (op(__VA_ARGS__) != RSEQ_COMMITTED)				\
		failed();						\
}

int count_rseq_this_cpu(void);
int count_rseq_this_cpu(void)
{
	return rseq_this_cpu().n;
}

uint32_t count_rseq_event(void);
uint32_t count_rseq_event(void)
{
	return rseq_event();
}

/* What it does when its section fails is a call that never comes back here. */
void count_rseq_counter_add(const struct rseq_counter *c, size_t i, intptr_t n);
void count_rseq_counter_add(const struct rseq_counter *c, size_t i, intptr_t n)
{
	rseq_counter_add(c, i, n);
}

/* The same, of those that enter and leave, or get and put. */
struct rseq_reading count_rseq_readers_enter(struct rseq_readers *r);
struct rseq_reading count_rseq_readers_enter(struct rseq_readers *r)
{
	return rseq_readers_enter(r);
}

void count_rseq_readers_leave(struct rseq_readers *r,
			      struct rseq_reading in);
void count_rseq_readers_leave(struct rseq_readers *r,
			      struct rseq_reading in)
{
	rseq_readers_leave(r, in);
}

void count_rseq_refcount_get(struct rseq_refcount *c);
void count_rseq_refcount_get(struct rseq_refcount *c)
{
	rseq_refcount_get(c);
}

int count_rseq_refcount_put(struct rseq_refcount *c);
int count_rseq_refcount_put(struct rseq_refcount *c)
{
	return rseq_refcount_put(c);
}

struct node {
	struct node *next;
};

COUNT(rseq_add, (intptr_t *v, intptr_t n, rseq_cpu_t cpu), v, n, cpu)
COUNT(rseq_compare_store,
      (intptr_t *v, intptr_t expect, intptr_t newv, rseq_cpu_t cpu),
      v, expect, newv, cpu)
COUNT(rseq_list_push, (struct node **head, struct node *node, rseq_cpu_t cpu),
      head, node, &node->next, cpu)
COUNT(rseq_list_pop,
      (struct node **head, struct node **node, size_t off, rseq_cpu_t cpu),
      head, node, off, cpu)
COUNT(rseq_stack_push,
      (intptr_t *slots, intptr_t *count, intptr_t capacity, intptr_t item,
       rseq_cpu_t cpu), slots, count, capacity, item, cpu)
COUNT(rseq_stack_pop,
      (intptr_t *slots, intptr_t *count, intptr_t *item, rseq_cpu_t cpu),
      slots, count, item, cpu)
COUNT(rseq_this_cpu_add, (intptr_t *p, intptr_t n), p, n)
COUNT(rseq_this_cpu_fetch_add, (intptr_t *p, intptr_t n, intptr_t *old),
      p, n, old)
COUNT(rseq_this_cpu_list_push, (struct node **p, struct node *node),
      p, node, &node->next)
COUNT(rseq_this_cpu_list_pop,
      (struct node **p, struct node **node, size_t off), p, node, off)
COUNT(rseq_this_cpu_list_pop_all, (struct node **p, struct node **node),
      p, node)

/* By transactions on a guard, with their loops and bodies. */
struct slot {
	struct rseq_guard guard;
	struct node *head;
	intptr_t n;
};

void count_guard_add(struct slot *slots);
void count_guard_add(struct slot *slots)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	struct slot *slot;
	int cpu;

	do {
		cpu = rseq_begin(&t);
		if (cpu < 0)
			failed();
		slot = rseq_percpu_ptr(slots, cpu);
	} while (rseq_commit(&t, &slot->n, slot->n + 1) != RSEQ_COMMITTED);
}

void count_guard_push(struct slot *slots, struct node *node);
void count_guard_push(struct slot *slots, struct node *node)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	struct slot *slot;
	int cpu;

	do {
		cpu = rseq_begin(&t);
		if (cpu < 0)
			failed();
		slot = rseq_percpu_ptr(slots, cpu);
		node->next = slot->head;
	} while (rseq_commit(&t, &slot->head, node) != RSEQ_COMMITTED);
}
