/* SPDX-License-Identifier: MIT */
/* Guards held: by this thread, by another, by one that is no more. */
#include "area.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <rseq/rseq.h>

enum { CPUS = 256 };

/* Beside its data; no power of two. */
static struct slot {
	struct rseq_guard guard;
	intptr_t value, more;
} slots[CPUS];

static const struct rseq_guards guards = {
	&slots[0].guard, sizeof slots[0], CPUS
};

static void print(const char *key, long value)
{
	printf("%s=%ld\n", key, value);
}

static void pin_to(unsigned int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
}

static void in_thread(void *(*f)(void *), void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, f, arg);
	pthread_join(t, NULL);
}

static long add_one(const struct rseq_guards *g)
{
	for (;;) {
		struct rseq_transaction t = RSEQ_TRANSACTION(g);
		const int cpu = rseq_begin(&t);
		struct slot *s;
		if (cpu < 0)
			return cpu;
		s = &slots[cpu];
		if (rseq_commit(&t, &s->value, *(volatile intptr_t *)
				&s->value + 1) == RSEQ_COMMITTED)
			return 0;
	}
}

/* ---- what is refused ---- */

static void refused(unsigned int here)
{
	const struct rseq_guards none = { &slots[0].guard, sizeof *slots, 0 };
	struct rseq_transaction t = RSEQ_TRANSACTION(&none);
	struct rseq_hold hold, again;

	print("begin_none", rseq_begin(&t));
	print("lock_none", rseq_guard_lock(&none, 0, &hold));
	print("lock_beyond", rseq_guard_lock(&guards, CPUS, &hold));
	print("lock", rseq_guard_lock(&guards, here, &hold));
	print("lock_own", rseq_guard_lock(&guards, here, &again));
	print("begin_own", add_one(&guards));
	rseq_guard_unlock(&hold);
	print("begin_after", add_one(&guards));
}

/* ---- what is held is odd, and undisturbed ---- */

static int blocked(sigset_t *to)
{
	int n = 0;

	pthread_sigmask(SIG_BLOCK, NULL, to);
	for (int s = 1; s < 65; ++s)
		n += sigismember(to, s) == 1;
	return n;
}

/* The ones that C libraries keep for themselves are not seen. */
static void held(const char *who, const struct slot *s, sigset_t *was)
{
	sigset_t now;
	int same = 1;

	printf("%s.blocked=%d\n", who, blocked(&now));
	printf("%s.faults_blocked=%d\n", who, sigismember(&now, SIGSEGV) +
	       sigismember(&now, SIGBUS) + sigismember(&now, SIGFPE) +
	       sigismember(&now, SIGILL) + sigismember(&now, SIGTRAP) +
	       sigismember(&now, SIGSYS));
	for (int n = 1; n < 65; ++n)
		same &= sigismember(&now, n) == sigismember(was, n);
	printf("%s.same_mask=%d\n%s.odd=%d\n", who, same, who,
	       (int)(s->guard.word & 1));
}

static void signals_while_held(unsigned int here)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&guards);
	struct slot *s = &slots[here];
	struct rseq_hold hold;
	sigset_t was;

	sigemptyset(&was);
	sigaddset(&was, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	blocked(&was);
	held("before", s, &was);
	rseq_guard_lock(&guards, here, &hold);
	held("locked", s, &was);
	rseq_guard_unlock(&hold);
	held("unlocked", s, &was);
	for (int end = 0; end < 2; ++end) {
		t.left = 0;	/* as if it had failed so often */
		rseq_begin(&t);
		held("begun", s, &was);
		if (end)
			rseq_cancel(&t);
		else
			rseq_commit(&t, &s->value, 7);
		held(end ? "cancelled" : "committed", s, &was);
	}
}

/* ---- somebody else holds, or has held ---- */

static volatile int holding, release, result;

static void *lock_and_unlock(void *cpu)
{
	struct rseq_hold hold;

	result = rseq_guard_lock(&guards, (unsigned int)(uintptr_t)cpu, &hold);
	rseq_guard_unlock(&hold);
	return NULL;
}

static void *hold_a_while(void *cpu)
{
	struct rseq_hold hold;

	result = rseq_guard_lock(&guards, (unsigned int)(uintptr_t)cpu, &hold);
	holding = 1;
	while (!release)
		usleep(1000);
	rseq_guard_unlock(&hold);
	return NULL;
}

static void *hold_for_ever(void *cpu)
{
	static struct rseq_hold hold;

	rseq_guard_lock(&guards, (unsigned int)(uintptr_t)cpu, &hold);
	return NULL;
}

/* Begun before, and to be committed while or after it is held. */
static void begun_before(unsigned int here, void *(*f)(void *), const char *who)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&guards);
	const int cpu = rseq_begin(&t);
	const int self_held = t.hold.guard != NULL;
	pthread_t other;

	if (self_held)
		rseq_cancel(&t);
	slots[here].value = 50;
	holding = release = 0;
	pthread_create(&other, NULL, f, (void *)(uintptr_t)here);
	if (f == hold_a_while)
		while (!holding)
			usleep(1000);
	else
		pthread_join(other, NULL);
	if (!self_held)
		print(who, rseq_commit(&t, &slots[cpu].value, 51));
	printf("%s.value=%td\n%s.lock=%d\n", who, slots[here].value, who,
	       result);
	release = 1;
	if (f == hold_a_while)
		pthread_join(other, NULL);
}

static void ignore(int signal)
{
	(void)signal;
}

/* A thread that ended without letting go; signals that end every sleep. */
static void dead_holder(unsigned int here, int signals)
{
	const struct sigaction action = {.sa_handler = ignore};
	struct itimerval often = {{0, 200 * signals}, {0, 200 * signals}};
	struct rseq_hold hold;

	in_thread(hold_for_ever, (void *)(uintptr_t)here);
	errno = 123;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	slots[here].value = 60;
	printf("dead%d.odd=%d\n", signals, (int)(slots[here].guard.word & 1));
	printf("dead%d=%ld\n", signals, add_one(&guards));
	printf("dead%d.value=%td\n", signals, slots[here].value);
	in_thread(hold_for_ever, (void *)(uintptr_t)here);
	printf("dead%d.lock=%d\n", signals,
	       rseq_guard_lock(&guards, here, &hold));
	rseq_guard_unlock(&hold);
	printf("dead%d.errno=%d\n", signals, errno);
	often.it_value.tv_usec = often.it_interval.tv_usec = 0;
	setitimer(ITIMER_REAL, &often, NULL);
}

/* ---- fork ---- */

static int exit_status(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + status;
}

/* The child has the guard held, and nobody who holds it. */
static void fork_while_another_holds(unsigned int here)
{
	pthread_t other;
	pid_t child;

	holding = release = 0;
	slots[here].value = 70;
	pthread_create(&other, NULL, hold_a_while, (void *)(uintptr_t)here);
	while (!holding)
		usleep(1000);
	child = fork();
	if (child == 0)
		_exit(add_one(&guards) != 0 || slots[here].value != 71);
	print("fork_held", exit_status(child));
	release = 1;
	pthread_join(other, NULL);
	print("fork_held.parent", add_one(&guards));
	printf("fork_held.value=%td\n", slots[here].value);
}

/* Both go on with what they have begun. */
static void fork_in_body(unsigned int here, int left)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&guards);
	enum rseq_result r;
	pid_t child = -1;

	slots[here].value = 80;
	t.left = left;
	do {
		rseq_begin(&t);
		if (child < 0)
			child = fork();
		r = rseq_commit(&t, &slots[here].value, 81);
	} while (r == RSEQ_RESTARTED);
	if (child == 0)
		_exit(r != RSEQ_COMMITTED || add_one(&guards) ||
		      slots[here].value != 82);
	printf("fork_in%d=%d\n", left, exit_status(child));
	add_one(&guards);
	printf("fork_in%d.value=%td\n", left, slots[here].value);
}

/* ---- more cpus than guards ---- */

static void few_guards(unsigned int here)
{
	const struct rseq_guards one = { &slots[0].guard, sizeof *slots, 1 };
	struct rseq_transaction t = RSEQ_TRANSACTION(&one);

	printf("few.cpu=%u\n", here);
	print("few", rseq_begin(&t));
	printf("few.held=%d\n", t.hold.guard != NULL);
	print("few.commit", rseq_commit(&t, &slots[0].value, 90));
	printf("few.value=%td\n", slots[0].value);
}

/* ---- drain ---- */

static struct {
	unsigned int calls, wrong;
} drained;

static void drain(unsigned int cpu, void *arg)
{
	drained.wrong += arg != &drained || cpu != drained.calls ||
		!(slots[cpu].guard.word & 1);
	++drained.calls;
}

static void drains(void)
{
	struct rseq_hold hold;
	int even = 1;

	print("drain", rseq_guard_drain(&guards, drain, &drained));
	for (int i = 0; i < CPUS; ++i)
		even &= !(slots[i].guard.word & 1);
	printf("drain.calls=%u\ndrain.wrong=%u\ndrain.even=%d\n",
	       drained.calls, drained.wrong, even);
	rseq_guard_lock(&guards, 3, &hold);
	drained.calls = 0;
	print("drain_own", rseq_guard_drain(&guards, drain, &drained));
	printf("drain_own.calls=%u\n", drained.calls);
	rseq_guard_unlock(&hold);
}

int main(void)
{
	cpu_set_t all;
	unsigned int here = CPUS;

	sched_getaffinity(0, sizeof all, &all);
	do	/* the last: not 0 if any is */
		--here;
	while (!CPU_ISSET(here, &all));
	pin_to(here);
	setvbuf(stdout, NULL, _IOLBF, 0);	/* before any fork */
	errno = 123;
	refused(here);
	printf("errno=%d\n", errno);
	signals_while_held(here);
	begun_before(here, lock_and_unlock, "overtaken");
	begun_before(here, hold_a_while, "while_held");
	dead_holder(here, 0);
	dead_holder(here, 1);
	fork_while_another_holds(here);
	fork_in_body(here, RSEQ_ATTEMPTS);
	fork_in_body(here, 0);
	few_guards(here);
	drains();
	return 0;
}
