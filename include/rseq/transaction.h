/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_TRANSACTION_H
#define RSEQ_TRANSACTION_H

#include <rseq/event.h>
#include <rseq/guard.h>
#include <rseq/operation.h>
#include <rseq/stats.h>

/*
 * Commits whose body is plain C: read, compute, and only the last store or two
 * is a section.  A guard transaction runs its body again only if somebody else
 * has committed in between; one on the thread's event, if anything at all has
 * disturbed the thread.
 */

/* A guard transaction; the fields are private. */
struct rseq_transaction {
	const struct rseq_guards	*guards;
	struct rseq_guard		*guard;	/* of the cpu begun on */
	uintptr_t			word;	/* what it was then */
	int				cpu;
	int				left;	/* attempts without a lock */
	struct rseq_hold		hold;	/* .guard: 0 if not held */
};

/* So many attempts fail before the guard is locked: a debugger's all do. */
#define RSEQ_ATTEMPTS	8

#define RSEQ_TRANSACTION(guards)					\
	{ (guards), 0, 0, 0, RSEQ_ATTEMPTS, { 0, 0, { 0, 0 } } }

#ifdef __cplusplus
extern "C" {
#endif

/* What begin does when there is more to it than to read the guard. */
int rseq_begin_slow(struct rseq_transaction *t) RSEQ_NOTHROW RSEQ_COLD;

/* Store newv if the thread was not disturbed since start returned event. */
enum rseq_result rseq_finish(uint32_t event, intptr_t *v, intptr_t newv);

#ifdef __cplusplus
}
#endif

#ifdef RSEQ_TSAN	/* as in <rseq/guard.h> */
RSEQ_INLINE enum rseq_result rseq_tsan_finish(uint32_t event, intptr_t *v,
					      intptr_t newv)
{
	enum rseq_result result;

	rseq_tsan_release(v);
	result = rseq_finish(event, v, newv);
	if (result == RSEQ_COMMITTED)
		rseq_tsan_acquire(v);
	return result;
}

#define rseq_finish	rseq_tsan_finish
#endif

/* A transaction on the thread's event: what rseq_finish() will compare. */
static inline uint32_t rseq_start(void)
{
	const uint32_t event = rseq_event();

	__atomic_signal_fence(__ATOMIC_SEQ_CST);	/* before the body */
	return event;
}

/* Field by field: a copy as a whole would keep both in memory. */
RSEQ_INLINE struct rseq_hold rseq_copy_hold(const struct rseq_hold *from)
{
	struct rseq_hold to;

	to.guard = from->guard;
	to.word = from->word;
	to.signals[0] = from->signals[0];
	to.signals[1] = from->signals[1];
	return to;
}

/*
 * Look at a cpu's guard: may the body begin?  Only on that cpu a commit is one
 * step.  Seen from another its guard is bumped before its data are stored, and
 * a body that went by both would lose them.
 */
RSEQ_INLINE int rseq_look(struct rseq_transaction *t, int cpu)
{
	t->cpu = cpu;
	t->guard = rseq_guard_of(t->guards, (unsigned int)cpu);
	t->word = __atomic_load_n(&t->guard->word, __ATOMIC_ACQUIRE);
	cpu = rseq_current_cpu();
	__atomic_signal_fence(__ATOMIC_ACQUIRE);	/* the body is behind */
	return t->cpu == cpu && !(t->word & 1);
}

/* The cpu whose data the body is about, or -EINVAL, -EDEADLK or -ENOSYS. */
RSEQ_INLINE int rseq_begin(struct rseq_transaction *t)
{
	const struct rseq_guards *const g = t->guards;
	const int cpu = rseq_current_cpu();
	/* Calls get copies, so that t itself may stay in registers. */
	struct rseq_transaction slow;
	int ret;

	if ((unsigned int)cpu < g->count && t->left > 0 &&
	    !rseq_sections_broken && rseq_look(t, cpu))
		return cpu;
	slow.guards = g;
	slow.guard = 0;
	slow.word = 0;
	slow.cpu = cpu;
	slow.left = t->left;
	slow.hold.guard = t->hold.guard;
	ret = rseq_begin_slow(&slow);
	t->guard = slow.guard;
	t->word = slow.word;
	t->cpu = slow.cpu;
	t->left = slow.left;
	if (ret < 0)
		return ret;	/* what t holds, it holds still */
	t->hold = rseq_copy_hold(&slow.hold);
	rseq_tsan_acquire(t->guard);
	if (t->hold.guard)
		RSEQ_COUNT(locks);
	return ret;
}

/* End a transaction that shall store nothing. */
RSEQ_INLINE void rseq_cancel(struct rseq_transaction *t)
{
	t->left = RSEQ_ATTEMPTS;
	if (__builtin_expect(t->hold.guard != 0, 0)) {
		struct rseq_hold hold = rseq_copy_hold(&t->hold);
		t->hold.guard = 0;
		rseq_guard_unlock(&hold);
	}
}

/* After an abort: may the section be tried again? */
RSEQ_INLINE int rseq_retry(struct rseq_transaction *t)
{
	RSEQ_COUNT(aborts);
	return --t->left > 0;
}

/* The body must run again, and some day with the guard held. */
RSEQ_INLINE enum rseq_result rseq_conflict(struct rseq_transaction *t)
{
	RSEQ_COUNT(conflicts);
	--t->left;
	return RSEQ_RESTARTED;
}

/* The next transaction may begin with the same t. */
RSEQ_INLINE enum rseq_result rseq_done(struct rseq_transaction *t)
{
	t->left = RSEQ_ATTEMPTS;
	RSEQ_COUNT(commits);
	return RSEQ_COMMITTED;
}

/* The commit was made with the guard held. */
RSEQ_INLINE enum rseq_result rseq_release(struct rseq_transaction *t)
{
	rseq_cancel(t);
	return rseq_done(t);
}

/* A store with the guard held, to an object of whatever type. */
#define RSEQ_HELD_STORE(T, v, newv)					\
	__atomic_store_n((T __attribute__((__may_alias__)) *)(v), (newv), \
			 __ATOMIC_RELEASE)

/* The guard's verbs, beside those of the stores. */
#define RSEQ_IF_UNCHANGED						\
	RSEQ_IF_INDEX(cpu_id, id, conflict)				\
	RSEQ_IF_EQ(RSEQ_POINTER, RSEQ_V(guard), word, conflict)		\
	RSEQ_THEN(RSEQ_STORE_POINTER(next, RSEQ_V(guard)))
#define RSEQ_GUARD							\
	RSEQ_ID, RSEQ_PLACE(guard), RSEQ_IN(RSEQ_POINTER, word),	\
	RSEQ_IN(RSEQ_POINTER, next)
#define RSEQ_BEGUN(t)							\
	struct rseq_guard *const guard = (t)->guard;			\
	const uintptr_t word = (t)->word, next = word + 2;		\
	const int id = (t)->cpu

/*
 * Each commit below stores if nobody has committed since begin.  One that the
 * kernel has restarted looks at the guard again; the body does not run again
 * for that.  A section may end between its first two stores: the guard then
 * tells of a commit that was none, and all who had begun run again.
 */

/* if (guard->word == begun) { guard->word += 2; *v = newv; } */
#define RSEQ_OP_COMMIT(name, w, T, index, verb)				\
RSEQ_OP name(struct rseq_transaction *t, T *v, T newv)			\
{									\
	RSEQ_BEGUN(t);							\
									\
	if (__builtin_expect(t->hold.guard != 0, 0)) {			\
		RSEQ_HELD_STORE(T, v, newv);				\
		return rseq_release(t);					\
	}								\
	rseq_tsan_release(guard);					\
again:	RSEQ_CRITICAL(index,						\
		RSEQ_IF_UNCHANGED					\
		RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_GUARD, RSEQ_PLACE(v), RSEQ_IN(w, newv)),	\
		abort, conflict);					\
	return rseq_done(t);					\
abort:	if (rseq_retry(t))						\
		goto again;						\
conflict:								\
	return rseq_conflict(t);					\
}
RSEQ_PER_WORD(RSEQ_OP_COMMIT, rseq_commit, cpu_id, RSEQ_STORE)
RSEQ_PER_WORD(RSEQ_OP_COMMIT, rseq_commit_release, cpu_id, RSEQ_STORE_RELEASE)

/* if (guard->word == begun) { guard->word += 2; *v2 = newv2; *v = newv; } */
#define RSEQ_OP_COMMIT_STORE_STORE(name, w, T, index, verb)		\
RSEQ_OP name(struct rseq_transaction *t, T *v2, T newv2, T *v, T newv)	\
{									\
	RSEQ_BEGUN(t);							\
									\
	if (__builtin_expect(t->hold.guard != 0, 0)) {			\
		RSEQ_HELD_STORE(T, v2, newv2);				\
		RSEQ_HELD_STORE(T, v, newv);				\
		return rseq_release(t);					\
	}								\
	rseq_tsan_release(guard);					\
again:	RSEQ_CRITICAL(index,						\
		RSEQ_IF_UNCHANGED					\
		RSEQ_THEN(RSEQ_STORE(w, newv2, RSEQ_V(v2)))		\
		RSEQ_COMMIT(verb(w, newv, RSEQ_V(v))),			\
		RSEQ_WITH(RSEQ_GUARD, RSEQ_PLACE(v2), RSEQ_IN(w, newv2), \
			  RSEQ_PLACE(v), RSEQ_IN(w, newv)),		\
		abort, conflict);					\
	return rseq_done(t);					\
abort:	if (rseq_retry(t))						\
		goto again;						\
conflict:								\
	return rseq_conflict(t);					\
}
RSEQ_PER_WORD(RSEQ_OP_COMMIT_STORE_STORE, rseq_commit_store_store, cpu_id,
	      RSEQ_STORE)
RSEQ_PER_WORD(RSEQ_OP_COMMIT_STORE_STORE, rseq_commit_store_store_release,
	      cpu_id, RSEQ_STORE_RELEASE)

#ifdef RSEQ_STORE_PAIR
/* Two words that an instruction stores at once. */
struct rseq_pair {
	intptr_t word[2];
} __attribute__((__aligned__(2 * sizeof(intptr_t))));

typedef intptr_t rseq_vector
	__attribute__((__vector_size__(2 * sizeof(intptr_t))));

/* if (guard->word == begun) { guard->word += 2; *v = newv; } */
RSEQ_OP rseq_commit_pair(struct rseq_transaction *t, struct rseq_pair *v,
			 struct rseq_pair newv)
{
	RSEQ_BEGUN(t);
	const rseq_vector pair = { newv.word[0], newv.word[1] };

	if (__builtin_expect(t->hold.guard != 0, 0)) {
		RSEQ_HELD_STORE(intptr_t, &v->word[0], newv.word[0]);
		RSEQ_HELD_STORE(intptr_t, &v->word[1], newv.word[1]);
		return rseq_release(t);
	}
	rseq_tsan_release(guard);
again:	RSEQ_CRITICAL(cpu_id,
		RSEQ_IF_UNCHANGED
		RSEQ_COMMIT(RSEQ_STORE_PAIR(pair, RSEQ_V(v))),
		RSEQ_WITH(RSEQ_GUARD, RSEQ_PLACE(v), RSEQ_IN_PAIR(pair)),
		abort, conflict);
	return rseq_done(t);
abort:	if (rseq_retry(t))
		goto again;
conflict:
	return rseq_conflict(t);
}
#endif

#endif
