/* SPDX-License-Identifier: MIT */
/*
 * The smallest transaction: push a node to this cpu's list.  The body is plain
 * C that may be stepped through; rseq_debug(7) does so.
 *
 *	cc -o transaction transaction.c -lrseq
 */
#include <stdio.h>
#include <stdlib.h>

#include <rseq/rseq.h>

enum { CPUS = 256 };

struct node {
	struct node *next;
};

/* A cache line a cpu: the list and what guards it. */
static struct {
	_Alignas(64) struct rseq_guard guard;
	struct node *head;
} slots[CPUS];

static const struct rseq_guards guards = {
	&slots->guard, sizeof *slots, CPUS
};

static __attribute__((__noinline__)) int push_one(struct node *n)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&guards);
	int cpu;

	do {
		cpu = rseq_begin(&t);
		if (cpu < 0)
			return cpu;
		n->next = slots[cpu].head;
	} while (rseq_commit(&t, (intptr_t *)&slots[cpu].head, (intptr_t)n) !=
		 RSEQ_COMMITTED);
	return cpu;
}

int main(void)
{
	static struct node node;
	int cpu = push_one(&node);

	if (cpu < 0 || slots[cpu].head != &node)
		return EXIT_FAILURE;
	puts("pushed");
	return EXIT_SUCCESS;
}
