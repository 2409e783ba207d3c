/* SPDX-License-Identifier: MIT */
/* Containers of the C++ library on pools, in many threads at once. */
#include "checks.h"

#include <cstring>
#include <list>
#include <map>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <utility>
#include <vector>

#include <rseq/pmr.hpp>
#include <rseq/structures.hpp>

namespace {

/* What pools are too small for: each byte comes back, as it was asked for. */
class counted final : public std::pmr::memory_resource {
public:
	long bytes = 0, calls = 0;

private:
	void *do_allocate(size_t n, size_t align) override
	{
		__atomic_fetch_add(&bytes, (long)n, __ATOMIC_RELAXED);
		__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
		return ::operator new(n, std::align_val_t(align));
	}
	void do_deallocate(void *at, size_t n, size_t align) override
	{
		__atomic_fetch_sub(&bytes, (long)n, __ATOMIC_RELAXED);
		::operator delete(at, n, std::align_val_t(align));
	}
	bool do_is_equal(const memory_resource &other) const noexcept override
	{
		return this == &other;
	}
};

counted upstream;

template <class T> using pooled = librseq::pool_allocator<T>;

/* Each size and alignment, apart from its neighbours. */
void sizes(librseq::pool_resource &r)
{
	std::vector<std::pair<unsigned char *, size_t>> all;

	for (size_t align : {1, 8, 16, 32, 64, 128, 4096})
		for (size_t n = 0; n < 9000; n = n * 9 / 8 + 1) {
			auto *const at = static_cast<unsigned char *>(
				r.allocate(n, align));
			EXPECT(reinterpret_cast<uintptr_t>(at) % align == 0);
			memset(at, (int)(all.size() % 251), n);
			all.push_back({at, n * 8192 + align});
		}
	for (size_t i = 0; i < all.size(); ++i) {
		const size_t n = all[i].second / 8192;
		size_t same = 0;
		while (same < n && all[i].first[same] == i % 251)
			++same;
		EXPECT(same == n);
		r.deallocate(all[i].first, n, all[i].second % 8192);
	}
	EXPECT(upstream.bytes == 0 && upstream.calls > 0);
}

void work(librseq::pool_resource &r, long *sum)
{
	for (int round = 0; round < 20; ++round) {
		std::list<long, pooled<long>> list(r);
		std::pmr::map<int, std::pmr::string> map(&r);
		std::vector<int, pooled<int>> vector(r);
		for (int i = 0; i < 2000; ++i) {
			list.push_back(i);
			vector.push_back(i);
			map[i % 300] = std::to_string(i) + " and some more";
		}
		list.remove_if([](long i) { return i % 2; });
		for (const long i : list)
			*sum += i;
		*sum += vector.back() + (long)map[1].size() - 18;
	}
}

void limits(librseq::pool_resource &r)
{
	pooled<long> a(r);
	bool thrown = false;

	try {
		(void)a.allocate(SIZE_MAX / 4);
	} catch (const std::bad_array_new_length &) {
		thrown = true;
	}
	EXPECT(thrown);
	librseq::pool_resource other(&upstream);
	EXPECT(a == pooled<int>(r) && !(a == pooled<long>(other)));
	EXPECT(r.is_equal(r) && !r.is_equal(other));
	std::list<long, pooled<long>> one({1, 2, 3}, r), two(other);
	swap(one, two);
	EXPECT(one.empty() && two.size() == 3 && two.get_allocator() == a);
	one = std::move(two);
	EXPECT(one.size() == 3 && one.get_allocator() == a);
	/* No memory for a slab: the exception that containers know. */
	rlimit all;
	getrlimit(RLIMIT_AS, &all);
	const rlimit none = {1 << 20, all.rlim_max};
	setrlimit(RLIMIT_AS, &none);
	thrown = false;
	try {
		for (int i = 0; i < 100000; ++i)
			(void)other.allocate(4096);
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	setrlimit(RLIMIT_AS, &all);
	EXPECT(thrown);
}

/* An object whose constructor throws has never been one. */
void thrown_at()
{
	struct unmade {
		explicit unmade(int) { throw 5; }
	};
	librseq::pool<unmade> p(RSEQ_SLAB_SIZE);
	int caught = 0;

	for (int i = 0; i < 100000; ++i)
		try {
			if (!p.make(1))
				break;
		} catch (int) {
			++caught;
		}
	EXPECT(caught == 100000 && p.trim() == 1);
}

}

int main()
{
	librseq::pool_resource r(&upstream);
	std::vector<std::thread> threads;
	long sums[4] = {};

	EXPECT(r.error() == 0);
	sizes(r);
	for (long &sum : sums)
		threads.emplace_back([&r, &sum] { work(r, &sum); });
	for (std::thread &t : threads)
		t.join();
	for (const long sum : sums)
		EXPECT(sum == 20 * (999000 + 1999));
	EXPECT(upstream.bytes == 0);
	limits(r);
	thrown_at();
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}
