/* SPDX-License-Identifier: MIT */
/* Guard transactions as C++ writes them. */
#include "checks.h"

#include <rseq/rseq.hpp>

#include <errno.h>
#include <stdio.h>

struct node {
	node *next;
	int number;
};

struct alignas(64) slot {
	rseq_guard guard;
	node *head;
	uint32_t small, second;
	long large;
};

static slot slots[1024];
static constexpr rseq_guards guards = rseq::guards_in(slots, &slot::guard);

template <class T> static T sum(T slot::*member)
{
	T all = 0;

	for (slot &s : slots)
		all += s.*member;
	return all;
}

static bool all_free()
{
	for (slot &s : slots)
		if (s.guard.word & 1)
			return false;
	return true;
}

static void push(node *n)
{
	EXPECT(rseq::transact(guards, [&](int cpu) {
		n->next = rseq::load(&slots[cpu].head);
		return rseq::store(&slots[cpu].head, n);
	}));
}

/* From whatever cpu's list has one. */
static node *pop()
{
	for (unsigned tries = 0; tries < 1000; ++tries) {
		auto got = rseq::transact(guards, [](int cpu)
				-> rseq::maybe<node *, node *> {
			node *n = rseq::load(&slots[cpu].head);
			if (!n)
				return rseq::nothing;
			return rseq::store(&slots[cpu].head, n->next)
				.giving(n);
		});
		EXPECT(got.error() == 0);
		if (got)
			return *got;
	}
	return nullptr;
}

static void lists()
{
	static node nodes[3];

	EXPECT(rseq::transact(guards, [](int) -> rseq::maybe<long> {
		return rseq::nothing;
	}).error() == 0);
	EXPECT(!rseq::transact(guards, [](int) -> rseq::maybe<long> {
		return rseq::nothing;
	}).has_value());
	push(&nodes[0]);
	EXPECT(pop() == &nodes[0]);
	EXPECT(all_free());
}

static void words()
{
	for (int i = 0; i < 100; ++i) {
		EXPECT(rseq::transact(guards, [](int cpu) {
			return rseq::store(&slots[cpu].small,
					   slots[cpu].small + 1)
				.then(&slots[cpu].second,
				      slots[cpu].second + 2);
		}));
		auto old = rseq::transact(guards, [](int cpu) {
			const long n = rseq::load(&slots[cpu].large);
			return rseq::store(&slots[cpu].large, n + 1).giving(n);
		});
		EXPECT(old && *old >= 0 && *old <= i);
	}
	EXPECT(sum(&slot::small) == 100);
	EXPECT(sum(&slot::second) == 200);
	EXPECT(sum(&slot::large) == 100);
}

/* Somebody else commits in each body that has not got the guard. */
static int begun;

static void disturb(int cpu)
{
	++begun;
	if (!(rseq::load(&slots[cpu].guard.word) & 1))
		EXPECT(rseq::transact(guards, [](int here) {
			return rseq::store(&slots[here].small, 0);
		}));
}

/* Off the cpu's own guard the inner one is on another; then it may commit. */
static void conflicts()
{
	slots[0].large = 0;
	begun = 0;
	auto done = rseq::transact(guards, [](int cpu) {
		disturb(cpu);
		return rseq::store(&slots[cpu].large, 7).giving(cpu);
	});
	EXPECT(done && slots[*done].large == 7);
	EXPECT(begun >= 1 && begun <= RSEQ_ATTEMPTS + 1);
	printf("bodies=%d\n", begun);
	EXPECT(all_free());
}

#ifdef __cpp_exceptions
static void exceptions()
{
	const long before = sum(&slot::large);
	bool held = false, caught = false;

	try {
		rseq::transact(guards, [&](int cpu) {
			disturb(cpu);
			held = slots[cpu].guard.word & 1;
			if (held)
				throw 5;
			return rseq::store(&slots[cpu].large, 1000);
		});
	} catch (int n) {
		caught = n == 5;
	}
	/* It is not held, and so does not throw, if it moved in between. */
	EXPECT(held == caught);
	printf("threw=%d\n", caught);
	EXPECT(all_free());
	EXPECT(!caught || sum(&slot::large) == before);

	caught = false;
	try {
		rseq::transact(guards, [&](int cpu) -> rseq::stores<long> {
			if (cpu >= 0)
				throw 6;
			return rseq::store(&slots[0].large, 1000);
		});
	} catch (int n) {
		caught = n == 6;
	}
	EXPECT(caught && all_free());
}
#endif

static void held_guards()
{
	for (unsigned cpu = 0; cpu < 2; ++cpu) {
		rseq::held mine(guards, cpu);
		EXPECT(mine.error() == 0);
		EXPECT(slots[cpu].guard.word & 1);
		EXPECT(rseq::held(guards, cpu).error() == -EDEADLK);
	}
	EXPECT(all_free());
	EXPECT(rseq::held(guards, 1024).error() == -EINVAL);

	const rseq_guards none = {};
	auto nowhere = rseq::transact(none, [](int) {
		return rseq::store(&slots[0].large, 1);
	});
	EXPECT(!nowhere && nowhere.error() == -EINVAL);
}

/* One that holds its guard must be ended before it is begun again. */
static void begun_twice()
{
	rseq_transaction t = RSEQ_TRANSACTION(&guards);

	t.left = 0;
	const int cpu = rseq_begin(&t);
	EXPECT(cpu >= 0 && (slots[cpu].guard.word & 1));
	EXPECT(rseq_begin(&t) == -EDEADLK);
	EXPECT(slots[cpu].guard.word & 1);
	EXPECT(rseq_commit_u32(&t, &slots[cpu].small, 3) == RSEQ_COMMITTED);
	EXPECT(slots[cpu].small == 3 && all_free());
	/* Ended, it may be used again, and has all its attempts. */
	EXPECT(rseq_begin(&t) >= 0);
	EXPECT(all_free() || rseq_current_cpu() < 0);
	rseq_cancel(&t);
	EXPECT(t.left == RSEQ_ATTEMPTS && all_free());
}

/*
 * How much of what is added behind the compiler's back, as another thread
 * would, is seen after rseq_start(): 1, unless it thinks that it knows *v.
 */
static __attribute__((__noinline__)) intptr_t reread(intptr_t *v)
{
	const intptr_t before = *v;

	__asm__ __volatile__("incq (%0)" : : "r"(v));
	const uint32_t event = rseq_start();
	const intptr_t seen = *v - before;
	intptr_t unused;
	rseq_finish(event, &unused, 0);
	return seen;
}

static void start_order()
{
	intptr_t v = 0;

	rseq_start();	/* the next ones find the token and call nothing */
	for (int i = 0; i < 10; ++i)
		EXPECT(reread(&v) == 1);
}

int main()
{
	lists();
	words();
	conflicts();
#ifdef __cpp_exceptions
	exceptions();
#endif
	held_guards();
	begun_twice();
	start_order();
	printf("checks=%d\nwrong=%d\nregistered=%d\n", checks, wrong,
	       rseq_current_cpu() >= 0);
}
