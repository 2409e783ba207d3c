/* SPDX-License-Identifier: MIT */
/*
 * Count requests: in a set of librseq's counters, in atomics that the threads
 * share or have shards of, as clients of Prometheus have, and behind a mutex.
 */
#include <rseq/structures.hpp>
#include "workers.hh"

namespace {

rseq_counters set;
size_t requests;

bool make_set()
{
	const long i = rseq_counters_make(&set, "requests");

	requests = (size_t)i;
	return i >= 0;
}

void in_set(int)
{
	for (int i = 0; i < BATCH; ++i)
		rseq_counters_add(&set, requests, 1);
}

/* ---- a shard is a thread's, until there are more threads than shards ---- */

enum { SHARDS = 16 };

struct alignas(128) shard {
	long n;
};
shard shards[SHARDS];
unsigned int threads;
__thread shard *mine;

void in_shards(int)
{
	for (int i = 0; i < BATCH; ++i) {
		if (!mine)
			mine = &shards[__atomic_fetch_add(&threads, 1,
					__ATOMIC_RELAXED) % SHARDS];
		__atomic_fetch_add(&mine->n, 1, __ATOMIC_RELAXED);
	}
}

alignas(128) long shared;

void in_atomic(int)
{
	for (int i = 0; i < BATCH; ++i)
		__atomic_fetch_add(&shared, 1, __ATOMIC_RELAXED);
}

alignas(128) pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
volatile long locked;

void in_mutex(int)
{
	for (int i = 0; i < BATCH; ++i) {
		pthread_mutex_lock(&lock);
		locked = locked + 1;
		pthread_mutex_unlock(&lock);
	}
}

constexpr competitor competitors[] = {
	{"librseq", in_set, make_set, nullptr},
	{"sharded", in_shards, nullptr, nullptr},
	{"atomic", in_atomic, nullptr, nullptr},
	{"mutex", in_mutex, nullptr, nullptr},
};

}

int main(int argc, char **argv)
{
	return workers::run(argc, argv, competitors);
}
