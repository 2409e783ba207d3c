/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_CACHE_H
#define RSEQ_CACHE_H

#include <rseq/percpu.h>
#include <rseq/stack.h>

/*
 * A cache of pointers in front of any source, such as an allocator: a bounded
 * stack of them for each cpu.  What a stack has not got is asked of the source
 * in batches, and what it has no room for is given back.
 */

/* Put at most n objects into objects: how many; 0: there are none. */
typedef size_t rseq_cache_refill_t(void *arg, void **objects, size_t n);

/* Take n objects back. */
typedef void rseq_cache_drain_t(void *arg, void **objects, size_t n);

/* What a cache had to do beside its stacks, and what they hold. */
struct rseq_cache_stats {
	uint64_t	refills;	/* calls of refill */
	uint64_t	refilled;	/* objects that it gave */
	uint64_t	drains;		/* calls of drain */
	uint64_t	drained;	/* objects that it took */
	uint64_t	held;		/* objects in the cache, at rest */
};

/* The fields are private.  All zeros: no cache, which holds nothing. */
struct rseq_cache {
	uintptr_t		*stacks;	/* per-cpu: count, objects */
	uintptr_t		capacity;	/* of one cpu's stack */
	uintptr_t		room;		/* what it may be raised to */
	rseq_cache_refill_t	*refill;
	rseq_cache_drain_t	*drain;
	void			*arg;
	struct rseq_cache_stats	stats __attribute__((__aligned__(8)));
	uint32_t		holder;		/* thread that drains, or 0 */
};

/* No cpu's stack is larger. */
#define RSEQ_CACHE_MAX	4000u

#ifdef __cplusplus
extern "C" {
#endif

/* Make a cache of capacity objects a cpu: 0, -EINVAL or -ENOMEM. */
int rseq_cache_init(struct rseq_cache *c, unsigned int capacity,
		    rseq_cache_refill_t *refill, rseq_cache_drain_t *drain,
		    void *arg) RSEQ_NOTHROW_ RSEQ_MUST_CHECK_;

/* Give all objects back; no thread uses the cache any more. */
void rseq_cache_fini(struct rseq_cache *c);

/* Give all objects back while threads go on: 0, -EINVAL or -ENOSYS. */
int rseq_cache_drain(struct rseq_cache *c) RSEQ_MUST_CHECK_;

/* Change the capacity, up to what init was given: 0 or an error. */
int rseq_cache_resize(struct rseq_cache *c, unsigned int capacity)
	RSEQ_MUST_CHECK_;

/* Get up to n objects: how many; less than n when the source has no more. */
size_t rseq_cache_get_n(struct rseq_cache *c, void **objects, size_t n)
	RSEQ_MUST_CHECK_;

/* Put n objects: 0 or -EINVAL. */
int rseq_cache_put_n(struct rseq_cache *c, void **objects, size_t n)
	RSEQ_CHECKED_(cache_put_n);

/* What has become of the objects so far. */
void rseq_cache_read(const struct rseq_cache *c,
		     struct rseq_cache_stats *stats) RSEQ_NOTHROW_;

/* What get and put do when there is more to it than one section. */
void *rseq_cache_get_slow_(struct rseq_cache *c) RSEQ_COLD_;
int rseq_cache_put_slow_(struct rseq_cache *c, void *object) RSEQ_COLD_;

#ifdef __cplusplus
}
#endif

/* if (*v > 0) *object = v[*v--]; a stack that is being drained has *v < 0 */
RSEQ_FRAME_(rseq_cache_pop_, this_cpu, (uintptr_t *v, uintptr_t *object),
	RSEQ_TSAN_UNLESS_(this_cpu, RSEQ_STATIC_(intptr_t,
		__atomic_load_n(v, __ATOMIC_RELAXED)) <= 0),
	(void)0, RSEQ_STACK_CLOBBER_,
	RSEQ_THEN(RSEQ_FIND_HERE_(v) RSEQ_LOAD_(RSEQ_POINTER_, RSEQ_HERE_))
	RSEQ_EXIT_(different) RSEQ_THEN(RSEQ_LESS_(1, "%l[different]"))
	RSEQ_THEN(RSEQ_TAKE_(RSEQ_V(object)))
	RSEQ_COMMIT(RSEQ_SAVE_(RSEQ_POINTER_, RSEQ_HERE_)),
	RSEQ_DIFFERENT_LABEL_, RSEQ_DIFFERENT_RESULT_,
	RSEQ_PLACE(v), RSEQ_RESULT(object))

/* if (*v < capacity, unsigned) v[++*v] = object; */
RSEQ_FRAME_(rseq_cache_push_, this_cpu,
	(uintptr_t *v, uintptr_t capacity, uintptr_t object),
	RSEQ_TSAN_UNLESS_(this_cpu,
		__atomic_load_n(v, __ATOMIC_RELAXED) >= capacity),
	(void)0, RSEQ_STACK_CLOBBER_,
	RSEQ_THEN(RSEQ_FIND_HERE_(v) RSEQ_LOAD_(RSEQ_POINTER_, RSEQ_HERE_))
	RSEQ_EXIT_(different) RSEQ_THEN(RSEQ_BAE_(capacity, different))
	RSEQ_THEN(RSEQ_PUT_IN_(object))
	RSEQ_THEN(RSEQ_MORE_(1))
	RSEQ_COMMIT(RSEQ_SAVE_(RSEQ_POINTER_, RSEQ_HERE_)),
	RSEQ_DIFFERENT_LABEL_, RSEQ_DIFFERENT_RESULT_,
	RSEQ_PLACE(v), RSEQ_INPUT_(capacity, RSEQ_VALUE_, capacity),
	RSEQ_OPERAND(object, object))

/* Get an object; NULL: the source has none.  Always completes. */
static inline void *rseq_cache_get(struct rseq_cache *c)
{
	uintptr_t object;

	if (__builtin_expect(c->stacks && rseq_cache_pop_(c->stacks, &object)
			     == RSEQ_COMMITTED, 1)) {
		rseq_tsan_acquire_(RSEQ_CAST_(void *, object));
		return RSEQ_CAST_(void *, object);
	}
	return rseq_cache_get_slow_(c);
}

/* Put an object that is not NULL: 0 or -EINVAL.  Always completes. */
static inline int rseq_cache_put(struct rseq_cache *c, void *object)
{
	const uintptr_t capacity = __atomic_load_n(&c->capacity,
						   __ATOMIC_RELAXED);

	RSEQ_DEBUG_(const int wrong = rseq_debug_put_(c, object);
		if (wrong)
			return wrong;)
	rseq_tsan_release_(object);
	/* Where there are no stacks, the capacity is 0. */
	if (__builtin_expect(capacity && object &&
			     rseq_cache_push_(c->stacks, capacity,
				RSEQ_CAST_(uintptr_t, object))
			     == RSEQ_COMMITTED, 1))
		return 0;
	return rseq_cache_put_slow_(c, object);
}

#endif
