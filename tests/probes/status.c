/* SPDX-License-Identifier: MIT */
/* The area of the only thread, and whether the libc says the same of it. */
#include "area.h"

int main(void)
{
	tell("main");
	printf("rseq_size=%u\nrseq_offset=%td\nrseq_flags=%u\nsecure=%lu\n",
	       __rseq_size, __rseq_offset, __rseq_flags,
	       getauxval(AT_SECURE));
	return 0;
}
