/* SPDX-License-Identifier: MIT */
/* A library with thread-local data, aligned to -DTLS_ALIGN=n. */
#include "area.h"

static _Alignas(TLS_ALIGN) _Thread_local char aligned[TLS_ALIGN * 2] = "lib";

int visit(struct seen *s);
int visit(struct seen *s)
{
	char *p = aligned;

	look(s);
	__asm__ volatile("" : "+r"(p));
	int wrong = (uintptr_t)p % TLS_ALIGN != 0 || strcmp(p, "lib");
	for (size_t i = 4; i < sizeof aligned; ++i)
		wrong |= p[i] != 0;
	return wrong;
}
