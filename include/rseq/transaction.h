/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_TRANSACTION_H
#define RSEQ_TRANSACTION_H

#include <rseq/guard.h>
#include <rseq/stats.h>

/*
 * Commits whose body is plain C: read, compute, and only the last stores are a
 * section.  The body runs again only if another commit on the same cpu's data
 * came in between.  See rseq_begin(3).
 */

/* A transaction on a guard in per-cpu memory; the fields are private. */
struct rseq_transaction {
	struct rseq_guard	*guards;	/* the per-cpu pointer */
	struct rseq_guard	*guard;		/* the copy begun on */
	uintptr_t		word;		/* what it was then */
	int			cpu;
	int			left;		/* attempts without a lock */
	struct rseq_hold	hold;		/* .guard: 0 if not held */
};

/* So many attempts fail before the guard is locked: a debugger's all do. */
#define RSEQ_ATTEMPTS	8
#define RSEQ_NO_LOCK_	(RSEQ_ATTEMPTS + 1)	/* attempts, without a fence */

#define RSEQ_TRANSACTION(guard)						\
	{ (guard), RSEQ_NULL_, 0, 0, (guard) ? RSEQ_ATTEMPTS : 0,	\
	  { RSEQ_NULL_, 0, { 0, 0 }, 0 } }

#ifdef __cplusplus
extern "C" {
#endif

/* What begin does when there is more to it than to read the guard. */
int rseq_begin_slow_(struct rseq_transaction *t) RSEQ_NOTHROW_ RSEQ_COLD_;

#ifdef __cplusplus
}
#endif

/* Field by field: a copy as a whole would keep both in memory. */
RSEQ_INLINE_ struct rseq_hold rseq_copy_hold_(const struct rseq_hold *from)
{
	struct rseq_hold to;

	to.guard = from->guard;
	to.word = from->word;
	to.signals[0] = from->signals[0];
	to.signals[1] = from->signals[1];
	to.state = from->state;
	return to;
}

/*
 * Look at a cpu's guard: may the body begin?  A commit stores the guard, then
 * the data.  A thread on the same cpu sees both or neither; a thread on another
 * cpu can see the new guard with the old data, and its update would be lost.
 * So begin only if this thread is still on the guard's cpu.
 */
RSEQ_INLINE_ int rseq_look_(struct rseq_transaction *t, int cpu)
{
	t->cpu = cpu;
	t->guard = RSEQ_STATIC_(struct rseq_guard *,
		rseq_copy_of_(t->guards, RSEQ_STATIC_(unsigned int, cpu)));
	t->word = __atomic_load_n(&t->guard->word, __ATOMIC_ACQUIRE);
	cpu = rseq_this_cpu().n;
	__atomic_signal_fence(__ATOMIC_ACQUIRE);	/* the body is behind */
	return t->cpu == cpu && !(t->word & 1);
}

/* The cpu whose data the body is about, or -EINVAL, -EDEADLK or -ENOSYS. */
RSEQ_MUST_CHECK_ RSEQ_INLINE_ int rseq_begin(struct rseq_transaction *t)
{
	const int cpu = rseq_this_cpu().n;
	/* Calls get copies, so that t itself may stay in registers. */
	struct rseq_transaction slow;
	int ret;

	RSEQ_DEBUG_(rseq_debug_begin_(t);)
	if (cpu >= 0 && t->left > 0 &&
	    rseq_sections_work_here_() && rseq_look_(t, cpu))
		return cpu;
	slow.guards = t->guards;
	slow.guard = RSEQ_NULL_;
	slow.word = 0;
	slow.cpu = cpu;
	slow.left = t->left;
	slow.hold.guard = t->hold.guard;
	slow.hold.state = t->hold.state;
	ret = rseq_begin_slow_(&slow);
	t->guard = slow.guard;
	t->word = slow.word;
	t->cpu = slow.cpu;
	t->left = slow.left;
	if (ret < 0) {
		RSEQ_DEBUG_(rseq_debug_end_(t);)
		return ret;	/* what t holds, it holds still */
	}
	t->hold = rseq_copy_hold_(&slow.hold);
	rseq_tsan_acquire_(t->guard);
	if (t->hold.guard && (t->hold.state & RSEQ_LOCKED_))
		RSEQ_COUNT_(locks);
	return ret;
}

RSEQ_INLINE_ void rseq_let_go_(struct rseq_transaction *t)
{
	if (__builtin_expect(!!t->hold.guard, 0)) {
		struct rseq_hold hold = rseq_copy_hold_(&t->hold);
		t->hold.guard = RSEQ_NULL_;
		rseq_guard_unlock(&hold);
	}
}

/* End a transaction that shall store nothing. */
RSEQ_INLINE_ void rseq_cancel(struct rseq_transaction *t)
{
	RSEQ_DEBUG_(rseq_debug_end_(t);)
	t->left = t->guards ? RSEQ_ATTEMPTS : 0;
	rseq_let_go_(t);
}

/* After an abort: may the section be tried again? */
RSEQ_INLINE_ int rseq_retry_(struct rseq_transaction *t)
{
	RSEQ_COUNT_(aborts);
	return --t->left > 0;
}

/* Charge one attempt; when they run out, the next begin locks the guard. */
RSEQ_INLINE_ enum rseq_result rseq_conflict_(struct rseq_transaction *t)
{
	RSEQ_COUNT_(conflicts);
	--t->left;
	return RSEQ_RESTARTED;
}

/* The next transaction may begin with the same t. */
RSEQ_INLINE_ enum rseq_result rseq_done_(struct rseq_transaction *t)
{
	t->left = RSEQ_ATTEMPTS;
	RSEQ_COUNT_(commits);
	return RSEQ_COMMITTED;
}

/* A commit that is refused: it was not begun, or the body shall run again. */
#define RSEQ_REFUSE_							\
	RSEQ_DEBUG_(if (rseq_debug_commit_(t)) {			\
		rseq_let_go_(t);					\
		return rseq_conflict_(t);				\
	})

/* Is the guard this thread's, for the stores of a commit? */
RSEQ_INLINE_ int rseq_hold_now_(struct rseq_transaction *t)
{
	if (!rseq_still_held_(t->hold.guard, t->hold.word, t->hold.state)) {
		rseq_let_go_(t);
		return 0;
	}
	t->hold.state |= RSEQ_LOCKED_;
	return 1;
}

/* The commit was made with the guard held. */
RSEQ_INLINE_ enum rseq_result
rseq_unlock_after_commit_(struct rseq_transaction *t)
{
	rseq_cancel(t);
	return rseq_done_(t);
}

/*
 * A store with the guard held.  One half after the other where a word is wider
 * than a pointer: who reads both in a transaction runs again.
 */
RSEQ_INLINE_ void rseq_held_store_32_(uint32_t *v, uint32_t newv)
{
	__atomic_store_n(v, newv, __ATOMIC_RELEASE);
}

RSEQ_INLINE_ void rseq_held_store_64_(uint64_t *v, uint64_t newv)
{
#if RSEQ_POINTER_ == 64
	__atomic_store_n(v, newv, __ATOMIC_RELEASE);
#else
	typedef uint32_t __attribute__((__may_alias__)) half_;
	half_ *const to = RSEQ_CAST_(half_ *, v);
	uint32_t half[2];

	__builtin_memcpy(half, &newv, sizeof half);
	__atomic_store_n(&to[0], half[0], __ATOMIC_RELEASE);
	__atomic_store_n(&to[1], half[1], __ATOMIC_RELEASE);
#endif
}
#define RSEQ_HELD_STORE_(w, v, newv)	rseq_held_store_##w##_(v, newv);

/* Is this for a guard that is held, whose words no section can commit? */
#define RSEQ_MUST_LOCK_(wide)						\
	if (wide) {							\
		RSEQ_DEBUG_(rseq_debug_end_(t);)			\
		t->left = -1;						\
		return RSEQ_RESTARTED;					\
	}

/*
 * Each commit below stores if nobody has committed since begin, and its last
 * store is a release store.  One that the kernel has restarted looks at the
 * guard again; the body does not run again for that.  A section may end
 * between its first stores: the guard then tells of a commit that was none, and
 * all who had begun run again.  So what is stored before the last word must be
 * something that nobody reads until that word says so: a slot behind a count.
 */
#ifndef RSEQ_NO_SECTIONS_

/*
 * guard->word = next.  A store and no addition: a lock that came since the
 * guard was read has to be lost, as its holder sees.  An ISA may make next of
 * word in its scratch register.
 */
#ifndef RSEQ_NEXT_
#define RSEQ_NEXT_		RSEQ_STORE_(RSEQ_POINTER_, next, RSEQ_V(guard))
#define RSEQ_NEXT_OPERAND_	RSEQ_INPUT_(next, RSEQ_VALUE_, word + 2)
#endif

#define RSEQ_COMMITS_(name, parameters, wide, held, body, ...)		\
RSEQ_OP_ name parameters						\
{									\
	struct rseq_guard *const guard = t->guard;			\
	const uintptr_t word = t->word;					\
	const rseq_cpu_t id = { t->cpu };				\
									\
	RSEQ_REFUSE_							\
	if (__builtin_expect(!!t->hold.guard, 0)) {			\
		if (!rseq_hold_now_(t))					\
			return rseq_conflict_(t);			\
		held							\
		return rseq_unlock_after_commit_(t);			\
	}								\
	RSEQ_MUST_LOCK_(wide)						\
	rseq_tsan_release_(guard);					\
	rseq_tsan_release_(v);						\
again:	RSEQ_RUN_(							\
		RSEQ_IF_INDEX_(cpu_id, id, conflict)			\
		RSEQ_IF_EQ_(RSEQ_POINTER_, RSEQ_V(guard), word, conflict) \
		RSEQ_THEN(RSEQ_NEXT_)					\
		body,							\
		RSEQ_WITH_(RSEQ_OPERANDS_cpu_, RSEQ_PLACE(guard),	\
			   RSEQ_IN(RSEQ_POINTER_, word),		\
			   RSEQ_NEXT_OPERAND_, __VA_ARGS__),		\
		abort, conflict);					\
	return rseq_done_(t);						\
abort:	if (rseq_retry_(t))						\
		goto again;						\
conflict:								\
	return rseq_conflict_(t);					\
}

#else

/* Begin has locked, or the commit does. */
#define RSEQ_COMMITS_(name, parameters, wide, held, ...)		\
RSEQ_OP_ name parameters						\
{									\
	RSEQ_REFUSE_							\
	if (!t->hold.guard || !rseq_hold_now_(t))			\
		return rseq_conflict_(t);				\
	held								\
	return rseq_unlock_after_commit_(t);				\
}

#endif

/* if (guard->word == begun) { guard->word += 2; *v = newv; } */
#define RSEQ_MAKE_(name, w, T)						\
RSEQ_COMMITS_(name, (struct rseq_transaction *t, T *v, T newv),		\
	RSEQ_TOO_WIDE_(T), RSEQ_HELD_STORE_(w, v, newv),		\
	RSEQ_COMMIT(RSEQ_STORE_RELEASE(w, newv, RSEQ_V(v))),		\
	RSEQ_PLACE(v), RSEQ_IN(w, newv))
RSEQ_MAKE_(RSEQ_NAME_(rseq_commit, 32), 32, uint32_t)
RSEQ_MAKE_(RSEQ_NAME_(rseq_commit, 64), 64, uint64_t)
#undef RSEQ_MAKE_

/* if (guard->word == begun) { guard->word += 2; *v2 = newv2; *v = newv; } */
#define RSEQ_MAKE_(name, w2, T2, w, T)					\
RSEQ_COMMITS_(name,							\
	(struct rseq_transaction *t, T2 *v2, T2 newv2, T *v, T newv),	\
	RSEQ_TOO_WIDE_(T2) || RSEQ_TOO_WIDE_(T),			\
	RSEQ_HELD_STORE_(w2, v2, newv2) RSEQ_HELD_STORE_(w, v, newv),	\
	RSEQ_THEN(RSEQ_STORE(w2, newv2, RSEQ_V(v2)))			\
	RSEQ_COMMIT(RSEQ_STORE_RELEASE(w, newv, RSEQ_V(v))),		\
	RSEQ_PLACE(v2), RSEQ_IN(w2, newv2), RSEQ_PLACE(v),		\
	RSEQ_IN(w, newv))
RSEQ_MAKE_(RSEQ_NAME2_(rseq_commit_then, 32, 32), 32, uint32_t,
	   32, uint32_t)
RSEQ_MAKE_(RSEQ_NAME2_(rseq_commit_then, 32, 64), 32, uint32_t,
	   64, uint64_t)
RSEQ_MAKE_(RSEQ_NAME2_(rseq_commit_then, 64, 32), 64, uint64_t,
	   32, uint32_t)
RSEQ_MAKE_(RSEQ_NAME2_(rseq_commit_then, 64, 64), 64, uint64_t,
	   64, uint64_t)
#undef RSEQ_MAKE_

/*
 * if (guard->word == begun) { guard->word += 2; memcpy(dst, src, len);
 * *v = newv; }
 */
#define RSEQ_MAKE_(name, w, T)						\
RSEQ_COMMITS_(name,							\
	(struct rseq_transaction *t, void *dst, const void *src,	\
	 size_t len, T *v, T newv),					\
	RSEQ_TOO_WIDE_(T),						\
	rseq_copy_shared_(dst, src, len); RSEQ_HELD_STORE_(w, v, newv),	\
	RSEQ_THEN(RSEQ_COPY(dst, src, len))				\
	RSEQ_COMMIT(RSEQ_STORE_RELEASE(w, newv, RSEQ_V(v))),		\
	RSEQ_OPERAND(dst, (rseq_touch_(dst, len), dst)),		\
	RSEQ_OPERAND(src, src), RSEQ_OPERAND(len, len),			\
	RSEQ_PLACE(v), RSEQ_IN(w, newv))
RSEQ_MAKE_(RSEQ_NAME_(rseq_commit_block_fit, 32), 32, uint32_t)
RSEQ_MAKE_(RSEQ_NAME_(rseq_commit_block_fit, 64), 64, uint64_t)
#undef RSEQ_MAKE_

/* A longer block is copied with the guard held, where it can be. */
#define RSEQ_BLOCK_MAX	1024

#define RSEQ_MAKE_(name, fit, T)					\
RSEQ_OP_ name(struct rseq_transaction *t, void *dst, const void *src,	\
	      size_t len, T *v, T newv)					\
{									\
	if (len > RSEQ_BLOCK_MAX && !t->hold.guard &&			\
	    t->left != RSEQ_NO_LOCK_) {					\
		RSEQ_DEBUG_(rseq_debug_end_(t);)			\
		t->left = 0;						\
		return RSEQ_RESTARTED;					\
	}								\
	return fit(t, dst, src, len, v, newv);				\
}
RSEQ_MAKE_(RSEQ_NAME_(rseq_commit_block, 32),
	   RSEQ_NAME_(rseq_commit_block_fit, 32), uint32_t)
RSEQ_MAKE_(RSEQ_NAME_(rseq_commit_block, 64),
	   RSEQ_NAME_(rseq_commit_block_fit, 64), uint64_t)
#undef RSEQ_MAKE_
#undef RSEQ_HELD_STORE_
#undef RSEQ_MUST_LOCK_
#undef RSEQ_REFUSE_
#undef RSEQ_COMMITS_

#ifdef __cplusplus

/* Store newv to *v, if nobody has committed since begin. */
RSEQ_WORDS_ RSEQ_OP_ rseq_commit(struct rseq_transaction *t, T *v,
				 RSEQ_T_ newv) noexcept
{
	return rseq_commit_(t, RSEQ_PUT_(v), RSEQ_GET_(newv));
}

/* Store newv2 to *v2, which nobody reads until *v says so, then newv to *v. */
template <class T2, class T>
RSEQ_OP_ rseq_commit_then(struct rseq_transaction *t, T2 *v2,
			  RSEQ_SAME_T_(T2) newv2, T *v, RSEQ_T_ newv) noexcept
{
	return rseq_commit_then_(t, rseq_as_<T2>::place(v2),
				 rseq_as_<T2>::value(newv2),
				 RSEQ_PUT_(v), RSEQ_GET_(newv));
}

/* The same with len bytes, from src to dst. */
RSEQ_WORDS_ RSEQ_OP_ rseq_commit_block(struct rseq_transaction *t, void *dst,
				       const void *src, size_t len, T *v,
				       RSEQ_T_ newv) noexcept
{
	return rseq_commit_block_(t, dst, src, len, RSEQ_PUT_(v),
				  RSEQ_GET_(newv));
}

#else

/* Store newv to *v, if nobody has committed since begin. */
#define rseq_commit(t, v, newv)						\
	RSEQ_WIDTH_(rseq_commit, v)(t, RSEQ_WORD_(v), RSEQ_BITS_(v, newv))

/* Store newv2 to *v2, which nobody reads until *v says so, then newv to *v. */
#define rseq_commit_then(t, v2, newv2, v, newv)				\
	__extension__ _Generic((char (*)[sizeof *(v2)])0,		\
		char (*)[4]: RSEQ_WIDTH_(rseq_commit_then_32, v),	\
		char (*)[8]: RSEQ_WIDTH_(rseq_commit_then_64, v))	\
		(t, RSEQ_WORD_(v2), RSEQ_BITS_(v2, newv2),		\
		 RSEQ_WORD_(v), RSEQ_BITS_(v, newv))

/* The same with len bytes, from src to dst. */
#define rseq_commit_block(t, dst, src, len, v, newv)			\
	RSEQ_WIDTH_(rseq_commit_block, v)				\
		(t, dst, src, len, RSEQ_WORD_(v), RSEQ_BITS_(v, newv))

#endif

#endif
