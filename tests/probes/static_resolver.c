/* SPDX-License-Identifier: MIT */
/*
 * The resolver of an indirect function in a static program runs before there
 * is a thread pointer. It may ask the kernel for something through libc, as
 * long as that is no cancellation point and does not fail.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int pid;
static struct timespec now;

static int implementation(void)
{
	return 1;
}

static int (*resolve(void))(void)
{
	pid = getpid();
	clock_gettime(CLOCK_MONOTONIC, &now);
	return implementation;
}

int resolved(void) __attribute__((__ifunc__("resolve")));

int main(void)
{
	printf("ran=%d\nright=%d\n", resolved(),
	       pid == getpid() && now.tv_sec + now.tv_nsec > 0);
	return 0;
}
