/* SPDX-License-Identifier: MIT */
/*
 * What librseq's calls cost beside what one would use instead, on one thread
 * that nobody contends with.  Prints key=value lines, nanoseconds each, the
 * best of many rounds.  C++20 without a C++ run time: it runs on any libc.
 */
#include <pthread.h>

#include <rseq/rseq.hpp>
#include "measure.hh"

#include "stacks.hh"

/* Of librseq-ffi: the same, out of line. */
extern "C" int rseq_ffi_this_cpu(void);
extern "C" int rseq_ffi_this_cpu_add_64(uint64_t *v, uint64_t n);
extern "C" void rseq_ffi_counter_add(const rseq_counter *c, size_t i,
				     intptr_t n);

namespace {

struct alignas(64) slot {
	intptr_t n;
};

__thread intptr_t tls_word;
slot slots[1024];
intptr_t shared_word;

struct node {
	node *next;
};

/* A head for each of: a 16-byte compare-and-swap, two locks. */
struct alignas(64) list {
	alignas(16) unsigned __int128 tagged;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int spin;
	node *locked, *spun;
};

list lists[1024];
__thread node *tls_list;
node one;

int here()
{
	return rseq_cpu_start() & 1023;
}

#ifdef __x86_64__
/* A list whose head is a pointer below a tag that counts: no ABA. */
void cas_push_pop()
{
	list &l = lists[here()];
	unsigned __int128 old = l.tagged, now;

	do {
		one.next = reinterpret_cast<node *>((uint64_t)old);
		now = (((old >> 64) + 1) << 64) | (uint64_t)&one;
	} while (!stacks::compare_and_swap_16(&l.tagged, &old, now));
	old = l.tagged;
	do {
		auto *n = reinterpret_cast<node *>((uint64_t)old);
		now = (((old >> 64) + 1) << 64) | (uint64_t)n->next;
	} while (!stacks::compare_and_swap_16(&l.tagged, &old, now));
}
#endif

void mutex_push_pop()
{
	list &l = lists[here()];

	pthread_mutex_lock(&l.lock);
	one.next = l.locked;
	l.locked = &one;
	pthread_mutex_unlock(&l.lock);
	pthread_mutex_lock(&l.lock);
	l.locked = l.locked->next;
	pthread_mutex_unlock(&l.lock);
}

void spin_push_pop()
{
	list &l = lists[here()];

	stacks::spin_lock(l.spin);
	one.next = l.spun;
	l.spun = &one;
	stacks::spin_unlock(l.spin);
	stacks::spin_lock(l.spin);
	l.spun = l.spun->next;
	stacks::spin_unlock(l.spin);
}

void thread_local_push_pop()
{
	node *volatile &head = const_cast<node *volatile &>(tls_list);

	one.next = head;
	head = &one;
	head = head->next;
}

/* Per-cpu. */
node **heads;
intptr_t *percpu_word;

void section_push_pop()
{
	node *n;

	while (rseq_this_cpu_list_push(heads, &one, &one.next) < 0)
		;
	while (rseq_this_cpu_list_pop(heads, &n, offsetof(node, next)) < 0)
		;
}

}

int main()
{
	librseq::counter counter { 1 };
	heads = static_cast<node **>(rseq_percpu_alloc(sizeof *heads, 64));
	percpu_word = static_cast<intptr_t *>(
		rseq_percpu_alloc(sizeof *percpu_word, 64));
	if (counter.error() || !heads || !percpu_word)
		return 1;

	measure("rseq_this_cpu", [] { rseq_this_cpu(); });
	measure("rseq_event", [] { rseq_event(); });
	measure("rseq_counter_add", [&] { counter.add(0); });
	measure("rseq_this_cpu_add", [] {
		while (rseq_this_cpu_add(percpu_word, 1) < 0)
			;
	});
	rseq_counter plain;
	if (rseq_counter_init(&plain, 1))
		return 1;
	measure("rseq_ffi_this_cpu", [] { rseq_ffi_this_cpu(); });
	measure("rseq_ffi_counter_add", [&] {
		rseq_ffi_counter_add(&plain, 0, 1);
	});
	measure("rseq_ffi_this_cpu_add_64", [] {
		while (rseq_ffi_this_cpu_add_64(reinterpret_cast<uint64_t *>(
				percpu_word), 1) < 0)
			;
	});
	measure("rseq_add", [] {
		rseq_result r;
		do {
			const rseq_cpu_t cpu = rseq_this_cpu();
			r = rseq_add(&slots[cpu.n & 1023].n, 1, cpu);
		} while (r == RSEQ_RESTARTED);
	});
	measure("list_push_pop_section", [] { section_push_pop(); });
	measure("list_push_pop_mutex", [] { mutex_push_pop(); });
	measure("list_push_pop_spinlock", [] { spin_push_pop(); });
	measure("list_push_pop_thread_local", [] { thread_local_push_pop(); });
#ifdef __x86_64__
	measure("list_push_pop_cmpxchg16b", [] { cas_push_pop(); });
#endif
	measure("stack_push_pop_section", [] { stacks::section(); });
	measure("stack_push_pop_mutex", [] { stacks::mutex(); });
	measure("stack_push_pop_spinlock", [] { stacks::spin(); });
	measure("stack_push_pop_thread_local", [] { stacks::per_thread(); });
	measure("stack_push_pop_cas", [] { stacks::cas(); });
	measure("thread_local_add", [] {
		volatile intptr_t &word = tls_word;
		word = word + 1;
	});
	measure("per_cpu_atomic_add", [] {
		__atomic_fetch_add(&slots[rseq_cpu_start() & 1023].n, 1,
				   __ATOMIC_RELAXED);
	});
	measure("shared_atomic_add_uncontended", [] {
		__atomic_fetch_add(&shared_word, 1, __ATOMIC_RELAXED);
	});
}
