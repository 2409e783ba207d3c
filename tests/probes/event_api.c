/* SPDX-License-Identifier: MIT */
/* What changes rseq_event(), and what does not. */
#include "area.h"
#include "migrate.h"
#include "cpus.h"

#include <signal.h>
#include <sys/time.h>

#include <rseq/rseq.h>

enum { CALLS = 1000000, TRIES = 100 };

static volatile sig_atomic_t handled;
static volatile uint32_t seen_by_handler;

static void handler(int signal)
{
	(void)signal;
	++handled;
}

static void calling_handler(int signal)
{
	(void)signal;
	seen_by_handler = rseq_event();
	++handled;
}

/* How many of so many calls in a row differ from the one before. */
static long changes(void)
{
	uint32_t last = rseq_event();
	long n = 0;

	for (long i = 0; i < CALLS; ++i) {
		uint32_t now = rseq_event();
		n += now != last;
		last = now;
	}
	return n;
}

/* Signals that arrive while user code runs, never during a system call. */
static int missed_signals(void (*f)(int))
{
	struct sigaction action = {.sa_handler = f};
	struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0},
								  {0, 0}};
	int missed = 0;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < TRIES; ++i) {
		/* In this order: what comes in between has to be seen. */
		uint32_t event = rseq_event();
		sig_atomic_t before = handled;
		while (handled == before)
			;
		missed += rseq_event() == event;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	return missed;
}

/* Another thread moves this one; it sees that in its cpu, in user code. */
static int missed_moves(int *moves)
{
	pthread_t mover;
	unsigned int last;
	int missed = 0;

	if (count_cpus(&last) < 2 || (int)word(CPU_ID) < 0)
		return 0;
	be_victim(0);
	pthread_create(&mover, NULL, migrate, NULL);
	for (int i = 0; i < TRIES; ++i) {
		uint32_t event = rseq_event();
		uint32_t cpu = word(CPU_ID), now;
		event = rseq_event();
		cpu = word(CPU_ID);
		do {
			now = word(CPU_ID);
		} while (now == cpu);
		missed += rseq_event() == event;
		++*moves;
	}
	be_no_victim(0);
	__atomic_store_n(&stop_migrating, 1, __ATOMIC_RELAXED);
	pthread_join(mover, NULL);
	return missed;
}

int main(void)
{
	int moves = 0;
	uint32_t start = rseq_event();

	printf("starts_at=%u\n", start);
	printf("changes=%ld\n", changes());
	printf("missed_signals=%d\n", missed_signals(handler));
	printf("missed_calling=%d\n", missed_signals(calling_handler));
	printf("missed_moves=%d\n", missed_moves(&moves));
	printf("moves=%d\nadvanced=%d\n", moves, rseq_event() != start);
	return 0;
}
