/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_OPS_H
#define RSEQ_OPS_H

#include <rseq/section.h>

/*
 * Per-cpu updates that commit with one store.  Only a negative result means
 * "try again": a loop on it ends where rseq cannot be used at all.
 */
enum rseq_result {
	RSEQ_COMMITTED = 0,	/* done */
	RSEQ_DIFFERENT = 1,	/* a comparison went the other way */
	RSEQ_UNAVAILABLE = 2,	/* this thread cannot run sections */
	RSEQ_RESTARTED = -1	/* disturbed, or on another cpu; nothing done */
};

#define RSEQ_OP		static inline __attribute__((__always_inline__)) \
			enum rseq_result

/* Why a section that names a cpu was left: a registered thread may retry. */
static inline enum rseq_result rseq_why_not(void)
{
	return (int)rseq_read(cpu_id) < 0 ?
		RSEQ_UNAVAILABLE : RSEQ_RESTARTED;
}

/* *v += count; */
RSEQ_OP rseq_load_add_store(intptr_t *v, intptr_t count, int cpu)
{
	if (cpu < 0)	/* would equal the cpu_id of an unregistered thread */
		return RSEQ_UNAVAILABLE;
	RSEQ_CRITICAL(cpu_id,
		RSEQ_IF_INDEX(cpu_id, cpu, abort)
		RSEQ_COMMIT(RSEQ_LOAD_ADD_SAVE(count, v)),
		RSEQ_WITH([cpu] "r" (cpu), [v] RSEQ_MEM (*v),
			  [count] RSEQ_VALUE (count)),
		abort);
	return RSEQ_COMMITTED;
abort:	return rseq_why_not();
}

/* if (*v == expect) *v = newv; */
RSEQ_OP rseq_load_cbne_store(intptr_t *v, intptr_t expect, intptr_t newv,
			     int cpu)
{
	if (cpu < 0)
		return RSEQ_UNAVAILABLE;
	RSEQ_CRITICAL(cpu_id,
		RSEQ_IF_INDEX(cpu_id, cpu, abort)
		RSEQ_IF_EQ(v, expect, ne)
		RSEQ_COMMIT(RSEQ_STORE(newv, v)),
		RSEQ_WITH([cpu] "r" (cpu), [v] RSEQ_MEM (*v),
			  [expect] RSEQ_VALUE (expect),
			  [newv] RSEQ_VALUE (newv)),
		abort, ne);
	return RSEQ_COMMITTED;
ne:	return RSEQ_DIFFERENT;
abort:	return rseq_why_not();
}

/* *(v + cpu * stride) += count, cpu read inside; stride in bytes */
RSEQ_OP rseq_index_load_add_store(intptr_t *v, size_t stride,
				  unsigned int limit, intptr_t count)
{
	RSEQ_CRITICAL(cpu_id,
		RSEQ_AT_INDEX(cpu_id, limit, stride, none)
		RSEQ_COMMIT(RSEQ_AT_LOAD_ADD_SAVE(count, v)),
		RSEQ_WITH([v] "r" (v), [stride] "r" (stride),
			  [limit] "r" (limit), [count] RSEQ_VALUE (count)),
		abort, none);
	return RSEQ_COMMITTED;
none:	return RSEQ_UNAVAILABLE;
abort:	return RSEQ_RESTARTED;
}

#endif
