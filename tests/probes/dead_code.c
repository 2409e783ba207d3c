/* SPDX-License-Identifier: MIT */
/* One function with a section that is called, and one that is not. */
#include <rseq/index.h>
#include <rseq/ops.h>

#include <stdio.h>

__attribute__((__noinline__)) int live(intptr_t *v)
{
	enum rseq_result r;

	do
		r = rseq_load_add_store(v, 1, rseq_cpu_start());
	while (r == RSEQ_RESTARTED);
	return r;
}

__attribute__((__noinline__)) int dead(intptr_t *v, intptr_t *link)
{
	return rseq_index_push(v, 64, 64, link, 5) +
		rseq_load_cbne_store(v, 1, 2, 3);
}

int main(void)
{
	static intptr_t value;
	int r = live(&value);

	printf("result=%d\nvalue=%d\n", r, (int)value);
	return 0;
}
