/* SPDX-License-Identifier: MIT */
/* An object that runs sections, for a program that knows nothing of them. */
#include <rseq/word.h>

intptr_t object_count(intptr_t *v);
void object_leave(void);

/* 1: counted; 0: no rseq here. */
intptr_t object_count(intptr_t *v)
{
	enum rseq_result r;

	do
		r = rseq_add(v, 1, rseq_this_cpu());
	while (r == RSEQ_RESTARTED);
	return r == RSEQ_COMMITTED;
}

void object_leave(void)
{
	rseq_prepare_unload();
}
