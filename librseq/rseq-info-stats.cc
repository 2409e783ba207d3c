/* SPDX-License-Identifier: MIT */
/* Run a program, and show what became of its threads' transactions. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rseq-info.hh"
#include "stats.hh"

static int complain(const char *what)
{
	fprintf(stderr, "rseq-info: %s: %s\n", what, strerror(errno));
	return 1;
}

static void print_row(const char *thread, const rseq_stats &s)
{
	printf("%-10s %12ju %12ju %12ju %12ju\n", thread, (uintmax_t)s.commits,
	       (uintmax_t)s.conflicts, (uintmax_t)s.aborts, (uintmax_t)s.locks);
}

static void print_text(const stats_table &table)
{
	rseq_stats all {};

	printf("%-10s %12s %12s %12s %12s\n", "thread", "commits", "conflicts",
	       "aborts", "locks");
	for (const rseq_stats &s : table.row) {
		if (stats_empty(s))
			continue;
		char id[16] = "others";
		if (s.thread)
			snprintf(id, sizeof id, "%u", s.thread);
		print_row(id, s);
		all.commits += s.commits;
		all.conflicts += s.conflicts;
		all.aborts += s.aborts;
		all.locks += s.locks;
	}
	print_row("all", all);
}

static void print_json(const stats_table &table)
{
	const char *before = "\n";

	printf("[");
	for (const rseq_stats &s : table.row) {
		if (stats_empty(s))
			continue;
		printf("%s  {\"thread\": %u, \"commits\": %ju, "
		       "\"conflicts\": %ju, \"aborts\": %ju, \"locks\": %ju}",
		       before, s.thread, (uintmax_t)s.commits,
		       (uintmax_t)s.conflicts, (uintmax_t)s.aborts,
		       (uintmax_t)s.locks);
		before = ",\n";
	}
	printf("\n]\n");
}

/* The program's exit status, as a shell gives it. */
static int run(char **command, int fd)
{
	char number[48];
	struct stat file;
	int status;

	if (fstat(fd, &file))
		return complain("fstat");
	snprintf(number, sizeof number, "%d:%ju", fd, (uintmax_t)file.st_ino);
	if (setenv(stats_variable, number, 1))
		return complain(stats_variable);
	const pid_t child = fork();
	if (child < 0)
		return complain("fork");
	if (child == 0) {
		execvp(command[0], command);
		complain(command[0]);
		_exit(errno == ENOENT ? 127 : 126);
	}
	/* From a terminal they are for the program; its numbers are for us. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return complain("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) :
		128 + WTERMSIG(status);
}

int show_stats(char **command, bool json)
{
	const int fd = memfd_create("rseq-stats", MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, sizeof(stats_table)) ||
	    pwrite(fd, &stats_mark, sizeof stats_mark, 0) < 0 ||
	    fcntl(fd, F_ADD_SEALS, stats_seals))
		return complain("memfd_create");
	void *const at = mmap(nullptr, sizeof(stats_table), PROT_READ,
			      MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return complain("mmap");

	const int status = run(command, fd);
	const auto &table = *static_cast<const stats_table *>(at);
	if (table.used == 0 && status != 126 && status != 127)
		fprintf(stderr, "rseq-info: %s has counted no transactions: "
			"was it compiled with -DRSEQ_STATS?\n", command[0]);
	(json ? print_json : print_text)(table);
	return fflush(stdout) ? 1 : status;
}
