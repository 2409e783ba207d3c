/* SPDX-License-Identifier: MIT */
/*
 * limit [descriptors|files|affinity|root DIR]: rseq_cpu_limit() in a process on
 * its last cpu that cannot open a file, for want of descriptors or by a filter,
 * that may not even ask for its affinity, or whose root is empty.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "filter.h"
#include "cpus.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <rseq/rseq.h>

/* In a thread of its own: filters stay. */
static void *refused_affinity(void *limit)
{
	if (!refuse_call(SYS_sched_getaffinity, EPERM))
		*(unsigned int *)limit = rseq_cpu_limit();
	return NULL;
}

/* A thread that is to be cancelled as soon as it comes to a point for that. */
static void *cancelled(void *alive)
{
	static struct rseq_counter counter;
	struct rseq_info info;

	pthread_cancel(pthread_self());
	if (rseq_cpu_limit() > 0 && rseq_feature_size() < 1000 &&
	    !rseq_counter_init(&counter, 1)) {
		rseq_counter_add_slow_(&counter, 0, 1);
		rseq_counter_fini(&counter);
		*(int *)alive = !rseq_query(&info, sizeof info);
	}
	pthread_testcancel();
	return NULL;
}

static int last_cpu(void)
{
	unsigned int cpu = 0;

	count_cpus(&cpu);
	run_on(0, cpu);
	return (int)cpu;
}

int main(int argc, char **argv)
{
	const struct rlimit none = { 0, 0 };
	const char *const without = argc > 1 ? argv[1] : "";
	unsigned int refused = 0;
	int alive = 0, failed = 0;
	void *result;
	pthread_t t;

	printf("cpu=%d\n", last_cpu());
	fflush(stdout);
	if (!strcmp(without, "descriptors"))
		failed = setrlimit(RLIMIT_NOFILE, &none);
	else if (!strcmp(without, "files"))
		failed = refuse_call(SYS_openat, ENOENT);
	else if (!strcmp(without, "root"))
		failed = argc < 3 || chroot(argv[2]) || chdir("/");
	if (failed)
		return 77;
	if (!strcmp(without, "affinity")) {
		pthread_create(&t, NULL, refused_affinity, &refused);
		pthread_join(t, NULL);
		if (!refused)
			return 77;
		printf("refused=%u\n", refused);
	}
	errno = 123;
	printf("limit=%u\n", rseq_cpu_limit());
	printf("again=%u\nerrno=%d\n", rseq_cpu_limit(), errno);
	if (*without)	/* to be cancelled takes a library, a file */
		return 0;
	pthread_create(&t, NULL, cancelled, &alive);
	pthread_join(t, &result);
	printf("alive=%d\ncancelled=%d\n", alive, result == PTHREAD_CANCELED);
	return 0;
}
