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
	const int status = set_up_traps(argc > 1 ? argv[1] : NULL);

	if (status)
		return status;
	if (rseq_current_cpu() >= IDS)
		return 77;
	for (size_t i = 0; i < sizeof ops / sizeof *ops; ++i)
		try_section(&ops[i]);
	printf("operations=%zu\nsections=%ld\npoints=%ld\nends=%ld\n"
	       "unreached=%ld\nwrong=%ld\ndisturbed=%ld\n",
	       sizeof ops / sizeof *ops, sections, points, ends, unreached,
	       wrong, disturbed);
	return 0;
}
