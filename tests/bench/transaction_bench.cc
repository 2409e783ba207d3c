/* SPDX-License-Identifier: MIT */
/*
 * The same updates of the same slots as a section, as a transaction of each
 * kind, and with atomics; then what it takes to get at another cpu's slot.
 */
#include <pthread.h>
#include <stdlib.h>

#include <rseq/rseq.hpp>
#include "measure.hh"

/* So that each is measured without a call. */
#define ALWAYS_INLINE	inline __attribute__((__always_inline__))

namespace {

struct node {
	node *next;
};

struct slot {
	rseq_guard guard;
	node *head;
	intptr_t n;
};

/* Per-cpu; what is not in per-cpu memory has an array. */
slot *slots;
node one;

struct alignas(64) word {
	intptr_t n;
};
word words[1024];

slot *of(int cpu)
{
	return rseq_percpu_ptr(slots, cpu);
}

/* ---- v += 1 ---- */

ALWAYS_INLINE void section_add()
{
	while (rseq_this_cpu_add(&slots->n, 1) < 0)
		;
}

/* By id: in an array, as those write it who choose the cpu themselves. */
ALWAYS_INLINE void section_add_by_id()
{
	enum rseq_result r;

	do {
		const rseq_cpu_t cpu = rseq_this_cpu();
		r = rseq_add(&words[cpu.n].n, 1, cpu);
	} while (r == RSEQ_RESTARTED);
}

ALWAYS_INLINE void guard_add()
{
	rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	slot *s;

	do
		s = of(rseq_begin(&t));
	while (rseq_commit(&t, &s->n, s->n + 1) != RSEQ_COMMITTED);
}

/* The store that asks for no id. */
ALWAYS_INLINE void undisturbed_add()
{
	enum rseq_result r;

	do {
		const uint32_t event = rseq_event();
		intptr_t *const v = &words[rseq_this_cpu().n].n;
		r = rseq_store_undisturbed(event, v, *v + 1);
	} while (r == RSEQ_RESTARTED);
}

ALWAYS_INLINE void undisturbed_store()
{
	enum rseq_result r;

	do
		r = rseq_store_undisturbed(rseq_event(), &words[0].n, 1);
	while (r == RSEQ_RESTARTED);
}

ALWAYS_INLINE void atomic_add()
{
	__atomic_fetch_add(&words[rseq_cpu_start() & 1023].n, 1,
			   __ATOMIC_RELAXED);
}

__thread intptr_t of_thread;

ALWAYS_INLINE void thread_local_add()
{
	volatile intptr_t &v = of_thread;

	v = v + 1;
}

/* ---- push a node, and pop it ---- */

ALWAYS_INLINE void section_push_pop()
{
	node *popped;

	while (rseq_this_cpu_list_push(&slots->head, &one, &one.next) < 0)
		;
	while (rseq_this_cpu_list_pop(&slots->head, &popped,
				      offsetof(node, next)) < 0)
		;
}

ALWAYS_INLINE void section_push_pop_by_id()
{
	enum rseq_result r;
	node *popped;

	do {
		const rseq_cpu_t cpu = rseq_this_cpu();
		r = rseq_list_push(&of(cpu.n)->head, &one, &one.next, cpu);
	} while (r == RSEQ_RESTARTED);
	do {
		const rseq_cpu_t cpu = rseq_this_cpu();
		r = rseq_list_pop(&of(cpu.n)->head, &popped,
				  offsetof(node, next), cpu);
	} while (r == RSEQ_RESTARTED);
}

ALWAYS_INLINE void guard_push_pop()
{
	rseq_transaction push = RSEQ_TRANSACTION(&slots->guard);
	rseq_transaction pop = RSEQ_TRANSACTION(&slots->guard);
	slot *s;
	node *n;

	do {
		s = of(rseq_begin(&push));
		one.next = s->head;
	} while (rseq_commit(&push, &s->head, &one) != RSEQ_COMMITTED);
	do {
		s = of(rseq_begin(&pop));
		n = s->head;
		if (!n) {	/* moved to another cpu since */
			rseq_cancel(&pop);
			return;
		}
	} while (rseq_commit(&pop, &s->head, n->next) != RSEQ_COMMITTED);
}

ALWAYS_INLINE void undisturbed_push_pop()
{
	enum rseq_result r;

	do {
		const uint32_t event = rseq_event();
		slot *const s = of(rseq_this_cpu().n);
		one.next = s->head;
		r = rseq_store_undisturbed(event, &s->head, &one);
	} while (r == RSEQ_RESTARTED);
	do {
		const uint32_t event = rseq_event();
		slot *const s = of(rseq_this_cpu().n);
		node *const n = s->head;
		if (!n)
			return;
		r = rseq_store_undisturbed(event, &s->head, n->next);
	} while (r == RSEQ_RESTARTED);
}

using maybe_pop = librseq::maybe<librseq::one_store<node *>>;

ALWAYS_INLINE void transact_push_pop()
{
	(void)librseq::transact(&slots->guard, [](int cpu) {
		one.next = of(cpu)->head;
		return librseq::store(&of(cpu)->head, &one);
	});
	(void)librseq::transact(&slots->guard,
				[](int cpu) -> maybe_pop {
		node *const n = of(cpu)->head;
		if (!n)
			return librseq::nothing;
		return librseq::store(&of(cpu)->head, n->next);
	});
}

/* The node is in one list at a time only: begin each time with none in any. */
void empty()
{
	slot *s;

	RSEQ_FOR_EACH_CPU(s, slots)
		s->head = nullptr;
}

/* ---- somebody else's slot ---- */

bool stop;

void *keep_adding(void *)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		guard_add();
	return nullptr;
}

void drain(unsigned int cpu, void *sum)
{
	*static_cast<intptr_t *>(sum) += of(cpu)->n;
	of(cpu)->n = 0;
}

void drain_all()
{
	intptr_t sum = 0;

	if (rseq_guard_drain(&slots->guard, drain, &sum) != 0)
		exit(1);
}

}

int main()
{
	slots = static_cast<slot *>(rseq_percpu_alloc(sizeof(slot), 64));
	if (rseq_this_cpu().n < 0 || !slots)	/* nothing to compare */
		return 1;

	measure("add_section", [] { section_add(); });
	measure("add_section_by_id", [] { section_add_by_id(); });
	measure("add_guard_transaction", [] { guard_add(); });
	measure("add_undisturbed", [] { undisturbed_add(); });
	measure("add_lock_prefixed", [] { atomic_add(); });
	measure("add_thread_local", [] { thread_local_add(); });
	measure("store_undisturbed", [] { undisturbed_store(); });

	empty();
	measure("push_pop_section", [] { section_push_pop(); });
	empty();
	measure("push_pop_section_by_id", [] { section_push_pop_by_id(); });
	empty();
	measure("push_pop_guard_transaction", [] { guard_push_pop(); });
	empty();
	measure("push_pop_undisturbed", [] { undisturbed_push_pop(); });
	empty();
	measure("push_pop_transact", [] { transact_push_pop(); });

	/* Of all cpus: divide by their number. */
	printf("drain_cpus=%u\n", rseq_cpu_limit());
	measure("drain_all_cpus", drain_all, 200);
	pthread_t others[2];
	for (pthread_t &t : others)
		if (pthread_create(&t, nullptr, keep_adding, nullptr))
			return 1;
	measure("drain_all_cpus_under_load", drain_all, 200);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (pthread_t &t : others)
		pthread_join(t, nullptr);
}
