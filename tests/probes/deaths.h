/* SPDX-License-Identifier: MIT */
/* Threads that end in the middle of a call, as if they alone were killed. */
#ifndef PROBE_DEATHS_H
#define PROBE_DEATHS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static long dead;	/* the thread that did */

/* The C library knows nothing of it. */
static void die(void)
{
	__atomic_store_n(&dead, syscall(SYS_gettid), __ATOMIC_RELEASE);
	syscall(SYS_exit, 0);
}

/* Run in, which dies, in a thread, until the kernel knows it no more. */
static void let_die(void *(*in)(void *), void *arg)
{
	pthread_t thread;
	long who;

	__atomic_store_n(&dead, 0, __ATOMIC_RELAXED);
	pthread_create(&thread, NULL, in, arg);
	while (!(who = __atomic_load_n(&dead, __ATOMIC_ACQUIRE)))
		usleep(20);
	while (syscall(SYS_tgkill, getpid(), who, 0) == 0)
		usleep(20);
}

#endif
