/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_EVENT_H
#define RSEQ_EVENT_H

#include <rseq/self.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The token: the kernel takes it from rseq_cs when it disturbs the thread. */
extern const struct rseq_token { uint64_t word[4]; } rseq_event_token;

/* Where the number is kept is built in: a librseq built otherwise won't link. */
#ifdef RSEQ_LIBC_LINE
#define rseq_event_count rseq_event_count_line
#endif

/* Count an event and publish the token again. */
uint32_t rseq_event_count(void);

#ifdef __cplusplus
}
#endif

/* A number that differs if this thread was disturbed between two calls. */
static inline uint32_t rseq_event(void)
{
	if (__builtin_expect(rseq_cs_differs(&rseq_event_token), 0))
		return rseq_event_count();
#ifdef RSEQ_LIBC_LINE
	return rseq_read(event);
#else
	return *(const volatile uint32_t *)&rseq_thread_event;
#endif
}

#endif
