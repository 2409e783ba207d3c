/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_CPU_H
#define RSEQ_CPU_H

#include <rseq/self.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of the area that the kernel fills in: 20, 28 or 33; 0 when off. */
extern const unsigned int rseq_feature_size;

/* Set where the kernel registers threads and yet never restarts a section. */
#ifdef __aarch64__
extern const unsigned int rseq_sections_broken;
#else
#define rseq_sections_broken 0u
#endif

/* How many slots an array indexed by cpu needs: highest possible cpu + 1. */
unsigned int rseq_cpu_limit(void);

#ifdef __cplusplus
}
#endif

/* The cpu this thread runs on; negative: this thread is not registered. */
static inline int rseq_current_cpu(void)
{
	return (int)rseq_read(cpu_id);
}

/* The same, but 0 if not registered: always a valid index. */
static inline int rseq_cpu_start(void)
{
	return (int)rseq_read(cpu_id_start);
}

/* The NUMA node of that cpu; negative: not registered, or not provided. */
static inline int rseq_node_id(void)
{
	if (rseq_feature_size < 28 || rseq_current_cpu() < 0)
		return -1;
	return (int)rseq_read(node_id);
}

/* Small id among the threads that run now; negative: as rseq_node_id(). */
static inline int rseq_mm_cid(void)
{
	if (rseq_feature_size < 28 || rseq_current_cpu() < 0)
		return -1;
	return (int)rseq_read(mm_cid);
}

#endif
