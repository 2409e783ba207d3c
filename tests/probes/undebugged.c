/* SPDX-License-Identifier: MIT */
/* The part of misuse.c that is compiled without the checks. */
#undef RSEQ_DEBUG
#include <rseq/cache.h>
#include <rseq/transaction.h>

int put_unchecked(struct rseq_cache *c, void *object);
void begin_and_end_unchecked(struct rseq_guard *guard);

int put_unchecked(struct rseq_cache *c, void *object)
{
	return rseq_cache_put(c, object);
}

void begin_and_end_unchecked(struct rseq_guard *guard)
{
	struct rseq_transaction t = RSEQ_TRANSACTION(guard);

	(void)!rseq_begin(&t);
	rseq_cancel(&t);
}
