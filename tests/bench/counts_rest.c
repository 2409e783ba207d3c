/* SPDX-License-Identifier: MIT */
/*
 * What counts.c needs to be linked, where there may be no librseq.  Its program
 * is disassembled and never run.
 */
#include <rseq/readers.h>
#include <rseq/refcount.h>
#include <rseq/rseq.h>

void failed(void) __attribute__((__noreturn__));

const struct rseq_token_ rseq_event_token_;
unsigned int rseq_known_features_;
#ifdef __aarch64__
int rseq_known_sections_;
int rseq_sections_work_(void)
{
	return 1;
}
#endif
#ifndef RSEQ_LIBC_LINE_
__thread uint32_t rseq_thread_event_;
#endif
#ifdef RSEQ_OWN_AREA_
__thread struct tlabi rseq_thread_line_;
#endif
#if defined(RSEQ_LIBC_STOCK_) && defined(RSEQ_OWN_AREA_)
const ptrdiff_t rseq_no_offset __asm__(RSEQ_LIBC_OFFSET_);
#endif

unsigned int rseq_feature_size(void)
{
	return 0;
}

uint32_t rseq_event_count_(void)
{
	return 0;
}

void rseq_counter_add_slow_(const struct rseq_counter *c, size_t i, intptr_t n)
{
	(void)c, (void)i, (void)n;
}

struct rseq_reading rseq_readers_slow_(uintptr_t *count,
				       struct rseq_reading in)
{
	(void)count;
	return in;
}

int rseq_refcount_slow_(struct rseq_refcount *c, uintptr_t n)
{
	(void)c, (void)n;
	return 0;
}

int rseq_begin_slow_(struct rseq_transaction *t)
{
	(void)t;
	return 0;
}

int rseq_still_held_(struct rseq_guard *guard, uintptr_t word,
		     unsigned int state)
{
	(void)guard, (void)word, (void)state;
	return 1;
}

void rseq_guard_unlock_(struct rseq_hold *hold)
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
