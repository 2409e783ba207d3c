/* SPDX-License-Identifier: MIT */
/*
 * A function for each operation whose instructions are counted.  Operands come
 * in registers; whatever does not commit goes elsewhere and never returns, so
 * the way from the first instruction to the return is that of success.
 */
#include <rseq/array.h>
#include <rseq/rseq.h>

void failed(void) __attribute__((__noreturn__, __cold__));

#define COUNT(op, parameters, ...)					\
void count_##op parameters;						\
void count_##op parameters						\
{									\
	if (op(__VA_ARGS__) != RSEQ_COMMITTED)				\
		failed();						\
}

int count_rseq_current_cpu(void);
int count_rseq_current_cpu(void)
{
	return rseq_current_cpu();
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

COUNT(rseq_index_load_add_store,
      (intptr_t *v, size_t stride, unsigned int limit, intptr_t n),
      v, stride, limit, n)
COUNT(rseq_load_add_store, (intptr_t *v, intptr_t n, int cpu), v, n, cpu)
COUNT(rseq_load_cbne_store,
      (intptr_t *v, intptr_t expect, intptr_t newv, int cpu),
      v, expect, newv, cpu)
COUNT(rseq_index_push,
      (intptr_t *v, size_t stride, unsigned int limit, intptr_t *link,
       intptr_t node), v, stride, limit, link, node)
COUNT(rseq_index_pop,
      (intptr_t *v, size_t stride, unsigned int limit, intptr_t off,
       intptr_t *node), v, stride, limit, off, node)
COUNT(rseq_array_push,
      (intptr_t *slots, intptr_t *count, intptr_t capacity, intptr_t item,
       int cpu), slots, count, capacity, item, cpu)
COUNT(rseq_array_pop,
      (intptr_t *slots, intptr_t *count, intptr_t *item, int cpu),
      slots, count, item, cpu)

/* A list push by a transaction on a guard, with its loop and its body. */
struct slot {
	struct rseq_guard guard;
	intptr_t head;
} __attribute__((__aligned__(64)));

static struct slot slots[1024];
static const struct rseq_guards guards = {
	&slots[0].guard, sizeof slots[0], 1024
};

void count_guard_push(intptr_t *node);
void count_guard_push(intptr_t *node)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&guards);
	int cpu;

	do {
		cpu = rseq_begin(&t);
		if (cpu < 0)
			failed();
		*node = slots[cpu].head;
	} while (rseq_commit(&t, &slots[cpu].head, (intptr_t)node) !=
		 RSEQ_COMMITTED);
}
