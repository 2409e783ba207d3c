/* SPDX-License-Identifier: MIT */
/* The area in threads of each kind; -DTLS_ALIGN=n: with thread-local data. */
#include "area.h"

#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

enum { N = 24 };

static struct crowd crowd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t done;
static int tls_wrong;

#ifdef TLS_ALIGN
#define TLS_SIZE (TLS_ALIGN + 8)
static _Alignas(TLS_ALIGN) _Thread_local char aligned[TLS_SIZE] = "aligned";
static _Thread_local int small = 7;

static int tls_is_wrong(void)
{
	char *p = aligned;

	__asm__ volatile("" : "+r"(p));
	int wrong = (uintptr_t)p % TLS_ALIGN != 0 || strcmp(p, "aligned") ||
		small != 7;
	memset(p, 0xa5, TLS_SIZE);
	small = 8;
	return wrong;
}
#else
static int tls_is_wrong(void)
{
	return 0;
}
#endif

static void visit(void)
{
	struct seen s;

	look(&s);
	pthread_mutex_lock(&lock);
	join_crowd(&crowd, &s);
	tls_wrong += tls_is_wrong();
	pthread_mutex_unlock(&lock);
#if HAVE_LINE
	set_word(EVENT, 77);	/* the next one to use this memory sees 0 */
#endif
}

static void *joinable(void *unused)
{
	visit();
	return unused;
}

static void *detached(void *unused)
{
	visit();
	sem_post(&done);
	return unused;
}

static int c11(void *unused)
{
	(void)unused;
	visit();
	return 0;
}

static void finish(const char *kind)
{
	say_crowd(kind, &crowd);
	memset(&crowd, 0, sizeof crowd);
}

static void join_some(void)
{
	pthread_t t[N];

	for (int i = 0; i < N; ++i)
		pthread_create(&t[i], NULL, joinable, NULL);
	for (int i = 0; i < N; ++i)
		pthread_join(t[i], NULL);
	finish("joinable");
}

static void detach_some(void)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < N; ++i)
		pthread_create(&t, &attr, detached, NULL);
	for (int i = 0; i < N; ++i)
		sem_wait(&done);
	finish("detached");
}

static void detach_late(void)
{
	pthread_t t;

	for (int i = 0; i < N; ++i) {
		pthread_create(&t, NULL, detached, NULL);
		pthread_detach(t);
	}
	for (int i = 0; i < N; ++i)
		sem_wait(&done);
	finish("detached_late");
}

/* Real-time attributes make some libcs start a thread another way. */
static void schedule_some(void)
{
	struct sched_param param = {0};
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &param);
	for (int i = 0; i < 4; ++i) {
		pthread_create(&t, &attr, joinable, NULL);
		pthread_join(t, NULL);
	}
	finish("scheduled");
}

static void c11_some(void)
{
	thrd_t t[N];

	for (int i = 0; i < N; ++i)
		thrd_create(&t[i], c11, NULL);
	for (int i = 0; i < N; ++i)
		thrd_join(t[i], NULL);
	finish("c11");
}

int main(void)
{
	sem_init(&done, 0, 0);
	tell("main");
	join_some();
	detach_some();
	detach_late();
	schedule_some();
	c11_some();
	tls_wrong += tls_is_wrong();
	printf("tls_wrong=%d\n", tls_wrong);
	tell("after");
	return 0;
}
