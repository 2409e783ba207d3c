/* SPDX-License-Identifier: MIT */
/*
 * System calls between rseq_event() and the store: what is reported, in each of
 * the ways in which one can be made there, and in ways that are right.
 */
#include "area.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include <rseq/debug.h>
#include <rseq/event.h>
#include <rseq/percpu.h>

enum { TRIES = 100 };

static intptr_t value;
static struct rseq_misuse last;
static char text[600];
static int reports, without;	/* of TRIES: and stores without one */

static void count(const struct rseq_misuse *m)
{
	last = *m;
	snprintf(text, sizeof text, "%s", m->text);
	__atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED);
}

static void said(const char *what)
{
	printf("%s.reports=%d\n%s.stored=%d\n", what, reports, what, without);
	printf("%s.number=%ld\n", what, reports ? last.number : -1);
	reports = without = 0;
}

/* In each try the store is made, or refused and told why. */
static void try_each(void (*f)(void))
{
	for (int i = 0; i < TRIES; ++i) {
		const uint32_t event = rseq_event();

		f();
		without += rseq_store_undisturbed(event, &value, 1) ==
			RSEQ_COMMITTED;
	}
}

static void each(const char *what, void (*f)(void))
{
	try_each(f);
	said(what);
}

/* ---- system calls ---- */

static void nothing(void)
{
}

static void libc_call(void)
{
	getppid();
}

static void vdso_call(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
}

static void vdso_fallback(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
}

static __attribute__((__noinline__)) void bare(void)
{
	long ret;
#if defined(__x86_64__)
	__asm__ volatile("syscall" : "=a"(ret) : "0"((long)SYS_getppid) :
			 "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = SYS_getppid;
	register long x0 __asm__("x0");
	__asm__ volatile("svc 0" : "=r"(x0) : "r"(x8) : "memory");
	ret = x0;
#elif defined(__riscv)
	register long a7 __asm__("a7") = SYS_getppid;
	register long a0 __asm__("a0");
	__asm__ volatile("ecall" : "=r"(a0) : "r"(a7) : "memory");
	ret = a0;
#else
	/* Linux watches no call of other architectures. */
	ret = syscall(SYS_getppid);
#endif
	if (ret != getppid())
		printf("wrong_result=1\n");
}

static void changes_mask(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- signal handlers ---- */

static volatile sig_atomic_t handled;

static void calling_handler(int signal)
{
	(void)signal;
	getppid();
	++handled;
}

static void quiet_handler(int signal)
{
	(void)signal;
	++handled;
}

/* An undisturbed store of its own, as it should be. */
static void storing_handler(int signal)
{
	intptr_t other = 0;

	(void)signal;
	(void)!rseq_store_undisturbed(rseq_event(), &other, 1);
	getppid();
	++handled;
}

/* One that breaks the rule itself. */
static void breaking_handler(int signal)
{
	intptr_t other = 0;
	const uint32_t event = rseq_event();

	(void)signal;
	getppid();
	(void)!rseq_store_undisturbed(event, &other, 1);
	++handled;
}

static void wait_for_signal(void)
{
	const sig_atomic_t before = handled;

	while (handled == before)
		;
}

static void by_signals(const char *what, void (*handler)(int), int flags,
		       int all_blocked)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
	struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0},
								{0, 0}};
	const stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};

	sigaltstack(&stack, NULL);
	if (all_blocked)
		sigfillset(&action.sa_mask);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	try_each(wait_for_signal);
	/* What another handler made of it would be said of the next. */
	setitimer(ITIMER_REAL, &never, NULL);
	said(what);
}

/* ---- what is not a store ---- */

/* Events that are asked for, and no store made. */
static void abandoned(void)
{
	for (int i = 0; i < TRIES; ++i) {
		rseq_event();
		getppid();
		const uint32_t event = rseq_event();
		without += rseq_store_undisturbed(event, &value, 1) ==
			RSEQ_COMMITTED;
		getppid();
	}
	said("abandoned");
}

/* Two calls with a system call between them are told apart. */
static void compared(void)
{
	int same = 0;

	for (int i = 0; i < TRIES; ++i) {
		const uint32_t event = rseq_event();
		getppid();
		same += rseq_event() == event;
	}
	printf("same=%d\n", same);
}

/* ---- elsewhere ---- */

static void *thread(void *arg)
{
	each(arg, libc_call);
	return NULL;
}

static void *blocking_thread(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	each(arg, libc_call);
	return NULL;
}

static void in_thread(void *(*f)(void *), char *what)
{
	pthread_t t;

	pthread_create(&t, NULL, f, what);
	pthread_join(t, NULL);
}

static void in_child(void)
{
	fflush(stdout);
	const pid_t child = fork();

	if (child == 0) {
		each("child", libc_call);
		fflush(stdout);
		_exit(0);
	}
	int status = -1;
	waitpid(child, &status, 0);
	printf("child.status=%d\n", status);
}

#ifndef SYS_clock_gettime	/* musl, where a time_t is longer than a pointer */
#define SYS_clock_gettime	SYS_clock_gettime32
#endif

static int has_dispatch(void)
{
	static char selector;

	if (prctl(59, 1, 0, 0, &selector) != 0)
		return 0;
	prctl(59, 0, 0, 0, 0);
	return 1;
}

static int in(const void *at, void (*f)(void))
{
	return (uintptr_t)at - (uintptr_t)f < 256;
}

int main(int argc, char *argv[])
{
	struct sigaction action;

	if (argc > 1 && strcmp(argv[1], "default") == 0) {
		const uint32_t event = rseq_event();

		getppid();
		printf("result=%d\n",
		       rseq_store_undisturbed(event, &value, 1));
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "own") == 0) {
		signal(SIGSYS, quiet_handler);
		each("own", libc_call);
		return 0;
	}
	printf("dispatch=%d\n", has_dispatch());
	printf("getppid=%d\nclock_gettime=%d\nrt_sigprocmask=%d\n",
	       SYS_getppid, SYS_clock_gettime, SYS_rt_sigprocmask);
	printf("usable=%d\n", rseq_usable());
	printf("secure=%d\n", (int)getauxval(AT_SECURE));
	rseq_on_misuse(count);
	each("nothing", nothing);
	each("vdso", vdso_call);
	each("libc", libc_call);
	printf("libc.kind=%d\n", last.kind);
	printf("libc.text=%s\n", text);
	each("fallback", vdso_fallback);
	each("bare", bare);
	printf("bare.inside=%d\n", in(last.at, bare));
	each("mask", changes_mask);
	by_signals("handler", quiet_handler, 0, 0);
	by_signals("calling", calling_handler, 0, 0);
	by_signals("all_blocked", calling_handler, 0, 1);
	by_signals("nodefer", calling_handler, SA_NODEFER, 0);
	by_signals("onstack", calling_handler, SA_ONSTACK, 0);
	by_signals("storing", storing_handler, 0, 0);
	by_signals("breaking", breaking_handler, 0, 0);
	abandoned();
	compared();
	in_thread(thread, "thread");
	in_thread(blocking_thread, "blocking");
	in_child();
	sigaction(SIGSYS, NULL, &action);
	printf("sigsys_default=%d\n", action.sa_handler == SIG_DFL);
	return 0;
}
