/* SPDX-License-Identifier: MIT */
#pragma once

#include <rseq/stats.h>

/* Not public: how rseq-info and the library share a program's numbers. */

inline constexpr const char *stats_variable = "RSEQ_STATS_FD";

struct stats_table {
	/* The last row is for all threads that found the others taken. */
	static constexpr uint32_t rows = 1023;

	uint32_t used;
	uint32_t reserved[9];	/* a header of a row's size */
	rseq_stats row[rows];
};
static_assert(offsetof(stats_table, row) == sizeof(rseq_stats));

/* A row that no thread has, or whose thread has counted nothing. */
inline bool stats_empty(const rseq_stats &s)
{
	return !(s.commits | s.conflicts | s.aborts | s.locks);
}
