/* SPDX-License-Identifier: MIT */
/*
 * own_area [registered]: a program that registers an area of its own in each
 * thread, as an allocator does, and unregisters it when a detached thread ends;
 * with an argument, it does not unregister.
 */
#include "area.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>

enum { N = 64, LENGTH = 32 };

static _Thread_local _Alignas(32) char own[64];
static int registered, refused, wrong, libc_wrong, inherited;
static int unregisters = 1;
static sem_t ended;

static void add(int *n, int k)
{
	__atomic_add_fetch(n, k, __ATOMIC_RELAXED);
}

static uint32_t own_cpu(void)
{
	return *(volatile uint32_t *)(own + CPU_ID);
}

static void on_each_cpu(void)
{
	const size_t words = cpu_words();
	unsigned long all[words];

	allowed_cpus(all);
	for (unsigned int cpu = 0; cpu < words * CPU_BITS; ++cpu)
		if (has_cpu(all, cpu) && run_on(0, cpu) == 0) {
			add(&wrong, own_cpu() != cpu);
			add(&libc_wrong, sched_getcpu() != (int)cpu);
		}
	allow_cpus(0, all);
}

static int begin(void)
{
	if (syscall(SYS_rseq, own, LENGTH, 0, RSEQ_SIG)) {
		add(&refused, 1);
		return -1;
	}
	add(&registered, 1);
	on_each_cpu();
	return 0;
}

static void *joinable(void *unused)
{
	begin();
	return unused;
}

static void *detached(void *unused)
{
	if (begin() == 0 && unregisters)
		syscall(SYS_rseq, own, LENGTH, 1, RSEQ_SIG);
	sem_post(&ended);
	return unused;
}

/* The child has it as its parent does. */
static void forks(void)
{
	int status = -1;
	const pid_t child = fork();

	if (child == 0) {
		wrong = libc_wrong = 0;
		on_each_cpu();
		_exit(wrong || libc_wrong);
	}
	waitpid(child, &status, 0);
	inherited = status == 0;
}

int main(int argc, char **argv)
{
	pthread_t t;

	(void)argv;
	unregisters = argc == 1;
	sem_init(&ended, 0, 0);
	begin();
	forks();
	for (int i = 0; i < N; ++i)
		if (pthread_create(&t, NULL, joinable, NULL) == 0)
			pthread_join(t, NULL);
	for (int i = 0; i < N; ++i)
		if (pthread_create(&t, NULL, detached, NULL) == 0) {
			pthread_detach(t);
			while (sem_wait(&ended))
				;
		}
	usleep(20000);	/* the last one is still ending */
	on_each_cpu();
	printf("registered=%d\nrefused=%d\nwrong=%d\nlibc_wrong=%d\n"
	       "inherited=%d\nline_cpu_id=%d\n", registered, refused, wrong,
	       libc_wrong, inherited, (int)word(CPU_ID));
	return 0;
}
