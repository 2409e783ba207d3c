/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_EVENT_H
#define RSEQ_EVENT_H

#include <rseq/frame.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The token: the kernel takes it from rseq_cs when it disturbs the thread. */
extern const struct rseq_token_ { uint64_t word[4]; } rseq_event_token_;

/* Where the number is kept is built in: another librseq would not link. */
#ifdef RSEQ_LIBC_LINE_
#define rseq_event_count_ rseq_event_count_line_
#endif

/* Count an event and publish the token again. */
uint32_t rseq_event_count_(void) RSEQ_NOTHROW_;

/* Store newv if the thread was not disturbed since rseq_event() was event. */
enum rseq_result rseq_store_undisturbed_(uint32_t event, uintptr_t *v,
					 uintptr_t newv) RSEQ_NOTHROW_
	RSEQ_MUST_CHECK_;

#ifdef __cplusplus
}
#endif

/* A number that differs if this thread was disturbed between two calls. */
RSEQ_INLINE_ uint32_t rseq_event(void)
{
	uint32_t event;

	RSEQ_DEBUG_(if (1)
		event = rseq_debug_event_(); else)
	if (__builtin_expect(rseq_cs_differs_(&rseq_event_token_), 0)) {
		event = rseq_event_count_();
	} else {
#if defined(RSEQ_NO_SECTIONS_) || defined(RSEQ_LIBC_LINE_)
		event = rseq_read_(event);
#else
		event = *RSEQ_UNCONST_(volatile uint32_t *,
				       &rseq_thread_event_);
#endif
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);	/* the body is behind */
	return event;
}

RSEQ_OP_ rseq_undisturbed_(uint32_t event, uintptr_t *v, uintptr_t newv)
{
	enum rseq_result result;

	RSEQ_DEBUG_RESTART_
	rseq_touch_(v, sizeof *v);
	rseq_tsan_release_(v);
	result = rseq_store_undisturbed_(event, v, newv);
	if (result == RSEQ_COMMITTED)
		rseq_tsan_acquire_(v);
	return result;
}

/*
 * if (rseq_event() == event) *v = newv; in one step.  A system call since is
 * the caller's mistake: the kernel need not count it.
 */
#ifdef __cplusplus
RSEQ_WORDS_ RSEQ_OP_ rseq_store_undisturbed(uint32_t event, T *v, RSEQ_T_ newv)
	noexcept
{
	static_assert(sizeof(T) == sizeof(uintptr_t),
		      "rseq: only for words of a pointer's size");
	return rseq_undisturbed_(event, reinterpret_cast<uintptr_t *>(v),
				 RSEQ_GET_(newv));
}
#else
#define rseq_store_undisturbed(event, v, newv)				\
	rseq_undisturbed_(event, RSEQ_FULL_(v), RSEQ_BITS_(v, newv))
#endif

#endif
