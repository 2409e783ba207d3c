/* SPDX-License-Identifier: MIT */
/* Each overload of the operations, on each type of word. */
#include "checks.h"

#include <rseq/rseq.hpp>

#include <stdio.h>
#include <string.h>

/* What an operation returns when it is not disturbed. */
#define RESULT(...)							\
	([&] {								\
		rseq_result r;						\
		int id = ID;						\
		(void)id;						\
		do							\
			r = __VA_ARGS__;				\
		while (r == RSEQ_RESTARTED);				\
		return r;						\
	}())
#define COMMITS(...)	EXPECT(RESULT(__VA_ARGS__) == RSEQ_COMMITTED)
#define DIFFERS(...)	EXPECT(RESULT(__VA_ARGS__) == RSEQ_DIFFERENT)

#define WORDS(at)							\
template <class T> void words##at(T a, T b, T c)			\
{									\
	T v = a, v2 = c, old = c;					\
	COMMITS(rseq::load_cbne_store##at(&v, a, b, id));		\
	EXPECT(v == b);							\
	DIFFERS(rseq::load_cbne_store_release##at(&v, a, c, id));	\
	EXPECT(v == b);							\
	COMMITS(rseq::load_cbne_load_cbne_store##at(&v, b, &v2, c, a, id)); \
	EXPECT(v == a);							\
	DIFFERS(rseq::load_cbne_load_cbne_store_release##at(		\
			&v, a, &v2, a, b, id));				\
	EXPECT(v == a && v2 == c);					\
	COMMITS(rseq::load_cbne_store_store##at(&v, a, &v2, b, c, id));	\
	EXPECT(v == c && v2 == b);					\
	COMMITS(rseq::load_cbne_store_store_release##at(		\
			&v, c, &v2, c, a, id));				\
	EXPECT(v == a && v2 == c);					\
	COMMITS(rseq::exchange##at(&v, b, &old, id));			\
	EXPECT(v == b && old == a);					\
	COMMITS(rseq::exchange_release##at(&v, c, &old, id));		\
	EXPECT(v == c && old == b);					\
}									\
template <class T> void integers##at()					\
{									\
	const T top = static_cast<T>(1) << (8 * sizeof(T) - 2);		\
	T v = 5, old = 0, many[64] = {};				\
	words##at<T>(1, top, 3);					\
	COMMITS(rseq::load_add_store##at(&v, 2, id));			\
	COMMITS(rseq::load_or_store##at(&v, top, id));			\
	COMMITS(rseq::load_and_store##at(&v, static_cast<T>(-2), id));	\
	EXPECT(v == (top | 6));						\
	COMMITS(rseq::fetch_add##at(&v, -1, &old, id));			\
	EXPECT(v == (top | 5) && old == (top | 6));			\
	COMMITS(rseq::index_load_add_store##at(many, sizeof v, 64, top)); \
	T sum = 0;							\
	for (int i = 0; i < 64; ++i)					\
		sum = static_cast<T>(sum + many[i]);			\
	EXPECT(sum == top);						\
}									\
/* Words of a pointer's size. */					\
template <class T> void arrays##at(T a, T b, T c)			\
{									\
	T v = a, item = a, two[2] = { a, b }, slots[4] = {};		\
	intptr_t n = 0;							\
	char copy[32] = "";						\
	COMMITS(rseq::load_cbne_load_store##at(&v, a, &two[1], &item, c, id)); \
	EXPECT(v == c && item == b);					\
	v = item = a;							\
	COMMITS(rseq::load_cbne_memcpy_store##at(&v, a, copy, "text", 5, \
						 b, id));		\
	EXPECT(v == b && !strcmp(copy, "text"));			\
	COMMITS(rseq::load_cbne_memcpy_store_release##at(		\
			&v, b, copy, "next", 5, c, id));		\
	EXPECT(v == c && !strcmp(copy, "next"));			\
	COMMITS(rseq::array_push##at(slots, &n, 3, c, id));		\
	COMMITS(rseq::array_push_n##at(slots, &n, 3, two, 2, id));	\
	DIFFERS(rseq::array_push_release##at(slots, &n, 3, a, id));	\
	DIFFERS(rseq::array_push_n_release##at(slots, &n, 3, two, 1, id)); \
	EXPECT(n == 3 && slots[0] == c && slots[1] == a && slots[2] == b); \
	COMMITS(rseq::array_pop##at(slots, &n, &item, id));		\
	EXPECT(n == 2 && item == b);					\
	COMMITS(rseq::array_pop_n##at(slots, &n, two, 2, id));		\
	EXPECT(n == 0 && two[0] == c && two[1] == a);			\
}									\
void lists##at()							\
{									\
	static node *heads[64];						\
	node first = { 0, nullptr }, second = { 0, nullptr };		\
	node *got = nullptr, *head = &second;				\
	intptr_t number = 5;						\
	struct { char pad[8]; intptr_t *to; } chain = { "", &number }, \
		*start = &chain;					\
	COMMITS(rseq::load_add_load_load_add_store##at(&start, 8, 2, id)); \
	EXPECT(number == 7);						\
	COMMITS(rseq::index_push##at(heads, 0, 64, &first.next, &first)); \
	COMMITS(rseq::index_push_release##at(heads, 0, 64, &second.next, \
					     &second));			\
	EXPECT(heads[0] == &second && second.next == &first);		\
	COMMITS(rseq::index_pop##at(heads, 0, 64, offsetof(node, next),	\
				    &got));				\
	EXPECT(got == &second && heads[0] == &first);			\
	COMMITS(rseq::load_cbeq_store_add_load_store##at(		\
			&head, nullptr, offsetof(node, next), &got, id)); \
	EXPECT(got == &second && head == &first);			\
}									\
void all##at()								\
{									\
	int a = 1, b = 2, c = 3;					\
	integers##at<int>();						\
	integers##at<unsigned int>();					\
	integers##at<long>();						\
	integers##at<unsigned long>();					\
	integers##at<long long>();					\
	integers##at<unsigned long long>();				\
	words##at<int *>(&a, &b, nullptr);				\
	words##at<const void *>(&a, &b, &c);				\
	arrays##at<intptr_t>(1, 2, 3);					\
	arrays##at<uint64_t>(1, 2, ~0u);				\
	arrays##at<int *>(&a, &b, &c);					\
	lists##at();							\
}

struct node {
	int value;
	node *next;
};

#define ID	rseq_cpu_start()
WORDS()
#undef ID
#define ID	rseq_mm_cid()
WORDS(_mm_cid)

int main()
{
	all();
	all_mm_cid();
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}
