/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <linux/posix_types.h>
#include <stdint.h>

/*
 * A thread-local variable for handlers, too: glibc allocates any other kind
 * when a thread first uses it; musl does so when a library is loaded, and loads
 * none of this kind.
 */
#ifdef __GLIBC__
#define NO_ALLOCATION	__attribute__((__tls_model__("initial-exec")))
#else
#define NO_ALLOCATION
#endif

/*
 * A word of 8 bytes that threads share is aligned to 8.  On i386 the compiler
 * has to be told: the type is aligned to 4, and for that clang calls libatomic.
 */
typedef uint64_t shared_word __attribute__((__aligned__(8)));

/* A number that threads share, for those who read about them. */
inline void count_up(uint64_t *n, uint64_t by)
{
	if (by)		/* clang 14 makes a load of 0, less aligned */
		__atomic_fetch_add((shared_word *)n, by, __ATOMIC_RELAXED);
}

inline uint64_t counted(const uint64_t &n)
{
	return __atomic_load_n((const shared_word *)&n, __ATOMIC_RELAXED);
}

/* The library leaves errno alone: calls that may set it stand under this. */
struct errno_guard {
	int saved = errno;
	~errno_guard() { errno = saved; }
};

/* A cpu on which this thread has been, whether it is registered or not. */
unsigned int some_cpu();
/* The same, asked for once in 64 times: for where any cpu's copy will do. */
unsigned int recent_cpu();

/* Whether a thread of this process has that id, as gettid() gives it. */
bool thread_exists(uint32_t thread);

/* futex(2)'s: a time_t of 8 bytes is too long for it where pointers have 4. */
struct futex_time {
	__kernel_long_t seconds, nanoseconds;
};

/*
 * Sleep while *word is seen, for 50 ms at most: whoever waits has to ask now
 * and then whether the holder is still there.
 */
void sleep_on(uint32_t *word, uint32_t seen, long nanoseconds = 50000000);
void wake_all(uint32_t *word);

/*
 * A lock that names its holder, as *word: a forked child takes that of a thread
 * which it does not have.  Not held: this thread has it already, and this is a
 * signal handler or called from what it protects.
 *
 * While a leaf is held nothing calls back and no other lock is taken: who wants
 * one in a thread that has another is a handler, and does not wait, since the
 * other's holder may be waiting in a handler, too, for what is held here.
 */
class thread_lock {
public:
	enum kind { leaf, callers };

	explicit thread_lock(uint32_t *word, kind is = callers);
	~thread_lock();
	thread_lock(const thread_lock &) = delete;

	bool held = false;
	bool mine = false;	/* held, by this thread, before */
	bool inherited = false;	/* held, from a thread that is no more */

private:
	uint32_t *word_;
	bool is_leaf_;
};

/*
 * Two threads may be the first to need what *place shall point to: what one of
 * them has made stays, and the other's is unmade.  nullptr: it cannot be made.
 */
template <class T, class Make, class Unmake>
T *made_once(T **place, Make make, Unmake unmake)
{
	T *have = __atomic_load_n(place, __ATOMIC_ACQUIRE);

	if (have)
		return have;
	T *const made = make();
	if (!made || __atomic_compare_exchange_n(place, &have, made, false,
						 __ATOMIC_ACQ_REL,
						 __ATOMIC_ACQUIRE))
		return made;
	unmake(made);
	return have;
}
