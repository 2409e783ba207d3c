/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <rseq/event.h>
#include "debug.hh"
#include "internal.hh"

/*
 * Who makes a system call between rseq_event() and the store?  From
 * rseq_event() on, syscall user dispatch turns the thread's next system call
 * into SIGSYS.  Its handler notes the call, takes the token away as a
 * disturbance would, turns the dispatch off and lets the call be made.  A store
 * with the same number is then refused, and told why.
 *
 * A signal handler may run in between, and its calls, rt_sigreturn(2) for one,
 * are not the interrupted code's.  The token does not tell them apart: the
 * delivery of SIGSYS takes it away itself on most kernels.  The mask of blocked
 * signals does: while a handler runs, its signal and its sa_mask are blocked as
 * well.  It cannot have been changed otherwise, since that is a system call.
 */
namespace {

/* <linux/prctl.h> is as old as the machine that librseq is built on. */
constexpr int set_dispatch = 59, dispatch_on = 1, dispatch_off = 0;
constexpr int by_dispatch = 2;		/* si_code */
constexpr char allow = 0, block = 1;
constexpr int signals = 64;

constexpr uint64_t bit(int signal)
{
	return (uint64_t)1 << (signal - 1);
}

/* As the kernel has it. */
struct action {
	uintptr_t handler;
	unsigned long flags;
#ifndef __riscv
	uintptr_t restorer;
#endif
	uint64_t mask;
};

/* How the thread gets back to its system call. */
bool restart(ucontext_t *context)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RIP] -= 2;	/* syscall */
#elif defined(__aarch64__)
	context->uc_mcontext.pc -= 4;			/* svc */
#elif defined(__riscv)
	context->uc_mcontext.__gregs[0] -= 4;		/* ecall */
#else
	(void)context;
	return false;
#endif
	return true;
}

constexpr bool can_restart =
#if (defined(__x86_64__) && !defined(__ILP32__)) || defined(__aarch64__) || \
	(defined(__riscv) && __riscv_xlen == 64)
	true;
#else
	false;
#endif

uint64_t mask_in(const ucontext_t *context)
{
	uint64_t mask;

	memcpy(&mask, &context->uc_sigmask, sizeof mask);
	return mask;
}

/* All signals are blocked in here. */
void on_sigsys(int, siginfo_t *info, void *arg)
{
	auto *const context = static_cast<ucontext_t *>(arg);
	thread_checks *const c = checks_if_made();

	if (c)
		c->selector = allow;	/* the first thing of all */
	if (!c || info->si_code != by_dispatch) {
		/* A filter's, say: as if this handler were not there. */
		struct sigaction before;
		memset(&before, 0, sizeof before);
		sigaction(SIGSYS, &before, nullptr);
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSYS);
		return;
	}
	if (mask_in(context) == c->mask)
		c->made = {info->si_call_addr, c->begun, c->event,
			   info->si_syscall};
	take_token();
	restart(context);
}

/*
 * What handlers' actions must be like: SIGSYS must not be blocked in one, or
 * its first system call would kill the process; and something must be blocked
 * in each that is not blocked outside.  SA_NODEFER with an empty sa_mask leaves
 * no trace: such a handler gets a signal to block that hardly anybody uses.
 */
bool tell_apart(int signal, action *a, uint64_t mask)
{
	if (a->handler == (uintptr_t)SIG_DFL ||
	    a->handler == (uintptr_t)SIG_IGN)
		return true;
	a->mask &= ~bit(SIGSYS);
	if (!(a->flags & SA_NODEFER) || (a->mask & ~mask) ||
	    (mask & bit(signal)))
		return true;
	a->mask |= bit(signals);
	return !(mask & bit(signals));
}

bool ask(int signal, const action *set, action *was)
{
	return syscall(SYS_rt_sigaction, signal, set, was, sizeof set->mask)
		== 0;
}

/* Another thread may set the action meanwhile: then that one is mended. */
bool mend(int signal, uint64_t mask)
{
	action want, was;

	if (!ask(signal, nullptr, &was))
		return true;	/* SIGKILL, or this libc's own */
	for (;;) {
		want = was;
		const bool right = tell_apart(signal, &want, mask);
		if (want.mask == was.mask)
			return right;
		action replaced;
		if (!ask(signal, &want, &replaced))
			return false;
		if (memcmp(&replaced, &was, sizeof was) == 0)
			return right;
		was = replaced;
		ask(signal, &was, nullptr);
	}
}

bool have_sigsys()
{
	struct sigaction now, ours;

	if (sigaction(SIGSYS, nullptr, &now) != 0)
		return false;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigsys)
		return true;
	if ((now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL)
		return false;
	memset(&ours, 0, sizeof ours);
	ours.sa_sigaction = on_sigsys;
	ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigfillset(&ours.sa_mask);
	return sigaction(SIGSYS, &ours, nullptr) == 0;
}

bool dispatch(thread_checks *c, int how)
{
	return prctl(set_dispatch, how, 0, 0,
		     how == dispatch_on ? &c->selector : nullptr) == 0;
}

/* What makes the next arming harmless; why not, or null. */
const char *prepare(thread_checks *c, uint64_t *mask)
{
	const uint64_t sigsys = bit(SIGSYS);

	if (!can_restart)
		return "librseq cannot do it on this architecture";
	if (!dispatch(c, dispatch_on))
		return "this kernel has no syscall user dispatch, which Linux"
			" has for x86-64 since 5.11";
	if (!have_sigsys())
		return "the program has a handler for SIGSYS";
	/* Blocked, it would kill. */
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &sigsys, mask, sizeof *mask);
	*mask &= ~sigsys;
	for (int signal = 1; signal <= signals; ++signal)
		if (signal != SIGSYS && !mend(signal, *mask))
			return "a handler with SA_NODEFER cannot be told apart"
				" in a thread that blocks signal 64";
	return nullptr;
}

}

/* ---- whether, and once for all: what the environment wants ---- */

static watch ask_environment()
{
	const char *const wanted = getauxval(AT_SECURE) ? nullptr :
		getenv("RSEQ_CHECK");

	if (wanted && strcmp(wanted, "syscalls") == 0)
		return watch::always;
	if (wanted && strcmp(wanted, "none") == 0)
		return watch::never;
	return watch::as_compiled;
}

watch watch_wanted()
{
	static int asked;	/* + 1; 0: not yet */
	int known = __atomic_load_n(&asked, __ATOMIC_RELAXED);

	if (known == 0) {
		known = (int)ask_environment() + 1;
		__atomic_store_n(&asked, known, __ATOMIC_RELAXED);
	}
	return (watch)(known - 1);
}

/* Only whoever has asked is told, and once. */
static void say_why_not(const char *why)
{
	static int said;

	if (watch_wanted() == watch::always &&
	    !__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED))
		complain("RSEQ_CHECK=syscalls: not checked: ", why);
}

/* ---- one thread ---- */

uint32_t watched_event(const void *caller)
{
	thread_checks *const c = checks();

	if (!c || !rseq_usable())
		return count_event();
	if (c->selector == block && token_published()) {
		c->begun = caller;
		return c->event;
	}
	errno_guard keep;
	uint64_t mask = 0;
	c->selector = allow;
	const char *const why_not = prepare(c, &mask);
	const uint32_t event = count_event();
	if (why_not) {
		say_why_not(why_not);
		return event;
	}
	c->mask = mask;
	c->begun = caller;
	c->event = event;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	c->selector = block;
	return event;
}

uint32_t rseq_debug_event_(void) noexcept
{
	const void *const caller = __builtin_return_address(0);

	return watch_wanted() == watch::never ? count_event() :
		watched_event(caller);
}

void stop_watching(thread_checks *c)
{
	c->selector = allow;
	dispatch(c, dispatch_off);
}

/* ---- what is said ---- */

const char *system_call_name(long number)
{
#define NAME(x)	{ __NR_##x, #x },
	static constexpr struct {
		long number;
		const char *name;
	} names[] = {
		NAME(read) NAME(write) NAME(readv) NAME(writev) NAME(openat)
		NAME(close) NAME(lseek) NAME(fcntl) NAME(ioctl) NAME(pread64)
		NAME(munmap) NAME(mprotect) NAME(madvise) NAME(brk)
		NAME(mremap) NAME(futex) NAME(getpid) NAME(gettid)
		NAME(getppid) NAME(tgkill) NAME(kill) NAME(clone)
		NAME(clone3) NAME(execve) NAME(exit) NAME(exit_group)
		NAME(wait4) NAME(sched_yield) NAME(getcpu)
		NAME(sched_getaffinity) NAME(sched_setaffinity)
		NAME(nanosleep) NAME(getrandom) NAME(rt_sigaction)
		NAME(rt_sigprocmask) NAME(rt_sigsuspend) NAME(ppoll)
		NAME(epoll_pwait) NAME(socket) NAME(connect) NAME(accept4)
		NAME(sendto) NAME(recvfrom) NAME(sendmsg) NAME(recvmsg)
		NAME(membarrier) NAME(prctl) NAME(getrusage) NAME(times)
		NAME(setitimer) NAME(statx) NAME(fsync)
/* Those of a time_t of 4 bytes have other names in musl. */
#ifdef __NR_clock_gettime
		NAME(clock_gettime) NAME(clock_nanosleep) NAME(gettimeofday)
		NAME(timer_settime)
#endif
#ifdef __NR_clock_gettime64
		NAME(clock_gettime64) NAME(clock_nanosleep_time64)
		NAME(timer_settime64)
#endif
#ifdef __NR_poll
		NAME(poll) NAME(epoll_wait) NAME(open) NAME(fork)
#endif
#ifdef __NR_select
		NAME(select)
#endif
#ifdef __NR_mmap
		NAME(mmap)
#else
		NAME(mmap2)
#endif
	};
#undef NAME

	for (const auto &n : names)
		if (n.number == number)
			return n.name;
	return "see <sys/syscall.h>";
}

void report_system_call(uint32_t event, const uintptr_t *v, const void *caller)
{
	thread_checks *const c = checks_if_made();

	if (!c || !c->made.at || c->made.event != event)
		return;
	const system_call made = c->made;
	c->made.at = nullptr;
	rseq_misuse m = {RSEQ_SYSTEM_CALL, nullptr, v, caller, made.begun,
			 made.number, made.at};
	report(&m, "system call between rseq_event() and the store: word",
	       "nothing is stored; call rseq_event() again behind it");
}
