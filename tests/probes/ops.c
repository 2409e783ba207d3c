/* SPDX-License-Identifier: MIT */
/*
 * ops [SEED]: every operation with operands drawn at random, compared with
 * its model: what it returns, and every byte of the memory around.
 *
 * With FAKE_AREA the area is a variable of this program that nobody registers,
 * so the id may be any, and this runs where the kernel has no rseq.  With
 * ALIASED each operation on words of a pointer's size is also compiled with
 * each pair of its operands the same variable, whatever that does to registers.
 */
#ifndef FAKE_AREA
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef FAKE_AREA
/*
 * The two variables that say where the area is and what it holds: constants to
 * the headers, and under another name what they are here.
 */
#define RSEQ_LIBC_OFFSET_ "fake_rseq_offset"
__asm__(".pushsection .data\n\t.balign 8\n\t.globl fake_rseq_offset\n"
	"\t.globl rseq_feature_size\n\t.globl fake_offset\n"
	"\t.globl fake_size\n"
	"fake_offset:\nfake_rseq_offset:\n\t.8byte 0\n"
	"fake_size:\nrseq_feature_size:\n\t.4byte 28\n\t.popsection");
#ifdef __aarch64__	/* a kernel to trust */
__asm__(".pushsection .data\n\t.balign 4\n\t.globl rseq_sections_broken\n"
	"rseq_sections_broken:\n\t.4byte 0\n\t.popsection");
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
#define CONST_cbne_store	C, 5, WIDE, ID, 0, 0, 0
#define CONST_cbne_cbne_store	C, 5, C + 8, WIDE, MINUS, ID, 0
#define CONST_cbne_store_store	C, WIDE, C + 8, 5, MINUS, ID, 0
#define CONST_cbne_memcpy_store	C, 5, C + 1024, C + 1088, 24, WIDE, ID
#define CONST_cbne_load_store	C, 5, C + 8, C + 512, 0, ID, 0
#define CONST_cbeq_pop		C, 0, 8, C + 512, ID, 0, 0
#define CONST_arithmetic	C, WIDE, ID, 0, 0, 0, 0
#define CONST_fetch		C, MINUS, C + 8, ID, 0, 0, 0
#define CONST_add_twice		C, 8, WIDE, ID, 0, 0, 0
#define CONST_index_add		C, 64, 64, 5, 0, 0, 0
#define CONST_index_push	C, 64, 64, C + 8, WIDE, 0, 0
#define CONST_index_pop		C, 64, 64, 8, C + 8, 0, 0
#define CONST_array_push	C + 1024, C, 8, WIDE, ID, 0, 0
#define CONST_array_pop		C + 1024, C, C + 8, ID, 0, 0, 0
#define CONST_array_push_n	C + 1024, C, 8, C + 1088, 3, ID, 0
#define CONST_array_pop_n	C + 1024, C, C + 1088, 3, ID, 0, 0
#define APPLY(call, ...)	call(__VA_ARGS__)

#define VARIABLE(op, T, shape, model, index)				\
NOINLINE int variable_##op(SEVEN)					\
{									\
	int r = CALL_##shape(op, tag_##T, PLACE, a, b, c, d, e, f, g);	\
	after[0] = a; after[1] = b; after[2] = c; after[3] = d;		\
	after[4] = e; after[5] = f; after[6] = g;			\
	return r;							\
}
#define FIELD_AND_CONSTANT(op, T, shape, model, index)			\
NOINLINE int field_##op(SEVEN)						\
{									\
	UNUSED;								\
	return CALL_##shape(op, tag_##T, FIELD, a, b, c, d, e, f, g);	\
}									\
NOINLINE int constant_##op(SEVEN)					\
{									\
	UNUSED;								\
	return APPLY(CALL_##shape, op, tag_##T, PLACE, CONST_##shape);	\
}
EVERY_OP(VARIABLE)
EVERY_OP_(FIELD_AND_CONSTANT, , cpu_id)


#ifdef ALIASED
/* Z(op, shape, i, j, ...): the seven operands, where number j is number i. */
#define PAIRS_3(Z, op, shape)						\
	Z(op, shape, 0, 1, a, a, c, d, e, f, g)				\
	Z(op, shape, 0, 2, a, b, a, d, e, f, g)				\
	Z(op, shape, 1, 2, a, b, b, d, e, f, g)
#define PAIRS_4(Z, op, shape)	PAIRS_3(Z, op, shape)			\
	Z(op, shape, 0, 3, a, b, c, a, e, f, g)				\
	Z(op, shape, 1, 3, a, b, c, b, e, f, g)				\
	Z(op, shape, 2, 3, a, b, c, c, e, f, g)
#define PAIRS_5(Z, op, shape)	PAIRS_4(Z, op, shape)			\
	Z(op, shape, 0, 4, a, b, c, d, a, f, g)				\
	Z(op, shape, 1, 4, a, b, c, d, b, f, g)				\
	Z(op, shape, 2, 4, a, b, c, d, c, f, g)				\
	Z(op, shape, 3, 4, a, b, c, d, d, f, g)
#define PAIRS_6(Z, op, shape)	PAIRS_5(Z, op, shape)			\
	Z(op, shape, 0, 5, a, b, c, d, e, a, g)				\
	Z(op, shape, 1, 5, a, b, c, d, e, b, g)				\
	Z(op, shape, 2, 5, a, b, c, d, e, c, g)				\
	Z(op, shape, 3, 5, a, b, c, d, e, d, g)				\
	Z(op, shape, 4, 5, a, b, c, d, e, e, g)
#define PAIRS_7(Z, op, shape)	PAIRS_6(Z, op, shape)			\
	Z(op, shape, 0, 6, a, b, c, d, e, f, a)				\
	Z(op, shape, 1, 6, a, b, c, d, e, f, b)				\
	Z(op, shape, 2, 6, a, b, c, d, e, f, c)				\
	Z(op, shape, 3, 6, a, b, c, d, e, f, d)				\
	Z(op, shape, 4, 6, a, b, c, d, e, f, e)				\
	Z(op, shape, 5, 6, a, b, c, d, e, f, f)

#define EVERY_PAIR(Z)							\
	PAIRS_4(Z, rseq_load_cbne_store, cbne_store)			\
	PAIRS_4(Z, rseq_load_cbne_store_release, cbne_store)		\
	PAIRS_6(Z, rseq_load_cbne_load_cbne_store, cbne_cbne_store)	\
	PAIRS_6(Z, rseq_load_cbne_store_store, cbne_store_store)	\
	PAIRS_6(Z, rseq_load_cbne_store_store_release, cbne_store_store) \
	PAIRS_7(Z, rseq_load_cbne_memcpy_store, cbne_memcpy_store)	\
	PAIRS_7(Z, rseq_load_cbne_memcpy_store_release, cbne_memcpy_store) \
	PAIRS_6(Z, rseq_load_cbne_load_store, cbne_load_store)		\
	PAIRS_5(Z, rseq_load_cbeq_store_add_load_store, cbeq_pop)	\
	PAIRS_3(Z, rseq_load_add_store, arithmetic)			\
	PAIRS_3(Z, rseq_load_and_store, arithmetic)			\
	PAIRS_3(Z, rseq_load_or_store, arithmetic)			\
	PAIRS_4(Z, rseq_fetch_add, fetch)				\
	PAIRS_4(Z, rseq_exchange, fetch)				\
	PAIRS_4(Z, rseq_exchange_release, fetch)			\
	PAIRS_4(Z, rseq_load_add_load_load_add_store, add_twice)	\
	PAIRS_4(Z, rseq_index_load_add_store, index_add)		\
	PAIRS_5(Z, rseq_index_push, index_push)				\
	PAIRS_5(Z, rseq_index_push_release, index_push)			\
	PAIRS_5(Z, rseq_index_pop, index_pop)				\
	PAIRS_5(Z, rseq_array_push, array_push)				\
	PAIRS_4(Z, rseq_array_pop, array_pop)				\
	PAIRS_6(Z, rseq_array_push_n, array_push_n)			\
	PAIRS_5(Z, rseq_array_pop_n, array_pop_n)

#define PAIR(op, shape, i, j, ...)					\
NOINLINE int pair_##op##_##i##_##j(SEVEN)				\
{									\
	UNUSED;								\
	return APPLY(CALL_##shape, op, tag_ptr, PLACE, __VA_ARGS__);	\
}
EVERY_PAIR(PAIR)
#endif

/* ---- tables of them ---- */

enum index { index_cpu_id, index_mm_cid };

struct op {
	const char *name, *shape;
	size_t width;
	enum index index;
	int (*model)(const uintptr_t *, uintptr_t);
	function *variable, *field, *constant;
	void (*constants)(uintptr_t *);
};

#define CONSTANTS(shape)						\
static void constants_##shape(uintptr_t *to)				\
{									\
	const uintptr_t from[MAX_OPERANDS] = { CONST_##shape };		\
	memcpy(to, from, sizeof from);					\
}
CONSTANTS(cbne_store) CONSTANTS(cbne_cbne_store) CONSTANTS(cbne_store_store)
CONSTANTS(cbne_memcpy_store) CONSTANTS(cbne_load_store) CONSTANTS(cbeq_pop)
CONSTANTS(arithmetic) CONSTANTS(fetch) CONSTANTS(add_twice)
CONSTANTS(index_add) CONSTANTS(index_push) CONSTANTS(index_pop)
CONSTANTS(array_push) CONSTANTS(array_pop) CONSTANTS(array_push_n)
CONSTANTS(array_pop_n)

#define ROW(op, T, shape, model, index, field, constant)		\
	{ #op, SHAPE_##shape, sizeof(tag_##T), index_##index,		\
	  model_##model##_tag_##T, variable_##op, field, constant,	\
	  constants_##shape },
#define ROW_CPU_ID(op, T, shape, model, index)				\
	ROW(op, T, shape, model, index, field_##op, constant_##op)
#define ROW_MM_CID(op, T, shape, model, index)				\
	ROW(op, T, shape, model, index, NULL, NULL)
static const struct op ops[] = {
	EVERY_OP_(ROW_CPU_ID, , cpu_id)
	EVERY_OP_(ROW_MM_CID, _mm_cid, mm_cid)
};

#ifdef ALIASED
static const struct pair {
	const char *name;
	int i, j;
	function *call;
} pairs[] = {
#define PAIR_ROW(op, shape, i, j, ...)	{ #op, i, j, pair_##op##_##i##_##j },
	EVERY_PAIR(PAIR_ROW)
};
#endif

/* ---- the area ---- */

#ifdef FAKE_AREA
#ifdef RSEQ_OWN_AREA
__thread struct tlabi rseq_thread_line;
#endif
#ifdef RSEQ_LIBC_STOCK
static struct tlabi fake;
#else
#define fake rseq_thread_line
#endif

static char *thread_pointer(void)
{
#ifdef __x86_64__
	char *tp;
	__asm__("movq %%fs:0, %0" : "=r" (tp));
	return tp;
#else
	return (char *)__builtin_thread_pointer();
#endif
}

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
	fake_size = dice % 8 == 3 ? 20 : 28;
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
	return fake_size < 28 || cpu_id_now() < 0 ? -1 : (int)fake.mm_cid;
}
#else
#define cpu_id_now	rseq_current_cpu
#define mm_cid_now	rseq_mm_cid

static void change_area(unsigned int dice)
{
	(void)dice;
}

/* On this cpu, for good: the id of the operands is this thread's. */
static void stay(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof one, &one);
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

static uintptr_t id_now(enum index index)
{
	return (uintptr_t)(unsigned int)(index == index_cpu_id ?
					 cpu_id_now() : mm_cid_now());
}

static uintptr_t draw_id(enum index index)
{
	const uintptr_t wrong[] = { 0, 7, 9, (uintptr_t)-1, (uintptr_t)-2 };

	return draw(3) ? id_now(index) : ONE_OF(wrong);
}

/* Whether its blocks are the same if they begin at the same address. */
static int copies_whole(const struct op *op)
{
	return !strchr(op->shape, 'c');
}

static uintptr_t draw_operand(const struct op *op, char kind)
{
	static const size_t lengths[] = { 0, 1, 7, 8, 9, 15, 16, 24, 63 };
	static const unsigned int strides[] = { 8, 64, 512 };
	static const unsigned int limits[] = { 0, 1, ID, ID + 1, 64,
					       0x7fffffff };
	static const int offsets[] = { 0, 8, -8, 16 };

	switch (kind) {
	case 'p': case 'c':
		return C + ONE_OF(words);
	case 'e':
		return !strcmp(op->shape, "peopi") ?
			(draw(2) ? 0 : draw_address()) : draw_value();
	case 'd':
		return C + blocks[0];
	case 's':	/* may be the same, but not overlap */
		return C + blocks[copies_whole(op) ? draw(3) : 1 + draw(2)];
	case 'n':
		return ONE_OF(lengths);
	case 'o':
		return (uintptr_t)(intptr_t)ONE_OF(offsets);
	case 'k': case 'm':
		return draw(8);
	case 't':
		return ONE_OF(strides);
	case 'l':
		return ONE_OF(limits);
	case 'i':
		return draw_id(op->index);
	default:
		return draw_value();
	}
}

static int is_address(char kind)
{
	return kind == 'p' || kind == 'c' || kind == 'd' || kind == 's';
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
		if (op->shape[i] == 'e' && draw(3) && !follows(op))
			store(op, a[i - 1], a[i]);
		if (op->shape[i] == 'e' && draw(2) && follows(op))
			store(op, a[i - 1], a[i]);
	}
	if (!strcmp(op->shape, "ptlop") && draw(3) == 0 && cpu_id_now() >= 0 &&
	    id_now(op->index) <= ID)
		store(op, a[0] + id_now(op->index) * a[1], 0);
}

/* ---- one call ---- */

static long trials, wrong, disturbed, results[4];	/* from RESTARTED on */

/* What the model says, and what it needs not know of: where it runs at all. */
static int should(const struct op *op, const uintptr_t *a)
{
	const int mm_cid = op->index == index_mm_cid;
	const int registered = cpu_id_now() >= 0;
	const char *id = strchr(op->shape, 'i'), *limit = strchr(op->shape, 'l');
	const intptr_t *count;

	if (id && (int)a[id - op->shape] < 0)
		return RSEQ_UNAVAILABLE;
	if (mm_cid && mm_cid_now() < 0)
		return RSEQ_UNAVAILABLE;
	if (limit && (!registered || id_now(op->index) >= a[limit - op->shape]))
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
	if (id && !registered)
		return RSEQ_UNAVAILABLE;
	if (id && a[id - op->shape] != id_now(op->index))
		return RSEQ_RESTARTED;
	return op->model(a, id_now(op->index));
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
	printf("wrong: %s %s(", way, op->name);
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

	if (x == 'd' && y == 's' && !copies_whole(op))
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

static const struct op *named(const char *name)
{
	const struct op *op = ops;

	while (strcmp(op->name, name))
		++op;
	return op;
}

static long aliased;

static void try_pair(const struct pair *p)
{
	const struct op *op = named(p->name);
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
