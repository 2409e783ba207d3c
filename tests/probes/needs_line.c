/* SPDX-License-Identifier: MIT */
/* A program, or with -DLIBRARY a library, built for the line. */
#include <stdio.h>

#include <rseq/cpu.h>

#ifdef LIBRARY
int cpu_of_library(void);
int cpu_of_library(void)
{
	return rseq_this_cpu().n;
}
#else
int main(void)
{
	printf("cpu=%d\n", rseq_this_cpu().n);
	return 0;
}
#endif
