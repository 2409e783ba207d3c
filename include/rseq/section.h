/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_SECTION_H
#define RSEQ_SECTION_H

#include <rseq/self.h>

/*
 * An rseq critical section is the instruction range [start, commit) named by
 * a 32-byte descriptor.  Publishing the descriptor in rseq_cs arms the range;
 * if the thread is preempted, migrated or signalled inside it, the kernel
 * resumes the thread at abort.  The last instruction before commit is the one
 * store that takes effect.
 *
 * This file composes sections out of verbs that arch/ISA.h defines.  A verb
 * works on one scratch register and on operands given by name:
 *
 *	RSEQ_CHECK(index, reg, label)	if (index != reg) goto label
 *	RSEQ_INDEX(index, limit, stride, base, label)
 *					if (index >= limit) goto label; from
 *					here on RSEQ_AT(base) is the place
 *					base + index * stride
 *	RSEQ_LOAD(w, place)		scratch = *place
 *	RSEQ_DEREF			scratch = *scratch
 *	RSEQ_ADD(w, reg)		scratch += reg
 *	RSEQ_AND(w, reg)		scratch &= reg
 *	RSEQ_OR(w, reg)			scratch |= reg
 *	RSEQ_SAVE(w, place)		*place = scratch
 *	RSEQ_STORE(w, reg, place)	*place = reg
 *	RSEQ_BNE(w, reg, label)		if (scratch != reg) goto label
 *	RSEQ_BEQ(w, reg, label)		if (scratch == reg) goto label
 *	RSEQ_DEREF_ADD_SAVE(w, reg)	*(word *)scratch += reg
 *	RSEQ_COPY(dst, src, len)	memcpy(dst, src, len)
 *	RSEQ_RELEASE			earlier accesses before the next store
 *	RSEQ_STORE_PAIR(reg, place)	two words at once, where there is such
 *					an instruction; RSEQ_IN_PAIR(reg)
 *
 * where w is 32 or 64, index is a field of the area (cpu_id or mm_cid), and a
 * place is RSEQ_V(v), what the operand v points to, or RSEQ_AT(base).  The
 * frame around them: RSEQ_PUBLISH, RSEQ_AREA(field), RSEQ_ABORT, RSEQ_WORD64(),
 * RSEQ_CLOBBERS, RSEQ_SIG, and RSEQ_VALUE, the constraint of a reg that is
 * stored, compared or combined; RSEQ_REG(w, x) is x as such a register.
 *
 * Operands are registers and constants, never memory: gcc 12 may put part of
 * the address of an "m" operand into a register that the section clobbers.
 */

#define RSEQ_STR_(x)	#x
#define RSEQ_STR(x)	RSEQ_STR_(x)

/* Tests define these to delay between any two steps. */
#ifndef RSEQ_INJECT
#define RSEQ_INJECT
#define RSEQ_INJECT_CLOBBERS
#endif

/*
 * A section that the linker keeps or drops together with the function: "?"
 * joins its COMDAT group and "o" links it to the section of .Lrseq_start.
 */
#define RSEQ_SECTION(name, flags)					\
	".pushsection " #name ", \"" flags "o?\", %%progbits, "		\
	".Lrseq_start%=\n\t"

#define RSEQ_DESCRIPTOR							\
	RSEQ_SECTION(__rseq_cs, "aw")					\
	".balign 32\n"							\
	".Lrseq_cs%=:\n\t"						\
	".4byte 0, 0\n\t"						\
	RSEQ_WORD64(".Lrseq_start%=")					\
	RSEQ_WORD64(".Lrseq_commit%= - .Lrseq_start%=")			\
	RSEQ_WORD64(".Lrseq_abort%=")					\
	".popsection\n\t"						\
	RSEQ_SECTION(__rseq_cs_ptr_array, "aw")				\
	RSEQ_WORD64(".Lrseq_cs%=")					\
	".popsection\n\t"

/* Tell debuggers that the section can be left at label. */
#define RSEQ_EXIT(label)						\
	RSEQ_SECTION(__rseq_exit_point_array, "aw")			\
	RSEQ_WORD64(".Lrseq_start%=")					\
	RSEQ_WORD64("%l[" #label "]")					\
	".popsection\n\t"

#ifndef RSEQ_REG
#define RSEQ_REG(w, x)		(x)
#endif

/* Longer verbs, from the short ones; an ISA may define better. */
#ifndef RSEQ_LOAD_BNE
#define RSEQ_LOAD_BNE(w, place, reg, label)				\
	RSEQ_LOAD(w, place) RSEQ_BNE(w, reg, label)
#endif
#ifndef RSEQ_LOAD_ADD_SAVE
#define RSEQ_LOAD_ADD_SAVE(w, reg, place)				\
	RSEQ_LOAD(w, place) RSEQ_ADD(w, reg) RSEQ_SAVE(w, place)
#define RSEQ_LOAD_AND_SAVE(w, reg, place)				\
	RSEQ_LOAD(w, place) RSEQ_AND(w, reg) RSEQ_SAVE(w, place)
#define RSEQ_LOAD_OR_SAVE(w, reg, place)				\
	RSEQ_LOAD(w, place) RSEQ_OR(w, reg) RSEQ_SAVE(w, place)
#endif

/* The steps of a body. */
#define RSEQ_IF_INDEX(index, reg, other)				\
	RSEQ_INJECT RSEQ_EXIT(other) RSEQ_CHECK(index, reg, other)
#define RSEQ_AT_INDEX(index, limit, stride, base, none)			\
	RSEQ_INJECT RSEQ_EXIT(none) RSEQ_INDEX(index, limit, stride, base, none)
#define RSEQ_IF_EQ(w, place, reg, ne)					\
	RSEQ_INJECT RSEQ_EXIT(ne) RSEQ_LOAD_BNE(w, place, reg, ne)
#define RSEQ_IF_NE(w, place, reg, eq)	/* leaves *place in scratch */	\
	RSEQ_INJECT RSEQ_EXIT(eq) RSEQ_LOAD(w, place) RSEQ_BEQ(w, reg, eq)
#define RSEQ_THEN(verbs)		RSEQ_INJECT verbs
#define RSEQ_COMMIT(verbs)						\
	RSEQ_INJECT verbs ".Lrseq_commit%=:\n\t" RSEQ_INJECT

/* Whose data something is: no other field tells, and no other compiles. */
#define RSEQ_BY_cpu_id		RSEQ_FIELD(cpu_id)
#define RSEQ_BY_mm_cid		RSEQ_FIELD(mm_cid)

/*
 * Run one critical section, then fall through; go to the label abort if the
 * kernel restarted it.  The body's first step looks at index, the field of the
 * area that says whose data this is.  Use it once in a static inline function:
 * labels and operand names are the caller's.
 */
#define RSEQ_CRITICAL(index, body, operands, ... /* labels */)		\
	__asm__ __volatile__ goto (					\
		RSEQ_PUBLISH						\
		".Lrseq_start%=:\n\t"					\
		body							\
		RSEQ_ABORT						\
		RSEQ_DESCRIPTOR						\
		: /* no outputs: clang < 17 drops them at labels */	\
		: [area] RSEQ_BASE, [rseq_cs] RSEQ_FIELD(rseq_cs),	\
		  [index] RSEQ_BY_##index, operands			\
		: "memory", RSEQ_CLOBBERS RSEQ_INJECT_CLOBBERS		\
		: __VA_ARGS__)

#define RSEQ_WITH(...)	__VA_ARGS__

/*
 * ThreadSanitizer sees nothing of a section: tell it that whoever finds what
 * one has stored to v also finds what was written before.
 */
#if defined(__SANITIZE_THREAD__)
#define RSEQ_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RSEQ_TSAN 1
#endif
#endif

#ifdef RSEQ_TSAN
#ifdef __cplusplus
extern "C" {
#endif
void __tsan_acquire(void *);
void __tsan_release(void *);
#ifdef __cplusplus
}
#endif
#define rseq_tsan_acquire(v)	__tsan_acquire(v)
#define rseq_tsan_release(v)	__tsan_release(v)
#else
#define rseq_tsan_acquire(v)	((void)0)
#define rseq_tsan_release(v)	((void)0)
#endif

/*
 * A section stays published when it is over, and the kernel reads what is
 * published whenever it has interrupted the thread, or kills it if that is no
 * longer mapped.  So each thread that has run a section of an object calls
 * this before the object is unloaded: nobody can do it for another thread.
 */
static inline void rseq_prepare_unload(void)
{
	*(volatile uint64_t *)(uintptr_t)&rseq_self()->rseq_cs = 0;
}

#endif
