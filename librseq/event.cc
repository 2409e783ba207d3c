/* SPDX-License-Identifier: MIT */
#include <rseq/event.h>
#include <rseq/cpu.h>
#include <rseq/section.h>

#ifndef RSEQ_LIBC_LINE
__thread uint32_t rseq_thread_event;
#endif
#ifdef RSEQ_OWN_AREA
__thread struct tlabi rseq_thread_line = {
	0, (uint32_t)-2, 0, 0, 0, 0, 0, {}, 0, 0, 0 /* cpu_id: never tried */
};
#endif

/*
 * The token is the descriptor of a range without instructions: no thread is
 * ever in it, so each event that the kernel handles clears it.  Up to Linux
 * 6.18 it must be a valid descriptor all the same, or the process is killed.
 */
__asm__(".pushsection .text.rseq_event_token, \"ax\", %progbits\n\t"
	".balign 4\n"
	".Lrseq_token_start:\n\t"
	".4byte " RSEQ_STR(RSEQ_SIG) "\n"
	".Lrseq_token_abort:\n\t"
	".4byte " RSEQ_STR(RSEQ_SIG) "\n\t"
	".popsection\n\t"
	".pushsection .data.rel.ro.rseq_event_token, \"aw\", %progbits\n\t"
	".balign 32\n\t"
	".globl rseq_event_token\n\t"
	".type rseq_event_token, %object\n\t"
	".size rseq_event_token, 32\n"
	"rseq_event_token:\n\t"
	".4byte 0, 0\n\t"
	RSEQ_WORD64(".Lrseq_token_start")
	RSEQ_WORD64("0")
	RSEQ_WORD64(".Lrseq_token_abort")
	".popsection");

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
