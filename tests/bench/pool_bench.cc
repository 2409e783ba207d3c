/* SPDX-License-Identifier: MIT */
/*
 * Allocate and free objects of 64 bytes: from a pool of librseq's, from one
 * behind a mutex, and by malloc() of whichever library this is linked with.
 *
 *	pairs	64 are allocated, then freed, by each thread
 *	cross	each frees what the thread before it has allocated
 */
#include <rseq/structures.hpp>
#include "workers.hh"

namespace {

enum { SIZE = 64, HELD = 64, SLOTS = 512 };

rseq_pool pool;

bool make_pool()
{
	return rseq_pool_init(&pool, SIZE, 0, 0) == 0;
}

void *pool_alloc()
{
	return rseq_pool_alloc(&pool);
}

void pool_free(void *p)
{
	rseq_pool_free(&pool, p);
}

/* ---- one list of free objects, and a lock ---- */

struct free_object {
	free_object *next;
};

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
free_object *free_objects;

void *locked_alloc()
{
	pthread_mutex_lock(&lock);
	free_object *const o = free_objects;
	if (o)
		free_objects = o->next;
	pthread_mutex_unlock(&lock);
	return o ? o : malloc(SIZE);
}

void locked_free(void *p)
{
	if (!p)
		return;
	auto *const o = static_cast<free_object *>(p);
	pthread_mutex_lock(&lock);
	o->next = free_objects;
	free_objects = o;
	pthread_mutex_unlock(&lock);
}

/* ---- the workloads; one of their operations is an alloc and a free ---- */

template <void *(*alloc)(), void (*free_)(void *)> void pairs(int)
{
	void *held[HELD];

	for (int i = 0; i < BATCH; i += HELD) {
		for (void *&p : held) {
			p = alloc();
			*static_cast<volatile char *>(p) = 1;
		}
		for (void *p : held)
			free_(p);
	}
}

void *slots[MAX_THREADS + 1][SLOTS];
__thread unsigned int turn;

template <void *(*alloc)(), void (*free_)(void *)> void cross(int thread)
{
	for (int i = 0; i < BATCH; ++i) {
		void *const p = alloc();
		*static_cast<volatile char *>(p) = 1;
		/* Where the next thread takes from, or this one, if alone. */
		void **const to = &slots[thread][turn % SLOTS];
		void **const from = &slots[thread ? thread - 1 :
					   MAX_THREADS][turn++ % SLOTS];
		free_(__atomic_exchange_n(to, p, __ATOMIC_ACQ_REL));
		free_(__atomic_exchange_n(from, nullptr, __ATOMIC_ACQ_REL));
	}
}

constexpr competitor competitors[] = {
	{"pairs-librseq", pairs<pool_alloc, pool_free>, make_pool, nullptr},
	{"pairs-mutex", pairs<locked_alloc, locked_free>, nullptr, nullptr},
	{"pairs-malloc", pairs<[] { return malloc(SIZE); }, free>, nullptr,
	 nullptr},
	{"cross-librseq", cross<pool_alloc, pool_free>, make_pool, nullptr},
	{"cross-mutex", cross<locked_alloc, locked_free>, nullptr, nullptr},
	{"cross-malloc", cross<[] { return malloc(SIZE); }, free>, nullptr,
	 nullptr},
};

}

int main(int argc, char **argv)
{
	return workers::run(argc, argv, competitors);
}
