/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_STACK_H
#define RSEQ_STACK_H

#include <rseq/frame.h>

/*
 * A bounded stack of pointers or pointer-sized integers: slots and a count,
 * one pair a cpu or a concurrency id.  The count is read before the section,
 * which goes on only if it is still the same there; a change in between is a
 * restart like any other.
 */

/* if (*v == expect) { *slot = item; *v = newv; } */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION_IF(name, where, (T *v, T expect, T *slot, T item, T newv),	\
	RSEQ_IF_EQ_(w, RSEQ_V(v), expect, different)			\
	RSEQ_THEN(RSEQ_STORE_(w, item, RSEQ_V(slot)))			\
	RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),				\
	RSEQ_PLACE(v), RSEQ_IN(w, expect), RSEQ_PLACE(slot),		\
	RSEQ_IN(w, item), RSEQ_IN(w, newv))
RSEQ_BY_ID_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_put, RSEQ_STORE_)
RSEQ_BY_ID_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_put_release,
	    RSEQ_STORE_RELEASE_)
#undef RSEQ_MAKE_

/* if (*v == expect) { *item = *slot; *v = newv; } */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION_IF(name, where, (T *v, T expect, T *slot, T *item, T newv), \
	RSEQ_IF_EQ_(w, RSEQ_V(v), expect, different)			\
	RSEQ_THEN(RSEQ_LOAD_(w, RSEQ_V(slot)))				\
	RSEQ_THEN(RSEQ_SAVE_(w, RSEQ_V(item)))				\
	RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),				\
	RSEQ_PLACE(v), RSEQ_IN(w, expect), RSEQ_PLACE(slot),		\
	RSEQ_RESULT(item), RSEQ_IN(w, newv))
RSEQ_BY_ID_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_take, RSEQ_STORE_)
#undef RSEQ_MAKE_

/* if (*v == expect) { memcpy(dst, src, len); *v = newv; } */
#define RSEQ_MAKE_(name, w, T, where, verb)				\
RSEQ_SECTION_IF(name, where,						\
	(T *v, T expect, T *dst, const T *src, size_t len, T newv),	\
	RSEQ_IF_EQ_(w, RSEQ_V(v), expect, different)			\
	RSEQ_THEN(RSEQ_COPY(dst, src, len))				\
	RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),				\
	RSEQ_PLACE(v), RSEQ_IN(w, expect), RSEQ_IN(w, newv),		\
	RSEQ_OPERAND(dst, (rseq_touch_(dst, len), rseq_fill_(dst, len),	\
			   dst)),					\
	RSEQ_OPERAND(src, src), RSEQ_OPERAND(len, len))
RSEQ_BY_ID_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_copy, RSEQ_STORE_)
RSEQ_BY_ID_(RSEQ_PER_POINTER_, RSEQ_MAKE_, rseq_copy_release,
	    RSEQ_STORE_RELEASE_)
#undef RSEQ_MAKE_

#define RSEQ_COUNT_OF_(count)						\
	RSEQ_STATIC_(intptr_t, __atomic_load_n(count, __ATOMIC_RELAXED))
#define RSEQ_STACK_(name, where, ...)					\
RSEQ_OP_ name(__VA_ARGS__ RSEQ_ID_##where##_)				\
{									\
	const intptr_t n = RSEQ_COUNT_OF_(count);			\
	enum rseq_result result;					\
									\
	if (!RSEQ_USABLE_##where##_)					\
		return RSEQ_UNAVAILABLE;
#define RSEQ_STACK_END_							\
	return result == RSEQ_DIFFERENT ? RSEQ_RESTARTED : result;	\
}
#define RSEQ_N_(x)	RSEQ_STATIC_(uintptr_t, x)

/* if (*count < capacity) slots[(*count)++] = item; else RSEQ_DIFFERENT */
#define RSEQ_MAKE_(name, put, where)					\
RSEQ_STACK_(name, where, uintptr_t *slots, uintptr_t *count,		\
	    intptr_t capacity, uintptr_t item)				\
	if (n >= capacity)						\
		return RSEQ_DIFFERENT;					\
	result = put(count, RSEQ_N_(n), &rseq_aligned_(slots)[n], item,	\
		     RSEQ_N_(n + 1), id);				\
RSEQ_STACK_END_
RSEQ_MAKE_(rseq_stack_push_cpu_, rseq_put_cpu_, cpu)
RSEQ_MAKE_(rseq_stack_push_cid_, rseq_put_cid_, cid)
RSEQ_MAKE_(rseq_stack_push_release_cpu_, rseq_put_release_cpu_, cpu)
RSEQ_MAKE_(rseq_stack_push_release_cid_, rseq_put_release_cid_, cid)
#undef RSEQ_MAKE_

/* if (*count) *item = slots[--*count]; else RSEQ_DIFFERENT */
#define RSEQ_MAKE_(name, take, where)					\
RSEQ_STACK_(name, where, uintptr_t *slots, uintptr_t *count,		\
	    uintptr_t *item)						\
	if (n <= 0)							\
		return RSEQ_DIFFERENT;					\
	result = take(count, RSEQ_N_(n), &rseq_aligned_(slots)[n - 1],	\
		      item, RSEQ_N_(n - 1), id);			\
RSEQ_STACK_END_
RSEQ_MAKE_(rseq_stack_pop_cpu_, rseq_take_cpu_, cpu)
RSEQ_MAKE_(rseq_stack_pop_cid_, rseq_take_cid_, cid)
#undef RSEQ_MAKE_

/* Push all of items[0..many) in this order, or none of them. */
#define RSEQ_MAKE_(name, copy, where)					\
RSEQ_STACK_(name, where, uintptr_t *slots, uintptr_t *count,		\
	    intptr_t capacity, const uintptr_t *items, size_t many)	\
	if (n > capacity || many > RSEQ_N_(capacity - n))		\
		return RSEQ_DIFFERENT;					\
	result = copy(count, RSEQ_N_(n), &rseq_aligned_(slots)[n],	\
		      rseq_aligned_(items), many * sizeof *items,	\
		      RSEQ_N_(n) + many, id);				\
RSEQ_STACK_END_
RSEQ_MAKE_(rseq_stack_push_n_cpu_, rseq_copy_cpu_, cpu)
RSEQ_MAKE_(rseq_stack_push_n_cid_, rseq_copy_cid_, cid)
RSEQ_MAKE_(rseq_stack_push_n_release_cpu_, rseq_copy_release_cpu_, cpu)
RSEQ_MAKE_(rseq_stack_push_n_release_cid_, rseq_copy_release_cid_, cid)
#undef RSEQ_MAKE_

/* Pop the many on top into items, the last pushed at its end, or none. */
#define RSEQ_MAKE_(name, copy, where)					\
RSEQ_STACK_(name, where, uintptr_t *slots, uintptr_t *count,		\
	    uintptr_t *items, size_t many)				\
	if (n < 0 || many > RSEQ_N_(n))					\
		return RSEQ_DIFFERENT;					\
	result = copy(count, RSEQ_N_(n), rseq_aligned_(items),		\
		      &rseq_aligned_(slots)[RSEQ_N_(n) - many],		\
		      many * sizeof *items, RSEQ_N_(n) - many, id);	\
RSEQ_STACK_END_
RSEQ_MAKE_(rseq_stack_pop_n_cpu_, rseq_copy_cpu_, cpu)
RSEQ_MAKE_(rseq_stack_pop_n_cid_, rseq_copy_cid_, cid)
#undef RSEQ_MAKE_

#undef RSEQ_STACK_
#undef RSEQ_STACK_END_
#undef RSEQ_COUNT_OF_
#undef RSEQ_N_

#ifdef __cplusplus

/* Only words of a pointer's size. */
template <class T> struct rseq_full_ : rseq_as_<T> {
	static_assert(sizeof(T) == sizeof(uintptr_t),
		      "rseq: only for words of a pointer's size");
	static const uintptr_t *source(const T *v) noexcept
	{
		return reinterpret_cast<const uintptr_t *>(v);
	}
	static uintptr_t *count(intptr_t *n) noexcept
	{
		return reinterpret_cast<uintptr_t *>(n);
	}
};

#define RSEQ_CPP_PUSH_(name, Id, where)					\
RSEQ_WORDS_ RSEQ_OP_ name(T *slots, intptr_t *count, intptr_t capacity,	\
			  RSEQ_T_ item, Id id) noexcept			\
{									\
	typedef rseq_full_<T> as;					\
	return name##_##where##_(as::place(slots), as::count(count),	\
				 capacity, as::value(item), id);	\
}
#define RSEQ_CPP_POP_(name, Id, where)					\
RSEQ_WORDS_ RSEQ_OP_ name(T *slots, intptr_t *count, T *item, Id id)	\
	noexcept							\
{									\
	typedef rseq_full_<T> as;					\
	return name##_##where##_(as::place(slots), as::count(count),	\
				 as::place(item), id);			\
}
#define RSEQ_CPP_PUSH_N_(name, Id, where)				\
RSEQ_WORDS_ RSEQ_OP_ name(T *slots, intptr_t *count, intptr_t capacity,	\
			  const T *items, size_t n, Id id) noexcept	\
{									\
	typedef rseq_full_<T> as;					\
	return name##_##where##_(as::place(slots), as::count(count),	\
				 capacity, as::source(items), n, id);	\
}
#define RSEQ_CPP_POP_N_(name, Id, where)				\
RSEQ_WORDS_ RSEQ_OP_ name(T *slots, intptr_t *count, T *items, size_t n, \
			  Id id) noexcept				\
{									\
	typedef rseq_full_<T> as;					\
	return name##_##where##_(as::place(slots), as::count(count),	\
				 as::place(items), n, id);		\
}
#define RSEQ_CPP_BY_ID_(MAKE, name)					\
	MAKE(name, rseq_cpu_t, cpu) MAKE(name, rseq_cid_t, cid)

RSEQ_CPP_BY_ID_(RSEQ_CPP_PUSH_, rseq_stack_push)
RSEQ_CPP_BY_ID_(RSEQ_CPP_PUSH_, rseq_stack_push_release)
RSEQ_CPP_BY_ID_(RSEQ_CPP_POP_, rseq_stack_pop)
RSEQ_CPP_BY_ID_(RSEQ_CPP_PUSH_N_, rseq_stack_push_n)
RSEQ_CPP_BY_ID_(RSEQ_CPP_PUSH_N_, rseq_stack_push_n_release)
RSEQ_CPP_BY_ID_(RSEQ_CPP_POP_N_, rseq_stack_pop_n)

#undef RSEQ_CPP_PUSH_
#undef RSEQ_CPP_POP_
#undef RSEQ_CPP_PUSH_N_
#undef RSEQ_CPP_POP_N_
#undef RSEQ_CPP_BY_ID_

#else

#define RSEQ_STACK_COUNT_(count)					\
	((void *)(__extension__ _Generic((count), intptr_t *: (count))))

/* Push item: committed, or RSEQ_DIFFERENT if *count >= capacity. */
#define rseq_stack_push(slots, count, capacity, item, id)		\
	RSEQ_FOR_(rseq_stack_push, id)(RSEQ_FULL_(slots),		\
		RSEQ_STACK_COUNT_(count), capacity, RSEQ_BITS_(slots, item), id)
#define rseq_stack_push_release(slots, count, capacity, item, id)	\
	RSEQ_FOR_(rseq_stack_push_release, id)(RSEQ_FULL_(slots),	\
		RSEQ_STACK_COUNT_(count), capacity, RSEQ_BITS_(slots, item), id)

/* Pop into *item: committed, or RSEQ_DIFFERENT if *count is 0. */
#define rseq_stack_pop(slots, count, item, id)				\
	RSEQ_FOR_(rseq_stack_pop, id)(RSEQ_FULL_(slots),		\
		RSEQ_STACK_COUNT_(count), RSEQ_SAME_(slots, item), id)

/* Push all of items[0..n) in this order, or none of them. */
#define rseq_stack_push_n(slots, count, capacity, items, n, id)		\
	RSEQ_FOR_(rseq_stack_push_n, id)(RSEQ_FULL_(slots),		\
		RSEQ_STACK_COUNT_(count), capacity,			\
		RSEQ_SOURCE_(slots, items), n, id)
#define rseq_stack_push_n_release(slots, count, capacity, items, n, id)	\
	RSEQ_FOR_(rseq_stack_push_n_release, id)(RSEQ_FULL_(slots),	\
		RSEQ_STACK_COUNT_(count), capacity,			\
		RSEQ_SOURCE_(slots, items), n, id)

/* Pop the n on top into items, the last pushed at its end, or none. */
#define rseq_stack_pop_n(slots, count, items, n, id)			\
	RSEQ_FOR_(rseq_stack_pop_n, id)(RSEQ_FULL_(slots),		\
		RSEQ_STACK_COUNT_(count), RSEQ_SAME_(slots, items), n, id)

/* Words that could be assigned to *v. */
#define RSEQ_SOURCE_(v, items)						\
	((void)(0 ? (void)(*(v) = *(items)) : (void)0),			\
	 (const void *)(items))

#endif

#endif
