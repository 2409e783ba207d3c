/* SPDX-License-Identifier: MIT */
/* Nodes that are each in one list at a time, and a look whether they are. */
#pragma once

#include <stdint.h>

enum { NODES = 40 };

struct node {
	long moves;	/* plain: whoever has taken it is alone with it */
	struct node *next;	/* not the first: a pop adds its offset */
};

static struct node nodes[NODES];

static void put_nodes(intptr_t *head)
{
	for (int i = 0; i < NODES; ++i) {
		nodes[i].next = (struct node *)*head;
		*head = (intptr_t)&nodes[i];
	}
}

/* Count those in a list, which may have become a ring. */
static void see_nodes(intptr_t head, int *seen)
{
	const struct node *n = (const struct node *)head;

	for (int steps = 0; n && steps < 2 * NODES; ++steps) {
		++seen[n - nodes];
		n = n->next;
	}
}

/* How many were not seen exactly once. */
static int not_seen_once(const int *seen)
{
	int lost = 0;

	for (int i = 0; i < NODES; ++i)
		lost += seen[i] != 1;
	return lost;
}
