/* SPDX-License-Identifier: MIT */
/* What librseq has, used by an object that is loaded: 0 if all is well. */
#include <rseq/rseq.h>

int plug(void);
int plug(void)
{
	static intptr_t v;
	struct rseq_counter c;
	struct rseq_info info;
	enum rseq_result r;

	do
		r = rseq_store_undisturbed(rseq_event(), &v, v + 1);
	while (r == RSEQ_RESTARTED);
	if (r != RSEQ_COMMITTED || rseq_counter_init(&c, 1))
		return 1;
	rseq_counter_add(&c, 0, 5);
	if (rseq_counter_sum(&c, 0) != 5)
		return 2;
	rseq_counter_fini(&c);
	return rseq_query(&info, sizeof info);
}
