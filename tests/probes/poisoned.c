/* SPDX-License-Identifier: MIT */
/* poisoned read|write|allocated: an object of a pool, after it was freed. */
#include <string.h>

#include <rseq/pool.h>

int main(int argc, char **argv)
{
	struct rseq_pool pool;
	volatile char *object;

	if (argc < 2 || rseq_pool_init(&pool, 64, 0, 0))
		return 2;
	object = (volatile char *)rseq_pool_alloc(&pool);
	object[63] = 1;
	rseq_pool_free(&pool, (void *)object);
	if (!strcmp(argv[1], "read"))
		return object[63] == 2;
	if (!strcmp(argv[1], "write"))
		object[0] = 2;
	else	/* the same one, which is the caller's again */
		object = (volatile char *)rseq_pool_alloc(&pool);
	object[63] = 3;
	rseq_pool_free(&pool, (void *)object);
	rseq_pool_fini(&pool);
	return 0;
}
