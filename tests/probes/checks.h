/* SPDX-License-Identifier: MIT */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* before any header */
#endif
#include <stdio.h>

static int checks, wrong;

#define EXPECT(what)							\
	do {								\
		++checks;						\
		if (!(what)) {						\
			++wrong;					\
			printf("wrong: line %d: %s\n", __LINE__, #what); \
		}							\
	} while (0)
