/* SPDX-License-Identifier: MIT */
/*
 * Lists, stacks and words, by cpu and by concurrency id, and the memory that
 * they lie in.
 */
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>

#include "model.hh"

namespace model {

struct node {
	long value;
	node *next;
};

/* What each cpu, or concurrency id, has of each. */
struct slot {
	node *list;
	intptr_t count;
	uintptr_t slots[16];
	uintptr_t word;
	uint32_t half;
};

struct slot_model {
	std::vector<node *> list;
	std::vector<uintptr_t> stack;
	uintptr_t word = 0;
	uint32_t half = 0;
};

/* The same for the two kinds of ids. */
template <class Id> Id id_now();
template <> inline rseq_cpu_t id_now() { return rseq_this_cpu(); }
template <> inline rseq_cid_t id_now() { return rseq_this_cid(); }

template <class Id> class by_id_model {
public:
	explicit by_id_model(input &in) : in_(in), nodes_(400)
	{
		slots_ = static_cast<slot *>(rseq_percpu_alloc(sizeof(slot),
							       64));
		HOLDS(slots_ != nullptr);
		for (node &n : nodes_)
			free_.push_back(&n);
	}
	void run()
	{
		while (in_.more())
			step(next_actor(in_));
		for (const auto &[id, m] : model_)
			check(id, m);
		SAME(rseq_percpu_free(slots_), 0);
		SAME(rseq_percpu_free(slots_), -EINVAL);
	}

private:
	/*
	 * f(slot, id) by the actor until it is not disturbed, with the id that
	 * it had then; to what it says it did, does what the model says.
	 */
	template <class F>
	rseq_result again(const actor &a, F f)
	{
		rseq_result result = RSEQ_RESTARTED;

		a.call([&] {
			do {
				const Id id = id_now<Id>();
				id_ = id.n;
				result = f(rseq_percpu_ptr(slots_,
					   id_ < 0 ? 0 : id_), id);
			} while (result == RSEQ_RESTARTED);
			return 0;
		});
		if (!a.sections() || id_ < 0)
			SAME(result, RSEQ_UNAVAILABLE);
		return result;
	}
	slot_model &model() { return model_[id_]; }

	void check(int id, const slot_model &m)
	{
		const slot *const s = rseq_percpu_ptr(slots_, id);
		const node *n = s->list;

		for (size_t i = m.list.size(); i-- > 0; n = n->next)
			HOLDS(n == m.list[i]);
		HOLDS(n == nullptr);
		SAME(s->count, (intptr_t)m.stack.size());
		for (size_t i = 0; i < m.stack.size(); ++i)
			SAME(s->slots[i], m.stack[i]);
		SAME(s->word, m.word);
		SAME(s->half, m.half);
	}
	void step(const actor &a)
	{
		const unsigned int what = in_.below(16);
		rseq_result got;

		if (what < 2)
			got = push(a, what);
		else if (what == 2)
			got = push_chain(a);
		else if (what < 5)
			got = pop(a);
		else if (what == 5)
			got = pop_all(a);
		else if (what < 8)
			got = stack_push(a);
		else if (what < 10)
			got = stack_pop(a);
		else if (what == 10)
			got = stack_push_n(a);
		else if (what == 11)
			got = stack_pop_n(a);
		else
			got = change_word(a, what);
		if (got == RSEQ_UNAVAILABLE)
			saw("unavailable");
		else
			check(id_, model());
	}
	rseq_result push(const actor &a, unsigned int how)
	{
		if (free_.empty())
			return pop(a);
		node *const n = free_.back();
		next("list_push", a.place(), how);
		const rseq_result got = again(a, [&](slot *s, Id id) {
			if (how == 1)
				return rseq_list_push_release(&s->list, n,
							      &n->next, id);
			return rseq_list_push(&s->list, n, &n->next, id);
		});
		if (got == RSEQ_COMMITTED) {
			free_.pop_back();
			model().list.push_back(n);
		}
		return got;
	}
	/* Some nodes at once, linked before; the last one's link is made. */
	rseq_result push_chain(const actor &a)
	{
		const size_t n = std::min<size_t>(1 + in_.below(5),
						  free_.size());

		if (n == 0)
			return pop_all(a);
		const auto chain = free_.end() - (long)n;
		for (size_t i = 0; i + 1 < n; ++i)
			chain[(long)i]->next = chain[(long)i + 1];
		next("list_push_chain", a.place(), (long)n);
		const rseq_result got = again(a, [&](slot *s, Id id) {
			return rseq_list_push(&s->list, chain[0],
					      &free_.back()->next, id);
		});
		if (got == RSEQ_COMMITTED) {
			for (size_t i = 0; i < n; ++i, free_.pop_back())
				model().list.push_back(free_.back());
			saw("push_chain");
		}
		return got;
	}
	/* The whole chain, whose nodes are as they were. */
	rseq_result pop_all(const actor &a)
	{
		node *first = nullptr;

		next("list_pop_all", a.place());
		const rseq_result got = again(a, [&](slot *s, Id id) {
			return rseq_list_pop_all(&s->list, &first, id);
		});
		if (got == RSEQ_UNAVAILABLE)
			return got;
		SAME(got, model().list.empty() ? RSEQ_DIFFERENT :
		     RSEQ_COMMITTED);
		if (got == RSEQ_COMMITTED)
			saw("pop_all");
		for (; !model().list.empty(); model().list.pop_back()) {
			HOLDS(first == model().list.back());
			free_.push_back(first);
			first = first->next;
		}
		HOLDS(first == nullptr);
		return got;
	}
	rseq_result pop(const actor &a)
	{
		node *n = nullptr;

		next("list_pop", a.place());
		const rseq_result got = again(a, [&](slot *s, Id id) {
			return rseq_list_pop(&s->list, &n, offsetof(node, next),
					     id);
		});
		if (got == RSEQ_UNAVAILABLE)
			return got;
		SAME(got, model().list.empty() ? RSEQ_DIFFERENT :
		     RSEQ_COMMITTED);
		if (got == RSEQ_COMMITTED) {
			HOLDS(n == model().list.back());
			model().list.pop_back();
			free_.push_back(n);
		} else {
			saw("pop_of_none");
		}
		return got;
	}
	rseq_result stack_push(const actor &a)
	{
		const uintptr_t item = in_.byte();
		const intptr_t capacity = in_.below(17);

		next("stack_push", a.place(), capacity);
		const rseq_result got = again(a, [&](slot *s, Id id) {
			return rseq_stack_push(s->slots, &s->count, capacity,
					       item, id);
		});
		if (got == RSEQ_UNAVAILABLE)
			return got;
		const bool fits = (intptr_t)model().stack.size() < capacity;
		SAME(got, fits ? RSEQ_COMMITTED : RSEQ_DIFFERENT);
		if (fits)
			model().stack.push_back(item);
		else
			saw("stack_full");
		return got;
	}
	rseq_result stack_pop(const actor &a)
	{
		uintptr_t item = 0;

		next("stack_pop", a.place());
		const rseq_result got = again(a, [&](slot *s, Id id) {
			return rseq_stack_pop(s->slots, &s->count, &item, id);
		});
		if (got == RSEQ_UNAVAILABLE)
			return got;
		const bool any = !model().stack.empty();
		SAME(got, any ? RSEQ_COMMITTED : RSEQ_DIFFERENT);
		if (any) {
			SAME(item, model().stack.back());
			model().stack.pop_back();
		} else {
			saw("stack_empty");
		}
		return got;
	}
	/* All of them, or none. */
	rseq_result stack_push_n(const actor &a)
	{
		const size_t n = in_.below(9);
		std::vector<uintptr_t> items(n + 1);
		const intptr_t capacity = in_.below(17);

		for (uintptr_t &i : items)
			i = in_.byte();
		next("stack_push_n", a.place(), (long)n);
		const rseq_result got = again(a, [&](slot *s, Id id) {
			return rseq_stack_push_n(s->slots, &s->count, capacity,
						 items.data(), n, id);
		});
		if (got == RSEQ_UNAVAILABLE)
			return got;
		auto &stack = model().stack;
		const bool fits = stack.size() + n <= (size_t)capacity;
		SAME(got, fits ? RSEQ_COMMITTED : RSEQ_DIFFERENT);
		if (fits)
			stack.insert(stack.end(), items.begin(),
				     items.begin() + (long)n);
		return got;
	}
	rseq_result stack_pop_n(const actor &a)
	{
		const size_t n = in_.below(9);
		std::vector<uintptr_t> items(n + 1);

		next("stack_pop_n", a.place(), (long)n);
		const rseq_result got = again(a, [&](slot *s, Id id) {
			return rseq_stack_pop_n(s->slots, &s->count,
						items.data(), n, id);
		});
		if (got == RSEQ_UNAVAILABLE)
			return got;
		auto &stack = model().stack;
		const bool enough = n <= stack.size();
		SAME(got, enough ? RSEQ_COMMITTED : RSEQ_DIFFERENT);
		if (enough) {
			HOLDS(std::equal(stack.end() - (long)n, stack.end(),
					 items.begin()));
			stack.resize(stack.size() - n);
		}
		return got;
	}
	rseq_result change_word(const actor &a, unsigned int what)
	{
		const uintptr_t n = in_.number();
		/* What is to be compared is right every other time. */
		const bool right = in_.byte() % 2;
		uintptr_t old = 0, expect = 0;

		next("word", a.place(), what);
		const rseq_result got = again(a, [&](slot *s, Id id) {
			expect = s->word + !right;
			switch (what) {
			case 12: return rseq_add(&s->word, n, id);
			case 13: return rseq_compare_store(&s->word, expect, n,
							   id);
			case 14: return rseq_fetch_add(&s->word, n, &old, id);
			default: return rseq_add(&s->half, (uint32_t)n, id);
			}
		});
		if (got == RSEQ_UNAVAILABLE)
			return got;
		slot_model &m = model();
		SAME(got, what == 13 && !right ? RSEQ_DIFFERENT :
		     RSEQ_COMMITTED);
		if (what == 14)
			SAME(old, m.word);
		if (what == 13 && right)
			m.word = n;
		else if (what == 12 || what == 14)
			m.word += n;
		else if (what == 15)
			m.half += (uint32_t)n;
		return got;
	}

	input &in_;
	std::vector<node> nodes_;
	std::vector<node *> free_;
	slot *slots_;
	std::map<int, slot_model> model_;
	int id_ = 0;
};

inline void lists(input &in)
{
	if (in.byte() % 2)
		by_id_model<rseq_cpu_t>(in).run();
	else
		by_id_model<rseq_cid_t>(in).run();
}

/* Objects are zeroed, aligned, apart, and keep what each cpu has of them. */
class percpu_model {
public:
	explicit percpu_model(input &in) : in_(in) {}
	void run()
	{
		while (in_.more()) {
			const actor a = next_actor(in_);
			if (in_.below(16) < mood_)
				alloc(a);
			else if (in_.one_in(16))
				mood_ = 2 + in_.below(13);
			else
				free(a);
		}
		while (!objects_.empty())
			free(actor());
	}

private:
	struct object {
		char *at;
		size_t size;
		char fill;
	};
	static constexpr size_t stride = RSEQ_PERCPU_STRIDE;

	/* Some cpus have it; the others, and its first and last byte there. */
	template <class F> static void each_byte(const object &o, F f)
	{
		for (const unsigned int cpu : {0u, cpus().back(),
					       rseq_cpu_limit() - 1}) {
			char *const at = rseq_percpu_ptr(o.at, cpu);
			for (size_t i = 0; i < o.size;
			     i += i < 64 || o.size - i < 64 ? 1 : 61)
				f(at[i]);
			f(at[o.size - 1]);
		}
	}
	void alloc(const actor &a)
	{
		static constexpr size_t aligns[] = {0, 1, 16, 64, 512, 4096,
						    8192, 24};
		const size_t align = aligns[in_.below(8)];
		const size_t size = in_.one_in(8) ?
			stride - 1 + in_.below(3) : in_.below(3000);
		const bool right = size && size <= stride && align <= 4096 &&
			align != 24;
		const bool starved = starves(in_);

		next("alloc", (long)size, (long)align);
		char *const at = static_cast<char *>(a.call([&] {
			return rseq_percpu_alloc(size, align);
		}, starved));
		if (!at) {
			HOLDS(!right || starved);
			if (right)
				saw("alloc_without_memory");
			return;
		}
		HOLDS(right);
		SAME((uintptr_t)rseq_percpu_ptr(at, 0) % (align ? align : 16),
		     0u);
		const object o = {at, size, (char)in_.byte()};
		each_byte(o, [](char &byte) { SAME(byte, 0); });
		each_byte(o, [&](char &byte) { byte = o.fill; });
		for (const object &other : objects_)
			HOLDS(other.at + other.size <= at ||
			      at + size <= other.at ||
			      (size_t)(at - other.at) % stride != 0 ||
			      at != other.at);
		objects_.push_back(o);
	}
	void free(const actor &a)
	{
		if (objects_.empty()) {
			SAME(rseq_percpu_free(nullptr), 0);
			return;
		}
		const size_t i = in_.below((unsigned int)objects_.size());
		const object o = objects_[i];

		objects_[i] = objects_.back();
		objects_.pop_back();
		each_byte(o, [&](char &byte) { SAME(byte, o.fill); });
		if (o.size > 16) {
			next("free_inner", (long)o.size);
			SAME(a.call([&] { return rseq_percpu_free(o.at + 16); }),
			     -EINVAL);
		}
		next("free", (long)o.size);
		SAME(a.call([&] { return rseq_percpu_free(o.at); }), 0);
		SAME(a.call([&] { return rseq_percpu_free(o.at); }), -EINVAL);
		saw("free");
	}

	input &in_;
	std::vector<object> objects_;
	unsigned int mood_ = 10;
};

inline void percpu(input &in)
{
	percpu_model(in).run();
}

}
