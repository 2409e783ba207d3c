/* SPDX-License-Identifier: MIT */
#include <sys/mman.h>

#include <rseq/pool.h>
#include "debug.hh"
#include "internal.hh"

/*
 * The beginning of a slab, then its objects.  Which of them are free and shared
 * is a bit each, so that no list leads through memory that a user may still
 * write to, and what is freed twice is free once.
 */
struct rseq_slab_ {
	rseq_slab_ *next;
	rseq_slab_ *next_some_free;	/* last: itself; none: not listed */
	uintptr_t bits[];
};

/* AddressSanitizer knows an unmapped slab as poisoned, where it is at hand. */
extern "C" __attribute__((__weak__))
void __asan_unpoison_memory_region(void const volatile *, size_t);

namespace {

constexpr size_t slab_size = RSEQ_SLAB_SIZE;
constexpr size_t smallest = 8, largest_align = 64;
constexpr size_t word_bits = sizeof(uintptr_t) * 8;

/* ---- whose is an address? ---- */

/*
 * The pool of each slab in the process, by address: two levels of tables, of
 * which memory is used where there are slabs.  Handlers may ask at any time.
 */
constexpr unsigned int slab_shift = 16, leaf_shift = 15;
constexpr size_t leaf_size = (size_t)1 << leaf_shift;
constexpr size_t leaves = (size_t)1 << (sizeof(void *) == 8 ?
					48 - slab_shift - leaf_shift : 1);
static_assert(slab_size == (size_t)1 << slab_shift);

struct leaf {
	rseq_pool *pools[leaf_size];
};
struct root {
	leaf *at[leaves];
};
root *all_slabs;

template <class T> T *map_table(T **place)
{
	return made_once(place, [] {
		errno_guard keep;
		void *const at = mmap(nullptr, sizeof(T),
				      PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS |
				      MAP_NORESERVE, -1, 0);
		return at == MAP_FAILED ? nullptr : static_cast<T *>(at);
	}, [](T *made) {
		errno_guard keep;
		munmap(made, sizeof(T));
	});
}

/* Where the pool of what lies at that address is noted; or nullptr. */
rseq_pool **pool_place(const void *object, bool make)
{
	const uintptr_t slab = (uintptr_t)object >> slab_shift;

	if (slab >> leaf_shift >= leaves)
		return nullptr;
	root *const r = make ? map_table(&all_slabs) :
		__atomic_load_n(&all_slabs, __ATOMIC_ACQUIRE);
	if (!r)
		return nullptr;
	leaf **const place = &r->at[slab >> leaf_shift];
	leaf *const l = make ? map_table(place) :
		__atomic_load_n(place, __ATOMIC_ACQUIRE);
	return l ? &l->pools[slab % leaf_size] : nullptr;
}

rseq_slab_ *slab_of(const void *object)
{
	return reinterpret_cast<rseq_slab_ *>((uintptr_t)object &
					      ~(slab_size - 1));
}

/* Which object of the pool's begins there, in its slab; or -1. */
long nth_object(const rseq_pool *p, const void *object)
{
	rseq_pool **const place = pool_place(object, false);
	const size_t offset = (uintptr_t)object % slab_size;

	if (!place || __atomic_load_n(place, __ATOMIC_ACQUIRE) != p ||
	    offset < p->first || (offset - p->first) % p->size != 0)
		return -1;
	const size_t n = (offset - p->first) / p->size;
	return n < p->per_slab ? (long)n : -1;
}

/* ---- the objects that are free for all ---- */

size_t words(const rseq_pool *p)
{
	return (p->per_slab + word_bits - 1) / word_bits;
}

/* The bits as they are when all objects are free. */
uintptr_t all_free(const rseq_pool *p, size_t word)
{
	const size_t left = p->per_slab - word * word_bits;

	return left >= word_bits ? ~(uintptr_t)0 :
		((uintptr_t)1 << left) - 1;
}

size_t free_objects(const rseq_pool *p, const rseq_slab_ *slab)
{
	size_t n = 0;

	for (size_t i = 0; i < words(p); ++i)
		n += (size_t)__builtin_popcountl(
			__atomic_load_n(&slab->bits[i], __ATOMIC_ACQUIRE));
	return n;
}

void list(rseq_pool *p, rseq_slab_ *slab)
{
	if (slab->next_some_free)
		return;
	slab->next_some_free = p->some_free ? p->some_free : slab;
	p->some_free = slab;
}

/* From the bits, and the slabs, which are right at any time. */
void list_anew(rseq_pool *p)
{
	p->some_free = nullptr;
	p->slabs_left = p->most_slabs;
	for (rseq_slab_ *s = p->slabs; s; s = s->next) {
		s->next_some_free = nullptr;
		if (free_objects(p, s) > 0)
			list(p, s);
		--p->slabs_left;
	}
}

/*
 * The lock, and what is needed after it was another's: of a thread that ended
 * with it, or of one that a handler had interrupted.
 */
struct pool_lock : thread_lock {
	explicit pool_lock(rseq_pool *p) : thread_lock(&p->lock, leaf)
	{
		if (held && (inherited ||
			     (__atomic_load_n(&p->missed, __ATOMIC_RELAXED) &&
			      __atomic_exchange_n(&p->missed, 0,
						  __ATOMIC_ACQUIRE))))
			list_anew(p);
	}
};

/*
 * What is no object of the pool's, or shared already, is left alone.  A handler
 * that has interrupted its own thread with the lock only sets the bit.
 */
void share(rseq_pool *p, void *object, bool locked)
{
	const long n = nth_object(p, object);

	if (n < 0)
		return;
	rseq_slab_ *const slab = slab_of(object);
	__atomic_fetch_or(&slab->bits[(size_t)n / word_bits],
			  (uintptr_t)1 << (size_t)n % word_bits,
			  __ATOMIC_RELEASE);
	if (locked)
		list(p, slab);
	else
		__atomic_store_n(&p->missed, 1, __ATOMIC_RELEASE);
}

/* Of one slab: how many. */
size_t take_from(rseq_pool *p, rseq_slab_ *slab, void **objects, size_t n)
{
	char *const first = reinterpret_cast<char *>(slab) + p->first;
	size_t k = 0;

	for (size_t i = 0; i < words(p) && k < n; ++i)
		while (k < n) {
			const uintptr_t free = __atomic_load_n(&slab->bits[i],
							__ATOMIC_RELAXED);
			const uintptr_t bit = free & -free;
			if (!bit)
				break;
			__atomic_fetch_and(&slab->bits[i], ~bit,
					   __ATOMIC_ACQUIRE);
			objects[k++] = first + p->size * (i * word_bits +
				(size_t)__builtin_ctzl(bit));
		}
	return k;
}

/* ---- slabs ---- */

/* Aligned to their size, so that an object tells its slab. */
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

void unmap_slab(rseq_slab_ *slab)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(slab, slab_size);
	munmap(slab, slab_size);
}

bool add_slab(rseq_pool *p)
{
	if (p->slabs_left == 0)
		return false;
	rseq_slab_ *const slab = map_slab();
	if (!slab)
		return false;
	rseq_pool **const place = pool_place(slab, true);
	if (!place) {
		errno_guard keep;
		unmap_slab(slab);
		return false;
	}
	for (size_t i = 0; i < words(p); ++i)
		slab->bits[i] = all_free(p, i);
	__atomic_store_n(place, p, __ATOMIC_RELEASE);
	slab->next = p->slabs;
	p->slabs = slab;
	--p->slabs_left;
	list(p, slab);
	return true;
}

/* ---- the source of the cache ---- */

size_t refill(void *arg, void **objects, size_t n)
{
	rseq_pool *const p = static_cast<rseq_pool *>(arg);
	pool_lock lock(p);
	size_t k = 0;

	if (!lock.held)		/* a handler in the middle of this */
		return 0;
	while (k < n && (p->some_free || (k == 0 && add_slab(p)))) {
		rseq_slab_ *const slab = p->some_free;
		rseq_slab_ *const next = slab->next_some_free;
		k += take_from(p, slab, objects + k, n - k);
		if (k < n) {	/* it has no more */
			p->some_free = next == slab ? nullptr : next;
			slab->next_some_free = nullptr;
		}
	}
	return k;
}

void drain(void *arg, void **objects, size_t n)
{
	rseq_pool *const p = static_cast<rseq_pool *>(arg);
	pool_lock lock(p);

	for (size_t i = 0; i < n; ++i)
		share(p, objects[i], lock.held);
}

}

/* As many objects as there is room for behind a bit for each. */
static void fill_slabs(rseq_pool *p)
{
	for (p->per_slab = slab_size / p->size;; --p->per_slab) {
		p->first = (sizeof(rseq_slab_) +
			    words(p) * sizeof(uintptr_t) + largest_align - 1) &
			~(largest_align - 1);
		if (p->first + p->per_slab * p->size <= slab_size)
			break;
	}
}

int rseq_pool_init(struct rseq_pool *p, size_t size, size_t align, size_t limit)
	noexcept
{
	*p = {};
	if (align == 0)
		align = 16;
	if (size == 0 || size > 8192 || align > largest_align ||
	    (align & (align - 1)))
		return -EINVAL;
	const size_t most = limit ? limit / slab_size : SIZE_MAX;
	if (most == 0)
		return -EINVAL;
	if (align < smallest)
		align = smallest;
	p->size = (size + align - 1) & ~(align - 1);
	p->most_slabs = p->slabs_left = most;
	fill_slabs(p);
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
		__atomic_store_n(pool_place(s, false), nullptr,
				 __ATOMIC_RELEASE);
		unmap_slab(s);
		s = next;
	}
	*p = {};
}

/* Those of which all objects are shared; the rest is listed anew. */
static long unmap_free_slabs(rseq_pool *p)
{
	rseq_slab_ *gone = nullptr;
	long unmapped = 0;

	p->some_free = nullptr;
	for (rseq_slab_ **s = &p->slabs; *s;) {
		rseq_slab_ *const slab = *s;
		if (free_objects(p, slab) != p->per_slab) {
			s = &slab->next;
			continue;
		}
		__atomic_store_n(pool_place(slab, false), nullptr,
				 __ATOMIC_RELEASE);
		*s = slab->next;
		slab->next = gone;
		gone = slab;
	}
	list_anew(p);
	/* The pool is whole without them, whatever becomes of this thread. */
	while (gone) {
		rseq_slab_ *const slab = gone;
		gone = slab->next;
		unmap_slab(slab);
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
	pool_lock lock(p);
	return lock.held ? unmap_free_slabs(p) : -EDEADLK;
}

void rseq_pool_read(struct rseq_pool *p, struct rseq_pool_stats *stats) noexcept
{
	struct rseq_cache_stats cached;

	*stats = {};
	if (!p->size)
		return;
	rseq_cache_read(&p->cache, &cached);
	pool_lock lock(p);
	if (!lock.held)
		return;
	for (rseq_slab_ *s = p->slabs; s; s = s->next) {
		++stats->slabs;
		stats->shared += free_objects(p, s);
	}
	stats->bytes = stats->slabs * slab_size;
	stats->objects = stats->slabs * p->per_slab;
	stats->cached = cached.held;
}

int rseq_pool_owns(struct rseq_pool *p, const void *object) noexcept
{
	return p->size && nth_object(p, object) >= 0;
}

/* For the checks. */
pool_object pool_knows(rseq_pool *p, const void *object)
{
	if (!p->size)
		return pool_object::foreign;
	pool_lock lock(p);	/* it stays mapped */
	if (!lock.held)
		return pool_object::unknown;
	const long n = nth_object(p, object);
	if (n < 0)
		return pool_object::foreign;
	return __atomic_load_n(&slab_of(object)->bits[(size_t)n / word_bits],
			       __ATOMIC_ACQUIRE) >> (size_t)n % word_bits & 1 ?
		pool_object::shared : pool_object::elsewhere;
}
