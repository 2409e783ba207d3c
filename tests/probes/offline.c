/* SPDX-License-Identifier: MIT */
/*
 * A cpu is taken off line while each structure has something there: whoever
 * looks then finds it.  For milliseconds, and the parent puts it back whatever
 * becomes of the child that does all this.
 */
#include "checks.h"
#include "cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <rseq/counters.h>
#include <rseq/list.h>
#include <rseq/pool.h>
#include <rseq/readers.h>
#include <rseq/refcount.h>
#include <rseq/ring.h>
#include <rseq/rseq.h>

enum { OBJECTS = 30, ADDS = 1000 };

static char path[64];
static unsigned int other;	/* the cpu that goes away */

static int put_on_line(int is)
{
	const int fd = open(path, O_WRONLY);
	const int failed = fd < 0 || write(fd, is ? "1" : "0", 1) != 1;

	if (fd >= 0)
		close(fd);
	return failed;
}

static int is_on_line(void)
{
	const int fd = open(path, O_RDONLY);
	char c = 0;

	EXPECT(read(fd, &c, 1) == 1);
	close(fd);
	return c == '1';
}

/* The first one that there is such a file for: 0 is not. */
static int find_other(unsigned int *here)
{
	unsigned long all[cpu_words()];

	allowed_cpus(all);
	*here = 0;
	for (unsigned int cpu = 1; cpu < cpu_words() * CPU_BITS; ++cpu) {
		if (!has_cpu(all, cpu))
			continue;
		snprintf(path, sizeof path,
			 "/sys/devices/system/cpu/cpu%u/online", cpu);
		if (put_on_line(1) == 0) {
			other = cpu;
			return has_cpu(all, 0);
		}
	}
	return 0;
}

/* ---- what is there ---- */

struct node {
	struct node *next;
};

static struct slot {
	struct rseq_guard guard;
	intptr_t value;
	struct node *list;
} *slots;	/* per-cpu */

static struct rseq_cache cache;
static struct rseq_pool pool;
static struct rseq_counters counters;
static struct rseq_ring ring;
static struct rseq_readers readers;
static struct rseq_refcount refs;
static struct rseq_reading reading;
static struct node nodes[OBJECTS];
static int back, sections;	/* objects that the source was given */

static void drain(void *arg, void **objects, size_t n)
{
	(void)arg, (void)objects;
	back += (int)n;
}

static void commit_one(void)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	enum rseq_result r;

	do {
		const int cpu = rseq_begin(&t);
		struct slot *s;
		if (cpu < 0)
			return;
		s = rseq_percpu_ptr(slots, cpu);
		r = rseq_commit(&t, &s->value, s->value + 1);
	} while (r == RSEQ_RESTARTED);
}

static void *leave_behind(void *unused)
{
	void *all[OBJECTS];

	run_on(0, other);
	sections = rseq_usable();
	for (int i = 0; i < OBJECTS; ++i) {
		EXPECT(rseq_cache_put(&cache, &nodes[i]) == 0);
		all[i] = rseq_pool_alloc(&pool);
		EXPECT(all[i]);
		EXPECT(rseq_ring_write(&ring, &i, sizeof i) == 0);
		commit_one();
		while (rseq_this_cpu_list_push(&slots->list, &nodes[i],
					       &nodes[i].next) ==
		       RSEQ_RESTARTED)
			;
		rseq_refcount_get(&refs);
	}
	for (int i = 0; i < OBJECTS; ++i)
		rseq_pool_free(&pool, all[i]);
	reading = rseq_readers_enter(&readers);
	return unused;
}

/* It loses its cpu in the middle of it, and counts on. */
static int counting, stop;

static void *count(void *unused)
{
	run_on(0, other);
	for (long i = 0; i < ADDS || !__atomic_load_n(&stop, __ATOMIC_RELAXED);
	     ++i) {
		rseq_counters_add(&counters, 0, 1);
		__atomic_store_n(&counting, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add((long *)unused, 1, __ATOMIC_RELAXED);
	}
	return unused;
}

/* ---- what is found ---- */

static int records, wrong_cpus;

static void see(void *arg, unsigned int cpu, const void *data, size_t len)
{
	(void)arg;
	wrong_cpus += cpu != other || len != sizeof(int) ||
		*(const int *)data != records;
	++records;
}

static void look(unsigned int cpu, void *arg)
{
	const struct slot *const s = rseq_percpu_ptr(slots, cpu);

	(void)arg;
	if (cpu != other && !sections)
		return;		/* commits go to any cpu's copy */
	EXPECT(s->value == (cpu == other ? OBJECTS : 0));
	for (const struct node *n = s->list; n; n = n->next)
		++back;
}

static void find_all(void)
{
	struct rseq_cache_stats stats;

	rseq_cache_read(&cache, &stats);
	EXPECT(stats.held == OBJECTS);
	EXPECT(rseq_cache_drain(&cache) == 0 && back == OBJECTS);
	EXPECT(rseq_pool_trim(&pool) == 1);
	EXPECT(rseq_ring_read(&ring, see, NULL) == OBJECTS && !wrong_cpus);
	back = 0;
	EXPECT(rseq_guard_drain(&slots->guard, look, NULL) == 0);
	EXPECT(back == (sections ? OBJECTS : 0));
	EXPECT(rseq_readers_wait(&readers, 0) == -ETIMEDOUT);
	rseq_readers_leave(&readers, reading);
	EXPECT(rseq_readers_wait(&readers, 0) == 0);
	EXPECT(rseq_refcount_kill(&refs) == 0);
	for (int i = 0; i < OBJECTS; ++i)
		EXPECT(rseq_refcount_put(&refs) == (i == OBJECTS - 1));
}

static int run(void)
{
	pthread_t thread;
	long adds = 0;

	slots = (struct slot *)rseq_percpu_alloc(sizeof *slots, 64);
	EXPECT(rseq_cache_init(&cache, 64, NULL, drain, NULL) == 0);
	EXPECT(rseq_pool_init(&pool, 64, 0, 0) == 0);
	EXPECT(rseq_ring_init(&ring, 4096, 0, -1) == 0);
	EXPECT(rseq_readers_init(&readers) == 0);
	EXPECT(rseq_refcount_init(&refs) == 0);
	pthread_create(&thread, NULL, leave_behind, NULL);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, count, &adds);
	while (!__atomic_load_n(&counting, __ATOMIC_RELAXED))
		sched_yield();
	EXPECT(put_on_line(0) == 0 && !is_on_line());
	find_all();
	EXPECT(put_on_line(1) == 0);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT(rseq_counters_sum(&counters, 0) == adds && adds >= ADDS);
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}

int main(void)
{
	unsigned int here;
	int status = 1;
	pid_t child;

	if (!find_other(&here)) {
		puts("no cpu can be taken off line here");
		return 77;
	}
	run_on(0, here);
	child = fork();
	if (child == 0) {
		alarm(20);
		exit(run());
	}
	waitpid(child, &status, 0);
	if (put_on_line(1))
		return 3;
	return status != 0;
}
