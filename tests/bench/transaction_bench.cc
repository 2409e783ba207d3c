/* SPDX-License-Identifier: MIT */
/*
 * The same updates of the same slots as a section, as a transaction of each
 * kind, and with atomics; then what it takes to get at another cpu's slot.
 */
#include <pthread.h>

#include <rseq/rseq.hpp>
#include "measure.hh"

/* So that each is measured without a call. */
#define ALWAYS_INLINE	inline __attribute__((__always_inline__))

namespace {

struct node {
	node *next;
};

struct alignas(64) slot {
	rseq_guard guard;
	node *head;
	intptr_t n;
};

constexpr unsigned int cpus = 1024;
slot slots[cpus];
constexpr rseq_guards guards = rseq::guards_in(slots, &slot::guard);
node one;

/* ---- v += 1 ---- */

ALWAYS_INLINE void section_add()
{
	while (rseq_index_load_add_store(&slots[0].n, sizeof(slot), cpus, 1) <
	       0)
		;
}

/* As those write it who choose the cpu themselves. */
ALWAYS_INLINE void section_add_given_cpu()
{
	enum rseq_result r;

	do {
		const int cpu = rseq_cpu_start();
		intptr_t *const v = &slots[cpu].n;
		const intptr_t sum = *v;
		r = rseq_load_cbne_store(v, sum, sum + 1, cpu);
	} while (r == RSEQ_RESTARTED || r == RSEQ_DIFFERENT);
}

ALWAYS_INLINE void guard_add()
{
	rseq_transaction t = RSEQ_TRANSACTION(&guards);
	intptr_t sum;
	int cpu;

	do {
		cpu = rseq_begin(&t);
		sum = slots[cpu].n + 1;
	} while (rseq_commit(&t, &slots[cpu].n, sum) != RSEQ_COMMITTED);
}

ALWAYS_INLINE void event_add()
{
	enum rseq_result r;

	do {
		const uint32_t event = rseq_start();
		intptr_t *const v = &slots[rseq_current_cpu()].n;
		r = rseq_finish(event, v, *v + 1);
	} while (r == RSEQ_RESTARTED);
}

ALWAYS_INLINE void atomic_add()
{
	__atomic_fetch_add(&slots[rseq_cpu_start()].n, 1, __ATOMIC_RELAXED);
}

/* ---- push a node, and pop it ---- */

intptr_t *head(int cpu)
{
	return (intptr_t *)&slots[cpu].head;
}

ALWAYS_INLINE void section_push_pop()
{
	intptr_t popped;

	while (rseq_index_push((intptr_t *)&slots[0].head, sizeof(slot), cpus,
			       (intptr_t *)&one.next, (intptr_t)&one) < 0)
		;
	while (rseq_index_pop((intptr_t *)&slots[0].head, sizeof(slot), cpus,
			      offsetof(node, next), &popped) < 0)
		;
}

ALWAYS_INLINE void section_push_pop_given_cpu()
{
	enum rseq_result r;
	intptr_t popped;

	do {
		const int cpu = rseq_cpu_start();
		one.next = slots[cpu].head;
		r = rseq_load_cbne_store(head(cpu), (intptr_t)one.next,
					 (intptr_t)&one, cpu);
	} while (r == RSEQ_RESTARTED || r == RSEQ_DIFFERENT);
	do {
		const int cpu = rseq_cpu_start();
		r = rseq_load_cbeq_store_add_load_store(head(cpu), 0,
			offsetof(node, next), &popped, cpu);
	} while (r == RSEQ_RESTARTED);
}

ALWAYS_INLINE void guard_push_pop()
{
	rseq_transaction push = RSEQ_TRANSACTION(&guards);
	rseq_transaction pop = RSEQ_TRANSACTION(&guards);
	node *n;
	int cpu;

	do {
		cpu = rseq_begin(&push);
		one.next = slots[cpu].head;
	} while (rseq_commit(&push, head(cpu), (intptr_t)&one) !=
		 RSEQ_COMMITTED);
	do {
		cpu = rseq_begin(&pop);
		n = slots[cpu].head;
		if (!n) {	/* moved to another cpu since */
			rseq_cancel(&pop);
			return;
		}
	} while (rseq_commit(&pop, head(cpu), (intptr_t)n->next) !=
		 RSEQ_COMMITTED);
}

ALWAYS_INLINE void event_push_pop()
{
	enum rseq_result r;

	do {
		const uint32_t event = rseq_start();
		const int cpu = rseq_current_cpu();
		one.next = slots[cpu].head;
		r = rseq_finish(event, head(cpu), (intptr_t)&one);
	} while (r == RSEQ_RESTARTED);
	do {
		const uint32_t event = rseq_start();
		const int cpu = rseq_current_cpu();
		node *const n = slots[cpu].head;
		if (!n)
			return;
		r = rseq_finish(event, head(cpu), (intptr_t)n->next);
	} while (r == RSEQ_RESTARTED);
}

ALWAYS_INLINE void transact_push_pop()
{
	rseq::transact(guards, [](int cpu) {
		one.next = slots[cpu].head;
		return rseq::store(&slots[cpu].head, &one);
	});
	rseq::transact(guards, [](int cpu) -> rseq::maybe<node *> {
		node *const n = slots[cpu].head;
		if (!n)
			return rseq::nothing;
		return rseq::store(&slots[cpu].head, n->next);
	});
}

/* The node is in one list at a time only: begin each time with none in any. */
void empty()
{
	for (slot &s : slots)
		s.head = nullptr;
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
	*static_cast<intptr_t *>(sum) += slots[cpu].n;
	slots[cpu].n = 0;
}

void drain_all()
{
	const rseq_guards present = { &slots[0].guard, sizeof(slot),
				      rseq_cpu_limit() };
	intptr_t sum = 0;

	rseq_guard_drain(&present, drain, &sum);
}

}

int main()
{
	if (rseq_current_cpu() < 0)	/* nothing to compare */
		return 1;

	measure("add_section", [] { section_add(); });
	measure("add_section_given_cpu", [] { section_add_given_cpu(); });
	measure("add_guard_transaction", [] { guard_add(); });
	measure("add_event_transaction", [] { event_add(); });
	measure("add_lock_prefixed", [] { atomic_add(); });

	empty();
	measure("push_pop_section", [] { section_push_pop(); });
	empty();
	measure("push_pop_section_given_cpu",
		[] { section_push_pop_given_cpu(); });
	empty();
	measure("push_pop_guard_transaction", [] { guard_push_pop(); });
	empty();
	measure("push_pop_event_transaction", [] { event_push_pop(); });
	empty();
	measure("push_pop_rseq_transact", [] { transact_push_pop(); });

	/* Of all cpus: divide by their number. */
	printf("cpus=%u\n", rseq_cpu_limit());
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
