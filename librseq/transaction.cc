/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>

#include <rseq/transaction.h>
#include "guard.hh"
#include "internal.hh"

/*
 * The guard is held by someone, or this transaction has failed often enough,
 * or this thread runs no sections: then it holds the guard itself.
 */
int rseq_begin_slow(struct rseq_transaction *t)
{
	errno_guard keep;
	const rseq_guards *const guards = t->guards;

	if (guards->count == 0)
		return -EINVAL;
	if (t->hold.guard)	/* neither committed nor cancelled */
		return -EDEADLK;
	for (;;) {
		const int cpu = rseq_current_cpu();
		const bool sections = (unsigned int)cpu < guards->count &&
			!rseq_sections_broken;

		if (!sections || t->left <= 0) {
			t->cpu = sections ? cpu : (int)
				((unsigned int)sched_getcpu() % guards->count);
			t->guard = rseq_guard_of(guards, (unsigned int)t->cpu);
			const int ret = guard_lock(t->guard, (unsigned)t->cpu,
						   &t->hold);
			if (ret == 0)
				return t->cpu;
			if (ret != -ENOSYS || !sections)
				return ret;
			/* No fence, so no lock: sections must do. */
			t->left = RSEQ_ATTEMPTS;
		}
		if (rseq_look(t, cpu))
			return cpu;
		const int ret = t->word & 1 ? guard_wait(t->guard, t->word) : 0;
		if (ret)
			return ret;
	}
}
