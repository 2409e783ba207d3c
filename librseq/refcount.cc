/* SPDX-License-Identifier: MIT */
#include <rseq/refcount.h>

#include "guard.hh"
#include "internal.hh"
#include "rows.hh"

/*
 * As in Linux's percpu_ref (Kent Overstreet, 2013): a bias keeps the word from
 * zero as long as there are counts beside it.  Here the bias is the top bit,
 * and the first reference is not counted: so all zeros is a count, too.
 */
static constexpr uintptr_t none_left = (uintptr_t)1 <<
	(sizeof(uintptr_t) * 8 - 1);

int rseq_refcount_init(struct rseq_refcount *c) noexcept
{
	*c = {};
	if (!can_fence())
		return 0;
	c->words = static_cast<uintptr_t *>(
		rseq_percpu_alloc(sizeof *c->words, 0));
	return c->words ? 0 : -ENOMEM;
}

int rseq_refcount_slow_(struct rseq_refcount *c, uintptr_t n) noexcept
{
	return __atomic_add_fetch(&c->count, n, __ATOMIC_ACQ_REL) == none_left;
}

/*
 * A section that has found words in its place commits before the fence or is
 * restarted by it, and then finds them gone: behind the fence they are nobody
 * else's.  Their sum, the bias and the first reference are one addition.
 */
int rseq_refcount_kill_(struct rseq_refcount *c) noexcept
{
	if (__atomic_exchange_n(&c->killed, 1, __ATOMIC_ACQ_REL))
		return -EINVAL;
	uintptr_t *const words = __atomic_exchange_n(&c->words, nullptr,
						     __ATOMIC_SEQ_CST);
	uintptr_t sum = 0;
	if (words) {
		const int ret = fence_all();
		if (ret) {
			__atomic_store_n(&c->words, words, __ATOMIC_RELEASE);
			__atomic_store_n(&c->killed, 0, __ATOMIC_RELEASE);
			return ret;
		}
		sum = percpu_sum(words);
		(void)rseq_percpu_free(words);
	}
	return rseq_refcount_slow_(c, sum + none_left);
}
