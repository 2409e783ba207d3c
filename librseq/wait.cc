/* SPDX-License-Identifier: MIT */
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.hh"

bool thread_exists(uint32_t thread)
{
	return syscall(SYS_tgkill, getpid(), thread, 0) == 0 ||
		errno != ESRCH;
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
