/* SPDX-License-Identifier: MIT */
/*
 * An auditor of the dynamic linker: it has a libc of its own in the same
 * process, which says where this thread runs, before and while the program's
 * does.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "area.h"

#include <link.h>

static int asked, wrong;

static void ask(void)
{
	unsigned int before, after;
	int said;

	do {
		before = kernel_cpu();
		said = sched_getcpu();
		after = kernel_cpu();
	} while (before != after);	/* moved meanwhile */
	++asked;
	wrong += said != (int)before || (int)word(CPU_ID) < 0;
}

unsigned int la_version(unsigned int version)
{
	ask();
	return version;
}

unsigned int la_objopen(struct link_map *map, Lmid_t where, uintptr_t *cookie)
{
	(void)map, (void)where, (void)cookie;
	ask();
	return 0;
}

void la_preinit(uintptr_t *cookie)
{
	(void)cookie;
	ask();
	printf("audit.asked=%d\naudit.wrong=%d\naudit.size=%u\n", asked, wrong,
	       __rseq_size);
	fflush(stdout);
}
