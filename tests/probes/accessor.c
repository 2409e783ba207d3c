/* SPDX-License-Identifier: MIT */
/* What reads the cpu: the test looks at the instructions. */
#include <rseq/cpu.h>

#ifdef __cplusplus
extern "C"
#endif
int read_cpu(void);

int read_cpu(void)
{
	return rseq_this_cpu().n;
}
