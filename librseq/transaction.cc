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
	for (;;) {
		const int cpu = rseq_current_cpu();
		const bool sections = (unsigned int)cpu < guards->count &&
			!rseq_sections_broken;

		t->cpu = sections ? cpu :
			(int)((unsigned int)sched_getcpu() % guards->count);
		t->guard = guard_of(guards, (unsigned int)t->cpu);
		if (!sections || t->left <= 0) {
			const int ret = guard_lock(t->guard, (unsigned)t->cpu,
						   &t->hold);
			if (ret == 0)
				return t->cpu;
			if (ret != -ENOSYS || !sections)
				return ret;
			/* No fence, so no lock: sections must do. */
			t->left = RSEQ_ATTEMPTS;
		}
		t->word = __atomic_load_n(&t->guard->word, __ATOMIC_ACQUIRE);
		if (!(t->word & 1))
			return cpu;
		const int ret = guard_wait(t->guard, t->word);
		if (ret)
			return ret;
	}
}
