/* SPDX-License-Identifier: MIT */
/* What librseq says of the calling thread, printed. */
#ifndef PROBE_INFO_H
#define PROBE_INFO_H

#include <stdio.h>

#include <rseq/rseq.h>

#include "thread_pointer.h"

static inline void say_info(const char *who)
{
	struct rseq_info info;

	if (rseq_query(&info, sizeof info))
		return;
	printf("%s.owner=%d\n%s.mode=%d\n%s.reason=%d\n%s.error=%d\n"
	       "%s.length=%u\n%s.feature_size=%u\n%s.kernel_feature_size=%u\n"
	       "%s.version=%u\n%s.offset=%td\n%s.cpu=%d\n", who,
	       (int)info.owner, who, (int)info.mode, who, (int)info.reason,
	       who, info.error, who, info.length, who, info.feature_size, who,
	       info.kernel_feature_size, who, info.version, who, info.offset,
	       who, rseq_this_cpu().n);
	printf("%s.area_right=%d\n%s.self=%d\n", who,
	       (char *)info.area == thread_pointer() +
	       info.offset, who, info.area == rseq_self());
	fflush(stdout);
}

#endif
