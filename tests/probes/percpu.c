/* SPDX-License-Identifier: MIT */
/*
 * percpu WHAT: per-cpu memory by itself.
 *
 *	api		sizes, alignments, what is refused, zeroed again
 *	many		objects of all sizes, which never overlap
 *	short		less address space than a chunk, then enough
 *	refused		by a filter that lets no more memory be mapped
 *	fork		children of a process that allocates all the time
 *	handler		a signal handler that allocates in the middle of it
 *	beyond		a copy behind the last cpu's
 *	large		on a machine with CPUS cpus, which is pretended
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "checks.h"
#include "filter.h"
#include "many_cpus.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rseq/percpu.h>

enum { STRIDE = RSEQ_PERCPU_STRIDE, PAGE = 4096 };

/* ---- api ---- */

static int all_zero(const char *p, size_t size)
{
	char *copy;
	int zero = 1;

	RSEQ_FOR_EACH_CPU(copy, (char *)(uintptr_t)p)
		for (size_t i = 0; i < size; ++i)
			zero &= copy[i] == 0;
	return zero;
}

static void fill(char *p, size_t size)
{
	char *copy;

	RSEQ_FOR_EACH_CPU(copy, p)
		memset(copy, 0xa5, size);
}

static void try_sizes(void)
{
	static const size_t good[] = { 1, 8, 16, 17, 4095, 4096, 4097, 32768,
				       STRIDE - 1, STRIDE };
	static const size_t bad[] = { 0, STRIDE + 1, (size_t)1 << 20,
				      SIZE_MAX / 2, SIZE_MAX - 15, SIZE_MAX };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
		EXPECT(!rseq_percpu_alloc(bad[i], 0));
	for (size_t i = 0; i < sizeof good / sizeof *good; ++i) {
		char *p = (char *)rseq_percpu_alloc(good[i], 0);

		EXPECT(p && all_zero(p, good[i]));
		if (!p)
			continue;
		/* Whoever has it next finds zeros. */
		fill(p, good[i]);
		EXPECT(rseq_percpu_free(p) == 0);
		p = (char *)rseq_percpu_alloc(good[i], 0);
		EXPECT(p && all_zero(p, good[i]));
		EXPECT(rseq_percpu_free(p) == 0);
	}
}

static void try_alignments(void)
{
	static const size_t bad[] = { 3, 24, 6000, 2 * PAGE, STRIDE, SIZE_MAX,
				      SIZE_MAX / 2 + 1 };
	char *in_between[16];
	int n = 0;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
		EXPECT(!rseq_percpu_alloc(8, bad[i]));
	EXPECT(!rseq_percpu_alloc(0, PAGE));
	for (size_t align = 1; align <= PAGE; align *= 2) {
		char *p = (char *)rseq_percpu_alloc(8, align);

		EXPECT(p && (uintptr_t)rseq_percpu_ptr(p, 0) % align == 0 &&
		       (uintptr_t)rseq_percpu_ptr(p, 5) % align == 0);
		in_between[n++] = p;
	}
	while (n)
		EXPECT(rseq_percpu_free(in_between[--n]) == 0);
}

static void try_free(void)
{
	char *p = (char *)rseq_percpu_alloc(64, 0), *q, local;

	EXPECT(p);
	EXPECT(rseq_percpu_free(NULL) == 0);
	EXPECT(rseq_percpu_free(&local) == -EINVAL);
	EXPECT(rseq_percpu_free(stdout) == -EINVAL);
	EXPECT(rseq_percpu_free((void *)16) == -EINVAL);
	EXPECT(rseq_percpu_free((void *)-16) == -EINVAL);
	EXPECT(rseq_percpu_free(p + 1) == -EINVAL);
	EXPECT(rseq_percpu_free(p + 16) == -EINVAL);
	EXPECT(rseq_percpu_free(p + 64) == -EINVAL);
	EXPECT(rseq_percpu_free(rseq_percpu_ptr(p, 1)) == -EINVAL);
	EXPECT(rseq_percpu_free(p) == 0);
	EXPECT(rseq_percpu_free(p) == -EINVAL);
	/* And all that has left it usable. */
	q = (char *)rseq_percpu_alloc(64, 0);
	EXPECT(q && all_zero(q, 64));
	EXPECT(rseq_percpu_free(q) == 0);
}

static void try_copies(void)
{
	intptr_t *p = (intptr_t *)rseq_percpu_alloc(sizeof *p, 0), *copy;
	unsigned int n = 0;

	RSEQ_FOR_EACH_CPU(copy, p) {
		EXPECT(copy == rseq_percpu_ptr(p, n));
		EXPECT((char *)copy - (char *)rseq_percpu_ptr(p, 0) ==
		       0 RSEQ_PERCPU_SIGN_ (ptrdiff_t)n * STRIDE);
		++n;
	}
	EXPECT(n == rseq_cpu_limit());
	EXPECT(rseq_percpu_free(p) == 0);
}

static int api(void)
{
	errno = 123;
	try_sizes();
	try_alignments();
	try_free();
	try_copies();
	EXPECT(errno == 123);
	return 0;
}

/* ---- many ---- */

enum { OBJECTS = 300 };

static int many(void)
{
	static struct { unsigned char *p; size_t size; } object[OBJECTS];
	unsigned int random = 1;
	long wrong_bytes = 0;
	int chunks_seen = 0;

	for (int round = 0; round < 4; ++round) {
		for (int i = 0; i < OBJECTS; ++i) {
			random = random * 1103515245 + 12345;
			if (object[i].p && random >> 30 == 0)
				continue;	/* some stay */
			if (object[i].p)
				EXPECT(rseq_percpu_free(object[i].p) == 0);
			object[i].size = 1 + (random >> 8) % 3000;
			object[i].p = (unsigned char *)rseq_percpu_alloc(
				object[i].size, (size_t)1 << random % 10);
			EXPECT(object[i].p);
			for (size_t n = 0; n < object[i].size; ++n)
				wrong_bytes += *rseq_percpu_ptr(
					object[i].p + n, 1) != 0;
			memset(rseq_percpu_ptr(object[i].p, 1), i,
			       object[i].size);
		}
		for (int i = 0; i < OBJECTS; ++i)
			for (size_t n = 0; n < object[i].size; ++n)
				wrong_bytes += *rseq_percpu_ptr(object[i].p + n,
					1) != (unsigned char)i;
	}
	for (int i = 1; i < OBJECTS; ++i) {
		const uintptr_t distance = (uintptr_t)object[i].p -
			(uintptr_t)object[0].p;
		chunks_seen |= distance + STRIDE > 2 * (uintptr_t)STRIDE;
	}
	for (int i = 0; i < OBJECTS; ++i)
		EXPECT(rseq_percpu_free(object[i].p) == 0);
	EXPECT(chunks_seen);	/* more than one was needed */
	EXPECT(wrong_bytes == 0);
	return 0;
}

/* ---- without memory ---- */

static int few(void)
{
	const struct rlimit little = { 32 << 20, RLIM_INFINITY };
	const struct rlimit enough = { RLIM_INFINITY, RLIM_INFINITY };
	void *p;

	EXPECT(setrlimit(RLIMIT_AS, &little) == 0);
	errno = 123;
	EXPECT(!rseq_percpu_alloc(8, 0));
	EXPECT(!rseq_percpu_alloc(STRIDE, 0));
	EXPECT(errno == 123);
	EXPECT(rseq_percpu_free(&p) == -EINVAL);
	EXPECT(setrlimit(RLIMIT_AS, &enough) == 0);
	p = rseq_percpu_alloc(8, 0);
	EXPECT(p && rseq_percpu_free(p) == 0);
	return 0;
}

static int refused(const char *call)
{
	void *p;

	if (refuse_call(strcmp(call, "mmap") ? SYS_mprotect : CALL_OF_MMAP,
			ENOMEM))
		return 77;
	errno = 123;
	p = rseq_percpu_alloc(8, 0);
	EXPECT(!p && errno == 123);
	return 0;
}

/* ---- not alone ---- */

static volatile int over;

static void *keep_allocating(void *unused)
{
	while (!over) {
		void *p = rseq_percpu_alloc(40000, 0);
		EXPECT(p && rseq_percpu_free(p) == 0);
	}
	return unused;
}

static int in_child(void)
{
	void *p;

	alarm(20);
	for (int i = 0; i < 3; ++i) {
		p = rseq_percpu_alloc(40000, 0);
		if (!p || !all_zero((char *)p, 100) || rseq_percpu_free(p))
			return 1;
	}
	return 0;
}

static int forks(void)
{
	enum { CHILDREN = 300 };
	pthread_t t[3];
	int good = 0;

	for (int i = 0; i < 3; ++i)
		pthread_create(&t[i], NULL, keep_allocating, NULL);
	for (int i = 0; i < CHILDREN; ++i) {
		const pid_t child = fork();
		int status = -1;

		if (child == 0)
			_exit(in_child());
		waitpid(child, &status, 0);
		good += status == 0;
	}
	over = 1;
	for (int i = 0; i < 3; ++i)
		pthread_join(t[i], NULL);
	EXPECT(good == CHILDREN);
	return 0;
}

static volatile sig_atomic_t handled, refused_in_handler;

static void allocate(int signal)
{
	void *p = rseq_percpu_alloc(100, 0);

	(void)signal;
	++handled;
	if (!p)
		++refused_in_handler;
	else if (rseq_percpu_free(p) != 0)
		abort();
}

static int handler(void)
{
	const struct sigaction action = { .sa_handler = allocate };
	const struct itimerval often = { { 0, 100 }, { 0, 100 } },
		never = { { 0, 0 }, { 0, 0 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 20000 &&
	     (refused_in_handler < 3 || handled <= 3); ++i) {
		void *p = rseq_percpu_alloc(40000, 0);
		EXPECT(p && rseq_percpu_free(p) == 0);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT(handled > 3);
	printf("in_the_middle=%d\n", (int)refused_in_handler);
	return 0;
}

/* ---- where it ends ---- */

/* The signal of a child that writes to a cpu's copy. */
static int writing_kills(intptr_t *p, unsigned int cpu)
{
	const pid_t child = fork();
	int status = 0;

	if (child == 0) {
		*(volatile intptr_t *)rseq_percpu_ptr(p, cpu) = 1;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int beyond(void)
{
	intptr_t *const p = (intptr_t *)rseq_percpu_alloc(STRIDE, 0);
	const unsigned int limit = rseq_cpu_limit();

	EXPECT(writing_kills(p, 0) == 0);
	EXPECT(writing_kills(p, limit - 1) == 0);
	EXPECT(writing_kills(p, limit) == SIGSEGV);
	EXPECT(limit >= 1024 || writing_kills(p, 1023) == SIGSEGV);
	EXPECT(limit > 1024 || writing_kills(p, 1024) == SIGSEGV);
	return 0;
}

static long kilobytes(const char *what)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long n = -1;

	while (f && n < 0 && fgets(line, sizeof line, f))
		if (!strncmp(line, what, strlen(what)))
			n = atol(line + strlen(what));
	if (f)
		fclose(f);
	return n;
}

static int large(void)
{
	const long space = kilobytes("VmSize:"), used = kilobytes("VmRSS:");
	intptr_t *const p = (intptr_t *)rseq_percpu_alloc(STRIDE, 0);

	EXPECT(p);
	for (int cpu = 0; cpu < 4; ++cpu)
		*rseq_percpu_ptr(p, cpu) = 1;
	printf("limit=%u\nspace=%ld\nused=%ld\n", rseq_cpu_limit(),
	       kilobytes("VmSize:") - space, kilobytes("VmRSS:") - used);
	EXPECT(rseq_percpu_free(p) == 0);
	printf("used_after=%ld\npage=%d\n", kilobytes("VmRSS:") - used,
	       getpagesize() / 1024);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} all[] = {
		{ "api", api }, { "many", many }, { "short", few },
		{ "fork", forks }, { "handler", handler },
		{ "beyond", beyond }, { "large", large },
	};
	int status = 2;

	for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
		if (argc == 2 && !strcmp(argv[1], all[i].name))
			status = all[i].run();
	if (argc == 3 && !strcmp(argv[1], "refused"))
		status = refused(argv[2]);
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return status;
}
