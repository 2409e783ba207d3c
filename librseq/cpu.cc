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
