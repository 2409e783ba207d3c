/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_GUARD_H
#define RSEQ_GUARD_H

#include <rseq/cpu.h>
#include <rseq/section.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What tells the commits on one cpu's data apart: event << 1 | locked.  Every
 * commit adds an event; while a thread holds the guard, the word is odd and
 * nobody commits.  All zeros is how it begins.
 */
struct rseq_guard {
	uintptr_t	word;
};

/* The guards of all cpus: an array of their own, or each beside its data. */
struct rseq_guards {
	struct rseq_guard	*first;		/* that of cpu 0 */
	size_t			stride;		/* bytes from one to the next */
	unsigned int		count;		/* how many there are */
};

/* What rseq_guard_unlock() has to put back; the fields are private. */
struct rseq_hold {
	struct rseq_guard	*guard;
	uintptr_t		word;
	uint64_t		signals[2];
};

/* Shut sequences out of a cpu's data: 0, -EINVAL, -EDEADLK or -ENOSYS. */
int rseq_guard_lock(const struct rseq_guards *guards, unsigned int cpu,
		    struct rseq_hold *hold) RSEQ_NOTHROW;

/* Let them in again; those that had begun before run their body again. */
void rseq_guard_unlock(struct rseq_hold *hold) RSEQ_NOTHROW;

#ifdef __cplusplus
}
#endif

/*
 * The library is built without ThreadSanitizer, which then knows nothing of
 * what it orders: those that are built with it call these in its place.
 */
#ifdef RSEQ_TSAN
RSEQ_INLINE int rseq_tsan_guard_lock(const struct rseq_guards *guards,
				     unsigned int cpu, struct rseq_hold *hold)
{
	const int ret = rseq_guard_lock(guards, cpu, hold);

	if (ret == 0)
		rseq_tsan_acquire(hold->guard);
	return ret;
}

RSEQ_INLINE void rseq_tsan_guard_unlock(struct rseq_hold *hold)
{
	rseq_tsan_release(hold->guard);
	rseq_guard_unlock(hold);
}

#define rseq_guard_lock		rseq_tsan_guard_lock
#define rseq_guard_unlock	rseq_tsan_guard_unlock
#endif

/* The guard of a cpu, which must be below count. */
static inline struct rseq_guard *
rseq_guard_of(const struct rseq_guards *guards, unsigned int cpu)
{
	return (struct rseq_guard *)
		((char *)guards->first + cpu * guards->stride);
}

/* Call drain for each cpu with its guard held: 0, or the first error. */
static inline int rseq_guard_drain(const struct rseq_guards *guards,
				   void (*drain)(unsigned int cpu, void *arg),
				   void *arg)
{
	for (unsigned int cpu = 0; cpu < guards->count; ++cpu) {
		struct rseq_hold hold;
		const int ret = rseq_guard_lock(guards, cpu, &hold);

		if (ret)
			return ret;
		drain(cpu, arg);
		rseq_guard_unlock(&hold);
	}
	return 0;
}

#endif
