/* SPDX-License-Identifier: MIT */
/* What a ring answers to what it should not be asked. */
#include "cpus.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rseq/ring.h>

static size_t length;
static char bytes[64];

static void see(void *arg, unsigned int cpu, const void *data, size_t len)
{
	(void)arg, (void)cpu;
	length = len;
	memcpy(bytes, data, len < sizeof bytes ? len : sizeof bytes);
}

/* What a writer sees that was interrupted between its loads of the two. */
static void move_oldest_past_next(struct rseq_ring *r)
{
	for (unsigned int i = 0; i < 2 * r->cpus; ++i) {
		struct rseq_ring_head_ *const h =
			(void *)(r->memory + 4096 + i * (4096 + r->size));
		h->oldest = h->next + (1ull << 32) + 8;
	}
}

int main(void)
{
	static struct rseq_ring zero, ring;
	static char big[4096];
	struct rseq_ring_stats stats;
	struct rlimit small = {1 << 22, 1 << 22};
	void *room;
	int fd;

	run_on(0, (unsigned int)sched_getcpu());
	printf("zero.write=%d\nzero.read=%ld\nzero.wait=%d\nzero.reserve=%d\n",
	       rseq_ring_write(&zero, "x", 1), rseq_ring_read(&zero, see, NULL),
	       rseq_ring_wait(&zero, 1), rseq_ring_reserve(&zero, 1) != NULL);
	rseq_ring_commit(&zero, NULL);
	rseq_ring_read_stats(&zero, &stats);
	rseq_ring_fini(&zero);
	printf("size0=%d\nsize5000=%d\nhuge=%d\nflags=%d\nbadfd=%d\n",
	       rseq_ring_init(&ring, 0, 0, -1),
	       rseq_ring_init(&ring, 5000, 0, -1),
	       rseq_ring_init(&ring, 1ul << 31, 0, -1),
	       rseq_ring_init(&ring, 4096, 2, -1),
	       rseq_ring_init(&ring, 4096, 0, 999));
	fd = memfd_create("no ring", 0);
	printf("attach.empty=%d\nattach.bad=%d\n", rseq_ring_attach(&ring, fd),
	       rseq_ring_attach(&ring, 999));
	if (rseq_ring_init(&ring, 4096, 0, -1))
		return EXIT_FAILURE;
	printf("too_long=%d\n", rseq_ring_write(&ring, big, 2048));
	printf("longest=%d\n", rseq_ring_write(&ring, big, 2040));
	printf("empty=%d\n", rseq_ring_write(&ring, big, 0));
	/* On one cpu, in this order: the empty one comes last. */
	printf("read=%ld\n", rseq_ring_read(&ring, see, NULL));
	printf("length=%zu\nno_see=%ld\n", length,
	       rseq_ring_read(&ring, NULL, NULL));
	printf("nothing=%d\n", rseq_ring_wait(&ring, 10));
	length = 0;
	room = rseq_ring_reserve(&ring, 5);
	rseq_ring_write(&ring, "after", 5);
	printf("busy=%ld\n", rseq_ring_read(&ring, see, NULL));
	printf("nothing_yet=%d\n", rseq_ring_wait(&ring, 1));
	memcpy(room, "first", 5);
	rseq_ring_commit(&ring, room);
	printf("waited=%d\n", rseq_ring_wait(&ring, 10));
	printf("committed=%ld\n", rseq_ring_read(&ring, see, NULL));
	printf("last=%.5s\n", bytes);
	rseq_ring_fini(&ring);
	if (rseq_ring_init(&ring, 4096, RSEQ_RING_OVERWRITE, -1))
		return EXIT_FAILURE;
	printf("overwrite.reserve=%d\n", rseq_ring_reserve(&ring, 5) != NULL);
	move_oldest_past_next(&ring);
	printf("overwrite.torn=%d\n", rseq_ring_write(&ring, "x", 1));
	rseq_ring_fini(&ring);
	setrlimit(RLIMIT_AS, &small);
	printf("no_memory=%d\n", rseq_ring_init(&ring, 1 << 20, 0, -1));
	return EXIT_SUCCESS;
}
