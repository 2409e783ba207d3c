/* SPDX-License-Identifier: MIT */
/*
 * How threads and processes begin, fail to and end, other than in order, and
 * the area of those that live on. One of them per run, named by the argument.
 */
#include "area.h"
#include "filter.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { N = 32 };

static void *tells(void *who)
{
	tell(who);
	return NULL;
}

/* A thread made now, and this one. */
static void tell_both(void)
{
	static char thread[] = "thread";
	pthread_t t;

	if (pthread_create(&t, NULL, tells, thread) == 0)
		pthread_join(t, NULL);
	tell("main");
}

/* ---- ends of threads ---- */

static void *returns(void *arg) { return arg; }
static void *exits(void *arg) { pthread_exit(arg); }
static void *is_cancelled(void *arg)
{
	for (;;)
		pause();
	return arg;
}
static void *is_cancelled_anywhere(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		__asm__ volatile ("" ::: "memory");
	return arg;
}

static int ends(void)
{
	void *(*const how[])(void *) = {returns, exits, is_cancelled,
					is_cancelled_anywhere};
	pthread_t t;
	int made = 0;

	for (int i = 0; i < N * 4; ++i) {
		if (pthread_create(&t, NULL, how[i % 4], NULL))
			continue;
		++made;
		if (i % 4 >= 2) {
			usleep(100);
			pthread_cancel(t);
		}
		if (i / 4 % 2)
			pthread_detach(t);
		else
			pthread_join(t, NULL);
	}
	usleep(20000);	/* the detached ones are still ending */
	printf("made=%d\n", made);
	tell_both();
	return 0;
}

static void *reads(void *arg)
{
	for (;;)
		(void)word(CPU_ID);
	return arg;
}

static void *leaves(void *arg)
{
	usleep(10000);
	if (arg)
		abort();
	_exit(3);
}

/* The process ends in another thread, with 3 or by a signal. */
__attribute__((__noreturn__)) static int elsewhere(int by_signal)
{
	pthread_t t;

	for (int i = 0; i < 8; ++i)
		pthread_create(&t, NULL, reads, NULL);
	pthread_create(&t, NULL, leaves, by_signal ? &t : NULL);
	for (;;)
		pause();
}

/* ---- begins that fail ---- */

static int creates(void)
{
	pthread_t t;
	const int error = pthread_create(&t, NULL, returns, NULL);

	if (error == 0)
		pthread_join(t, NULL);
	return error;
}

static int no_memory(void)
{
	struct rlimit old, none = {0, 0};
	int error = 0, made = 0;

	/* glibc keeps stacks of threads that have ended. */
	pthread_attr_t large;
	pthread_t t;
	pthread_attr_init(&large);
	pthread_attr_setstacksize(&large, 64 << 20);
	getrlimit(RLIMIT_AS, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_AS, &none);
	for (int i = 0; i < N; ++i) {
		const int e = pthread_create(&t, &large, returns, NULL);
		made += e == 0;
		if (e)
			error = e;
	}
	setrlimit(RLIMIT_AS, &old);
	printf("made=%d\nerror=%d\n", made, error);
	tell_both();
	return 0;
}

/* Under a filter of its own each. */
static int refuses(unsigned int call)
{
	int error;

	if (refuse_call(call, ENOMEM))
		return 77;
	error = creates();
	printf("error=%d\n", error);
	tell("main");
	return 0;
}

/* ---- handlers that do not return ---- */

static sigjmp_buf back;
static volatile int times;

static void jumps(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

#ifdef __GLIBC__
static ucontext_t context;

static void sets(int signal)
{
	(void)signal;
	setcontext(&context);
}
#endif

static int leaves_handlers(void)
{
	struct sigaction action = {.sa_handler = jumps,
				   .sa_flags = SA_NODEFER};

	sigaction(SIGUSR1, &action, NULL);
	for (times = 0; times < N; ++times)
		if (sigsetjmp(back, 1) == 0)
			raise(SIGUSR1);
#ifdef __GLIBC__
	action.sa_handler = sets;
	sigaction(SIGUSR1, &action, NULL);
	times = 0;
	getcontext(&context);
	if (times++ < N)
		raise(SIGUSR1);
#endif
	tell_both();
	return 0;
}

/* ---- processes ---- */

static void wait_and_say(const char *who, pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, __WALL);
	printf("%s.exit=%d\n", who, status);
	fflush(stdout);
}

static void forks(int signal)
{
	pid_t child;

	(void)signal;
	fflush(stdout);
	child = fork();
	if (child == 0) {
		tell("child");
		_exit(0);
	}
	wait_and_say("child", child);
}

static int forks_in_handler(void)
{
	const struct sigaction action = {.sa_handler = forks};

	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	tell_both();
	return 0;
}

static int tells_and_leaves(void *who)
{
	tell(who);
	_exit(0);
}

static int clones(void)
{
	static char stack[1 << 18] __attribute__((__aligned__(16)));
	static char who[] = "child";

	fflush(stdout);
	wait_and_say("child", clone(tells_and_leaves, stack + sizeof stack,
				    SIGCHLD, who));
	tell_both();
	return 0;
}

/* Children with this thread's pointer: beside it, and while it waits. */
static volatile int known;

static int asks_and_leaves(void *unused)
{
	(void)unused;
	for (int i = 0; i < 1000; ++i)
		getppid();
	known += sched_getcpu() >= 0;
	_exit(0);
}

static int clones_vm(void)
{
	static char stack[1 << 16] __attribute__((__aligned__(16)));
	static const int how[] = {CLONE_VM, CLONE_VM | CLONE_VFORK,
				  CLONE_VM | CLONE_FS | CLONE_FILES};
	int ended = 0;

	for (int i = 0; i < N * 3; ++i) {
		int status = -1;
		const pid_t child = clone(asks_and_leaves, stack + sizeof stack,
					  how[i % 3] | SIGCHLD, NULL);
		waitpid(child, &status, __WALL);
		ended += status == 0;
	}
	printf("ended=%d\nknown=%d\n", ended, known);
	tell_both();
	return 0;
}

/* The first thread ends, the others go on. */
static void *outlives(void *unused)
{
	char name[64], state = 0;

	snprintf(name, sizeof name, "/proc/self/task/%d/stat", (int)getpid());
	while (state != 'Z') {
		FILE *stat = fopen(name, "r");
		if (!stat || fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
			_exit(2);
		fclose(stat);
		usleep(1000);
	}
	tell_both();
	return unused;
}

__attribute__((__noreturn__)) static int leader(void)
{
	pthread_t t;

	pthread_create(&t, NULL, outlives, NULL);
	pthread_exit(NULL);
}

/* ---- under observation ---- */

/* Strict: read, write, exit and sigreturn are all it may do. */
static volatile int reads_made, strict_tid;

static void *is_strict(void *arg)
{
	strict_tid = (int)syscall(SYS_gettid);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return arg;
	for (int i = 0; i < 1000000; ++i)
		reads_made += (int)word(CPU_ID) >= 0;
	for (;;)
		syscall(SYS_exit, 0);
}

static int strict(void)
{
	char name[64];
	pthread_t t;

	pthread_create(&t, NULL, is_strict, NULL);
	while (!strict_tid)
		usleep(1000);
	/* libc does not learn of its end, and could wait for ever. */
	snprintf(name, sizeof name, "/proc/self/task/%d", strict_tid);
	while (access(name, F_OK) == 0)
		usleep(1000);
	printf("reads=%d\n", reads_made);
	tell_both();
	return 0;
}

/* Every instruction of a program that makes a thread. */
static int stepped(void)
{
	const pid_t child = fork();
	long steps = 0, threads = 0;
	int status;
	pid_t pid;

	if (child == 0) {
		static struct seen s;
		pthread_t t;

		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		if (pthread_create(&t, NULL, returns, NULL) ||
		    pthread_join(t, NULL))
			_exit(1);
		look(&s);
		_exit(s.wrong || s.cpu_id < 0 ? 2 : 0);
	}
	waitpid(child, &status, __WALL);
	ptrace(PTRACE_SETOPTIONS, child, NULL,
	       (void *)(PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL));
	ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status)) {
			if (pid == child)
				printf("child.exit=%d\n", status);
			continue;
		}
		threads += status >> 16 == PTRACE_EVENT_CLONE;
		++steps;
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
	}
	printf("steps=%ld\nmade=%ld\n", steps, threads);
	tell("main");
	return 0;
}

/* ---- another libc in the same process ---- */

#ifdef __GLIBC__
static int second_libc(void)
{
	void *inner = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
	int (*getcpu)(void);
	const unsigned int *size;
	const ptrdiff_t *offset;
	unsigned long all[cpu_words()];
	int asked = 0, wrong = 0;

	if (!inner)
		return 77;
	*(void **)&getcpu = dlsym(inner, "sched_getcpu");
	size = dlsym(inner, "__rseq_size");
	offset = dlsym(inner, "__rseq_offset");
	allowed_cpus(all);
	for (int cpu; (cpu = nth_cpu(all, (unsigned int)asked)) >= 0; ++asked) {
		run_on(0, (unsigned int)cpu);
		wrong += getcpu() != cpu || sched_getcpu() != cpu;
	}
	allow_cpus(0, all);
	printf("asked=%d\ndisagree=%d\ninner_size=%u\nouter_size=%u\n"
	       "inner_offset=%td\n", asked, wrong, *size, __rseq_size, *offset);
	tell_both();
	return 0;
}
#else
static int second_libc(void) { return 77; }
#endif

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IONBF, 0);
#define IS(name) (strcmp(what, name) == 0)
	return IS("ends") ? ends() : IS("exit") ? elsewhere(0) :
		IS("abort") ? elsewhere(1) : IS("no_memory") ? no_memory() :
		IS("no_mmap") ? refuses(CALL_OF_MMAP) :
		IS("no_mprotect") ? refuses(SYS_mprotect) :
		IS("handlers") ? leaves_handlers() :
		IS("fork") ? forks_in_handler() : IS("clone") ? clones() :
		IS("clone_vm") ? clones_vm() : IS("leader") ? leader() :
		IS("strict") ? strict() : IS("stepped") ? stepped() :
		IS("second_libc") ? second_libc() : 2;
}
