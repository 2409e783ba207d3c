/* SPDX-License-Identifier: MIT */
#pragma once

#include <rseq/transaction.h>

/* Not public: what rseq_guard_lock() and rseq_begin_slow_() are made of. */

/* If it is locked, sleep until that may have changed: 0 or -EDEADLK. */
int guard_wait(rseq_guard *guard);

/* rseq_guard_lock_(), when cpu is in range. */
int guard_lock(rseq_guard *guard, unsigned int cpu, rseq_hold *hold);

/* Begin with a cpu's guard locked: the cpu, or an error. */
int guard_hold(rseq_transaction *t, unsigned int cpu);

/* Begin where no section runs in the process: the cpu, or -EDEADLK. */
int guard_begin_any(rseq_transaction *t);

/* The thread that has locked what hold describes, if the guard says so. */
uint32_t guard_holder(const rseq_hold *hold);

/* The calling thread's id, without a system call but for the first time. */
uint32_t thread_id();

/* No section that began before it still runs, on any cpu: 0 or -ENOSYS. */
int fence_all();

/* Whether fence_all() is available: some kernels and filters refuse it. */
bool can_fence();
