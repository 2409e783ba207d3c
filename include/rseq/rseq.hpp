/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_RSEQ_HPP
#define RSEQ_RSEQ_HPP

#include <rseq/rseq.h>
#include <rseq/transact.hpp>

namespace librseq {

/* A set of counters that releases itself. */
class counter {
public:
	counter() noexcept = default;
	explicit counter(size_t count) noexcept
		: error_(::rseq_counter_init(&c_, count)) {}
	counter(counter &&from) noexcept : c_(from.c_), error_(from.error_)
	{
		from.c_ = {};
	}
	counter &operator=(counter &&from) noexcept
	{
		const rseq_counter mine = c_;
		const int error = error_;

		c_ = from.c_;
		error_ = from.error_;
		from.c_ = mine;
		from.error_ = error;
		return *this;
	}
	~counter() { ::rseq_counter_fini(&c_); }

	/* 0 or -errno; without counters adding does nothing. */
	[[nodiscard]] int error() const noexcept { return error_; }
	[[gnu::always_inline]] void add(size_t i, intptr_t n = 1) noexcept
		{ ::rseq_counter_add(&c_, i, n); }
	[[nodiscard]] intptr_t sum(size_t i) const noexcept
		{ return ::rseq_counter_sum(&c_, i); }

private:
	rseq_counter c_ {};
	int error_ = 0;
};

template <class T> inline constexpr bool ends_trivially_ =
#if __has_builtin(__is_trivially_destructible)
	__is_trivially_destructible(T);
#else	/* gcc before 16; clang warns of this one */
	__has_trivial_destructor(T);
#endif

/* A T for each cpu, zeroed; get() is a per-cpu pointer, null without memory. */
template <class T> class percpu {
	static_assert(__is_trivially_constructible(T),
		      "librseq: all bytes of a per-cpu object begin as zero; "
		      "no constructor or initializer is run");
	static_assert(ends_trivially_<T>,
		      "librseq: no destructor of a per-cpu object is run");
	static_assert(sizeof(T) <= RSEQ_PERCPU_STRIDE && alignof(T) <= 4096,
		      "librseq: too large for per-cpu memory");

public:
	percpu() noexcept
		: p_(static_cast<T *>(::rseq_percpu_alloc(sizeof(T),
							  alignof(T)))) {}
	percpu(percpu &&from) noexcept : p_(from.p_) { from.p_ = nullptr; }
	percpu &operator=(percpu &&from) noexcept
	{
		T *const mine = p_;

		p_ = from.p_;
		from.p_ = mine;
		return *this;
	}
	~percpu() { (void)::rseq_percpu_free(p_); }

	explicit operator bool() const noexcept { return p_ != nullptr; }
	T *get() const noexcept { return p_; }
	T &operator[](unsigned int cpu) const noexcept
		{ return *::rseq_percpu_ptr(p_, cpu); }

private:
	T *p_;
};

}

#endif
