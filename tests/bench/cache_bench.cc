/* SPDX-License-Identifier: MIT */
/*
 * Get an object from a cache of this cpu and put it back: as a cache of
 * librseq's, and as what one would use instead.
 */
#include <sched.h>

#include <rseq/structures.hpp>
#include "stacks.hh"
#include "workers.hh"

namespace {

enum { CAPACITY = 64, CPUS = 1024 };

struct object {
	object *next;
};

/* What they all begin with: so many objects, of which none is made later. */
object objects[CPUS * CAPACITY];
size_t given;
pthread_mutex_t source = PTHREAD_MUTEX_INITIALIZER;

size_t refill(void *, void **to, size_t n)
{
	size_t k = 0;

	pthread_mutex_lock(&source);
	while (k < n && given < sizeof objects / sizeof *objects)
		to[k++] = &objects[given++];
	pthread_mutex_unlock(&source);
	return k;
}

void drain(void *, void **, size_t) {}

object *refill_one()
{
	void *one = nullptr;

	(void)refill(nullptr, &one, 1);
	return static_cast<object *>(one);
}

/* Keep the compiler from joining a get with the put behind it. */
void apart(object *&o)
{
	__asm__ __volatile__("" : "+r" (o) : : "memory");
}

template <object *(*get)(), void (*put)(object *)> void batch(int)
{
	for (int i = 0; i < BATCH; ++i) {
		object *o = get();
		apart(o);
		put(o);
	}
}

int here()
{
	return sched_getcpu() & (CPUS - 1);
}

/* ---- librseq's ---- */

rseq_cache cache;

bool make_cache()
{
	return rseq_cache_init(&cache, CAPACITY, refill, drain, nullptr) == 0;
}

object *cache_get()
{
	return static_cast<object *>(rseq_cache_get(&cache));
}

void cache_put(object *o)
{
	rseq_cache_put(&cache, o);
}

/* ---- a stack with a lock a cpu ---- */

struct alignas(64) stack {
	size_t count;
	object *objects[CAPACITY];

	object *pop()
	{
		return count ? objects[--count] : refill_one();
	}
	void push(object *o)
	{
		if (count < CAPACITY)
			objects[count++] = o;
	}
};

struct alignas(64) locked {
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int spin;
	stack objects;
};
locked of_cpu[CPUS];

object *mutex_get()
{
	locked &l = of_cpu[here()];

	pthread_mutex_lock(&l.lock);
	object *const o = l.objects.pop();
	pthread_mutex_unlock(&l.lock);
	return o;
}

void mutex_put(object *o)
{
	locked &l = of_cpu[here()];

	pthread_mutex_lock(&l.lock);
	l.objects.push(o);
	pthread_mutex_unlock(&l.lock);
}

/* ---- a list a cpu, whose head has a tag that counts: no ABA ---- */

#ifdef __x86_64__
struct alignas(64) tagged {
	alignas(16) unsigned __int128 head;
};
tagged lists[CPUS];

object *tagged_get()
{
	tagged &l = lists[here()];
	unsigned __int128 old = l.head, now;

	do {
		const auto *const o = reinterpret_cast<object *>((uint64_t)old);
		if (!o)
			return refill_one();
		now = (((old >> 64) + 1) << 64) | (uint64_t)o->next;
	} while (!stacks::compare_and_swap_16(&l.head, &old, now));
	return reinterpret_cast<object *>((uint64_t)old);
}

void tagged_put(object *o)
{
	tagged &l = lists[here()];
	unsigned __int128 old = l.head, now;

	do {
		o->next = reinterpret_cast<object *>((uint64_t)old);
		now = (((old >> 64) + 1) << 64) | (uint64_t)o;
	} while (!stacks::compare_and_swap_16(&l.head, &old, now));
}
#endif

/* ---- a stack a thread: its objects are lost to the others ---- */

__thread stack of_thread;

object *thread_get()
{
	return of_thread.pop();
}

void thread_put(object *o)
{
	of_thread.push(o);
}

constexpr competitor competitors[] = {
	{"librseq", batch<cache_get, cache_put>, make_cache, nullptr},
	{"mutex", batch<mutex_get, mutex_put>, nullptr, nullptr},
#ifdef __x86_64__
	{"cmpxchg16b", batch<tagged_get, tagged_put>, nullptr, nullptr},
#endif
	{"thread-local", batch<thread_get, thread_put>, nullptr, nullptr},
};

}

int main(int argc, char **argv)
{
	return workers::run(argc, argv, competitors);
}
