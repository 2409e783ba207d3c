/* SPDX-License-Identifier: MIT */
/*
 * Which of libc's functions leave the token of rseq_start() in place.  A call
 * counts as missed if a transaction around it is committed, or if the event
 * around it is the same, though nothing else has disturbed the thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rseq/rseq.h>
#include <rseq/transaction.h>

enum { TRIES = 100 };

static int null, zero, pair[2];
static char buffer[16];
static FILE *stream;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t empty;
static cpu_set_t cpus;
static sigset_t none, usr1;
static sigjmp_buf back;
static const struct timespec instant = {0, 1};
static struct timespec past;

static void handler(int signal)
{
	(void)signal;
}

static void leaving_handler(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

static void on_usr1(void (*f)(int))
{
	struct sigaction action = {.sa_handler = f};

	sigaction(SIGUSR1, &action, NULL);
}

/* Late enough, mostly, that libc has to ask the kernel to wait for it. */
static const struct timespec *soon(void)
{
	static struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += 500000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		++at.tv_sec;
	}
	return &at;
}

static void *thread(void *arg)
{
	return arg;
}

static void do_nothing(void) { }

static void do_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
}

static void do_write(void) { (void)!write(null, buffer, 1); }
static void do_read(void) { (void)!read(zero, buffer, 1); }
static void do_poll(void) { poll(NULL, 0, 0); }
static void do_ppoll(void) { ppoll(NULL, 0, &(struct timespec){0, 0}, NULL); }
static void do_select(void)
{
	select(0, NULL, NULL, NULL, &(struct timeval){0, 0});
}
static void do_send(void)
{
	(void)!send(pair[0], buffer, 1, MSG_DONTWAIT);
	(void)!recv(pair[1], buffer, 1, MSG_DONTWAIT);
}
static void do_open(void) { close(open("/dev/null", O_RDONLY)); }
static void do_stat(void) { struct stat s; fstat(null, &s); }
static void do_fcntl(void) { fcntl(null, F_GETFL); }
static void do_stdio(void) { putc('x', stream), fflush(stream); }
static void do_fopen(void) { fclose(fopen("/dev/null", "r")); }
static void do_mmap(void)
{
	munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	       4096);
}
static void do_nanosleep(void) { nanosleep(&instant, NULL); }
static void do_clock_nanosleep(void)
{
	clock_nanosleep(CLOCK_MONOTONIC, 0, &instant, NULL);
}
static void do_clock_nanosleep_past(void)
{
	clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL);
}
static void do_usleep(void) { usleep(0); }
static void do_yield(void) { sched_yield(); }
static void do_affinity(void) { sched_setaffinity(0, sizeof cpus, &cpus); }
static void do_pthread_affinity(void)
{
	pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
}
static void do_getppid(void) { getppid(); }
static void do_setpriority(void) { setpriority(PRIO_PROCESS, 0, 0); }
static void do_syscall(void) { syscall(SYS_getppid); }
static void do_kill_0(void) { kill(getpid(), 0); }
static void do_kill(void) { kill(getpid(), SIGUSR1); }
static void do_raise(void) { raise(SIGUSR1); }
static void do_pthread_kill_0(void) { pthread_kill(pthread_self(), 0); }
static void do_pthread_kill(void) { pthread_kill(pthread_self(), SIGUSR1); }
static void do_leave(void)
{
	on_usr1(leaving_handler);
	if (sigsetjmp(back, 1) == 0)
		raise(SIGUSR1);
	on_usr1(handler);
}
static void do_sigmask(void) { sigprocmask(SIG_BLOCK, &none, NULL); }
static void do_pthread_sigmask(void)
{
	pthread_sigmask(SIG_BLOCK, &none, NULL);
}
static void do_sigaction(void) { on_usr1(handler); }
static void do_sigsuspend(void)
{
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	sigsuspend(&none);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}
static void do_sigtimedwait(void)
{
	sigtimedwait(&usr1, NULL, &(struct timespec){0, 0});
}
static void do_mutex(void) { pthread_mutex_timedlock(&held, soon()); }
static void do_cond(void) { pthread_cond_timedwait(&never, &held, soon()); }
static void do_sem(void) { sem_timedwait(&empty, soon()); }
static void do_thread(void)
{
	pthread_t it;

	if (pthread_create(&it, NULL, thread, NULL) == 0)
		pthread_join(it, NULL);
}
static void do_fork(void)
{
	int status;
	pid_t child;

	(void)rseq_event();
	child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, &status, 0);
}
/* What a child does clears the field too: so it does nothing of libc's. */
static void do_vfork(void)
{
	if (vfork() == 0) {
#ifdef __x86_64__
		__asm__ __volatile__ ("syscall" : :
				      "a"(SYS_exit), "D"(0));
#endif
		_exit(0);
	}
}
static int exiting(void *arg)
{
	(void)arg;
	_exit(0);
}
static void do_clone(void)
{
	static char stack[65536] __attribute__((__aligned__(16)));

	clone(exiting, stack + sizeof stack, CLONE_VM | CLONE_VFORK, NULL);
}
static void do_spawn(void)
{
	extern char **environ;
	char *const argv[] = {(char *)"true", NULL};
	pid_t child;

	if (posix_spawnp(&child, "true", NULL, NULL, argv, environ) == 0)
		waitpid(child, NULL, 0);
}

struct call {
	const char *name;
	void (*run)(void);
	int soon;
};

static const struct call harmless[] = {
	{"nothing", do_nothing, 0},
	{"clock_gettime", do_clock, 0},
};

static const struct call calls[] = {
	{"write", do_write, 0},
	{"read", do_read, 0},
	{"poll", do_poll, 0},
	{"ppoll", do_ppoll, 0},
	{"select", do_select, 0},
	{"send", do_send, 0},
	{"open", do_open, 0},
	{"fstat", do_stat, 0},
	{"fcntl", do_fcntl, 0},
	{"fflush", do_stdio, 0},
	{"fopen", do_fopen, 0},
	{"mmap", do_mmap, 0},
	{"nanosleep", do_nanosleep, 0},
	{"clock_nanosleep", do_clock_nanosleep, 0},
	{"clock_nanosleep_past", do_clock_nanosleep_past, 0},
	{"usleep", do_usleep, 0},
	{"sched_yield", do_yield, 0},
	{"sched_setaffinity", do_affinity, 0},
	{"pthread_setaffinity_np", do_pthread_affinity, 0},
	{"getppid", do_getppid, 0},
	{"setpriority", do_setpriority, 0},
	{"syscall", do_syscall, 0},
	{"kill_0", do_kill_0, 0},
	{"kill", do_kill, 0},
	{"raise", do_raise, 0},
	{"pthread_kill_0", do_pthread_kill_0, 0},
	{"pthread_kill", do_pthread_kill, 0},
	{"siglongjmp", do_leave, 0},
	{"sigprocmask", do_sigmask, 0},
	{"pthread_sigmask", do_pthread_sigmask, 0},
	{"sigaction", do_sigaction, 0},
	{"sigsuspend", do_sigsuspend, 0},
	{"sigtimedwait", do_sigtimedwait, 0},
	{"pthread_mutex_timedlock", do_mutex, 1},
	{"pthread_cond_timedwait", do_cond, 1},
	{"sem_timedwait", do_sem, 1},
	{"pthread_join", do_thread, 0},
	{"fork", do_fork, 0},
	{"vfork", do_vfork, 0},
	{"clone", do_clone, 0},
	{"posix_spawn", do_spawn, 0},
};

/* How often the call was missed. */
static int missed(const struct call *call, int tries)
{
	intptr_t word = 0;
	int n = 0;

	for (int i = 0; i < tries; ++i) {
		uint32_t event = rseq_start();
		call->run();
		if (rseq_finish(event, &word, i) != RSEQ_RESTARTED) {
			++n;
			continue;
		}
		event = rseq_event();
		call->run();
		n += rseq_event() == event;
	}
	/* If the time has come already there is nothing to ask. */
	return call->soon && n < tries / 2 ? 0 : n;
}

int main(void)
{
	int all = 0;

	null = open("/dev/null", O_WRONLY);
	zero = open("/dev/zero", O_RDONLY);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	stream = fopen("/dev/null", "w");
	sem_init(&empty, 0, 0);
	pthread_mutex_lock(&held);
	sched_getaffinity(0, sizeof cpus, &cpus);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	on_usr1(handler);
	clock_gettime(CLOCK_REALTIME, &past);

	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; ++i)
		printf("%s=%d\n", harmless[i].name,
		       missed(&harmless[i], TRIES));
	for (size_t i = 0; i < sizeof calls / sizeof *calls; ++i) {
		const int n = missed(&calls[i], TRIES);

		printf("%s=%d\n", calls[i].name, n);
		all += n;
	}
	printf("calls=%zu\ntries=%d\nmissed=%d\n",
	       sizeof calls / sizeof *calls, TRIES, all);
	return 0;
}
