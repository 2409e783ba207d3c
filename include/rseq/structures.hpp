/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_STRUCTURES_HPP
#define RSEQ_STRUCTURES_HPP

#include <rseq/cache.h>
#include <rseq/counters.h>
#include <rseq/histogram.h>
#include <rseq/pool.h>
#include <rseq/readers.h>
#include <rseq/refcount.h>
#include <rseq/ring.h>

/* Placement without <new>, which not every C library here has. */
namespace librseq { struct in_pool_ { rseq_pool *pool; }; }
inline void *operator new(size_t, void *at, librseq::in_pool_) noexcept
{
	return at;
}
/* The constructor has thrown. */
inline void operator delete(void *, void *at, librseq::in_pool_ from) noexcept
{
	::rseq_pool_free(from.pool, at);
}

namespace librseq {

template <class A, class B> inline constexpr bool same_ = false;
template <class A> inline constexpr bool same_<A, A> = true;
template <class A, class B> concept same_as_ = same_<A, B>;
template <class T> inline constexpr bool pointer_ = false;
template <class T> inline constexpr bool pointer_<T *> = true;

/* Where a cache gets its objects, and gives them back to. */
template <class S, class T>
concept source = requires (S &s, T **objects, size_t n) {
	{ s.refill(objects, n) } -> same_as_<size_t>;
	s.drain(objects, n);
};

/* A cache of T in front of a source, which outlives it; check error(). */
template <class T, source<T> S> class cache {
public:
	cache(unsigned int capacity, S &from) noexcept
		: error_(::rseq_cache_init(&c_, capacity, refill, drain,
					   &from)) {}
	~cache() { ::rseq_cache_fini(&c_); }
	cache(const cache &) = delete;
	cache &operator=(const cache &) = delete;

	[[nodiscard]] int error() const noexcept { return error_; }
	[[nodiscard]] T *get()
		{ return static_cast<T *>(::rseq_cache_get(&c_)); }
	int put(T *object) { return ::rseq_cache_put(&c_, object); }
	[[nodiscard]] int flush() { return ::rseq_cache_drain(&c_); }
	[[nodiscard]] int resize(unsigned int capacity)
		{ return ::rseq_cache_resize(&c_, capacity); }
	rseq_cache_stats stats() const noexcept
	{
		rseq_cache_stats s;
		::rseq_cache_read(&c_, &s);
		return s;
	}

private:
	static size_t refill(void *from, void **objects, size_t n)
	{
		return static_cast<S *>(from)->refill(
			reinterpret_cast<T **>(objects), n);
	}
	static void drain(void *from, void **objects, size_t n)
	{
		static_cast<S *>(from)->drain(reinterpret_cast<T **>(objects),
					      n);
	}

	rseq_cache c_;
	int error_;
};

/* Objects of type T, made and unmade in place; check error(). */
template <class T> class pool {
	static_assert(sizeof(T) <= 8192 && alignof(T) <= 64,
		      "librseq: too large for a pool");

public:
	explicit pool(size_t limit = 0) noexcept
		: error_(::rseq_pool_init(&p_, sizeof(T), alignof(T), limit)) {}
	~pool() { ::rseq_pool_fini(&p_); }
	pool(const pool &) = delete;
	pool &operator=(const pool &) = delete;

	[[nodiscard]] int error() const noexcept { return error_; }
	/* A new T, or null at the limit or without memory. */
	template <class... A> [[nodiscard]] T *make(A &&...with)
	{
		void *const at = ::rseq_pool_alloc(&p_);

		return !at ? nullptr :
			::new (at, in_pool_{&p_})
				T(static_cast<A &&>(with)...);
	}
	void destroy(T *object)
	{
		if (!object)
			return;
		object->~T();
		::rseq_pool_free(&p_, object);
	}
	long trim() noexcept { return ::rseq_pool_trim(&p_); }
	rseq_pool_stats stats() noexcept
	{
		rseq_pool_stats s;
		::rseq_pool_read(&p_, &s);
		return s;
	}

private:
	rseq_pool p_;
	int error_;
};

/* Counters that are made as they are needed. */
class counters {
public:
	constexpr counters() noexcept = default;
	~counters() { ::rseq_counters_fini(&s_); }
	counters(const counters &) = delete;
	counters &operator=(const counters &) = delete;

	long make(const char *name = nullptr) noexcept
		{ return ::rseq_counters_make(&s_, name); }
	[[gnu::always_inline]] void add(size_t i, intptr_t n = 1) noexcept
		{ ::rseq_counters_add(&s_, i, n); }
	[[nodiscard]] intptr_t sum(size_t i) const noexcept
		{ return ::rseq_counters_sum(&s_, i); }
	intptr_t take(size_t i) noexcept
		{ return ::rseq_counters_take(&s_, i); }
	[[nodiscard]] const char *name(size_t i) const noexcept
		{ return ::rseq_counters_name(&s_, i); }

private:
	rseq_counters s_ {};
};

/* Records of any trivially copyable type; check error(). */
class ring {
public:
	explicit ring(size_t size, unsigned int flags = 0, int fd = -1) noexcept
		: error_(::rseq_ring_init(&r_, size, flags, fd)) {}
	~ring() { ::rseq_ring_fini(&r_); }
	ring(const ring &) = delete;
	ring &operator=(const ring &) = delete;

	[[nodiscard]] int error() const noexcept { return error_; }
	int write(const void *data, size_t len) noexcept
		{ return ::rseq_ring_write(&r_, data, len); }
	template <class T>
		requires (__is_trivially_copyable(T) && !pointer_<T>)
	int write(const T &record) noexcept
		{ return ::rseq_ring_write(&r_, &record, sizeof record); }
	/* see(cpu, data, len) for each record. */
	template <class F> long read(F see)
	{
		return ::rseq_ring_read(&r_, [](void *f, unsigned int cpu,
						const void *data, size_t len) {
			(*static_cast<F *>(f))(cpu, data, len);
		}, &see);
	}
	int wait(unsigned int ms) noexcept
		{ return ::rseq_ring_wait(&r_, ms); }
	rseq_ring_stats stats() const noexcept
	{
		rseq_ring_stats s;
		::rseq_ring_read_stats(&r_, &s);
		return s;
	}

private:
	rseq_ring r_;
	int error_;
};

/* Readers, and writers that wait for them. */
class readers {
public:
	/* Reads for as long as it lives. */
	class reading {
	public:
		explicit reading(readers &of) noexcept
			: r_(of.r_), in_(::rseq_readers_enter(&r_)) {}
		~reading() { ::rseq_readers_leave(&r_, in_); }
		reading(const reading &) = delete;
		reading &operator=(const reading &) = delete;

	private:
		rseq_readers &r_;
		rseq_reading in_;
	};

	readers() noexcept { ::rseq_readers_init(&r_); }
	~readers() { ::rseq_readers_fini(&r_); }
	readers(const readers &) = delete;
	readers &operator=(const readers &) = delete;

	[[nodiscard]] reading read() noexcept { return reading(*this); }
	[[nodiscard]] int wait(int ms = -1) noexcept
		{ return ::rseq_readers_wait(&r_, ms); }

private:
	rseq_readers r_;
};

/* A count of references, of which it has one until it is killed. */
class refcount {
public:
	refcount() noexcept { ::rseq_refcount_init(&c_); }
	~refcount()
	{
		const int last = ::rseq_refcount_kill(&c_);	/* if not yet */

		static_cast<void>(last);
	}
	refcount(const refcount &) = delete;
	refcount &operator=(const refcount &) = delete;

	void get() noexcept { ::rseq_refcount_get(&c_); }
	[[nodiscard]] bool put() noexcept
		{ return ::rseq_refcount_put(&c_) == 1; }
	[[nodiscard]] int kill() noexcept { return ::rseq_refcount_kill(&c_); }

private:
	rseq_refcount c_;
};

}

#endif
