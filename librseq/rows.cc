/* SPDX-License-Identifier: MIT */
#include "internal.hh"
#include "rows.hh"

intptr_t *rows::atomic_word(unsigned int cpu, size_t i) const
{
	return rseq_percpu_ptr(words + row_size(count) / sizeof(intptr_t) + i,
			       cpu);
}

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
	__atomic_fetch_add(atomic_word(some_cpu(), i), n, __ATOMIC_RELAXED);
}

static uintptr_t load(const intptr_t *word)
{
	return (uintptr_t)__atomic_load_n(word, __ATOMIC_RELAXED);
}

uintptr_t rows::sum(size_t i) const
{
	uintptr_t sum = 0;

	for (unsigned int cpu = 0; cpu < rseq_cpu_limit(); ++cpu)
		sum += load(rseq_percpu_ptr(words + i, cpu)) +
			load(atomic_word(cpu, i));
	return sum;
}

intptr_t *rows_once(intptr_t **place, size_t count)
{
	return made_once(
		place, [&] { return rows::alloc(count); },
		[](intptr_t *words) { (void)rseq_percpu_free(words); });
}
