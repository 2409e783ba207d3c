/* SPDX-License-Identifier: MIT */
/*
 * A library that looks at the area: with thread-local data, aligned to
 * -DTLS_ALIGN=n, or without.
 */
#include "area.h"

#ifdef TLS_ALIGN
static _Alignas(TLS_ALIGN) _Thread_local char aligned[TLS_ALIGN * 2] = "lib";
#endif

int visit(struct seen *s);
int visit(struct seen *s)
{
	int wrong = 0;

	look(s);
#ifdef TLS_ALIGN
	char *p = aligned;
	__asm__ volatile("" : "+r"(p));
	wrong = (uintptr_t)p % TLS_ALIGN != 0 || strcmp(p, "lib");
	for (size_t i = 4; i < sizeof aligned; ++i)
		wrong |= p[i] != 0;
#endif
	return wrong;
}
