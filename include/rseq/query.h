/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_QUERY_H
#define RSEQ_QUERY_H

#include <rseq/area.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rseq_owner {
	RSEQ_OWNER_NONE,	/* this libc has no rseq area */
	RSEQ_OWNER_LIBC,	/* glibc's, at __rseq_offset */
	RSEQ_OWNER_LINE		/* the line, at TLABI_OFFSET */
};

enum rseq_mode {
	RSEQ_MODE_OFF,		/* not registered */
	RSEQ_MODE_LEGACY,	/* 32 bytes */
	RSEQ_MODE_OPTIMIZED	/* more: ids are updated as they change */
};

enum rseq_reason {
	RSEQ_ON,		/* registered */
	RSEQ_OFF_NO_LIBC,	/* the libc has no area */
	RSEQ_OFF_DISABLED,	/* turned off: tunable or TLABI_RSEQ=0 */
	RSEQ_OFF_REFUSED,	/* the kernel or a filter refused: see error */
	RSEQ_OFF_BORROWED,	/* a vfork child: the line is its parent's */
	RSEQ_OFF_UNKNOWN,	/* off, and this libc does not record why */
	RSEQ_ON_NO_SECTIONS	/* registered; this kernel restarts none */
};

/* What this thread's area says, and what the kernel says of it. */
struct rseq_info {
	enum rseq_owner		owner;
	enum rseq_mode		mode;
	enum rseq_reason	reason;
	int			error;		/* errno of the refusal, or 0 */
	ptrdiff_t		offset;		/* from the thread pointer */
	const volatile struct tlabi	*area;
	unsigned int		length;		/* registered bytes, 0: none */
	unsigned int		feature_size;	/* as rseq_feature_size() */
	unsigned int		kernel_feature_size; /* AT_RSEQ_FEATURE_SIZE */
	unsigned int		version;	/* of the line, 0: no line */
};

/* Describe the calling thread: 0, or -EINVAL for a size it does not know. */
int rseq_query(struct rseq_info *info, size_t size);

/* The reason as one English sentence, never NULL. */
const char *rseq_strreason(enum rseq_reason reason);

#ifdef __cplusplus
}
#endif

#endif
