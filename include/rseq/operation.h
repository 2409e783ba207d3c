/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_OPERATION_H
#define RSEQ_OPERATION_H

#include <rseq/cpu.h>
#include <rseq/section.h>

/*
 * What all operations return, and what they are made of beside the verbs.
 * They commit with one store.  Only a negative result means "try again": a
 * loop on it ends where rseq cannot be used at all.
 */
enum rseq_result {
	RSEQ_COMMITTED = 0,	/* done */
	RSEQ_DIFFERENT = 1,	/* a comparison went the other way */
	RSEQ_UNAVAILABLE = 2,	/* this thread cannot run sections */
	RSEQ_RESTARTED = -1	/* disturbed, or on another cpu; nothing done */
};

#define RSEQ_OP		RSEQ_INLINE enum rseq_result

/* Why a section that names a cpu was left: a registered thread may retry. */
static inline enum rseq_result rseq_why_not(void)
{
	return rseq_current_cpu() < 0 ? RSEQ_UNAVAILABLE : RSEQ_RESTARTED;
}

/*
 * What must hold before a section looks at its index.  An unregistered thread
 * has a negative cpu_id, equal to no cpu; its mm_cid reads 0 like another's.
 */
static inline int rseq_usable_cpu_id(int id)
{
	return id >= 0 && !rseq_sections_broken;
}

static inline int rseq_usable_mm_cid(int id)
{
	return rseq_usable_cpu_id(id) && rseq_mm_cid() >= 0;
}

/*
 * x itself; does not compile where the optimizer knows it to be no multiple of
 * size.  An operation on a word that is not aligned is no single store.
 */
#if defined(__OPTIMIZE__) && defined(__has_attribute)
#if __has_attribute(__error__)
#ifdef __cplusplus
extern "C"
#endif
void rseq_misaligned(void) __attribute__((__error__(
	"rseq: an address or a stride is no multiple of the word's size")));
#define rseq_multiple(x, size)						\
	(__builtin_constant_p((uintptr_t)(x) % (size)) &&		\
	 (uintptr_t)(x) % (size) ? rseq_misaligned() : (void)0, x)
#endif
#endif
#ifndef rseq_multiple
#define rseq_multiple(x, size)	(x)
#endif
#define rseq_aligned(v)		rseq_multiple(v, sizeof *(v))

/* Operands: the id that the index must equal, a place in memory, a value. */
#define RSEQ_ID			[id] "r" (RSEQ_REG(32, id))
#define RSEQ_PLACE(v)		[v] "r" (rseq_aligned(v))
#define RSEQ_IN(w, x)		[x] RSEQ_VALUE (RSEQ_REG(w, x))

#ifndef RSEQ_STORE_RELEASE
#define RSEQ_STORE_RELEASE(w, reg, place)				\
	RSEQ_RELEASE RSEQ_STORE(w, reg, place)
#endif

/*
 * Each operation is written once, and made for words of a pointer's
 * size, of 32 and of 64 bits, on the cpu and on the mm_cid; one that stores a
 * value of the caller's is also made with a release store.
 */
#if __SIZEOF_POINTER__ == 8
#define RSEQ_POINTER	64	/* the bits of a pointer */
#define RSEQ_PER_POINTER(OP, name, index, verb)				\
	OP(name, 64, intptr_t, index, verb)
#define RSEQ_PER_WORD(OP, name, index, verb)				\
	OP(name, 64, intptr_t, index, verb)				\
	OP(name##_u32, 32, uint32_t, index, verb)			\
	OP(name##_u64, 64, uint64_t, index, verb)
#else
#define RSEQ_POINTER	32
#define RSEQ_PER_POINTER(OP, name, index, verb)				\
	OP(name, 32, intptr_t, index, verb)
#define RSEQ_PER_WORD(OP, name, index, verb)				\
	OP(name, 32, intptr_t, index, verb)				\
	OP(name##_u32, 32, uint32_t, index, verb)
#endif
/* One level more, so that RSEQ_POINTER is a number before ## sees it. */
#define RSEQ_STORE_(w, reg, place)	RSEQ_STORE(w, reg, place)
#define RSEQ_STORE_POINTER(reg, place)	RSEQ_STORE_(RSEQ_POINTER, reg, place)

#define RSEQ_MAKE(EACH, OP, name, verb)					\
	EACH(OP, name, cpu_id, verb)					\
	EACH(OP, name##_mm_cid, mm_cid, verb)

#endif
