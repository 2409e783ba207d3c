/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_GUARD_H
#define RSEQ_GUARD_H

#include <rseq/frame.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What tells the commits on one cpu's data apart: event << 1 | locked.  Every
 * commit adds an event; while a thread holds the guard, the word is odd, the
 * upper half of the guard names that thread, and nobody commits.  It lies in
 * per-cpu memory beside its data, and all zeros is how it begins.
 */
struct rseq_guard {
#if RSEQ_POINTER_ == 64
	uintptr_t	word;
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uintptr_t	word;
	uint32_t	holder_;	/* written by the library, with word */
#else
	uint32_t	holder_;
	uintptr_t	word;
#endif
} __attribute__((__aligned__(8)));

/* What rseq_guard_unlock() has to put back; the fields are private. */
struct rseq_hold {
	struct rseq_guard	*guard;		/* 0: nothing is held */
	uintptr_t		word;
	uint64_t		signals[2];
	unsigned int		state;
};

/* Locked, and whether signals were blocked for it; or to be by the commit. */
#define RSEQ_LOCKED_	1u
#define RSEQ_UNMASKED_	2u

/* Hold one cpu's guard: 0, -EINVAL, -EDEADLK or -ENOSYS. */
int rseq_guard_lock_(struct rseq_guard *guard, unsigned int cpu,
		     struct rseq_hold *hold) RSEQ_NOTHROW_ RSEQ_MUST_CHECK_;
void rseq_guard_unlock_(struct rseq_hold *hold) RSEQ_NOTHROW_;
int rseq_still_held_(struct rseq_guard *guard, uintptr_t word,
		     unsigned int state) RSEQ_NOTHROW_ RSEQ_COLD_;

int rseq_guard_drain_(struct rseq_guard *guard,
		      void (*drain)(unsigned int cpu, void *arg), void *arg)
	RSEQ_MUST_CHECK_;

#ifdef __cplusplus
}
#endif

/*
 * Keep everybody else out of a cpu's data: 0, -EINVAL, -EDEADLK or -ENOSYS.
 * The library is built without ThreadSanitizer, which is told here.
 */
RSEQ_MUST_CHECK_ RSEQ_INLINE_
int rseq_guard_lock(struct rseq_guard *guard, unsigned int cpu,
		    struct rseq_hold *hold)
{
	const int ret = rseq_guard_lock_(guard, cpu, hold);

	if (ret == 0) {
		RSEQ_DEBUG_(rseq_debug_lock_(hold);)
		rseq_tsan_acquire_(hold->guard);
	}
	return ret;
}

/* Let them in again; those that had begun before run their body again. */
RSEQ_INLINE_ void rseq_guard_unlock(struct rseq_hold *hold)
{
	RSEQ_DEBUG_(if (rseq_debug_unlock_(hold))
		return;)
#ifdef RSEQ_TSAN_
	if (hold->guard)
		rseq_tsan_release_(hold->guard);
#endif
	rseq_guard_unlock_(hold);
}

#ifdef RSEQ_TSAN_
struct rseq_drain_ {
	struct rseq_guard *guard;
	void (*drain)(unsigned int cpu, void *arg);
	void *arg;
};

static inline void rseq_drain_one_(unsigned int cpu, void *arg)
{
	const struct rseq_drain_ *const d =
		RSEQ_STATIC_(const struct rseq_drain_ *, arg);
	void *const copy = rseq_copy_of_(d->guard, cpu);

	rseq_tsan_acquire_(copy);
	d->drain(cpu, d->arg);
	rseq_tsan_release_(copy);
}
#endif

/* Call drain for each cpu with its guard held: 0, or an error. */
RSEQ_MUST_CHECK_ RSEQ_INLINE_
int rseq_guard_drain(struct rseq_guard *guard,
		     void (*drain)(unsigned int cpu, void *arg), void *arg)
{
#ifdef RSEQ_TSAN_
	struct rseq_drain_ d = { guard, drain, arg };

	return rseq_guard_drain_(guard, rseq_drain_one_, &d);
#else
	return rseq_guard_drain_(guard, drain, arg);
#endif
}

#endif
