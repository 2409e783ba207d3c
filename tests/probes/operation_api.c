/* SPDX-License-Identifier: MIT */
/*
 * The operations by themselves: each result, and operands of each shape.  The
 * address of an element of a static array is one that compilers fold into the
 * operand: no fold may end in the section's scratch register.
 */
#include "area.h"

#include <rseq/rseq.h>

enum { CPUS = 1024, GOES = 1000 };

struct slot {
	intptr_t first, second;
	char pad[48];
};

static _Alignas(64) struct slot slots[CPUS];

/* Another cpu than this one, which is registered with this number. */
static int other_cpu(void)
{
	return rseq_current_cpu() + 1;
}

static void pin_here(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof one, &one);
}

static long tried;

/* Functions of their own: what surrounds the section decides its registers. */
__attribute__((__noinline__)) static void add_to_static(void)
{
	for (;;) {
		int cpu = (int)rseq_cpu_start();
		if (rseq_load_add_store(&slots[cpu].first, 1, cpu) ==
		    RSEQ_COMMITTED)
			return;
		++tried;
	}
}

__attribute__((__noinline__)) static void compare_in_static(void)
{
	for (;;) {
		int cpu = (int)rseq_cpu_start();
		intptr_t *v = &slots[cpu].second;
		intptr_t old = *(volatile intptr_t *)v;
		if (rseq_load_cbne_store(v, old, old + 1, cpu) ==
		    RSEQ_COMMITTED)
			return;
		++tried;
	}
}

static void count_in_static(void)
{
	intptr_t added = 0, compared = 0;

	for (int i = 0; i < GOES; ++i) {
		add_to_static();
		compare_in_static();
	}
	for (int i = 0; i < CPUS; ++i) {
		added += slots[i].first;
		compared += slots[i].second;
	}
	printf("static_add=%td\nstatic_cbne=%td\n", added, compared);
}

/* Until it is not just "restarted". */
#define TRY(op) __extension__ ({ enum rseq_result r_;			\
	for (int i_ = 0; i_ < 1000 && (r_ = (op)) == RSEQ_RESTARTED; ++i_) \
		;							\
	(int)r_; })

int main(void)
{
	const unsigned int limit = rseq_cpu_limit();
	intptr_t v = 40, expect = 42;

	pin_here();
	const int cpu = (int)rseq_cpu_start();
	printf("add=%d\n", TRY(rseq_load_add_store(&v, 2, cpu)));
	printf("add.value=%td\n", v);
	printf("add_big=%d\n", TRY(rseq_load_add_store(&v,
		(intptr_t)1 << 40, cpu)));
	printf("add_big.value=%td\n", v - ((intptr_t)1 << 40));
	v = 42;
	printf("add_elsewhere=%d\n", (int)rseq_load_add_store(&v, 1,
							      other_cpu()));
	printf("add_negative=%d\n", (int)rseq_load_add_store(&v, 1, -1));
	printf("add_refused=%d\n", (int)rseq_load_add_store(&v, 1, -2));
	printf("unchanged=%td\n", v);

	printf("cbne=%d\n", TRY(rseq_load_cbne_store(&v, 42, 43, cpu)));
	printf("cbne.value=%td\n", v);
	printf("cbne_differs=%d\n", TRY(rseq_load_cbne_store(&v, 42, 44,
							     cpu)));
	printf("cbne_elsewhere=%d\n", (int)rseq_load_cbne_store(&v, 43, 44,
		other_cpu()));
	printf("cbne_refused=%d\n", (int)rseq_load_cbne_store(&v, 43, 44,
							      -2));
	printf("unchanged_too=%td\n", v);
	v = expect;	/* the place is an operand's, and the new value */
	printf("cbne_alias=%d\n", TRY(rseq_load_cbne_store(&expect, expect,
		expect, cpu)));

	v = 0;
	printf("index=%d\n", TRY(rseq_index_load_add_store(&v - cpu * 8, 64,
							   limit, 7)));
	printf("index.value=%td\n", v);
	printf("index_beyond=%d\n", TRY(rseq_index_load_add_store(&v, 64,
		(unsigned int)cpu, 7)));
	printf("index_none=%d\n", TRY(rseq_index_load_add_store(&v, 64, 0,
								7)));
	printf("index_unchanged=%td\n", v);
	if (rseq_current_cpu() >= 0)
		count_in_static();
	return 0;
}
