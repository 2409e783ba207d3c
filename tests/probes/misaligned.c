/* SPDX-License-Identifier: MIT */
/*
 * Every operation with the operand number WRONG an address, or a stride, that
 * no word of its type can have.  Each must be refused, so each is called after
 * a function that is refused: an error of the other kind follows each of the
 * one.  Without WRONG nothing is known of the operands, and nothing is refused.
 */
#include "every_op.h"

#ifndef WRONG
#define WRONG	(-1)
#endif

void to_be_refused(void) __attribute__((__error__("to be refused")));

/* An array's slots and items are words; the blocks of a memcpy are bytes. */
#define IS_WORD(kind, shape)						\
	((kind) == 'p' || (kind) == 'c' || (kind) == 't' ||		\
	 (((kind) == 'd' || (kind) == 's') && (shape)[1] == 'c'))
#define IS_WRONG(n, shape)						\
	(n == WRONG && sizeof (shape) > n + 1 &&			\
	 IS_WORD((shape)[n < sizeof (shape) ? n : 0], shape))
#define X(n, shape)	(IS_WRONG(n, shape) ? (uintptr_t)0x10001 : x[n])
#define SAME(x)		(x)

#define CALL(op, tag, shape, model, index)				\
int call_##op(const uintptr_t *x);					\
int call_##op(const uintptr_t *x)					\
{									\
	if (IS_WRONG(0, SHAPE_##shape) || IS_WRONG(1, SHAPE_##shape) ||	\
	    IS_WRONG(2, SHAPE_##shape) || IS_WRONG(3, SHAPE_##shape) ||	\
	    IS_WRONG(4, SHAPE_##shape))					\
		to_be_refused();					\
	return CALL_##shape(op, tag_##tag, SAME,			\
			    X(0, SHAPE_##shape), X(1, SHAPE_##shape),	\
			    X(2, SHAPE_##shape), X(3, SHAPE_##shape),	\
			    X(4, SHAPE_##shape), X(5, SHAPE_##shape),	\
			    X(6, SHAPE_##shape));			\
}

EVERY_OP(CALL)
