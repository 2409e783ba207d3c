/* SPDX-License-Identifier: MIT */
/*
 * malloc_process WHAT: malloc() where a process is not what it was: "alone",
 * "threads", "back", "idle", "moved", "fork", "vfork", "clone", "spawn",
 * "cancel", "limit", "refused".  Blocks are filled and looked at; wrong=0 if none was
 * handed out twice.  The rest is what the caches say of themselves.
 */
#include "filter.h"
#include "migrate.h"
#include "thread_pointer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/wait.h>
#if __has_include(<sys/tlabi.h>)
#include <sys/tlabi.h>
#endif

extern char **environ;

enum { HELD = 40, SIZE = 200 };

static unsigned long all[1024];	/* the cpus at first */
static volatile int stop;
static _Atomic long wrong, rounds;

static void report(const char *when)
{
#ifdef TLABI_MALLOC_STATS
	struct tlabi_malloc_stats s;

	tlabi_malloc_stats(&s);
	printf("%s.hits=%llu\n%s.bytes=%llu\n%s.limit=%llu\n",
	       when, (unsigned long long)s.hits,
	       when, (unsigned long long)s.bytes,
	       when, (unsigned long long)s.limit);
#else
	(void)when;
#endif
	fflush(stdout);
}

/* Of the address space, in pages. */
static unsigned long mapped(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu", &pages) != 1)
		exit(1);
	fclose(f);
	return pages;
}

static void use(size_t size, int count)
{
	static _Atomic unsigned int marks;
	unsigned char *p[HELD];

	while (count--) {
		const int mark = (int)(++marks & 0xff);

		for (int i = 0; i < HELD; ++i)
			if ((p[i] = malloc(size)))
				memset(p[i], mark, size);
		for (int i = 0; i < HELD; ++i) {
			for (size_t at = 0; p[i] && at < size; ++at)
				wrong += p[i][at] != mark;
			free(p[i]);
		}
		++rounds;
	}
}

static void here(unsigned int nth)
{
	pin(0, all, nth);
}

static void *busy(void *nth)
{
	if ((uintptr_t)nth < 2)
		pin(0, all, (uintptr_t)nth);
	while (!stop)
		use(SIZE, 1);
	return NULL;
}

static void *wait_for_end(void *unused)
{
	while (!stop)
		usleep(1000);
	return unused;
}

static void *use_briefly(void *unused)
{
	use(SIZE, 10);
	return unused;
}

static pthread_t start(void *(*what)(void *), uintptr_t with)
{
	pthread_t t;

	if (pthread_create(&t, NULL, what, (void *)with)) {
		printf("no_thread=1\n");
		exit(1);
	}
	return t;
}

static void finish(pthread_t t)
{
	stop = 1;
	pthread_join(t, NULL);
	stop = 0;
}

/* ---- one thread, more, and one again ---- */

static void alone(void)
{
	use(SIZE, 100);
	report("end");
}

static void threads(void)
{
	pthread_t t = start(wait_for_end, 0);

	use(SIZE, 100);
	report("end");
	printf("end.mapped=%lu\n", mapped());
	finish(t);
}

static void back(void)
{
	pthread_t t = start(wait_for_end, 0);

	use(SIZE, 100);
	report("with");
	finish(t);
	use(SIZE, 10);
	report("alone");
	t = start(wait_for_end, 0);
	use(SIZE, 100);
	report("again");
	finish(t);
}

/* A cpu's caches are filled, and no thread comes there again. */
static void *fill(void *unused)
{
	here(1);
	use(1000, 10);
	return unused;
}

static void idle(void)
{
	static void *p[4096];
	pthread_t t = start(wait_for_end, 0);

	here(0);
	pthread_join(start(fill, 0), NULL);
	report("before");
	for (int n = 0; n < 40; ++n) {
		for (int i = 0; i < 4096; ++i)
			p[i] = malloc(24);
		for (int i = 0; i < 4096; ++i)
			free(p[i]);
	}
	report("after");
	finish(t);
}

/* A thread frees on one cpu what it allocated on another. */
static void moved(void)
{
	enum { FEW = 1000, MANY = 20000 };
	static void *p[FEW + MANY];
	pthread_t t = start(wait_for_end, 0);

	here(0);
	for (int i = 0; i < FEW + MANY; ++i)
		p[i] = malloc(24);
	here(1);
	report("before");
	for (int i = 0; i < FEW; ++i)
		free(p[i]);
	report("few");
	for (int i = FEW; i < FEW + MANY; ++i)
		free(p[i]);
	report("many");
	for (int i = 0; i < FEW; ++i)
		p[i] = malloc(24);
	report("taken");
	for (int i = 0; i < FEW; ++i)
		free(p[i]);
	report("own");
	finish(t);
}

/* ---- other processes ---- */

static int child_use(void)
{
	const long before = wrong;

	here(1);
	use(SIZE, 200);
	return wrong != before;
}

static void fork_often(void)
{
	pthread_t t[3];
	int bad = 0;

	for (uintptr_t i = 0; i < 3; ++i)
		t[i] = start(busy, i);
	for (int i = 0; i < 25; ++i) {
		int status = -1;
		const pid_t child = fork();

		if (!child) {
			alarm(20);
			wrong = 0;
			use(SIZE, 20);
			pthread_join(start(use_briefly, 0), NULL);
			use(SIZE, 20);
			_exit(wrong != 0);
		}
		waitpid(child, &status, 0);
		bad += status != 0;
	}
	printf("bad_children=%d\n", bad);
	for (int i = 0; i < 3; ++i)
		finish(t[i]);
}

/*
 * The child has its parent's thread pointer, which says cpu 0, and goes to
 * cpu 1: there it must leave the caches alone.  A busy thread on cpu 0 would
 * notice.
 */
static void child_report(void)
{
	pthread_t t = start(wait_for_end, 0);
	int status;
	pid_t child;

	here(0);
	use(SIZE, 10);
	report("before");
	child = vfork();
	if (!child)
		_exit(child_use());
	waitpid(child, &status, 0);
	report("child");
	use(SIZE, 10);
	report("after");
	finish(t);
}

static void vfork_often(void)
{
	static int bad;
	pthread_t t;

	child_report();
	t = start(busy, 0);
	for (int i = 0; i < 25; ++i) {
		int status = -1;
		pid_t child;

		here(0);
		child = vfork();
		if (!child)
			_exit(child_use());
		waitpid(child, &status, 0);
		bad += status != 0;
	}
	printf("bad_children=%d\n", bad);
	finish(t);
}

/* Such a child lives beside its parent, which must leave them alone, too. */
static int clone_child(void *unused)
{
	(void)unused;
	return child_use();
}

static pid_t clone_once(void)
{
	static _Alignas(16) char stack[65536];

	return clone(clone_child, stack + sizeof stack, CLONE_VM | SIGCHLD,
		     NULL);
}

static void clone_often(void)
{
	pthread_t t = start(wait_for_end, 0);
	int bad = 0;

	here(0);
	use(SIZE, 10);
	report("before");
	waitpid(clone_once(), NULL, 0);
	use(SIZE, 10);
	report("child");
	pthread_join(start(use_briefly, 0), NULL);
	report("after");
	finish(t);
	t = start(busy, 0);
	for (int i = 0; i < 25; ++i) {
		int status = -1;
		pid_t child;

		here(0);
		child = clone_once();
		use(SIZE, 20);
		waitpid(child, &status, 0);
		bad += status != 0;
	}
	printf("bad_children=%d\n", bad);
	finish(t);
}

static void spawn_often(void)
{
	char *const arguments[] = { "true", NULL };
	pthread_t t = start(busy, 2);
	int bad = 0;

	for (int i = 0; i < 25; ++i) {
		int status = -1;
		pid_t child;

		if (posix_spawnp(&child, "true", NULL, NULL, arguments,
				 environ) == 0)
			waitpid(child, &status, 0);
		bad += status != 0;
	}
	printf("bad_children=%d\n", bad);
	report("before");
	use(SIZE, 100);
	report("after");
	finish(t);
}

/* ---- threads that do not end by themselves ---- */

static void *cancelled(void *unused)
{
	for (;;) {
		use(SIZE, 1);
		pthread_testcancel();
	}
	return unused;
}

static void cancel(void)
{
	pthread_t t = start(busy, 2);

	for (int i = 0; i < 200; ++i) {
		void *result;
		pthread_t victim = start(cancelled, 0);

		usleep(200);
		pthread_cancel(victim);
		pthread_join(victim, &result);
		wrong += result != PTHREAD_CANCELED;
	}
	finish(t);
}

/* ---- what cannot be had ---- */

/* No room for the caches, and none for the heap in the end. */
static void limit(void)
{
	struct rlimit little;
	void *last = NULL;
	pthread_t t;

	little.rlim_cur = little.rlim_max =
		mapped() * (rlim_t)getpagesize() + 700 * 1024;
	setrlimit(RLIMIT_AS, &little);
	errno = 0;
	t = start(wait_for_end, 0);
	use(SIZE, 10);
	printf("errno=%d\n", errno);
	report("end");
	for (void **p; (p = malloc(1000)); last = p)
		*p = last;
	printf("out=%d\n", errno == ENOMEM);
	for (void *p = last; p; p = last) {
		last = *(void **)p;
		free(p);
	}
	use(SIZE, 10);
	finish(t);
}

static void *busy_without(void *unregistered)
{
	struct rseq *own = (struct rseq *)(uintptr_t)
		((uintptr_t)thread_pointer() + (uintptr_t)__rseq_offset);

	*(int *)unregistered = (int)own->cpu_id < 0;
	return busy(0);
}

/* A thread without rseq beside two that have it. */
static void refused(void)
{
	int unregistered = 0;
	pthread_t t[2];

	t[0] = start(busy, 0);
	if (refuse_rseq(ENOSYS))
		exit(1);
	t[1] = start(busy_without, (uintptr_t)&unregistered);
	use(SIZE, 2000);
	report("end");
	finish(t[0]);
	finish(t[1]);
	printf("unregistered=%d\n", unregistered);
}

static const struct {
	const char *name;
	void (*run)(void);
} kinds[] = {
	{ "alone", alone }, { "threads", threads }, { "back", back },
	{ "idle", idle }, { "moved", moved }, { "fork", fork_often },
	{ "vfork", vfork_often }, { "clone", clone_often },
	{ "spawn", spawn_often }, { "cancel", cancel }, { "limit", limit },
	{ "refused", refused },
};

int main(int argc, char **argv)
{
	allowed_cpus(all);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
		if (argc > 1 && !strcmp(argv[1], kinds[i].name)) {
			kinds[i].run();
			printf("wrong=%ld\nrounds=%ld\nsecure=%lu\n", wrong,
			       rounds, getauxval(AT_SECURE));
			return 0;
		}
	return 2;
}
