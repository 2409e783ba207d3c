/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_STATS_H
#define RSEQ_STATS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What became of the guard transactions of one thread. */
struct rseq_stats {
	uint32_t	thread;		/* its id, as gettid() */
	uint32_t	reserved;
	uint64_t	commits;	/* those with the guard held included */
	uint64_t	conflicts;	/* bodies that had to run again */
	uint64_t	aborts;		/* sections that the kernel restarted */
	uint64_t	locks;		/* times that it held the guard */
};

/* The calling thread's numbers, which only grow. */
struct rseq_stats *rseq_stats_self(void);

/* Copy the numbers of at most n threads: how many threads have some. */
size_t rseq_stats_read(struct rseq_stats *stats, size_t n);

#ifdef __cplusplus
}
#endif

/* Without this macro transactions count nothing, and it costs nothing. */
#ifdef RSEQ_STATS
#define RSEQ_COUNT_(what)						\
	((void)__atomic_fetch_add(&rseq_stats_self()->what, 1,		\
				  __ATOMIC_RELAXED))
#else
#define RSEQ_COUNT_(what)	((void)0)
#endif

#endif
