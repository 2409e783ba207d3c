/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_DEBUG_H
#define RSEQ_DEBUG_H

#include <rseq/area.h>

/*
 * Code compiled with -DRSEQ_DEBUG is checked for wrong use while it runs, and
 * takes each way that there is, not only the usual one.  See rseq_debug(7).
 */
enum rseq_misuse_kind {
	RSEQ_BEGIN_WITHOUT_END = 1,	/* neither committed nor cancelled */
	RSEQ_END_WITHOUT_BEGIN,		/* a commit of what was not begun */
	RSEQ_LOCK_WITHOUT_UNLOCK,	/* a guard held when its thread ended */
	RSEQ_UNLOCK_BY_ANOTHER,		/* by a thread that does not hold it */
	RSEQ_DOUBLE_PUT,		/* of an object that is free already */
	RSEQ_FOREIGN_POINTER,		/* not an object of this pool or ring */
	RSEQ_RESERVE_WITHOUT_COMMIT,	/* of a record in a ring */
	RSEQ_SYSTEM_CALL		/* between rseq_event() and store */
};

struct rseq_misuse {
	enum rseq_misuse_kind	kind;
	const char		*text;		/* a line, without its end */
	const void		*object;	/* what it is about */
	const void		*caller;	/* the code that called */
	const void		*before;	/* or an earlier one, or 0 */
	long			number;		/* of the system call, */
	const void		*at;		/*   and the code behind it */
};

#ifdef __cplusplus
extern "C" {
#endif

/* Call f for each misuse from now on; NULL: write its text and abort. */
typedef void rseq_misuse_t(const struct rseq_misuse *misuse);
void rseq_on_misuse(rseq_misuse_t *f) RSEQ_NOTHROW_;

struct rseq_cache;
struct rseq_hold;
struct rseq_pool;
struct rseq_transaction;

/* A random way: true once in n calls. */
int rseq_debug_chance_(unsigned int n) RSEQ_NOTHROW_;

/* Nonzero: the call shall do nothing; an -errno is its result. */
void rseq_debug_begin_(struct rseq_transaction *t);
int rseq_debug_commit_(struct rseq_transaction *t);
void rseq_debug_end_(const struct rseq_transaction *t);
void rseq_debug_lock_(const struct rseq_hold *hold);
int rseq_debug_unlock_(const struct rseq_hold *hold);
int rseq_debug_put_(const struct rseq_cache *c, const void *object);
int rseq_debug_free_(struct rseq_pool *p, const void *object);
uint32_t rseq_debug_event_(void) RSEQ_NOTHROW_;

#ifdef __cplusplus
}
#endif

/* Code that is checked, and a function of the library that is another then. */
#ifdef RSEQ_DEBUG
#define RSEQ_DEBUG_(...)	__VA_ARGS__
/* One operation in 16 that could have run is restarted. */
#define RSEQ_DEBUG_RESTART_						\
	if (rseq_usable() && rseq_debug_chance_(16))			\
		return RSEQ_RESTARTED;
#define RSEQ_CHECKED_(name)	__asm__("rseq_debug_" #name "_")
#else
#define RSEQ_DEBUG_(...)
#define RSEQ_DEBUG_RESTART_
#define RSEQ_CHECKED_(name)
#endif
#ifdef __cplusplus
#define RSEQ_NOTHROW_CHECKED_(name)	noexcept RSEQ_CHECKED_(name)
#else
#define RSEQ_NOTHROW_CHECKED_(name)	RSEQ_CHECKED_(name) RSEQ_NOTHROW_
#endif

#endif
