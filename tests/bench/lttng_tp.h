/* SPDX-License-Identifier: MIT */
/* A record of ring_bench.cc's as LTTng's. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER librseq_bench
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "tests/bench/lttng_tp.h"

#if !defined(LTTNG_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LTTNG_TP_H

#include <lttng/tracepoint.h>

LTTNG_UST_TRACEPOINT_EVENT(librseq_bench, record,
	LTTNG_UST_TP_ARGS(const char *, bytes),
	LTTNG_UST_TP_FIELDS(lttng_ust_field_array(char, bytes, bytes, 32)))

#endif

#include <lttng/tracepoint-event.h>
