/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_RSEQ_HPP
#define RSEQ_RSEQ_HPP

#include <rseq/rseq.h>
#include <rseq/ops.hpp>
#include <rseq/transact.hpp>

namespace rseq {

/* A set of counters that releases itself; check error() after making one. */
class counter {
public:
	explicit counter(size_t count) noexcept
		: error_(rseq_counter_init(&c_, count)) {}
	~counter() { if (error_ == 0) rseq_counter_fini(&c_); }
	counter(const counter &) = delete;
	counter &operator=(const counter &) = delete;

	int error() const noexcept { return error_; }	/* 0 or -errno */
	void add(size_t i, intptr_t n = 1) noexcept
		{ rseq_counter_add(&c_, i, n); }
	intptr_t sum(size_t i) const noexcept
		{ return rseq_counter_sum(&c_, i); }

private:
	rseq_counter c_ {};
	int error_;
};

}

#endif
