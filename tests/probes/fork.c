/* SPDX-License-Identifier: MIT */
/* The area across fork, vfork and posix_spawn. */
#include "area.h"

#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static void wait_for(pid_t pid, const char *who)
{
	int status = -1;

	waitpid(pid, &status, 0);
	printf("%s.exit=%d\n", who, status);
}

static void *tell_as(void *who)
{
	tell(who);
	return NULL;
}

static void *fork_here(void *who)
{
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		tell(who);
		_exit(0);
	}
	wait_for(pid, who);
	return NULL;
}

static void fork_from_main(void)
{
	pthread_t t;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		tell("child");
		pthread_create(&t, NULL, tell_as, "child_thread");
		pthread_join(t, NULL);
		fork_here("grandchild");
		fflush(stdout);
		_exit(0);
	}
	wait_for(pid, "child");
	tell("after_fork");
}

static void fork_from_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, fork_here, "child_of_thread");
	pthread_join(t, NULL);
}

static void at_prepare(void) { tell("prepare"); }
static void at_parent(void) { tell("parent"); }
static void at_child(void) { tell("atfork_child"); }

/* The child of vfork shares this thread's area and is not registered. */
static void vfork_here(const char *self)
{
	const size_t words = cpu_words();
	unsigned long all[words];

	fflush(stdout);
	allowed_cpus(all);
	for (unsigned int cpu = 0; cpu < words * CPU_BITS; ++cpu) {
		if (!has_cpu(all, cpu))
			continue;
		pid_t pid = vfork();
		if (pid == 0) {
			run_on(0, cpu);
			execl(self, self, "spawned", (char *)NULL);
			_exit(1);
		}
		wait_for(pid, "vfork");
	}
	tell("after_vfork");
}

static void spawn(char *self)
{
	char *argv[] = {self, "spawned", NULL};
	pid_t pid;

	fflush(stdout);
	if (posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0)
		wait_for(pid, "spawn");
	argv[0] = "/nonexistent/program";
	printf("spawn_failed=%d\n",
	       posix_spawn(&pid, argv[0], NULL, NULL, argv, environ));
	tell("after_spawn");
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		tell(argv[1]);
		return 0;
	}
	tell("main");
	fork_from_main();
	fork_from_thread();
	vfork_here(argv[0]);
	spawn(argv[0]);
	pthread_atfork(at_prepare, at_parent, at_child);
	fork_here("hooked");
	tell("end");
	return 0;
}
