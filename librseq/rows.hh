/* SPDX-License-Identifier: MIT */
#pragma once

#include <rseq/percpu.h>

/* The sum of a word's copies: unsigned, since it may wrap. */
template <class T> uintptr_t percpu_sum(const T *word)
{
	uintptr_t sum = 0;
	const T *copy;

	RSEQ_FOR_EACH_CPU(copy, word)
		sum += (uintptr_t)__atomic_load_n(copy, __ATOMIC_RELAXED);
	return sum;
}

/*
 * Words in per-cpu memory of which each cpu has two rows: one that sections add
 * to, and behind it one that atomics add to.
 */
struct rows {
	intptr_t *words;	/* per-cpu */
	size_t count;

	static constexpr size_t cacheline = 64;

	/* A row is as long as its words, in whole cache lines. */
	static size_t row_size(size_t count)
	{
		return (count * sizeof(intptr_t) + cacheline - 1) &
			~(cacheline - 1);
	}
	static intptr_t *alloc(size_t count)
	{
		return static_cast<intptr_t *>(
			rseq_percpu_alloc(row_size(count) * 2, cacheline));
	}

	/* What atomics add to: per-cpu, too. */
	intptr_t *atomic_word(size_t i) const
	{
		return words + row_size(count) / sizeof(intptr_t) + i;
	}
	/* Add without a section, or by one that has failed until now. */
	void add(size_t i, intptr_t n) const;
	uintptr_t sum(size_t i) const
	{
		return percpu_sum(words + i) + percpu_sum(atomic_word(i));
	}
};

/* Two threads may be the first: the one allocation that stays. */
intptr_t *rows_once(intptr_t **place, size_t count);
