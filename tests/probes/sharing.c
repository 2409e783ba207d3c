/* SPDX-License-Identifier: MIT */
/*
 * Readers and reference counts: what is found while reading is still there, and
 * each object is given up exactly once.
 *
 *	sharing stress SECONDS	threads of both kinds, moved and interrupted
 *	sharing fight SECONDS	a count that is used while it is killed
 *	sharing fences		with FENCES: what comes just before one counts
 *	sharing model [SEED]	random operations beside a simple model
 *	sharing api		results, also of what was never made
 *	sharing memory		what they do without
 *	sharing fork		what a child inherits
 *	sharing refused before|after
 *				membarrier(2), before or after they are made
 */
#include "area.h"
#include "checks.h"
#include "filter.h"
#include "many_cpus.h"
#include "under_load.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <rseq/query.h>
#include <rseq/readers.h>
#include <rseq/refcount.h>

static uint64_t random_state = 88172645463325252u;

static unsigned int draw(uint64_t *state, unsigned int below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned int)(*state >> 20) % below;
}

/* ---- a thread that runs no sections, or does again ---- */

static __thread struct rseq_info registered;

static void leave_rseq(void)
{
	rseq_query(&registered, sizeof registered);
	if (registered.length == 0)
		return;
	rseq_prepare_unload();
	syscall(SYS_rseq, registered.area, registered.length, 1, RSEQ_SIG);
}

static void rejoin_rseq(void)
{
	if (registered.length)
		syscall(SYS_rseq, registered.area, registered.length, 0,
			RSEQ_SIG);
}

/* ---- stress ---- */

enum { THREADS = 7, WRITERS = 2, SLOTS = 8, HELD = 12, ALIVE = 0x600d };

struct object {
	struct rseq_refcount refs;	/* of the slot, and of who has it */
	long alive, ends;
	struct object *next;		/* on the list of those that ended */
};

static struct rseq_readers readers;
static struct object *slots[SLOTS], *ended;
static long reads, handled, made, ends, kills, moved, early, twice, errors;
static __thread long my_reads;
static __thread uint64_t my_random;

/* A reading that another thread goes on with. */
struct passed {
	struct rseq_reading in;
	struct object *object;
};
static struct passed *mail[4];

static void add(long *to, long n)
{
	__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

/* No atomic access: sanitizers see that it is ordered. */
static void expect_alive(const struct object *o)
{
	if (*(const volatile long *)&o->alive != ALIVE)
		add(&early, 1);
}

/* Nobody has it any more.  It is kept, for the others to be caught with. */
static void end(struct object *o)
{
	if (__atomic_fetch_add(&o->ends, 1, __ATOMIC_RELAXED)) {
		add(&twice, 1);
		return;
	}
	*(volatile long *)&o->alive = 0;
	add(&ends, 1);
	o->next = __atomic_load_n(&ended, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&ended, &o->next, o, 0,
			__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void put(struct object *o)
{
	expect_alive(o);
	if (rseq_refcount_put(&o->refs))
		end(o);
}

static struct object *find(void)
{
	return __atomic_load_n(&slots[draw(&my_random, SLOTS)],
			       __ATOMIC_ACQUIRE);
}

/* Read, and sometimes keep what was found. */
static struct object *get(int keep)
{
	const struct rseq_reading in = rseq_readers_enter(&readers);
	struct object *const o = find();

	expect_alive(o);
	if (keep)
		rseq_refcount_get(&o->refs);
	if (draw(&my_random, 64) == 0)
		sched_yield();
	expect_alive(o);
	rseq_readers_leave(&readers, in);
	++my_reads;
	return o;
}

/* Begin to read here and end it in another thread. */
static void pass(void)
{
	struct passed *p = (struct passed *)malloc(sizeof *p);

	p->in = rseq_readers_enter(&readers);
	p->object = find();
	p = __atomic_exchange_n(&mail[draw(&my_random, 4)], p, __ATOMIC_ACQ_REL);
	if (!p)
		return;
	expect_alive(p->object);
	rseq_readers_leave(&readers, p->in);
	free(p);
	add(&moved, 1);
}

static void replace(void)
{
	struct object *const o = (struct object *)calloc(1, sizeof *o), *old;
	int ret;

	if (draw(&my_random, 4))	/* else it counts atomically */
		rseq_refcount_init(&o->refs);
	o->alive = ALIVE;
	add(&made, 1);
	old = __atomic_exchange_n(&slots[draw(&my_random, SLOTS)], o,
				  __ATOMIC_ACQ_REL);
	do {	/* who has been sent a reading may be this thread */
		struct passed *const p = __atomic_exchange_n(
			&mail[draw(&my_random, 4)], NULL, __ATOMIC_ACQ_REL);
		if (p) {
			expect_alive(p->object);
			rseq_readers_leave(&readers, p->in);
			free(p);
		}
		ret = rseq_readers_wait(&readers, 1);
	} while (ret == -ETIMEDOUT);
	add(&errors, ret != 0);
	expect_alive(old);
	ret = rseq_refcount_kill(&old->refs);
	if (ret == 1)
		end(old);
	add(&errors, ret < 0);
	add(&kills, 1);
}

static void stress_handler(int sig)
{
	(void)sig;
	if (!my_random)
		return;
	put(get(1));
	get(0);
	add(&handled, 1);
}

static void stress_work(unsigned int nth)
{
	struct object *held[HELD];
	int n = 0;

	/* Handlers draw, too: they may not find the state halfway, nor zero. */
	my_random = 0x9e3779b97f4a7c15u * (nth + 1);
	if (nth % 3 == 2)
		leave_rseq();
	while (now() <= deadline) {
		if (nth < WRITERS) {
			replace();
			continue;
		}
		for (int i = 0; i < 200; ++i) {
			const unsigned int dice = draw(&my_random, 16);
			if (dice < 6 && n < HELD)
				held[n++] = get(1);
			else if (dice < 12 && n > 0)
				put(held[--n]);
			else if (dice < 15)
				get(0);
			else
				pass();
		}
	}
	while (n > 0)
		put(held[--n]);
	if (nth % 3 == 2)
		rejoin_rseq();
	add(&reads, my_reads);
}

static int stress(long seconds)
{
	const struct load l = {THREADS, NULL, stress_work, stress_handler,
			       300000, NULL};
	int failed;

	my_random = random_state;
	rseq_readers_init(&readers);
	for (int i = 0; i < SLOTS; ++i) {
		slots[i] = (struct object *)calloc(1, sizeof *slots[i]);
		rseq_refcount_init(&slots[i]->refs);
		slots[i]->alive = ALIVE;
		++made;
	}
	deadline = now() + seconds;
	failed = run_under_load(&l);
	for (int i = 0; i < 4; ++i)
		if (mail[i]) {
			rseq_readers_leave(&readers, mail[i]->in);
			free(mail[i]);
		}
	errors += rseq_readers_wait(&readers, 0) != 0;
	for (int i = 0; i < SLOTS; ++i)
		if (rseq_refcount_kill(&slots[i]->refs) == 1)
			end(slots[i]);
	while (ended) {
		struct object *const o = ended;
		ended = o->next;
		free(o);
	}
	rseq_readers_fini(&readers);
	printf("failed=%d\nreads=%ld\nhandled=%ld\nmigrations=%lu\nmade=%ld\n"
	       "kills=%ld\nmoved=%ld\nearly=%ld\ntwice=%ld\nkept=%ld\n"
	       "errors=%ld\n", failed, reads, handled, migrations, made, kills,
	       moved, early, twice, made - ends, errors);
	return 0;
}

/* ---- a count that is used while it is killed, again and again ---- */

static void spin(unsigned int n)
{
	for (volatile unsigned int i = 0; i < n; ++i)
		;
}

/* Until it is no longer less than that. */
static void wait_for(const long *what, long value)
{
	for (int tries = 0; __atomic_load_n(what, __ATOMIC_ACQUIRE) < value;)
		if (++tries > 2000)
			sched_yield();
}

static struct rseq_refcount fought;
static long begun, done, rounds, told, used;

enum { NO_MORE = 1 << 30 };

static void *use(void *arg)
{
	for (long round = 1;; ++round) {
		wait_for(&rounds, round);
		if (__atomic_load_n(&rounds, __ATOMIC_RELAXED) == NO_MORE)
			return arg;
		__atomic_store_n(&begun, round, __ATOMIC_RELAXED);
		do {
			rseq_refcount_get(&fought);
			add(&told, rseq_refcount_put(&fought));
			++used;
		} while (!__atomic_load_n(&fought.killer, __ATOMIC_RELAXED));
		add(&told, rseq_refcount_put(&fought));
		__atomic_store_n(&done, round, __ATOMIC_RELEASE);
	}
}

static int fight(long seconds)
{
	pthread_t thread;
	long round = 0;

	deadline = now() + seconds;
	pthread_create(&thread, NULL, use, NULL);
	while (now() <= deadline) {
		++round;
		errors += rseq_refcount_init(&fought) != 0;
		rseq_refcount_get(&fought);
		told = 0;
		__atomic_store_n(&rounds, round, __ATOMIC_RELEASE);
		wait_for(&begun, round);
		spin(draw(&random_state, 2000));
		add(&told, rseq_refcount_kill(&fought));
		wait_for(&done, round);
		twice += told != 1;
	}
	__atomic_store_n(&rounds, NO_MORE, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	printf("rounds=%ld\nused=%ld\ntwice=%ld\nerrors=%ld\n", round, used,
	       twice, errors);
	return 0;
}

/* ---- what comes just before a fence, with -Wl,--wrap=syscall ---- */

#ifdef FENCES
#include "wrap_syscall.h"

static struct rseq_readers *entered_at_fence;
static uintptr_t *got_at_fence;
static struct rseq_reading late;
static int fences;

/* A reader that has not seen what the writer stored; a section under way. */
static long called(long number, const long *a)
{
	enum { RSEQ_FENCE = 1 << 7 };

	if (number == SYS_membarrier && a[0] == RSEQ_FENCE) {
		++fences;
		if (entered_at_fence)
			late = rseq_readers_enter(entered_at_fence);
		if (got_at_fence)
			++*rseq_percpu_ptr(got_at_fence, 0);
		entered_at_fence = NULL;
		got_at_fence = NULL;
	}
	return really_call(number, a);
}

static int at_fences(void)
{
	struct rseq_readers r;
	struct rseq_refcount c;

	EXPECT(rseq_readers_init(&r) == 0 && rseq_refcount_init(&c) == 0);
	if (!r.counts)
		return 77;
	entered_at_fence = &r;
	EXPECT(rseq_readers_wait(&r, 0) == -ETIMEDOUT && fences > 0);
	rseq_readers_leave(&r, late);
	EXPECT(rseq_readers_wait(&r, 0) == 0);
	fences = 0;
	got_at_fence = c.words;
	EXPECT(rseq_refcount_kill(&c) == 0 && fences > 0);
	EXPECT(rseq_refcount_put(&c) == 1);
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}
#endif

/* ---- a model: how many are in, how many references there are ---- */

static int model(uint64_t seed)
{
	enum { ROUNDS = 100, STEPS = 200, IN = 6 };
	unsigned long all[cpu_words()];
	struct rseq_reading in[IN];
	long told = 0, waits = 0;
	int off = 0;

	allowed_cpus(all);
	random_state ^= seed * 0x9e3779b97f4a7c15u;
	printf("seed=%llu\n", (unsigned long long)seed);
	for (int round = 0; round < ROUNDS; ++round) {
		struct rseq_readers r = {0};
		struct rseq_refcount c = {0};
		int n = 0, refs = 1, killed = 0;

		if (draw(&random_state, 4)) {
			EXPECT(rseq_readers_init(&r) == 0);
			EXPECT(rseq_refcount_init(&c) == 0);
		}
		for (int step = 0; step < STEPS && refs > 0; ++step)
			switch (draw(&random_state, 8)) {
			case 0:
				if (n < IN) {	/* or late: as if flipped since */
					const int late = !draw(&random_state, 4);
					r.flips -= (uint32_t)late;
					in[n++] = rseq_readers_enter(&r);
					r.flips += (uint32_t)late;
				}
				break;
			case 1:		/* any of them, not the last */
				if (n > 0) {
					const unsigned int i =
						draw(&random_state,
						     (unsigned int)n);
					rseq_readers_leave(&r, in[i]);
					in[i] = in[--n];
				}
				break;
			case 2:
				++waits;
				EXPECT(rseq_readers_wait(&r, 0) ==
				       (n ? -ETIMEDOUT : 0));
				break;
			case 3: case 4:
				rseq_refcount_get(&c);
				++refs;
				break;
			case 5:
				if (refs > 1 || killed) {
					const int last = rseq_refcount_put(&c);
					--refs;
					EXPECT(last == (refs == 0));
					told += last;
				}
				break;
			case 6:
				if (draw(&random_state, 16) == 0 && !killed) {
					const int last = rseq_refcount_kill(&c);
					--refs;
					killed = 1;
					EXPECT(last == (refs == 0));
					told += last;
				}
				break;
			default:
				if (draw(&random_state, 8) == 0) {
					if (off)
						rejoin_rseq();
					else
						leave_rseq();
					off = !off;
				} else {
					pin(0, all, draw(&random_state, 64));
				}
			}
		while (n > 0)
			rseq_readers_leave(&r, in[--n]);
		EXPECT(rseq_readers_wait(&r, 0) == 0);
		if (!killed) {
			const int last = rseq_refcount_kill(&c);
			EXPECT(last == (--refs == 0));
			told += last;
		}
		while (refs > 0) {
			const int last = rseq_refcount_put(&c);
			EXPECT(last == (--refs == 0));
			told += last;
		}
		rseq_readers_fini(&r);
	}
	if (off)
		rejoin_rseq();
	printf("checks=%d\nwrong=%d\nrounds=%d\ntold=%ld\nwaits=%ld\n",
	       checks, wrong, ROUNDS, told, waits);
	return 0;
}

/* ---- results ---- */

static void expect_to_work(struct rseq_readers *r, struct rseq_refcount *c)
{
	struct rseq_reading first, second;

	EXPECT(rseq_readers_wait(r, -1) == 0);
	first = rseq_readers_enter(r);
	second = rseq_readers_enter(r);
	EXPECT(rseq_readers_wait(r, 0) == -ETIMEDOUT);
	EXPECT(rseq_readers_wait(r, 20) == -ETIMEDOUT);
	rseq_readers_leave(r, first);
	EXPECT(rseq_readers_wait(r, 2) == -ETIMEDOUT);
	rseq_readers_leave(r, second);
	EXPECT(rseq_readers_wait(r, 0) == 0);

	rseq_refcount_get(c);
	rseq_refcount_get(c);
	EXPECT(rseq_refcount_put(c) == 0);
	EXPECT(rseq_refcount_kill(c) == 0);
	EXPECT(rseq_refcount_kill(c) == -EINVAL);
	EXPECT(rseq_refcount_put(c) == 1);
}

static int api(void)
{
	struct rseq_readers r = {0};
	struct rseq_refcount c = {0};
	struct rseq_reading one;

	errno = 123;
	expect_to_work(&r, &c);		/* never made */
	rseq_readers_fini(&r);
	EXPECT(rseq_readers_init(&r) == 0);
	EXPECT(rseq_refcount_init(&c) == 0);
	EXPECT(!r.counts == !c.words && (rseq_usable() || !r.counts));
	printf("percpu=%d\n", r.counts != NULL);
	expect_to_work(&r, &c);
	EXPECT(!c.words);		/* freed */
	rseq_readers_fini(&r);
	rseq_readers_fini(&r);
	memset(&c, 0, sizeof c);
	expect_to_work(&r, &c);		/* released */

	/* By a section in and not by one out, and the other way round. */
	EXPECT(rseq_readers_init(&r) == 0);
	one = rseq_readers_enter(&r);
	leave_rseq();
	rseq_readers_leave(&r, one);
	EXPECT(rseq_readers_wait(&r, 0) == 0);
	one = rseq_readers_enter(&r);
	rejoin_rseq();
	EXPECT(rseq_readers_wait(&r, 0) == -ETIMEDOUT);
	rseq_readers_leave(&r, one);
	EXPECT(rseq_readers_wait(&r, 0) == 0);
	rseq_readers_fini(&r);
	EXPECT(errno == 123);
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}

/* ---- without memory ---- */

/* Both say that there is none, and work. */
static void expect_to_do_without(void)
{
	struct rseq_readers r;
	struct rseq_refcount c;
	int made = 0, ret;

	/* Of the chunks that there are. */
	while ((ret = rseq_refcount_init(&c)) == 0 && c.words)
		++made;
	if (ret == 0) {		/* it counts atomically here */
		EXPECT(made == 0 && rseq_readers_init(&r) == 0 && !r.counts);
	} else {
		EXPECT(ret == -ENOMEM && !c.words);
		while ((ret = rseq_readers_init(&r)) == 0)
			;
		EXPECT(ret == -ENOMEM && !r.counts);
	}
	expect_to_work(&r, &c);
	rseq_readers_fini(&r);
}

static int memory(void)
{
	struct rlimit all, none;
	struct rseq_refcount c;

	getrlimit(RLIMIT_AS, &all);
	none = (struct rlimit){1 << 20, all.rlim_max};
	EXPECT(rseq_refcount_init(&c) == 0 && rseq_refcount_kill(&c) == 1);
	setrlimit(RLIMIT_AS, &none);
	errno = 123;
	/* What is killed is there for the next one. */
	for (int i = 0; i < 10000; ++i)
		wrong += rseq_refcount_init(&c) ||
			rseq_refcount_kill(&c) != 1;
	expect_to_do_without();
	EXPECT(errno == 123);
	setrlimit(RLIMIT_AS, &all);
	EXPECT(refuse_mmap(ENOMEM) == 0);
	errno = 123;
	expect_to_do_without();
	EXPECT(errno == 123);
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}

/* ---- fork ---- */

static int child(struct rseq_readers *r, struct rseq_refcount *c, int stuck)
{
	struct rseq_reading in;

	/* Another thread of the parent reads, and has a reference. */
	EXPECT(rseq_readers_wait(r, 5) == (stuck ? -ETIMEDOUT : 0));
	rseq_readers_fini(r);
	EXPECT(rseq_readers_init(r) == 0);
	in = rseq_readers_enter(r);
	EXPECT(rseq_readers_wait(r, 0) == -ETIMEDOUT);
	rseq_readers_leave(r, in);
	EXPECT(rseq_readers_wait(r, 0) == 0);
	rseq_refcount_get(c);
	EXPECT(rseq_refcount_put(c) == 0);
	EXPECT(rseq_refcount_kill(c) == !stuck);
	printf("child.checks=%d\nchild.wrong=%d\n", checks, wrong);
	fflush(stdout);
	_exit(wrong != 0);
}

struct forked {
	struct rseq_readers readers;
	struct rseq_refcount refs;
	pthread_barrier_t barrier;
};

static void *read_meanwhile(void *arg)
{
	struct forked *const f = (struct forked *)arg;
	const struct rseq_reading in = rseq_readers_enter(&f->readers);

	rseq_refcount_get(&f->refs);
	pthread_barrier_wait(&f->barrier);
	pthread_barrier_wait(&f->barrier);
	rseq_readers_leave(&f->readers, in);
	EXPECT(rseq_refcount_put(&f->refs) == 0);
	return NULL;
}

static int forks(void)
{
	static struct forked f;
	pthread_t thread;
	int status = -1;

	EXPECT(rseq_readers_init(&f.readers) == 0);
	EXPECT(rseq_refcount_init(&f.refs) == 0);
	pthread_barrier_init(&f.barrier, NULL, 2);
	for (int stuck = 0; stuck < 2; ++stuck) {
		pid_t pid;
		if (stuck) {
			pthread_create(&thread, NULL, read_meanwhile, &f);
			pthread_barrier_wait(&f.barrier);
		}
		fflush(stdout);
		pid = fork();
		if (pid == 0)
			child(&f.readers, &f.refs, stuck);
		waitpid(pid, &status, 0);
		EXPECT(status == 0);
	}
	EXPECT(rseq_readers_wait(&f.readers, 0) == -ETIMEDOUT);
	pthread_barrier_wait(&f.barrier);
	pthread_join(thread, NULL);
	EXPECT(rseq_readers_wait(&f.readers, 0) == 0);
	EXPECT(rseq_refcount_kill(&f.refs) == 1);
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}

/* ---- where the fence is refused ---- */

static int refused(int before)
{
	struct rseq_readers r;
	struct rseq_refcount c;
	struct rseq_reading in;
	int due;

	if (before && refuse_call(SYS_membarrier, EPERM))
		return 2;
	EXPECT(rseq_readers_init(&r) == 0);
	EXPECT(rseq_refcount_init(&c) == 0);
	if (before) {
		EXPECT(!r.counts && !c.words);
		expect_to_work(&r, &c);
	} else {
		if (refuse_call(SYS_membarrier, EPERM))
			return 2;
		due = r.counts ? -ENOSYS : 0;
		in = rseq_readers_enter(&r);
		EXPECT(rseq_readers_wait(&r, 2) == (due ? due : -ETIMEDOUT));
		rseq_readers_leave(&r, in);
		EXPECT(rseq_readers_wait(&r, -1) == due);
		rseq_refcount_get(&c);
		EXPECT(rseq_refcount_kill(&c) == due);
		EXPECT(rseq_refcount_put(&c) == (due == 0));
		EXPECT(rseq_refcount_kill(&c) == (due ? due : -EINVAL));
	}
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}

int main(int argc, char **argv)
{
	const char *const what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "stress"))
		return stress(argc > 2 ? atol(argv[2]) : 1);
	if (!strcmp(what, "fight"))
		return fight(argc > 2 ? atol(argv[2]) : 1);
#ifdef FENCES
	if (!strcmp(what, "fences"))
		return at_fences();
#endif
	if (!strcmp(what, "model"))
		return model(argc > 2 ? strtoull(argv[2], NULL, 0) :
			     (uint64_t)getpid() ^ (uint64_t)time(NULL) << 20);
	if (!strcmp(what, "api"))
		return api();
	if (!strcmp(what, "memory"))
		return memory();
	if (!strcmp(what, "fork"))
		return forks();
	if (!strcmp(what, "refused"))
		return refused(argc > 2 && !strcmp(argv[2], "before"));
	return 2;
}
