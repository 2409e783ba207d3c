/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_FRAME_H
#define RSEQ_FRAME_H

#include <rseq/cpu.h>
#include <rseq/debug.h>
#include <rseq/sanitize.h>
#include <rseq/section.h>

/*
 * What makes an operation of a body: may this thread run it, whose data it is,
 * the body, the results.  All operations are made here, librseq's and yours.
 *
 *	RSEQ_SECTION(name, where, (parameters), body, operands...)
 *	RSEQ_SECTION_IF(name, where, (parameters), body, operands...)
 *
 * define the function name; the second one's body may branch to the label
 * different.  where is cpu or cid, and the function has one more parameter,
 * id, of type rseq_cpu_t or rseq_cid_t; or this_cpu or this_cid, and v points
 * to per-cpu memory.  A parameter v is the word that the commit stores to.
 */
enum rseq_result {
	RSEQ_COMMITTED = 0,	/* done */
	RSEQ_DIFFERENT = 1,	/* a comparison went the other way */
	RSEQ_UNAVAILABLE = 2,	/* this thread cannot run sections */
	RSEQ_RESTARTED = -1	/* disturbed, or on another cpu; nothing done */
};

#define RSEQ_OP_	RSEQ_MUST_CHECK_ RSEQ_INLINE_ enum rseq_result

/* Why a section was left: a registered thread may try again. */
RSEQ_INLINE_ enum rseq_result rseq_abort_result_(void)
{
	return rseq_this_cpu().n < 0 ? RSEQ_UNAVAILABLE : RSEQ_RESTARTED;
}

/* ---- per-cpu memory ---- */

/* Bytes from one cpu's copy to the next, which is above or below it. */
#define RSEQ_PERCPU_SHIFT_	16
#define RSEQ_PERCPU_STRIDE	(1ul << RSEQ_PERCPU_SHIFT_)
#ifndef RSEQ_PERCPU_SIGN_
#define RSEQ_PERCPU_SIGN_	+
#endif
#ifndef RSEQ_PERCPU_NONE_
#define RSEQ_PERCPU_NONE_	0
#endif

RSEQ_INLINE_ void *rseq_copy_of_(const volatile void *p, unsigned int cpu)
{
	return RSEQ_CAST_(void *,
		(RSEQ_CAST_(uintptr_t, p) &
		 ~RSEQ_STATIC_(uintptr_t, RSEQ_PERCPU_NONE_)) RSEQ_PERCPU_SIGN_
		(RSEQ_STATIC_(uintptr_t, cpu) << RSEQ_PERCPU_SHIFT_));
}

/* ---- operands ---- */

/*
 * x itself; does not compile where the optimizer knows it to be no multiple of
 * size.  An operation on a word that is not aligned is not one store.
 */
#if defined(__OPTIMIZE__) && defined(__has_attribute)
#if __has_attribute(__error__)
#ifdef __cplusplus
extern "C"
#endif
void rseq_misaligned_(void) RSEQ_NOTHROW_ __attribute__((__error__(
	"rseq: an address is no multiple of the word's size")));
#define rseq_aligned_(v)						\
	(__builtin_constant_p(RSEQ_CAST_(uintptr_t, v) % sizeof *(v)) && \
	 RSEQ_CAST_(uintptr_t, v) % sizeof *(v) ?			\
		rseq_misaligned_() : (void)0, v)
#endif
#endif
#ifndef rseq_aligned_
#define rseq_aligned_(v)	(v)
#endif

/* A place in memory, a place for a result, a value. */
#define RSEQ_PLACE(v)							\
	RSEQ_INPUT_(v, "r", (rseq_touch_(v, sizeof *(v)), rseq_aligned_(v)))
#define RSEQ_RESULT(v)							\
	RSEQ_INPUT_(v, "r", (rseq_touch_(v, sizeof *(v)),		\
			     rseq_fill_(v, sizeof *(v)), rseq_aligned_(v)))
#define RSEQ_IN(w, x)		RSEQ_INPUT_(x, RSEQ_VALUE_, RSEQ_REG_(w, x))
#define RSEQ_OPERAND(name, x)	RSEQ_INPUT_(name, "r", x)

/* ---- where ---- */

/* The last parameter; whether this thread has such data; the first step. */
#define RSEQ_ID_cpu_		, rseq_cpu_t id
#define RSEQ_ID_cid_		, rseq_cid_t id
#define RSEQ_ID_this_cpu_
#define RSEQ_ID_this_cid_

#define RSEQ_USABLE_cpu_	(id.n >= 0 && rseq_sections_work_here_())
#define RSEQ_USABLE_cid_						\
	(id.n >= 0 && rseq_has_ids_() && rseq_sections_work_here_())
#define RSEQ_USABLE_this_cpu_	1	/* the section asks */
#define RSEQ_USABLE_this_cid_	(rseq_has_ids_())


#define RSEQ_ENTER_cpu_		RSEQ_IF_INDEX_(cpu_id, id, abort)
#define RSEQ_ENTER_cid_		RSEQ_IF_INDEX_(mm_cid, id, abort)
#define RSEQ_ENTER_this_cpu_	RSEQ_AT_INDEX_(cpu_id, v, none)
#define RSEQ_ENTER_this_cid_	RSEQ_AT_INDEX_(mm_cid, v, none)

#ifndef RSEQ_ID_
#define RSEQ_ID_	"r"	/* the constraint of an id */
#endif
#define RSEQ_OPERANDS_cpu_						\
	RSEQ_INDEX_OPERAND_(cpu_id),					\
	RSEQ_INPUT_(id, RSEQ_ID_, RSEQ_REG_(32, id.n))
#define RSEQ_OPERANDS_cid_						\
	RSEQ_INDEX_OPERAND_(mm_cid),					\
	RSEQ_INPUT_(id, RSEQ_ID_, RSEQ_REG_(32, id.n))
#define RSEQ_OPERANDS_this_cpu_	RSEQ_INDEX_OPERAND_(cpu_id)
#define RSEQ_OPERANDS_this_cid_	RSEQ_INDEX_OPERAND_(mm_cid)

#define RSEQ_LABELS_cpu_	abort
#define RSEQ_LABELS_cid_	abort
#define RSEQ_LABELS_this_cpu_	abort, none
#define RSEQ_LABELS_this_cid_	abort, none

#define RSEQ_NONE_cpu_
#define RSEQ_NONE_cid_
#define RSEQ_NONE_this_cpu_	none: return RSEQ_UNAVAILABLE;
#define RSEQ_NONE_this_cid_	none: return RSEQ_UNAVAILABLE;

/* The word v: where it is said, or this cpu's copy. */
#define RSEQ_FIND_HERE_(v)	/* RSEQ_PERCPU_ has it */
#define RSEQ_AT_cpu_(v)		RSEQ_V(v)
#define RSEQ_AT_cid_(v)		RSEQ_V(v)
#define RSEQ_AT_this_cpu_(v)	RSEQ_AT(v)
#define RSEQ_AT_this_cid_(v)	RSEQ_AT(v)

#define RSEQ_FIND_cpu_
#define RSEQ_FIND_cid_
#define RSEQ_FIND_this_cpu_
#define RSEQ_FIND_this_cid_

#ifdef RSEQ_ADDRESS_KNOWN_
/* For sanitizers: the copy's address is found first, and the id checked. */
#undef RSEQ_FIND_this_cpu_
#define RSEQ_FIND_this_cpu_						\
	const rseq_cpu_t id = rseq_this_cpu();				\
	RSEQ_FIND_COPY_
#undef RSEQ_FIND_this_cid_
#define RSEQ_FIND_this_cid_						\
	const rseq_cid_t id = rseq_this_cid();				\
	RSEQ_FIND_COPY_
#define RSEQ_FIND_COPY_							\
	if (id.n < 0 || !rseq_sections_work_here_())			\
		return RSEQ_UNAVAILABLE;				\
	v = RSEQ_STATIC_(__typeof__(v), rseq_copy_of_(v,		\
			 RSEQ_STATIC_(unsigned int, id.n)));
#undef RSEQ_ENTER_this_cpu_
#define RSEQ_ENTER_this_cpu_	RSEQ_ENTER_cpu_
#undef RSEQ_ENTER_this_cid_
#define RSEQ_ENTER_this_cid_	RSEQ_ENTER_cid_
#undef RSEQ_OPERANDS_this_cpu_
#define RSEQ_OPERANDS_this_cpu_	RSEQ_OPERANDS_cpu_
#undef RSEQ_OPERANDS_this_cid_
#define RSEQ_OPERANDS_this_cid_	RSEQ_OPERANDS_cid_
#undef RSEQ_FIND_HERE_
#define RSEQ_FIND_HERE_(v)	RSEQ_COPY_IS_(v)
#undef RSEQ_AT_v_
#define RSEQ_AT_v_		RSEQ_V(v)
#endif

/* ---- the frame ---- */

/*
 * A word that is wider than a pointer is not one store.  No section commits to
 * one, here where it is decided when the program is compiled, and the verbs of
 * such a machine need not tell widths apart.
 */
#define RSEQ_TOO_WIDE_(T)	(sizeof(T) > sizeof(uintptr_t))

#ifndef RSEQ_NO_SECTIONS_

#define RSEQ_FRAME_(name, where, parameters, first, learn, clobber,	\
		    body, labels, different, ...)			\
RSEQ_OP_ name(RSEQ_WITH_ parameters RSEQ_ID_##where##_)			\
{									\
	if (RSEQ_TOO_WIDE_(*v) || !RSEQ_USABLE_##where##_)		\
		return RSEQ_UNAVAILABLE;				\
	RSEQ_DEBUG_RESTART_						\
	RSEQ_FIND_##where##_						\
	first								\
	rseq_tsan_release_(v);						\
	RSEQ_RUN_WITH_(clobber, RSEQ_ENTER_##where##_ body,		\
		  RSEQ_WITH_(RSEQ_OPERANDS_##where##_, __VA_ARGS__),	\
		  RSEQ_LABELS_##where##_ labels);			\
	learn;								\
	return RSEQ_COMMITTED;						\
RSEQ_NONE_##where##_							\
different								\
abort:	return rseq_abort_result_();					\
}

#else

#define RSEQ_FRAME_(name, where, parameters, ...)			\
_Pragma("GCC diagnostic push")						\
_Pragma("GCC diagnostic ignored \"-Wunused-parameter\"")		\
RSEQ_OP_ name(RSEQ_WITH_ parameters RSEQ_ID_##where##_)			\
{									\
	return RSEQ_UNAVAILABLE;					\
}									\
_Pragma("GCC diagnostic pop")

#endif

#define RSEQ_DIFFERENT_LABEL_	, different
#define RSEQ_DIFFERENT_RESULT_	different: return RSEQ_DIFFERENT;

/* The body always comes to its commit. */
#define RSEQ_SECTION(name, where, parameters, body, ...)		\
	RSEQ_FRAME_(name, where, parameters, , rseq_tsan_acquire_(v),	\
		    "memory",						\
		    body, , , __VA_ARGS__)

/* The body may go to different instead. */
#define RSEQ_SECTION_IF(name, where, parameters, body, ...)		\
	RSEQ_FRAME_(name, where, parameters, , rseq_tsan_acquire_(v),	\
		    "memory",						\
		    body, RSEQ_DIFFERENT_LABEL_, RSEQ_DIFFERENT_RESULT_, \
		    __VA_ARGS__)

/* The same, when it is cheap to say first that the body would. */
#define RSEQ_SECTION_UNLESS_(name, where, parameters, no, body, ...)	\
	RSEQ_FRAME_(name, where, parameters,				\
		    RSEQ_TSAN_UNLESS_(where, no),			\
		    rseq_tsan_acquire_(v), "memory",			\
		    body, RSEQ_DIFFERENT_LABEL_, RSEQ_DIFFERENT_RESULT_, \
		    __VA_ARGS__)

/* The caller learns nothing of what the word was. */
#define RSEQ_SECTION_BLIND_(name, where, parameters, body, ...)		\
	RSEQ_FRAME_(name, where, parameters, , (void)0, "memory", body, , , \
		    __VA_ARGS__)

/* ---- names by type ---- */

/* The bits of a pointer, and as a word. */
#if __SIZEOF_POINTER__ == 8
#define RSEQ_POINTER_	64
#else
#define RSEQ_POINTER_	32
#endif

/* One level more, so that RSEQ_POINTER_ is a number before ## sees it. */
#define RSEQ_STORE_(w, reg, place)	RSEQ_STORE(w, reg, place)
#define RSEQ_STORE_RELEASE_(w, reg, place) RSEQ_STORE_RELEASE(w, reg, place)
#define RSEQ_LOAD_(w, place)		RSEQ_LOAD(w, place)
#define RSEQ_SAVE_(w, place)		RSEQ_SAVE(w, place)
#define RSEQ_ADD_(w, reg)		RSEQ_ADD(w, reg)
#define RSEQ_LOAD_ADD_SAVE_(w, reg, place) RSEQ_LOAD_ADD_SAVE(w, reg, place)
#define RSEQ_DEREF_ADD_SAVE_(w, reg)	RSEQ_DEREF_ADD_SAVE(w, reg)
#define RSEQ_IF_NE_(w, place, reg, eq)	RSEQ_IF_NE(w, place, reg, eq)
#define RSEQ_IF_EQ_(w, place, reg, ne)	RSEQ_IF_EQ(w, place, reg, ne)

/*
 * MAKE(name, w, T, where, verb), for each of the words and places there are.
 * C++ overloads one name, in C the names tell the widths apart.
 */
#ifdef __cplusplus
#define RSEQ_NAME_(name, w)		name##_
#define RSEQ_NAME2_(name, w2, w)	name##_
#else
#define RSEQ_NAME_(name, w)		name##_##w##_
#define RSEQ_NAME2_(name, w2, w)	name##_##w2##_##w##_
#endif
#define RSEQ_PER_WORD_(MAKE, name, where, verb)				\
	MAKE(RSEQ_NAME_(name##_##where, 32), 32, uint32_t, where, verb)	\
	MAKE(RSEQ_NAME_(name##_##where, 64), 64, uint64_t, where, verb)
#define RSEQ_PER_POINTER_(MAKE, name, where, verb)			\
	MAKE(name##_##where##_, RSEQ_POINTER_, uintptr_t, where, verb)
#define RSEQ_BY_ID_(EACH, MAKE, name, verb)				\
	EACH(MAKE, name, cpu, verb)					\
	EACH(MAKE, name, cid, verb)
#define RSEQ_BY_PERCPU_(EACH, MAKE, name, verb)				\
	EACH(MAKE, name, this_cpu, verb)				\
	EACH(MAKE, name, this_cid, verb)

#ifdef __cplusplus

/* A word has 4 or 8 bytes; others are not to be had. */
template <size_t> struct rseq_word_;
template <> struct rseq_word_<4> { typedef uint32_t type; };
template <> struct rseq_word_<8> { typedef uint64_t type; };

template <class T> struct rseq_kind_ {
	static const bool integer = false, word = false;
};
#define RSEQ_INTEGER_(T)						\
template <> struct rseq_kind_<T> {					\
	static const bool integer = true, word = true;			\
};
RSEQ_INTEGER_(int) RSEQ_INTEGER_(unsigned int)
RSEQ_INTEGER_(long) RSEQ_INTEGER_(unsigned long)
RSEQ_INTEGER_(long long) RSEQ_INTEGER_(unsigned long long)
#undef RSEQ_INTEGER_
template <class T> struct rseq_kind_<T *> {
	static const bool integer = false, word = true;
};

/* An operand for a word of type T: it does not help to deduce T. */
template <class T> struct rseq_same_ { typedef T type; };

/* A pointer to a word of type T and a value for it, as C's functions take. */
template <class T> struct rseq_as_ {
	static_assert(rseq_kind_<T>::word,
		      "rseq: a word is a pointer or an integer of"
		      " 4 or 8 bytes");
	typedef typename rseq_word_<sizeof(T)>::type word;
	static word *place(T *v) noexcept
	{
		return reinterpret_cast<word *>(v);
	}
	static word value(T x) noexcept { return static_cast<word>(x); }
};
template <class T> struct rseq_as_<T *> {
	typedef uintptr_t word;
	static word *place(T **v) noexcept
	{
		return reinterpret_cast<word *>(v);
	}
	static word value(T *x) noexcept
	{
		return reinterpret_cast<word>(x);
	}
};

/* The same for arithmetic, which a pointer has none of. */
template <class T> struct rseq_number_ : rseq_as_<T> {
	static_assert(rseq_kind_<T>::integer,
		      "rseq: arithmetic is for integers of 4 or 8 bytes");
};

#ifdef __cpp_concepts
template <class T> concept rseq_word = rseq_kind_<T>::word;
template <class T> concept rseq_integer = rseq_kind_<T>::integer;
#define RSEQ_WORDS_		template <rseq_word T>
#define RSEQ_INTEGERS_		template <rseq_integer T>
#else
#define RSEQ_WORDS_		template <class T>
#define RSEQ_INTEGERS_		template <class T>
#endif
#define RSEQ_SAME_T_(...)	typename rseq_same_<__VA_ARGS__>::type
#define RSEQ_T_			RSEQ_SAME_T_(T)
#define RSEQ_PUT_(v)		rseq_as_<T>::place(v)
#define RSEQ_GET_(x)		rseq_as_<T>::value(x)
#define RSEQ_PUT_WORDS_(v)	RSEQ_PUT_(v)
#define RSEQ_PUT_INTEGERS_(v)	rseq_number_<T>::place(v)

#else

/* The function for a word of the size of *v; no other size compiles. */
#define RSEQ_WIDTH_(name, v)						\
	__extension__ _Generic((char (*)[sizeof *(v)])0,		\
		char (*)[4]: name##_32_, char (*)[8]: name##_64_)
/* The function for a cpu or a concurrency id; no other type compiles. */
#define RSEQ_FOR_(name, id)						\
	__extension__ _Generic((id),					\
		rseq_cpu_t: name##_cpu_, rseq_cid_t: name##_cid_)
#define RSEQ_FOR_WIDTH_(name, v, id)					\
	__extension__ _Generic((id),					\
		rseq_cpu_t: RSEQ_WIDTH_(name##_cpu, v),			\
		rseq_cid_t: RSEQ_WIDTH_(name##_cid, v))

/* A word as the function takes it; x must be what can be assigned to *v. */
#define RSEQ_WORD_(v)		((void *)(v))
#define RSEQ_BITS_(v, x)						\
	((void)(0 ? (void)(*(v) = (x)) : (void)0),			\
	 (__typeof__(__extension__ _Generic((char (*)[sizeof *(v)])0,	\
		char (*)[4]: (uint32_t)0,				\
		char (*)[8]: (uint64_t)0)))(uintptr_t)(x))
/* The same for a word that must have a pointer's size. */
#define RSEQ_FULL_(v)							\
	((void)sizeof(char[sizeof *(v) == sizeof(uintptr_t) ? 1 : -1]), \
	 (void *)(v))
/* The same for arithmetic, which a pointer has none of. */
#define RSEQ_NUMBER_(v, x)						\
	((void)sizeof(*(v) & 1), RSEQ_BITS_(v, x))
/* A place for what *v holds. */
#define RSEQ_SAME_(v, at)						\
	((void)(0 ? (void)(*(at) = *(v)) : (void)0), (void *)(at))

#endif

#endif
