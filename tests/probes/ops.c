/* SPDX-License-Identifier: MIT */
/*
 * ops [SEED]: every operation with operands drawn at random, compared with
 * its model: what it returns, and every byte of the memory around.
 *
 * With FAKE_AREA the area is a variable of this program that nobody registers,
 * so the id may be any, and this runs where the kernel has no rseq.  With
 * ALIASED each operation by cpu is also compiled with
 * each pair of its operands the same variable, whatever that does to registers.
 */
#ifndef FAKE_AREA
#include "cpus.h"
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "thread_pointer.h"

#ifdef FAKE_AREA
/*
 * The variables that say where the area is and what it holds: constants to the
 * headers, and under another name what they are here.  They are known, so that
 * the functions which would find them out are never called.
 */
#define RSEQ_LIBC_OFFSET_ "fake_rseq_offset"
__asm__(".pushsection .data\n\t.balign 8\n\t.globl fake_rseq_offset\n"
	"\t.globl rseq_known_features_\n\t.globl fake_offset\n"
	"\t.globl fake_size\n"
	"fake_offset:\nfake_rseq_offset:\n\t.8byte 0\n"
	"fake_size:\nrseq_known_features_:\n\t.4byte 29\n\t.popsection\n"
	".pushsection .text\n\t.globl rseq_feature_size\n"
	"rseq_feature_size:\n\t.8byte 0\n\t.popsection");
#ifdef __aarch64__	/* a kernel to trust */
__asm__(".pushsection .data\n\t.balign 4\n\t.globl rseq_known_sections_\n"
	"rseq_known_sections_:\n\t.4byte 1\n\t.popsection\n"
	".pushsection .text\n\t.globl rseq_sections_work_\n"
	"rseq_sections_work_:\n\t.8byte 0\n\t.popsection");
#endif
#endif

#include "every_op.h"

#define NOINLINE	static __attribute__((__noinline__))

/* ---- the memory that operands point to ---- */

enum { SIZE = 9216, TRIALS = 40 };
#ifdef FAKE_AREA
enum { ID = 8 };
#else
enum { ID = 0 };
#endif
enum { FAR = 70008 };	/* more than any instruction's displacement */

static union {
	char byte[SIZE];
	uintptr_t word[SIZE / sizeof(uintptr_t)];
} memory __attribute__((__aligned__(64))), before, expected;

static volatile uintptr_t after[MAX_OPERANDS];

/* ---- each operation, compiled in several ways ---- */

typedef int function(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
		     uintptr_t, uintptr_t);

#define SEVEN		uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, \
			uintptr_t e, uintptr_t f, uintptr_t g
#define UNUSED		(void)a, (void)b, (void)c, (void)d, (void)e, \
			(void)f, (void)g
#define PLACE(x)	(x)
#define FIELD(x)	((x) + FAR)

/*
 * Operands that are constants: an address, an id, or a value that fits an
 * instruction, is negative, or fits none.
 */
#define WIDE		((uintptr_t)0x123456789abc)
#define MINUS		((uintptr_t)-3)

#define C			((uintptr_t)&memory)

/* By the kind, and by the number of the operand. */
#define CONST_p(n)	CONST_P##n
#define CONST_P0	C
#define CONST_P1	(C + 8)
#define CONST_P2	(C + 8)
#define CONST_P3	(C + 512)
#define CONST_q(n)	(C - copy_at(ID))
#define CONST_d(n)	(C + 1024)
#define CONST_s(n)	(C + 1088)
#define CONST_x(n)	(C + 1024)
#define CONST_y(n)	(C + 1088)
#define CONST_c(n)	C
#define CONST_e(n)	((uintptr_t)5)
#define CONST_v(n)	CONST_V##n
#define CONST_V1	WIDE
#define CONST_V2	MINUS
#define CONST_V3	WIDE
#define CONST_V4	MINUS
#define CONST_V5	WIDE
#define CONST_n(n)	((uintptr_t)24)
#define CONST_o(n)	((uintptr_t)8)
#define CONST_k(n)	((uintptr_t)8)
#define CONST_m(n)	((uintptr_t)3)
#define CONST_i(n)	((uintptr_t)ID)

#define CONST(n, kind)	CONST_##kind(n)
#define APPLY(call, ...)	call(__VA_ARGS__)

#define VARIABLE(op, T, where, model, n, ...)				\
NOINLINE int NAME(variable, op, T, where)(SEVEN)			\
{									\
	int r = CALL_##n(op, T, where, PLACE, a, b, c, d, e, f, g,	\
			 __VA_ARGS__);					\
	after[0] = a; after[1] = b; after[2] = c; after[3] = d;		\
	after[4] = e; after[5] = f; after[6] = g;			\
	return r;							\
}
#define FIELD_AND_CONSTANT(op, T, where, model, n, ...)			\
NOINLINE int NAME(field, op, T, where)(SEVEN)				\
{									\
	UNUSED;								\
	return CALL_##n(op, T, where, FIELD, a, b, c, d, e, f, g,	\
			__VA_ARGS__);					\
}									\
NOINLINE int NAME(constant, op, T, where)(SEVEN)			\
{									\
	UNUSED;								\
	return APPLY(CALL_##n, op, T, where, PLACE,			\
		     EACH_##n(CONST, COMMA, __VA_ARGS__), __VA_ARGS__);	\
}									\
static void NAME(constants, op, T, where)(uintptr_t *to)		\
{									\
	const uintptr_t from[MAX_OPERANDS] = {				\
		EACH_##n(CONST, COMMA, __VA_ARGS__)			\
	};								\
	memcpy(to, from, sizeof from);					\
}
EVERY_OP(VARIABLE)
EVERY_OP_CPU(FIELD_AND_CONSTANT)

#ifdef ALIASED
/* Z(i, j, row, ...): the seven operands, where number j is number i. */
#define PAIRS_2(Z, ...)							\
	Z(0, 1, (__VA_ARGS__), a, a, c, d, e, f, g)
#define PAIRS_3(Z, ...)	PAIRS_2(Z, __VA_ARGS__)				\
	Z(0, 2, (__VA_ARGS__), a, b, a, d, e, f, g)			\
	Z(1, 2, (__VA_ARGS__), a, b, b, d, e, f, g)
#define PAIRS_4(Z, ...)	PAIRS_3(Z, __VA_ARGS__)				\
	Z(0, 3, (__VA_ARGS__), a, b, c, a, e, f, g)			\
	Z(1, 3, (__VA_ARGS__), a, b, c, b, e, f, g)			\
	Z(2, 3, (__VA_ARGS__), a, b, c, c, e, f, g)
#define PAIRS_5(Z, ...)	PAIRS_4(Z, __VA_ARGS__)				\
	Z(0, 4, (__VA_ARGS__), a, b, c, d, a, f, g)			\
	Z(1, 4, (__VA_ARGS__), a, b, c, d, b, f, g)			\
	Z(2, 4, (__VA_ARGS__), a, b, c, d, c, f, g)			\
	Z(3, 4, (__VA_ARGS__), a, b, c, d, d, f, g)
#define PAIRS_6(Z, ...)	PAIRS_5(Z, __VA_ARGS__)				\
	Z(0, 5, (__VA_ARGS__), a, b, c, d, e, a, g)			\
	Z(1, 5, (__VA_ARGS__), a, b, c, d, e, b, g)			\
	Z(2, 5, (__VA_ARGS__), a, b, c, d, e, c, g)			\
	Z(3, 5, (__VA_ARGS__), a, b, c, d, e, d, g)			\
	Z(4, 5, (__VA_ARGS__), a, b, c, d, e, e, g)
#define PAIRS_7(Z, ...)	PAIRS_6(Z, __VA_ARGS__)				\
	Z(0, 6, (__VA_ARGS__), a, b, c, d, e, f, a)			\
	Z(1, 6, (__VA_ARGS__), a, b, c, d, e, f, b)			\
	Z(2, 6, (__VA_ARGS__), a, b, c, d, e, f, c)			\
	Z(3, 6, (__VA_ARGS__), a, b, c, d, e, f, d)			\
	Z(4, 6, (__VA_ARGS__), a, b, c, d, e, f, e)			\
	Z(5, 6, (__VA_ARGS__), a, b, c, d, e, f, f)

#define WITH(...)	__VA_ARGS__
#define CALL_WITH(call, ...)	call(__VA_ARGS__)
#define PAIR_NAME(i, j, op, T, where, ...)				\
	NAME(pair_##i##_##j, op, T, where)
#define PAIR(i, j, row, ...)						\
NOINLINE int APPLY(PAIR_NAME, i, j, WITH row)(SEVEN)			\
{									\
	UNUSED;								\
	APPLY(PAIR_CALL, (__VA_ARGS__), WITH row)			\
}
#define PAIR_CALL(seven, op, T, where, model, n, ...)			\
	return CALL_WITH(CALL_##n, op, T, where, PLACE, WITH seven, __VA_ARGS__);
#define PAIRS(op, T, where, model, n, ...)				\
	PAIRS_##n(PAIR, op, T, where, model, n, __VA_ARGS__)
EVERY_OP_CPU(PAIRS)
#endif

/* ---- tables of them ---- */

struct op {
	const char *name, *type, *place;
	char shape[MAX_OPERANDS + 1];
	size_t width;
	enum where where;
	int (*model)(const uintptr_t *);
	function *variable, *field, *constant;
	void (*constants)(uintptr_t *);
};

#define ROW(op, T, where, model, n, field, constant, constants, ...)	\
	{ #op, #T, #where, { EACH_##n(LETTER, COMMA, __VA_ARGS__) },	\
	  sizeof(T),							\
	  where_##where, model_##model##_##T, NAME(variable, op, T, where), \
	  field, constant, constants },
#define ROW_CPU(op, T, where, model, n, ...)				\
	ROW(op, T, where, model, n, NAME(field, op, T, where),		\
	    NAME(constant, op, T, where), NAME(constants, op, T, where), \
	    __VA_ARGS__)
#define ROW_CID(op, T, where, model, n, ...)				\
	ROW(op, T, where, model, n, NULL, NULL, NULL, __VA_ARGS__)
static const struct op ops[] = {
	EVERY_OP_CPU(ROW_CPU)
	EVERY_OP_CID(ROW_CID)
};

#ifdef ALIASED
static const struct pair {
	function *variable, *call;	/* whose pair it is; how it is called */
	int i, j;
} pairs[] = {
#define PAIR_OF(op, T, where, ...)	NAME(variable, op, T, where)
#define PAIR_ROW(i, j, row, ...)					\
	{ APPLY(PAIR_OF, WITH row), APPLY(PAIR_NAME, i, j, WITH row), i, j },
#define PAIR_ROWS(op, T, where, model, n, ...)				\
	PAIRS_##n(PAIR_ROW, op, T, where, model, n, __VA_ARGS__)
	EVERY_OP_CPU(PAIR_ROWS)
};
#endif

/* ---- the area ---- */

#ifdef FAKE_AREA
#ifdef RSEQ_OWN_AREA_
__thread struct tlabi rseq_thread_line_;
#endif
#ifdef RSEQ_LIBC_STOCK_
static struct tlabi fake;
#else
#define fake rseq_thread_line_
#endif

#ifdef __cplusplus
extern "C" {
#endif
extern ptrdiff_t fake_offset;
extern unsigned int fake_size;
#ifdef __cplusplus
}
#endif

static void __attribute__((__constructor__)) find_fake(void)
{
	fake_offset = (char *)&fake - thread_pointer();
}

/* Some of the time, a thread or a kernel on which sections cannot run. */
static void change_area(unsigned int dice)
{
	fake.cpu_id = dice % 8 == 1 ? (uint32_t)-1 : dice % 8 == 2 ?
		(uint32_t)-2 : (uint32_t)ID;
	fake.cpu_id_start = fake.cpu_id == ID ? ID : 0;
	fake.mm_cid = fake.cpu_id == ID ? ID : 0;
	fake_size = dice % 8 == 3 ? 21 : 29;	/* and one more */
}
static void stay(void)
{
}

static int cpu_id_now(void)
{
	return (int)fake.cpu_id;
}

static int mm_cid_now(void)
{
	return fake_size < 29 || cpu_id_now() < 0 ? -1 : (int)fake.mm_cid;
}
#else
static int cpu_id_now(void)
{
	return rseq_this_cpu().n;
}

static int mm_cid_now(void)
{
	return rseq_this_cid().n;
}

static void change_area(unsigned int dice)
{
	(void)dice;
}

/* On this cpu, for good: the id of the operands is this thread's. */
static void stay(void)
{
	run_on(0, (unsigned int)sched_getcpu());
}
#endif

/* ---- drawing operands ---- */

static uint64_t random_state = 88172645463325252u;

static unsigned int draw(unsigned int below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned int)(random_state >> 20) % below;
}

#define ONE_OF(list)	list[draw(sizeof list / sizeof *list)]

/* Operands meet in few places, of which one is an element of another. */
static const unsigned int words[] = { 0, 8, 64, 72, 512, 4096, 1024 };
static const unsigned int blocks[] = { 1024, 1088, 1152 };

static uintptr_t draw_value(void)
{
	const uintptr_t some[] = {
		0, 1, 5, ID, MINUS, (uintptr_t)-1, 0x7fffffff, 0x80000000,
		WIDE, C + ONE_OF(words),
	};

	return ONE_OF(some);
}

/* An address such that whatever lies near it is an address, too. */
static uintptr_t draw_address(void)
{
	return C + 2048 + 8 * draw(64);
}

static uintptr_t id_now(enum where where)
{
	return (uintptr_t)(unsigned int)(by_cid(where) ? mm_cid_now() :
					 cpu_id_now());
}

static uintptr_t draw_id(enum where where)
{
	const uintptr_t wrong[] = { 0, 7, 9, (uintptr_t)-1, (uintptr_t)-2 };

	return draw(3) ? id_now(where) : ONE_OF(wrong);
}

/* Whether its blocks are the same if they begin at the same address. */
static int copies_whole(const struct op *op)
{
	return !strchr(op->shape, 'c');
}

/* How far this thread's copy is from a per-cpu operand, if it has one. */
static uintptr_t copy_now(const struct op *op)
{
	return op->shape[0] == 'q' && (int)id_now(op->where) >= 0 ?
		copy_at(id_now(op->where)) : 0;
}

static uintptr_t draw_operand(const struct op *op, char kind)
{
	static const size_t lengths[] = { 0, 1, 7, 8, 9, 15, 16, 24, 63 };
	static const int offsets[] = { 0, 8, -8, 16 };

	switch (kind) {
	case 'p': case 'c':
		return C + ONE_OF(words);
	case 'q':
		return C + ONE_OF(words) - copy_now(op);
	case 'd': case 'x':
		return C + blocks[0];
	case 's': case 'y':	/* may be the same, but not overlap */
		return C + blocks[copies_whole(op) ? draw(3) : 1 + draw(2)];
	case 'n':
		return ONE_OF(lengths);
	case 'o':
		return (uintptr_t)(intptr_t)ONE_OF(offsets);
	case 'k': case 'm':
		return draw(8);
	case 'i':
		return draw_id(op->where);
	default:
		return draw_value();
	}
}

static int is_address(char kind)
{
	return strchr("pqcdsxy", kind) != NULL;
}

static void store(const struct op *op, uintptr_t at, uintptr_t value)
{
	memcpy((void *)at, &value, op->width);
}

/* Where this operation finds addresses in memory, so that it follows them. */
static int follows(const struct op *op)
{
	return strchr(op->shape, 'o') != NULL;
}

static void fill(const struct op *op, const uintptr_t *a)
{
	for (size_t i = 0; i < SIZE / sizeof(uintptr_t); ++i)
		memory.word[i] = follows(op) ? draw_address() :
			draw(4) ? i : draw_value();
	for (int i = 0; op->shape[i]; ++i) {
		if (op->shape[i] == 'c')
			store(op, a[i], draw(9));
		if (op->shape[i] == 'e' && draw(3))
			store(op, a[i - 1], a[i]);
	}
	/* An empty list; a constant per-cpu place is where this thread has one. */
	if (follows(op) && a[0] + copy_now(op) - C < SIZE && draw(3) == 0)
		store(op, a[0] + copy_now(op), 0);
}

/* ---- one call ---- */

static long trials, wrong, disturbed, results[4];	/* from RESTARTED on */

/* What the model says, and what it needs not know of: where it runs at all. */
static int should(const struct op *op, const uintptr_t *operands)
{
	const int registered = cpu_id_now() >= 0;
	const char *id = strchr(op->shape, 'i');
	const intptr_t *count;
	uintptr_t a[MAX_OPERANDS];

	memcpy(a, operands, sizeof a);
	a[0] += copy_now(op);
	if (op->width > sizeof(uintptr_t))
		return RSEQ_UNAVAILABLE;
	if (id && (int)a[id - op->shape] < 0)
		return RSEQ_UNAVAILABLE;
	if (by_cid(op->where) && mm_cid_now() < 0)
		return RSEQ_UNAVAILABLE;
	if (!id && !registered)
		return RSEQ_UNAVAILABLE;
	/* Whether there is room is seen before the section is entered. */
	if (op->shape[1] == 'c') {
		count = (const intptr_t *)a[1];
		if (op->shape[2] == 'k' ?
		    *count + (op->shape[4] == 'm' ? (intptr_t)a[4] : 1) >
		    (intptr_t)a[2] :
		    *count < (op->shape[3] == 'm' ? (intptr_t)a[3] : 1))
			return RSEQ_DIFFERENT;
	}
	if (!registered)
		return RSEQ_UNAVAILABLE;
	if (id && a[id - op->shape] != id_now(op->where))
		return RSEQ_RESTARTED;
	return op->model(a);
}

static int call(function *f, const uintptr_t *a)
{
	return f(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
}

static int same_memory(void)
{
	return !memcmp(&memory, &expected, sizeof memory);
}

static void complain(const struct op *op, const char *way,
		     const uintptr_t *a, int result, int due)
{
	if (++wrong > 10)
		return;
	printf("wrong: %s %s, %s, %s (", way, op->name, op->type, op->place);
	for (int i = 0; op->shape[i]; ++i)
		if (a[i] - C < SIZE)
			printf(" &%lu", (unsigned long)(a[i] - C));
		else
			printf(" %ld", (long)a[i]);
	printf(" ) is %d, should be %d", result, due);
	for (size_t i = 0; i < SIZE / sizeof(uintptr_t); ++i)
		if (memory.word[i] != expected.word[i])
			printf(", &%zu is %lx, should be %lx", i * 8,
			       (unsigned long)memory.word[i],
			       (unsigned long)expected.word[i]);
	printf("\n");
}

static int one(const struct op *op, const char *way, function *f,
		const uintptr_t *a, const uintptr_t *given)
{
	int due, result;

	memcpy(&before, &memory, sizeof memory);
	due = should(op, a);
	memcpy(&expected, &memory, sizeof memory);
	for (int tries = 0; tries < 100; ++tries) {
		memcpy(&memory, &before, sizeof memory);
		result = call(f, given);
		if (result != RSEQ_RESTARTED || due == RSEQ_RESTARTED)
			break;
		++disturbed;
	}
	++trials;
	if (result >= RSEQ_RESTARTED && result <= RSEQ_UNAVAILABLE)
		++results[result + 1];
	if (result == due && same_memory())
		return 1;
	complain(op, way, a, result, due);
	return 0;
}

static void draw_all(const struct op *op, uintptr_t *a)
{
	change_area(draw(16));
	for (int i = 0; i < MAX_OPERANDS; ++i)
		a[i] = i < (int)strlen(op->shape) ?
			draw_operand(op, op->shape[i]) : 0;
}

static void try_variable(const struct op *op)
{
	uintptr_t a[MAX_OPERANDS];

	draw_all(op, a);
	fill(op, a);
	one(op, "variable", op->variable, a, a);
	for (int i = 0; i < MAX_OPERANDS; ++i)
		if (after[i] != a[i])
			complain(op, "changed operand of", a, i, i);
}

static void try_field(const struct op *op)
{
	uintptr_t a[MAX_OPERANDS], given[MAX_OPERANDS];

	if (!op->field)
		return;
	draw_all(op, a);
	fill(op, a);
	for (int i = 0; i < MAX_OPERANDS; ++i)
		given[i] = i < (int)strlen(op->shape) &&
			is_address(op->shape[i]) ? a[i] - FAR : a[i];
	one(op, "field", op->field, a, given);
}

static void try_constant(const struct op *op)
{
	uintptr_t a[MAX_OPERANDS];

	if (!op->constant)
		return;
	change_area(draw(16));
	op->constants(a);
	if (op->shape[0] == 'q' && copy_now(op) && copy_now(op) != copy_at(ID))
		return;
	fill(op, a);
	one(op, "constant", op->constant, a, a);
}

#ifdef ALIASED
static int is_value(char kind)
{
	return kind == 'v' || kind == 'e';
}

/* Make operand j what operand i is; 0: no value would do for both. */
static int alias(const struct op *op, uintptr_t *a, int i, int j)
{
	const char x = op->shape[i], y = op->shape[j];

	if ((x == 'd' && y == 's' && !copies_whole(op)) ||
	    (x == 'q' && is_address(y)))
		return 0;
	if (is_value(y) || (is_address(x) && y == 'p'))
		a[j] = a[i];
	else if (is_value(x) || (is_address(x) && is_address(y)))
		a[i] = a[j];
	else if (is_address(x) || is_address(y))
		return 0;
	else if (ID == 8)	/* each of the small numbers can be 8 */
		a[i] = a[j] = 8;
	else
		return 0;
	return 1;
}

static const struct op *op_of(const struct pair *p)
{
	const struct op *op = ops;

	while (op->variable != p->variable)
		++op;
	return op;
}

static long aliased;

static void try_pair(const struct pair *p)
{
	const struct op *op = op_of(p);
	uintptr_t a[MAX_OPERANDS], given[MAX_OPERANDS];
	char way[32];

	draw_all(op, a);
	if (!alias(op, a, p->i, p->j))
		return;
	fill(op, a);
	memcpy(given, a, sizeof a);
	given[p->j] = 0xbad;	/* the function has it from the other */
	snprintf(way, sizeof way, "pair %d=%d", p->i, p->j);
	one(op, way, p->call, a, given);
	++aliased;
}
#endif

int main(int argc, char **argv)
{
	if (argc > 1)
		random_state ^= strtoul(argv[1], NULL, 0);
	stay();
	for (size_t i = 0; i < sizeof ops / sizeof *ops; ++i)
		for (int n = 0; n < TRIALS; ++n) {
			try_variable(&ops[i]);
			try_field(&ops[i]);
			try_constant(&ops[i]);
		}
#ifdef ALIASED
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; ++i)
		for (int n = 0; n < TRIALS; ++n)
			try_pair(&pairs[i]);
	printf("aliased=%ld\n", aliased);
#endif
	printf("operations=%zu\ntrials=%ld\nwrong=%ld\ndisturbed=%ld\n"
	       "restarted=%ld\ncommitted=%ld\ndifferent=%ld\n"
	       "unavailable=%ld\n", sizeof ops / sizeof *ops, trials, wrong,
	       disturbed, results[0], results[1], results[2], results[3]);
	return 0;
}
