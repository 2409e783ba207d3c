/* SPDX-License-Identifier: MIT */
/* Each function of the ring by itself, and what bad use of it gets. */
#include "checks.h"
#include "area.h"
#include "children.h"
#include "cpus.h"
#include "deaths.h"
#include "filter.h"
#include "many_cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <rseq/ring.h>

enum { PAGE = 4096, SIZE = 4096 };

static struct rseq_ring ring;
static size_t length;
static char bytes[64];

static void see(void *arg, unsigned int cpu, const void *data, size_t len)
{
	(void)arg, (void)cpu;
	length = len;
	memcpy(bytes, data, len < sizeof bytes ? len : sizeof bytes);
}

static struct rseq_ring_stats stats(void)
{
	struct rseq_ring_stats s;

	rseq_ring_read_stats(&ring, &s);
	return s;
}

static void expect_no_ring(void)
{
	EXPECT(rseq_ring_write(&ring, "x", 1) == -EINVAL);
	EXPECT(rseq_ring_read(&ring, see, NULL) == -EINVAL);
	EXPECT(rseq_ring_wait(&ring, 1) == -EINVAL);
	EXPECT(!rseq_ring_reserve(&ring, 1));
	rseq_ring_commit(&ring, NULL);
	EXPECT(stats().written == 0 && stats().dropped == 0);
	rseq_ring_fini(&ring);
}

/* In nanoseconds, that rseq_ring_wait() took to find nothing. */
static long long waited(unsigned int ms)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	EXPECT(rseq_ring_wait(&ring, ms) == -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (to.tv_sec - from.tv_sec) * 1000000000ll +
		to.tv_nsec - from.tv_nsec;
}

/* ---- what is refused ---- */

static void refused(void)
{
	static const size_t sizes[] = { 0, 1, 2048, 5000, (size_t)1 << 31,
					SIZE_MAX, (SIZE_MAX >> 1) + 1 };
	const int file = memfd_create("ring", 0);
	const int read_only = open("/proc/self/exe", O_RDONLY);
	const int write_only = open("/dev/null", O_WRONLY);
	int pipes[2];

	expect_no_ring();
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
		EXPECT(rseq_ring_init(&ring, sizes[i], 0, -1) == -EINVAL);
		expect_no_ring();
	}
	EXPECT(rseq_ring_init(&ring, SIZE, 2, -1) == -EINVAL);
	EXPECT(rseq_ring_init(&ring, SIZE, -1u, -1) == -EINVAL);
	EXPECT(rseq_ring_init(&ring, SIZE, 0, 999) == -EBADF);
	EXPECT(pipe(pipes) == 0);
	EXPECT(rseq_ring_init(&ring, SIZE, 0, pipes[1]) == -EINVAL);
	EXPECT(rseq_ring_init(&ring, SIZE, 0, read_only) == -EINVAL);
	EXPECT(rseq_ring_init(&ring, SIZE, 0, write_only) == -EINVAL);
	expect_no_ring();
	EXPECT(rseq_ring_attach(&ring, file) == -EINVAL);	/* empty */
	EXPECT(rseq_ring_attach(&ring, read_only) == -EINVAL);
	EXPECT(rseq_ring_attach(&ring, pipes[0]) == -EINVAL);
	EXPECT(rseq_ring_attach(&ring, 999) == -EBADF);
	EXPECT(rseq_ring_attach(&ring, -1) == -EBADF);
	expect_no_ring();
	close(file), close(read_only), close(write_only);
	close(pipes[0]), close(pipes[1]);
}

static void used(void)
{
	static char big[SIZE];
	char *room;

	EXPECT(rseq_ring_init(&ring, SIZE, 0, -1) == 0);
	EXPECT(rseq_ring_write(&ring, big, SIZE_MAX) == -EINVAL);
	EXPECT(rseq_ring_write(&ring, big, SIZE / 2 - 7) == -EINVAL);
	EXPECT(!rseq_ring_reserve(&ring, SIZE_MAX - 7));
	EXPECT(!rseq_ring_reserve(&ring, SIZE / 2 - 7));
	EXPECT(rseq_ring_write(&ring, big, SIZE / 2 - 8) == 0);
	EXPECT(rseq_ring_write(&ring, NULL, 0) == 0);
	EXPECT(rseq_ring_read(&ring, NULL, NULL) == -EINVAL);
	/* On one cpu, in this order: the empty one comes last. */
	length = 1;
	EXPECT(rseq_ring_read(&ring, see, NULL) == 2 && length == 0);
	/* It sleeps that long, with a kernel's time of either size. */
	EXPECT(waited(10) >= 10000000);
	EXPECT(waited(0) >= 0);

	/* The reader stops before what is not committed. */
	room = (char *)rseq_ring_reserve(&ring, 5);
	EXPECT(room && rseq_ring_write(&ring, "after", 5) == 0);
	EXPECT(rseq_ring_read(&ring, see, NULL) == 0);
	EXPECT(rseq_ring_wait(&ring, 1) == -ETIMEDOUT);
	memcpy(room, "first", 5);
	rseq_ring_commit(&ring, room);
	rseq_ring_commit(&ring, room);		/* again is harmless */
	rseq_ring_commit(&ring, NULL);
	EXPECT(rseq_ring_wait(&ring, 10) == 0);
	EXPECT(rseq_ring_read(&ring, see, NULL) == 2);
	EXPECT(length == 5 && !memcmp(bytes, "after", 5));
	EXPECT(stats().written == 4 && stats().read == 4);
	EXPECT(stats().dropped == 0 && stats().overwritten == 0);

	/* Gone while records are reserved. */
	EXPECT(rseq_ring_reserve(&ring, 5));
	rseq_ring_fini(&ring);
	expect_no_ring();

	EXPECT(rseq_ring_init(&ring, SIZE, RSEQ_RING_OVERWRITE, -1) == 0);
	EXPECT(!rseq_ring_reserve(&ring, 5));
	rseq_ring_fini(&ring);
}

/*
 * What a writer sees that was interrupted between its loads of the two: it must
 * not walk through all of 2^32 bytes.
 */
static void torn(void)
{
	EXPECT(rseq_ring_init(&ring, SIZE, RSEQ_RING_OVERWRITE, -1) == 0);
	for (unsigned int i = 0; i < 2 * ring.cpus; ++i) {
		struct rseq_ring_head_ *const h = (struct rseq_ring_head_ *)
			(void *)(ring.memory + PAGE + i * (PAGE + ring.size));
		h->oldest = h->next + (1ull << 32) + 8;
	}
	EXPECT(rseq_ring_write(&ring, "x", 1) == -ENOSPC);
	rseq_ring_fini(&ring);
}

/* ---- files that were damaged ---- */

static uint64_t random_state;

static uint64_t draw(void)
{
	random_state = random_state * 6364136223846793005u +
		1442695040888963407u;
	return random_state >> 24;
}

static long touched;

/* All of it: what is not the ring's is not mapped, or so it may turn out. */
static void touch(void *arg, unsigned int cpu, const void *data, size_t len)
{
	const char *const at = (const char *)data;

	(void)arg;
	EXPECT(cpu < ring.cpus && len < SIZE);
	for (size_t i = 0; i < len; ++i)
		touched += at[i];
}

static int make_file(unsigned int flags)
{
	const int fd = memfd_create("ring", 0);
	char data[200] = {0};

	EXPECT(rseq_ring_init(&ring, SIZE, flags, fd) == 0);
	for (int i = 0; i < 60; ++i)
		(void)rseq_ring_write(&ring, data, draw() % sizeof data);
	return fd;
}

/* A head, a record's word or anything; of the ring that was written to. */
static void damage(const char *head, int fd)
{
	static const uint64_t values[] = { 0, 1, 8, SIZE, 0x7fffffff,
		0x80000000, 0xffffffff, 0x3fffffff, UINT64_MAX };
	const off_t at = (off_t)(head - ring.memory) + (off_t)(draw() % 2 ?
		draw() % 10 * 8 : draw() % ((PAGE + SIZE) / 8) * 8);
	const uint64_t value = draw() % 2 ? values[draw() % 9] :
		draw() << 40 | draw();

	EXPECT(pwrite(fd, &value, sizeof value, at) == sizeof value);
}

static void damaged(void)
{
	struct rseq_ring_head_ *written = NULL;

	random_state = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
	printf("seed=%llu\n", (unsigned long long)random_state);
	for (int n = 0; n < (rseq_cpu_limit() > 1024 ? 8 : 400); ++n) {
		const int fd = make_file(n % 2 ? RSEQ_RING_OVERWRITE : 0);
		for (unsigned int i = 0; i < 2 * ring.cpus; ++i) {
			written = (struct rseq_ring_head_ *)(void *)
				(ring.memory + PAGE + i * (PAGE + ring.size));
			if (written->next)
				break;
		}
		for (int i = 0; i < 1 + n % 5; ++i)
			damage((char *)written, fd);
		rseq_ring_fini(&ring);
		EXPECT(rseq_ring_attach(&ring, fd) == 0);
		EXPECT(rseq_ring_read(&ring, touch, NULL) >= 0);
		(void)rseq_ring_wait(&ring, 0);
		(void)stats();
		rseq_ring_fini(&ring);
		close(fd);
	}
}

/*
 * The last of all rings goes on at its last byte: a word that began there would
 * end behind the file.  What is not aligned is a fault of its own on some.
 */
static void behind_the_end(void)
{
	const int fd = make_file(0);
	const size_t all = PAGE + 2 * ring.cpus * (size_t)(PAGE + SIZE);
	const size_t last = all - SIZE - PAGE;
	struct rseq_ring_head_ *const written = (struct rseq_ring_head_ *)
		(void *)(ring.memory + last);
	char *const apart = (char *)mmap(NULL, all + PAGE, PROT_NONE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *const where = ring.memory;

	written->read = written->oldest = SIZE - 1;
	written->next = SIZE + 64;
	EXPECT(mmap(apart, all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    fd, 0) == apart);
	ring.memory = apart;
	EXPECT(rseq_ring_read(&ring, touch, NULL) >= 0);
	(void)rseq_ring_wait(&ring, 0);
	ring.memory = where;
	rseq_ring_fini(&ring);
	munmap(apart, all + PAGE);
	close(fd);
}

/* Of another size than it says, or of no ring at all. */
static void misdescribed(void)
{
	static const struct { off_t at; uint64_t value; } lies[] = {
		{ 0, 1 }, { 8, 7 }, { 12, 0 }, { 12, 1000000 }, { 16, 0 },
		{ 16, 5000 }, { 16, (uint64_t)1 << 40 }, { 16, UINT64_MAX },
	};
	const int fd = make_file(0);

	for (size_t i = 0; i < sizeof lies / sizeof *lies; ++i) {
		const size_t n = lies[i].at % 16 ? 4 : 8;
		uint64_t was;
		struct rseq_ring other;

		EXPECT(pread(fd, &was, 8, lies[i].at) == 8);
		EXPECT(pwrite(fd, &lies[i].value, n, lies[i].at) == (int)n);
		EXPECT(rseq_ring_attach(&other, fd) == -EINVAL);
		EXPECT(pwrite(fd, &was, 8, lies[i].at) == 8);
	}
	rseq_ring_fini(&ring);
	EXPECT(rseq_ring_attach(&ring, fd) == 0);
	rseq_ring_fini(&ring);
	EXPECT(ftruncate(fd, 3 * PAGE) == 0);
	EXPECT(rseq_ring_attach(&ring, fd) == -EINVAL);
	close(fd);
}

/* ---- more cpus than there were ---- */

/* As if the process had been moved from a machine with one to this cpu. */
static void more_cpus(void)
{
	EXPECT(rseq_ring_init(&ring, SIZE, 0, -1) == 0);
	ring.cpus = 1;
	for (int i = 0; i < 5; ++i)
		EXPECT(rseq_ring_write(&ring, &i, sizeof i) == 0);
	EXPECT(rseq_ring_read(&ring, see, NULL) == 5 && bytes[0] == 4);
	rseq_ring_fini(&ring);
}

/* A reader that is left by a jump, and may not be: its thread reads on. */
static jmp_buf outside_of_it;

static void jump(void *arg, unsigned int cpu, const void *data, size_t len)
{
	(void)arg, (void)cpu, (void)data, (void)len;
	longjmp(outside_of_it, 1);
}

static void *jump_out(void *unused)
{
	if (setjmp(outside_of_it) == 0)
		(void)rseq_ring_read(&ring, jump, NULL);
	EXPECT(rseq_ring_read(&ring, see, NULL) == -EDEADLK);
	EXPECT(rseq_ring_write(&ring, "second", 7) == 0);
	return unused;
}

static void jumps_out(void)
{
	pthread_t thread;

	for (unsigned int flags = 0; flags < 2; ++flags) {
		EXPECT(rseq_ring_init(&ring, SIZE, flags, -1) == 0);
		EXPECT(rseq_ring_write(&ring, "first", 6) == 0);
		pthread_create(&thread, NULL, jump_out, NULL);
		pthread_join(thread, NULL);
		EXPECT(rseq_ring_read(&ring, see, NULL) == 2);
		EXPECT(stats().written == 2 && stats().read == 2);
		rseq_ring_fini(&ring);
	}
}

/* As the page says: a file that long, of which what was written is there. */
static void costs_what_is_used(unsigned int here)
{
	enum { LARGE = 1 << 20 };
	const int fd = memfd_create("ring", 0);
	static char record[1000];
	struct stat file;

	EXPECT(rseq_ring_init(&ring, LARGE, 0, fd) == 0);
	EXPECT(fstat(fd, &file) == 0);
	EXPECT(file.st_size == PAGE + (off_t)rseq_cpu_limit() * 2 *
	       (PAGE + LARGE));
	run_on(0, here);
	for (int i = 0; i < 40; ++i)
		EXPECT(rseq_ring_write(&ring, record, sizeof record) == 0);
	EXPECT(fstat(fd, &file) == 0);
	/* The first page, the ring's own, and ten of records; or two rings. */
	EXPECT(file.st_blocks * 512 <= 14 * PAGE);
	EXPECT(file.st_blocks * 512 >= 12 * PAGE);
	rseq_ring_fini(&ring);
	close(fd);
}

/* ---- a thread that dies as it writes ---- */

static void on_fault(int sig)
{
	(void)sig;
	die();
}

static void *write_what_is_not_there(void *registered)
{
	char *const at = (char *)mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE |
				      MAP_ANONYMOUS, -1, 0);
	const int n = registered_length();

	run_on(0, *(unsigned int *)registered / 2);
	if (n && !(*(unsigned int *)registered % 2)) {
		rseq_prepare_unload();
		syscall(SYS_rseq, area(), n, 1, RSEQ_SIG);
	}
	return rseq_ring_write(&ring, at, 100) ? at : NULL;
}

/* By a section, or with the ring locked: neither is in anyone's way. */
static void deaths(unsigned int here)
{
	signal(SIGSEGV, on_fault);
	for (unsigned int flags = 0; flags < 2; ++flags) {
		EXPECT(rseq_ring_init(&ring, SIZE, flags, -1) == 0);
		/* The second one finds the lock that the first one had. */
		for (unsigned int n = 0; n < 3; ++n) {
			unsigned int how = 2 * here + (n == 2);
			EXPECT(rseq_ring_write(&ring, "before", 7) == 0);
			let_die(write_what_is_not_there, &how);
			EXPECT(rseq_ring_write(&ring, "behind", 7) == 0);
		}
		EXPECT(rseq_ring_read(&ring, see, NULL) == 6);
		EXPECT(!strcmp(bytes, "behind"));
		EXPECT(stats().written == 6 && stats().dropped == 0);
		rseq_ring_fini(&ring);
	}
	signal(SIGSEGV, SIG_DFL);
}

/* ---- children ---- */

static void write_one(void)
{
	EXPECT(rseq_ring_write(&ring, "child", 6) == 0);
}

/* In a file it is theirs together; in memory each has its own. */
static void forks(void)
{
	for (int in_file = 0; in_file < 2; ++in_file) {
		const int fd = in_file ? memfd_create("ring", 0) : -1;

		EXPECT(rseq_ring_init(&ring, SIZE, 0, fd) == 0);
		EXPECT(rseq_ring_write(&ring, "parent", 7) == 0);
		in_child(write_one);
		EXPECT(rseq_ring_read(&ring, see, NULL) == 1 + in_file);
		EXPECT(!strcmp(bytes, in_file ? "child" : "parent"));
		rseq_ring_fini(&ring);
		if (in_file)
			close(fd);
	}
}

/* ---- without memory ---- */

static void short_of_memory(void)
{
	struct rlimit all, none;

	getrlimit(RLIMIT_AS, &all);
	none = (struct rlimit){1 << 22, all.rlim_max};
	errno = 123;
	setrlimit(RLIMIT_AS, &none);
	EXPECT(rseq_ring_init(&ring, 1 << 20, 0, -1) == -ENOMEM);
	expect_no_ring();
	setrlimit(RLIMIT_AS, &all);
	EXPECT(rseq_ring_init(&ring, SIZE, RSEQ_RING_OVERWRITE, -1) == 0);
	EXPECT(rseq_ring_write(&ring, "kept", 5) == 0);
	/* The reader wants a copy; there is none now, and is again. */
	setrlimit(RLIMIT_AS, &none);
	EXPECT(rseq_ring_read(&ring, see, NULL) == -ENOMEM);
	setrlimit(RLIMIT_AS, &all);
	EXPECT(rseq_ring_read(&ring, see, NULL) == 1);
	rseq_ring_fini(&ring);
	EXPECT(refuse_mmap(ENOMEM) == 0);
	EXPECT(rseq_ring_init(&ring, SIZE, 0, -1) == -ENOMEM);
	EXPECT(errno == 123);
	expect_no_ring();
}

/* A file that may not become as large. */
static void file_too_large(void)
{
	const struct rlimit small = {1 << 16, 1 << 16};
	const int fd = memfd_create("ring", 0);

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	EXPECT(rseq_ring_init(&ring, 1 << 20, 0, fd) == -EFBIG);
	expect_no_ring();
}

/* With an argument not what an emulator needs for itself: memory, mmap(). */
int main(int n, char **arg)
{
	unsigned int here;

	(void)arg;

	count_cpus(&here);	/* the last: not 0 if any is */
	run_on(0, here);
	errno = 123;
	refused();
	errno = 123;
	used();
	torn();
	damaged();
	behind_the_end();
	misdescribed();
	more_cpus();
	costs_what_is_used(here);
	EXPECT(errno == 123);
	jumps_out();
	deaths(here);
	forks();
	if (n == 1)
		in_child(short_of_memory);
	in_child(file_too_large);
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}
