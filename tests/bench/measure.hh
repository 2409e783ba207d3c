/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>
#include <time.h>

inline double now()
{
	timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Print name=nanoseconds of one op(): the best of many rounds. */
template <class Op> void measure(const char *name, Op op, int calls = 100000)
{
	constexpr int rounds = 50;
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
