/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_TRANSACT_HPP
#define RSEQ_TRANSACT_HPP

#include <rseq/ops.hpp>
#include <rseq/transaction.h>

/*
 * Guard transactions whose body is a function object:
 *
 *	rseq::transact(guards, [&](int cpu) {
 *		node->next = rseq::load(&head[cpu]);
 *		return rseq::store(&head[cpu], node);
 *	});
 *
 * The body returns what to commit, perhaps with a value to give to the caller,
 * or, if its type is a maybe, nothing.
 */
#define RSEQ_INLINED	inline __attribute__((__always_inline__))

namespace rseq {

/* What there is to give where a body gives nothing. */
struct none {};

/* The way out of a body that wants nothing stored. */
struct nothing_t {};
constexpr nothing_t nothing {};

namespace detail {

RSEQ_INLINED rseq_result commit(rseq_transaction *t, uint32_t *v,
				uint32_t newv)
{
	return ::rseq_commit_u32(t, v, newv);
}
RSEQ_INLINED rseq_result commit(rseq_transaction *t, intptr_t *v,
				intptr_t newv)
{
	return ::rseq_commit(t, v, newv);
}
RSEQ_INLINED rseq_result commit(rseq_transaction *t, uint32_t *v2,
				uint32_t newv2, uint32_t *v,
				uint32_t newv)
{
	return ::rseq_commit_store_store_u32(t, v2, newv2, v, newv);
}
RSEQ_INLINED rseq_result commit(rseq_transaction *t, intptr_t *v2,
				intptr_t newv2, intptr_t *v,
				intptr_t newv)
{
	return ::rseq_commit_store_store(t, v2, newv2, v, newv);
}

/* A transaction that holds nothing any more when it goes, however it goes. */
class transaction {
public:
	RSEQ_INLINED explicit transaction(const rseq_guards &guards) noexcept
		: t RSEQ_TRANSACTION(&guards) {}
	RSEQ_INLINED ~transaction() { ::rseq_cancel(&t); }
	transaction(const transaction &) = delete;
	transaction &operator=(const transaction &) = delete;

	rseq_transaction t;
};

}

/* One store, or two in their order, that a body wants committed. */
template <class T, class V = none> class stores {
	typedef typename detail::as<T>::word word;

public:
	typedef V given_type;

	RSEQ_INLINED stores(word *at, word with, V value = V()) noexcept
		: v2(nullptr), newv2(), v(at), newv(with), given(value) {}
	stores(word *at2, word with2, word *at, word with, V value = V())
		noexcept
		: v2(at2), newv2(with2), v(at), newv(with), given(value) {}

	/* Then this store, too: it is the one that takes effect. */
	stores then(T *at, typename detail::operand<T>::type with) const
	{
		return stores(v, newv, detail::place(at),
			      detail::as<T>::value(with), given);
	}
	/* What transact() shall return when this is committed. */
	template <class W> stores<T, W> giving(W value) const
	{
		return stores<T, W>(v2, newv2, v, newv, value);
	}
	RSEQ_INLINED rseq_result commit(rseq_transaction *t) const
	{
		return v2 ? detail::commit(t, v2, newv2, v, newv) :
			detail::commit(t, v, newv);
	}
	explicit operator bool() const { return true; }

	word *v2, newv2, *v, newv;
	V given;
};

/* if nobody has committed since: *v = newv */
template <class T>
stores<T> store(T *v, typename detail::operand<T>::type newv)
{
	return stores<T>(detail::place(v), detail::as<T>::value(newv));
}

/* What a body returns that may also return nothing. */
template <class T, class V = none> class maybe {
public:
	typedef V given_type;

	maybe(nothing_t) noexcept : some(false), what(nullptr, 0) {}
	maybe(const stores<T, V> &s) : some(true), what(s), given(s.given) {}

	RSEQ_INLINED rseq_result commit(rseq_transaction *t) const
	{
		return what.commit(t);
	}
	explicit operator bool() const { return some; }

private:
	bool some;
	stores<T, V> what;

public:
	V given;
};

/* Read once, what others may store meanwhile. */
template <class T> T load(const T *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

/* What has become of a transaction: committed, nothing to do, or an error. */
template <class V> class outcome {
public:
	explicit outcome(int error = 0) : given(), error_(error), done(false) {}
	static outcome of(const V &value)
	{
		outcome o;
		o.given = value;
		o.done = true;
		return o;
	}

	explicit operator bool() const { return done; }
	bool has_value() const { return done; }
	const V &operator*() const { return given; }
	const V *operator->() const { return &given; }
	V value_or(V other) const { return done ? given : other; }
	int error() const { return error_; }	/* 0 or -errno */

private:
	V given;
	int error_;
	bool done;
};

/* Run body(cpu), and again until what it returns is committed. */
template <class Body>
auto transact(const rseq_guards &guards, Body body)
	-> outcome<typename decltype(body(0))::given_type>
{
	typedef outcome<typename decltype(body(0))::given_type> result;
	detail::transaction run(guards);

	for (;;) {
		const int cpu = ::rseq_begin(&run.t);
		if (cpu < 0)
			return result(cpu);
		const auto wanted = body(cpu);
		if (!wanted)
			return result();
		if (wanted.commit(&run.t) == RSEQ_COMMITTED)
			return result::of(wanted.given);
	}
}

/* A cpu's data for oneself, for as long as this lives; check error(). */
class held {
public:
	held(const rseq_guards &guards, unsigned int cpu) noexcept
		: error_(::rseq_guard_lock(&guards, cpu, &hold)) {}
	~held() { if (error_ == 0) ::rseq_guard_unlock(&hold); }
	held(const held &) = delete;
	held &operator=(const held &) = delete;

	int error() const noexcept { return error_; }	/* 0 or -errno */

private:
	rseq_hold hold;
	int error_;
};

/* The guards that are a member of each element of an array. */
template <class T, size_t n>
constexpr rseq_guards guards_in(T (&array)[n], rseq_guard T::*guard)
{
	return { &(array[0].*guard), sizeof(T), n };
}

}

#undef RSEQ_INLINED

#endif
