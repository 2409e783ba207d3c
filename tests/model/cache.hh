/* SPDX-License-Identifier: MIT */
/*
 * The cache: a stack a cpu for each kind of thread, in front of a source that
 * has so many objects.  Each object is at the source, in a stack or in hand.
 */
#pragma once

#include <algorithm>
#include <utility>

#include <rseq/cache.h>

#include "model.hh"

namespace model {

class cache_model {
public:
	explicit cache_model(input &in) : in_(in), objects_(600)
	{
		for (int &o : objects_)
			source_.push_back(&o);
		given_.reserve(objects_.size());
		taken_.reserve(objects_.size());
	}
	void run()
	{
		init();
		while (in_.more())
			step(next_actor(in_));
		rseq_cache_fini(&cache_);
		/* Everything is back, once. */
		std::vector<void *> all = source_;
		all.insert(all.end(), taken_.begin(), taken_.end());
		all.insert(all.end(), hand_.begin(), hand_.end());
		std::sort(all.begin(), all.end());
		SAME(all.size(), objects_.size());
		for (size_t i = 0; i < all.size(); ++i)
			HOLDS(all[i] == &objects_[i]);
		HOLDS(rseq_cache_get(&cache_) == nullptr);
		SAME(rseq_cache_put(&cache_, &objects_[0]), -EINVAL);
	}

private:
	/* ---- the source ---- */

	static size_t refill(void *arg, void **to, size_t n)
	{
		cache_model &m = *static_cast<cache_model *>(arg);
		size_t k = 0;

		HOLDS(n > 0);
		for (; k < n && k < m.generous_ && !m.source_.empty(); ++k) {
			to[k] = m.source_.back();
			m.source_.pop_back();
			m.given_.push_back(to[k]);
		}
		++m.refills_;
		m.refilled_ += k;
		return k;
	}
	static void drain(void *arg, void **from, size_t n)
	{
		cache_model &m = *static_cast<cache_model *>(arg);

		HOLDS(n > 0);
		m.taken_.insert(m.taken_.end(), from, from + n);
		++m.drains_;
		m.drained_ += n;
		if (m.again_)
			SAME(rseq_cache_drain(&m.cache_), -EDEADLK);
	}

	/* ---- the model ---- */

	using stack = std::vector<void *>;

	void init()
	{
		const unsigned int capacity = in_.one_in(8) ? in_.below(600) :
			1 + in_.below(20);
		const actor a = next_actor(in_);

		next("init", capacity);
		SAME(a.call([&] {
			return rseq_cache_init(&cache_, 0, refill, drain, this);
		}), -EINVAL);
		SAME(a.call([&] {
			return rseq_cache_init(&cache_, RSEQ_CACHE_MAX + 1,
					       refill, drain, this);
		}), -EINVAL);
		SAME(a.call([&] {
			return rseq_cache_init(&cache_, 5, refill, nullptr,
					       this);
		}), -EINVAL);
		const int ret = a.call([&] {
			return rseq_cache_init(&cache_, capacity, refill, drain,
					       this);
		}, starves(in_));
		if (ret == -ENOMEM)
			saw("no_cache");
		else
			SAME(ret, capacity ? 0 : -EINVAL);
		there_is_ = ret == 0;
		room_ = capacity_ = ret == 0 ? capacity : 0;
	}
	/* What the source was given leaves where it was. */
	void take_out()
	{
		for (void *const o : taken_) {
			bool found = false;
			for (stack &s : stacks_) {
				const auto at = std::find(s.begin(), s.end(), o);
				if (at == s.end())
					continue;
				HOLDS(!found);
				found = true;
				s.erase(at);
			}
			HOLDS(found);
			source_.push_back(o);
		}
		taken_.clear();
	}
	void check()
	{
		rseq_cache_stats s;
		size_t held = 0;

		for (const stack &one : stacks_) {
			HOLDS(one.size() <= capacity_);
			held += one.size();
		}
		rseq_cache_read(&cache_, &s);
		SAME(s.refills, refills_);
		SAME(s.refilled, refilled_);
		SAME(s.drains, drains_);
		SAME(s.drained, drained_);
		SAME(s.held, held);
		SAME(held + hand_.size() + source_.size(), objects_.size());
	}
	stack &mine(const actor &a) { return stacks_[a.place()]; }
	stack &locked(const actor &a) { return stacks_[a.locked_place()]; }

	void step(const actor &a)
	{
		const unsigned int what = in_.below(16);

		given_.clear();
		if (what < 11) {
			if (what < mood_)
				get(a);
			else
				put(a);
		} else switch (what) {
		case 11: mood_ = 1 + in_.below(10); break;
		case 12: get_n(a, in_.below(40)); break;
		case 13: put_n(a, in_.below(40)); break;
		case 14: generous_ = in_.one_in(3) ? in_.below(3) : ~0u; break;
		default: rare(a); break;
		}
		check();
	}

	/* ---- the operations ---- */

	void get(const actor &a)
	{
		next("get", a.place());
		void *const o = a.call([&] { return rseq_cache_get(&cache_); });
		stack &from = mine(a).empty() ? locked(a) : mine(a);

		if (!from.empty()) {
			HOLDS(given_.empty());
			HOLDS(o == from.back());	/* the last one put */
			from.pop_back();
		} else if (given_.empty()) {
			saw("get_nothing");
			HOLDS(o == nullptr);
			return;
		} else {
			saw("get_refilled");
			HOLDS(o == given_[0]);
			mine(a).insert(mine(a).end(), given_.begin() + 1,
				       given_.end());
		}
		hand_.push_back(o);
	}
	void put(const actor &a)
	{
		if (hand_.empty()) {
			SAME(a.call([&] {
				return rseq_cache_put(&cache_, nullptr);
			}), -EINVAL);
			return;
		}
		void *const o = pick();
		const bool full = mine(a).size() >= capacity_;

		next("put", a.place(), full);
		if (!there_is_) {
			SAME(a.call([&] { return rseq_cache_put(&cache_, o); }),
			     -EINVAL);
			hand_.push_back(o);
			return;
		}
		SAME(a.call([&] { return rseq_cache_put(&cache_, o); }), 0);
		HOLDS(taken_.empty() == !full);
		mine(a).push_back(o);
		take_out();
		if (full)
			saw("put_full");
	}
	void *pick()
	{
		const size_t i = in_.below((unsigned int)hand_.size());
		void *const o = hand_[i];

		hand_[i] = hand_.back();
		hand_.pop_back();
		return o;
	}
	/* From its own stack, from the other kind's, then from the source. */
	void get_n(const actor &a, size_t n)
	{
		std::vector<void *> got(n + 1), expected;

		next("get_n", a.place(), (long)n);
		got.resize(a.call([&] {
			return rseq_cache_get_n(&cache_, got.data(), n);
		}));
		for (stack *const s : {&mine(a), &locked(a)})
			while (expected.size() < n && !s->empty()) {
				expected.push_back(s->back());
				s->pop_back();
			}
		expected.insert(expected.end(), given_.begin(), given_.end());
		hand_.insert(hand_.end(), got.begin(), got.end());
		std::sort(got.begin(), got.end());
		std::sort(expected.begin(), expected.end());
		HOLDS(got == expected);
		if (!given_.empty())
			saw("get_n_refilled");
	}
	void put_n(const actor &a, size_t n)
	{
		std::vector<void *> objects;

		while (objects.size() < n && !hand_.empty())
			objects.push_back(pick());
		n = objects.size();
		next("put_n", a.place(), (long)n);
		/* One is null: nothing is put. */
		if (n > 0 && there_is_) {
			void *const last = std::exchange(objects[n - 1],
							 nullptr);
			SAME(a.call([&] {
				return rseq_cache_put_n(&cache_, objects.data(),
							n);
			}), -EINVAL);
			objects[n - 1] = last;
		}
		SAME(a.call([&] {
			return rseq_cache_put_n(&cache_, objects.data(), n);
		}), there_is_ ? 0 : -EINVAL);
		if (!there_is_) {
			hand_.insert(hand_.end(), objects.begin(),
				     objects.end());
			return;
		}
		const size_t room = capacity_ - mine(a).size();
		SAME(taken_.size(), n > room ? n - room : 0);
		mine(a).insert(mine(a).end(), objects.begin(), objects.end());
		if (!taken_.empty())
			saw("put_n_full");
		take_out();
	}
	/* What needs the fence where sections run. */
	int without_fence(int otherwise)
	{
		return refused && actor::process_has_sections() ? -ENOSYS :
			otherwise;
	}
	void rare(const actor &a)
	{
		const unsigned int capacity = in_.below(room_ + 2);

		if (in_.byte() % 2) {
			next("drain", a.place());
			again_ = true;
			const int ret = a.call([&] {
				return rseq_cache_drain(&cache_);
			});
			again_ = false;
			SAME(ret, there_is_ ? without_fence(0) : -EINVAL);
			if (ret) {
				HOLDS(taken_.empty());
				return;
			}
			take_out();
			for (const stack &s : stacks_)
				HOLDS(s.empty());
			saw("drain");
			return;
		}
		next("resize", a.place(), capacity);
		const int ret = a.call([&] {
			return rseq_cache_resize(&cache_, capacity);
		});
		SAME(ret, there_is_ && capacity && capacity <= room_ ?
		     without_fence(0) : -EINVAL);
		if (ret) {
			HOLDS(taken_.empty());
			return;
		}
		size_t excess = 0;
		for (const stack &s : stacks_)
			excess += s.size() > capacity ? s.size() - capacity : 0;
		SAME(taken_.size(), excess);
		capacity_ = capacity;
		take_out();
		saw(excess ? "resize_gives_back" : "resize");
	}

	input &in_;
	std::vector<int> objects_;
	std::vector<void *> source_, hand_, given_, taken_;
	stack stacks_[places];
	rseq_cache cache_;
	bool there_is_ = false, again_ = false;
	size_t capacity_ = 0;
	unsigned int room_ = 0, mood_ = 6, generous_ = ~0u;
	uint64_t refills_ = 0, refilled_ = 0, drains_ = 0, drained_ = 0;
};

inline void cache(input &in)
{
	cache_model(in).run();
}

}
