/* SPDX-License-Identifier: MIT */
/*
 * Readers and reference counts when a thread ends in the middle of a call, or
 * the process is forked there: nothing is given up early, nor twice.
 *
 *	sharing_deaths fence	where every cpu is interrupted: all machines
 *	sharing_deaths steps	at many instructions, where one can step
 *
 * To be linked with -Wl,--wrap=syscall.
 */
#include "checks.h"
#include "children.h"
#include "deaths.h"
#include "wrap_syscall.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include <rseq/readers.h>
#include <rseq/refcount.h>

static struct rseq_readers readers;
static struct rseq_refcount count;
static struct rseq_reading in;
static int told;

static void (*at_fence)(void);

static long called(long number, const long *a)
{
	enum { RSEQ_FENCE = 1 << 7 };
	void (*const what)(void) = at_fence;

	if (what && number == SYS_membarrier && a[0] == RSEQ_FENCE) {
		at_fence = NULL;
		what();
	}
	return really_call(number, a);
}

/* ---- what may be interrupted ---- */

static void enter(void) { in = rseq_readers_enter(&readers); }
static void leave(void) { rseq_readers_leave(&readers, in); }
static void wait_once(void) { told = rseq_readers_wait(&readers, 0); }
static void get(void) { rseq_refcount_get(&count); }
static void put(void) { told = rseq_refcount_put(&count); }
static void end(void) { told = rseq_refcount_kill(&count); }

static const struct {
	void (*first)(void), (*what)(void);
} calls[] = {
	{ NULL, enter }, { enter, leave }, { NULL, wait_once },
	{ NULL, get }, { get, put }, { get, end },
};
enum { CALLS = sizeof calls / sizeof *calls, END = CALLS - 1 };

static void set_up(int nth)
{
	EXPECT(rseq_readers_init(&readers) == 0);
	EXPECT(rseq_refcount_init(&count) == 0);
	if (calls[nth].first)
		calls[nth].first();
}

/* A reader is waited for, also behind one that is for ever; so many are in. */
static int readers_left(void)
{
	const struct rseq_reading mine = rseq_readers_enter(&readers);
	int left;

	EXPECT(rseq_readers_wait(&readers, 0) == -ETIMEDOUT);
	rseq_readers_leave(&readers, mine);
	left = rseq_readers_wait(&readers, 0);
	EXPECT(left == 0 || left == -ETIMEDOUT);
	rseq_readers_fini(&readers);
	EXPECT(rseq_readers_init(&readers) == 0);
	EXPECT(rseq_readers_wait(&readers, 0) == 0);
	rseq_readers_fini(&readers);
	return left != 0;
}

static int taken_over;

/* The end is told once: so many references were not given back. */
static int references_left(int nth)
{
	int last;

	rseq_refcount_get(&count);
	EXPECT(rseq_refcount_put(&count) == 0);
	last = rseq_refcount_kill(&count);
	if (nth == END) {	/* one is there; that one had done it, or not */
		EXPECT(last == 0 || last == -EINVAL);
		taken_over += last == 0;
		last = 0;
	}
	EXPECT(last == 0 || last == 1);
	EXPECT(rseq_refcount_kill(&count) == -EINVAL && !count.words);
	if (last == 0)
		EXPECT(rseq_refcount_put(&count) == 1);
	return !last;
}

/* ---- at the fence ---- */

static void *end_at_fence(void *unused)
{
	at_fence = die;
	end();
	die();
	return unused;
}

static void *wait_at_fence(void *unused)
{
	at_fence = die;
	wait_once();
	die();
	return unused;
}

static void go_on(void)
{
	EXPECT(references_left(END) == 1);
}

static void fork_here(void)
{
	in_child(go_on);
}

static int fences(void)
{
	const int percpu = (set_up(END), count.words != NULL);

	let_die(end_at_fence, NULL);
	EXPECT(references_left(END) == 1 && taken_over == percpu);
	let_die(wait_at_fence, NULL);
	EXPECT(readers_left() == 0);

	set_up(END);
	at_fence = fork_here;
	taken_over = 0;
	end();
	EXPECT(told == 0 && rseq_refcount_put(&count) == 1);
	EXPECT((at_fence == NULL) == percpu);
	at_fence = NULL;
	rseq_readers_fini(&readers);
	return 0;
}

/* ---- at some instruction ---- */

#ifdef __x86_64__
static volatile long steps_left;
static long died;

/* Begin to step, or do so until the last step or the end of the call. */
static void on_step(int sig, siginfo_t *info, void *context)
{
	enum { TF = 1 << 8 };
	greg_t *const flags =
		&((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

	(void)info;
	if (sig == SIGUSR1) {
		*flags |= TF;
	} else if (steps_left == 0) {
		*flags &= ~(greg_t)TF;
	} else if (--steps_left == 0) {
		++died;
		die();
	}
}

struct trial {
	int nth;
	long steps;
	int finished;
};

static void *step(void *arg)
{
	struct trial *const t = (struct trial *)arg;

	steps_left = t->steps;
	really_call(SYS_tgkill, (const long[6]){getpid(),
		    syscall(SYS_gettid), SIGUSR1});
	calls[t->nth].what();
	steps_left = 0;
	t->finished = 1;
	die();
	return NULL;
}

static int steps(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_sigaction = on_step;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	for (int nth = 0; nth < CALLS; ++nth) {
		int seen[2] = {0, 0};
		struct trial t = {nth, 0, 0};
		/* Each of the first ones, then some, others in each run. */
		while (!t.finished) {
			set_up(nth);
			t.steps += 1 + (t.steps < 40 ? 0 : t.steps / 3 +
					getpid() % 5);
			let_die(step, &t);
			++seen[nth < 3 ? readers_left() :
			       references_left(nth)];
			if (nth < 3)
				EXPECT(rseq_refcount_kill(&count) == 1);
			else
				rseq_readers_fini(&readers);
		}
		/* What it had begun was there before, or behind. */
		if (nth == 2)
			EXPECT(seen[0] > 0 && seen[1] == 0);
		else if (nth < END)
			EXPECT(seen[0] > 0 && seen[1] > 0);
	}
	printf("died=%ld\ntaken_over=%d\n", died, taken_over);
	return 0;
}
#else
static int steps(void)
{
	return 77;
}
#endif

int main(int argc, char **argv)
{
	int ret;

	ret = argc > 1 && !strcmp(argv[1], "steps") ? steps() : fences();
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return ret;
}
