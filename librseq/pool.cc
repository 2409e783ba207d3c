/* SPDX-License-Identifier: MIT */
#include <sys/mman.h>

#include <rseq/pool.h>
#include "debug.hh"
#include "internal.hh"

/* The beginning of a slab; objects follow, at a multiple of 64. */
struct rseq_slab_ {
	rseq_slab_ *next;
	size_t free;		/* while trimming: those on the shared list */
};

namespace {

constexpr size_t slab_size = RSEQ_SLAB_SIZE;
constexpr size_t header = 64;

/* A free object, on the shared list. */
struct free_object {
	free_object *next;
};

/* AddressSanitizer has been told that a free object is not to be touched. */
#define UNCHECKED __attribute__((__no_sanitize__("address")))

UNCHECKED free_object *next_of(const free_object *f)
{
	return f->next;
}

UNCHECKED void set_next(free_object *f, free_object *next)
{
	f->next = next;
}

rseq_slab_ *slab_of(const void *object)
{
	return reinterpret_cast<rseq_slab_ *>((uintptr_t)object &
					      ~(slab_size - 1));
}

/* Slabs are aligned to their size, so that an object tells its slab. */
rseq_slab_ *map_slab()
{
	errno_guard keep;
	char *const at = static_cast<char *>(mmap(nullptr, 2 * slab_size,
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	if (at == MAP_FAILED)
		return nullptr;
	char *const slab = (char *)(((uintptr_t)at + slab_size - 1) &
				    ~(slab_size - 1));
	if (slab != at)
		munmap(at, (size_t)(slab - at));
	munmap(slab + slab_size, (size_t)(at + slab_size - slab));
	return reinterpret_cast<rseq_slab_ *>(slab);
}

void share(rseq_pool *p, void *object)
{
	auto *const f = static_cast<free_object *>(object);

	set_next(f, static_cast<free_object *>(p->free));
	p->free = f;
}

bool add_slab(rseq_pool *p)
{
	if (p->slabs_left == 0)
		return false;
	rseq_slab_ *const slab = map_slab();
	if (!slab)
		return false;
	--p->slabs_left;
	slab->next = p->slabs;
	__atomic_store_n(&p->slabs, slab, __ATOMIC_RELEASE);	/* handlers */
	for (size_t i = p->per_slab; i-- > 0;)
		share(p, reinterpret_cast<char *>(slab) + header + i * p->size);
	return true;
}

void put_aside(rseq_pool *p, void *object)
{
	auto *const f = static_cast<free_object *>(object);
	void *first = __atomic_load_n(&p->aside, __ATOMIC_RELAXED);

	do
		set_next(f, static_cast<free_object *>(first));
	while (!__atomic_compare_exchange_n(&p->aside, &first, object, false,
					    __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
}

/* All of it, and so there is no ABA. */
free_object *take_aside(rseq_pool *p)
{
	if (!__atomic_load_n(&p->aside, __ATOMIC_RELAXED))
		return nullptr;
	return static_cast<free_object *>(
		__atomic_exchange_n(&p->aside, nullptr, __ATOMIC_ACQUIRE));
}

void share_aside(rseq_pool *p)
{
	for (free_object *f = take_aside(p); f;) {
		free_object *const next = next_of(f);
		share(p, f);
		f = next;
	}
}

size_t refill(void *arg, void **objects, size_t n)
{
	rseq_pool *const p = static_cast<rseq_pool *>(arg);
	thread_lock lock(&p->lock, thread_lock::leaf);
	size_t k = 0;

	if (!lock.held)		/* a handler in the middle of this */
		return 0;
	share_aside(p);
	while (k < n && (p->free || (k == 0 && add_slab(p)))) {
		auto *const f = static_cast<free_object *>(p->free);
		p->free = next_of(f);
		objects[k++] = f;
	}
	return k;
}

/* A handler that has interrupted its own thread in here cannot wait. */
void drain(void *arg, void **objects, size_t n)
{
	rseq_pool *const p = static_cast<rseq_pool *>(arg);
	thread_lock lock(&p->lock, thread_lock::leaf);

	for (size_t i = 0; i < n; ++i)
		if (lock.held)
			share(p, objects[i]);
		else
			put_aside(p, objects[i]);
}

size_t shared_objects(const rseq_pool *p)
{
	size_t n = 0;

	for (auto *f = static_cast<free_object *>(p->free); f; f = next_of(f))
		++n;
	return n;
}

}

int rseq_pool_init(struct rseq_pool *p, size_t size, size_t align, size_t limit)
	noexcept
{
	*p = {};
	if (align == 0)
		align = 16;
	if (size == 0 || size > 8192 || align > header || (align & (align - 1)))
		return -EINVAL;
	if (size < sizeof(free_object))
		size = sizeof(free_object);
	if (align < alignof(free_object))
		align = alignof(free_object);
	p->size = (size + align - 1) & ~(align - 1);
	p->per_slab = (slab_size - header) / p->size;
	p->slabs_left = limit ? limit / slab_size : SIZE_MAX;
	if (p->slabs_left == 0)
		return -EINVAL;
	/* So much memory may lie free on a cpu: 32 kB, and 4 to 256 objects. */
	size_t capacity = 32768 / p->size;
	capacity = capacity < 4 ? 4 : capacity > 256 ? 256 : capacity;
	const int ret = rseq_cache_init(&p->cache, (unsigned int)capacity,
					refill, drain, p);
	if (ret)
		*p = {};
	return ret;
}

void rseq_pool_fini(struct rseq_pool *p) noexcept
{
	errno_guard keep;

	if (!p->size)
		return;
	rseq_cache_fini(&p->cache);
	for (rseq_slab_ *s = p->slabs; s;) {
		rseq_slab_ *const next = s->next;
		munmap(s, slab_size);
		s = next;
	}
	*p = {};
}

/* Drop from the shared list what is in slabs that are wholly on it. */
static long unmap_free_slabs(rseq_pool *p)
{
	long unmapped = 0;

	for (rseq_slab_ *s = p->slabs; s; s = s->next)
		s->free = 0;
	for (auto *f = static_cast<free_object *>(p->free); f; f = next_of(f))
		++slab_of(f)->free;
	/* One by one: a child that is forked meanwhile has all others. */
	free_object *kept = nullptr;
	for (auto *f = static_cast<free_object *>(p->free); f;) {
		free_object *const next = next_of(f);
		if (slab_of(f)->free != p->per_slab)
			kept = f;
		else if (kept)
			set_next(kept, next);
		else
			p->free = next;
		f = next;
	}
	rseq_slab_ *gone = nullptr;
	for (rseq_slab_ **s = &p->slabs; *s;) {
		rseq_slab_ *const slab = *s;
		if (slab->free != p->per_slab) {
			s = &slab->next;
			continue;
		}
		*s = slab->next;
		slab->next = gone;
		gone = slab;
		++p->slabs_left;
	}
	/* The pool is whole without them, whatever becomes of this thread. */
	while (gone) {
		rseq_slab_ *const slab = gone;
		gone = slab->next;
		munmap(slab, slab_size);
		++unmapped;
	}
	return unmapped;
}

long rseq_pool_trim(struct rseq_pool *p) noexcept
{
	if (!p->size)
		return -EINVAL;
	const int ret = rseq_cache_drain(&p->cache);
	if (ret)
		return ret;
	errno_guard keep;
	thread_lock lock(&p->lock, thread_lock::leaf);
	if (!lock.held)
		return -EDEADLK;
	share_aside(p);
	return unmap_free_slabs(p);
}

void rseq_pool_read(struct rseq_pool *p, struct rseq_pool_stats *stats) noexcept
{
	struct rseq_cache_stats cached;

	*stats = {};
	if (!p->size)
		return;
	rseq_cache_read(&p->cache, &cached);
	thread_lock lock(&p->lock, thread_lock::leaf);
	if (!lock.held)
		return;
	for (rseq_slab_ *s = p->slabs; s; s = s->next)
		++stats->slabs;
	stats->bytes = stats->slabs * slab_size;
	stats->objects = stats->slabs * p->per_slab;
	stats->cached = cached.held;
	stats->shared = shared_objects(p);
}

/*
 * Under the lock: does an object of this pool's begin there?  A handler that
 * has interrupted the lock's holder may ask, too: the list of slabs is whole at
 * any time.
 */
static bool is_object(const rseq_pool *p, const void *object)
{
	const rseq_slab_ *const slab = slab_of(object);
	const size_t offset = (size_t)((const char *)object -
				       (const char *)slab);

	for (rseq_slab_ *s = p->slabs; s; s = s->next)
		if (s == slab)
			return offset >= header &&
				(offset - header) % p->size == 0 &&
				(offset - header) / p->size < p->per_slab;
	return false;
}

int rseq_pool_owns(struct rseq_pool *p, const void *object) noexcept
{
	if (!p->size)
		return 0;
	thread_lock lock(&p->lock, thread_lock::leaf);
	return lock.held || lock.mine ? is_object(p, object) : -EDEADLK;
}

/*
 * For the checks.  What handlers have put aside is not looked at: it may be on
 * its way.
 */
pool_object pool_knows(rseq_pool *p, const void *object)
{
	if (!p->size)
		return pool_object::foreign;
	thread_lock lock(&p->lock, thread_lock::leaf);
	if (!lock.held)
		return pool_object::unknown;
	if (!is_object(p, object))
		return pool_object::foreign;
	for (auto *f = static_cast<free_object *>(p->free); f; f = next_of(f))
		if (f == object)
			return pool_object::shared;
	return pool_object::elsewhere;
}
