/* SPDX-License-Identifier: MIT */
#pragma once

#include <rseq/guard.h>

/* Not public: what rseq_guard_lock() and rseq_begin_slow() are made of. */

/* Sleep until a word that was seen locked has changed: 0 or -EDEADLK. */
int guard_wait(rseq_guard *guard, uintptr_t seen);

/* rseq_guard_lock(), when cpu is in range. */
int guard_lock(rseq_guard *guard, unsigned int cpu, rseq_hold *hold);
