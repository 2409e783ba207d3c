/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guard.hh"
#include "internal.hh"

#undef rseq_guard_lock		/* what they are where TSan builds this, too */
#undef rseq_guard_unlock

/*
 * The word of a held guard is odd and names its holder:
 *
 *	holder's thread id << 32 | low half of event << 1 | 1
 *
 * so that two holders never write the same word, and whoever finds that the
 * holder is no more can go on.  A 32-bit word has no room for the holder.
 */
static constexpr int half = sizeof(uintptr_t) * 4;
static constexpr bool names_holder = half == 32;

static uintptr_t held_by(uintptr_t word, uint32_t thread)
{
	return (names_holder ? (uintptr_t)thread << half | (uint32_t)word :
		word) | 1;
}

static uint32_t thread_id()
{
	return (uint32_t)syscall(SYS_gettid);
}

/* ---- the fence: no section that began before it is still running ---- */

/* By numbers: <linux/membarrier.h> has enumerators, and only since 5.10. */
static constexpr int private_expedited_rseq = 1 << 7;
static constexpr int register_private_expedited_rseq = 1 << 8;
static constexpr int flag_cpu = 1;

static bool sections_live()
{
	return rseq_feature_size != 0 && !rseq_sections_broken;
}

static int fence(unsigned int cpu)
{
	if (!sections_live())
		return 0;
	for (bool registered = false;; registered = true) {
		if (syscall(SYS_membarrier, private_expedited_rseq, flag_cpu,
			    cpu) == 0)
			return 0;
		if (errno != EPERM || registered ||
		    syscall(SYS_membarrier, register_private_expedited_rseq,
			    0, 0) != 0)
			return -ENOSYS;
	}
}

/* ---- signals: a handler would wait for what its own thread holds ---- */

static void block_signals(uint64_t *saved)
{
	static constexpr uint64_t bit = 1;
	/* Not those that an instruction raises: blocked, they kill. */
	const uint64_t all[2] = {
		~(bit << (SIGSEGV - 1) | bit << (SIGBUS - 1) |
		  bit << (SIGFPE - 1) | bit << (SIGILL - 1) |
		  bit << (SIGTRAP - 1) | bit << (SIGSYS - 1)), ~0ull
	};

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, all, saved, _NSIG / 8);
}

static void restore_signals(const uint64_t *saved)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, saved, nullptr, _NSIG / 8);
}

/* ---- waiting ---- */

static uint32_t *futex_word(rseq_guard *guard)
{
	const bool big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	return (uint32_t *)&guard->word + (names_holder && big_endian);
}

static void wake(rseq_guard *guard)
{
	syscall(SYS_futex, futex_word(guard), FUTEX_WAKE_PRIVATE, 0x7fffffff,
		nullptr, nullptr, 0);
}

/* A holder that this process does not have: it was forked away, or ended. */
static bool holder_gone(uintptr_t word)
{
	return names_holder && syscall(SYS_tgkill, getpid(),
				       (uint32_t)(word >> half), 0) != 0 &&
		errno == ESRCH;
}

static uintptr_t load(rseq_guard *guard)
{
	return __atomic_load_n(&guard->word, __ATOMIC_ACQUIRE);
}

/*
 * Whether the holder is there is asked first, and each time: signals may end
 * every sleep long before its time.
 */
int guard_wait(rseq_guard *guard, uintptr_t seen)
{
	static constexpr timespec patience = {0, 50000000};

	if (names_holder && seen >> half == thread_id())
		return -EDEADLK;
	if (holder_gone(seen)) {
		/* Leave an event behind that nobody has begun with. */
		__atomic_compare_exchange_n(&guard->word, &seen,
					    (seen & ~(uintptr_t)1) + 2, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
		return 0;
	}
	if (syscall(SYS_futex, futex_word(guard), FUTEX_WAIT_PRIVATE,
		    (uint32_t)seen, &patience, nullptr, 0) != 0 &&
	    errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT)
		sched_yield();	/* refused */
	return 0;
}

/* ---- lock and unlock ---- */

static bool try_lock(rseq_guard *guard, uintptr_t word, uintptr_t held)
{
	return !(word & 1) &&
		__atomic_compare_exchange_n(&guard->word, &word, held, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/*
 * A commit may have read the word before it was locked, and store its own over
 * it.  After the fence there is no such commit any more: either the lock is
 * still there to see, or it was lost and nothing has happened.
 */
int guard_lock(rseq_guard *guard, unsigned int cpu, rseq_hold *hold)
{
	errno_guard keep;
	const uint32_t thread = thread_id();

	for (;;) {
		const uintptr_t word = load(guard);
		if (word & 1) {
			int ret = guard_wait(guard, word);
			if (ret)
				return ret;
			continue;
		}
		block_signals(hold->signals);
		uintptr_t held = held_by(word, thread);
		if (try_lock(guard, word, held)) {
			const int ret = fence(cpu);
			if (ret == 0 && load(guard) == held) {
				hold->guard = guard;
				hold->word = word;
				return 0;
			}
			if (ret != 0) {
				__atomic_compare_exchange_n(
					&guard->word, &held, word + 2, false,
					__ATOMIC_RELEASE, __ATOMIC_RELAXED);
				wake(guard);
				restore_signals(hold->signals);
				return ret;
			}
		}
		restore_signals(hold->signals);
	}
}

int rseq_guard_lock(const struct rseq_guards *guards, unsigned int cpu,
		    struct rseq_hold *hold)
{
	if (cpu >= guards->count)
		return -EINVAL;
	return guard_lock(rseq_guard_of(guards, cpu), cpu, hold);
}

void rseq_guard_unlock(struct rseq_hold *hold)
{
	errno_guard keep;
	rseq_guard *const guard = hold->guard;

	__atomic_store_n(&guard->word, hold->word + 2, __ATOMIC_SEQ_CST);
	wake(guard);
	restore_signals(hold->signals);
}
