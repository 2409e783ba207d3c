/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_SELF_H
#define RSEQ_SELF_H

#include <rseq/abi.h>
#include <rseq/arch.h>

#define RSEQ_INLINE	static inline __attribute__((__always_inline__))
#define RSEQ_NOTHROW	__attribute__((__nothrow__))
#define RSEQ_COLD	__attribute__((__cold__))

#ifdef __cplusplus
extern "C" {
#endif

#ifdef RSEQ_LIBC_STOCK
/*
 * By another name: glibc declares it too, and in C++ as a C++ variable.  A test
 * has its own in this place, to run where no thread is registered.
 */
#ifndef RSEQ_LIBC_OFFSET
#define RSEQ_LIBC_OFFSET "__rseq_offset"
#endif
extern const ptrdiff_t rseq_libc_offset __asm__(RSEQ_LIBC_OFFSET);
#endif

#ifndef RSEQ_LIBC_LINE
/* What the line would hold: librseq's own, for a libc without it. */
extern __thread uint32_t rseq_thread_event
	__attribute__((__tls_model__("initial-exec")));
#endif

#ifdef RSEQ_OWN_AREA
/* An area that nobody registers, for a libc that has none. */
extern __thread struct tlabi rseq_thread_line
	__attribute__((__tls_model__("initial-exec")));
#endif

#ifdef __cplusplus
}
#endif

/* An ISA whose thread pointer the compiler cannot tell defines its own. */
#ifndef rseq_thread_pointer
#define rseq_thread_pointer()	__builtin_thread_pointer()
#endif

/* Offset of the area from the thread pointer, in bytes: the one accessor. */
static inline ptrdiff_t rseq_offset(void)
{
#if defined(RSEQ_LIBC_LINE)
	return TLABI_OFFSET;
#elif !defined(RSEQ_OWN_AREA)
	return rseq_libc_offset;
#else
#ifdef RSEQ_LIBC_STOCK	/* 0: this glibc came before the port */
	if (rseq_libc_offset != 0)
		return rseq_libc_offset;
#endif
	return (char *)&rseq_thread_line - (char *)rseq_thread_pointer();
#endif
}

/*
 * The area of the calling thread, to look at: it changes under one's eyes, and
 * the kernel may kill who writes.  Bytes from 32 on exist in a line only.
 */
static inline const volatile struct tlabi *rseq_self(void)
{
	return (const volatile struct tlabi *)
		((char *)rseq_thread_pointer() + rseq_offset());
}

/*
 * How inline assembly addresses a field of the area: RSEQ_AREA(field) in the
 * text, which an ISA defines from two operands, [field] an offset and [area]
 * the register that it is added to.
 */
#ifdef RSEQ_LIBC_LINE
#define RSEQ_FIELD(field)	"i" (TLABI_OFFSET + offsetof(struct tlabi, field))
#ifndef RSEQ_BASE
#define RSEQ_BASE		"r" (rseq_thread_pointer())
#endif
#else
#define RSEQ_FIELD(field)	"i" (offsetof(struct tlabi, field))
#ifndef RSEQ_BASE
#define RSEQ_BASE		"r" (rseq_self())
#endif
#endif

/* A 32-bit field of the area, read once, now. */
#ifndef rseq_read
#define rseq_read(field)						\
	(rseq_self()->field)
#endif

/* Whether rseq_cs holds something else. */
#ifndef rseq_cs_differs
#define rseq_cs_differs(cs)						\
	(rseq_self()->rseq_cs != (uintptr_t)(cs))
#endif

#endif
