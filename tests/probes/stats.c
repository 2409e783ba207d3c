/* SPDX-License-Identifier: MIT */
/*
 * Two threads whose transactions can be told in advance: the first commits
 * 100 times, the second 200 times, and once only with the guard held.
 */
#define RSEQ_STATS
#include <rseq/rseq.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct slot {
	struct rseq_guard guard;
	intptr_t sum;
} *slots;	/* per-cpu */

/* Each body that does not hold the guard sees another event go by. */
static void commit(int fail)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(&slots->guard);
	intptr_t n;

	do {
		const int cpu = rseq_begin(&t);
		struct slot *const s = rseq_percpu_ptr(slots, cpu);
		n = s->sum + 1;
		if (fail && !(s->guard.word & 1))
			s->guard.word += 2;
		if (rseq_commit(&t, &s->sum, n) == RSEQ_COMMITTED)
			return;
	} while (1);
}

static void print(const char *name, const struct rseq_stats *s)
{
	printf("%s_thread=%u\n%s_commits=%llu\n%s_conflicts=%llu\n"
	       "%s_aborts=%llu\n%s_locks=%llu\n", name, s->thread, name,
	       (unsigned long long)s->commits, name,
	       (unsigned long long)s->conflicts, name,
	       (unsigned long long)s->aborts, name,
	       (unsigned long long)s->locks);
}

static void *second(void *unused)
{
	(void)unused;
	for (int i = 0; i < 199; ++i)
		commit(0);
	commit(1);
	print("second", rseq_stats_self());
	printf("second_id=%ld\n", syscall(SYS_gettid));
	return NULL;
}

/* As a daemon does before it opens files of its own. */
static void use_inherited_numbers(const char *file)
{
	for (int fd = 3; fd < 64; ++fd)
		close(fd);
	for (int n = 0; n < 8; ++n)
		if (open(file, O_RDWR) < 0)
			_exit(9);
}

int main(int argc, char **argv)
{
	struct rseq_stats all[8];
	pthread_t t;

	if (argc > 1)
		use_inherited_numbers(argv[1]);
	slots = rseq_percpu_alloc(sizeof *slots, 0);
	if (!slots)
		return 1;
	printf("before=%zu\n", rseq_stats_read(all, 8));
	errno = 0;
	for (int i = 0; i < 100; ++i)
		commit(0);
	printf("errno=%d\n", errno);
	pthread_create(&t, NULL, second, NULL);
	pthread_join(t, NULL);
	printf("counted=%zu\nregistered=%d\nattempts=%d\n",
	       rseq_stats_read(all, 8), rseq_this_cpu().n >= 0,
	       RSEQ_ATTEMPTS);
	printf("asked_for_one=%zu\n", rseq_stats_read(all + 7, 1));
	printf("same=%d\n", all[7].thread == all[0].thread);
	print("read_first", &all[0]);
	print("read_second", &all[1]);
	return 0;
}
