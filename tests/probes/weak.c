/* SPDX-License-Identifier: MIT */
/* A file that also asks for the libc's symbol itself, weakly. */
#include <stdio.h>

#include <rseq/rseq.h>

extern const ptrdiff_t __rseq_offset __attribute__((__weak__));

int main(void)
{
	intptr_t v = 1;
	enum rseq_result r;

	do
		r = rseq_add(&v, 1, rseq_this_cpu());
	while (r == RSEQ_RESTARTED);
	printf("there=%d\ncpu=%d\nresult=%d\nvalue=%d\n", &__rseq_offset != NULL,
	       rseq_this_cpu().n, (int)r, (int)v);
	return 0;
}
