/* SPDX-License-Identifier: MIT */
/* One function with a section that is called, and one that is not. */
#include <rseq/percpu.h>

#include <stdio.h>

__attribute__((__noinline__)) int live(intptr_t *v)
{
	enum rseq_result r;

	do
		r = rseq_add(v, 1, rseq_this_cpu());
	while (r == RSEQ_RESTARTED);
	return r;
}

__attribute__((__noinline__)) int dead(intptr_t *v, intptr_t *link)
{
	return rseq_this_cpu_list_push(v, 5, link) +
		rseq_compare_store(v, 1, 2, rseq_this_cpu());
}

int main(void)
{
	static intptr_t value;
	int r = live(&value);

	printf("result=%d\nvalue=%d\n", r, (int)value);
	return 0;
}
