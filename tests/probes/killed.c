/* SPDX-License-Identifier: MIT */
/*
 * A sandbox that was made for a libc without rseq: its filter ends the
 * process. "joinable": a thread made under it; "detached": one made before it
 * that ends under it; "query": rseq_query() under it.
 */
#include "filter.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include <rseq/rseq.h>

static sem_t go;
static volatile pid_t tid;

static void *returns(void *arg)
{
	return arg;
}

static void *waits(void *arg)
{
	tid = (pid_t)syscall(SYS_gettid);
	while (sem_wait(&go))
		;
	return arg;
}

static void wait_until_gone(void)
{
	char name[64];

	snprintf(name, sizeof name, "/proc/self/task/%d", (int)tid);
	while (access(name, F_OK) == 0)
		usleep(1000);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "joinable";
	struct rseq_info info;
	pthread_t t;

	sem_init(&go, 0, 0);
	if (strcmp(what, "detached") == 0) {
		pthread_create(&t, NULL, waits, NULL);
		pthread_detach(t);
		while (!tid)
			usleep(1000);
	}
	if (filter_call(SYS_rseq, SECCOMP_RET_KILL_PROCESS,
			SECCOMP_FILTER_FLAG_TSYNC))
		return 77;
	if (strcmp(what, "detached") == 0) {
		sem_post(&go);
		wait_until_gone();
	} else if (strcmp(what, "query") == 0) {
		rseq_query(&info, sizeof info);
	} else {
		pthread_create(&t, NULL, returns, NULL);
		pthread_join(t, NULL);
	}
	puts("alive=1");
	return 0;
}
