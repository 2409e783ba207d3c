/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_OPS_HPP
#define RSEQ_OPS_HPP

#include <rseq/array.h>
#include <rseq/index.h>

/*
 * The operations by the type of the word: one name for what C spells name(),
 * name_u32() and name_u64(), on integers of 32 and 64 bits and on pointers.
 * A word of another size, a value that is wider than the word, or arithmetic
 * on a pointer does not compile.
 */
namespace rseq {

namespace detail {

template <class T> struct integer { enum { is = 0 }; };
template <> struct integer<int> { enum { is = 1 }; };
template <> struct integer<unsigned int> { enum { is = 1 }; };
template <> struct integer<long> { enum { is = 1 }; };
template <> struct integer<unsigned long> { enum { is = 1 }; };
template <> struct integer<long long> { enum { is = 1 }; };
template <> struct integer<unsigned long long> { enum { is = 1 }; };

/* Integers that a value may have, but not a word. */
template <class T> struct number : integer<T> {};
template <> struct number<bool> { enum { is = 1 }; };
template <> struct number<char> { enum { is = 1 }; };
template <> struct number<signed char> { enum { is = 1 }; };
template <> struct number<unsigned char> { enum { is = 1 }; };
template <> struct number<short> { enum { is = 1 }; };
template <> struct number<unsigned short> { enum { is = 1 }; };

/* What an operand for a word of type T is: it does not help to deduce T. */
template <class T> struct operand {
	static_assert(integer<T>::is,
		      "rseq: the word is no integer and no pointer");

	struct type {
		T bits;

		template <class V> constexpr type(V value)
			: bits(static_cast<T>(value))
		{
			static_assert(number<V>::is,
				      "rseq: the value is no integer");
			static_assert(sizeof(V) <= sizeof(T),
				      "rseq: the value is wider than the word");
		}
	};
};
template <class T> struct operand<T *> { typedef T *type; };

/* The same bits in the type that C's function takes. */
template <size_t size> struct width {};
template <> struct width<4> { typedef uint32_t word; };
template <> struct width<8> { typedef intptr_t word; };

template <class T> struct as {
	typedef typename width<sizeof(T)>::word word;

	static word value(typename operand<T>::type v)
	{
		return static_cast<word>(v.bits);
	}
};
template <class T> struct as<T *> {
	typedef intptr_t word;

	static word value(T *v) { return reinterpret_cast<intptr_t>(v); }
};
template <class T> typename as<T>::word *place(T *v)
{
	return reinterpret_cast<typename as<T>::word *>(v);
}

}

#define RSEQ_RESULT	inline __attribute__((__always_inline__)) rseq_result
#define RSEQ_WORD(T)	typename detail::operand<T>::type
#define RSEQ_BITS(x)	detail::as<T>::value(x)
#define RSEQ_PTR(v)	detail::place(v)
#define RSEQ_INTEGER	static_assert(detail::integer<T>::is,		\
				      "rseq: arithmetic on no integer")
#define RSEQ_FULL	static_assert(sizeof(T) == sizeof(void *),	\
				      "rseq: only for words of a pointer's size")

/* Which of C's functions it is. */
#define RSEQ_BY_WIDTH(name)						\
namespace detail {							\
template <class... A> RSEQ_RESULT name(width<4>, A... a)		\
{									\
	return ::rseq_##name##_u32(a...);				\
}									\
template <class... A> RSEQ_RESULT name(width<sizeof(void *)>, A... a)	\
{									\
	return ::rseq_##name(a...);					\
}									\
}
#define RSEQ_CALL(name, ...)						\
	return detail::name(detail::width<sizeof(T)>(), __VA_ARGS__)

/* if (*v == expect) *v = newv; */
#define RSEQ_CPP_CBNE_STORE(name)	RSEQ_BY_WIDTH(name)		\
template <class T> RSEQ_RESULT name(T *v, RSEQ_WORD(T) expect,		\
				    RSEQ_WORD(T) newv, int id)		\
{									\
	RSEQ_CALL(name, RSEQ_PTR(v), RSEQ_BITS(expect), RSEQ_BITS(newv), id); \
}

/* The same with a second word, which is compared with b or set to it. */
#define RSEQ_CPP_TWO_WORDS(name)	RSEQ_BY_WIDTH(name)		\
template <class T> RSEQ_RESULT name(T *v, RSEQ_WORD(T) expect, T *v2,	\
				    RSEQ_WORD(T) b, RSEQ_WORD(T) newv, int id) \
{									\
	RSEQ_CALL(name, RSEQ_PTR(v), RSEQ_BITS(expect), RSEQ_PTR(v2),	\
		  RSEQ_BITS(b), RSEQ_BITS(newv), id);			\
}

/* *v op= n; */
#define RSEQ_CPP_ARITHMETIC(name)	RSEQ_BY_WIDTH(name)		\
template <class T> RSEQ_RESULT name(T *v, RSEQ_WORD(T) n, int id)	\
{									\
	RSEQ_INTEGER;							\
	RSEQ_CALL(name, RSEQ_PTR(v), RSEQ_BITS(n), id);			\
}

/* *old = *v; *v += n, or = n; */
#define RSEQ_CPP_FETCH(name, CHECK)	RSEQ_BY_WIDTH(name)		\
template <class T> RSEQ_RESULT name(T *v, RSEQ_WORD(T) n, T *old, int id) \
{									\
	CHECK;								\
	RSEQ_CALL(name, RSEQ_PTR(v), RSEQ_BITS(n), RSEQ_PTR(old), id);	\
}

/* v[id] += n, in an array with an element each stride bytes */
#define RSEQ_CPP_INDEX_ADD(name)	RSEQ_BY_WIDTH(name)		\
template <class T> RSEQ_RESULT name(T *v, size_t stride,		\
				    unsigned int limit, RSEQ_WORD(T) n)	\
{									\
	RSEQ_INTEGER;							\
	RSEQ_CALL(name, RSEQ_PTR(v), stride, limit, RSEQ_BITS(n));	\
}

/* if (*v == expect) { memcpy(dst, src, len); *v = newv; } */
#define RSEQ_CPP_MEMCPY(name)						\
template <class T> RSEQ_RESULT name(T *v, RSEQ_WORD(T) expect, void *dst, \
				    const void *src, size_t len,	\
				    RSEQ_WORD(T) newv, int id)		\
{									\
	RSEQ_FULL;							\
	return ::rseq_##name(RSEQ_PTR(v), RSEQ_BITS(expect), dst, src, len, \
			     RSEQ_BITS(newv), id);			\
}

/* if (*v == expect) { *load = *from; *v = newv; } */
#define RSEQ_CPP_LOAD(name)						\
template <class T> RSEQ_RESULT name(T *v, RSEQ_WORD(T) expect, T *from,	\
				    T *load, RSEQ_WORD(T) newv, int id)	\
{									\
	RSEQ_FULL;							\
	return ::rseq_##name(RSEQ_PTR(v), RSEQ_BITS(expect),		\
			     RSEQ_PTR(from), RSEQ_PTR(load),		\
			     RSEQ_BITS(newv), id);			\
}

/* The word at which the pointer off bytes behind *v points: += n */
#define RSEQ_CPP_ADD_TWICE(name)					\
template <class T> RSEQ_RESULT name(T **v, intptr_t off, intptr_t n, int id) \
{									\
	return ::rseq_##name(RSEQ_PTR(v), off, n, id);			\
}

/* *link = v[id]; v[id] = node; where link is in node: list push */
#define RSEQ_CPP_INDEX_PUSH(name)					\
template <class T> RSEQ_RESULT name(T **v, size_t stride,		\
				    unsigned int limit, T **link,	\
				    RSEQ_WORD(T *) node)		\
{									\
	return ::rseq_##name(RSEQ_PTR(v), stride, limit, RSEQ_PTR(link), \
			     detail::as<T *>::value(node));		\
}

/* if (v[id]) { *node = v[id]; v[id] = the pointer off bytes into *node; } */
#define RSEQ_CPP_INDEX_POP(name)					\
template <class T> RSEQ_RESULT name(T **v, size_t stride,		\
				    unsigned int limit, intptr_t off,	\
				    T **node)				\
{									\
	return ::rseq_##name(RSEQ_PTR(v), stride, limit, off,		\
			     RSEQ_PTR(node));				\
}

/* if (*v != expectnot) { *load = *v; *v = the pointer off bytes into it; } */
#define RSEQ_CPP_POP(name)						\
template <class T> RSEQ_RESULT name(T **v, RSEQ_WORD(T *) expectnot,	\
				    intptr_t off, T **load, int id)	\
{									\
	return ::rseq_##name(RSEQ_PTR(v), detail::as<T *>::value(expectnot), \
			     off, RSEQ_PTR(load), id);			\
}

/* Slots and their count: see <rseq/array.h>. */
#define RSEQ_CPP_ARRAY_PUSH(name)					\
template <class T> RSEQ_RESULT name(T *slots, intptr_t *count,		\
				    intptr_t capacity, RSEQ_WORD(T) item, \
				    int id)				\
{									\
	RSEQ_FULL;							\
	return ::rseq_##name(RSEQ_PTR(slots), count, capacity,		\
			     RSEQ_BITS(item), id);			\
}
#define RSEQ_CPP_ARRAY_POP(name)					\
template <class T> RSEQ_RESULT name(T *slots, intptr_t *count, T *item,	\
				    int id)				\
{									\
	RSEQ_FULL;							\
	return ::rseq_##name(RSEQ_PTR(slots), count, RSEQ_PTR(item), id); \
}
#define RSEQ_CPP_ARRAY_PUSH_N(name)					\
template <class T> RSEQ_RESULT name(T *slots, intptr_t *count,		\
				    intptr_t capacity, const T *items,	\
				    size_t n, int id)			\
{									\
	RSEQ_FULL;							\
	return ::rseq_##name(RSEQ_PTR(slots), count, capacity,		\
		reinterpret_cast<const intptr_t *>(items), n, id);	\
}
#define RSEQ_CPP_ARRAY_POP_N(name)					\
template <class T> RSEQ_RESULT name(T *slots, intptr_t *count, T *items, \
				    size_t n, int id)			\
{									\
	RSEQ_FULL;							\
	return ::rseq_##name(RSEQ_PTR(slots), count, RSEQ_PTR(items), n, id); \
}

#define RSEQ_CPP_ALL(at)						\
	RSEQ_CPP_CBNE_STORE(load_cbne_store##at)			\
	RSEQ_CPP_CBNE_STORE(load_cbne_store_release##at)		\
	RSEQ_CPP_TWO_WORDS(load_cbne_load_cbne_store##at)		\
	RSEQ_CPP_TWO_WORDS(load_cbne_load_cbne_store_release##at)	\
	RSEQ_CPP_TWO_WORDS(load_cbne_store_store##at)			\
	RSEQ_CPP_TWO_WORDS(load_cbne_store_store_release##at)		\
	RSEQ_CPP_ARITHMETIC(load_add_store##at)				\
	RSEQ_CPP_ARITHMETIC(load_and_store##at)				\
	RSEQ_CPP_ARITHMETIC(load_or_store##at)				\
	RSEQ_CPP_FETCH(fetch_add##at, RSEQ_INTEGER)			\
	RSEQ_CPP_FETCH(exchange##at, )					\
	RSEQ_CPP_FETCH(exchange_release##at, )				\
	RSEQ_CPP_INDEX_ADD(index_load_add_store##at)			\
	RSEQ_CPP_MEMCPY(load_cbne_memcpy_store##at)			\
	RSEQ_CPP_MEMCPY(load_cbne_memcpy_store_release##at)		\
	RSEQ_CPP_LOAD(load_cbne_load_store##at)				\
	RSEQ_CPP_ADD_TWICE(load_add_load_load_add_store##at)		\
	RSEQ_CPP_POP(load_cbeq_store_add_load_store##at)		\
	RSEQ_CPP_INDEX_PUSH(index_push##at)				\
	RSEQ_CPP_INDEX_PUSH(index_push_release##at)			\
	RSEQ_CPP_INDEX_POP(index_pop##at)				\
	RSEQ_CPP_ARRAY_PUSH(array_push##at)				\
	RSEQ_CPP_ARRAY_PUSH(array_push_release##at)			\
	RSEQ_CPP_ARRAY_POP(array_pop##at)				\
	RSEQ_CPP_ARRAY_PUSH_N(array_push_n##at)				\
	RSEQ_CPP_ARRAY_PUSH_N(array_push_n_release##at)			\
	RSEQ_CPP_ARRAY_POP_N(array_pop_n##at)

RSEQ_CPP_ALL()
RSEQ_CPP_ALL(_mm_cid)

}

#undef RSEQ_RESULT
#undef RSEQ_WORD
#undef RSEQ_BITS
#undef RSEQ_PTR
#undef RSEQ_INTEGER
#undef RSEQ_FULL
#undef RSEQ_BY_WIDTH
#undef RSEQ_CALL

#endif
