/* SPDX-License-Identifier: MIT */
/* The core of the public headers, used: C and C++. */
#include <rseq/rseq.h>

#ifdef __cplusplus
extern "C" {
#endif

intptr_t use_all(intptr_t *v, struct rseq_counter *c, unsigned int n,
		 struct rseq_transaction *t, uint64_t *wide);

intptr_t use_all(intptr_t *v, struct rseq_counter *c, unsigned int n,
		 struct rseq_transaction *t, uint64_t *wide)
{
	struct rseq_info info;
	intptr_t sum = 0;
	rseq_cpu_t cpu = rseq_this_cpu();

	sum += cpu.n + rseq_usable();
	sum += rseq_cpu_start() < rseq_cpu_limit();
	sum += rseq_feature_size() > 20;
	sum += rseq_node_id();
	sum += rseq_this_cid().n;
	sum += rseq_event() != 0;
	sum += rseq_offset() + !rseq_self();
	sum += rseq_add(v, 1, cpu);
	sum += rseq_add(v, sum, cpu);
	sum += rseq_add(v, INTPTR_MAX / 3, cpu);
	sum += rseq_and(v, sum, rseq_this_cid());
	sum += rseq_compare_store(v, 0, 1, cpu);
	sum += rseq_compare_store(v, sum, cpu.n, cpu);
	sum += rseq_this_cpu_add(v, 1);
	sum += rseq_this_cpu_fetch_add(v, sum, &sum);
	sum += rseq_store_undisturbed(rseq_event(), v, sum);
	if (rseq_begin(t) >= 0)
		sum += rseq_commit(t, wide, *wide + 1);
	if (rseq_counter_init(c, n) == 0) {
		rseq_counter_add(c, n - 1, sum);
		rseq_counter_add(c, 0, -1);
		rseq_counter_add_slow_(c, 0, 1);
		sum += rseq_counter_sum(c, 0);
		rseq_counter_fini(c);
	}
	if (rseq_query(&info, sizeof info) == 0)
		sum += info.offset + *rseq_strreason(info.reason);
	return sum;
}

#ifdef __cplusplus
}
#endif
