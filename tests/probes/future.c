/* SPDX-License-Identifier: MIT */
/*
 * future SIZE ALIGN LEAST PROGRAM...: run it as on a kernel whose rseq has
 * features of SIZE bytes, wants that alignment, and takes no length but 32 and
 * LEAST and more.  The auxiliary vector says the former two.  A supervisor
 * answers registrations as such a kernel would; what it accepts, this kernel
 * registers.  With REFUSE_EVERY=N in the environment it refuses each Nth, with
 * the error REFUSE_WITH or EPERM.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEGACY = 32, UNREGISTER = 1, MAX_THREADS = 4096 };
enum { FEATURE_SIZE = 27, ALIGN = 28 };	/* entries of the vector */

static unsigned long feature_size, alignment, least;
static int every, refusal = EPERM;

static void give_up(const char *what)
{
	perror(what);
	exit(77);
}

/* ---- the auxiliary vector ---- */

/* Where the kernel has put argc; then come argv, envp and the vector. */
static uintptr_t start_of_stack(pid_t pid)
{
	char name[64], line[4096], *field;
	FILE *file;

	snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
	file = fopen(name, "r");
	if (!file || !fgets(line, sizeof line, file))
		give_up(name);
	fclose(file);
	/* The second field is in parentheses, and may have blanks. */
	field = strrchr(line, ')');
	for (int i = 2; i < 28 && field; ++i)
		field = strchr(field + 1, ' ');
	return field ? strtoul(field, NULL, 10) : 0;
}

static int rewrite(pid_t pid)
{
	uintptr_t at = start_of_stack(pid), entry[2];
	char name[64];
	int fd, nulls = 0, found = 0;

	snprintf(name, sizeof name, "/proc/%d/mem", (int)pid);
	fd = open(name, O_RDWR);
	for (at += sizeof at; nulls < 2; at += sizeof at) {
		if (pread(fd, entry, sizeof *entry, (off_t)at) <= 0)
			give_up(name);
		nulls += *entry == 0;
	}
	for (; pread(fd, entry, sizeof entry, (off_t)at) > 0 && entry[0];
	     at += sizeof entry) {
		if (entry[0] == FEATURE_SIZE)
			entry[1] = feature_size;
		else if (entry[0] == ALIGN)
			entry[1] = alignment;
		else
			continue;
		found += pwrite(fd, entry, sizeof entry, (off_t)at) ==
			(ssize_t)sizeof entry;
	}
	close(fd);
	return found == 2;
}

/* ---- the supervisor ---- */

static struct {
	int calls, accepted, refused, length_min, length_max;
} seen = {.length_min = 1 << 20};

static uint32_t registered[MAX_THREADS];
static int threads;

static uint32_t *find(uint32_t tid)
{
	for (int i = 0; i < threads; ++i)
		if (registered[i] == tid)
			return &registered[i];
	return NULL;
}

static int length_is_fine(uint64_t area, uint64_t length)
{
	if (length == LEGACY)
		return area % LEGACY == 0;
	return length >= least && area % alignment == 0;
}

/* Negative: the error.  0: this kernel is to answer. */
static int answer(const struct seccomp_notif *call)
{
	const __u64 *arg = call->data.args;
	uint32_t *known = find(call->pid);

	if (arg[2] & UNREGISTER) {
		if (known)
			*known = registered[--threads];
		return 0;
	}
	/* A second registration, by which a probe asks what there is. */
	if (known)
		return 0;
	++seen.calls;
	if (!length_is_fine(arg[0], arg[1])) {
		++seen.refused;
		return -EINVAL;
	}
	if (every && seen.calls % every == 0) {
		++seen.refused;
		return -refusal;
	}
	++seen.accepted;
	if ((int)arg[1] < seen.length_min)
		seen.length_min = (int)arg[1];
	if ((int)arg[1] > seen.length_max)
		seen.length_max = (int)arg[1];
	if (threads < MAX_THREADS)
		registered[threads++] = call->pid;
	return 0;
}

static void supervise(int listener)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};

	while (poll(&ready, 1, -1) > 0 || errno == EINTR) {
		struct seccomp_notif call;
		struct seccomp_notif_resp reply;

		if (!(ready.revents & POLLIN))
			break;	/* the last one is gone */
		memset(&call, 0, sizeof call);
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
			continue;
		memset(&reply, 0, sizeof reply);
		reply.id = call.id;
		reply.error = answer(&call);
		if (reply.error == 0)
			reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
	}
}

/* ---- the program ---- */

static void run_program(char **argv, int tell, int told)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rseq, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {
		.len = sizeof code / sizeof *code, .filter = code,
	};
	int listener = -1;
	char byte;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
					SECCOMP_FILTER_FLAG_NEW_LISTENER,
					&filter);
	/* Until the supervisor has its copy of it. */
	if (write(tell, &listener, sizeof listener) < 0 ||
	    read(told, &byte, 1) != 1 || listener < 0)
		_exit(77);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	execvp(*argv, argv);
	perror(*argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	int up[2], down[2], listener = -1, status, process;
	pid_t child;

	if (argc < 5) {
		fputs("usage: future SIZE ALIGN LEAST PROGRAM [ARGUMENT...]\n",
		      stderr);
		return 2;
	}
	feature_size = strtoul(argv[1], NULL, 10);
	alignment = strtoul(argv[2], NULL, 10);
	least = strtoul(argv[3], NULL, 10);
	if (getenv("REFUSE_EVERY"))
		every = atoi(getenv("REFUSE_EVERY"));
	if (getenv("REFUSE_WITH"))
		refusal = atoi(getenv("REFUSE_WITH"));
	if (pipe(up) || pipe(down))
		give_up("pipe");
	child = fork();
	if (child == 0)
		run_program(argv + 4, up[1], down[0]);
	if (read(up[0], &listener, sizeof listener) < 0 || listener < 0)
		give_up("a filter with a supervisor");
	process = (int)syscall(SYS_pidfd_open, child, 0);
	listener = (int)syscall(SYS_pidfd_getfd, process, listener, 0);
	if (listener < 0 || write(down[1], "", 1) != 1)
		give_up("pidfd_getfd");
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return 77;
	if (!rewrite(child)) {
		kill(child, SIGKILL);
		fputs("future: this kernel says nothing of rseq\n", stderr);
		return 77;
	}
	if (ptrace(PTRACE_DETACH, child, NULL, NULL))
		give_up("detach");
	supervise(listener);
	waitpid(child, &status, 0);
	printf("calls=%d\naccepted=%d\nrefused=%d\nlength_min=%d\n"
	       "length_max=%d\n", seen.calls, seen.accepted, seen.refused,
	       seen.length_min, seen.length_max);
	return WIFEXITED(status) ? WEXITSTATUS(status) :
		128 + WTERMSIG(status);
}
