/* SPDX-License-Identifier: MIT */
/* No verbs: what is left of librseq where nobody has written arch/ISA.h. */

#define RSEQ_NO_SECTIONS_ 1

/* As of a thread that was never registered. */
#define rseq_read_(field)	rseq_none_.field
#define rseq_cs_differs_(cs)	((void)(cs), 1)

static const struct {
	uint32_t cpu_id_start, cpu_id, node_id, mm_cid, event;
} rseq_none_ = { 0, RSEQ_STATIC_(uint32_t, -2), 0, 0, 0 };
