/* SPDX-License-Identifier: MIT */
#include <sched.h>

#include <rseq/cache.h>
#include "debug.hh"
#include "guard.hh"
#include "internal.hh"
#include "live.hh"

/*
 * Each cpu has two stacks: one that only sections change, and behind it one for
 * threads that run none, which is changed with its count locked.  A locked
 * count is negative, and nobody waits for it: sections do without it, and the
 * other threads go to the next cpu's, and then to the source.
 *
 *	sign | holder's thread id << 16 | count
 *
 * Draining locks the counts of all cpus, lets the sections that had begun come
 * to their end with one fence, and takes what is there.  A count that a section
 * has overwritten meanwhile is locked again.
 */
static constexpr uintptr_t lock_bit = (uintptr_t)1 <<
	(sizeof(uintptr_t) * 8 - 1);
static constexpr unsigned int count_bits = 16;
static constexpr size_t batch = 32;	/* objects for or from the source */

static uintptr_t locked_by(uint32_t thread, uintptr_t count)
{
	return lock_bit | (uintptr_t)thread << count_bits | count;
}

static uintptr_t count_in(uintptr_t word)
{
	return word & (((uintptr_t)1 << count_bits) - 1);
}

static uint32_t holder_of(uintptr_t word)
{
	return (uint32_t)((word & ~lock_bit) >> count_bits);
}

static uintptr_t load(const uintptr_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static uintptr_t capacity_of(const rseq_cache *c)
{
	return __atomic_load_n(&c->capacity, __ATOMIC_RELAXED);
}

static bool change(uintptr_t *word, uintptr_t from, uintptr_t to)
{
	return __atomic_compare_exchange_n(word, &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* ---- the stacks ---- */

static size_t stack_size(uintptr_t room)
{
	return ((room + 1) * sizeof(uintptr_t) + 63) & ~(size_t)63;
}

static uintptr_t *section_stack(const rseq_cache *c, unsigned int cpu)
{
	return rseq_percpu_ptr(c->stacks, cpu);
}

static uintptr_t *locked_stack(const rseq_cache *c, unsigned int cpu)
{
	return section_stack(c, cpu) + stack_size(c->room) /
		sizeof(uintptr_t);
}

/* ---- ThreadSanitizer, where the program has it ---- */

/* Whoever gets an object also finds what was written before it was put. */
extern "C" {
__attribute__((__weak__)) void __tsan_acquire(void *);
__attribute__((__weak__)) void __tsan_release(void *);
}

static void tell_got(void **objects, size_t n)
{
	for (size_t i = 0; __tsan_acquire && i < n; ++i)
		__tsan_acquire(objects[i]);
}

static void tell_put(void **objects, size_t n)
{
	for (size_t i = 0; __tsan_release && i < n; ++i)
		__tsan_release(objects[i]);
}

/* ---- the source ---- */

static size_t ask(rseq_cache *c, void **objects, size_t n)
{
	const size_t got = c->refill ? c->refill(c->arg, objects, n) : 0;

	count_up(&c->stats.refills, 1);
	count_up(&c->stats.refilled, got);
	tell_put(objects, got);
	return got;
}

static void give_back(rseq_cache *c, void **objects, size_t n)
{
	if (n == 0)
		return;
	tell_got(objects, n);
	c->drain(c->arg, objects, n);
	count_up(&c->stats.drains, 1);
	count_up(&c->stats.drained, n);
}

/* ---- moving objects ---- */

/* So many objects go from one place to another, and count is what results. */
struct move {
	size_t n;
	uintptr_t *to;
	const uintptr_t *from;
	uintptr_t count;
};

/* As many as there is room for.  No locked count is below the capacity. */
struct pushing {
	const rseq_cache *c;
	void **objects;
	size_t n;

	move on(uintptr_t *stack, uintptr_t count) const
	{
		const uintptr_t capacity = capacity_of(c);
		if (count >= capacity)
			return {};
		const size_t k = n < capacity - count ? n : capacity - count;
		const auto from = reinterpret_cast<const uintptr_t *>(objects);
		return {k, stack + 1 + count, from, count + k};
	}
};

/* As many as there are. */
struct popping {
	void **objects;
	size_t n;

	move on(uintptr_t *stack, uintptr_t count) const
	{
		if (count & lock_bit)
			return {};
		const size_t k = n < count ? n : count;
		return {k, reinterpret_cast<uintptr_t *>(objects),
			stack + 1 + count - k, count - k};
	}
};

/* By a section: how many, or -1 without sections. */
template <class Plan> static long move_some(const rseq_cache *c,
						     const Plan &plan)
{
	for (int tries = 16; tries > 0; --tries) {
		const rseq_cpu_t cpu = rseq_this_cpu();
		if (cpu.n < 0)
			return -1;
		uintptr_t *const stack =
			section_stack(c, (unsigned int)cpu.n);
		const uintptr_t count = load(stack);
		const move m = plan.on(stack, count);
		if (m.n == 0)
			return 0;
		const rseq_result result = rseq_copy_cpu_(stack, count,
			m.to, m.from, m.n * sizeof(uintptr_t), m.count, cpu);
		if (result == RSEQ_COMMITTED)
			return (long)m.n;
		if (result == RSEQ_UNAVAILABLE)
			return -1;
	}
	return -1;
}

/*
 * By locking the count: how many.  A thread that has lost its cpu in there
 * keeps its stack locked for as long: the next cpu's serves as well then.
 */
template <class Plan> static size_t move_locked(const rseq_cache *c,
							 const Plan &plan)
{
	unsigned int cpu = recent_cpu();

	for (int tries = 4; tries > 0; --tries) {
		uintptr_t *const stack = locked_stack(c, cpu);
		const uintptr_t count = load(stack);
		const move m = plan.on(stack, count);

		if (m.n > 0 && change(stack, count,
				      locked_by(thread_id(), count))) {
			for (size_t i = 0; i < m.n; ++i)
				m.to[i] = m.from[i];
			__atomic_store_n(stack, m.count, __ATOMIC_RELEASE);
			return m.n;
		}
		if (m.n == 0 && !(count & lock_bit))
			return 0;
		cpu = cpu + 1 < rseq_cpu_limit() ? cpu + 1 : 0;
	}
	return 0;
}

/* ---- get and put ---- */

size_t rseq_cache_get_n(struct rseq_cache *c, void **objects, size_t n)
{
	size_t got = 0;

	if (!c->stacks)
		return 0;
	if (sections_live()) {
		const long k = move_some(c, popping{objects, n});
		got = k > 0 ? (size_t)k : 0;
	}
	if (got < n)
		got += move_locked(c, popping{objects + got, n - got});
	if (got < n)
		got += ask(c, objects + got, n - got);
	tell_got(objects, got);
	return got;
}

void *rseq_cache_get_slow_(struct rseq_cache *c)
{
	void *objects[batch];
	const uintptr_t half = capacity_of(c) / 2 + 1;

	if (!c->stacks)
		return nullptr;
	if ((sections_live() && move_some(c, popping{objects, 1}) == 1) ||
	    move_locked(c, popping{objects, 1}) == 1) {
		tell_got(objects, 1);
		return objects[0];
	}
	const size_t got = ask(c, objects, half < batch ? half : batch);
	if (got == 0)
		return nullptr;
	tell_got(objects, 1);
	if (got > 1)
		(void)rseq_cache_put_n(c, objects + 1, got - 1);
	return objects[0];
}

int rseq_cache_put_n(struct rseq_cache *c, void **objects, size_t n)
{
	if (!c->stacks)
		return -EINVAL;
	for (size_t i = 0; i < n; ++i)
		if (!objects[i])
			return -EINVAL;
	tell_put(objects, n);
	if (n > 0 && sections_live()) {
		const long k = move_some(c, pushing{c, objects, n});
		if (k >= 0) {
			give_back(c, objects + k, n - (size_t)k);
			return 0;
		}
	}
	const size_t k = n ? move_locked(c, pushing{c, objects, n}) : 0;
	give_back(c, objects + k, n - k);
	return 0;
}

/* Make room for a while: half of a full stack goes back in one call. */
int rseq_cache_put_slow_(struct rseq_cache *c, void *object)
{
	void *objects[batch];
	const uintptr_t half = capacity_of(c) / 2;

	if (!c->stacks || !object)
		return -EINVAL;
	if (sections_live()) {
		const long k = move_some(c, pushing{c, &object, 1});
		if (k == 1)
			return 0;
		if (k == 0) {
			const long full = move_some(c, popping{objects,
				half < batch ? half : batch - 1});
			objects[full > 0 ? full : 0] = object;
			give_back(c, objects,
				  (full > 0 ? (size_t)full : 0) + 1);
			return 0;
		}
	}
	if (move_locked(c, pushing{c, &object, 1}) == 0)
		give_back(c, &object, 1);
	return 0;
}

/* ---- making, draining, changing ---- */

int rseq_cache_init(struct rseq_cache *c, unsigned int capacity,
		    rseq_cache_refill_t *refill, rseq_cache_drain_t *drain,
		    void *arg) noexcept
{
	*c = {};
	if (capacity == 0 || capacity > RSEQ_CACHE_MAX || !drain)
		return -EINVAL;
	void *const stacks = rseq_percpu_alloc(2 * stack_size(capacity), 64);
	if (!stacks)
		return -ENOMEM;
	c->stacks = static_cast<uintptr_t *>(stacks);
	c->capacity = c->room = capacity;
	c->refill = refill;
	c->drain = drain;
	c->arg = arg;
	return 0;
}

/* Give back what is on a locked stack, but for keep objects; unlock it. */
static void empty(rseq_cache *c, uintptr_t *stack, uintptr_t keep)
{
	const uint32_t thread = thread_id();
	uintptr_t count = count_in(load(stack));

	while (count > keep) {
		void *objects[batch];
		const size_t k = count - keep < batch ? count - keep : batch;

		count -= k;
		for (size_t i = 0; i < k; ++i)
			objects[i] = (void *)stack[1 + count + i];
		/* A child forked from here on has only what is left. */
		__atomic_store_n(stack, locked_by(thread, count),
				 __ATOMIC_RELEASE);
		give_back(c, objects, k);
	}
	__atomic_store_n(stack, count, __ATOMIC_RELEASE);
}

/* Lock a count, or take over a lock whose holder is no more. */
static bool lock_count(uintptr_t *stack, uint32_t thread)
{
	const uintptr_t word = load(stack);
	errno_guard keep;

	if ((word & lock_bit) && thread_exists(holder_of(word)))
		return false;
	return change(stack, word, locked_by(thread, count_in(word)));
}

static bool held_by(const uintptr_t *stack, uint32_t thread)
{
	const uintptr_t word = load(stack);

	return (word & lock_bit) && holder_of(word) == thread;
}

static int drain_to(rseq_cache *c, uintptr_t keep)
{
	const unsigned int limit = rseq_cpu_limit();
	const uint32_t thread = thread_id();
	int ret = 0;

	for (bool again = true; again && ret == 0;) {
		for (unsigned int cpu = 0; cpu < limit; ++cpu)
			while (!held_by(section_stack(c, cpu), thread))
				lock_count(section_stack(c, cpu), thread);
		ret = fence_all();
		again = false;
		for (unsigned int cpu = 0; cpu < limit; ++cpu)
			again |= !held_by(section_stack(c, cpu), thread);
	}
	for (unsigned int cpu = 0; cpu < limit; ++cpu) {
		uintptr_t *const stack = section_stack(c, cpu);
		if (ret == 0) {
			empty(c, stack, keep);
		} else {
			const uintptr_t word = load(stack);
			if (held_by(stack, thread))
				change(stack, word, count_in(word));
		}
	}
	if (ret)
		return ret;
	for (unsigned int cpu = 0; cpu < limit; ++cpu) {
		uintptr_t *const stack = locked_stack(c, cpu);
		while (load(stack) != 0 && !held_by(stack, thread))
			if (!lock_count(stack, thread))
				sched_yield();	/* held for some instructions */
		if (held_by(stack, thread))
			empty(c, stack, keep);
	}
	return 0;
}

int rseq_cache_drain(struct rseq_cache *c)
{
	if (!c->stacks)
		return -EINVAL;
	thread_lock lock(&c->holder);
	return lock.held ? drain_to(c, 0) : -EDEADLK;
}

int rseq_cache_resize(struct rseq_cache *c, unsigned int capacity)
{
	if (!c->stacks || capacity == 0 || capacity > c->room)
		return -EINVAL;
	thread_lock lock(&c->holder);
	if (!lock.held)
		return -EDEADLK;
	const uintptr_t before = capacity_of(c);
	__atomic_store_n(&c->capacity, capacity, __ATOMIC_RELAXED);
	const int ret = drain_to(c, capacity);
	if (ret)
		__atomic_store_n(&c->capacity, before, __ATOMIC_RELAXED);
	return ret;
}

void rseq_cache_fini(struct rseq_cache *c)
{
	if (!c->stacks)
		return;
	for (unsigned int cpu = 0; cpu < rseq_cpu_limit(); ++cpu) {
		empty(c, section_stack(c, cpu), 0);
		empty(c, locked_stack(c, cpu), 0);
	}
	(void)rseq_percpu_free(c->stacks);
	*c = {};
}

void rseq_cache_read(const struct rseq_cache *c,
		     struct rseq_cache_stats *stats) noexcept
{
	*stats = {counted(c->stats.refills), counted(c->stats.refilled),
		  counted(c->stats.drains), counted(c->stats.drained), 0};
	for (unsigned int cpu = 0; c->stacks && cpu < rseq_cpu_limit(); ++cpu)
		stats->held += count_in(load(section_stack(c, cpu))) +
			count_in(load(locked_stack(c, cpu)));
}

/* ---- for the checks: is an object on a stack? ---- */

static bool on_stack(const uintptr_t *stack, const void *object)
{
	const uintptr_t count = count_in(load(stack));

	for (uintptr_t i = 1; i <= count; ++i)
		if (load(stack + i) == (uintptr_t)object)
			return true;
	return false;
}

/*
 * What was read may be the slot before a push and the count behind it: look
 * again when the stores of all sections that had begun are there to see.
 */
bool cache_holds(const rseq_cache *c, const void *object)
{
	for (unsigned int cpu = 0; cpu < rseq_cpu_limit(); ++cpu) {
		const uintptr_t *const stacks[] = {section_stack(c, cpu),
						   locked_stack(c, cpu)};
		for (const uintptr_t *stack : stacks)
			if (on_stack(stack, object) && fence_all() == 0 &&
			    on_stack(stack, object))
				return true;
	}
	return false;
}
