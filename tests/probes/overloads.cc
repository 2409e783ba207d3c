/* SPDX-License-Identifier: MIT */
/* Each overload of the operations, on each type of word. */
#include "checks.h"

#include <rseq/rseq.h>

#include <stdio.h>
#include <string.h>

/* What an operation returns when it is not disturbed. */
#define RESULT(...)							\
	([&] {								\
		rseq_result r;						\
		const auto id = W::id();				\
		(void)id;						\
		do							\
			r = __VA_ARGS__;				\
		while (r == RSEQ_RESTARTED);				\
		return r;						\
	}())
#define COMMITS(...)	EXPECT(RESULT(__VA_ARGS__) == RSEQ_COMMITTED)
#define DIFFERS(...)	EXPECT(RESULT(__VA_ARGS__) == RSEQ_DIFFERENT)

/* Whose data: by what id, and which operations on per-cpu memory. */
#define BY(where)							\
struct by_##where {							\
	static rseq_##where##_t id() { return rseq_this_##where(); }	\
	template <class T, class N> static rseq_result add(T *p, N n)	\
	{								\
		return rseq_this_##where##_add(p, n);			\
	}								\
	template <class T, class N>					\
	static rseq_result fetch_add(T *p, N n, T *old)			\
	{								\
		return rseq_this_##where##_fetch_add(p, n, old);	\
	}								\
	template <class T>						\
	static rseq_result push(T **p, T *node, T **next)		\
	{								\
		return rseq_this_##where##_list_push(p, node, next);	\
	}								\
	template <class T>						\
	static rseq_result pop(T **p, T **node, size_t off)		\
	{								\
		return rseq_this_##where##_list_pop(p, node, off);	\
	}								\
	template <class T>						\
	static rseq_result pop_all(T **p, T **node)			\
	{								\
		return rseq_this_##where##_list_pop_all(p, node);	\
	}								\
};
BY(cpu)
BY(cid)

struct node {
	int value;
	node *next;
};

template <class W, class T> void words(T a, T b, T c)
{
	T v = a, old = c;

	COMMITS(rseq_compare_store(&v, a, b, id));
	EXPECT(v == b);
	DIFFERS(rseq_compare_store_release(&v, a, c, id));
	EXPECT(v == b);
	COMMITS(rseq_compare_store_release(&v, b, c, id));
	EXPECT(v == c);
	DIFFERS(rseq_compare_store(&v, a, c, id));
	EXPECT(v == c);
	COMMITS(rseq_exchange(&v, b, &old, id));
	EXPECT(v == b && old == c);
	COMMITS(rseq_exchange_release(&v, c, &old, id));
	EXPECT(v == c && old == b);
}

template <class W, class T> void integers()
{
	const T top = static_cast<T>(1) << (8 * sizeof(T) - 2);
	T v = 5, old = 0;

	words<W, T>(1, top, 3);
	COMMITS(rseq_add(&v, 2, id));
	COMMITS(rseq_or(&v, top, id));
	COMMITS(rseq_and(&v, static_cast<T>(-2), id));
	EXPECT(v == (top | 6));
	COMMITS(rseq_fetch_add(&v, -1, &old, id));
	EXPECT(v == (top | 5) && old == (top | 6));

	T *const many = static_cast<T *>(rseq_percpu_alloc(sizeof(T), 0)),
		*copy, sum = 0;
	EXPECT(many);
	COMMITS(W::add(many, top));
	COMMITS(W::fetch_add(many, 5, &old));
	RSEQ_FOR_EACH_CPU(copy, many)
		sum = static_cast<T>(sum + *copy);
	EXPECT(sum == (top | 5));
	EXPECT(rseq_percpu_free(many) == 0);
}

/* Words of a pointer's size. */
template <class W, class T> void stacks(T a, T b, T c)
{
	T item = a, two[2] = { a, b }, slots[4] = {};
	intptr_t n = 0;

	COMMITS(rseq_stack_push(slots, &n, 3, c, id));
	COMMITS(rseq_stack_push_n(slots, &n, 3, two, 2, id));
	DIFFERS(rseq_stack_push_release(slots, &n, 3, a, id));
	DIFFERS(rseq_stack_push_n_release(slots, &n, 3, two, 1, id));
	EXPECT(n == 3 && slots[0] == c && slots[1] == a && slots[2] == b);
	COMMITS(rseq_stack_pop(slots, &n, &item, id));
	EXPECT(n == 2 && item == b);
	COMMITS(rseq_stack_push_release(slots, &n, 3, a, id));
	EXPECT(n == 3 && slots[2] == a);
	COMMITS(rseq_stack_pop(slots, &n, &item, id));
	COMMITS(rseq_stack_pop_n(slots, &n, two, 2, id));
	EXPECT(n == 0 && two[0] == c && two[1] == a);
	COMMITS(rseq_stack_push_n_release(slots, &n, 3, two, 2, id));
	EXPECT(n == 2 && slots[0] == c && slots[1] == a);
}

template <class W> void lists()
{
	node **const heads = static_cast<node **>(
		rseq_percpu_alloc(sizeof *heads, 0));
	node first = { 0, nullptr }, second = { 0, nullptr };
	node *got = nullptr, *head = nullptr;

	EXPECT(heads);
	COMMITS(W::push(heads, &first, &first.next));
	COMMITS(W::push(heads, &second, &second.next));
	COMMITS(W::pop(heads, &got, offsetof(node, next)));
	EXPECT(got == &second);
	COMMITS(W::pop(heads, &got, offsetof(node, next)));
	EXPECT(got == &first);
	DIFFERS(W::pop(heads, &got, offsetof(node, next)));
	DIFFERS(W::pop_all(heads, &got));
	second.next = &first;
	COMMITS(W::push(heads, &second, &first.next));
	COMMITS(W::pop_all(heads, &got));
	EXPECT(got == &second && second.next == &first && !first.next);
	DIFFERS(W::pop_all(heads, &got));
	EXPECT(rseq_percpu_free(heads) == 0);

	COMMITS(rseq_list_push(&head, &first, &first.next, id));
	COMMITS(rseq_list_push_release(&head, &second, &second.next, id));
	EXPECT(head == &second && second.next == &first && !first.next);
	COMMITS(rseq_list_pop(&head, &got, offsetof(node, next), id));
	EXPECT(got == &second && head == &first);
	COMMITS(rseq_list_push_release(&head, &second, &second.next, id));
	COMMITS(rseq_list_pop_all(&head, &got, id));
	EXPECT(got == &second && second.next == &first && !head);
	DIFFERS(rseq_list_pop_all(&head, &got, id));
}

/* The store that asks for no id: of words of a pointer's size. */
template <class W, class T> void undisturbed(T a, T b)
{
	T v = a;

	COMMITS(rseq_store_undisturbed(rseq_event(), &v, b));
	EXPECT(v == b);
}

template <class W> void all()
{
	int a = 1, b = 2, c = 3;

	integers<W, int>();
	integers<W, unsigned int>();
	integers<W, long>();
	integers<W, unsigned long>();
	integers<W, long long>();
	integers<W, unsigned long long>();
	words<W, int *>(&a, &b, nullptr);
	words<W, const void *>(&a, &b, &c);
	stacks<W, intptr_t>(1, 2, 3);
	stacks<W, uint64_t>(1, 2, ~0u);
	stacks<W, int *>(&a, &b, &c);
	undisturbed<W, intptr_t>(1, 2);
	undisturbed<W, int *>(&a, &b);
	lists<W>();
}

int main()
{
	all<by_cpu>();
	all<by_cid>();
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}
