/* SPDX-License-Identifier: MIT */
/*
 * The pool: objects that are apart, aligned and keep their bytes, in slabs that
 * are there exactly as long as one of their objects is, or nobody trims.
 */
#pragma once

#include <algorithm>
#include <cstring>
#include <set>

#include <rseq/pool.h>

#include "model.hh"

namespace model {

class pool_model {
public:
	explicit pool_model(input &in) : in_(in) {}
	void run()
	{
		init();
		while (in_.more())
			step(next_actor(in_));
		for (const auto &[at, fill] : used_)
			check_bytes(at, fill);
		rseq_pool_fini(&pool_);
		HOLDS(rseq_pool_alloc(&pool_) == nullptr);
	}

private:
	void init()
	{
		static constexpr size_t sizes[] = {1, 8, 24, 100, 1000, 4000,
						   4096, 8192, 8193, 0};
		static constexpr size_t aligns[] = {0, 1, 8, 16, 64, 128, 3};
		const actor a = next_actor(in_);

		size_ = sizes[in_.below(in_.one_in(8) ? 10 : 8)];
		align_ = aligns[in_.below(in_.one_in(8) ? 7 : 5)];
		const size_t limit = in_.one_in(16) ? in_.below(65535) :
			in_.below(5) * (RSEQ_SLAB_SIZE + 100);
		const bool fits = size_ && size_ <= 8192 && align_ <= 64 &&
			align_ != 3 && (!limit || limit >= RSEQ_SLAB_SIZE);
		next("init", (long)size_, (long)limit);
		const int ret = a.call([&] {
			return rseq_pool_init(&pool_, size_, align_, limit);
		}, starves(in_));
		if (ret == -ENOMEM)
			saw("no_pool");
		else
			SAME(ret, fits ? 0 : -EINVAL);
		there_is_ = ret == 0;
		most_slabs_ = limit ? limit / RSEQ_SLAB_SIZE : SIZE_MAX;
		if (align_ == 0)
			align_ = 16;
		/* What is stated: 32 kB for each cpu, 4 to 256 objects. */
		const size_t step = std::max(align_, sizeof(void *));
		const size_t whole = std::max(size_, step) + step - 1;
		most_cached_ = there_is_ ? std::clamp<size_t>(32768 /
			(whole - whole % step), 4, 256) : 0;
	}
	static uintptr_t slab_of(const void *at)
	{
		return (uintptr_t)at / RSEQ_SLAB_SIZE;
	}
	std::set<uintptr_t> slabs_in_use() const
	{
		std::set<uintptr_t> all;

		for (const auto &[at, fill] : used_)
			all.insert(slab_of(at));
		return all;
	}
	void check_bytes(const char *at, unsigned char fill) const
	{
		for (size_t i = 0; i < size_; ++i)
			HOLDS((unsigned char)at[i] == fill);
	}
	rseq_pool_stats stats(const actor &a)
	{
		rseq_pool_stats s;

		a.call([&] { rseq_pool_read(&pool_, &s); return 0; });
		SAME(s.bytes, s.slabs * RSEQ_SLAB_SIZE);
		HOLDS(s.slabs <= most_slabs_);
		SAME(s.objects, s.cached + s.shared + used_.size());
		/* Both kinds of threads have a stack for each cpu. */
		HOLDS(s.cached <= most_cached_ * 2 * cpus().size());
		return s;
	}
	void step(const actor &a)
	{
		const unsigned int what = in_.below(16);

		if (what < 12) {
			const bool gets = what < mood_;
			for (unsigned int n = in_.below(12); n > 0; --n)
				if (gets)
					alloc(a);
				else
					free(a);
		} else if (what == 12) {
			trim(a);
		} else if (what == 13) {
			owns(a);
		} else {
			mood_ = 1 + in_.below(11);
		}
		stats(a);
	}
	void alloc(const actor &a)
	{
		const bool starved = starves(in_);
		const rseq_pool_stats before = stats(a);

		next("alloc", a.place(), starved);
		char *const at = static_cast<char *>(a.call([&] {
			return rseq_pool_alloc(&pool_);
		}, starved));
		if (!at) {
			/* No more slabs, by the limit or for want of memory. */
			HOLDS(!there_is_ || starved ||
			      before.slabs == most_slabs_);
			SAME(before.shared, 0u);
			saw(!there_is_ ? "alloc_of_none" : starved ?
			    "alloc_without_memory" : "alloc_at_limit");
			return;
		}
		SAME((uintptr_t)at % align_, 0u);
		/* The neighbours end before it, and begin behind it. */
		const auto above = used_.lower_bound(at);
		HOLDS(above == used_.end() || at + size_ <= above->first);
		HOLDS(above == used_.begin() ||
		      std::prev(above)->first + size_ <= at);
		const auto fill = (unsigned char)in_.byte();
		memset(at, fill, size_);
		used_[at] = fill;
		order_.push_back(at);
	}
	void free(const actor &a)
	{
		if (order_.empty()) {
			rseq_pool_free(&pool_, nullptr);
			return;
		}
		const size_t i = in_.below((unsigned int)order_.size());
		char *const at = order_[i];

		next("free", a.place());
		order_[i] = order_.back();
		order_.pop_back();
		check_bytes(at, used_[at]);
		used_.erase(at);
		a.call([&] { rseq_pool_free(&pool_, at); return 0; });
	}
	/* What is left is the slabs of which an object is in use. */
	void trim(const actor &a)
	{
		const rseq_pool_stats before = stats(a);
		const size_t left = slabs_in_use().size();

		next("trim", (long)before.slabs, (long)left);
		const long ret = a.call([&] { return rseq_pool_trim(&pool_); });
		if (!there_is_) {
			SAME(ret, -EINVAL);
			return;
		}
		if (refused && actor::process_has_sections()) {
			SAME(ret, -ENOSYS);
			return;
		}
		SAME(ret, (long)(before.slabs - left));
		const rseq_pool_stats after = stats(a);
		SAME(after.slabs, left);
		SAME(after.cached, 0u);
		saw(ret ? "trim" : "trim_nothing");
	}
	void owns(const actor &a)
	{
		next("owns");
		HOLDS(!a.call([&] { return rseq_pool_owns(&pool_, this); }));
		HOLDS(!a.call([&] { return rseq_pool_owns(&pool_, nullptr); }));
		if (order_.empty())
			return;
		const char *const at =
			order_[in_.below((unsigned int)order_.size())];
		HOLDS(a.call([&] { return rseq_pool_owns(&pool_, at); }));
		HOLDS(!a.call([&] { return rseq_pool_owns(&pool_, at + 1); }));
	}

	input &in_;
	rseq_pool pool_;
	bool there_is_ = false;
	size_t size_ = 0, align_ = 0, most_slabs_ = 0, most_cached_ = 0;
	unsigned int mood_ = 7;
	std::map<char *, unsigned char> used_;
	std::vector<char *> order_;
};

inline void pool(input &in)
{
	pool_model(in).run();
}

}
