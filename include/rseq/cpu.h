/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_CPU_H
#define RSEQ_CPU_H

#include <rseq/area.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Whose data something is: a cpu's or a concurrency id's.  Two types, so that
 * one is never taken for the other.  Negative: this thread has none.
 */
typedef struct { int n; } rseq_cpu_t;
typedef struct { int n; } rseq_cid_t;

/* An upper bound, never too low, of the cpu numbers: elements of an array. */
unsigned int rseq_cpu_limit(void) RSEQ_NOTHROW_;

/* Bytes of the area that the kernel fills in: 20, 28 or 33; 0 when off. */
unsigned int rseq_feature_size(void) RSEQ_NOTHROW_;

/* What is known of the process; 0: nobody has asked yet. */
extern unsigned int rseq_known_features_;	/* size + 1 */
#ifdef __aarch64__
extern int rseq_known_sections_;	/* 1: they work, -1: they do not */
int rseq_sections_work_(void) RSEQ_NOTHROW_ RSEQ_COLD_;
#endif

#ifdef __cplusplus
}
#endif

/* The cpu that this thread runs on; negative if it is not registered. */
RSEQ_INLINE_ rseq_cpu_t rseq_this_cpu(void)
{
	const rseq_cpu_t cpu = { RSEQ_STATIC_(int, rseq_read_(cpu_id)) };

	return cpu;
}

/* Its number, or 0 if this thread is not registered: always an index. */
RSEQ_INLINE_ unsigned int rseq_cpu_start(void)
{
	return rseq_read_(cpu_id_start);
}

/* Whether the kernel fills in node_id and mm_cid for this thread. */
RSEQ_INLINE_ int rseq_has_ids_(void)
{
	const unsigned int known = rseq_known_features_;

	return (known ? known - 1 : rseq_feature_size()) >= 28 &&
		rseq_this_cpu().n >= 0;
}

/* The NUMA node of that cpu; negative: not registered, or not provided. */
RSEQ_INLINE_ int rseq_node_id(void)
{
	return rseq_has_ids_() ? RSEQ_STATIC_(int, rseq_read_(node_id)) : -1;
}

/* A small number, unique among the threads that run now; negative: none. */
RSEQ_INLINE_ rseq_cid_t rseq_this_cid(void)
{
	const rseq_cid_t cid = {
		rseq_has_ids_() ? RSEQ_STATIC_(int, rseq_read_(mm_cid)) : -1
	};

	return cid;
}

/* Does this kernel restart sections?  Some releases for arm64 do not. */
RSEQ_INLINE_ int rseq_sections_work_here_(void)
{
#ifdef __aarch64__
	const int known = rseq_known_sections_;

	return known ? known > 0 : rseq_sections_work_();
#else
	return 1;
#endif
}

/* Whether sections run in this thread: else operations are unavailable. */
RSEQ_INLINE_ int rseq_usable(void)
{
	return rseq_this_cpu().n >= 0 && rseq_sections_work_here_();
}

#endif
