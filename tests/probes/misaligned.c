/* SPDX-License-Identifier: MIT */
/*
 * Every operation with the operand number WRONG an address that
 * no word of its type can have.  Each must be refused, so each is called after
 * a function that is refused: an error of the other kind follows each of the
 * one.  Without WRONG nothing is known of the operands, and nothing is refused.
 */
#include "every_op.h"

#ifndef WRONG
#define WRONG	(-1)
#endif

void to_be_refused(void) __attribute__((__error__("to be refused")));

/* A word of memory, of all kinds of operands; not bytes. */
enum { WORD_p = 1, WORD_q = 1, WORD_c = 1, WORD_d = 1, WORD_s = 1, WORD_x = 0,
       WORD_y = 0, WORD_e = 0, WORD_v = 0, WORD_n = 0, WORD_o = 0, WORD_k = 0,
       WORD_m = 0, WORD_i = 0 };

#define IS_WRONG(n, kind)	(n == WRONG && WORD_##kind)
#define X(n, kind)	(IS_WRONG(n, kind) ? (uintptr_t)0x10001 : x[n])
#define SAME(x)		(x)
#define APPLY(call, ...)	call(__VA_ARGS__)

#define CALL(op, T, where, model, n, ...)				\
int NAME(call, op, T, where)(const uintptr_t *x);			\
int NAME(call, op, T, where)(const uintptr_t *x)			\
{									\
	if (EACH_##n(IS_WRONG, ||, __VA_ARGS__))			\
		to_be_refused();					\
	return APPLY(CALL_##n, op, T, where, SAME,			\
		     EACH_##n(X, COMMA, __VA_ARGS__), __VA_ARGS__);	\
}

EVERY_OP(CALL)
