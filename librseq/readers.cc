/* SPDX-License-Identifier: MIT */
#include <time.h>

#include <rseq/readers.h>
#include "guard.hh"
#include "internal.hh"
#include "rows.hh"

int rseq_readers_init(struct rseq_readers *r) noexcept
{
	*r = {};
	if (!can_fence())
		return 0;
	r->counts = static_cast<rseq_reads_ *>(
		rseq_percpu_alloc(sizeof *r->counts, sizeof *r->counts));
	return r->counts ? 0 : -ENOMEM;
}

void rseq_readers_fini(struct rseq_readers *r) noexcept
{
	(void)rseq_percpu_free(r->counts);
	*r = {};
}

/* ThreadSanitizer does not take __atomic_thread_fence(). */
static void full_fence()
{
	__sync_synchronize();
}

struct rseq_reading rseq_readers_slow_(uintptr_t *count,
				       struct rseq_reading in) noexcept
{
	__atomic_fetch_add(count, 1, __ATOMIC_SEQ_CST);
	full_fence();
	return in;
}

static uintptr_t sum(const rseq_readers *r, uintptr_t (rseq_reads_::*which)[2],
		     unsigned int phase)
{
	return (r->counts ? percpu_sum(&(r->counts->*which)[phase]) : 0) +
		__atomic_load_n(&(r->others.*which)[phase], __ATOMIC_ACQUIRE);
}

static bool is_in(unsigned int phase, unsigned int phases)
{
	return phases >> phase & 1;
}

/*
 * Which of these phases nobody reads in; or an error.
 *
 * First who has left is summed up, then who has entered, and between the two
 * every thread passes a fence.  Whoever has left by the first sum had entered
 * before, and the second sum knows; so the two are equal only if all whom the
 * second one knows have left, and that before the fence, with all that they
 * read.  Whom it does not know enters behind the fence, and finds what the
 * caller has stored before.
 */
static int empty_of(rseq_readers *r, unsigned int phases)
{
	uintptr_t left[2] = {};
	unsigned int maybe = 0, empty = 0;

	for (unsigned int phase = 0; phase < 2; ++phase) {
		if (!is_in(phase, phases))
			continue;
		left[phase] = sum(r, &rseq_reads_::left, phase);
		if (left[phase] == sum(r, &rseq_reads_::entered, phase))
			maybe |= 1u << phase;	/* worth a fence */
	}
	if (!maybe)
		return 0;
	full_fence();
	const int ret = r->counts ? fence_all() : 0;
	if (ret)
		return ret;
	for (unsigned int phase = 0; phase < 2; ++phase)
		if (is_in(phase, maybe) &&
		    left[phase] == sum(r, &rseq_reads_::entered, phase))
			empty |= 1u << phase;
	return (int)empty;
}

static int64_t now_ms()
{
	timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * Both phases have to be seen empty, at any two times.  Readers are sent to the
 * other phase once it is empty, so that the one which they are in becomes so.
 * Others may wait, and flip the phases, too: each flip follows a look at the
 * phase that it goes to.  Of three since this call began, the second and the
 * third have looked since, at either phase, for this caller as well.
 */
int rseq_readers_wait_(struct rseq_readers *r, int ms) noexcept
{
	static constexpr long shortest = 50000, longest = 1000000;	/* ns */
	static constexpr unsigned int both = 3;
	errno_guard keep;
	const int64_t end = ms > 0 ? now_ms() + ms : 0;
	unsigned int seen = 0;

	full_fence();
	const uint32_t first = __atomic_load_n(&r->flips, __ATOMIC_SEQ_CST);
	for (long nap = shortest;; nap = nap < longest ? nap * 2 : longest) {
		uint32_t flips = __atomic_load_n(&r->flips, __ATOMIC_SEQ_CST);
		const unsigned int phase = flips & 1, other = !phase;

		if (flips - first >= 3)
			return 0;
		unsigned int want = both & ~seen;
		if (is_in(phase, want))
			want |= 1u << other;
		const int empty = empty_of(r, want);
		if (empty < 0)
			return empty;
		seen |= (unsigned int)empty;
		if (seen == both)
			return 0;
		if (!is_in(phase, seen) && is_in(other, (unsigned int)empty))
			__atomic_compare_exchange_n(&r->flips, &flips,
						    flips + 1, false,
						    __ATOMIC_SEQ_CST,
						    __ATOMIC_RELAXED);
		if (ms >= 0 && (ms == 0 || now_ms() >= end))
			return -ETIMEDOUT;
		uint32_t asleep = 1;
		sleep_on(&asleep, 1, nap);
	}
}
