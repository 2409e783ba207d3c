/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_AREA_H
#define RSEQ_AREA_H

#include <stddef.h>
#include <stdint.h>

/*
 * Where the rseq area of a thread is, decided once, when the program is
 * compiled:
 *
 *	RSEQ_LIBC_LINE_	the C library has the line: a constant offset
 *	RSEQ_LIBC_STOCK_	glibc 2.35 or newer: __rseq_offset
 *	neither		no area; everything reports so and falls back
 */
#if defined(__has_include)
#if __has_include(<sys/tlabi.h>)
#define RSEQ_LIBC_LINE_ 1
#endif
#endif

#ifdef RSEQ_LIBC_LINE_

#include <sys/tlabi.h>

/* The program does not link with, nor start on, a libc without the line. */
TLABI_REQUIRE;

#else

#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 35)
#define RSEQ_LIBC_STOCK_ 1
#endif

/* Does every such glibc have an area here?  Elsewhere the port came later. */
#if !defined(RSEQ_LIBC_STOCK_) || \
	!((defined(__x86_64__) && !defined(__ILP32__)) || \
	  defined(__i386__) || defined(__aarch64__) || \
	  defined(__arm__) || defined(__powerpc__) || \
	  defined(__s390x__) || defined(__mips__))
#define RSEQ_OWN_AREA_ 1
#endif

/* As in <sys/tlabi.h>, but glibc aligns its area to 32, like the kernel. */
struct tlabi {
	uint32_t	cpu_id_start;
	uint32_t	cpu_id;
	uint64_t	rseq_cs;
	uint32_t	flags;
	uint32_t	node_id;
	uint32_t	mm_cid;
	uint32_t	slice_ctrl;
	uint32_t	__reserved1[4];
	uint32_t	event;
	uint32_t	status;
	uint64_t	__reserved2;
} __attribute__((__aligned__(32)));

#endif

#define RSEQ_INLINE_							\
	static inline __attribute__((__always_inline__, __nothrow__))
#define RSEQ_COLD_	__attribute__((__cold__))
#define RSEQ_MUST_CHECK_	__attribute__((__warn_unused_result__))

#ifdef __cplusplus
#define RSEQ_NOTHROW_	noexcept
#define RSEQ_NULL_	nullptr
#define RSEQ_CAST_(T, x)	reinterpret_cast<T>(x)
#define RSEQ_STATIC_(T, x)	static_cast<T>(x)
#define RSEQ_UNCONST_(T, x)	const_cast<T>(x)
#else
#define RSEQ_NOTHROW_	__attribute__((__nothrow__))
#define RSEQ_NULL_	((void *)0)
#define RSEQ_CAST_(T, x)	((T)(x))
#define RSEQ_STATIC_(T, x)	((T)(x))
#define RSEQ_UNCONST_(T, x)	((T)(uintptr_t)(x))
#endif

#include <rseq/arch.h>

#ifndef RSEQ_LIBC_OFFSET_
/* A test has its own in this place, to run where no thread is registered. */
#define RSEQ_LIBC_OFFSET_ "__rseq_offset"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(RSEQ_LIBC_STOCK_) && !defined(RSEQ_GLOBAL_)
/* By an asm name: in C++ glibc declares its own as a C++ variable. */
extern const ptrdiff_t rseq_libc_offset_ __asm__(RSEQ_LIBC_OFFSET_);
#endif

#if defined(RSEQ_LIBC_STOCK_) && defined(RSEQ_GLOBAL_)
/*
 * The variable is the loader's, which a linker takes in "as needed", and for
 * mold a weak reference is no need: this one, to another symbol, is.
 */
__asm__(".globl __tls_get_addr");
#endif

#ifndef RSEQ_LIBC_LINE_
/* What the line would hold: librseq's own, for a libc without it. */
extern __thread uint32_t rseq_thread_event_
	__attribute__((__tls_model__("initial-exec")));
#endif

#ifdef RSEQ_OWN_AREA_
/* An area that nobody registers, for a libc that has none. */
extern __thread struct tlabi rseq_thread_line_
	__attribute__((__tls_model__("initial-exec")));
#endif

#ifdef __cplusplus
}
#endif

/*
 * An ISA has RSEQ_READ_TP_ where the compiler cannot tell the thread pointer,
 * or under RSEQ_FIBERS, to read it anew in each section: see rseq(7), Fibers.
 */
#ifdef RSEQ_FIBERS
#define RSEQ_TP_ASM_	__asm__ __volatile__
#else
#define RSEQ_TP_ASM_	__asm__
#endif
#ifdef RSEQ_READ_TP_
#define rseq_thread_pointer_() __extension__ ({				\
	char *tp_;							\
	RSEQ_TP_ASM_(RSEQ_READ_TP_ : "=r" (tp_));			\
	tp_; })
#else
#define rseq_thread_pointer_()	__builtin_thread_pointer()
#endif

#ifdef RSEQ_LIBC_STOCK_
/*
 * The libc's variable.  An ISA loads its address from the GOT by hand: where
 * the program has a weak declaration of __rseq_offset, the assembler makes
 * every reference in the file weak, and some linkers resolve a direct one to 0.
 */
RSEQ_INLINE_ ptrdiff_t rseq_stock_offset_(void)
{
#ifdef RSEQ_GLOBAL_
	const ptrdiff_t *at;

	__asm__(RSEQ_GLOBAL_(RSEQ_LIBC_OFFSET_) : "=r" (at));
	return *at;
#else
	return rseq_libc_offset_;
#endif
}
#endif

/* Offset of the area from the thread pointer, in bytes: the one accessor. */
RSEQ_INLINE_ ptrdiff_t rseq_offset_(void)
{
#if defined(RSEQ_LIBC_LINE_)
	return TLABI_OFFSET;
#elif !defined(RSEQ_OWN_AREA_)
	return rseq_stock_offset_();
#else
#ifdef RSEQ_LIBC_STOCK_	/* 0: this glibc came before the port */
	if (rseq_stock_offset_() != 0)
		return rseq_stock_offset_();
#endif
	return RSEQ_CAST_(char *, &rseq_thread_line_) -
		RSEQ_STATIC_(char *, rseq_thread_pointer_());
#endif
}

RSEQ_INLINE_ ptrdiff_t rseq_offset(void)
{
	return rseq_offset_();
}

/*
 * The area of the calling thread, to look at: it changes under one's eyes, and
 * the kernel may kill who writes.  Bytes from 32 on exist in a line only.
 */
RSEQ_INLINE_ const volatile struct tlabi *rseq_self(void)
{
	return RSEQ_STATIC_(const volatile struct tlabi *,
		RSEQ_STATIC_(void *, RSEQ_STATIC_(char *,
			rseq_thread_pointer_()) + rseq_offset_()));
}

/*
 * How inline assembly addresses a field of the area: RSEQ_AREA_(field) in the
 * text, which an ISA defines from two operands, [field] an offset and [area]
 * the register that it is added to.
 */
#ifdef RSEQ_LIBC_LINE_
#define RSEQ_FIELD_(field)						\
	"i" (TLABI_OFFSET + RSEQ_STATIC_(int, offsetof(struct tlabi, field)))
#ifndef RSEQ_BASE_
#define RSEQ_BASE_		"r" (rseq_thread_pointer_())
#endif
#else
#define RSEQ_FIELD_(field)	"i" (offsetof(struct tlabi, field))
#ifndef RSEQ_BASE_
#define RSEQ_BASE_		"r" (rseq_self())
#endif
#endif

/* A 32-bit field of the area, read once, now. */
#ifndef rseq_read_
#define rseq_read_(field)						\
	(rseq_self()->field)
#endif

/* Whether rseq_cs holds something else. */
#ifndef rseq_cs_differs_
#define rseq_cs_differs_(cs)						\
	(rseq_self()->rseq_cs != RSEQ_CAST_(uintptr_t, cs))
#endif

/*
 * A section stays published when it is over, and the kernel reads what is
 * published whenever it has interrupted the thread, or kills it if that is no
 * longer mapped.  So each thread that has run a section of an object calls
 * this before the object is unloaded: nobody can do it for another thread.
 */
RSEQ_INLINE_ void rseq_prepare_unload(void)
{
	*RSEQ_UNCONST_(volatile uint64_t *, &rseq_self()->rseq_cs) = 0;
}

#endif
