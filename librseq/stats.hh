/* SPDX-License-Identifier: MIT */
#pragma once

#include <fcntl.h>

#include <rseq/stats.h>

/*
 * Not public: how rseq-info and the library share a program's numbers.  The
 * variable is the number of a descriptor and the inode behind it, with a colon
 * between: by the time that somebody looks, the number may be another file.
 * Only a sealed memfd of the table's size that begins with the mark will do.
 */
inline constexpr const char *stats_variable = "RSEQ_STATS_FD";
inline constexpr uint64_t stats_mark = 0x7374617473716573;
inline constexpr int stats_seals = F_SEAL_SHRINK | F_SEAL_GROW;

struct alignas(8) stats_table {	/* on i386, too */
	/* The last row is for all threads that found the others taken. */
	static constexpr uint32_t rows = 1023;

	uint64_t mark;
	uint32_t used;
	uint32_t reserved[7];	/* a header of a row's size */
	rseq_stats row[rows];
};
static_assert(offsetof(stats_table, row) == sizeof(rseq_stats));

/* A row that no thread has, or whose thread has counted nothing. */
inline bool stats_empty(const rseq_stats &s)
{
	return !(s.commits | s.conflicts | s.aborts | s.locks);
}
