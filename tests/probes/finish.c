/* SPDX-License-Identifier: MIT */
/* The undisturbed store: what lets it happen, and what does not. */
#include "area.h"
#include "migrate.h"
#include "cpus.h"

#include <signal.h>
#include <sys/time.h>

#include <rseq/rseq.h>

enum { TRIES = 100 };

static intptr_t value;
static volatile sig_atomic_t handled;

/* How many of so many did not end as they should, or not leave value alone. */
static int bad;

static void expect(enum rseq_result result, intptr_t is,
		   enum rseq_result should, intptr_t was)
{
	bad += result != should || is != was;
}

static void said(const char *what)
{
	printf("%s=%d\n", what, bad);
	bad = 0;
}

/* ---- undisturbed ---- */

/* Something else may disturb any of them, but not many. */
static void committed(void)
{
	int restarted = 0;

	for (int i = 1; i <= TRIES; ++i) {	/* value is 0 before */
		const uint32_t event = rseq_event();
		const enum rseq_result r = rseq_store_undisturbed(event, &value, i);
		restarted += r == RSEQ_RESTARTED;
		bad += r == RSEQ_COMMITTED ? value != i : value == i;
	}
	said("wrong");
	printf("restarted=%d\n", restarted);
}

/* Its own copy of a value, its own address. */
static void operands(void)
{
	enum rseq_result r;

	value = 0;
	do
		r = rseq_store_undisturbed(rseq_event(), &value, (intptr_t)&value);
	while (r == RSEQ_RESTARTED);
	expect(r, value, RSEQ_COMMITTED, (intptr_t)&value);
	do
		r = rseq_store_undisturbed(rseq_event(), &value, INTPTR_MIN);
	while (r == RSEQ_RESTARTED);
	expect(r, value, RSEQ_COMMITTED, INTPTR_MIN);
	said("operands");
}

/* ---- disturbed, by whatever f does ---- */

static void disturbed(const char *what, void (*f)(void))
{
	for (int i = 0; i < TRIES; ++i) {
		uint32_t event;
		value = 1;
		event = rseq_event();
		f();
		expect(rseq_store_undisturbed(event, &value, 2), value, RSEQ_RESTARTED, 1);
	}
	said(what);
}

/* A signal that arrives while user code runs, not during a system call. */
static void wait_for_signal(void)
{
	const sig_atomic_t before = handled;

	while (handled == before)
		;
}

static void handler(int signal)
{
	(void)signal;
	++handled;
}

/* Its token is left behind, and looks like that of who was interrupted. */
static void leaving_handler(int signal)
{
	intptr_t other = 0;

	(void)signal;
	(void)!rseq_store_undisturbed(rseq_event(), &other, 1);
	++handled;
}

static void publishing_handler(int signal)
{
	(void)signal;
	rseq_event();
	++handled;
}

static void by_signals(const char *what, void (*f)(int))
{
	const struct sigaction action = {.sa_handler = f};
	struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0},
								{0, 0}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	disturbed(what, wait_for_signal);
	setitimer(ITIMER_REAL, &never, NULL);
}

static void wait_for_move(void)
{
	const int cpu = rseq_this_cpu().n;

	while (rseq_this_cpu().n == cpu)
		;
}

static void by_moves(void)
{
	pthread_t mover;
	unsigned int last;

	if (count_cpus(&last) < 2)
		return;
	be_victim(0);
	pthread_create(&mover, NULL, migrate, NULL);
	disturbed("moved", wait_for_move);
	be_no_victim(0);
	__atomic_store_n(&stop_migrating, 1, __ATOMIC_RELAXED);
	pthread_join(mover, NULL);
}

static void another_section(void)
{
	static intptr_t other;

	while (rseq_add(&other, 1, rseq_this_cpu()) == RSEQ_RESTARTED)
		;
}

/* As if disturbed, and asked again by somebody that it called. */
static void another_event(void)
{
	rseq_prepare_unload();
	rseq_event();
}

static void unregister(void)
{
	const int length = registered_length();
	uint32_t event;

	rseq_prepare_unload();	/* what is published then stays so */
	if (length > 0)
		syscall(SYS_rseq, area(), length, 1, RSEQ_SIG);
	event = rseq_event();
	value = 1;
	expect(rseq_store_undisturbed(event, &value, 2), value, RSEQ_UNAVAILABLE, 1);
	said("unregistered");
	/* What was taken from the C library it gets back. */
	if (length > 0)
		syscall(SYS_rseq, area(), length, 0, RSEQ_SIG);
}

int main(void)
{
	errno = 123;
	if (rseq_this_cpu().n >= 0) {
		committed();
		operands();
		by_signals("signalled", handler);
		by_signals("token_left", leaving_handler);
		by_signals("token_published", publishing_handler);
		disturbed("section", another_section);
		disturbed("event_again", another_event);
		printf("errno=%d\n", errno);
		by_moves();
	}
	unregister();
	return 0;
}
