/* SPDX-License-Identifier: MIT */
#include <rseq/rseq.h>

int main(void)
{
	return rseq_cpu_limit() < 1 || rseq_cpu_start() < 0;
}
