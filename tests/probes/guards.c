/* SPDX-License-Identifier: MIT */
/* Guards held: by this thread, by another, by one that is no more. */
#include "area.h"
#include "cpus.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <rseq/rseq.h>

static struct slot {
	struct rseq_guard guard;
	intptr_t value;
} *slots;	/* per-cpu */

static struct slot *slot(unsigned int cpu)
{
	return rseq_percpu_ptr(slots, cpu);
}

static void print(const char *key, long value)
{
	printf("%s=%ld\n", key, value);
}

static void pin_to(unsigned int cpu)
{
	run_on(0, cpu);
}

static void in_thread(void *(*f)(void *), void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, f, arg);
	pthread_join(t, NULL);
}

static long add_one(void)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);

	for (;;) {
		const int cpu = rseq_begin(&t);
		struct slot *s;
		if (cpu < 0)
			return cpu;
		s = slot((unsigned int)cpu);
		if (rseq_commit(&t, &s->value, *(volatile intptr_t *)
				&s->value + 1) == RSEQ_COMMITTED)
			return 0;
	}
}

/* The copy that the next transaction works on. */
static unsigned int next_cpu(void)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	const int cpu = rseq_begin(&t);

	rseq_cancel(&t);
	return (unsigned int)cpu;
}

/* ---- what is refused ---- */

static void refused(void)
{
	const unsigned int here = next_cpu();
	struct rseq_transaction t = RSEQ_TRANSACTION(NULL);
	struct rseq_hold hold, again;

	print("begin_none", rseq_begin(&t));
	rseq_cancel(&t);
	print("begin_cancelled", rseq_begin(&t));
	print("lock_none", rseq_guard_lock(NULL, 0, &hold));
	print("lock_beyond", rseq_guard_lock(&slots->guard, rseq_cpu_limit(),
					     &hold));
	rseq_guard_unlock(&hold);	/* it was not held: nothing */
	print("drain_none", rseq_guard_drain(NULL, NULL, NULL));
	print("lock", rseq_guard_lock(&slots->guard, here, &hold));
	print("lock_own", rseq_guard_lock(&slots->guard, here, &again));
	rseq_guard_unlock(&again);
	printf("lock_own.odd=%d\n", (int)(slot(here)->guard.word & 1));
	print("begin_own", add_one());
	rseq_guard_unlock(&hold);
	print("begin_after", add_one());
}

/* An object that was never made, or an unlock that is not the first. */
static void harmless(void)
{
	const unsigned int here = next_cpu();
	struct rseq_transaction zero, t = RSEQ_TRANSACTION(&slots->guard);
	struct rseq_hold hold, twice;
	intptr_t v = 5;
	int lost = 0;

	memset(&zero, 0, sizeof zero);
	memset(&hold, 0, sizeof hold);
	rseq_guard_unlock(&hold);
	print("zero.begin", rseq_begin(&zero));
	rseq_cancel(&zero);
	print("zero.again", rseq_begin(&zero));
	for (int n = 0; n < 100; ++n) {
		if (rseq_guard_lock(&slots->guard, here, &hold))
			break;
		twice = hold;
		rseq_guard_unlock(&hold);
		if (rseq_begin(&t) < 0)
			break;
		rseq_guard_unlock(&hold);
		rseq_guard_unlock(&twice);
		/* Somebody else's commit must stay one. */
		add_one();
		rseq_guard_unlock(&twice);
		lost += !t.hold.guard &&
			rseq_commit(&t, &v, 6) == RSEQ_COMMITTED;
		rseq_cancel(&t);
	}
	printf("twice.lost=%d\ntwice.value=%td\n", lost, v);
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

static void signals_while_held(void)
{
	const unsigned int here = next_cpu();
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	struct slot *s = slot(here);
	struct rseq_hold hold;
	sigset_t was;

	sigemptyset(&was);
	sigaddset(&was, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	blocked(&was);
	held("before", s, &was);
	if (rseq_guard_lock(&slots->guard, here, &hold))
		return;
	held("locked", s, &was);
	rseq_guard_unlock(&hold);
	held("unlocked", s, &was);
	for (int end = 0; end < 2; ++end) {
		t.left = 0;	/* as if it had failed so often */
		if (rseq_begin(&t) != (int)here)
			return;
		held("begun", s, &was);
		if (end)
			rseq_cancel(&t);
		else
			print("begun.commit", rseq_commit(&t, &s->value, 7));
		held(end ? "cancelled" : "committed", s, &was);
	}
}

/* ---- somebody else holds, or has held ---- */

static volatile int holding, release, result;

static void *lock_and_unlock(void *cpu)
{
	struct rseq_hold hold;

	result = rseq_guard_lock(&slots->guard, (unsigned int)(uintptr_t)cpu,
				 &hold);
	rseq_guard_unlock(&hold);
	return NULL;
}

static void *hold_a_while(void *cpu)
{
	struct rseq_hold hold;

	result = rseq_guard_lock(&slots->guard, (unsigned int)(uintptr_t)cpu,
				 &hold);
	holding = 1;
	while (!release)
		usleep(1000);
	rseq_guard_unlock(&hold);
	return NULL;
}

static void *hold_for_ever(void *cpu)
{
	static struct rseq_hold hold;

	result = rseq_guard_lock(&slots->guard, (unsigned int)(uintptr_t)cpu,
				 &hold);
	return NULL;
}

/* Begun before, and to be committed while or after it is held. */
static void begun_before(void *(*f)(void *), const char *who)
{
	const unsigned int here = next_cpu();
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	const int cpu = rseq_begin(&t);
	const int self_held = (int)(slot(here)->guard.word & 1);
	pthread_t other;

	if (self_held)
		rseq_cancel(&t);
	slot(here)->value = 50;
	holding = release = 0;
	pthread_create(&other, NULL, f, (void *)(uintptr_t)here);
	if (f == hold_a_while)
		while (!holding)
			usleep(1000);
	else
		pthread_join(other, NULL);
	if (!self_held)
		print(who, rseq_commit(&t, &slot((unsigned int)cpu)->value, 51));
	printf("%s.value=%td\n%s.lock=%d\n", who, slot(here)->value, who,
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
static void dead_holder(int signals)
{
	const unsigned int here = next_cpu();
	const struct sigaction action = {.sa_handler = ignore};
	struct itimerval often = {{0, 200 * signals}, {0, 200 * signals}};
	struct rseq_hold hold;

	in_thread(hold_for_ever, (void *)(uintptr_t)here);
	errno = 123;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	slot(here)->value = 60;
	printf("dead%d.odd=%d\n", signals, (int)(slot(here)->guard.word & 1));
	printf("dead%d=%ld\n", signals, add_one());
	printf("dead%d.value=%td\n", signals, slot(here)->value);
	in_thread(hold_for_ever, (void *)(uintptr_t)here);
	printf("dead%d.lock=%d\n", signals,
	       rseq_guard_lock(&slots->guard, here, &hold));
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
static void fork_while_another_holds(void)
{
	const unsigned int here = next_cpu();
	pthread_t other;
	pid_t child;

	holding = release = 0;
	slot(here)->value = 70;
	pthread_create(&other, NULL, hold_a_while, (void *)(uintptr_t)here);
	while (!holding)
		usleep(1000);
	child = fork();
	if (child == 0)
		_exit(add_one() != 0 || slot(here)->value != 71);
	print("fork_held", exit_status(child));
	release = 1;
	pthread_join(other, NULL);
	print("fork_held.parent", add_one());
	printf("fork_held.value=%td\n", slot(here)->value);
}

/* Both go on with what they have begun. */
static void fork_in_body(int left)
{
	const unsigned int here = next_cpu();
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	enum rseq_result r;
	pid_t child = -1;

	slot(here)->value = 80;
	t.left = left;
	do {
		if (rseq_begin(&t) < 0)
			return;
		if (child < 0)
			child = fork();
		r = rseq_commit(&t, &slot(here)->value, 81);
	} while (r == RSEQ_RESTARTED);
	if (child == 0)
		_exit(r != RSEQ_COMMITTED || add_one() ||
		      slot(here)->value != 82);
	printf("fork_in%d=%d\n", left, exit_status(child));
	add_one();
	printf("fork_in%d.value=%td\n", left, slot(here)->value);
}

/* ---- drain ---- */

static struct {
	unsigned int calls, wrong;
} drained;

static void drain(unsigned int cpu, void *arg)
{
	drained.wrong += arg != &drained || cpu != drained.calls ||
		!(slot(cpu)->guard.word & 1);
	++drained.calls;
}

static int odd(void)
{
	struct slot *s;
	int n = 0;

	RSEQ_FOR_EACH_CPU(s, slots)
		n += (int)(s->guard.word & 1);
	return n;
}

static void drains(void)
{
	struct rseq_hold hold;

	print("drain", rseq_guard_drain(&slots->guard, drain, &drained));
	printf("drain.calls=%u\ndrain.wrong=%u\ndrain.odd=%d\nlimit=%u\n",
	       drained.calls, drained.wrong, odd(), rseq_cpu_limit());
	if (rseq_guard_lock(&slots->guard, 3, &hold))
		return;
	drained.calls = 0;
	print("drain_own", rseq_guard_drain(&slots->guard, drain, &drained));
	printf("drain_own.calls=%u\ndrain_own.odd=%d\n", drained.calls, odd());
	rseq_guard_unlock(&hold);
}

int main(void)
{
	unsigned int here;

	slots = rseq_percpu_alloc(sizeof *slots, 0);
	if (!slots)
		return 1;
	count_cpus(&here);	/* the last: not 0 if any is */
	pin_to(here);
	setvbuf(stdout, NULL, _IOLBF, 0);	/* before any fork */
	errno = 123;
	refused();
	harmless();
	printf("errno=%d\n", errno);
	signals_while_held();
	begun_before(lock_and_unlock, "overtaken");
	begun_before(hold_a_while, "while_held");
	dead_holder(0);
	dead_holder(1);
	fork_while_another_holds();
	fork_in_body(RSEQ_ATTEMPTS);
	fork_in_body(0);
	drains();
	return 0;
}
