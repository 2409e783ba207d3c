/* SPDX-License-Identifier: MIT */
/* What a forked child finds. */
#pragma once

#include "checks.h"

#include <sys/wait.h>
#include <unistd.h>

/* Whose own failures the parent counts as one. */
static void in_child(void (*f)(void))
{
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		wrong = 0;
		f();
		fflush(stdout);
		_exit(wrong != 0);
	}
	waitpid(child, &status, 0);
	EXPECT(status == 0);
}
