/* SPDX-License-Identifier: MIT */
#include "internal.hh"
#include "rows.hh"

/*
 * A section that is restarted again and again (a debugger that steps does
 * that) or that cannot run here must not keep the caller: after a few tries
 * the add is an atomic one, in a row that sections never touch.
 */
void rows::add(size_t i, intptr_t n) const
{
	static constexpr int tries = 16;
	rseq_result result = RSEQ_RESTARTED;

	for (int t = 0; t < tries && result == RSEQ_RESTARTED; ++t)
		result = rseq_this_cpu_add(words + i, n);
	if (result == RSEQ_COMMITTED)
		return;
	__atomic_fetch_add(rseq_percpu_ptr(atomic_word(i), recent_cpu()), n,
			   __ATOMIC_RELAXED);
}

intptr_t *rows_once(intptr_t **place, size_t count)
{
	return made_once(
		place, [&] { return rows::alloc(count); },
		[](intptr_t *words) { (void)rseq_percpu_free(words); });
}
