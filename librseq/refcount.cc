/* SPDX-License-Identifier: MIT */
#include <rseq/refcount.h>

#include "guard.hh"
#include "internal.hh"
#include "rows.hh"

/*
 * As in Linux's percpu_ref (Kent Overstreet, 2013), where a bias keeps the word
 * from zero as long as there are counts beside it.  Here a bit says that there
 * are none any more, and the first reference is not counted: so all zeros is a
 * count, too.
 */
static constexpr uintptr_t killed_bit = 1, one = 2;

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
	return __atomic_add_fetch(&c->count, n * one, __ATOMIC_ACQ_REL) ==
		killed_bit;
}

/* Become the killer: nobody is, or one that is no more and has not done it. */
static bool may_kill(rseq_refcount *c)
{
	const uint32_t self = thread_id();
	uint32_t killer = 0;

	while (!__atomic_compare_exchange_n(&c->killer, &killer, self, false,
					    __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE))
		if (killer && thread_exists(killer))
			return false;
	return !(__atomic_load_n(&c->count, __ATOMIC_ACQUIRE) & killed_bit);
}

/*
 * A section that has found words in its place commits before the fence or is
 * restarted by it, and then finds them gone: behind the fence they are nobody
 * else's.  Their sum, the bit and the first reference are one addition: what a
 * killer has done before that, another may do again.
 */
int rseq_refcount_kill_(struct rseq_refcount *c) noexcept
{
	errno_guard keep;

	if (!may_kill(c))
		return -EINVAL;
	uintptr_t *words = __atomic_load_n(&c->words, __ATOMIC_ACQUIRE);
	if (words) {
		__atomic_store_n(&c->killed, words, __ATOMIC_RELEASE);
		__atomic_store_n(&c->words, nullptr, __ATOMIC_SEQ_CST);
	}
	words = __atomic_load_n(&c->killed, __ATOMIC_ACQUIRE);
	const int ret = words ? fence_all() : 0;
	if (ret) {
		__atomic_store_n(&c->words, words, __ATOMIC_RELEASE);
		__atomic_store_n(&c->killed, nullptr, __ATOMIC_RELEASE);
		__atomic_store_n(&c->killer, 0, __ATOMIC_RELEASE);
		return ret;
	}
	const uintptr_t sum = words ? percpu_sum(words) : 0;
	const bool last = __atomic_add_fetch(&c->count, sum * one + killed_bit,
					     __ATOMIC_ACQ_REL) == killed_bit;
	/* From here on c may be freed by the one who was told. */
	(void)rseq_percpu_free(words);
	return last;
}
