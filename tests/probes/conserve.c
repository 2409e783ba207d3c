/* SPDX-License-Identifier: MIT */
/*
 * conserve KIND SECONDS: what is put into a structure comes out of it exactly
 * once, says the log of each thread and handler, merged.  Threads of both kinds
 * are moved from cpu to cpu and interrupted every 200 us; another one drains,
 * forks children that go on with what they have, and throws pages away, so that
 * the next access faults.
 *
 * Objects and logs are written by plain stores: nothing but the structure
 * orders them.
 */
#include "area.h"
#include "under_load.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <rseq/cache.h>
#include <rseq/counters.h>
#include <rseq/list.h>
#include <rseq/pool.h>
#include <rseq/ring.h>

enum { THREADS = 6, ACTORS = 2 * THREADS, MINE = 24, LOG = 100000,
       OBJECTS = 3000, CAPACITY = 48, COUNTERS = 40, SLABS = 8, HELD = 3 };

struct object {
	uint32_t turn;		/* how often it was handed out */
	struct object *next;
};

/* A thread or its handler: what it has, and what it was given so far. */
struct actor {
	uint64_t *log;
	size_t logged;
	uint32_t random, id;
	void *mine[MINE];
	size_t have;
};

static struct actor actors[ACTORS];
static __thread struct actor *self;	/* and its handler's is behind it */
static __thread int in_handler;
static long signals, wrong, unavailable, drains, forks, bad_children, faults,
	    chains;
static int stop;

static uint32_t draw(struct actor *a, uint32_t below)
{
	a->random = a->random * 1664525 + 1013904223;
	return (a->random >> 8) % below;
}

static void bad(int is)
{
	if (is)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static void count(long *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

static void note(struct actor *a, uint64_t what)
{
	a->log[a->logged++] = what;
}

/* ---- objects that are handed out again and again ---- */

static struct object objects[OBJECTS];

static void *(*get)(void);
static int (*put)(void *);

/* Whoever has an object counts; two that have it would count the same. */
static void take_one(struct actor *a)
{
	struct object *o = get();

	if (!o)
		return;
	note(a, (uint64_t)(o - objects) << 32 | o->turn);
	++o->turn;
	a->mine[a->have++] = o;
}

static void exchange(struct actor *a)
{
	const size_t most = a == self ? MINE : HELD;

	if (a->have < most && draw(a, 2))
		take_one(a);
	else if (a->have > 0)
		bad(put(a->mine[--a->have]));
}

static void give_back(struct actor *a)
{
	while (a->have > 0)
		bad(put(a->mine[--a->have]));
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t *merged;
static size_t entries;

static void merge(void)
{
	merged = malloc(sizeof *merged * ACTORS * LOG);
	for (int i = 0; i < ACTORS; ++i) {
		memcpy(merged + entries, actors[i].log,
		       actors[i].logged * sizeof *merged);
		entries += actors[i].logged;
	}
	qsort(merged, entries, sizeof *merged, by_value);
}

/* Each turn of each object is in one log, and is the next after the last. */
static void check_turns(void)
{
	long twice = 0, gaps = 0, untold = 0;
	size_t e = 0;

	merge();
	for (uint64_t i = 0; i < OBJECTS; ++i) {
		uint32_t turn = 0;
		for (; e < entries && merged[e] >> 32 == i; ++e) {
			twice += turn && (uint32_t)merged[e] == turn - 1;
			gaps += (uint32_t)merged[e] > turn;
			turn = (uint32_t)merged[e] + 1;
		}
		untold += turn != objects[i].turn;
	}
	printf("entries=%zu\ntwice=%ld\ngaps=%ld\nuntold=%ld\n", entries,
	       twice, gaps, untold);
}

/* ---- the cache ---- */

static struct rseq_cache cache;
static struct object *source, *aside;
static int source_lock;

/* A handler must not wait for what it has interrupted. */
static int lock_source(void)
{
	while (__atomic_exchange_n(&source_lock, 1, __ATOMIC_ACQUIRE)) {
		if (in_handler)
			return 0;
		sched_yield();
	}
	return 1;
}

static void unlock_source(void)
{
	__atomic_store_n(&source_lock, 0, __ATOMIC_RELEASE);
}

static size_t refill(void *arg, void **to, size_t n)
{
	size_t k = 0;

	(void)arg;
	if (!lock_source())
		return 0;
	for (; k < n && source; source = source->next)
		to[k++] = source;
	unlock_source();
	return k;
}

static void drain(void *arg, void **from, size_t n)
{
	const int locked = lock_source();

	(void)arg;
	for (size_t i = 0; i < n; ++i) {
		struct object *const o = from[i];
		if (locked) {
			o->next = source;
			source = o;
			continue;
		}
		o->next = __atomic_load_n(&aside, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(&aside, &o->next, o, 0,
						    __ATOMIC_RELEASE,
						    __ATOMIC_RELAXED))
			;
	}
	if (locked)
		unlock_source();
}

static void *cache_get(void) { return rseq_cache_get(&cache); }
static int cache_put(void *o) { return rseq_cache_put(&cache, o); }

static int cache_begin(void)
{
	get = cache_get;
	put = cache_put;
	for (size_t i = 0; i < OBJECTS; ++i) {
		objects[i].next = source;
		source = &objects[i];
	}
	return rseq_cache_init(&cache, CAPACITY, refill, drain, NULL);
}

static void cache_disturb(unsigned int n)
{
	const int ret = n % 4 == 3 ?
		rseq_cache_resize(&cache, n % 8 == 3 ? 5 : CAPACITY) :
		rseq_cache_drain(&cache);

	bad(ret);
	drains += !ret;
}

static size_t length_of(const struct object *list)
{
	size_t n = 0;

	for (; list && n <= OBJECTS; list = list->next)
		++n;
	return n;
}

/* What the child has found it has once; the threads it lost had the rest. */
static int cache_in_child(void)
{
	static char seen[OBJECTS];
	struct object *all[OBJECTS];
	size_t n = 0;

	if (rseq_cache_drain(&cache) || length_of(source) > OBJECTS ||
	    length_of(aside) > OBJECTS)
		return 2;
	while (n < OBJECTS && (all[n] = rseq_cache_get(&cache)))
		if (seen[all[n++] - objects]++)
			return 3;
	for (struct object *o = aside; o; o = o->next)
		if (seen[o - objects]++)
			return 4;
	/* Those that threads held, and at most a batch each on the way. */
	return n + length_of(aside) + ACTORS * (MINE + 2 * CAPACITY) < OBJECTS ?
		5 : 0;
}

static void cache_end(void)
{
	struct rseq_cache_stats s;

	rseq_cache_read(&cache, &s);
	printf("unbalanced=%lld\nover=%d\n",
	       (long long)(s.refilled - s.drained - s.held),
	       s.held > (uint64_t)2 * CAPACITY * rseq_cpu_limit());
	rseq_cache_fini(&cache);
	printf("lost=%ld\n", (long)OBJECTS - (long)length_of(source) -
	       (long)length_of(aside));
	check_turns();
}

/* ---- lists and stacks, which a thread without sections cannot use ---- */

static struct slot {
	struct object *list;
	intptr_t n;
	struct object *items[OBJECTS];
} *slots;	/* per-cpu */

static int none(enum rseq_result r)
{
	if (r == RSEQ_UNAVAILABLE)
		count(&unavailable);
	return r != RSEQ_COMMITTED;
}

/* All but the first of a chain, back on the list that is here now. */
static void put_rest(struct object *o)
{
	struct object *const rest = o->next, *last = rest;
	enum rseq_result r;

	if (!rest)
		return;
	while (last->next)
		last = last->next;
	do
		r = rseq_this_cpu_list_push(&slots->list, rest, &last->next);
	while (r == RSEQ_RESTARTED);
	bad(r != RSEQ_COMMITTED);
	count(&chains);
}

static void *list_get(void)
{
	static __thread unsigned int turn;
	const int all = ++turn % 8 == 0;
	struct object *o;
	enum rseq_result r;

	do
		r = all ? rseq_this_cpu_list_pop_all(&slots->list, &o) :
			rseq_this_cpu_list_pop(&slots->list, &o,
					       offsetof(struct object, next));
	while (r == RSEQ_RESTARTED);
	if (all && r == RSEQ_COMMITTED)
		put_rest(o);
	return none(r) ? NULL : o;
}

static int list_put(void *arg)
{
	struct object *const o = arg;
	enum rseq_result r;

	do
		r = rseq_this_cpu_list_push(&slots->list, o, &o->next);
	while (r == RSEQ_RESTARTED);
	return none(r);
}

static void *stack_get(void)
{
	struct object *o;
	enum rseq_result r;

	do {
		const rseq_cpu_t cpu = rseq_this_cpu();
		struct slot *const s = rseq_percpu_ptr(slots,
						       cpu.n < 0 ? 0 : cpu.n);
		r = rseq_stack_pop(s->items, &s->n, &o, cpu);
	} while (r == RSEQ_RESTARTED);
	return none(r) ? NULL : o;
}

static int stack_put(void *arg)
{
	struct object *const o = arg;
	enum rseq_result r;

	do {
		const rseq_cpu_t cpu = rseq_this_cpu();
		struct slot *const s = rseq_percpu_ptr(slots,
						       cpu.n < 0 ? 0 : cpu.n);
		r = rseq_stack_push(s->items, &s->n, OBJECTS, o, cpu);
	} while (r == RSEQ_RESTARTED);
	return none(r);
}

static int list_begin(void)
{
	struct slot *const first = slots = rseq_percpu_alloc(sizeof *slots, 64);

	get = list_get;
	put = list_put;
	for (size_t i = 0; first && i < OBJECTS; ++i) {
		struct slot *const s = rseq_percpu_ptr(first,
						       rseq_cpu_start());
		objects[i].next = s->list;
		s->list = &objects[i];
	}
	return !first;
}

static int stack_begin(void)
{
	slots = rseq_percpu_alloc(sizeof *slots, 64);
	get = stack_get;
	put = stack_put;
	for (size_t i = 0; slots && i < OBJECTS; ++i) {
		struct slot *const s = rseq_percpu_ptr(slots,
						       rseq_cpu_start());
		s->items[s->n++] = &objects[i];
	}
	return !slots;
}

static void slots_end(void)
{
	struct slot *s;
	size_t there = 0;

	RSEQ_FOR_EACH_CPU(s, slots)
		there += length_of(s->list) + (size_t)s->n;
	printf("lost=%ld\nchains=%ld\n", (long)OBJECTS - (long)there,
	       chains);
	check_turns();
}

/* ---- the pool, whose memory comes and goes ---- */

static struct rseq_pool pool;
static uint64_t most_bytes;

struct stamped {
	uint64_t word[12];
};

static void pool_step(struct actor *a)
{
	const size_t most = a == self ? MINE : HELD;

	if (a->have < most && draw(a, 2)) {
		struct stamped *const s = rseq_pool_alloc(&pool);
		const uint64_t stamp = (uint64_t)a->id << 32 | a->logged;
		if (!s)
			return;
		for (int i = 0; i < 12; ++i)
			s->word[i] = stamp + (uint64_t)i;
		note(a, (uintptr_t)s);
		a->mine[a->have++] = s;
	} else if (a->have > 0) {
		struct stamped *const s = a->mine[--a->have];
		bad(s->word[0] >> 32 != a->id);
		for (int i = 1; i < 12; ++i)
			bad(s->word[i] != s->word[0] + (uint64_t)i);
		rseq_pool_free(&pool, s);
	}
}

static void pool_give_back(struct actor *a)
{
	while (a->have > 0)
		rseq_pool_free(&pool, a->mine[--a->have]);
}

static int pool_begin(void)
{
	return rseq_pool_init(&pool, sizeof(struct stamped), 0,
			      SLABS * RSEQ_SLAB_SIZE);
}

static void pool_disturb(unsigned int n)
{
	struct rseq_pool_stats s;
	const long ret = n % 4 ? 0 : rseq_pool_trim(&pool);

	bad(ret < 0);
	drains += n % 4 == 0;
	rseq_pool_read(&pool, &s);
	most_bytes = s.bytes > most_bytes ? s.bytes : most_bytes;
}

static int pool_in_child(void)
{
	void *mine[200];

	if (rseq_pool_trim(&pool) < 0)
		return 2;
	for (uint64_t i = 0; i < 200; ++i) {
		mine[i] = rseq_pool_alloc(&pool);
		if (!mine[i])
			return 3;
		*(uint64_t *)mine[i] = i;
	}
	for (uint64_t i = 0; i < 200; ++i) {
		if (*(uint64_t *)mine[i] != i)
			return 4;
		rseq_pool_free(&pool, mine[i]);
	}
	return 0;
}

static void pool_end(void)
{
	struct rseq_pool_stats s;

	rseq_pool_read(&pool, &s);
	printf("lost=%lld\n", (long long)(s.objects - s.cached - s.shared));
	printf("over=%d\n", most_bytes > SLABS * RSEQ_SLAB_SIZE ||
	       s.bytes > SLABS * RSEQ_SLAB_SIZE);
	printf("left=%lld\n", (long long)s.slabs - rseq_pool_trim(&pool));
	merge();
	printf("entries=%zu\n", entries);
	rseq_pool_fini(&pool);
}

/* ---- the ring, in a file; what is written is read once ---- */

static struct rseq_ring ring;
static uint64_t *seen;
static size_t n_seen;
static long refused;

static void ring_step(struct actor *a)
{
	const uint64_t record = (uint64_t)a->id << 32 | a->logged;
	const size_t padding = draw(a, 9);
	uint64_t data[10];

	for (size_t i = 0; i <= padding; ++i)
		data[i] = record + i;
	if (rseq_ring_write(&ring, data, 8 * (padding + 1)) == 0)
		note(a, record);
	else
		count(&refused);
}

static void see(void *arg, unsigned int cpu, const void *data, size_t n)
{
	const uint64_t *const word = data;

	(void)arg, (void)cpu;
	for (size_t i = 1; i < n / 8; ++i)
		bad(word[i] != word[0] + i);
	if (n_seen < (size_t)ACTORS * LOG)
		seen[n_seen] = word[0];
	++n_seen;
}

static int ring_begin(void)
{
	seen = malloc(sizeof *seen * ACTORS * LOG);
	return rseq_ring_init(&ring, 1 << 14, 0, memfd_create("ring", 0));
}

static void ring_disturb(unsigned int n)
{
	(void)n;
	bad(rseq_ring_read(&ring, see, NULL) < 0);
	++drains;
	/* Shared with the file, which has it all. */
	if (madvise(ring.memory, ring.mapped, MADV_DONTNEED) == 0)
		count(&faults);
}

static void ring_end(void)
{
	struct rseq_ring_stats s;

	rseq_ring_read(&ring, see, NULL);
	rseq_ring_read_stats(&ring, &s);
	merge();
	qsort(seen, n_seen, sizeof *seen, by_value);
	printf("entries=%zu\nlost=%ld\n", entries,
	       (long)entries - (long)n_seen);
	printf("different=%d\n", n_seen != entries ||
	       memcmp(seen, merged, n_seen * sizeof *seen));
	printf("miscounted=%d\n", s.written != entries || s.read != entries ||
	       s.dropped != (uint64_t)refused || s.overwritten != 0);
}

/* ---- counters, which are taken meanwhile ---- */

static struct rseq_counters counters;
static intptr_t taken[COUNTERS];

static void counters_step(struct actor *a)
{
	const uint32_t i = draw(a, COUNTERS);

	rseq_counters_add(&counters, i * 40, 1);
	note(a, i);
}

static int counters_begin(void)
{
	/* The first add to a segment may not be a handler's. */
	for (size_t i = 0; i < COUNTERS; ++i)
		rseq_counters_add(&counters, i * 40, 0);
	return 0;
}

static void counters_disturb(unsigned int n)
{
	(void)n;
	for (size_t i = 0; i < COUNTERS; ++i)
		taken[i] += rseq_counters_take(&counters, i * 40);
	++drains;
}

static void counters_end(void)
{
	intptr_t added[COUNTERS] = {0};
	long differ = 0;

	merge();
	for (size_t e = 0; e < entries; ++e)
		++added[merged[e]];
	counters_disturb(0);
	for (size_t i = 0; i < COUNTERS; ++i)
		differ += taken[i] != added[i] ||
			rseq_counters_sum(&counters, i * 40) != added[i];
	printf("entries=%zu\nlost=%ld\n", entries, differ + counters.lost);
}

/* ---- the load ---- */

static int no_child(void) { return 0; }
static void no_disturb(unsigned int n) { (void)n; }
static void nothing(struct actor *a) { (void)a; }

static const struct kind {
	const char *name;
	int (*begin)(void);
	void (*step)(struct actor *), (*give_back)(struct actor *);
	void (*disturb)(unsigned int n);
	int (*in_child)(void);
	void (*end)(void);
} kinds[] = {
	{ "cache", cache_begin, exchange, give_back, cache_disturb,
	  cache_in_child, cache_end },
	{ "counters", counters_begin, counters_step, nothing, counters_disturb,
	  no_child, counters_end },
	{ "list", list_begin, exchange, give_back, no_disturb, no_child,
	  slots_end },
	{ "pool", pool_begin, pool_step, pool_give_back, pool_disturb,
	  pool_in_child, pool_end },
	{ "ring", ring_begin, ring_step, nothing, ring_disturb, no_child,
	  ring_end },
	{ "stack", stack_begin, exchange, give_back, no_disturb, no_child,
	  slots_end },
};
static const struct kind *kind;

static void unregister(void)
{
	const int length = registered_length();

	rseq_prepare_unload();
	if (length > 0)
		syscall(SYS_rseq, area(), length, 1, RSEQ_SIG);
}

static void start(unsigned int nth)
{
	if (nth % 3 == 2)
		unregister();
	self = &actors[2 * nth];
}

static long begun, duration;	/* in milliseconds */

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Not faster than the logs have room for all of the time. */
static void work(unsigned int nth)
{
	const struct timespec rest = {.tv_nsec = 200000};
	struct actor *const a = &actors[2 * nth];

	while (now() <= deadline) {
		const long part = now_ms() - begun;
		const size_t may = part < duration ? LOG / 10 * 9 *
			(size_t)part / (size_t)duration : LOG;
		for (int i = 0; i < 64 && a->logged < may; ++i)
			kind->step(a);
		if (a->logged >= may)
			nanosleep(&rest, NULL);
	}
}

static void handler(int sig)
{
	(void)sig;
	in_handler = 1;
	if (self[1].logged < LOG)
		kind->step(&self[1]);
	in_handler = 0;
	count(&signals);
}

/* In the thread, when its handler runs no more. */
static void finish(void)
{
	kind->give_back(self + 1);
	kind->give_back(self);
}

static void fork_here(void)
{
	int status = -1;
	pid_t child;

	/* As whoever forks in a program with threads has to: his own locks. */
	lock_source();
	child = fork();
	unlock_source();
	if (child == 0) {
		alarm(60);
		_exit(kind->in_child());
	}
	if (child < 0)
		return;
	waitpid(child, &status, 0);
	if (status)
		printf("child=%#x\n", (unsigned int)status);
	bad_children += status != 0;
	++forks;
}

extern char __executable_start, etext;

static void *disturb(void *unused)
{
	const uintptr_t page = (uintptr_t)getpagesize();
	const uintptr_t begin = (uintptr_t)&__executable_start & -page;
	const struct timespec rest = {.tv_nsec = 300000};
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (unsigned int n = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED);
	     ++n) {
		kind->disturb(n);
		/* Text comes back from the file; forks make data fault. */
		if (madvise((void *)begin, ((uintptr_t)&etext & -page) - begin,
			    MADV_DONTNEED) == 0)
			count(&faults);
		if (n % 32 == 1)
			fork_here();
		nanosleep(&rest, NULL);
	}
	return unused;
}

int main(int argc, char **argv)
{
	const struct load l = {THREADS, start, work, handler, 300000, finish};
	pthread_t disturber;
	int failed;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
		if (argc > 2 && !strcmp(argv[1], kinds[i].name))
			kind = &kinds[i];
	if (!kind)
		return 2;
	deadline = now() + atol(argv[2]);
	duration = 1000 * atol(argv[2]);
	for (uint32_t i = 0; i < ACTORS; ++i) {
		actors[i].id = actors[i].random = i + 1;
		actors[i].log = malloc(sizeof *actors[i].log * LOG);
	}
	begun = now_ms();
	if (kind->begin() ||
	    pthread_create(&disturber, NULL, disturb, NULL))
		return 3;
	failed = run_under_load(&l);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(disturber, NULL);
	kind->end();
	printf("failed=%d\nsignals=%ld\nmigrations=%lu\ndrains=%ld\n"
	       "forks=%ld\nbad_children=%ld\nfaults=%ld\nunavailable=%ld\n"
	       "wrong=%ld\n", failed, signals, migrations, drains, forks,
	       bad_children, faults, unavailable, wrong);
	return 0;
}
