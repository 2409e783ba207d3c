/* SPDX-License-Identifier: MIT */
/*
 * A program that writes records into a ring in a file, looked at between its
 * instructions as somebody would who comes when it has been killed there, and
 * killed: what it had written is there, whole and in order.
 *
 *	ring_crash STRIDE
 */
#include "cpus.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rseq/ring.h>

enum { RECORDS = 3, LENGTH = 40 };

static long found, torn, holes;

static void see(void *arg, unsigned int cpu, const void *data, size_t len)
{
	const unsigned char *byte = data;

	(void)arg, (void)cpu;
	++found;
	torn += len != LENGTH;
	for (size_t i = 1; i < len; ++i)
		torn += byte[i] != (unsigned char)(byte[0] * 3 + i);
	holes += byte[0] != found;
}

static void child(struct rseq_ring *ring, volatile int *done)
{
	unsigned char record[LENGTH];

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	for (int n = 1; n <= RECORDS; ++n) {
		record[0] = (unsigned char)n;
		for (int i = 1; i < LENGTH; ++i)
			record[i] = (unsigned char)(n * 3 + i);
		if (rseq_ring_write(ring, record, sizeof record))
			_exit(2);
		*done = n;
	}
	_exit(0);
}

/* What a reader finds who comes when the program has been killed. */
static long lost, failed;

static void look(int fd, int done)
{
	struct rseq_ring ring;

	if (rseq_ring_attach(&ring, fd)) {
		++failed;
		return;
	}
	found = 0;
	failed += rseq_ring_read(&ring, see, NULL) < 0;
	lost += found < done;
	rseq_ring_fini(&ring);
}

/* To its end with looks on the way; then killed when it has written one. */
int main(int argc, char **argv)
{
	const long stride = argc > 1 ? atol(argv[1]) : 1;
	volatile int *const done = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long looks = 0, partial = 0;

	run_on(0, (unsigned int)sched_getcpu());
	for (int kills = 0; kills < 2; ++kills) {
		const int fd = memfd_create("ring", 0);
		char name[64];
		struct rseq_ring ring;
		int status, copy;
		pid_t pid;

		/* Opened for reading, a ring is mapped without being changed. */
		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		if (rseq_ring_init(&ring, 4096, 0, fd) ||
		    (copy = open(name, O_RDONLY)) < 0)
			return EXIT_FAILURE;
		*done = 0;
		pid = fork();
		if (pid == 0)
			child(&ring, done);
		waitpid(pid, &status, 0);
		for (long steps = 0; WIFSTOPPED(status) &&
		     !(kills && *done == 1); ++steps) {
			if (steps % stride == 0) {
				look(copy, *done);
				++looks;
				partial += *done > 0 && *done < RECORDS;
			}
			ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
			waitpid(pid, &status, 0);
		}
		if (kills) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			failed += !WIFSIGNALED(status);
		} else {
			failed += !WIFEXITED(status) || WEXITSTATUS(status);
		}
		look(fd, *done);
		printf("found=%ld\n", found);
		rseq_ring_fini(&ring);
		close(copy);
		close(fd);
	}
	printf("looks=%ld\nbetween=%ld\nfailed=%ld\nlost=%ld\ntorn=%ld\n"
	       "holes=%ld\n", looks, partial, failed, lost, torn, holes);
	return EXIT_SUCCESS;
}
