/* SPDX-License-Identifier: MIT */
/*
 * Threads that are moved from cpu to cpu and interrupted by signals of a timer
 * of their own, while they do something.
 */
#ifndef PROBE_UNDER_LOAD_H
#define PROBE_UNDER_LOAD_H

#include "migrate.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct load {
	int threads;			/* at most VICTIMS */
	void (*start)(unsigned int nth);	/* before any signal; or NULL */
	void (*work)(unsigned int nth);	/* what each of them does */
	void (*handler)(int);		/* 200 us after the last one, each */
	long rest;			/* ns, between moves; -1: none move */
	void (*count)(void);		/* when no more signals come; or NULL */
};

static const struct load *load;
static long deadline;	/* on the clock of now(), for work to look at */

static inline long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static __thread timer_t own_timer;

static inline int next_signal(void)
{
	const struct itimerspec soon = {.it_value.tv_nsec = 200000};

	return timer_settime(own_timer, 0, &soon, NULL);
}

/*
 * The next one is asked for when this one is done: a machine whose handlers
 * take longer than that would else do nothing but handle signals.
 */
static void on_signal(int sig)
{
	const int saved = errno;

	load->handler(sig);
	next_signal();
	errno = saved;
}

static inline int start_signals(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1,
	};

	event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
	return timer_create(CLOCK_MONOTONIC, &event, &own_timer) ||
		next_signal();
}

static inline void *work_under_load(void *nth)
{
	if (load->start)
		load->start((unsigned int)(uintptr_t)nth);
	if (start_signals())
		return "no timer";
	be_victim((unsigned int)(uintptr_t)nth);
	load->work((unsigned int)(uintptr_t)nth);
	be_no_victim((unsigned int)(uintptr_t)nth);
	timer_delete(own_timer);
	if (load->count)
		load->count();
	return NULL;
}

/* How many threads could not do it. */
static inline int run_under_load(const struct load *l)
{
	const struct sigaction action = {.sa_handler = on_signal,
					 .sa_flags = SA_RESTART};
	struct timespec rest = {.tv_nsec = l->rest};
	pthread_t t[VICTIMS], mover;
	int failed = 0;

	load = l;
	sigaction(SIGUSR1, &action, NULL);
	if (l->rest >= 0)
		pthread_create(&mover, NULL, migrate, &rest);
	for (int i = 0; i < l->threads; ++i)
		pthread_create(&t[i], NULL, work_under_load,
			       (void *)(uintptr_t)i);
	for (int i = 0; i < l->threads; ++i) {
		void *problem;
		pthread_join(t[i], &problem);
		failed += problem != NULL;
	}
	__atomic_store_n(&stop_migrating, 1, __ATOMIC_RELAXED);
	if (l->rest >= 0)
		pthread_join(mover, NULL);
	return failed;
}

#endif
