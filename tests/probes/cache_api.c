/* SPDX-License-Identifier: MIT */
/* Each function of the cache by itself, and what bad use of it gets. */
#include "checks.h"
#include "children.h"
#include "deaths.h"
#include "many_cpus.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rseq/cache.h>

enum { OBJECTS = 400 };

/* How often each is out of the source: once, or there is a mistake. */
static char out[OBJECTS];
static struct rseq_cache cache;
static int dies, jumps, nested = 1;
static jmp_buf outside_of_it;

static void jump(void)
{
	if (!jumps)
		return;
	jumps = 0;
	longjmp(outside_of_it, 1);
}

static size_t refill(void *arg, void **objects, size_t n)
{
	size_t k = 0;

	(void)arg;
	jump();
	if (dies)
		die();
	for (size_t i = 0; i < OBJECTS && k < n; ++i)
		if (!out[i]) {
			++out[i];
			objects[k++] = &out[i];
		}
	return k;
}

static void drain(void *arg, void **objects, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; ++i)
		--*(char *)objects[i];
	jump();
	if (dies)
		die();
	if (nested == 0)
		nested = rseq_cache_drain(&cache);
}

static int outside(void)
{
	int n = 0;

	for (int i = 0; i < OBJECTS; ++i) {
		EXPECT(out[i] == 0 || out[i] == 1);
		n += out[i];
	}
	return n;
}

static int held(void)
{
	struct rseq_cache_stats stats;

	rseq_cache_read(&cache, &stats);
	return (int)stats.held;
}

static void expect_no_cache(void)
{
	void *object = out, *none;

	EXPECT(!rseq_cache_get(&cache));
	EXPECT(rseq_cache_get_n(&cache, &none, 1) == 0);
	EXPECT(rseq_cache_put(&cache, object) == -EINVAL);
	EXPECT(rseq_cache_put_n(&cache, &object, 1) == -EINVAL);
	EXPECT(rseq_cache_drain(&cache) == -EINVAL);
	EXPECT(rseq_cache_resize(&cache, 1) == -EINVAL);
	EXPECT(held() == 0);
	rseq_cache_fini(&cache);
}

static void refused(void)
{
	expect_no_cache();
	EXPECT(rseq_cache_init(&cache, 0, refill, drain, NULL) == -EINVAL);
	EXPECT(rseq_cache_init(&cache, RSEQ_CACHE_MAX + 1, refill, drain, NULL)
	       == -EINVAL);
	EXPECT(rseq_cache_init(&cache, -1u, refill, drain, NULL) == -EINVAL);
	EXPECT(rseq_cache_init(&cache, 8, refill, NULL, NULL) == -EINVAL);
	expect_no_cache();
}

static void used(void)
{
	void *many[OBJECTS], *two[2] = { &out[0], NULL };

	/* No source: what is put comes out, as often as it was put. */
	EXPECT(rseq_cache_init(&cache, 8, NULL, drain, NULL) == 0);
	EXPECT(!rseq_cache_get(&cache));
	EXPECT(rseq_cache_put(&cache, NULL) == -EINVAL);
	EXPECT(rseq_cache_put_n(&cache, two, 2) == -EINVAL && held() == 0);
	EXPECT(rseq_cache_put_n(&cache, two, 0) == 0 && held() == 0);
	EXPECT(rseq_cache_put(&cache, two) == 0);
	EXPECT(rseq_cache_put(&cache, two) == 0);
	EXPECT(rseq_cache_get(&cache) == two && rseq_cache_get(&cache) == two);
	EXPECT(!rseq_cache_get(&cache));
	rseq_cache_fini(&cache);

	/* More than it holds, and than there are. */
	EXPECT(rseq_cache_init(&cache, 8, refill, drain, NULL) == 0);
	EXPECT(rseq_cache_get_n(&cache, many, 0) == 0);
	EXPECT(rseq_cache_get_n(&cache, many, OBJECTS) == OBJECTS);
	EXPECT(!rseq_cache_get(&cache) && outside() == OBJECTS);
	EXPECT(rseq_cache_put_n(&cache, many, OBJECTS) == 0);
	EXPECT(held() == outside() && held() <= 16);
	EXPECT(rseq_cache_resize(&cache, 0) == -EINVAL);
	EXPECT(rseq_cache_resize(&cache, 9) == -EINVAL);
	EXPECT(rseq_cache_resize(&cache, 2) == 0);
	EXPECT(held() == outside() && held() <= 4);
	EXPECT(rseq_cache_resize(&cache, 8) == 0);

	/* A drain from a drain. */
	EXPECT(rseq_cache_put(&cache, rseq_cache_get(&cache)) == 0);
	nested = 0;
	EXPECT(rseq_cache_drain(&cache) == 0 && nested == -EDEADLK);
	EXPECT(held() == 0 && outside() == 0);

	/* Gone while an object is out. */
	many[0] = rseq_cache_get(&cache);
	EXPECT(many[0] && *(char *)many[0] == 1);
	rseq_cache_fini(&cache);
	EXPECT(outside() == 1 && *(char *)many[0] == 1);
	EXPECT(rseq_cache_put(&cache, many[0]) == -EINVAL);
	expect_no_cache();
	*(char *)many[0] = 0;
}

static void *get_one(void *unused)
{
	return rseq_cache_get(&cache) ? unused : NULL;
}

static void *drain_all(void *unused)
{
	return rseq_cache_drain(&cache) ? unused : NULL;
}

/* Threads that end in the source, which has done its part. */
static void deaths(void)
{
	void *many[60];

	EXPECT(rseq_cache_init(&cache, 64, refill, drain, NULL) == 0);
	dies = 1;
	let_die(get_one, NULL);
	dies = 0;
	EXPECT(rseq_cache_get_n(&cache, many, 60) == 60);
	EXPECT(rseq_cache_put_n(&cache, many, 60) == 0);
	EXPECT(held() == 60 && outside() == 60);
	dies = 1;
	let_die(drain_all, NULL);
	dies = 0;
	/* The others are there, and can be drained. */
	EXPECT(outside() < 60 && outside() > 0);
	EXPECT(rseq_cache_put(&cache, rseq_cache_get(&cache)) == 0);
	EXPECT(rseq_cache_drain(&cache) == 0);
	EXPECT(held() == 0 && outside() == 0);
	rseq_cache_fini(&cache);
}

/* The source is left by a jump, and may not be: its thread is in there. */
static void *jump_out(void *unused)
{
	jumps = 1;
	if (setjmp(outside_of_it) == 0)
		EXPECT(rseq_cache_drain(&cache) > 0);	/* no return */
	EXPECT(!jumps && rseq_cache_drain(&cache) == -EDEADLK);
	EXPECT(rseq_cache_resize(&cache, 1) == -EDEADLK);
	EXPECT(rseq_cache_put(&cache, rseq_cache_get(&cache)) == 0);
	return unused;
}

static void jumps_out(void)
{
	void *many[60];
	pthread_t thread;

	EXPECT(rseq_cache_init(&cache, 64, refill, drain, NULL) == 0);
	jumps = 1;
	if (setjmp(outside_of_it) == 0)
		EXPECT(!rseq_cache_get(&cache) && 0);	/* no return */
	EXPECT(held() == 0 && outside() == 0);
	EXPECT(rseq_cache_get_n(&cache, many, 60) == 60);
	EXPECT(rseq_cache_put_n(&cache, many, 60) == 0);
	pthread_create(&thread, NULL, jump_out, NULL);
	pthread_join(thread, NULL);
	EXPECT(outside() > 0 && rseq_cache_drain(&cache) == 0);
	EXPECT(held() == 0 && outside() == 0);
	rseq_cache_fini(&cache);
}

static void drain_own(void)
{
	EXPECT(held() == outside() && held() > 0);
	EXPECT(rseq_cache_drain(&cache) == 0 && outside() == 0);
}

static void forks(void)
{
	EXPECT(rseq_cache_init(&cache, 8, refill, drain, NULL) == 0);
	EXPECT(rseq_cache_put(&cache, rseq_cache_get(&cache)) == 0);
	in_child(drain_own);
	EXPECT(held() == outside() && held() > 0);
	rseq_cache_fini(&cache);
	EXPECT(outside() == 0);
}

static void short_of_memory(void)
{
	const struct rlimit none = {1 << 20, 1 << 20};
	struct rseq_cache most;		/* of the memory that there is already */

	EXPECT(rseq_cache_init(&most, RSEQ_CACHE_MAX, refill, drain, NULL) ==
	       0);
	setrlimit(RLIMIT_AS, &none);
	EXPECT(rseq_cache_init(&cache, RSEQ_CACHE_MAX, refill, drain, NULL) ==
	       -ENOMEM);
	expect_no_cache();
	rseq_cache_fini(&most);
}

int main(void)
{
	errno = 123;
	refused();
	used();
	EXPECT(errno == 123);
	deaths();
	jumps_out();
	forks();
	short_of_memory();
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}
