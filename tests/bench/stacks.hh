/* SPDX-License-Identifier: MIT */
/*
 * Push a word to a bounded stack of this cpu and pop it again: in sections, and
 * in what one would use instead.  Lists: in rseq_bench.cc, cache_bench.cc.
 */
#pragma once

#include <pthread.h>

#include <rseq/rseq.hpp>

namespace stacks {

enum { capacity = 15, cpus = 1024 };

struct stack {
	intptr_t count;
	intptr_t slots[capacity];
};

struct alignas(64) per_cpu {
	stack in_section, locked, spun, by_cas;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int spin;
};

inline per_cpu of_cpu[cpus];
inline __thread stack of_thread;
inline intptr_t volatile popped;

inline per_cpu &here()
{
	return of_cpu[rseq_cpu_start() & (cpus - 1)];
}

inline void section()
{
	intptr_t n;
	enum rseq_result r;

	do {
		const rseq_cpu_t cpu = rseq_this_cpu();
		stack &s = of_cpu[cpu.n & (cpus - 1)].in_section;
		r = rseq_stack_push(s.slots, &s.count, capacity, 1, cpu);
	} while (r < 0);
	do {
		const rseq_cpu_t cpu = rseq_this_cpu();
		stack &s = of_cpu[cpu.n & (cpus - 1)].in_section;
		r = rseq_stack_pop(s.slots, &s.count, &n, cpu);
	} while (r < 0);
}

inline void push(stack &s)
{
	if (s.count < capacity)
		s.slots[s.count++] = 1;
}

inline void pop(stack &s)
{
	if (s.count > 0)
		popped = s.slots[--s.count];
}

inline void mutex()
{
	per_cpu &p = here();

	pthread_mutex_lock(&p.lock);
	push(p.locked);
	pthread_mutex_unlock(&p.lock);
	pthread_mutex_lock(&p.lock);
	pop(p.locked);
	pthread_mutex_unlock(&p.lock);
}

/* The cheapest lock: one exchange, one store.  Waiting is not measured. */
inline void spin_lock(int &lock)
{
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		;
}

inline void spin_unlock(int &lock)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

inline void spin()
{
	per_cpu &p = here();

	spin_lock(p.spin);
	push(p.spun);
	spin_unlock(p.spin);
	spin_lock(p.spin);
	pop(p.spun);
	spin_unlock(p.spin);
}

#ifdef __x86_64__
/* gcc calls libatomic for this; the instruction is what would be inlined. */
inline bool compare_and_swap_16(unsigned __int128 *at,
				unsigned __int128 *expect,
				unsigned __int128 desired)
{
	auto *e = reinterpret_cast<uint64_t *>(expect);
	bool same;

	__asm__ __volatile__("lock cmpxchg16b %[at]"
			     : "=@ccz" (same), [at] "+m" (*at),
			       "+a" (e[0]), "+d" (e[1])
			     : "b" ((uint64_t)desired),
			       "c" ((uint64_t)(desired >> 64))
			     : "memory");
	return same;
}
#endif

/* A division would cost as much as the update. */
inline intptr_t after(intptr_t n)
{
	return n + 1 < capacity ? n + 1 : 0;
}

/*
 * A slot that is 0 is free; the count only says where to look first.  This is
 * the least that a stack in an array can do: one compare-and-swap a word.
 */
inline void cas()
{
	stack &s = here().by_cas;
	intptr_t n = __atomic_load_n(&s.count, __ATOMIC_RELAXED), free = 0;

	while (!__atomic_compare_exchange_n(&s.slots[n], &free, 1, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		n = after(n), free = 0;
	__atomic_store_n(&s.count, after(n), __ATOMIC_RELAXED);

	n = __atomic_load_n(&s.count, __ATOMIC_RELAXED);
	for (;;) {
		n = n ? n - 1 : capacity - 1;
		intptr_t item = __atomic_load_n(&s.slots[n], __ATOMIC_RELAXED);
		if (item && __atomic_compare_exchange_n(&s.slots[n], &item, 0,
				false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			popped = item;
			break;
		}
	}
	__atomic_store_n(&s.count, n, __ATOMIC_RELAXED);
}

/* The compiler would keep it all in registers. */
inline void per_thread()
{
	push(of_thread);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	pop(of_thread);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

}
