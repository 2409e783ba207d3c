/* SPDX-License-Identifier: MIT */
#pragma once

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
