/* SPDX-License-Identifier: MIT */
/*
 * abort_points [FILE]: put a trap over each instruction of each operation's
 * section in turn.  The signal lands inside the section, so the kernel has to
 * restart it: exhaustive, and no matter of timing.  FILE names the addresses of
 * this program's instructions, a hexadecimal number a line, where they cannot
 * be told from the code itself: on x86-64.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <elf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "every_op.h"

#define NOINLINE	static __attribute__((__noinline__))

/* ---- the operations, out of line ---- */

#define PLACE(x)	(x)
#define WAYS(op, T, shape, model, index)				\
NOINLINE int call_##op(const uintptr_t *a)				\
{									\
	return CALL_##shape(op, tag_##T, PLACE, a[0], a[1], a[2], a[3],	\
			    a[4], a[5], a[6]);				\
}
EVERY_OP(WAYS)

enum index { index_cpu_id, index_mm_cid };

static const struct op {
	const char *name, *shape;
	size_t width;
	enum index index;
	int (*model)(const uintptr_t *, uintptr_t);
	int (*call)(const uintptr_t *);
} ops[] = {
#define ROW(op, T, shape, model, index)					\
	{ #op, SHAPE_##shape, sizeof(tag_##T), index_##index,		\
	  model_##model##_tag_##T, call_##op },
	EVERY_OP(ROW)
};

/* ---- operands with which each of them commits ---- */

enum { WORDS = 4096 / sizeof(uintptr_t), STRIDE = 64, IDS = 40 };

static uintptr_t memory[WORDS], before[WORDS], expected[WORDS];

#define AT(n)	((uintptr_t)&memory[n])

static uintptr_t id_now(const struct op *op)
{
	return (uintptr_t)(op->index == index_mm_cid ? rseq_mm_cid() :
			   rseq_current_cpu());
}

/* Whole words only in the second set, since one loop copies those. */
static void choose(const struct op *op, uintptr_t *a, int set)
{
	unsigned int word = 0;

	for (unsigned int i = 0; i < WORDS; ++i)
		memory[i] = AT(WORDS - 100 + i % 64);
	for (int i = 0; op->shape[i]; ++i)
		switch (op->shape[i]) {
		case 'p': a[i] = AT(word); word += 2; break;
		case 'c': a[i] = AT(WORDS - 20); memory[WORDS - 20] = 4; break;
		case 'd': a[i] = AT(WORDS - 200); break;
		case 's': a[i] = AT(WORDS - 180); break;
		case 'e':
			a[i] = 0;
			if (strcmp(op->shape, "peopi"))
				memcpy(&a[i], (void *)a[i - 1], op->width);
			break;
		case 'n': a[i] = set ? 24 : 27; break;
		case 'o': a[i] = 8; break;
		case 'k': a[i] = 8; break;
		case 'm': a[i] = 3; break;
		case 't': a[i] = STRIDE; break;
		case 'l': a[i] = IDS; break;
		case 'i': a[i] = id_now(op); break;
		default: a[i] = 0x55; break;
		}
	memcpy(before, memory, sizeof memory);
}

/* The word that its last store writes. */
static uintptr_t committed(const struct op *op, const uintptr_t *a)
{
	if (strchr(op->shape, 'l'))
		return a[0] + id_now(op) * a[1];
	if (!strcmp(op->shape, "povi"))
		return *(uintptr_t *)(before[(a[0] - AT(0)) / 8] + a[1]);
	return op->shape[1] == 'c' ? a[1] : a[0];
}

/* ---- where the sections are ---- */

struct descriptor {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

extern const struct descriptor *const __start___rseq_cs_ptr_array[];
extern const struct descriptor *const __stop___rseq_cs_ptr_array[];

/* What this operation publishes: it stays so until something happens. */
static const struct descriptor *section_of(const struct op *op)
{
	const struct descriptor *d = NULL;
	uintptr_t a[MAX_OPERANDS] = {0};

	for (int tries = 0; tries < 1000 && !d; ++tries) {
		choose(op, a, 0);
		if (op->call(a) == RSEQ_COMMITTED)
			d = (const struct descriptor *)(uintptr_t)
				rseq_self()->rseq_cs;
	}
	for (const struct descriptor *const *p = __start___rseq_cs_ptr_array;
	     p < __stop___rseq_cs_ptr_array; ++p)
		if (d == *p)
			return d;
	return NULL;
}

#ifdef __x86_64__

static uintptr_t *instructions;
static size_t instruction_count;

/* How far from where it was linked this program is loaded. */
static uintptr_t load_bias(void)
{
	const Elf64_Phdr *p = (const Elf64_Phdr *)getauxval(AT_PHDR);

	for (uintptr_t header = (uintptr_t)p - sizeof(Elf64_Ehdr);; ++p)
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
#define PC(context)	((context)->uc_mcontext.gregs[REG_RIP])

#elif defined __aarch64__

static const uint32_t trap[] = { 0xd4200000 };
#define TRAP_SIZE	4
#define PC(context)	((context)->uc_mcontext.pc)

#elif defined __riscv

static const uint16_t trap[] = { 0x9002 };
#define LENGTH(at)	((*(const uint16_t *)(at) & 3) == 3 ? 4 : 2)
#define TRAP_SIZE	2	/* c.ebreak, whatever it lies on */
#define PC(context)	((context)->uc_mcontext.__gregs[0])

#endif

#ifndef __x86_64__
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
static volatile int traps, elsewhere, done;
static const struct descriptor *trapped_in;
static uintptr_t result_at, result_was;
static size_t result_width;

static void write_code(const void *code)
{
	memcpy(trapped_at, code, TRAP_SIZE);
	__builtin___clear_cache(trapped_at, trapped_at + TRAP_SIZE);
}

/* The frame says where the kernel has already sent the thread. */
static void on_trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *frame = (ucontext_t *)context;

	(void)signal, (void)info;
	write_code(was);
	++traps;
	elsewhere += (uint64_t)PC(frame) != trapped_in->abort;
	elsewhere += rseq_self()->rseq_cs != 0;
	if ((uintptr_t)PC(frame) - (uintptr_t)trapped_at <= TRAP_SIZE)
		PC(frame) = (uintptr_t)trapped_at;	/* not restarted */
	done = memcmp((void *)result_at, &result_was, result_width) != 0;
}

static void set_trap(const struct descriptor *d, uintptr_t at)
{
	const uintptr_t page = (uintptr_t)getpagesize();

	trapped_in = d;
	trapped_at = (char *)at;
	traps = elsewhere = 0;
	mprotect((void *)(at & -page), 2 * page,
		 PROT_READ | PROT_WRITE | PROT_EXEC);
	memcpy(was, trapped_at, sizeof was);
	write_code(trap);
}

/* ---- one point ---- */

static long sections, points, ends, unreached, wrong, disturbed;

enum seen { NOT_REACHED, GOOD, BAD };

/* Run up to the trap, if it is on the way; anything else may disturb, too. */
static int run_into_trap(const struct op *op, const struct descriptor *d,
			 uintptr_t at, uintptr_t *a, int set)
{
	int first;

	choose(op, a, set);
	op->model(a, id_now(op));
	memcpy(expected, memory, sizeof memory);
	memcpy(memory, before, sizeof memory);
	result_at = committed(op, a);
	result_width = op->width;
	memcpy(&result_was, (void *)result_at, result_width);
	set_trap(d, at);
	do {
		first = op->call(a);
		disturbed += first == RSEQ_RESTARTED && !traps;
	} while (first == RSEQ_RESTARTED && !traps);
	if (!traps)
		write_code(was);
	return first;
}

static enum seen try_point(const struct op *op, const struct descriptor *d,
			   uintptr_t at, int set)
{
	uintptr_t a[MAX_OPERANDS] = {0};
	const int first = run_into_trap(op, d, at, a, set);
	int untouched, second, agree;

	if (!traps)
		return NOT_REACHED;
	untouched = !memcmp((void *)result_at, &result_was, result_width);
	do
		second = op->call(a);
	while (second == RSEQ_RESTARTED);
	agree = !memcmp(memory, expected, sizeof memory);
	if (traps == 1 && !elsewhere && first == RSEQ_RESTARTED && untouched &&
	    second == RSEQ_COMMITTED && agree)
		return GOOD;
	printf("wrong: %s at +%#lx: traps %d, elsewhere %d, first %d, "
	       "untouched %d, second %d, agree %d\n", op->name,
	       (unsigned long)(at - d->start), traps, elsewhere, first,
	       untouched, second, agree);
	return BAD;
}

/* Right behind the range nothing restarts it, and all of it has been done. */
static void try_end(const struct op *op, const struct descriptor *d)
{
	uintptr_t a[MAX_OPERANDS] = {0};
	const int first = run_into_trap(op, d, d->start + d->length, a, 0);

	if (traps == 1 && done && first == RSEQ_COMMITTED &&
	    !memcmp(memory, expected, sizeof memory)) {
		++ends;
		return;
	}
	printf("wrong: %s at its end: traps %d, done %d, first %d\n", op->name,
	       traps, done, first);
	++wrong;
}

static void try_section(const struct op *op)
{
	const struct descriptor *d = section_of(op);
	long here = 0;

	if (!d) {
		printf("wrong: %s has no section\n", op->name);
		++wrong;
		return;
	}
	++sections;
	for (uintptr_t at = d->start; at < d->start + d->length;
	     at = next_instruction(at)) {
		enum seen seen = try_point(op, d, at, 0);
		if (seen == NOT_REACHED)
			seen = try_point(op, d, at, 1);
		++points;
		here += seen == GOOD;
		wrong += seen == BAD;
		if (seen == NOT_REACHED) {
			printf("unreached: %s\n", op->name);
			++unreached;
		}
	}
	try_end(op, d);
	printf("points.%s=%ld\n", op->name, here);
}

int main(int argc, char **argv)
{
	struct sigaction action;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof one, &one);
	if (prepare(argc > 1 ? argv[1] : NULL))
		return 2;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = on_trap;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGTRAP, &action, NULL);
	if (rseq_current_cpu() < 0 || rseq_current_cpu() >= IDS)
		return 77;
	for (size_t i = 0; i < sizeof ops / sizeof *ops; ++i)
		try_section(&ops[i]);
	printf("operations=%zu\nsections=%ld\npoints=%ld\nends=%ld\n"
	       "unreached=%ld\nwrong=%ld\ndisturbed=%ld\n",
	       sizeof ops / sizeof *ops, sections, points, ends, unreached,
	       wrong, disturbed);
	return 0;
}
