/* SPDX-License-Identifier: MIT */
/*
 * The line in the resolver of an indirect function, which runs while the
 * program is being relocated: a constant offset is all it can use.
 */
#include "area.h"

static int cpu_id = -3;
static uint32_t status;

static int implementation(void)
{
	return 1;
}

static int (*resolve(void))(void)
{
	cpu_id = (int)word(CPU_ID);
	status = word(STATUS);
	return implementation;
}

int resolved(void) __attribute__((__ifunc__("resolve")));

int main(void)
{
	printf("ran=%d\ncpu_id=%d\nstatus=%#x\n", resolved(), cpu_id,
	       (unsigned int)status);
	return 0;
}
