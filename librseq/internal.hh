/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>

/* The library leaves errno alone: calls that may set it stand under this. */
struct errno_guard {
	int saved = errno;
	~errno_guard() { errno = saved; }
};
