/* SPDX-License-Identifier: MIT */
/* refuse ERRNO PROGRAM...: run it under a filter that refuses rseq(2). */
#include "filter.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: refuse ERRNO PROGRAM [ARGUMENT...]\n", stderr);
		return 2;
	}
	if (refuse_rseq(atoi(argv[1]))) {
		perror("refuse: the filter cannot be installed");
		return 77;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
