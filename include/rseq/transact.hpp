/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_TRANSACT_HPP
#define RSEQ_TRANSACT_HPP

#include <rseq/transaction.h>

/*
 * Guard transactions whose body is a function object:
 *
 *	librseq::transact(&slot->guard, [&](int cpu) {
 *		list *mine = rseq_percpu_ptr(slot, cpu);
 *		node->next = librseq::load(&mine->head);
 *		return librseq::store(&mine->head, node);
 *	});
 *
 * The body returns what to commit, perhaps with a value to give to the caller,
 * or, if its type is a maybe, nothing.
 */
#define RSEQ_INLINED_	[[gnu::always_inline]] inline

namespace librseq {

/* What there is to give where a body gives nothing. */
struct none {};

/* The way out of a body that wants nothing stored. */
struct nothing_t {};
inline constexpr nothing_t nothing {};

/* Read once, what others may store meanwhile. */
template <rseq_word T> T load(const T *v) noexcept
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

/* What a body wants committed, and what transact() gives to its caller. */
template <class Writes, class V> struct given {
	using value_type = V;

	RSEQ_INLINED_ rseq_result commit(rseq_transaction *t) const noexcept
	{
		return writes.commit(t);
	}

	Writes writes;
	V value;
};

/* Two stores, of which only the second takes effect: there is no third. */
template <rseq_word T2, rseq_word T> class [[nodiscard]] two_stores {
public:
	using value_type = none;

	constexpr two_stores(T2 *v2, T2 newv2, T *v, T newv) noexcept
		: v2_(v2), newv2_(newv2), v_(v), newv_(newv) {}

	template <class V>
	constexpr given<two_stores, V> giving(V to_caller) const noexcept
	{
		return {*this, to_caller};
	}
	RSEQ_INLINED_ rseq_result commit(rseq_transaction *t) const noexcept
	{
		return rseq_commit_then(t, v2_, newv2_, v_, newv_);
	}

	static constexpr none value {};

private:
	T2 *v2_;
	T2 newv2_;
	T *v_;
	T newv_;
};

/* What a block is copied from: memory that outlives the body, */
struct bytes {
	const void *from;
	size_t len;

	constexpr const void *data() const noexcept { return from; }
	constexpr size_t size() const noexcept { return len; }
};

/* or an object, which goes with what the body returns. */
template <class T> struct object {
	T value;

	constexpr const void *data() const noexcept { return &value; }
	static constexpr size_t size() noexcept { return sizeof(T); }
};

/* A block and a store, which alone takes effect. */
template <class Source, rseq_word T> class [[nodiscard]] block_store {
public:
	using value_type = none;

	constexpr block_store(void *dst, const Source &src, T *v, T newv)
		noexcept : dst_(dst), src_(src), v_(v), newv_(newv) {}

	template <class V>
	constexpr given<block_store, V> giving(V to_caller) const noexcept
	{
		return {*this, to_caller};
	}
	RSEQ_INLINED_ rseq_result commit(rseq_transaction *t) const noexcept
	{
		return rseq_commit_block(t, dst_, src_.data(), src_.size(),
					 v_, newv_);
	}

	static constexpr none value {};

private:
	void *dst_;
	Source src_;
	T *v_;
	T newv_;
};

/* One store. */
template <rseq_word T> class [[nodiscard]] one_store {
public:
	using value_type = none;

	constexpr one_store(T *v, T newv) noexcept : v_(v), newv_(newv) {}

	/* This store first, to a place that nobody reads until *v says so. */
	template <rseq_word U>
	constexpr two_stores<T, U> then(U *v, RSEQ_SAME_T_(U) newv)
		const noexcept
	{
		return {v_, newv_, v, newv};
	}
	/* What transact() shall return when this is committed. */
	template <class V>
	constexpr given<one_store, V> giving(V to_caller) const noexcept
	{
		return {*this, to_caller};
	}
	RSEQ_INLINED_ rseq_result commit(rseq_transaction *t) const noexcept
	{
		return rseq_commit(t, v_, newv_);
	}

	static constexpr none value {};

private:
	T *v_;
	T newv_;
};

/* if nobody has committed since: *v = newv */
template <rseq_word T>
constexpr one_store<T> store(T *v, RSEQ_SAME_T_(T) newv) noexcept
{
	return {v, newv};
}

/* A copy, to be followed by the store that makes it count. */
template <class Source> class [[nodiscard]] copied {
public:
	constexpr copied(void *dst, const Source &src) noexcept
		: dst_(dst), src_(src) {}

	template <rseq_word T>
	constexpr block_store<Source, T> then(T *v, RSEQ_SAME_T_(T) newv)
		const noexcept
	{
		return {dst_, src_, v, newv};
	}

private:
	void *dst_;
	Source src_;
};

constexpr copied<bytes> copy(void *dst, const void *src, size_t len) noexcept
{
	return {dst, {src, len}};
}

template <class T>
	requires(__is_trivially_copyable(T) && sizeof(T) <= RSEQ_BLOCK_MAX)
constexpr copied<object<T>> copy(T *dst, const RSEQ_SAME_T_(T) &value) noexcept
{
	return {dst, {value}};
}

/* What a body returns that may also return nothing. */
template <class Writes> class [[nodiscard]] maybe {
public:
	using value_type = typename Writes::value_type;

	constexpr maybe(nothing_t) noexcept : empty_ {}, some_(false) {}
	constexpr maybe(const Writes &w) noexcept : writes_(w), some_(true) {}

	constexpr explicit operator bool() const noexcept { return some_; }
	constexpr const Writes &operator*() const noexcept { return writes_; }

private:
	union {
		none empty_;
		Writes writes_;
	};
	bool some_;
};

/* Why nothing was committed: 0 if the body wanted it so, or -errno. */
struct failure {
	int error;
};

/* What has become of a transaction: committed, nothing to do, or an error. */
template <class V> class [[nodiscard]] result {
public:
	constexpr result(failure why) noexcept
		: empty_ {}, error_(why.error) {}
	constexpr result(const V &value) noexcept
		: value_(value), done_(true) {}

	constexpr explicit operator bool() const noexcept { return done_; }
	constexpr bool has_value() const noexcept { return done_; }
	constexpr const V &operator*() const noexcept { return value_; }
	constexpr const V *operator->() const noexcept { return &value_; }
	constexpr V value_or(V other) const noexcept
	{
		return done_ ? value_ : other;
	}
	constexpr int error() const noexcept { return error_; } /* 0, -errno */

private:
	union {
		none empty_;
		V value_;
	};
	int error_ = 0;
	bool done_ = false;
};

template <class T> struct wanted {
	using type = T;
	static constexpr bool some(const T &) { return true; }
	RSEQ_INLINED_ static const T &what(const T &t) { return t; }
};
template <class T> struct wanted<maybe<T>> {
	using type = T;
	static constexpr bool some(const maybe<T> &m) { return bool(m); }
	RSEQ_INLINED_ static const T &what(const maybe<T> &m) { return *m; }
};

/* A transaction that holds nothing any more when it goes, however it goes. */
class transaction {
public:
	RSEQ_INLINED_ explicit transaction(rseq_guard *guard) noexcept
		: t RSEQ_TRANSACTION(guard) {}
	RSEQ_INLINED_ ~transaction() { ::rseq_cancel(&t); }
	transaction(const transaction &) = delete;
	transaction &operator=(const transaction &) = delete;

	rseq_transaction t;
};

/* Run body(cpu), and again until what it returns is committed. */
template <class Body>
	requires requires (Body body) {
		typename wanted<decltype(body(0))>::type::value_type;
	}
auto transact(rseq_guard *guard, Body body)
{
	using want = wanted<decltype(body(0))>;
	using value_type = typename want::type::value_type;
	transaction run(guard);

	for (;;) {
		const int cpu = ::rseq_begin(&run.t);
		if (cpu < 0)
			return result<value_type>(failure {cpu});
		const auto returned = body(cpu);
		if (!want::some(returned))
			return result<value_type>(failure {0});
		if (want::what(returned).commit(&run.t) == RSEQ_COMMITTED)
			return result<value_type>(want::what(returned).value);
	}
}

/* A cpu's data for oneself, for as long as this lives; check error(). */
class [[nodiscard]] held {
public:
	[[nodiscard]] held(rseq_guard *guard, unsigned int cpu) noexcept
		: error_(::rseq_guard_lock(guard, cpu, &hold_)) {}
	~held() { ::rseq_guard_unlock(&hold_); }
	held(const held &) = delete;
	held &operator=(const held &) = delete;

	[[nodiscard]] int error() const noexcept { return error_; }

private:
	rseq_hold hold_;
	int error_;
};

}

#undef RSEQ_INLINED_

#endif
