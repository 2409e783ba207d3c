/* SPDX-License-Identifier: MIT */
#include <sched.h>

#include <rseq/transaction.h>
#include "guard.hh"
#include "internal.hh"
#include "live.hh"

/* This thread runs no sections, though others do. */
static int hold_some_cpu(struct rseq_transaction *t)
{
	const unsigned int cpu =
		(unsigned int)sched_getcpu() % rseq_cpu_limit();

	t->cpu = (int)cpu;
	t->guard = static_cast<rseq_guard *>(rseq_copy_of_(t->guards, cpu));
	const int ret = guard_lock(t->guard, cpu, &t->hold);
	return ret ? ret : t->cpu;
}

/*
 * The guard is held by someone, or this transaction has failed often enough,
 * or this thread runs no sections: then it holds the guard itself.
 */
int rseq_begin_slow_(struct rseq_transaction *t) noexcept
{
	if (!t->guards)
		return -EINVAL;
	if (t->hold.guard)	/* neither committed nor cancelled */
		return -EDEADLK;
	if (!sections_live()) {
		t->cpu = guard_lock_any(t->guards, &t->hold);
		t->guard = t->hold.guard;
		return t->cpu;
	}
	errno_guard keep;
	for (;;) {
		const int cpu = rseq_this_cpu().n;

		if (cpu < 0)
			return hold_some_cpu(t);
		if (t->left <= 0) {
			t->cpu = cpu;
			t->guard = static_cast<rseq_guard *>(rseq_copy_of_(
				t->guards, (unsigned int)cpu));
			const int ret = guard_lock(t->guard, (unsigned)cpu,
						   &t->hold);
			if (ret != -ENOSYS)
				return ret ? ret : cpu;
			/* No fence, so no lock: sections must do. */
			t->left = RSEQ_NO_LOCK_;
		}
		if (rseq_look_(t, cpu))
			return cpu;
		const int ret = t->word & 1 ? guard_wait(t->guard, t->word) : 0;
		if (ret)
			return ret;
	}
}
