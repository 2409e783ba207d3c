/* SPDX-License-Identifier: MIT */
/* The area after a failed exec, and after a successful one. */
#include "area.h"

#include <pthread.h>

static void *exec_here(void *self)
{
	char *argv[] = {self, "thread", NULL};

	execv("/", argv);
	tell("failed_in_thread");
	execv(self, argv);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc > 1 && !strcmp(argv[1], "thread")) {
		tell("by_thread");
		return 0;
	}
	if (argc > 1) {
		tell("by_main");
		pthread_create(&t, NULL, exec_here, argv[0]);
		pthread_join(t, NULL);
		return 1;
	}
	tell("main");
	execl("/nonexistent/program", "program", (char *)NULL);
	tell("failed");
	execl(argv[0], argv[0], "main", (char *)NULL);
	return 1;
}
