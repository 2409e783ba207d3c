/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rseq/cpu.h>
#include "internal.hh"

/*
 * The kernel's cpu masks have a bit for each cpu that there can be, whatever
 * the affinity is, and the system call returns how long they are.  So this is
 * a bound that neither a container's /sys nor a missing one makes too low.
 */
static constexpr unsigned int highest_limit = 8192;	/* of any Linux */

unsigned int rseq_cpu_limit(void) noexcept
{
	static unsigned int limit;
	unsigned int n = __atomic_load_n(&limit, __ATOMIC_RELAXED);
	unsigned char mask[highest_limit / 8];

	if (n)
		return n;
	errno_guard keep;
	const long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
	if (bytes <= 0)		/* refused: a bound, but nothing to keep */
		return highest_limit;
	n = (unsigned int)bytes * 8;
	__atomic_store_n(&limit, n, __ATOMIC_RELAXED);
	return n;
}

unsigned int some_cpu()
{
	const int here = rseq_this_cpu().n;
	errno_guard keep;
	const unsigned int cpu = (unsigned int)(here >= 0 ? here :
						sched_getcpu());
	const unsigned int limit = rseq_cpu_limit();

	return cpu < limit ? cpu : cpu % limit;	/* refused: -1 */
}

/*
 * On aarch64, whose vDSO has no getcpu, asking is a system call.  A handler may
 * come between any two of these lines; the thread asks a little sooner or later
 * then.
 */
unsigned int recent_cpu()
{
	static constexpr unsigned int uses = 64;
	static NO_ALLOCATION thread_local struct {
		unsigned int cpu, left;
	} seen;
	const unsigned int left = seen.left;

	if (left) {
		seen.left = left - 1;
		return seen.cpu;
	}
	seen.cpu = some_cpu();
	seen.left = uses - 1;
	return seen.cpu;
}
