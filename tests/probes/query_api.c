/* SPDX-License-Identifier: MIT */
/* rseq_query and the accessors, beside what the kernel says. */
#include "area.h"
#include "info.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static int node_right(void)
{
	unsigned int cpu, node;

	syscall(SYS_getcpu, &cpu, &node, NULL);
	return rseq_node_id() == (int)node;
}

static int result = -1;

static int ask(void *info)
{
	result = rseq_query(info, sizeof(struct rseq_info));
	return 0;
}

/*
 * As vfork() and posix_spawn() make one. musl's vfork() is a fork() on most
 * architectures.
 */
static void in_vfork_child(void)
{
	static _Alignas(16) char stack[65536];
	struct rseq_info info;

	fflush(stdout);
	pid_t pid = clone(ask, stack + sizeof stack,
			  CLONE_VM | CLONE_VFORK | SIGCHLD, &info);
	waitpid(pid, NULL, 0);
	printf("vfork=%d\nvfork.reason=%d\nvfork.length=%u\nvfork.mode=%d\n",
	       result, (int)info.reason, info.length, (int)info.mode);
}

int main(void)
{
	struct rseq_info info;
	int distinct = 1;

	printf("null=%d\n", rseq_query(NULL, sizeof info));
	printf("size_0=%d\nsize_less=%d\nsize_more=%d\n",
	       rseq_query(&info, 0), rseq_query(&info, sizeof info - 1),
	       rseq_query(&info, sizeof info + 1));
	errno = 123;
	rseq_query(&info, sizeof info);
	printf("errno=%d\n", errno);
	say_info("info");
	printf("registered_length=%d\n", registered_length());
	printf("auxv=%lu\n", getauxval(27));
	for (int i = RSEQ_ON; i <= RSEQ_OFF_UNKNOWN + 1; ++i)
		for (int j = RSEQ_ON; j < i; ++j)
			distinct &= strcmp(rseq_strreason((enum rseq_reason)i),
					   rseq_strreason((enum rseq_reason)j))
				!= 0;
	printf("reasons_distinct=%d\n", distinct);

	run_on(0, (unsigned int)sched_getcpu());
	printf("cpu_right=%d\nstart_right=%d\n",
	       rseq_this_cpu().n == (int)kernel_cpu(),
	       rseq_cpu_start() == kernel_cpu());
	printf("cpu=%d\nstart=%d\n", rseq_this_cpu().n, (int)rseq_cpu_start());
	printf("node=%d\nmm_cid=%d\nnode_right=%d\n", rseq_node_id(),
	       rseq_this_cid().n, node_right());
	printf("limit=%u\nconfigured=%ld\n", rseq_cpu_limit(),
	       sysconf(_SC_NPROCESSORS_CONF));
	in_vfork_child();
	say_info("after");
	return 0;
}
