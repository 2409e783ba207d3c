/* SPDX-License-Identifier: MIT */
/* What two files share: a template and an inline function with sections. */
#pragma once

#include <rseq/word.h>

template <class T>
__attribute__((__noinline__)) int count(T *word)
{
	intptr_t one = 1;
	enum rseq_result r;

	do
		r = rseq_add(&word->value, one, rseq_this_cpu());
	while (r == RSEQ_RESTARTED);
	return r;
}

inline __attribute__((__noinline__)) int count_if(intptr_t *word, intptr_t old)
{
	enum rseq_result r;

	do
		r = rseq_compare_store(word, old, old + 1, rseq_this_cpu());
	while (r == RSEQ_RESTARTED);
	return r;
}

struct word {
	intptr_t value;
};

int other_file(word *w);
