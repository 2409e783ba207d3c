/* SPDX-License-Identifier: MIT */
#include <rseq/transaction.h>
#include "guard.hh"
#include "internal.hh"
#include "live.hh"

/*
 * The guard is held by someone, or this transaction has failed often enough,
 * or this thread runs no sections: then it holds the guard itself.
 */
int rseq_begin_slow_(struct rseq_transaction *t) noexcept
{
	if (!t->guards)
		return -EINVAL;
	/* Neither committed nor cancelled. */
	if (t->hold.guard && (t->hold.state & RSEQ_LOCKED_))
		return -EDEADLK;
	t->hold.guard = nullptr;
	if (!sections_live())
		return guard_begin_any(t);
	errno_guard keep;
	for (;;) {
		const int cpu = rseq_this_cpu().n;

		/* This thread runs no sections, though others do. */
		if (cpu < 0)
			return guard_hold(t, some_cpu());
		if (t->left <= 0) {
			const int ret = guard_hold(t, (unsigned int)cpu);
			if (ret != -ENOSYS || t->left < 0)
				return ret;
			/* No fence, so no lock: sections must do. */
			t->left = RSEQ_NO_LOCK_;
		}
		if (rseq_look_(t, cpu))
			return cpu;
		const int ret = t->word & 1 ? guard_wait(t->guard) : 0;
		if (ret)
			return ret;
	}
}
