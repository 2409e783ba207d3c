/* SPDX-License-Identifier: MIT */
/*
 * transact_stress KIND ABORTS SECONDS: more threads than cpus work on the same
 * per-cpu objects by transactions, while they are moved about and interrupted
 * by signals whose handlers do the same, until the kernel has restarted so many
 * commits, or for so long.  Bodies take no time, or more than a time slice;
 * where they may, they call the system, and fork.
 *
 * In kind mixed some of the threads have no registration.
 *
 * measure_guard and measure_event are quiet: two threads for a cpu, nobody is
 * moved, and handlers work on other objects.
 */
#define RSEQ_STATS
#ifndef NO_DELAYS
#include "inject.h"
#endif
#include "area.h"
#include "under_load.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "transact_controls.h"

enum { THREADS = 7, FORKS = 40 };

static const struct kind {
	const char *name;
	void (*step)(struct own *), (*in_handler)(struct own *);
	int calls;	/* whether bodies may call the system */
	int mixed;	/* whether some threads run no sections */
	int quiet;
} kinds[] = {
	{ "guard", guard_all, guard_both, 1, 0, 0 },
	{ "pair", guard_pair, guard_pair, 1, 0, 0 },
	{ "lock", lock_all, guard_both, 1, 0, 0 },
	{ "mixed", lock_all, guard_all, 1, 1, 0 },
	{ "drain", drain_all, drain_all, 1, 0, 0 },
	{ "event", event_all, event_both, 0, 0, 0 },
	{ "measure_guard", guard_add, guard_other, 0, 0, 1 },
	{ "measure_event", event_add, guard_other, 0, 0, 1 },
	{ "guard_unchecked", guard_unchecked, guard_unchecked, 0, 0, 0 },
	{ "guard_outside", guard_outside, guard_outside, 0, 0, 0 },
	{ "event_outside", event_outside, event_outside, 0, 0, 0 },
	{ "event_token", event_token, event_token, 0, 0, 0 },
};
static const struct kind *kind;

/*
 * ThreadSanitizer puts handlers off, and runs them in whatever comes next to
 * it, an atomic or a call, even if the thread has blocked their signal.
 */
#ifdef RSEQ_TSAN_
enum { HANDLERS_WAIT = 0, CALLS = 0 };
#else
enum { HANDLERS_WAIT = 1, CALLS = 1 };
#endif

static struct own owners[2 * VICTIMS];
static __thread struct own *thread_own, *handler_own;
static int null_file, forks, bad_children;
static long signals, disturbed, wanted;

/* ---- bodies ---- */

static void spin(long n)
{
	for (volatile long i = 0; i < n; ++i)
		;
}

static unsigned int draw(struct own *own, unsigned int below)
{
	own->dice ^= own->dice << 13;
	own->dice ^= own->dice >> 7;
	own->dice ^= own->dice << 17;
	return (unsigned int)(own->dice >> 20) % below;
}

/*
 * The child goes on in the same body, and ends before anybody waits long.  No
 * handler runs inside of fork(), which holds a lock there: it would wait for a
 * guard, and the guard's holder, if it forks too, for that lock.
 */
static __thread int is_child;

static void fork_here(void)
{
	sigset_t all, before;
	pid_t child;
	int status;

	if (is_child || __atomic_add_fetch(&forks, 1, __ATOMIC_RELAXED) > FORKS)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	child = fork();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (child == 0) {
		is_child = 1;
		return;
	}
	if (child < 0)
		return;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		__atomic_add_fetch(&bad_children, 1, __ATOMIC_RELAXED);
}

/* Each once in so many bodies, and only in a thread, not in its handler. */
static void dawdle(struct own *own)
{
	const struct timespec nap = {.tv_nsec = 50000};
	const unsigned int what = draw(own, 20000);

	if (kind->quiet && own == thread_own)
		spin(20000);
	if (kind->quiet || own != thread_own)
		return;
	if (what < 2)
		spin(5000000);	/* longer than a time slice */
	else if (what < 5000)
		spin(draw(own, 1000));
	else if (!kind->calls || !CALLS)
		return;
	else if (what < 5300)
		sched_yield();
	else if (what < 5400)
		nanosleep(&nap, NULL);
	else if (what < 5600)
		(void)!write(null_file, "", 1);
	else if (what < 5610)
		fork_here();
}

static int impatient(struct own *own)
{
	return !kind->quiet && own->dice % 4 == 0;
}

/* Without sections a commit holds the guard, signals not blocked. */
static int in_commit(struct own *own)
{
	return own == handler_own && rseq_feature_size() == 0;
}

/* ---- the load ---- */

static void handler(int signal)
{
	(void)signal;
	if (HANDLERS_WAIT || kind->in_handler == event_both)
		kind->in_handler(handler_own);
	else
		guard_other(handler_own);
	__atomic_add_fetch(&signals, 1, __ATOMIC_RELAXED);
}

static void unregister(void)
{
	const int length = registered_length();

	rseq_prepare_unload();
	if (length > 0)
		syscall(SYS_rseq, area(), length, 1, RSEQ_SIG);
}

/* By the kernel; those on the event do not know by whom. */
static uint64_t disturbances(const struct own *own)
{
	return own->commits ? rseq_stats_self()->aborts :
		(uint64_t)own->reruns;
}

static void start(unsigned int nth)
{
	thread_own = &owners[2 * nth];
	handler_own = &owners[2 * nth + 1];
	if (kind->mixed && nth % 3 == 0)
		unregister();
}

static void work(unsigned int unused)
{
	uint64_t before = 0;

	(void)unused;
	do {
		for (int n = 0; n < 200; ++n) {
			kind->step(thread_own);
			if (is_child)
				_exit(0);
		}
		const uint64_t all = disturbances(thread_own);
		__atomic_add_fetch(&disturbed, all - before, __ATOMIC_RELAXED);
		before = all;
	} while (now() <= deadline && GET(disturbed) < wanted);
}

/* ---- before and after ---- */

static int set_up(void)
{
	slots = rseq_percpu_alloc(sizeof *slots, 64);
	others = rseq_percpu_alloc(sizeof *others, 64);
	if (!slots || !others)
		return 0;
	null_file = open("/dev/null", O_WRONLY);
	for (int i = 0; i < 2 * VICTIMS; ++i)
		owners[i].dice = 88172645463325252u * (uint64_t)(2 * i + 1);
	put_nodes(&slot(0)->head);
	return 1;
}

/* How many of what there was are not there exactly once. */
static int lost_nodes(void)
{
	int seen[NODES] = {0};
	struct slot *s;

	RSEQ_FOR_EACH_CPU(s, slots)
		see_nodes(s->head, seen);
	return not_seen_once(seen);
}

/* Unlike one that is alone, a store before the last may be a step ahead. */
static int wrong_slots(void)
{
	struct slot *s;
	int wrong = 0;

	RSEQ_FOR_EACH_CPU(s, slots) {
		const struct pair *const p = &s->pair[s->valid];
		wrong += s->copy > s->value + 1;
		wrong += p->word[0] != -p->word[1];
		wrong += (int)(s->guard.word & 1);
	}
	return wrong;
}

static struct own total(void)
{
	struct own sum = {0};

	for (int i = 0; i < 2 * VICTIMS; ++i) {
		sum.counted += owners[i].counted;
		sum.commits += owners[i].commits;
		sum.reruns += i % 2 ? 0 : owners[i].reruns;
		sum.spare += owners[i].spare;
		sum.drained += owners[i].drained;
		sum.others += owners[i].others;
	}
	return sum;
}

static void print_stats(void)
{
	struct rseq_stats s[2 * VICTIMS], sum = {0};
	const size_t n = rseq_stats_read(s, 2 * VICTIMS);

	for (size_t i = 0; i < n && i < 2 * VICTIMS; ++i) {
		sum.commits += s[i].commits;
		sum.aborts += s[i].aborts;
		sum.conflicts += s[i].conflicts;
		sum.locks += s[i].locks;
	}
	printf("stats.commits=%llu\nstats.aborts=%llu\n"
	       "stats.conflicts=%llu\nstats.locks=%llu\n",
	       (unsigned long long)sum.commits, (unsigned long long)sum.aborts,
	       (unsigned long long)sum.conflicts,
	       (unsigned long long)sum.locks);
}

static int choose(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
		if (!strcmp(name, kinds[i].name))
			kind = &kinds[i];
	return kind != NULL;
}

int main(int argc, char **argv)
{
	struct load l = {THREADS, start, work, handler, 300000, NULL};
	struct own sum;
	struct slot *s;
	intptr_t there = 0, elsewhere = 0;
	int failed;

	if (argc < 4 || !choose(argv[1]))
		return 2;
	wanted = atol(argv[2]);
	deadline = now() + atol(argv[3]);
	if (kind->quiet) {
		l.threads = (int)sysconf(_SC_NPROCESSORS_ONLN) + 1;
		l.rest = -1;
	}
	if (!set_up())
		return 3;
	rseq_stats_self();	/* the first makes a table, for all to see */
	failed = run_under_load(&l);
	sum = total();
	RSEQ_FOR_EACH_CPU(s, slots)
		there += s->value + s->pair[s->valid].word[0];
	RSEQ_FOR_EACH_CPU(s, others)
		elsewhere += s->value;
	printf("failed=%d\nsignals=%ld\nmigrations=%lu\ndisturbed=%ld\n"
	       "forks=%d\nbad_children=%d\ncounted=%td\nspare=%td\n"
	       "commits=%td\nreruns=%td\nlost=%td\nlost_others=%td\n"
	       "lost_nodes=%d\nwrong=%d\n", failed, signals, migrations,
	       disturbed, least(forks, FORKS), bad_children, sum.counted,
	       sum.spare, sum.commits, sum.reruns,
	       sum.counted - sum.drained - there, sum.others - elsewhere,
	       lost_nodes(), wrong_slots());
	print_stats();
	printf("sections=%d\n", rseq_feature_size() != 0);
	return 0;
}
