/* SPDX-License-Identifier: MIT */
/*
 * A trap over one instruction of a section: the signal lands inside, so the
 * kernel has to restart the section there.  No matter of timing.
 */
#ifndef PROBE_TRAP_H
#define PROBE_TRAP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <elf.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <rseq/cpu.h>
#include <rseq/section.h>

#include "cpus.h"

/* ---- where the sections are ---- */

struct descriptor {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

/* Addresses, of 64 bits on every machine. */
extern const uint64_t __start___rseq_cs_ptr_array[];
extern const uint64_t __stop___rseq_cs_ptr_array[];

/* What this thread has published: it stays so until something happens. */
static inline const struct descriptor *published(void)
{
	const uint64_t d = rseq_self()->rseq_cs;

	for (const uint64_t *p = __start___rseq_cs_ptr_array;
	     p < __stop___rseq_cs_ptr_array; ++p)
		if (d == *p)
			return (const struct descriptor *)(uintptr_t)d;
	return NULL;
}

#if defined __x86_64__ || defined __i386__

static uintptr_t *instructions;
static size_t instruction_count;

/* How far from where it was linked this program is loaded. */
static uintptr_t load_bias(void)
{
	const ElfW(Phdr) *p = (const ElfW(Phdr) *)getauxval(AT_PHDR);

	for (uintptr_t header = (uintptr_t)p - sizeof(ElfW(Ehdr));; ++p)
		if (p->p_type == PT_LOAD)
			return header - p->p_vaddr;
}

static int prepare(const char *file)
{
	FILE *f = file ? fopen(file, "r") : NULL;
	unsigned long at;

	if (!f)
		return -1;
	while (fscanf(f, "%lx", &at) == 1) {
		if (instruction_count % 4096 == 0)
			instructions = (uintptr_t *)realloc(instructions,
				(instruction_count + 4096) * sizeof at);
		instructions[instruction_count++] = at + load_bias();
	}
	fclose(f);
	return 0;
}

/* In the order of the file, which is that of addresses. */
static uintptr_t next_instruction(uintptr_t at)
{
	size_t low = 0, high = instruction_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (instructions[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < instruction_count ? instructions[low] : (uintptr_t)-1;
}

static const unsigned char trap[] = { 0xcc };
#define TRAP_SIZE	1
#ifdef __x86_64__
#define PC(context)	((context)->uc_mcontext.gregs[REG_RIP])
#else
#define PC(context)	((context)->uc_mcontext.gregs[REG_EIP])
#endif

#elif defined __aarch64__

static const uint32_t trap[] = { 0xd4200000 };
#define TRAP_SIZE	4
#define PC(context)	((context)->uc_mcontext.pc)

#elif defined __riscv

static const uint16_t trap[] = { 0x9002 };
#define LENGTH(at)	((*(const uint16_t *)(at) & 3) == 3 ? 4 : 2)
#define TRAP_SIZE	2	/* c.ebreak, whatever it lies on */
#define PC(context)	((context)->uc_mcontext.__gregs[0])

#elif defined __arm__


#ifdef __thumb__
static const uint16_t trap[] = { 0xde01 };
#define LENGTH(at)	((*(const uint16_t *)(at) & 0xf800) > 0xe000 ? 4 : 2)
#define TRAP_SIZE	2
#else
static const uint32_t trap[] = { 0xe7f001f0 };
#define TRAP_SIZE	4
#endif
#define PC(context)	((context)->uc_mcontext.arm_pc)

#elif defined __powerpc64__

static const uint32_t trap[] = { 0x7fe00008 };
#define TRAP_SIZE	4
#define PC(context)	((context)->uc_mcontext.gp_regs[32])

#elif defined __s390x__

/* A store to address 0: gcc's unwinder takes the pc of a SIGILL or SIGTRAP for
   that of the next instruction, and the kernel has sent the thread elsewhere. */
static const uint32_t trap[] = { 0x42000000 };
#define LENGTH(at)	((((*(const unsigned char *)(at) >> 6) + 3) / 2) * 2)
#define TRAP_SIZE	4
#define TRAP_SIGNAL	SIGSEGV
#define PC(context)	((context)->uc_mcontext.psw.addr)

#elif defined __mips__

static const uint32_t trap[] = { 0x0000000d };
#define TRAP_SIZE	4
#define PC(context)	((context)->uc_mcontext.pc)

#elif defined __loongarch__

static const uint32_t trap[] = { 0x002a0000 };
#define TRAP_SIZE	4
#define PC(context)	((context)->uc_mcontext.__pc)

#endif

#ifndef TRAP_SIGNAL
#define TRAP_SIGNAL	SIGTRAP
#endif

#if !defined __x86_64__ && !defined __i386__
static int prepare(const char *unused)
{
	(void)unused;
	return 0;
}

static uintptr_t next_instruction(uintptr_t at)
{
#ifdef LENGTH
	return at + LENGTH(at);
#else
	return at + 4;
#endif
}
#endif

/* ---- the trap ---- */

static char *trapped_at, was[4];
static volatile int traps, elsewhere, cut, done;
static const struct descriptor *trapped_in;
static uintptr_t result_at, result_was;
static size_t result_width;

#ifdef __powerpc64__
/* gcc's does nothing there.  Where pages have 64 KiB, QEMU 10.0 may go on with
   what it has run from the page before Linux copied it; until this cpu has had
   another address space. */
static inline void clear_cache(char *at)
{
	__asm__ volatile("dcbst 0, %0; sync; icbi 0, %0; sync; isync"
			 : : "r"(at) : "memory");
	if (getpagesize() > 4096) {
		const pid_t child = vfork();

		if (child == 0) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		waitpid(child, NULL, 0);
	}
}
#else
static inline void clear_cache(char *at)
{
	__builtin___clear_cache(at, at + TRAP_SIZE);
}
#endif

static inline void write_code(const void *code)
{
	memcpy(trapped_at, code, TRAP_SIZE);
	clear_cache(trapped_at);
}

int main(int argc, char **argv);

static _Unwind_Reason_Code is_main(struct _Unwind_Context *context, void *found)
{
	/* The last bit of a pointer to Thumb code says so. */
	*(int *)found |= ((uintptr_t)_Unwind_GetRegionStart(context) | 1) ==
		((uintptr_t)main | 1);
	return _URC_NO_REASON;
}

/* Whether a profiler, or a thread that is cancelled, gets out of the section. */
__attribute__((__unused__)) static int stack_leads_to_main(void)
{
	int found = 0;

	_Unwind_Backtrace(is_main, &found);
	return found;
}

/* The frame says where the kernel has already sent the thread. */
static void on_trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *frame = (ucontext_t *)context;

	(void)signal, (void)info;
	write_code(was);
	++traps;
	elsewhere += (uintptr_t)PC(frame) != trapped_in->abort;
	elsewhere += rseq_self()->rseq_cs != 0;
	/* Not in a static program of riscv64, in which gcc 12 gets through no
	   signal frame of Linux 7.2, and so not to the section either; not with
	   musl on 32-bit Arm, which has no unwind table for what handlers return
	   to. */
#if !defined __riscv && (!defined __arm__ || defined __GLIBC__)
	cut += !stack_leads_to_main();
#endif
	if ((uintptr_t)PC(frame) - (uintptr_t)trapped_at <= TRAP_SIZE)
		PC(frame) = (uintptr_t)trapped_at;	/* not restarted */
	done = memcmp((void *)result_at, &result_was, result_width) != 0;
}

static void set_trap(const struct descriptor *d, uintptr_t at)
{
	const uintptr_t page = (uintptr_t)getpagesize();

	trapped_in = d;
	trapped_at = (char *)at;
	traps = elsewhere = cut = 0;
	mprotect((void *)(at & -page), 2 * page,
		 PROT_READ | PROT_WRITE | PROT_EXEC);
	memcpy(was, trapped_at, sizeof was);
	write_code(trap);
}

/* A fault that no trap is meant to cause: say where, for what the kernel and
   the machine made of it is not seen again otherwise. */
static void on_stray(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *frame = (const ucontext_t *)context;

	printf("stray: signal %d, code %d, address %p, pc %#lx; trap %d at "
	       "%p\n", signal, info->si_code, info->si_addr,
	       (unsigned long)PC(frame), traps, (void *)trapped_at);
	for (const unsigned char *at = (unsigned char *)trapped_at - 16;
	     trapped_at && at < (unsigned char *)trapped_at + 16; ++at)
		printf("%02x", *at);
	puts("");
	fflush(stdout);
	_exit(1);
}

/* Stay where the operands are, and be ready: 0, or what main() returns. */
static inline int set_up_traps(const char *file)
{
	struct sigaction action;
	run_on(0, (unsigned int)sched_getcpu());
	if (prepare(file))
		return 2;
	memset(&action, 0, sizeof action);
	action.sa_flags = SA_SIGINFO;
	action.sa_sigaction = on_stray;
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	action.sa_sigaction = on_trap;
	sigaction(TRAP_SIGNAL, &action, NULL);
	return rseq_usable() ? 0 : 77;
}

#endif
