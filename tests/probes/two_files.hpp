/* SPDX-License-Identifier: MIT */
/* What two files share: a template and an inline function with sections. */
#pragma once

#include <rseq/ops.h>

template <class T>
__attribute__((__noinline__)) int count(T *word)
{
	intptr_t one = 1;
	enum rseq_result r;

	do
		r = rseq_load_add_store(&word->value, one, rseq_cpu_start());
	while (r == RSEQ_RESTARTED);
	return r;
}

inline __attribute__((__noinline__)) int count_if(intptr_t *word, intptr_t old)
{
	enum rseq_result r;

	do
		r = rseq_load_cbne_store(word, old, old + 1, rseq_cpu_start());
	while (r == RSEQ_RESTARTED);
	return r;
}

struct word {
	intptr_t value;
};

int other_file(word *w);
