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

struct pair {
	long plus, minus;
};

struct slot {
	rseq_guard guard;
	node *head;
	uint32_t small, second, turn;
	long large, two[2][2];
	pair twins[2];
	uint32_t twin;
};

static librseq::percpu<slot> slots;

static slot &slot_of(int cpu)
{
	return slots[static_cast<unsigned int>(cpu)];
}

static rseq_guard *guard()
{
	return &slots.get()->guard;
}

template <class T> static T sum(T slot::*member)
{
	T all = 0;

	for (unsigned int cpu = 0; cpu < rseq_cpu_limit(); ++cpu)
		all += slots[cpu].*member;
	return all;
}

static bool all_free()
{
	for (unsigned int cpu = 0; cpu < rseq_cpu_limit(); ++cpu)
		if (slots[cpu].guard.word & 1)
			return false;
	return true;
}

using maybe_long = librseq::maybe<librseq::one_store<long>>;
using maybe_node =
	librseq::maybe<librseq::given<librseq::one_store<node *>, node *>>;

static void push(node *n)
{
	EXPECT(librseq::transact(guard(), [&](int cpu) {
		n->next = librseq::load(&slot_of(cpu).head);
		return librseq::store(&slot_of(cpu).head, n);
	}));
}

/* From whatever cpu's list has one. */
static node *pop()
{
	for (unsigned tries = 0; tries < 1000; ++tries) {
		auto got = librseq::transact(guard(), [](int cpu)
				-> maybe_node {
			node *n = librseq::load(&slot_of(cpu).head);
			if (!n)
				return librseq::nothing;
			return librseq::store(&slot_of(cpu).head, n->next)
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

	EXPECT(slots);
	EXPECT(librseq::transact(guard(), [](int) -> maybe_long {
		return librseq::nothing;
	}).error() == 0);
	EXPECT(!librseq::transact(guard(), [](int) -> maybe_long {
		return librseq::nothing;
	}).has_value());
	push(&nodes[0]);
	EXPECT(pop() == &nodes[0]);
	EXPECT(all_free());
}

static void words()
{
	for (int i = 0; i < 100; ++i) {
		EXPECT(librseq::transact(guard(), [](int cpu) {
			return librseq::store(&slot_of(cpu).small,
					   slot_of(cpu).small + 1)
				.then(&slot_of(cpu).second,
				      slot_of(cpu).second + 2);
		}));
		auto old = librseq::transact(guard(), [](int cpu) {
			const long n = librseq::load(&slot_of(cpu).large);
			return librseq::store(&slot_of(cpu).large, n + 1).giving(n);
		});
		EXPECT(old && *old >= 0 && *old <= i);
	}
	/* A block and the index that makes it valid: both words, or neither. */
	long more[2];	/* longer than the body, which the commit follows */
	for (int i = 0; i < 100; ++i)
		EXPECT(librseq::transact(guard(), [&](int cpu) {
			slot &s = slot_of(cpu);
			const long *last = s.two[s.turn];
			const uint32_t next = 1 - s.turn;
			more[0] = last[0] + 1;
			more[1] = last[1] - 1;
			return librseq::copy(s.two[next], more, sizeof more)
				.then(&s.turn, next).giving(next);
		}));
	/* An object of the body's own goes with what the body returns. */
	for (int i = 0; i < 100; ++i)
		EXPECT(librseq::transact(guard(), [](int cpu) {
			slot &s = slot_of(cpu);
			const uint32_t next = 1 - s.twin;
			const pair now { s.twins[s.twin].plus + 1,
					 s.twins[s.twin].minus - 1 };
			return librseq::copy(&s.twins[next], now)
				.then(&s.twin, next);
		}));
	long plus = 0, minus = 0;
	for (unsigned int cpu = 0; cpu < rseq_cpu_limit(); ++cpu) {
		plus += slots[cpu].two[slots[cpu].turn][0];
		minus += slots[cpu].two[slots[cpu].turn][1];
	}
	for (unsigned int cpu = 0; cpu < rseq_cpu_limit(); ++cpu) {
		plus += slots[cpu].twins[slots[cpu].twin].plus;
		minus += slots[cpu].twins[slots[cpu].twin].minus;
	}
	EXPECT(plus == 200 && minus == -200);
	EXPECT(sum(&slot::small) == 100);
	EXPECT(sum(&slot::second) == 200);
	EXPECT(sum(&slot::large) == 100);
}

/* Somebody else commits in each body that has not got the guard. */
static int begun;

static void disturb(int cpu)
{
	++begun;
	if (!(librseq::load(&slot_of(cpu).guard.word) & 1))
		EXPECT(librseq::transact(guard(), [](int here) {
			return librseq::store(&slot_of(here).small, 0);
		}));
}

/* Off the cpu's own guard the inner one is on another; then it may commit. */
static void conflicts()
{
	slots[0].large = 0;
	begun = 0;
	auto done = librseq::transact(guard(), [](int cpu) {
		disturb(cpu);
		return librseq::store(&slot_of(cpu).large, 7).giving(cpu);
	});
	EXPECT(done && slot_of(*done).large == 7);
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
		(void)librseq::transact(guard(), [&](int cpu) {
			disturb(cpu);
			held = slot_of(cpu).guard.word & 1;
			if (held)
				throw 5;
			return librseq::store(&slot_of(cpu).large, 1000);
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
		(void)librseq::transact(guard(), [&](int cpu)
				-> librseq::one_store<long> {
			if (cpu >= 0)
				throw 6;
			return librseq::store(&slots[0].large, 1000);
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
		librseq::held mine(guard(), cpu);
		EXPECT(mine.error() == 0);
		EXPECT(slot_of(cpu).guard.word & 1);
		EXPECT(librseq::held(guard(), cpu).error() == -EDEADLK);
	}
	EXPECT(all_free());
	EXPECT(librseq::held(guard(), rseq_cpu_limit()).error() == -EINVAL);

	auto nowhere = librseq::transact(nullptr, [](int) {
		return librseq::store(&slots[0].large, 1);
	});
	EXPECT(!nowhere && nowhere.error() == -EINVAL);
}

/* One that holds its guard must be ended before it is begun again. */
static void begun_twice()
{
	rseq_transaction t = RSEQ_TRANSACTION(guard());

	t.left = 0;
	const int cpu = rseq_begin(&t);
	EXPECT(cpu >= 0 && (slot_of(cpu).guard.word & 1));
	EXPECT(rseq_begin(&t) == -EDEADLK);
	EXPECT(slot_of(cpu).guard.word & 1);
	EXPECT(rseq_commit(&t, &slot_of(cpu).small, 3) == RSEQ_COMMITTED);
	EXPECT(slot_of(cpu).small == 3 && all_free());
	/* Ended, it may be used again, and has all its attempts. */
	EXPECT(rseq_begin(&t) >= 0);
	EXPECT(all_free() || rseq_this_cpu().n < 0);
	rseq_cancel(&t);
	EXPECT(t.left == RSEQ_ATTEMPTS && all_free());
}

/*
 * How much of what is added behind the compiler's back, as another thread
 * would, is seen after rseq_event(): 1, unless it thinks that it knows *v.
 */
static __attribute__((__noinline__)) intptr_t reread(intptr_t *v)
{
	const intptr_t before = *v;

	__asm__ __volatile__("incq (%0)" : : "r"(v));
	const uint32_t event = rseq_event();
	const intptr_t seen = *v - before;
	intptr_t unused;
	(void)!rseq_store_undisturbed(event, &unused, 0);
	return seen;
}

static void start_order()
{
	intptr_t v = 0;

	rseq_event();	/* the next ones find the token and call nothing */
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
	       rseq_this_cpu().n >= 0);
}
