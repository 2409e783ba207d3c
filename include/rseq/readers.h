/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_READERS_H
#define RSEQ_READERS_H

#include <rseq/percpu.h>

/*
 * Who reads: a reader enters and leaves by one section each, on whatever cpu it
 * is then, without a fence.  A writer that has unlinked something waits until
 * all who may have found it have left, and makes the fences for both sides.
 * Readers count in one of two phases, so that those who come later do not keep
 * the writer waiting.
 */
struct rseq_reads_ {
	uintptr_t	entered[2], left[2];	/* since ever, by phase */
};

/* The fields are private.  All zeros works, with atomic operations. */
struct rseq_readers {
	struct rseq_reads_	*counts;	/* per-cpu: by sections */
	struct rseq_reads_	others;		/* by atomic operations */
	uint32_t		flips;		/* from phase to phase */
};

/* What a reader got as it entered, and leaves with. */
struct rseq_reading {
	unsigned int	phase;
};

#ifdef __cplusplus
extern "C" {
#endif

/* Let readers count per cpu: 0 or -ENOMEM, and r works in either case. */
int rseq_readers_init(struct rseq_readers *r) RSEQ_NOTHROW_;

/* Free what init allocated; no thread uses r any more. */
void rseq_readers_fini(struct rseq_readers *r) RSEQ_NOTHROW_;

/* Count where no section can, with the fence that the writer would make. */
struct rseq_reading rseq_readers_slow_(uintptr_t *count,
				       struct rseq_reading in)
	RSEQ_NOTHROW_ RSEQ_COLD_;
int rseq_readers_wait_(struct rseq_readers *r, int ms) RSEQ_NOTHROW_
	RSEQ_MUST_CHECK_;

#ifdef __cplusplus
}
#endif

/* Begin to read; what is found by then stays until the reader leaves. */
RSEQ_MUST_CHECK_ RSEQ_INLINE_
struct rseq_reading rseq_readers_enter(struct rseq_readers *r)
{
	const struct rseq_reading in = {
		__atomic_load_n(&r->flips, __ATOMIC_RELAXED) & 1
	};

	if (__builtin_expect(!r->counts ||
			     rseq_this_cpu_add(&r->counts->entered[in.phase], 1)
			     != RSEQ_COMMITTED, 0))
		return rseq_readers_slow_(&r->others.entered[in.phase], in);
	return in;
}

/* End what that enter has begun, in any thread. */
RSEQ_INLINE_
void rseq_readers_leave(struct rseq_readers *r, struct rseq_reading in)
{
	rseq_tsan_release_(r);
	if (__builtin_expect(!r->counts ||
			     rseq_this_cpu_add(&r->counts->left[in.phase & 1],
					       1)
			     != RSEQ_COMMITTED, 0))
		rseq_readers_slow_(&r->others.left[in.phase & 1], in);
}

/*
 * Wait until those who are in have left, ms milliseconds at most, or without
 * limit if ms is negative: 0, -ETIMEDOUT or -ENOSYS.
 */
RSEQ_MUST_CHECK_ RSEQ_INLINE_
int rseq_readers_wait(struct rseq_readers *r, int ms)
{
	const int ret = rseq_readers_wait_(r, ms);

	if (ret == 0)
		rseq_tsan_acquire_(r);
	return ret;
}

#endif
