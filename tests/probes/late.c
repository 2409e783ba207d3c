/* SPDX-License-Identifier: MIT */
/* late ERRNO: rseq is refused after the program has started. */
#include "area.h"
#include "filter.h"
#include "info.h"

#include <pthread.h>
#include <semaphore.h>

enum { N = 128, ROUNDS = 5000 };

static struct rseq_counter counter;
static struct crowd crowd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t filtered;
static sem_t done;

static void visit(void)
{
	struct seen s;

	look(&s);
	pthread_mutex_lock(&lock);
	join_crowd(&crowd, &s);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < ROUNDS; ++i)
		rseq_counter_add(&counter, 0, 1);
}

static void *joinable(void *who)
{
	visit();
	if (who)
		say_info(who);
	return NULL;
}

/* Registered before the filter, ends after it: it cannot unregister. */
static void *early_detached(void *unused)
{
	pthread_barrier_wait(&filtered);
	visit();
	sem_post(&done);
	return unused;
}

static void *detached(void *unused)
{
	visit();
	sem_post(&done);
	return unused;
}

/* Registers, then refuses to itself what it needs at its end. */
static void *filters_itself(void *error)
{
	refuse_rseq(*(int *)error);
	visit();
	sem_post(&done);
	return NULL;
}

static void finish(const char *who)
{
	pthread_mutex_lock(&lock);
	say_crowd(who, &crowd);
	memset(&crowd, 0, sizeof crowd);
	pthread_mutex_unlock(&lock);
}

static void start_detached(void *(*f)(void *), void *arg)
{
	pthread_t t;

	for (int i = 0; i < N; ++i) {
		pthread_create(&t, NULL, f, arg);
		pthread_detach(t);
	}
}

static void wait_all(const char *who)
{
	for (int i = 0; i < N; ++i)
		sem_wait(&done);
	finish(who);
}

int main(int argc, char **argv)
{
	pthread_t t[N];
	int error = argc > 1 ? atoi(argv[1]) : ENOSYS;

	sem_init(&done, 0, 0);
	pthread_barrier_init(&filtered, NULL, N + 1);
	if (rseq_counter_init(&counter, 1))
		return 1;
	tell("main");
	start_detached(filters_itself, &error);
	wait_all("itself");
	start_detached(early_detached, NULL);
	if (refuse_rseq(error))
		return 77;
	pthread_barrier_wait(&filtered);
	wait_all("early");
	for (int i = 0; i < N; ++i)
		pthread_create(&t[i], NULL, joinable, i ? NULL : "late_info");
	for (int i = 0; i < N; ++i)
		pthread_join(t[i], NULL);
	finish("late");
	start_detached(detached, NULL);
	wait_all("late_detached");
	usleep(20000);	/* the last ones are still ending */
	tell("after");
	say_info("main_info");
	printf("expected=%d\nsum=%td\n", 4 * N * ROUNDS,
	       rseq_counter_sum(&counter, 0));
	return 0;
}
