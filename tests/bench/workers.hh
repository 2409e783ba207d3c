/* SPDX-License-Identifier: MIT */
/*
 * PROGRAM COMPETITOR THREADS [SECONDS]: threads do one thing over and over, and
 * what is printed is the cpu time of one, in nanoseconds, the most memory in kB
 * and how often a thread waited; the cpus may be fewer than the threads.
 */
#pragma once

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { BATCH = 256, MAX_THREADS = 64 };

/* BATCH times by one thread; what it needs is made by the first of them. */
struct competitor {
	const char *name;
	void (*batch)(int thread);
	bool (*prepare)();
	double (*lost)();	/* of what was recorded, in all */
};

namespace workers {

inline const competitor *chosen;
inline volatile bool stop;

struct alignas(128) worker {
	pthread_t thread;
	long operations;
};
inline worker all[MAX_THREADS];

inline void *work(void *arg)
{
	worker *const w = static_cast<worker *>(arg);

	while (!stop) {
		chosen->batch((int)(w - all));
		w->operations += BATCH;
	}
	return nullptr;
}

inline double cpu_ns(const rusage &r)
{
	return 1e9 * (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
		1e3 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

template <size_t N>
int run(int argc, char **argv, const competitor (&competitors)[N])
{
	const int threads = argc > 2 ? atoi(argv[2]) : 0;
	const double seconds = argc > 3 ? atof(argv[3]) : 0.1;
	rusage before, after;
	long operations = 0;

	for (const competitor &c : competitors)
		if (argc > 1 && !strcmp(c.name, argv[1]))
			chosen = &c;
	if (!chosen || threads < 1 || threads > MAX_THREADS)
		return 2;
	if (chosen->prepare && !chosen->prepare())
		return 1;
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < threads; ++i)
		if (pthread_create(&all[i].thread, nullptr, work, &all[i]))
			return 1;
	const timespec length = { (time_t)seconds,
		(long)((seconds - (double)(time_t)seconds) * 1e9) };
	nanosleep(&length, nullptr);
	stop = true;
	for (int i = 0; i < threads; ++i) {
		pthread_join(all[i].thread, nullptr);
		operations += all[i].operations;
	}
	getrusage(RUSAGE_SELF, &after);
	if (operations == 0)	/* it has not come to run */
		return 1;
	printf("ns=%.3f ops=%ld rss=%ld waits=%.6f",
	       (cpu_ns(after) - cpu_ns(before)) / (double)operations,
	       operations, after.ru_maxrss,
	       (double)(after.ru_nvcsw - before.ru_nvcsw) /
		       (double)operations);
	if (chosen->lost)
		printf(" lost=%.6f", chosen->lost());
	puts("");
	return 0;
}

}
