/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_RING_H
#define RSEQ_RING_H

#include <rseq/frame.h>

/*
 * Records of any length, in a ring a cpu, for tracing: written by whoever runs
 * on the cpu, without a lock, and read in order by one reader for all.
 */

/* The head of a ring, alone on its page.  Positions are bytes, modulo 2^32. */
struct rseq_ring_head_ {
	uint64_t	next;		/* records begun << 32 | position */
	uint64_t	oldest;		/* the same of the first one kept */
	uint64_t	reserved[6];
	uint64_t	read;		/* the same, up to which was read */
	uint64_t	lost;		/* records that the reader found gone */
	uint64_t	dropped;	/* records that there was no room for */
	uint32_t	lock;		/* of writers that run no sections */
	uint32_t	unused;
};

/* What became of the records of all cpus; exact when nobody writes. */
struct rseq_ring_stats {
	uint64_t	written;
	uint64_t	read;
	uint64_t	dropped;	/* no room: the newest were lost */
	uint64_t	overwritten;	/* no room: the oldest were lost */
};

/* The fields are private.  All zeros: no ring, which drops everything. */
struct rseq_ring {
	char		*memory;	/* 0, or a page, then all rings */
	size_t		stride;		/* from a cpu's rings to the next */
	size_t		size;		/* bytes of records in a ring */
	unsigned int	cpus;
	unsigned int	flags;
	uint32_t	*waiting;	/* a reader sleeps */
	uint32_t	reader;		/* the thread that reads, or 0 */
	size_t		mapped;
};

#define RSEQ_RING_OVERWRITE	1u	/* drop the oldest, not the newest */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a ring of size bytes a cpu, a power of two from 4096 to 2^30, in fd, a
 * file that can be read after a crash, or for -1 in memory: 0 or -errno.
 */
int rseq_ring_init(struct rseq_ring *r, size_t size, unsigned int flags,
		   int fd) RSEQ_NOTHROW_ RSEQ_MUST_CHECK_;

/* Map the ring that is in a file, to read it: 0 or -errno. */
int rseq_ring_attach(struct rseq_ring *r, int fd) RSEQ_NOTHROW_
	RSEQ_MUST_CHECK_;

/* Unmap it.  No thread uses the ring any more. */
void rseq_ring_fini(struct rseq_ring *r)
	RSEQ_NOTHROW_CHECKED_(ring_fini);

/* Write a record: 0, -ENOSPC if it was dropped, or -EINVAL. */
int rseq_ring_write(struct rseq_ring *r, const void *data, size_t len)
	RSEQ_NOTHROW_;

/* Room for a record of len bytes, to be filled in; NULL if there is none. */
void *rseq_ring_reserve(struct rseq_ring *r, size_t len)
	RSEQ_NOTHROW_CHECKED_(ring_reserve) RSEQ_MUST_CHECK_;

/* The record is filled in. */
void rseq_ring_commit(struct rseq_ring *r, void *record)
	RSEQ_NOTHROW_CHECKED_(ring_commit);

/* Call see for each record, in the order of each cpu: how many, or -errno. */
typedef void rseq_ring_see_t(void *arg, unsigned int cpu, const void *data,
			     size_t len);
long rseq_ring_read(struct rseq_ring *r, rseq_ring_see_t *see, void *arg);

/* Sleep until there is something to read, for ms milliseconds at most. */
int rseq_ring_wait(struct rseq_ring *r, unsigned int ms) RSEQ_NOTHROW_;

void rseq_ring_read_stats(const struct rseq_ring *r,
			  struct rseq_ring_stats *stats) RSEQ_NOTHROW_;

#ifdef __cplusplus
}
#endif

#endif
