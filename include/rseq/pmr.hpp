/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_PMR_HPP
#define RSEQ_PMR_HPP

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <new>
#include <type_traits>

#include <rseq/pool.h>

/* Pools for the standard library's containers; these need that library. */
namespace librseq {

/*
 * A memory resource with a pool for each size up to 4096 bytes, in steps of an
 * eighth or so; what is larger comes from upstream.
 */
class pool_resource final : public std::pmr::memory_resource {
public:
	explicit pool_resource(std::pmr::memory_resource *upstream =
			       std::pmr::get_default_resource())
		: upstream_(upstream)
	{
		for (size_t i = 0; i < sizes; ++i)
			error_ |= ::rseq_pool_init(&pool_[i], size_of(i),
						   size_of(i) % 64 ? 16 : 64,
						   0);
	}
	~pool_resource()
	{
		for (rseq_pool &p : pool_)
			::rseq_pool_fini(&p);
	}
	pool_resource(const pool_resource &) = delete;
	pool_resource &operator=(const pool_resource &) = delete;

	[[nodiscard]] int error() const noexcept { return error_; }

private:
	template <class T> friend class pool_allocator;

	static constexpr size_t sizes = 28;

	/* 16, 32, 48, ... 128, then four for each power of two. */
	static constexpr size_t size_of(size_t i)
	{
		return i < 8 ? (i + 1) * 16 :
			(5 + (i - 8) % 4) << (5 + (i - 8) / 4);
	}
	static size_t index_of(size_t bytes)
	{
		size_t i = bytes <= 128 ? (bytes + 15) / 16 - (bytes > 0) : 8;

		while (i < sizes && size_of(i) < bytes)
			++i;
		return i;
	}
	static bool fits(size_t i, size_t align)
	{
		return i < sizes && (align <= 16 ||
				     (align <= 64 && size_of(i) % 64 == 0));
	}

	[[nodiscard]] void *take(size_t bytes, size_t align)
	{
		const size_t i = index_of(bytes);

		if (!fits(i, align))
			return upstream_->allocate(bytes, align);
		void *const at = ::rseq_pool_alloc(&pool_[i]);
		if (!at)
			throw std::bad_alloc();
		return at;
	}
	void give_back(void *at, size_t bytes, size_t align)
	{
		const size_t i = index_of(bytes);

		if (fits(i, align))
			::rseq_pool_free(&pool_[i], at);
		else
			upstream_->deallocate(at, bytes, align);
	}
	void *do_allocate(size_t bytes, size_t align) override
	{
		return take(bytes, align);
	}
	void do_deallocate(void *at, size_t bytes, size_t align) override
	{
		give_back(at, bytes, align);
	}
	bool do_is_equal(const std::pmr::memory_resource &other) const noexcept
		override
	{
		return this == &other;
	}

	std::pmr::memory_resource *upstream_;
	rseq_pool pool_[sizes];
	int error_ = 0;
};

/* An allocator of a pool_resource's memory, without a virtual call. */
template <class T> class pool_allocator {
public:
	using value_type = T;
	using propagate_on_container_move_assignment = std::true_type;
	using propagate_on_container_swap = std::true_type;

	pool_allocator(pool_resource &from) noexcept : from_(&from) {}
	template <class U>
	pool_allocator(const pool_allocator<U> &other) noexcept
		: from_(other.from_) {}

	[[nodiscard]] T *allocate(size_t n)
	{
		if (n > SIZE_MAX / sizeof(T))
			throw std::bad_array_new_length();
		return static_cast<T *>(from_->take(n * sizeof(T), alignof(T)));
	}
	void deallocate(T *at, size_t n) noexcept
	{
		from_->give_back(at, n * sizeof(T), alignof(T));
	}
	template <class U>
	bool operator==(const pool_allocator<U> &other) const noexcept
	{
		return from_ == other.from_;
	}

private:
	template <class U> friend class pool_allocator;

	pool_resource *from_;
};

}

#endif
