/* SPDX-License-Identifier: MIT */
/*
 * How often a drain calls membarrier(2): a filter raises SIGSYS instead, whose
 * handler counts and says that all went well.
 */
#include "filter.h"

#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

#include <rseq/rseq.h>

static volatile int fences;
static int drained;

static void on_call(int signal, siginfo_t *info, void *context)
{
	ucontext_t *const frame = context;

	(void)signal, (void)info;
	++fences;
#if defined __x86_64__
	frame->uc_mcontext.gregs[REG_RAX] = 0;
#elif defined __i386__
	frame->uc_mcontext.gregs[REG_EAX] = 0;
#elif defined __aarch64__
	frame->uc_mcontext.regs[0] = 0;
#elif defined __riscv
	frame->uc_mcontext.__gregs[10] = 0;
#elif defined __arm__
	frame->uc_mcontext.arm_r0 = 0;
#elif defined __powerpc64__
	frame->uc_mcontext.gp_regs[3] = 0;
	frame->uc_mcontext.gp_regs[38] &= ~(1ul << 28);	/* CR0's SO */
#elif defined __s390x__
	frame->uc_mcontext.gregs[2] = 0;
#elif defined __mips__
	frame->uc_mcontext.gregs[2] = 0;
	frame->uc_mcontext.gregs[7] = 0;	/* no error */
#elif defined __loongarch__
	frame->uc_mcontext.__gregs[4] = 0;
#endif
}

static void drain(unsigned int cpu, void *arg)
{
	(void)cpu, (void)arg;
	++drained;
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = on_call,
				   .sa_flags = SA_SIGINFO};
	struct rseq_guard *guard = rseq_percpu_alloc(sizeof *guard, 0);
	int result;

	if (!guard)
		return 1;
	sigaction(SIGSYS, &action, NULL);
	if (filter_call(SYS_membarrier, SECCOMP_RET_TRAP, 0))
		return 77;
	result = rseq_guard_drain(guard, drain, NULL);
	printf("result=%d\ndrained=%d\nlimit=%u\nfences=%d\n", result,
	       drained, rseq_cpu_limit(), fences);
	return 0;
}
