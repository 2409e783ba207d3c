/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_POOL_H
#define RSEQ_POOL_H

#include <rseq/cache.h>

/*
 * Objects of one size: a cache of free ones for each cpu, in front of slabs
 * that all share.  The memory that a pool maps never exceeds its limit.
 */

/* The fields are private.  All zeros: no pool, which gives nothing. */
struct rseq_pool {
	struct rseq_cache	cache;
	size_t			size;		/* of an object, rounded up */
	size_t			first;		/* object's offset in a slab */
	size_t			per_slab;
	size_t			most_slabs;
	size_t			slabs_left;	/* that may still be mapped */
	struct rseq_slab_	*slabs;
	struct rseq_slab_	*some_free;	/* those that may have some */
	uint32_t		missed;		/* a handler has freed others */
	uint32_t		lock;
};

/* What a pool has mapped, and where its objects are; exact at rest. */
struct rseq_pool_stats {
	uint64_t	slabs;		/* mapped */
	uint64_t	bytes;		/* in them */
	uint64_t	objects;	/* in them, of which: */
	uint64_t	cached;		/*   free, on some cpu */
	uint64_t	shared;		/*   free, for all */
};

#define RSEQ_SLAB_SIZE	65536u

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a pool of objects of size bytes, up to 8192, aligned to align, up to 64,
 * or 0 for 16; limit is in bytes, 0 for none: 0, -EINVAL or -ENOMEM.
 */
int rseq_pool_init(struct rseq_pool *p, size_t size, size_t align, size_t limit)
	RSEQ_NOTHROW_ RSEQ_MUST_CHECK_;

/* Unmap all slabs, with whatever is in them. */
void rseq_pool_fini(struct rseq_pool *p) RSEQ_NOTHROW_;

/* Unmap the slabs of which no object is in use: how many, or -errno. */
long rseq_pool_trim(struct rseq_pool *p) RSEQ_NOTHROW_;

void rseq_pool_read(struct rseq_pool *p, struct rseq_pool_stats *stats)
	RSEQ_NOTHROW_;

/* Is it an object of this pool, free or in use? */
int rseq_pool_owns(struct rseq_pool *p, const void *object) RSEQ_NOTHROW_;

#ifdef RSEQ_ASAN_
void __asan_poison_memory_region(void const volatile *, size_t);
void __asan_unpoison_memory_region(void const volatile *, size_t);
#define rseq_poison_(at, size)		__asan_poison_memory_region(at, size)
#define rseq_unpoison_(at, size)	__asan_unpoison_memory_region(at, size)
#else
#define rseq_poison_(at, size)		((void)0)
#define rseq_unpoison_(at, size)	((void)0)
#endif

#ifdef __cplusplus
}
#endif

/* An object, its bytes as they are; NULL at the limit or without memory. */
RSEQ_MUST_CHECK_ static inline void *rseq_pool_alloc(struct rseq_pool *p)
{
	void *const object = rseq_cache_get(&p->cache);

	if (object)
		rseq_unpoison_(object, p->size);
	return object;
}

/* Free what rseq_pool_alloc() has returned, or NULL. */
static inline void rseq_pool_free(struct rseq_pool *p, void *object)
{
	if (!object)
		return;
	RSEQ_DEBUG_(if (rseq_debug_free_(p, object))
		return;)
	rseq_poison_(object, p->size);
	(void)rseq_cache_put(&p->cache, object);
}

#endif
