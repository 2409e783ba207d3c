/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.hh"
#include "internal.hh"
#include "live.hh"

/*
 * A guard as a whole has 8 bytes, with a word of 4 also the member behind it.
 * That of a held guard is odd and names its holder:
 *
 *	holder's thread id << 32 | low half of event << 1 | 1
 *
 * so that two holders never write the same, and whoever finds that the holder
 * is no more can go on.  Sections compare and store the word only: of one of 4
 * bytes they leave the other half behind, which means nothing while it is even.
 */
typedef shared_word __attribute__((__may_alias__)) whole_guard;
static_assert(sizeof(rseq_guard) == sizeof(whole_guard) &&
	      alignof(rseq_guard) >= alignof(whole_guard));

static whole_guard *whole(rseq_guard *guard)
{
	return (whole_guard *)guard;
}

static uint64_t load(rseq_guard *guard)
{
	return __atomic_load_n(whole(guard), __ATOMIC_ACQUIRE);
}

static bool replace(rseq_guard *guard, uint64_t seen, uint64_t by)
{
	return __atomic_compare_exchange_n(whole(guard), &seen, by, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static uint64_t held_by(uint64_t word, uint32_t thread)
{
	return (uint64_t)thread << 32 | (uint32_t)word | 1;
}

static uint32_t holder_of(uint64_t held)
{
	return (uint32_t)(held >> 32);
}

/* Whether this is still the lock that was put over the word, whoever's. */
static bool is_lock_over(uint64_t now, uint64_t word)
{
	return (uint32_t)now == ((uint32_t)word | 1);
}

static uint32_t ask_thread_id()
{
	return (uint32_t)syscall(SYS_gettid);
}

/* ---- the thread's id, without a system call each time ---- */

/*
 * A page that the kernel zeroes in a forked child, where the one thread left
 * has another id than the one it kept.
 */
static uint32_t *process;
static uint32_t processes;

static uint32_t this_process()
{
	uint32_t *page = __atomic_load_n(&process, __ATOMIC_ACQUIRE);

	if (!page) {
		void *const made = mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (made == MAP_FAILED)
			return 0;
		if (madvise(made, 4096, MADV_WIPEONFORK) != 0 ||
		    !__atomic_compare_exchange_n(&process, &page,
				static_cast<uint32_t *>(made), false,
				__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			munmap(made, 4096);
			return page ? __atomic_load_n(page, __ATOMIC_RELAXED) :
				0;
		}
		page = static_cast<uint32_t *>(made);
	}
	uint32_t n = __atomic_load_n(page, __ATOMIC_RELAXED);
	if (n == 0) {
		const uint32_t next = __atomic_add_fetch(&processes, 1,
							 __ATOMIC_RELAXED);
		if (__atomic_compare_exchange_n(page, &n, next, false,
				__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			n = next;
	}
	return n;
}

struct thread_cache {
	uint32_t process;	/* in which id is right; 0: none */
	uint32_t id;
	uint32_t cpu;		/* whose data it worked on last, + 1 */
	uint32_t commits;	/* that hold a guard, signals not blocked */
};
static __thread thread_cache mine NO_ALLOCATION;

uint32_t thread_id()
{
	const uint32_t now = this_process();

	if (now == 0)
		return ask_thread_id();
	if (mine.process != now) {
		mine.id = ask_thread_id();
		mine.process = now;
	}
	return mine.id;
}

/* ---- the fence: no section that began before it is still running ---- */

/* By numbers: <linux/membarrier.h> has enumerators, and only since 5.10. */
static constexpr int private_expedited_rseq = 1 << 7;
static constexpr int register_private_expedited_rseq = 1 << 8;
static constexpr int flag_cpu = 1;

static bool register_for_fences()
{
	return syscall(SYS_membarrier, register_private_expedited_rseq, 0, 0)
		== 0;
}

/* On one cpu, or on all. */
static int fence(int flag, unsigned int cpu)
{
	if (!sections_live())
		return 0;
	for (bool registered = false;; registered = true) {
		if (syscall(SYS_membarrier, private_expedited_rseq, flag,
			    cpu) == 0)
			return 0;
		if (errno != EPERM || registered || !register_for_fences())
			return -ENOSYS;
	}
}

/* Only a yes is kept: a filter may refuse it to one thread. */
bool can_fence()
{
	static bool known;

	if (__atomic_load_n(&known, __ATOMIC_RELAXED))
		return true;
	errno_guard keep;
	if (!sections_live() || !register_for_fences())
		return false;
	__atomic_store_n(&known, true, __ATOMIC_RELAXED);
	return true;
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

/* How many threads sleep on some guard: else an unlock need not wake. */
static uint32_t sleepers;

static uint32_t *futex_word(rseq_guard *guard)
{
	const bool big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	return (uint32_t *)guard + big_endian;
}

static void wake(rseq_guard *guard)
{
	if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST))
		wake_all(futex_word(guard));
}

static void sleep_a_while(rseq_guard *guard, uint64_t seen)
{
	__atomic_add_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
	sleep_on(futex_word(guard), (uint32_t)seen);
	__atomic_sub_fetch(&sleepers, 1, __ATOMIC_RELAXED);
}

/*
 * Whether the holder is there is asked first, and each time: signals may end
 * every sleep long before its time.
 */
int guard_wait(rseq_guard *guard)
{
	const uint64_t seen = load(guard);

	if (!(seen & 1))
		return 0;
	/* A handler in a commit: who it waits for may wait for that. */
	if (mine.commits || holder_of(seen) == ask_thread_id())
		return -EDEADLK;
	if (thread_exists(holder_of(seen)))
		sleep_a_while(guard, seen);
	else	/* leave an event behind that nobody has begun with */
		replace(guard, seen, seen + 1);
	return 0;
}

/* ---- lock and unlock ---- */

static rseq_guard *guard_of(rseq_guard *guard, unsigned int cpu)
{
	return static_cast<rseq_guard *>(rseq_copy_of_(guard, cpu));
}

/* Give back what was not wanted after all. */
static void let_go(rseq_guard *guard, uint64_t held, uint64_t word)
{
	replace(guard, held, word + 2);
	wake(guard);
}

/*
 * A commit may have read the word before it was locked, and store its own over
 * it.  After the fence there is no such commit any more: either the lock is
 * still there to see, or it was lost and nothing has happened.
 */
int guard_lock(rseq_guard *guard, unsigned int cpu, rseq_hold *hold)
{
	errno_guard keep;
	const uint32_t thread = ask_thread_id();

	for (;;) {
		const uint64_t word = load(guard);
		if (word & 1) {
			int ret = guard_wait(guard);
			if (ret)
				return ret;
			continue;
		}
		block_signals(hold->signals);
		const uint64_t held = held_by(word, thread);
		if (replace(guard, word, held)) {
			const int ret = fence(flag_cpu, cpu);
			if (ret == 0 && load(guard) == held) {
				hold->guard = guard;
				hold->word = (uintptr_t)word;
				hold->state = RSEQ_LOCKED_;
				return 0;
			}
			if (ret != 0) {
				let_go(guard, held, word);
				restore_signals(hold->signals);
				return ret;
			}
		}
		restore_signals(hold->signals);
	}
}

int guard_hold(rseq_transaction *t, unsigned int cpu)
{
	t->cpu = (int)cpu;
	t->guard = guard_of(t->guards, cpu);
	const int ret = guard_lock(t->guard, cpu, &t->hold);
	return ret ? ret : t->cpu;
}

/*
 * Where no section runs, the commit locks the guard and looks whether there has
 * been another one since begin.  It does not block signals for its few stores;
 * a handler that finds itself in the middle of them goes to another cpu's data.
 */
int guard_begin_any(rseq_transaction *t)
{
	static constexpr unsigned int patience = 100;	/* 5 s of sleep */
	const unsigned int limit = rseq_cpu_limit();

	if (mine.cpu == 0 || mine.cpu > limit)
		mine.cpu = some_cpu() + 1;
	unsigned int cpu = mine.cpu - 1;
	for (unsigned int busy = 0; busy < limit * patience;) {
		rseq_guard *const guard = guard_of(t->guards, cpu);
		const uint64_t word = load(guard);

		if (!(word & 1)) {
			t->cpu = (int)cpu;
			t->guard = guard;
			t->word = (uintptr_t)word;
			if (t->left <= 0 && !mine.commits)
				return guard_hold(t, cpu);
			t->hold.guard = guard;
			t->hold.word = t->word;
			t->hold.state = RSEQ_UNMASKED_;
			return t->cpu;
		}
		errno_guard keep;
		if (mine.commits) {
			if (++busy % limit == 0)	/* another drains all */
				sleep_a_while(guard, word);
			cpu = (cpu + 1) % limit;
			continue;
		}
		const int ret = guard_wait(guard);
		if (ret)
			return ret;
	}
	return -EDEADLK;
}

static bool lock_for_commit(rseq_guard *guard, uintptr_t word)
{
	const uint64_t held = held_by(word, thread_id());
	const uint64_t now = load(guard);

	++mine.commits;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if ((uintptr_t)now == word && replace(guard, now, held))
		return true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	--mine.commits;
	mine.cpu = 0;	/* another thread works there, too */
	return false;
}

int fence_all()
{
	errno_guard keep;
	return fence(0, 0);
}

int rseq_guard_lock_(struct rseq_guard *guard, unsigned int cpu,
		     struct rseq_hold *hold) noexcept
{
	hold->guard = nullptr;
	if (!guard || cpu >= rseq_cpu_limit())
		return -EINVAL;
	return guard_lock(guard_of(guard, cpu), cpu, hold);
}

uint32_t guard_holder(const rseq_hold *hold)
{
	const uint64_t now = load(hold->guard);

	return is_lock_over(now, hold->word) ? holder_of(now) : 0;
}

/*
 * A hold that was lost is left alone: a forked child, in which the holder has
 * another id, may have had the guard taken over.
 */
void rseq_guard_unlock_(struct rseq_hold *hold) noexcept
{
	rseq_guard *const guard = hold->guard;

	hold->guard = nullptr;
	if (!guard || !(hold->state & RSEQ_LOCKED_))
		return;
	errno_guard keep;
	const uint64_t now = load(guard);
	if (is_lock_over(now, hold->word))
		replace(guard, now, hold->word + 2);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (hold->state & RSEQ_UNMASKED_)
		--mine.commits;
	wake(guard);
	if (!(hold->state & RSEQ_UNMASKED_))
		restore_signals(hold->signals);
}

/*
 * Before the stores of a transaction that holds its guard: is it still this
 * thread's?  In a forked child it has to be made so, or others take it over.
 */
int rseq_still_held_(struct rseq_guard *guard, uintptr_t word,
		     unsigned int state) noexcept
{
	errno_guard keep;
	if (!(state & RSEQ_LOCKED_))
		return lock_for_commit(guard, word);
	const uint64_t held = held_by(word, thread_id());
	const uint64_t now = load(guard);

	if (now == held)
		return 1;
	return is_lock_over(now, word) && !thread_exists(holder_of(now)) &&
		replace(guard, now, held);
}

/* ---- all cpus ---- */

/* So many cpus are locked, fenced, drained and unlocked at a time. */
static constexpr unsigned int batch = 256;

/* Some cpus' guards, of which the first so many are locked. */
struct batch_of {
	rseq_guard *guard;
	unsigned int first, count, locked;
	uint32_t thread;
	uint64_t words[batch];

	rseq_guard *at(unsigned int i) const
	{
		return guard_of(guard, first + i);
	}
	uint64_t held(unsigned int i) const
	{
		return held_by(words[i], thread);
	}
};

/* Lock the rest, in the order of cpus, as everybody does: 0, or an error. */
static int lock_rest(batch_of *b)
{
	while (b->locked < b->count) {
		rseq_guard *const g = b->at(b->locked);
		const uint64_t word = load(g);

		if (word & 1) {
			const int ret = guard_wait(g);
			if (ret)
				return ret;
		} else if (replace(g, word, held_by(word, b->thread))) {
			b->words[b->locked++] = word;
		}
	}
	return 0;
}

static void let_go_from(batch_of *b, unsigned int first)
{
	while (b->locked > first) {
		--b->locked;
		let_go(b->at(b->locked), b->held(b->locked),
		       b->words[b->locked]);
	}
}

/*
 * Lock all and fence once.  A lock that a commit has overwritten is taken
 * again, and all behind it, since others wait for those with earlier ones held.
 */
static int lock_batch(batch_of *b)
{
	for (;;) {
		int ret = lock_rest(b);
		if (ret == 0)
			ret = fence(0, 0);
		if (ret)
			return ret;
		unsigned int i = 0;
		while (i < b->count && load(b->at(i)) == b->held(i))
			++i;
		if (i == b->count)
			return 0;
		let_go_from(b, i);
	}
}

static int drain_batch(batch_of *b,
		       void (*drain)(unsigned int cpu, void *arg), void *arg)
{
	const int ret = lock_batch(b);

	for (unsigned int i = 0; ret == 0 && i < b->count; ++i)
		drain(b->first + i, arg);
	let_go_from(b, 0);
	return ret;
}

int rseq_guard_drain_(struct rseq_guard *guard,
		      void (*drain)(unsigned int cpu, void *arg), void *arg)
{
	const unsigned int limit = rseq_cpu_limit();
	int ret = 0;

	if (!guard || !drain)
		return -EINVAL;
	errno_guard keep;
	uint64_t signals[2];
	block_signals(signals);
	batch_of b;
	b.guard = guard;
	b.thread = ask_thread_id();
	for (b.first = 0; b.first < limit && ret == 0; b.first += batch) {
		b.count = limit - b.first < batch ? limit - b.first : batch;
		b.locked = 0;
		ret = drain_batch(&b, drain, arg);
	}
	restore_signals(signals);
	return ret;
}
