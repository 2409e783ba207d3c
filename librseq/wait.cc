/* SPDX-License-Identifier: MIT */
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.hh"

/*
 * The first thread's id is kept until the process ends, however that thread
 * has ended.  A lock that inherits priority knows: the kernel looks for the
 * owner that the word names, and says ESRCH if it has exited.
 */
bool thread_exists(uint32_t thread)
{
	const auto process = (uint32_t)getpid();

	if (syscall(SYS_tgkill, process, thread, 0) != 0)
		return errno != ESRCH;
	if (thread != process)
		return true;
	uint32_t word = thread;
	return syscall(SYS_futex, &word, FUTEX_TRYLOCK_PI | FUTEX_PRIVATE_FLAG,
		       0, nullptr, nullptr, 0) == 0 || errno != ESRCH;
}

void sleep_on(uint32_t *word, uint32_t seen)
{
	static constexpr timespec patience = {0, 50000000};

	if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &patience,
		    nullptr, 0) != 0 &&
	    errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT)
		sched_yield();	/* refused */
}

void wake_all(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff, nullptr,
		nullptr, 0);
}
