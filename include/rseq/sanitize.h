/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_SANITIZE_H
#define RSEQ_SANITIZE_H

#include <rseq/area.h>

/*
 * Sanitizers see nothing of a section.  ThreadSanitizer is told that whoever
 * learns what a section has stored also finds what was written before;
 * AddressSanitizer, which words it reads and writes; MemorySanitizer, which it
 * initializes.
 */
#if defined(__SANITIZE_THREAD__)
#define RSEQ_TSAN_ 1
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RSEQ_ASAN_ 1
#endif
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RSEQ_TSAN_ 1
#endif
#if __has_feature(address_sanitizer)
#define RSEQ_ASAN_ 1
#endif
#if __has_feature(memory_sanitizer)
#define RSEQ_MSAN_ 1
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif
#ifdef RSEQ_TSAN_
void __tsan_acquire(void *);
void __tsan_release(void *);
#endif
#ifdef RSEQ_ASAN_
void *__asan_region_is_poisoned(void *, size_t);
#endif
#ifdef RSEQ_MSAN_
void __msan_unpoison(const volatile void *, size_t);
#endif
#ifdef __cplusplus
}
#endif

#ifdef RSEQ_TSAN_
#define rseq_tsan_acquire_(v)	__tsan_acquire(v)
#define rseq_tsan_release_(v)	__tsan_release(v)
/* Not a word is released by an operation that will not commit. */
#define RSEQ_TSAN_UNLESS_(where, different)				\
	if (different)							\
		return id.n == RSEQ_NOW_##where##_.n ? RSEQ_DIFFERENT :	\
						       RSEQ_RESTARTED;
#define RSEQ_NOW_cpu_		rseq_this_cpu()
#define RSEQ_NOW_cid_		rseq_this_cid()
#define RSEQ_NOW_this_cpu_	rseq_this_cpu()
#define RSEQ_NOW_this_cid_	rseq_this_cid()
#else
#define rseq_tsan_acquire_(v)	((void)0)
#define rseq_tsan_release_(v)	((void)0)
#define RSEQ_TSAN_UNLESS_(where, different)
#endif

/* A copy that others may read meanwhile, whose transactions then fail. */
#ifdef RSEQ_TSAN_
static inline void rseq_copy_shared_(void *dst, const void *src, size_t len)
{
	unsigned char *const to = RSEQ_STATIC_(unsigned char *, dst);
	const unsigned char *const from =
		RSEQ_STATIC_(const unsigned char *, src);

	for (size_t i = 0; i < len; ++i)
		__atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
}
#else
#define rseq_copy_shared_(dst, src, len) ((void)__builtin_memcpy(dst, src, len))
#endif

#ifdef RSEQ_ASAN_
/* A read of the first byte that must not be touched, for it to report. */
static inline void rseq_touch_(const volatile void *at, size_t size)
{
	void *const bad = __asan_region_is_poisoned(
		RSEQ_UNCONST_(void *, at), size);

	if (bad)
		(void)*RSEQ_STATIC_(const volatile char *, bad);
}
#else
#define rseq_touch_(at, size)	((void)0)
#endif

#ifdef RSEQ_MSAN_
#define rseq_fill_(at, size)	__msan_unpoison(at, size)
#else
#define rseq_fill_(at, size)	((void)0)
#endif

/* Under any of them a section is given the address of this cpu's copy. */
#if defined(RSEQ_TSAN_) || defined(RSEQ_ASAN_)
#define RSEQ_ADDRESS_KNOWN_ 1
#endif

#endif
