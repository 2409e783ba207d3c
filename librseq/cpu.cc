/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <rseq/cpu.h>
#include "internal.hh"

/* The last number of a list such as "0-3,8-11", or -1. */
static long last_number(const char *s, ssize_t len)
{
	long last = -1;

	for (ssize_t i = 0; i < len; ++i) {
		if (s[i] < '0' || s[i] > '9')
			continue;
		last = 0;
		for (; i < len && s[i] >= '0' && s[i] <= '9'; ++i)
			last = last * 10 + (s[i] - '0');
	}
	return last;
}

static long highest_possible_cpu()
{
	char list[4096];
	ssize_t len = -1;
	int fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		len = read(fd, list, sizeof list);
		close(fd);
	}
	return last_number(list, len);
}

/*
 * Not sysconf(): musl's counts the cpus that the thread may use, and their
 * numbers need not begin at 0.  It is only the answer where /sys is missing;
 * sections check the index against the limit, so a low one is slow, not wrong.
 */
unsigned int rseq_cpu_limit(void)
{
	static unsigned int limit;
	unsigned int n = __atomic_load_n(&limit, __ATOMIC_RELAXED);

	if (n)
		return n;
	errno_guard keep;
	long last = highest_possible_cpu();
	if (last < 0)
		last = sysconf(_SC_NPROCESSORS_CONF) - 1;
	n = last < 0 ? 1 : (unsigned int)last + 1;
	__atomic_store_n(&limit, n, __ATOMIC_RELAXED);
	return n;
}
