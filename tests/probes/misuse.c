/* SPDX-License-Identifier: MIT */
/* Wrong use of each kind, in code that is checked; and right use. */
#define RSEQ_DEBUG
#include "area.h"

#include <pthread.h>

#include <rseq/pool.h>
#include <rseq/ring.h>
#include <rseq/rseq.h>

enum { TRANSACTIONS = 1000, MANY = 9 };

struct slot {
	struct rseq_guard guard;
	intptr_t n;
};

/* In undebugged.c, which is not checked. */
int put_unchecked(struct rseq_cache *c, void *object);
void begin_and_end_unchecked(struct rseq_guard *guard);

static struct slot *slots;		/* per-cpu */
static struct rseq_cache cache;
static struct rseq_pool pool, other_pool;
static struct rseq_ring ring, other_ring;

static int reports, kind;

static void count(const struct rseq_misuse *m)
{
	++reports;
	kind = m->kind;
	if (!m->caller || !m->text || strncmp(m->text, "rseq: ", 6) != 0)
		printf("nameless=1\n");
}

static void said(const char *what)
{
	printf("%s.reports=%d\n%s.kind=%d\n", what, reports, what, kind);
	reports = kind = 0;
}

static void in_thread(void *(*f)(void *), void *arg)
{
	const int before = errno;
	pthread_t t;

	pthread_create(&t, NULL, f, arg);	/* glibc's may set errno */
	errno = before;
	pthread_join(t, NULL);
}

/* ---- transactions ---- */

static enum rseq_result commit(struct rseq_transaction *t, int cpu)
{
	intptr_t *const n = &rseq_percpu_ptr(slots, cpu)->n;

	return rseq_commit(t, n, *n + 1);
}

/* What a function that forgets to cancel does when it is called again. */
static void begin_twice(void)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);

	(void)!rseq_begin(&t);
	rseq_let_go_(&t);	/* it may be held, and lock against itself */
	t = (struct rseq_transaction)RSEQ_TRANSACTION(&slots->guard);
	(void)!rseq_begin(&t);
	rseq_cancel(&t);
	said("begin_twice");
}

static void *begins(void *arg)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);

	(void)!rseq_begin(&t);
	rseq_let_go_(&t);
	return arg;
}

static void begin_many(void)
{
	struct rseq_transaction t[MANY];

	for (int i = 0; i < MANY; ++i) {
		t[i] = (struct rseq_transaction)RSEQ_TRANSACTION(&slots->guard);
		(void)!rseq_begin(&t[i]);
		rseq_let_go_(&t[i]);
	}
	for (int i = 0; i < MANY; ++i)
		rseq_cancel(&t[i]);
	said("begin_many");
}

static void commit_unbegun(void)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);

	printf("commit_unbegun.result=%d\n", commit(&t, 0));
	said("commit_unbegun");
}

static void commit_twice(void)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	int cpu;

	do
		cpu = rseq_begin(&t);
	while (cpu >= 0 && commit(&t, cpu) != RSEQ_COMMITTED);
	printf("commit_twice.result=%d\n", commit(&t, cpu));
	said("commit_twice");
}

/* ---- guards ---- */

static void *unlocks(void *hold)
{
	rseq_guard_unlock(hold);
	return NULL;
}

static void *locks(void *hold)
{
	(void)!rseq_guard_lock(&slots->guard, 1, hold);
	return NULL;
}

static int odd(unsigned int cpu)
{
	return rseq_percpu_ptr(slots, cpu)->guard.word & 1;
}

static void unlock_by_another(void)
{
	struct rseq_hold hold;

	printf("lock=%d\n", rseq_guard_lock(&slots->guard, 0, &hold));
	in_thread(unlocks, &hold);
	printf("unlock.odd=%d\n", odd(0));
	said("unlock_by_another");
	rseq_guard_unlock(&hold);
	printf("unlock.even=%d\n", !odd(0));
	said("unlock");
}

static void lock_and_end(void)
{
	struct rseq_hold hold;

	in_thread(locks, &hold);
	said("lock_and_end");
	printf("taken_over=%d\n", rseq_guard_lock(&slots->guard, 1, &hold));
	rseq_guard_unlock(&hold);
}

/* ---- objects ---- */

static size_t got(void *object)
{
	void *all[8];
	size_t n = 0;

	while (n < 8 && (all[n] = rseq_cache_get(&cache)))
		++n;
	size_t times = 0;
	for (size_t i = 0; i < n; ++i)
		times += all[i] == object;
	return times;
}

static void drain(void *arg, void **objects, size_t n)
{
	(void)arg, (void)objects, (void)n;
}

static void puts_twice(void)
{
	static long object, second;
	void *twice[] = {&object, &second, &object};
	void *there[] = {&second, &object};

	printf("put=%d\n", rseq_cache_put(&cache, &object));
	printf("double_put.result=%d\n", rseq_cache_put(&cache, &object));
	said("double_put");
	printf("put_n_there.result=%d\n", rseq_cache_put_n(&cache, there, 2));
	said("put_n_there");
	printf("double_put.got=%zu\n", got(&object));
	printf("put_n_twice.result=%d\n", rseq_cache_put_n(&cache, twice, 3));
	said("put_n_twice");
	printf("put_n_twice.got=%zu\n", got(&object));
	/* Put where nobody looks, and found all the same. */
	printf("unchecked=%d\n", put_unchecked(&cache, &object));
	printf("put_mixed.result=%d\n", rseq_cache_put(&cache, &object));
	said("put_mixed");
	printf("put_mixed.got=%zu\n", got(&object));
	printf("put_null=%d\n", rseq_cache_put(&cache, NULL));
	said("put_null");
}

static void frees_wrongly(void)
{
	char mine[64];
	char *const a = rseq_pool_alloc(&pool), *b = rseq_pool_alloc(&pool);

	rseq_pool_free(&pool, mine);
	said("free_foreign");
	rseq_pool_free(&pool, a + 8);
	said("free_inner");
	rseq_pool_free(&other_pool, a);
	said("free_other");
	rseq_pool_free(&pool, a);
	said("free");
	rseq_pool_free(&pool, a);
	said("double_free");
	printf("trim=%ld\n", rseq_pool_trim(&pool));
	rseq_pool_free(&pool, a);	/* all is on the shared list now */
	said("double_free_shared");
	rseq_pool_free(&pool, b);
	rseq_pool_free(&pool, NULL);
	said("free_null");
}

/* ---- records ---- */

static void *reserves(void *arg)
{
	(void)arg;
	return rseq_ring_reserve(&ring, 8);
}

static void *commits(void *record)
{
	rseq_ring_commit(&ring, record);
	return NULL;
}

static void see(void *arg, unsigned int cpu, const void *data, size_t len)
{
	(void)cpu, (void)data, (void)len;
	++*(int *)arg;
}

static void reserve_wrongly(void)
{
	static uint64_t mine[4];
	int seen = 0;
	void *record = rseq_ring_reserve(&ring, 8);

	rseq_ring_commit(&ring, mine + 1);
	said("commit_foreign");
	rseq_ring_commit(&other_ring, record);
	said("commit_other");
	rseq_ring_commit(&ring, record);
	said("commit");
	rseq_ring_commit(&ring, record);
	said("commit_record_twice");
	rseq_ring_commit(&ring, NULL);
	record = rseq_ring_reserve(&ring, 8);
	in_thread(commits, record);
	said("commit_elsewhere");
	printf("read=%ld\n", rseq_ring_read(&ring, see, &seen));
	in_thread(reserves, NULL);
	said("reserve_and_end");
	(void)!rseq_ring_reserve(&ring, 8);
	rseq_ring_fini(&ring);
	said("reserve_and_fini");
	for (int i = 0; i < 17; ++i)
		(void)!rseq_ring_reserve(&other_ring, 8);
	said("reserve_many");
}

/* ---- the ways that are seldom taken ---- */

static void bodies(void)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	int runs = 0, locked = 0, once = 0, restarted = 0;
	intptr_t sum = 0, *n;
	struct slot *slot;

	RSEQ_FOR_EACH_CPU(slot, slots)
		sum -= slot->n;
	for (int i = 0; i < TRANSACTIONS; ++i) {
		const int before = runs;
		int cpu;
		do {
			cpu = rseq_begin(&t);
			if (cpu < 0)
				return;
			++runs;
			locked += t.hold.guard != NULL;
		} while (commit(&t, cpu) != RSEQ_COMMITTED);
		once += runs - before == 1;
	}
	RSEQ_FOR_EACH_CPU(slot, slots)
		sum += slot->n;
	n = &slots->n;
	for (int i = 0; i < TRANSACTIONS; ++i)
		restarted += rseq_this_cpu_add(n, 1) == RSEQ_RESTARTED;
	printf("sum=%ld\nruns=%d\nlocked=%d\nonce=%d\nrestarted=%d\n",
	       (long)sum, runs, locked, once, restarted);
	said("bodies");
}

static void right_use(void)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	struct rseq_hold hold;

	rseq_cancel(&t);
	for (int i = 0; i < 100; ++i) {
		(void)!rseq_begin(&t);
		rseq_cancel(&t);
		if (rseq_guard_lock(&slots->guard, 0, &hold) == 0) {
			rseq_guard_unlock(&hold);
			rseq_guard_unlock(&hold);
		}
		void *object = rseq_pool_alloc(&pool);
		rseq_pool_free(&pool, object);
		begin_and_end_unchecked(&slots->guard);
	}
	said("right");
}

int main(int argc, char *argv[])
{
	slots = rseq_percpu_alloc(sizeof *slots, 0);
	if (!slots || rseq_cache_init(&cache, 8, NULL, drain, NULL) ||
	    rseq_pool_init(&pool, 64, 0, 0) ||
	    rseq_pool_init(&other_pool, 64, 0, 0) ||
	    rseq_ring_init(&ring, 4096, 0, -1) ||
	    rseq_ring_init(&other_ring, 4096, 0, -1))
		return 1;
	if (argc > 1 && strcmp(argv[1], "default") == 0) {
		begin_twice();
		return 0;
	}
	printf("usable=%d\n", rseq_usable());
	errno = 123;
	rseq_on_misuse(count);
	bodies();
	right_use();
	begin_twice();
	in_thread(begins, NULL);
	said("begin_and_end");
	begin_many();
	commit_unbegun();
	commit_twice();
	unlock_by_another();
	lock_and_end();
	puts_twice();
	frees_wrongly();
	reserve_wrongly();
	printf("errno=%d\n", errno);
	return 0;
}
