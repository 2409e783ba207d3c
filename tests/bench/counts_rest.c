/* SPDX-License-Identifier: MIT */
/*
 * What counts.c needs to be linked, where there may be no librseq.  Its program
 * is disassembled and never run.
 */
#include <rseq/rseq.h>

void failed(void) __attribute__((__noreturn__));

const struct rseq_token rseq_event_token;
const unsigned int rseq_feature_size;
#ifdef __aarch64__
const unsigned int rseq_sections_broken;
#endif
#ifndef RSEQ_LIBC_LINE
__thread uint32_t rseq_thread_event;
#endif
#ifdef RSEQ_OWN_AREA
__thread struct tlabi rseq_thread_line;
#endif
#if defined(RSEQ_LIBC_STOCK) && defined(RSEQ_OWN_AREA)
const ptrdiff_t rseq_no_offset __asm__(RSEQ_LIBC_OFFSET_);
#endif

uint32_t rseq_event_count(void)
{
	return 0;
}

void rseq_counter_add_slow(const struct rseq_counter *c, size_t i, intptr_t n)
{
	(void)c, (void)i, (void)n;
}

int rseq_begin_slow(struct rseq_transaction *t)
{
	(void)t;
	return 0;
}

void rseq_guard_unlock(struct rseq_hold *hold)
{
	(void)hold;
}

void failed(void)
{
	for (;;)
		;
}

int main(void)
{
	return 0;
}
