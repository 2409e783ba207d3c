/* SPDX-License-Identifier: MIT */
/*
 * What librseq's calls cost beside what one would use instead, on one thread
 * that nobody contends with.  Prints key=value lines, nanoseconds each, the
 * best of many rounds.  C++20 without a C++ run time: it runs on any libc.
 */
#include <stdio.h>
#include <time.h>

#include <rseq/rseq.hpp>

namespace {

double now()
{
	timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

template <class Op> void measure(const char *name, Op op)
{
	constexpr int calls = 100000, rounds = 50;
	double min = 1e18;

	for (int r = 0; r < rounds; ++r) {
		const double start = now();
		for (int i = 0; i < calls; ++i)
			op();
		const double t = (now() - start) / calls;
		if (t < min)
			min = t;
	}
	printf("%s=%.3f\n", name, min);
}

struct alignas(64) slot {
	intptr_t n;
};

__thread intptr_t tls_word;
slot slots[1024];
intptr_t shared_word;

}

int main()
{
	rseq::counter counter { 1 };
	if (counter.error())
		return 1;

	measure("rseq_current_cpu", [] { rseq_current_cpu(); });
	measure("rseq_event", [] { rseq_event(); });
	measure("rseq_counter_add", [&] { counter.add(0); });
	measure("rseq_load_add_store", [] {
		const int cpu = rseq_current_cpu();
		rseq_load_add_store(&slots[cpu & 1023].n, 1, cpu);
	});
	measure("thread_local_add", [] {
		*(volatile intptr_t *)&tls_word += 1;
	});
	measure("per_cpu_atomic_add", [] {
		__atomic_fetch_add(&slots[rseq_cpu_start() & 1023].n, 1,
				   __ATOMIC_RELAXED);
	});
	measure("shared_atomic_add_uncontended", [] {
		__atomic_fetch_add(&shared_word, 1, __ATOMIC_RELAXED);
	});
}
