/* SPDX-License-Identifier: MIT */
/* Counters, the set of them and the histogram: sums that are exact. */
#pragma once

#include <algorithm>

#include <rseq/counters.h>
#include <rseq/histogram.h>

#include "model.hh"

namespace model {

inline void counter(input &in)
{
	static constexpr size_t most = RSEQ_PERCPU_STRIDE / 2 /
		sizeof(intptr_t);
	rseq_counter c;
	size_t n = in.one_in(16) ? most + in.below(2) : in.below(40);
	const actor first = next_actor(in);
	next("init", (long)n);
	const int ret = first.call([&] { return rseq_counter_init(&c, n); },
				   starves(in));

	if (ret != -ENOMEM || n > most)
		SAME(ret, n == 0 ? -EINVAL : n > most ? -ENOMEM : 0);
	if (ret) {
		saw("no_counter");
		n = 0;
	}
	/* All zeros: adding does nothing. */
	std::vector<uintptr_t> sums(n ? n : 1);
	while (in.more()) {
		const actor a = next_actor(in);
		const size_t i = n ? in.below((unsigned int)n) : 0;
		const intptr_t by = (intptr_t)in.number();

		next("add", (long)i, by);
		a.call([&] { rseq_counter_add(&c, i, by); return 0; });
		sums[i] += n ? (uintptr_t)by : 0;
		SAME(a.call([&] { return rseq_counter_sum(&c, i); }),
		     (intptr_t)sums[i]);
	}
	for (size_t i = 0; i < n; ++i)
		SAME(rseq_counter_sum(&c, i), (intptr_t)sums[i]);
	rseq_counter_fini(&c);
	SAME(rseq_counter_sum(&c, 0), 0);
}

/* What one counter of a set should be. */
struct counted {
	uintptr_t sum = 0, taken = 0;
	bool named = false;
	std::string name;
};

class counters_model {
public:
	explicit counters_model(input &in) : in_(in) {}
	void run()
	{
		while (in_.more())
			step(next_actor(in_));
		for (const auto &[i, c] : counted_)
			SAME(rseq_counters_sum(&set_, i), (intptr_t)c.sum);
		rseq_counters_fini(&set_);
		SAME(rseq_counters_sum(&set_, 0), 0);
		SAME(rseq_counters_read(&set_, nullptr, 0), 0u);
		HOLDS(rseq_counters_name(&set_, 0) == nullptr);
	}

private:
	/* Near to each other, in any segment, or too large. */
	size_t index()
	{
		static constexpr size_t end = RSEQ_COUNTERS_MAX;

		switch (in_.below(8)) {
		case 0: return end - 1 + in_.below(2);
		case 1: return in_.below((unsigned int)end);
		case 2: return 510 + in_.below(4);
		case 3: return in_.one_in(4) ? (size_t)in_.number() : 0;
		default: return in_.below(16);
		}
	}
	void step(const actor &a)
	{
		const size_t i = index();

		switch (in_.below(8)) {
		case 0: make(a); break;
		case 1: take(a, i); break;
		case 2: read(a); break;
		case 3: name(a, i); break;
		default: add(a, i, (intptr_t)in_.number()); break;
		}
		SAME(a.call([&] { return rseq_counters_sum(&set_, i); }),
		     (intptr_t)sum(i));
	}
	uintptr_t sum(size_t i) const
	{
		const auto found = counted_.find(i);

		return found == counted_.end() ? 0 : found->second.sum;
	}
	/* What cannot be added is counted as lost, and only that. */
	void add(const actor &a, size_t i, intptr_t n)
	{
		const uint32_t before = set_.lost;
		const bool starved = starves(in_);

		next("add", (long)i, n);
		a.call([&] { rseq_counters_add(&set_, i, n); return 0; },
		       starved);
		if (set_.lost == before && i < RSEQ_COUNTERS_MAX) {
			counted_[i].sum += (uintptr_t)n;
			return;
		}
		SAME(set_.lost, before + 1);
		HOLDS(starved || i >= RSEQ_COUNTERS_MAX);
		saw(starved ? "add_without_memory" : "add_beyond");
	}
	void make(const actor &a)
	{
		const bool starved = starves(in_);
		const std::string name(in_.below(4), (char)in_.byte());
		const bool named = in_.byte() % 2;

		next("make", named, starved);
		const long i = a.call([&] {
			return rseq_counters_make(&set_, named ? name.c_str() :
						  nullptr);
		}, starved);
		if (i == -ENOMEM) {
			HOLDS(starved);
			saw("make_without_memory");
			return;
		}
		SAME(i, made_);
		++made_;
		counted_[(size_t)i].named = named;
		counted_[(size_t)i].name = name.c_str();
	}
	void take(const actor &a, size_t i)
	{
		next("take", (long)i);
		const intptr_t got = a.call([&] {
			return rseq_counters_take(&set_, i);
		});
		SAME(got, (intptr_t)(sum(i) - taken_[i]));
		taken_[i] = sum(i);
	}
	void read(const actor &a)
	{
		intptr_t sums[20];
		const size_t n = in_.below(20);

		next("read", (long)n);
		SAME(a.call([&] { return rseq_counters_read(&set_, sums, n); }),
		     (size_t)made_);
		for (size_t i = 0; i < n && i < (size_t)made_; ++i)
			SAME(sums[i], (intptr_t)sum(i));
	}
	void name(const actor &a, size_t i)
	{
		const auto found = counted_.find(i);

		next("name", (long)i);
		const char *const got = a.call([&] {
			return rseq_counters_name(&set_, i);
		});
		if (found == counted_.end() || !found->second.named)
			HOLDS(got == nullptr);
		else
			HOLDS(got && got == found->second.name);
	}

	input &in_;
	rseq_counters set_ = {};
	long made_ = 0;
	std::map<size_t, counted> counted_;
	std::map<size_t, uintptr_t> taken_;
};

inline void counters(input &in)
{
	counters_model(in).run();
}

/* Two, so that they can be merged, beside the values themselves. */
class histogram_model {
public:
	explicit histogram_model(input &in) : in_(in) {}
	void run()
	{
		while (in_.more()) {
			const actor a = next_actor(in_);
			if (in_.one_in(64))
				read(a, in_.byte() % 3);
			else
				add(a, in_.number());
		}
		for (unsigned int which = 0; which < 3; ++which)
			read(actor(), which);
		for (rseq_histogram &h : h_)
			rseq_histogram_fini(&h);
		SAME(counts(0), 0u);
	}

private:
	uint64_t counts(int i)
	{
		counts_.assign(RSEQ_HISTOGRAM_BUCKETS, 0);
		return rseq_histogram_read(&h_[i], counts_.data());
	}
	void add(const actor &a, uint64_t v)
	{
		const int i = v % 2;
		const bool starved = starves(in_) && values_[i].empty();

		next("add", (long)v, starved);
		a.call([&] { rseq_histogram_add(&h_[i], v); return 0; },
		       starved);
		if (starved && counts(i) == 0)
			saw("add_without_memory");
		else
			values_[i].push_back(v);
		check_bucket(v);
	}
	/* It tells the value to an eighth, and is in order. */
	static void check_bucket(uint64_t v)
	{
		const unsigned int b = rseq_histogram_bucket(v);
		const uint64_t least = rseq_histogram_value(b);

		HOLDS(b < RSEQ_HISTOGRAM_BUCKETS);
		HOLDS(least <= v);
		HOLDS(v < 8 ? least == v : v - least <= least / 8);
		HOLDS(b + 1 == RSEQ_HISTOGRAM_BUCKETS ||
		      rseq_histogram_value(b + 1) > v);
	}
	/* The first, the second, or both, merged. */
	void read(const actor &a, unsigned int which)
	{
		std::vector<uint64_t> all, counts(RSEQ_HISTOGRAM_BUCKETS);

		next("read", which);
		for (unsigned int i = 0; i < 2; ++i)
			if (which == 2 || which == i) {
				SAME(a.call([&] {
					return rseq_histogram_read(&h_[i],
							counts.data());
				}), values_[i].size());
				all.insert(all.end(), values_[i].begin(),
					   values_[i].end());
			}
		std::sort(all.begin(), all.end());
		std::vector<uint64_t> expected(RSEQ_HISTOGRAM_BUCKETS);
		for (const uint64_t v : all)
			++expected[rseq_histogram_bucket(v)];
		HOLDS(counts == expected);
		for (const unsigned int parts : {0u, 1u, 8u, 15u, 16u})
			quantile(all, counts, parts);
	}
	/* In sixteenths: exact in binary, so that the rank is certain. */
	static void quantile(const std::vector<uint64_t> &sorted,
			     const std::vector<uint64_t> &counts,
			     unsigned int parts)
	{
		const uint64_t got = rseq_histogram_quantile(counts.data(),
							     parts / 16.);
		if (sorted.empty()) {
			SAME(got, 0u);
			return;
		}
		const size_t rank = (sorted.size() * parts + 15) / 16;
		const uint64_t v = sorted[rank ? rank - 1 : 0];
		SAME(got, rseq_histogram_value(rseq_histogram_bucket(v)));
		saw("quantile");
	}

	input &in_;
	rseq_histogram h_[2] = {};
	std::vector<uint64_t> values_[2], counts_;
};

inline void histogram(input &in)
{
	histogram_model(in).run();
}

}
