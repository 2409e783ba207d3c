/* SPDX-License-Identifier: MIT */
#pragma once

#include <rseq/cpu.h>

#if !defined(RSEQ_NO_SECTIONS_) && \
	(defined(RSEQ_LIBC_LINE_) || defined(RSEQ_LIBC_STOCK_))
extern "C" const unsigned int __rseq_size;
#endif

/*
 * Whether any thread of this process can run sections.  From what the libc has
 * said before any code of the program ran, since constructors ask.
 */
inline bool sections_live()
{
#if !defined(RSEQ_NO_SECTIONS_) && \
	(defined(RSEQ_LIBC_LINE_) || defined(RSEQ_LIBC_STOCK_))
	return __rseq_size != 0 && rseq_offset() != 0 &&
		rseq_sections_work_here_();
#else
	return false;
#endif
}
