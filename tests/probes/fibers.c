/* SPDX-License-Identifier: MIT */
/*
 * fibers: coroutines that count, each resumed by one thread after the other,
 * in the middle of a function that is inlined from librseq before and after.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include <rseq/percpu.h>
#include <rseq/transaction.h>

enum { THREADS = 3, FIBERS = 8, ROUNDS = 2000, STACK = 65536 };

static struct slot {
	struct rseq_guard guard;
	long value;
	long added;
} *slots;	/* per-cpu */

static struct fiber {
	ucontext_t self;
	ucontext_t *back;
	atomic_int turn;	/* -1: it has ended */
	int left;
	long unavailable;
} fibers[FIBERS];

static void commit_one(void)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	struct slot *s;
	long n;

	do {
		const int cpu = rseq_begin(&t);
		if (cpu < 0)
			exit(2);
		s = rseq_percpu_ptr(slots, cpu);
		n = __atomic_load_n(&s->value, __ATOMIC_RELAXED);
	} while (rseq_commit(&t, &s->value, n + 1) != RSEQ_COMMITTED);
}

static void count(struct fiber *f)
{
	enum rseq_result r;

	do
		r = rseq_this_cpu_add(&slots->added, 1);
	while (r == RSEQ_RESTARTED);
	f->unavailable += r == RSEQ_UNAVAILABLE;
}

static void run_fiber(unsigned int n)
{
	struct fiber *const f = &fibers[n];

	for (; f->left > 0; --f->left) {
		count(f);
		commit_one();
		swapcontext(&f->self, f->back);
		count(f);
		commit_one();
	}
	swapcontext(&f->self, f->back);
}

/* Resume the fibers whose turn it is to run in this thread, one of THREADS. */
static void *resume(void *number)
{
	const int me = (int)(intptr_t)number;
	ucontext_t here;

	for (int left = 1; left > 0; sched_yield()) {
		left = 0;
		for (struct fiber *f = fibers; f < fibers + FIBERS; ++f) {
			const int turn = atomic_load(&f->turn);
			if (turn < 0)
				continue;
			left = 1;
			if (turn % THREADS != me)
				continue;
			f->back = &here;
			swapcontext(&here, &f->self);
			atomic_store(&f->turn, f->left > 0 ? turn + 1 : -1);
		}
	}
	return NULL;
}

static void make_fiber(unsigned int n)
{
	struct fiber *const f = &fibers[n];

	getcontext(&f->self);
	f->self.uc_stack.ss_sp = malloc(STACK);
	f->self.uc_stack.ss_size = STACK;
	f->left = ROUNDS;
	makecontext(&f->self, (void (*)(void))run_fiber, 1, n);
}

int main(void)
{
	pthread_t thread[THREADS];
	long committed = 0, added = 0;
	struct slot *s;

	slots = rseq_percpu_alloc(sizeof *slots, 64);
	if (!slots)
		return 2;
	for (unsigned int n = 0; n < FIBERS; ++n)
		make_fiber(n);
	for (int i = 0; i < THREADS; ++i)
		if (pthread_create(&thread[i], NULL, resume,
				   (void *)(intptr_t)i))
			return 2;
	for (int i = 0; i < THREADS; ++i)
		pthread_join(thread[i], NULL);
	for (unsigned int n = 0; n < FIBERS; ++n)
		added += fibers[n].unavailable;
	RSEQ_FOR_EACH_CPU(s, slots) {
		committed += s->value;
		added += s->added;
	}
	printf("expected=%ld\ncommitted=%ld\nadded=%ld\n",
	       2L * FIBERS * ROUNDS, committed, added);
	return 0;
}
