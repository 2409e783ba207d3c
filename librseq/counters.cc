/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rseq/counters.h>
#include "internal.hh"
#include "rows.hh"

static constexpr size_t segment = RSEQ_COUNTERS_SEGMENT_;

/* Beside a segment: names, and what has been taken of each counter. */
struct rseq_counter_names_ {
	char *name[segment];
	intptr_t taken[segment];
};

static rows rows_of(const rseq_counters *s, size_t i)
{
	return {__atomic_load_n(&s->segment[i / segment], __ATOMIC_ACQUIRE),
		segment};
}

static rseq_counter_names_ *names_once(rseq_counter_names_ **place)
{
	errno_guard keep;

	return made_once(place, [] {
		void *const at = mmap(nullptr, sizeof(rseq_counter_names_),
				      PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return at == MAP_FAILED ? nullptr :
			static_cast<rseq_counter_names_ *>(at);
	}, [](rseq_counter_names_ *made) { munmap(made, sizeof *made); });
}

long rseq_counters_make(struct rseq_counters *s, const char *name) noexcept
{
	char *copy = nullptr;

	if (name) {
		errno_guard keep;
		copy = strdup(name);
		if (!copy)
			return -ENOMEM;
	}
	/* A number is given out only when there is memory for its counter. */
	uint32_t i = __atomic_load_n(&s->made, __ATOMIC_RELAXED);
	rseq_counter_names_ *names;
	do {
		const bool full = i >= RSEQ_COUNTERS_MAX;
		names = full ? nullptr : names_once(&s->names[i / segment]);
		if (!names || !rows_once(&s->segment[i / segment], segment)) {
			free(copy);
			return full ? -ENOSPC : -ENOMEM;
		}
	} while (!__atomic_compare_exchange_n(&s->made, &i, i + 1, false,
					      __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	__atomic_store_n(&names->name[i % segment], copy, __ATOMIC_RELEASE);
	return i;
}

const char *rseq_counters_name(const struct rseq_counters *s, size_t i) noexcept
{
	if (i >= RSEQ_COUNTERS_MAX)
		return nullptr;
	rseq_counter_names_ *const names =
		__atomic_load_n(&s->names[i / segment], __ATOMIC_ACQUIRE);
	return names ? __atomic_load_n(&names->name[i % segment],
				       __ATOMIC_ACQUIRE) : nullptr;
}

void rseq_counters_add_slow_(struct rseq_counters *s, size_t i, intptr_t n)
	noexcept
{
	intptr_t *const words = i < RSEQ_COUNTERS_MAX ?
		rows_once(&s->segment[i / segment], segment) : nullptr;

	if (words)
		rows{words, segment}.add(i % segment, n);
	else
		__atomic_fetch_add(&s->lost, 1, __ATOMIC_RELAXED);
}

intptr_t rseq_counters_sum(const struct rseq_counters *s, size_t i) noexcept
{
	if (i >= RSEQ_COUNTERS_MAX)
		return 0;
	const rows r = rows_of(s, i);
	return r.words ? (intptr_t)r.sum(i % segment) : 0;
}

/* Two that take at once share what there is; together they miss nothing. */
intptr_t rseq_counters_take(struct rseq_counters *s, size_t i) noexcept
{
	if (i >= RSEQ_COUNTERS_MAX)
		return 0;
	rseq_counter_names_ *const names = names_once(&s->names[i / segment]);
	if (!names)
		return 0;
	const intptr_t sum = rseq_counters_sum(s, i);
	const intptr_t taken = __atomic_exchange_n(&names->taken[i % segment],
						   sum, __ATOMIC_ACQ_REL);
	return (intptr_t)((uintptr_t)sum - (uintptr_t)taken);
}

size_t rseq_counters_read(const struct rseq_counters *s, intptr_t *sums,
			  size_t n) noexcept
{
	const size_t made = __atomic_load_n(&s->made, __ATOMIC_RELAXED);

	for (size_t i = 0; i < n && i < made; ++i)
		sums[i] = rseq_counters_sum(s, i);
	return made;
}

void rseq_counters_fini(struct rseq_counters *s) noexcept
{
	errno_guard keep;

	for (size_t i = 0; i < RSEQ_COUNTERS_SEGMENTS_; ++i) {
		(void)rseq_percpu_free(s->segment[i]);
		if (!s->names[i])
			continue;
		for (char *name : s->names[i]->name)
			free(name);
		munmap(s->names[i], sizeof *s->names[i]);
	}
	*s = {};
}
