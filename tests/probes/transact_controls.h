/* SPDX-License-Identifier: MIT */
/* What must not be written: they show that the load is one to show it. */
#ifndef PROBE_TRANSACT_CONTROLS_H
#define PROBE_TRANSACT_CONTROLS_H

#include "transact_kinds.h"

/* ---- guards that nobody looks at, or too early ---- */

static inline enum rseq_result commit_unchecked(struct rseq_transaction *t,
						intptr_t *v, intptr_t newv)
{
	struct rseq_guard *const guard = t->guard;
	const uintptr_t next = t->word + 2;
	const rseq_cpu_t id = { t->cpu };

	RSEQ_RUN_(
		RSEQ_IF_INDEX_(cpu_id, id, conflict)
		RSEQ_THEN(RSEQ_STORE(64, next, RSEQ_V(guard)))
		RSEQ_COMMIT(RSEQ_STORE(64, newv, RSEQ_V(v))),
		RSEQ_WITH_(RSEQ_OPERANDS_cpu_, RSEQ_PLACE(guard),
			   RSEQ_IN(64, next), RSEQ_PLACE(v),
			   RSEQ_IN(64, newv)),
		abort, conflict);
	return RSEQ_COMMITTED;
abort:
conflict:
	return RSEQ_RESTARTED;
}

static inline enum rseq_result commit_checked_before(
	struct rseq_transaction *t, intptr_t *v, intptr_t newv)
{
	if (GET(t->guard->word) != t->word)
		return RSEQ_RESTARTED;
	spin(200);	/* as the delays inside */
	return commit_unchecked(t, v, newv);
}

#define UNGUARDED(name, commit)						\
STEP(name)								\
{									\
	BY_GUARD(own, slots,					\
		 t.hold.guard ? rseq_commit(&t, &s->value, old + 1) :	\
		 commit(&t, &s->value, old + 1),			\
		 const intptr_t old = GET(s->value);			\
		 spin(200););						\
	++own->counted;							\
}
UNGUARDED(guard_unchecked, commit_unchecked)
UNGUARDED(guard_outside, commit_checked_before)

/* ---- events that are looked for outside the range ---- */

STEP(event_outside)
{
	BY_EVENT(own, rseq_event() != event ? RSEQ_RESTARTED :
		 (spin(200), PUT(s->value, old + 1), RSEQ_COMMITTED), (void)0,
		 const intptr_t old = GET(s->value););
	++own->counted;
}

/* ---- a token that a handler leaves behind, and no number beside it ---- */

extern const struct rseq_token_ lone_token;

static inline void publish_lone_token(void)
{
	*(volatile uint64_t *)(uintptr_t)&rseq_self()->rseq_cs =
		(uintptr_t)&lone_token;
}

#define TOKEN_OPERANDS							\
	RSEQ_PLACE(published), RSEQ_IN(64, token), RSEQ_PLACE(v),	\
	RSEQ_IN(64, newv)

__attribute__((__noinline__))
#ifndef __clang__
__attribute__((__noclone__))	/* it defines a symbol */
#endif
static enum rseq_result finish_by_token(intptr_t *v, intptr_t newv)
{
	const volatile uint64_t *const published = &rseq_self()->rseq_cs;
	const uint64_t token = (uintptr_t)&lone_token;

	RSEQ_BLOCK_(TOKEN_OPERANDS)
	__asm__ __volatile__ goto (
		RSEQ_ADDRESS_
		".Lrseq_start%=:\n\t"
		RSEQ_IF_EQ(64, RSEQ_V(published), token, disturbed)
		RSEQ_COMMIT(RSEQ_STORE(64, newv, RSEQ_V(v)))
		RSEQ_STUB_
		RSEQ_DESCRIPTOR_
		".globl lone_token\n\t"
		".set lone_token, .Lrseq_cs%=\n\t"
		:
		: RSEQ_INPUTS_(TOKEN_OPERANDS)
		: "memory", RSEQ_CLOBBERS_ RSEQ_INJECT_CLOBBERS_
		: abort, disturbed);
	return RSEQ_COMMITTED;
abort:
disturbed:
	return RSEQ_RESTARTED;
}

STEP(event_token)
{
	BY_EVENT(own, finish_by_token(&s->value, old + 1), (void)0,
		 publish_lone_token();
		 s = slot(rseq_cpu_start());
		 const intptr_t old = GET(s->value);
		 spin(200););
	++own->counted;
}

#endif
