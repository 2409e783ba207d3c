/* SPDX-License-Identifier: MIT */
#pragma once

#include <rseq/guard.h>

/* Not public: what rseq_guard_lock() and rseq_begin_slow_() are made of. */

/* Sleep until a word that was seen locked has changed: 0 or -EDEADLK. */
int guard_wait(rseq_guard *guard, uintptr_t seen);

/* rseq_guard_lock_(), when cpu is in range. */
int guard_lock(rseq_guard *guard, unsigned int cpu, rseq_hold *hold);

/*
 * Hold the guard of whichever cpu is free, where no section runs in the
 * process, without a system call: its number, or -EDEADLK.
 */
int guard_lock_any(rseq_guard *guards, rseq_hold *hold);
