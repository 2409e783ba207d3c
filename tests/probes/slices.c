/* SPDX-License-Identifier: MIT */
/*
 * Two threads on one cpu that count, each with a request not to be preempted:
 * how many requests the kernel grants, and whether a count is lost.
 */
#include "area.h"
#include "info.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>

#ifndef PR_RSEQ_SLICE_EXTENSION
#define PR_RSEQ_SLICE_EXTENSION		79
#define PR_RSEQ_SLICE_EXTENSION_SET	2
#define PR_RSEQ_SLICE_EXT_ENABLE	1
#endif
#ifndef SYS_rseq_slice_yield
#define SYS_rseq_slice_yield		471
#endif

enum { ADDS = 100, ENOUGH = 20, SECONDS = 30 };

static struct rseq_counter counter;
static long adds, granted, yielded;
static int error;

/* The first byte of slice_ctrl; the second is the kernel's answer. */
static volatile unsigned char *request(void)
{
	return (volatile unsigned char *)(area() + 28);
}

static void *count(void *unused)
{
	const time_t end = time(NULL) + SECONDS;
	long n = 0, grants = 0, yields = 0;

	run_on_nth(0);
	if (prctl(PR_RSEQ_SLICE_EXTENSION, PR_RSEQ_SLICE_EXTENSION_SET,
		  PR_RSEQ_SLICE_EXT_ENABLE, 0, 0)) {
		error = errno;
		return unused;
	}
	while (grants < ENOUGH && time(NULL) < end) {
		request()[0] = 1;
		atomic_signal_fence(memory_order_seq_cst);
		for (int i = 0; i < ADDS; ++i)
			rseq_counter_add(&counter, 0, 1);
		atomic_signal_fence(memory_order_seq_cst);
		request()[0] = 0;
		if (request()[1]) {
			++grants;
			yields += syscall(SYS_rseq_slice_yield) == 1;
		}
		n += ADDS;
	}
	__atomic_add_fetch(&adds, n, __ATOMIC_RELAXED);
	__atomic_add_fetch(&granted, grants, __ATOMIC_RELAXED);
	__atomic_add_fetch(&yielded, yields, __ATOMIC_RELAXED);
	return unused;
}

int main(void)
{
	pthread_t t[2];

	tell("main");
	printf("init=%d\n", rseq_counter_init(&counter, 1));
	for (int i = 0; i < 2; ++i)
		pthread_create(&t[i], NULL, count, NULL);
	for (int i = 0; i < 2; ++i)
		pthread_join(t[i], NULL);
	printf("error=%d\nadds=%ld\nsum=%jd\ngranted=%ld\nyielded=%ld\n",
	       error, adds, (intmax_t)rseq_counter_sum(&counter, 0), granted,
	       yielded);
	rseq_counter_fini(&counter);
	return 0;
}
