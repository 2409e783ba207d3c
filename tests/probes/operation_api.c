/* SPDX-License-Identifier: MIT */
/*
 * The operations by themselves: each result, and operands of each shape.  The
 * address of an element of a static array is one that compilers fold into the
 * operand: no fold may end in the section's scratch register.
 */
#include "area.h"
#include "cpus.h"

#include <rseq/rseq.h>

enum { GOES = 1000 };

struct slot {
	intptr_t first, second;
	char pad[48];
};

static _Alignas(64) struct slot slots[MAX_CPUS];

static rseq_cpu_t cpu_number(int n)
{
	const rseq_cpu_t cpu = { n };

	return cpu;
}

/* Another cpu than this one, which is registered with this number. */
static rseq_cpu_t other_cpu(void)
{
	return cpu_number(rseq_this_cpu().n + 1);
}

static void pin_here(void)
{
	run_on(0, (unsigned int)sched_getcpu());
}

static long tried;

/* Functions of their own: what surrounds the section decides its registers. */
__attribute__((__noinline__)) static void add_to_static(void)
{
	for (;;) {
		const rseq_cpu_t cpu = rseq_this_cpu();
		if (rseq_add(&slots[cpu.n].first, 1, cpu) == RSEQ_COMMITTED)
			return;
		++tried;
	}
}

__attribute__((__noinline__)) static void compare_in_static(void)
{
	for (;;) {
		const rseq_cpu_t cpu = rseq_this_cpu();
		intptr_t *v = &slots[cpu.n].second;
		intptr_t old = *(volatile intptr_t *)v;
		if (rseq_compare_store(v, old, old + 1, cpu) == RSEQ_COMMITTED)
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
	for (int i = 0; i < MAX_CPUS; ++i) {
		added += slots[i].first;
		compared += slots[i].second;
	}
	printf("static_add=%td\nstatic_compare=%td\n", added, compared);
}

/* Until it is not just "restarted". */
#define TRY(op) __extension__ ({ enum rseq_result r_;			\
	for (int i_ = 0; i_ < 1000 && (r_ = (op)) == RSEQ_RESTARTED; ++i_) \
		;							\
	(int)r_; })

int main(void)
{
	/* of no immediate, where pointers have 8 bytes */
	const intptr_t big = (intptr_t)1 << (5 * sizeof(intptr_t));
	intptr_t v = 40, expect = 42, old = 0;
	intptr_t *percpu = (intptr_t *)rseq_percpu_alloc(sizeof v, 0), *copy;

	pin_here();
	const rseq_cpu_t cpu = cpu_number((int)rseq_cpu_start());
	printf("add=%d\n", TRY(rseq_add(&v, 2, cpu)));
	printf("add.value=%td\n", v);
	printf("add_big=%d\n", TRY(rseq_add(&v, big, cpu)));
	printf("add_big.value=%td\n", v - big);
	v = 42;
	printf("add_elsewhere=%d\n", (int)rseq_add(&v, 1, other_cpu()));
	printf("add_negative=%d\n", (int)rseq_add(&v, 1, cpu_number(-1)));
	printf("add_refused=%d\n", (int)rseq_add(&v, 1, cpu_number(-2)));
	printf("unchanged=%td\n", v);

	printf("compare=%d\n", TRY(rseq_compare_store(&v, 42, 43, cpu)));
	printf("compare.value=%td\n", v);
	printf("compare_differs=%d\n", TRY(rseq_compare_store(&v, 42, 44,
							       cpu)));
	printf("compare_elsewhere=%d\n", (int)rseq_compare_store(&v, 43, 44,
		other_cpu()));
	printf("compare_refused=%d\n", (int)rseq_compare_store(&v, 43, 44,
		cpu_number(-2)));
	printf("unchanged_too=%td\n", v);
	v = expect;	/* the place is an operand's, and the new value */
	printf("compare_alias=%d\n", TRY(rseq_compare_store(&expect, expect,
		expect, cpu)));

	copy = rseq_percpu_ptr(percpu, cpu.n);
	printf("percpu=%d\n", TRY(rseq_this_cpu_add(percpu, 7)));
	printf("percpu.value=%td\n", *copy);
	printf("percpu_fetch=%d\n", TRY(rseq_this_cpu_fetch_add(percpu, 2,
								 &old)));
	printf("percpu_fetch.value=%td\npercpu_fetch.old=%td\n", *copy, old);
	if (rseq_this_cpu().n >= 0)
		count_in_static();
	return 0;
}
