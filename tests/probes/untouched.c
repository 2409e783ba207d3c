/* SPDX-License-Identifier: MIT */
/*
 * Whether libc stores to the rseq_cs of a thread, its own or another's. For
 * x86-64: the others find their thread pointer elsewhere.
 *
 *   calls	after functions that ask the kernel for something
 *   beside	sections beside a child that shares the thread pointer
 *   foreign	with the thread pointer of another environment
 */
#include "area.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { RSEQ_CS = 8, TRIES = 100 };

static volatile uint64_t *rseq_cs(void)
{
	return (volatile uint64_t *)(area() + RSEQ_CS);
}

/* ---- calls ---- */

/* Nobody runs its code, so the kernel takes it away if it looks. */
extern const char untouched_start[], untouched_abort[];
__asm__ (
	".text\n\t.byte 0x0f, 0xb9, 0x3d\n\t.long 0x53053053\n"
	"untouched_abort:\n\tud2\n"
	"untouched_start:\n\tnop\n\tud2\n");
static struct rseq_cs elsewhere;

static void fill_elsewhere(void)
{
	elsewhere.start_ip = (uintptr_t)untouched_start;
	elsewhere.post_commit_offset = 1;
	elsewhere.abort_ip = (uintptr_t)untouched_abort;
}

static int null, zero, pair[2];
static char buffer[16];
static FILE *stream;
static sigset_t none;

static void stores(void) { *rseq_cs() = 0; }
static void calls_write(void) { (void)!write(null, buffer, 1); }
static void calls_read(void) { (void)!read(zero, buffer, 1); }
static void calls_poll(void) { poll(NULL, 0, 0); }
static void calls_send(void)
{
	(void)!send(pair[0], buffer, 1, MSG_DONTWAIT);
	(void)!recv(pair[1], buffer, 1, MSG_DONTWAIT);
}
static void calls_open(void) { close(open("/dev/null", O_RDONLY)); }
static void calls_stat(void) { struct stat s; fstat(null, &s); }
static void calls_fcntl(void) { fcntl(null, F_GETFL); }
static void calls_stdio(void) { putc('x', stream), fflush(stream); }
static void calls_mmap(void)
{
	munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	       4096);
}
static void calls_getppid(void) { getppid(); }
static void calls_syscall(void) { syscall(SYS_getppid); }
static void calls_kill_0(void) { kill(getpid(), 0); }
static void calls_sigmask(void) { pthread_sigmask(SIG_BLOCK, &none, NULL); }
static void calls_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
}

/* None waits: what the kernel takes away is little. */
static const struct call {
	const char *name;
	void (*run)(void);
} calls[] = {
	{"stores", stores},	/* what the probe must see */
	{"write", calls_write}, {"read", calls_read}, {"poll", calls_poll},
	{"send", calls_send}, {"open", calls_open}, {"fstat", calls_stat},
	{"fcntl", calls_fcntl}, {"fflush", calls_stdio}, {"mmap", calls_mmap},
	{"getppid", calls_getppid}, {"syscall", calls_syscall},
	{"kill_0", calls_kill_0}, {"sigmask", calls_sigmask},
	{"clock_gettime", calls_clock},
};

static int kept(const struct call *call)
{
	int n = 0;

	for (int i = 0; i < TRIES; ++i) {
		*rseq_cs() = (uintptr_t)&elsewhere;
		call->run();
		n += *rseq_cs() == (uintptr_t)&elsewhere;
	}
	*rseq_cs() = 0;
	return n;
}

static int all_calls(void)
{
	fill_elsewhere();
	null = open("/dev/null", O_WRONLY);
	zero = open("/dev/zero", O_RDONLY);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	stream = fopen("/dev/null", "w");
	sigemptyset(&none);
	printf("tries=%d\n", TRIES);
	for (size_t i = 0; i < sizeof calls / sizeof *calls; ++i)
		printf("kept.%s=%d\n", calls[i].name, kept(&calls[i]));
	return 0;
}

/* ---- beside ---- */

enum { THREADS = 3, SECONDS = 2 };

static struct { _Alignas(64) volatile long n; } slot[MAX_CPUS];
static long added[THREADS];
static volatile int over;
static volatile long *asked;	/* by the child, in memory of its own */

/* *v + 1 on this cpu; false if the thread was disturbed. */
static int add(volatile long *v, uint32_t cpu, char *a)
{
	__asm__ goto (
		".pushsection __rseq_cs, \"aw\"\n\t"
		".balign 32\n3:\n\t"
		".long 0, 0\n\t.quad 1f, 2f - 1f, 4f\n\t"
		".popsection\n\t"
		"leaq 3b(%%rip), %%rax\n\t"
		"movq %%rax, 8(%[a])\n1:\n\t"
		"cmpl %[cpu], 4(%[a])\n\tjnz 4f\n\t"
		/* Long enough to be interrupted in. */
		"movq (%[v]), %%rax\n\t"
		"movl $64, %%ecx\n5:\n\tdecl %%ecx\n\tjnz 5b\n\t"
		"incq %%rax\n\tmovq %%rax, (%[v])\n2:\n\t"
		".pushsection __rseq_failure, \"ax\"\n\t"
		".byte 0x0f, 0xb9, 0x3d\n\t.long 0x53053053\n4:\n\t"
		"jmp %l[disturbed]\n\t"
		".popsection"
		:: [a] "r" (a), [cpu] "r" (cpu), [v] "r" (v)
		: "memory", "cc", "rax", "rcx" : disturbed);
	return 1;
disturbed:
	return 0;
}

/* Its %fs is the parent's: what libc does to its line it does to that. */
static int asks(void *unused)
{
	(void)unused;
	while (!over) {
		getppid();
		++*asked;
	}
	return 0;
}

static void *adds(void *who)
{
	static char stack[THREADS][65536] __attribute__((__aligned__(16)));
	const long nth = (long)(intptr_t)who;
	pid_t child = clone(asks, stack[nth] + sizeof stack[nth],
			    CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, NULL);
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 10000; ++i) {
			const uint32_t cpu = word(CPU_ID_START);

			added[nth] += add(&slot[cpu].n, cpu, area());
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec < SECONDS);
	over = 1;
	waitpid(child, NULL, __WALL);
	return NULL;
}

static int beside(void)
{
	pthread_t t[THREADS];
	long expected = 0, got = 0;

	if ((int)word(CPU_ID) < 0)
		return 77;
	asked = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (intptr_t i = 0; i < THREADS; ++i)
		pthread_create(&t[i], NULL, adds, (void *)i);
	for (int i = 0; i < THREADS; ++i) {
		pthread_join(t[i], NULL);
		expected += added[i];
	}
	for (int i = 0; i < MAX_CPUS; ++i)
		got += slot[i].n;
	printf("asked=%ld\nadded=%ld\nlost=%ld\n", *asked, expected,
	       expected - got);
	return 0;
}

/* ---- foreign ---- */

static long set_fs(unsigned long address)
{
	long r = SYS_arch_prctl;

	__asm__ __volatile__ ("syscall" : "+a" (r)
			      : "D" (ARCH_SET_FS), "S" (address)
			      : "rcx", "r11", "memory");
	return r;
}

/* As an emulator does that comes back from its guest. */
__attribute__((__optimize__("no-stack-protector")))
static int foreign(void)
{
	static _Alignas(64) unsigned char guest[4096];
	/* Volatile: not to be read again when it is another. */
	const volatile uintptr_t host = (uintptr_t)__builtin_thread_pointer();
	int written = 0;

	memset(guest, 0x5a, sizeof guest);
	syscall(SYS_getppid);	/* bound now: lazy binding does use it */
	if (set_fs((uintptr_t)guest + 1024))
		return 77;
	syscall(SYS_arch_prctl, ARCH_SET_FS, host);
	for (size_t i = 0; i < sizeof guest; ++i)
		written += guest[i] != 0x5a;
	printf("written=%d\n", written);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "calls";

	if (strcmp(what, "beside") == 0)
		return beside();
	if (strcmp(what, "foreign") == 0)
		return foreign();
	return all_calls();
}
