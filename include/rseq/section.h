/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_SECTION_H
#define RSEQ_SECTION_H

#include <rseq/area.h>

/*
 * A section is the instruction range [start, commit) named by a 32-byte
 * descriptor.  Publishing the descriptor in rseq_cs arms the range; if the
 * thread is preempted, migrated or signalled inside it, the kernel resumes the
 * thread at abort.  The last instruction before commit is the one store that
 * takes effect.
 *
 * This file composes sections out of verbs that arch/ISA.h defines.  A verb
 * works on one scratch register and on operands given by name:
 *
 *	RSEQ_LOAD(w, place)		scratch = *place
 *	RSEQ_DEREF			scratch = *scratch
 *	RSEQ_ADD(w, reg)		scratch += reg
 *	RSEQ_AND(w, reg)		scratch &= reg
 *	RSEQ_OR(w, reg)			scratch |= reg
 *	RSEQ_SAVE(w, place)		*place = scratch
 *	RSEQ_STORE(w, reg, place)	*place = reg
 *	RSEQ_STORE_RELEASE(w, reg, place)	the same, as a release store
 *	RSEQ_BNE(w, reg, label)		if (scratch != reg) goto label
 *	RSEQ_BEQ(w, reg, label)		if (scratch == reg) goto label
 *	RSEQ_LOAD_ADD_SAVE(w, reg, place)	*place += reg; _AND_ and _OR_
 *	RSEQ_DEREF_ADD_SAVE(w, reg)	*(word *)scratch += reg
 *	RSEQ_COPY(dst, src, len)	memcpy(dst, src, len)
 *	RSEQ_RELEASE			earlier accesses before the next store
 *
 * where w is 32 or 64 (or always 32, where pointers have 4 bytes: see frame.h),
 * and a place is RSEQ_V(v), what the operand v points to,
 * or RSEQ_AT(v), this cpu's copy of v in per-cpu memory.  For the frame below
 * an ISA also has:
 *
 *	RSEQ_ADDRESS_			descriptor register = its address
 *	RSEQ_PUBLISH_			rseq_cs = descriptor register
 *	RSEQ_CHECK_(index, reg, label)	if (index != reg) goto label
 *	RSEQ_PERCPU_(index, base, label)	from here on RSEQ_HERE_ is the
 *					place base + (index << 16), or minus
 *					that with RSEQ_PERCPU_SIGN_ -; goto
 *					label if index is no cpu's
 *	RSEQ_TRAP_			the signature
 *	RSEQ_LEAVE_(label)		a jump from another linker section
 *	RSEQ_UNWIND_(X)			X(return address, stack pointer,
 *					descriptor register), as DWARF numbers
 *
 *	RSEQ_COPY_IS_(base)		from here on RSEQ_HERE_ is base
 *	RSEQ_BEFORE_(v)			the place of the word before v
 *	RSEQ_BAE_(reg, label)		if (scratch >= reg) goto label, unsigned
 *	RSEQ_TAKE_(place)		*place = HERE[1 + scratch]
 *	RSEQ_PUT_IN_(reg)		HERE[1 + scratch] = reg
 *
 *	RSEQ_SET_(reg)			scratch = reg
 *	RSEQ_MORE_(n)			scratch += n
 *	RSEQ_LESS_(n, "label")		scratch -= n, goto label if negative
 *	RSEQ_JUMP_("label")		goto label
 *	RSEQ_MOVE_(w, dst, src)		w bits, 8 or a word:
 *					dst[scratch] = src[scratch]
 *	RSEQ_UNLESS_ALIGNED_(dst, src, "label")	where words have to be aligned:
 *					goto label unless dst, src, scratch are
 *
 * where index is a field of the area, cpu_id or mm_cid, and RSEQ_AREA_(field),
 * RSEQ_WORD64_(), RSEQ_CLOBBERS_, and RSEQ_VALUE_, the constraint of a reg that
 * is stored, compared or combined; RSEQ_REG_(w, x) is x as such a register.
 *
 * Operands are registers and constants, never memory: gcc 12 may put part of
 * the address of an "m" operand into a register that the section clobbers.
 */

#define RSEQ_WITH_(...)	__VA_ARGS__

#ifndef RSEQ_NO_SECTIONS_

/* Tests define these to delay between any two steps. */
#ifndef RSEQ_INJECT_
#define RSEQ_INJECT_
#define RSEQ_INJECT_CLOBBERS_
#endif

/*
 * A linker section that is kept or dropped together with the function: "?"
 * joins its COMDAT group and "o" links it to the section of .Lrseq_start.
 */
#define RSEQ_PUSH_(name, flags)						\
	".pushsection " #name ", \"" flags "o?\", %%progbits, "		\
	".Lrseq_start%=\n\t"

/* The descriptor, and behind it what RSEQ_UNWIND_ looks for. */
#define RSEQ_DESCRIPTOR_						\
	RSEQ_PUSH_(__rseq_cs, "aw")					\
	".balign 32\n"							\
	".Lrseq_cs%=:\n\t"						\
	".4byte 0, 0\n\t"						\
	RSEQ_WORD64_(".Lrseq_start%=")					\
	RSEQ_WORD64_(".Lrseq_commit%= - .Lrseq_start%=")		\
	RSEQ_WORD64_(".Lrseq_abort%=")					\
	RSEQ_WORD64_("%l[abort]")					\
	".popsection\n\t"						\
	RSEQ_PUSH_(__rseq_cs_ptr_array, "aw")				\
	RSEQ_WORD64_(".Lrseq_cs%=")					\
	".popsection\n\t"

/*
 * Where the kernel resumes an aborted thread: the signature, and behind it a
 * jump into the function.  It lies outside of the function, so it has unwind
 * information of its own: a frame whose caller is the function, at the label
 * abort, with all registers as they are.  The word behind the descriptor is
 * the address of that label, and the descriptor register leads to it.  An ISA
 * that is unwound in another way has RSEQ_JUMP_OVER_(label): the stub is in
 * line then, and part of the function.
 */
#ifdef RSEQ_JUMP_OVER_
#define RSEQ_STUB_							\
	RSEQ_JUMP_OVER_(".Lrseq_left%=")				\
	RSEQ_TRAP_							\
	".Lrseq_abort%=:\n\t"						\
	RSEQ_LEAVE_(abort)						\
	".Lrseq_left%=:\n\t"
#else
#define RSEQ_STUB_							\
	RSEQ_PUSH_(__rseq_failure, "ax")				\
	RSEQ_TRAP_							\
	".Lrseq_abort%=:\n\t"						\
	RSEQ_LEAVE_(abort)						\
	".Lrseq_left%=:\n\t"						\
	".popsection\n\t"						\
	RSEQ_FRAME_INFO_
#endif

/*
 * By hand: not every assembler takes .cfi directives of another function while
 * it is in the middle of one.
 */
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#ifndef RSEQ_EH_TYPE_
#define RSEQ_EH_TYPE_	"%%progbits"
#endif
#define RSEQ_FRAME_INFO_						\
	".pushsection .eh_frame, \"a\", " RSEQ_EH_TYPE_ "\n"		\
	".Lrseq_cie%=:\n\t"						\
	".4byte .Lrseq_cie_end%= - .Lrseq_cie_id%=\n"			\
	".Lrseq_cie_id%=:\n\t"						\
	".4byte 0\n\t"							\
	".byte 1\n\t"							\
	".asciz \"zRS\"\n\t"	/* S: as if a signal had come there */ \
	".uleb128 1\n\t"						\
	".sleb128 -8\n\t"						\
	".byte " RSEQ_UNWIND_(RSEQ_RETURN_)				\
	".uleb128 1\n\t"						\
	".byte 0x1b\n\t"						\
	".byte 0x0c, " RSEQ_UNWIND_(RSEQ_CFA_)	/* def_cfa sp, 0 */	\
	".byte " RSEQ_UNWIND_(RSEQ_SAVED_)	/* expression: + 32 */	\
	".balign 8\n"							\
	".Lrseq_cie_end%=:\n\t"						\
	".4byte .Lrseq_fde_end%= - .Lrseq_fde%=\n"			\
	".Lrseq_fde%=:\n\t"						\
	".4byte .Lrseq_fde%= - .Lrseq_cie%=\n\t"			\
	".4byte .Lrseq_abort%= - .\n\t"				\
	".4byte .Lrseq_left%= - .Lrseq_abort%=\n\t"			\
	".byte 0\n\t"							\
	".balign 8\n"							\
	".Lrseq_fde_end%=:\n\t"						\
	".popsection\n\t"
/* RSEQ_UNWIND_: the DWARF numbers of return address, sp and descriptor. */
#define RSEQ_RETURN_(ra, sp, cs)	#ra "\n\t"
#define RSEQ_CFA_(ra, sp, cs)		#sp ", 0\n\t"
#ifndef RSEQ_SAVED_
#define RSEQ_SAVED_(ra, sp, cs)						\
	"0x10, " #ra ", 2, 0x70 + " #cs ", 32\n\t"
#endif
#else
#define RSEQ_FRAME_INFO_
#endif

/* Tell debuggers that the section can be left at label. */
#define RSEQ_EXIT_(label)						\
	RSEQ_PUSH_(__rseq_exit_point_array, "aw")			\
	RSEQ_WORD64_(".Lrseq_start%=")					\
	RSEQ_WORD64_("%l[" #label "]")					\
	".popsection\n\t"

#ifndef RSEQ_REG_
#define RSEQ_REG_(w, x)		(x)
#endif

/* An operand; an ISA with few registers has a block of them in memory. */
#ifndef RSEQ_INPUT_
#define RSEQ_INPUT_(name, constraint, x)	[name] constraint (x)
#define RSEQ_INDEX_OPERAND_(index)	[index] RSEQ_FIELD_(index)
#define RSEQ_AREA_INPUTS_						\
	[area] RSEQ_BASE_, [rseq_cs] RSEQ_FIELD_(rseq_cs)
#define RSEQ_BLOCK_(...)
#define RSEQ_INPUTS_(...)	__VA_ARGS__
#endif

/* There is one such place: that of the word v. */
#define RSEQ_AT(v)		RSEQ_AT_##v##_
#define RSEQ_AT_v_		RSEQ_HERE_

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
#if __SIZEOF_POINTER__ == 8
#define RSEQ_COPY_WORDS_(dst, src)					\
	RSEQ_COPY_BY_(8, 64, dst, src) RSEQ_MORE_(8)
#else
#define RSEQ_COPY_WORDS_(dst, src)					\
	RSEQ_COPY_BY_(4, 32, dst, src) RSEQ_MORE_(4)
#endif
#define RSEQ_COPY_BY_(n, w, dst, src)	/* from the end down */		\
	".Lrseq_copy" #w "%=:\n\t"					\
	RSEQ_LESS_(n, ".Lrseq_copied" #w "%=")				\
	RSEQ_MOVE_(w, dst, src)						\
	RSEQ_JUMP_(".Lrseq_copy" #w "%=")				\
	".Lrseq_copied" #w "%=:\n\t"
#define RSEQ_COPY(dst, src, len)					\
	RSEQ_SET_(len)							\
	RSEQ_UNLESS_ALIGNED_(dst, src, ".Lrseq_copy8%=")		\
	RSEQ_COPY_WORDS_(dst, src)					\
	RSEQ_COPY_BY_(1, 8, dst, src)
#ifndef RSEQ_UNLESS_ALIGNED_
#define RSEQ_UNLESS_ALIGNED_(dst, src, label)
#endif
#ifndef RSEQ_STORE_RELEASE
#define RSEQ_STORE_RELEASE(w, reg, place)				\
	RSEQ_RELEASE RSEQ_STORE(w, reg, place)
#endif

/* The steps of a body. */
#define RSEQ_IF_EQ(w, place, reg, ne)					\
	RSEQ_INJECT_ RSEQ_EXIT_(ne) RSEQ_LOAD_BNE(w, place, reg, ne)
#define RSEQ_IF_NE(w, place, reg, eq)	/* leaves *place in scratch */	\
	RSEQ_INJECT_ RSEQ_EXIT_(eq) RSEQ_LOAD(w, place) RSEQ_BEQ(w, reg, eq)
#define RSEQ_THEN(verbs)		RSEQ_INJECT_ verbs
#define RSEQ_COMMIT(verbs)						\
	RSEQ_INJECT_ verbs ".Lrseq_commit%=:\n\t" RSEQ_INJECT_

/* The first step: whose data this is. */
#define RSEQ_IF_INDEX_(index, reg, other)				\
	RSEQ_INJECT_ RSEQ_EXIT_(other) RSEQ_CHECK_(index, reg, other)
#define RSEQ_AT_INDEX_(index, base, none)				\
	RSEQ_INJECT_ RSEQ_EXIT_(none) RSEQ_PERCPU_(index, base, none)

/*
 * Run a section, then fall through; go to the label abort if the kernel
 * restarted it.  Once in a static inline function: labels and operand names
 * are the caller's.  Input operands only: clang < 17 drops outputs at labels.
 */
#define RSEQ_RUN_(body, operands, ... /* labels */)			\
	RSEQ_RUN_WITH_("memory", body, RSEQ_WITH_(operands), __VA_ARGS__)
#define RSEQ_RUN_WITH_(clobber, body, operands, ... /* labels */)	\
{									\
	RSEQ_BLOCK_(RSEQ_AREA_INPUTS_, operands)			\
	__asm__ __volatile__ goto (					\
		RSEQ_ADDRESS_						\
		RSEQ_PUBLISH_						\
		".Lrseq_start%=:\n\t"					\
		body							\
		RSEQ_STUB_						\
		RSEQ_DESCRIPTOR_					\
		:							\
		: RSEQ_INPUTS_(RSEQ_AREA_INPUTS_, operands)		\
		: "memory", clobber, RSEQ_CLOBBERS_ RSEQ_INJECT_CLOBBERS_ \
		: __VA_ARGS__);						\
}

#endif

#endif
