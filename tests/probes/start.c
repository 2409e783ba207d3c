/* SPDX-License-Identifier: MIT */
/* The area before main: where code runs earliest, and in main itself. */
#include "area.h"

static struct seen preinit, first, last;
static int preinit_ran;

static void early(void)
{
	preinit_ran = 1;
	look(&preinit);
}

__attribute__((__section__(".preinit_array"), __used__))
static void (*const early_entry)(void) = early;

__attribute__((__constructor__(101))) static void constructor(void)
{
	look(&first);
}

__attribute__((__constructor__)) static void late_constructor(void)
{
	look(&last);
}

__attribute__((__destructor__)) static void destructor(void)
{
	tell("destructor");
}

int main(void)
{
	if (preinit_ran)
		say("preinit", &preinit);
	say("constructor", &first);
	say("late_constructor", &last);
	tell("main");
	printf("rseq_size=%u\nrseq_offset=%td\nrseq_flags=%u\n", __rseq_size,
	       __rseq_offset, __rseq_flags);
	return 0;
}
