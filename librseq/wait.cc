/* SPDX-License-Identifier: MIT */
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.hh"
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

void sleep_on(uint32_t *word, uint32_t seen, long nanoseconds)
{
	const futex_time patience = {0, nanoseconds};

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

static constexpr uint32_t waiters = 1u << 31;	/* no thread id has it */

/* Leaves that this thread has or wants. */
static __thread unsigned int leaves NO_ALLOCATION;

thread_lock::thread_lock(uint32_t *word, kind is)
	: word_(word), is_leaf_(is == leaf)
{
	errno_guard keep;
	const bool may_wait = !is_leaf_ || leaves == 0;
	const uint32_t self = thread_id();
	uint32_t mark = 0;

	if (is_leaf_)
		++leaves;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	for (;;) {
		uint32_t seen = 0;
		if (__atomic_compare_exchange_n(word, &seen, self | mark,
				false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			held = true;
			return;
		}
		if ((seen & ~waiters) == self) {
			mine = true;
			return;
		}
		if (!thread_exists(seen & ~waiters)) {
			held = inherited = __atomic_compare_exchange_n(word,
				&seen, self | (seen & waiters), false,
				__ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
			if (held)
				return;
			continue;
		}
		if (!may_wait)
			return;
		mark = waiters;
		if ((seen & waiters) ||
		    __atomic_compare_exchange_n(word, &seen, seen | waiters,
				false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			sleep_on(word, seen | waiters);
	}
}

thread_lock::~thread_lock()
{
	errno_guard keep;

	if (held && (__atomic_exchange_n(word_, 0, __ATOMIC_RELEASE) & waiters))
		wake_all(word_);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (is_leaf_)
		--leaves;
}
