/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.hh"
#include "stats.hh"

/*
 * A table with a row for each thread that has counted something, also those
 * that have ended.  rseq-info hands one down, to read it afterwards.
 */
static stats_table *table;

static __thread rseq_stats *mine NO_ALLOCATION;

/* Where there is no memory for another: all threads' numbers in one row. */
static stats_table small = {};

static stats_table *map(int flags, int fd)
{
	void *const at = mmap(nullptr, sizeof(stats_table),
			      PROT_READ | PROT_WRITE, flags, fd, 0);
	return at == MAP_FAILED ? nullptr : static_cast<stats_table *>(at);
}

static bool number(const char **s, uint64_t *n)
{
	const char *const first = *s;

	for (*n = 0; **s >= '0' && **s <= '9'; ++*s)
		*n = *n * 10 + (uint64_t)(**s - '0');
	return *s > first && *s - first < 20;
}

/* The table that rseq-info has handed down, if this is it. */
static stats_table *inherited()
{
	const char *s = getauxval(AT_SECURE) ? nullptr : getenv(stats_variable);
	uint64_t fd, inode;
	struct stat file;

	if (!s || !number(&s, &fd) || *s++ != ':' || !number(&s, &inode) ||
	    *s || fd > 0x7fffffff)
		return nullptr;
	const int seals = fcntl((int)fd, F_GET_SEALS);
	if (seals < 0 || (seals & stats_seals) != stats_seals ||
	    fstat((int)fd, &file) != 0 || file.st_ino != inode ||
	    file.st_size != sizeof(stats_table))
		return nullptr;
	stats_table *const there = map(MAP_SHARED, (int)fd);
	if (there && there->mark != stats_mark) {
		munmap(there, sizeof *there);
		return nullptr;
	}
	return there;
}

static stats_table *make_table()
{
	stats_table *made = inherited();

	if (!made)
		made = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	return made ? made : &small;
}

/* Two threads, or a thread and its handler, may be the first at once. */
static stats_table *the_table()
{
	stats_table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);

	if (t)
		return t;
	stats_table *const made = make_table();
	if (__atomic_compare_exchange_n(&table, &t, made, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return made;
	if (made != &small)
		munmap(made, sizeof *made);
	return t;
}

struct rseq_stats *rseq_stats_self(void)
{
	rseq_stats *row = mine;

	if (row)
		return row;
	errno_guard keep;
	stats_table *const t = the_table();
	uint32_t n = __atomic_fetch_add(&t->used, 1, __ATOMIC_RELAXED);
	const uint32_t last = t->rows - 1;
	const bool own = n < last && t != &small;
	rseq_stats *const made = &t->row[own ? n : last];
	if (!__atomic_compare_exchange_n(&mine, &row, made, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return row;	/* a handler's; made remains without a thread */
	if (own)
		__atomic_store_n(&made->thread, (uint32_t)syscall(SYS_gettid),
				 __ATOMIC_RELAXED);
	return made;
}

/* Their threads may be counting. */
static rseq_stats copy(const rseq_stats &row)
{
	return {__atomic_load_n(&row.thread, __ATOMIC_RELAXED), 0,
		counted(row.commits), counted(row.conflicts),
		counted(row.aborts), counted(row.locks)};
}

size_t rseq_stats_read(struct rseq_stats *stats, size_t n)
{
	const stats_table *const t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
	size_t found = 0;

	if (!t)
		return 0;
	for (const rseq_stats &row : t->row) {
		const rseq_stats now = copy(row);
		if (stats_empty(now))
			continue;
		if (found < n)
			stats[found] = now;
		++found;
	}
	return found;
}
