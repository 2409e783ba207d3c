/* SPDX-License-Identifier: MIT */
#include <rseq/event.h>
#include "debug.hh"

#ifndef RSEQ_LIBC_LINE_
__thread uint32_t rseq_thread_event_;
#endif
#ifdef RSEQ_OWN_AREA_
__thread struct tlabi rseq_thread_line_ = {
	0, (uint32_t)-2, 0, 0, 0, 0, 0, {}, 0, 0, 0 /* cpu_id: never tried */
};
#endif

static inline uint32_t *event_word()
{
#ifdef RSEQ_LIBC_LINE_
	return &const_cast<struct tlabi *>(rseq_self())->event;
#else
	return &rseq_thread_event_;
#endif
}

/*
 * The token first, then the number: a handler that comes between counts its
 * own event, and this call returns a number that the handler did not see.
 * Without a registration, or by a kernel that leaves rseq_cs alone, the token
 * would never be taken away, so none is left and every call counts.
 */
uint32_t count_event()
{
#ifndef RSEQ_NO_SECTIONS_
	if (rseq_usable())
		*const_cast<volatile uint64_t *>(&rseq_self()->rseq_cs) =
			(uintptr_t)&rseq_event_token_;
#endif
	return __atomic_add_fetch(event_word(), 1, __ATOMIC_RELAXED);
}

uint32_t rseq_event_count_(void) noexcept
{
	const void *const caller = __builtin_return_address(0);

	return __builtin_expect(watch_wanted() == watch::always, 0) ?
		watched_event(caller) : count_event();
}

bool token_published()
{
	return !rseq_cs_differs_(&rseq_event_token_);
}

void take_token()
{
	if (token_published())
		rseq_prepare_unload();
}

#ifndef RSEQ_NO_SECTIONS_

#define RSEQ_STORE_OPERANDS_						\
	RSEQ_OPERAND(published, published),				\
	RSEQ_IN(RSEQ_POINTER_, token), RSEQ_OPERAND(count, count),	\
	RSEQ_IN(32, event), RSEQ_OPERAND(cpu, cpu), RSEQ_IN(32, none),	\
	RSEQ_INPUT_(zero, RSEQ_VALUE_, 0), RSEQ_PLACE(v),		\
	RSEQ_IN(RSEQ_POINTER_, newv)

/*
 * The token is the descriptor of the range below, which is the only one that
 * looks for it: as long as it is there the range is armed, and each event that
 * the kernel handles, inside the range or out, takes it away.  A handler may
 * have put it back, but then it has counted.  It also stays where a thread has
 * been unregistered since, which cpu_id tells.
 */
__attribute__((__noinline__))
#ifdef __GNUC__
#ifndef __clang__
__attribute__((__noclone__))	/* it defines a symbol */
#endif
#endif
enum rseq_result rseq_store_undisturbed_(uint32_t event, uintptr_t *v,
					 uintptr_t newv) noexcept
{
	const volatile uint64_t *const published = &rseq_self()->rseq_cs;
	const volatile uint32_t *const cpu = &rseq_self()->cpu_id;
	const uint32_t none = 0x80000000;
	const uintptr_t token = (uintptr_t)&rseq_event_token_;
	const uint32_t *const count = event_word();

	if (rseq_this_cpu().n < 0)
		return RSEQ_UNAVAILABLE;
	RSEQ_BLOCK_(RSEQ_STORE_OPERANDS_)
	__asm__ __volatile__ goto (
		RSEQ_ADDRESS_
		".Lrseq_start%=:\n\t"
		RSEQ_IF_EQ_(RSEQ_POINTER_, RSEQ_V(published), token,
			    disturbed)
		RSEQ_IF_EQ(32, RSEQ_V(count), event, disturbed)
		RSEQ_THEN(RSEQ_LOAD(32, RSEQ_V(cpu)))
		RSEQ_THEN(RSEQ_AND(32, none))
		RSEQ_EXIT_(disturbed) RSEQ_BNE(32, zero, disturbed)
		RSEQ_COMMIT(RSEQ_STORE_(RSEQ_POINTER_, newv, RSEQ_V(v)))
		RSEQ_STUB_
		RSEQ_DESCRIPTOR_
		".globl rseq_event_token_\n\t"
		".type rseq_event_token_, %%object\n\t"
		".size rseq_event_token_, 32\n\t"
		".set rseq_event_token_, .Lrseq_cs%=\n\t"
		:
		: RSEQ_INPUTS_(RSEQ_STORE_OPERANDS_)
		: "memory", RSEQ_CLOBBERS_ RSEQ_INJECT_CLOBBERS_
		: abort, disturbed);
	return RSEQ_COMMITTED;
abort:
disturbed:
	report_system_call(event, v, __builtin_return_address(0));
	return rseq_sections_work_here_() ? rseq_abort_result_() :
		RSEQ_UNAVAILABLE;
}

#else

const struct rseq_token_ rseq_event_token_ = {};

enum rseq_result rseq_store_undisturbed_(uint32_t, uintptr_t *,
					 uintptr_t) noexcept
{
	return RSEQ_UNAVAILABLE;
}

#endif
