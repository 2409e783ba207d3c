/* SPDX-License-Identifier: MIT */
/*
 * abort_points [FILE]: put a trap over each instruction of each operation's
 * section in turn.  The signal lands inside the section, so the kernel has to
 * restart it: exhaustive, and no matter of timing.  FILE names the addresses of
 * this program's instructions, a hexadecimal number a line, where they cannot
 * be told from the code itself: on x86-64.
 */
#include "trap.h"
#include "every_op.h"

#define NOINLINE	static __attribute__((__noinline__))

/* ---- the operations, out of line ---- */

#define PLACE(x)	(x)
#define WAYS(op, T, where, model, n, ...)				\
NOINLINE int NAME(call, op, T, where)(const uintptr_t *a)		\
{									\
	return CALL_##n(op, T, where, PLACE, a[0], a[1], a[2], a[3],	\
			a[4], a[5], a[6], __VA_ARGS__);			\
}
EVERY_OP(WAYS)

static const struct op {
	const char *name;	/* and the word's type, and where */
	char shape[MAX_OPERANDS + 1];
	size_t width;
	enum where where;
	int (*model)(const uintptr_t *);
	int (*call)(const uintptr_t *);
} ops[] = {
#define ROW(op, T, where, model, n, ...)				\
	{ #op "." #T "." #where, { EACH_##n(LETTER, COMMA, __VA_ARGS__) }, \
	  sizeof(T),							\
	  where_##where, model_##model##_##T, NAME(call, op, T, where) },
	EVERY_OP(ROW)
};

/* ---- operands with which each of them commits ---- */

enum { ALL = 4096 / sizeof(uintptr_t) };

static uintptr_t memory[ALL], before[ALL], expected[ALL];

#define AT(n)	((uintptr_t)&memory[n])

static uintptr_t id_now(const struct op *op)
{
	return (uintptr_t)(by_cid(op->where) ? rseq_this_cid().n :
			   rseq_this_cpu().n);
}

/* Whole words only in the second set, since one loop copies those. */
static void choose(const struct op *op, uintptr_t *a, int set)
{
	unsigned int word = 0;
	uint32_t half;

	for (unsigned int i = 0; i < ALL; ++i) {
		memory[i] = AT(ALL - 100 + i % 64);
		/* A word of 4 bytes is not a pointer's upper half, 0. */
		half = (uint32_t)memory[i];
		if (op->width == sizeof half)
			memcpy(&memory[i], &half, sizeof half);
	}
	for (int i = 0; op->shape[i]; ++i)
		switch (op->shape[i]) {
		case 'p': a[i] = AT(word); word += 2; break;
		case 'q':
			a[i] = AT(word) - copy_at(id_now(op));
			word += 2;
			break;
		case 'c': a[i] = AT(ALL - 20); memory[ALL - 20] = 4; break;
		case 'd': case 'x': a[i] = AT(ALL - 200); break;
		case 's': case 'y': a[i] = AT(ALL - 180); break;
		case 'e':
			memcpy(&half, (void *)a[i - 1], sizeof half);
			a[i] = op->width == sizeof half ? half :
				*(const uintptr_t *)a[i - 1];
			break;
		case 'n': a[i] = set ? 24 : 27; break;
		case 'o': a[i] = 8; break;
		case 'k': a[i] = 8; break;
		case 'm': a[i] = 3; break;
		case 'i': a[i] = id_now(op); break;
		default: a[i] = 0x55; break;
		}
	memcpy(before, memory, sizeof memory);
}

/* The word that its last store writes. */
static uintptr_t committed(const struct op *op, const uintptr_t *a)
{
	if (op->shape[0] == 'q')
		return a[0] + copy_at(id_now(op));
	return op->shape[1] == 'c' ? a[1] : a[0];
}

static void run_model(const struct op *op, const uintptr_t *operands)
{
	uintptr_t a[MAX_OPERANDS];

	memcpy(a, operands, sizeof a);
	if (op->shape[0] == 'q')
		a[0] = committed(op, a);
	op->model(a);
}

/* What this operation publishes. */
static const struct descriptor *section_of(const struct op *op)
{
	const struct descriptor *d = NULL;
	uintptr_t a[MAX_OPERANDS] = {0};

	for (int tries = 0; tries < 1000 && !d; ++tries) {
		choose(op, a, 0);
		if (op->call(a) == RSEQ_COMMITTED)
			d = published();
	}
	return d;
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
	run_model(op, a);
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
	if (traps == 1 && !elsewhere && !cut && first == RSEQ_RESTARTED &&
	    untouched && second == RSEQ_COMMITTED && agree)
		return GOOD;
	printf("wrong: %s at +%#lx: traps %d, elsewhere %d, cut %d, "
	       "first %d, untouched %d, second %d, agree %d\n", op->name,
	       (unsigned long)(at - d->start), traps, elsewhere, cut, first,
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
	const int status = set_up_traps(argc > 1 ? argv[1] : NULL);
	size_t known = 0, operations = 0;

	if (status)
		return status;
	/* Kernels before 6.3 have no concurrency ids, so no such section. */
	for (size_t i = 0; i < sizeof ops / sizeof *ops; ++i) {
		if (ops[i].width > sizeof(uintptr_t))
			continue;	/* no section, wherever it runs */
		++known;
		if (!by_cid(ops[i].where) || rseq_this_cid().n >= 0) {
			++operations;
			try_section(&ops[i]);
		}
	}
	printf("known=%zu\noperations=%zu\nsections=%ld\npoints=%ld\n"
	       "ends=%ld\nunreached=%ld\nwrong=%ld\ndisturbed=%ld\n",
	       known, operations, sections, points, ends,
	       unreached, wrong, disturbed);
	return 0;
}
