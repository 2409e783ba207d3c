/* SPDX-License-Identifier: MIT */
#include <rseq/transaction.h>

#undef rseq_finish	/* what it is where TSan builds this, too */

#ifndef RSEQ_LIBC_LINE
__thread uint32_t rseq_thread_event;
#endif
#ifdef RSEQ_OWN_AREA
__thread struct tlabi rseq_thread_line = {
	0, (uint32_t)-2, 0, 0, 0, 0, 0, {}, 0, 0, 0 /* cpu_id: never tried */
};
#endif

/* The two fields of the area that are ours to write. */
static inline struct tlabi *own_area()
{
	return const_cast<struct tlabi *>(rseq_self());
}

static inline uint32_t *event_word()
{
#ifdef RSEQ_LIBC_LINE
	return &own_area()->event;
#else
	return &rseq_thread_event;
#endif
}

/*
 * The token first, then the number: a handler that comes between counts its
 * own event, and this call returns a number that the handler did not see.
 * Without a registration, or by a kernel that leaves rseq_cs alone, the token
 * would never be taken away, so none is left and every call counts.
 */
uint32_t rseq_event_count(void)
{
	if (rseq_current_cpu() >= 0 && !rseq_sections_broken)
		*(volatile uint64_t *)&own_area()->rseq_cs =
			(uintptr_t)&rseq_event_token;
	return __atomic_add_fetch(event_word(), 1, __ATOMIC_RELAXED);
}

/*
 * The token is the descriptor of the range below, which is the only one that
 * looks for it: as long as it is there the range is armed, and each event that
 * the kernel handles, inside the range or out, takes it away.  A handler may
 * have put it back, but then it has counted.
 */
__attribute__((__noinline__))
#ifdef __GNUC__
#ifndef __clang__
__attribute__((__noclone__))	/* it defines a symbol */
#endif
#endif
enum rseq_result rseq_finish(uint32_t event, intptr_t *v, intptr_t newv)
{
	const volatile uint64_t *const published = &rseq_self()->rseq_cs;
	const uint64_t token = (uintptr_t)&rseq_event_token;
	const uint32_t *const count = event_word();

	__asm__ __volatile__ goto (
		".Lrseq_start%=:\n\t"
		RSEQ_IF_EQ(64, RSEQ_V(published), token, disturbed)
		RSEQ_IF_EQ(32, RSEQ_V(count), event, disturbed)
		RSEQ_COMMIT(RSEQ_STORE_POINTER(newv, RSEQ_V(v)))
		RSEQ_ABORT
		RSEQ_DESCRIPTOR
		".globl rseq_event_token\n\t"
		".type rseq_event_token, %%object\n\t"
		".size rseq_event_token, 32\n\t"
		".set rseq_event_token, .Lrseq_cs%=\n\t"
		:
		: RSEQ_PLACE(published), RSEQ_IN(64, token),
		  RSEQ_PLACE(count), RSEQ_IN(32, event),
		  RSEQ_PLACE(v), RSEQ_IN(RSEQ_POINTER, newv)
		: "memory", RSEQ_CLOBBERS RSEQ_INJECT_CLOBBERS
		: abort, disturbed);
	return RSEQ_COMMITTED;
abort:
disturbed:
	return rseq_sections_broken ? RSEQ_UNAVAILABLE : rseq_why_not();
}
