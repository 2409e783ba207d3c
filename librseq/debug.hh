/* SPDX-License-Identifier: MIT */
#pragma once

#include <rseq/pool.h>
#include <rseq/ring.h>

/* What is begun in a thread and not yet ended, and where that was. */
struct open_call {
	const void *what;	/* a transaction, hold or record; 0: free */
	const void *at;
};

/* The system call that was made since rseq_event() returned event. */
struct system_call {
	const void *at;		/* behind its instruction; 0: none was made */
	const void *begun;
	uint32_t event;
	int number;
};

/* What the checks keep of a thread: a page, since its TLS is scarce. */
struct thread_checks {
	volatile char selector;		/* the kernel reads it: see watch.cc */
	uint32_t random;
	uint64_t mask;			/* of signals, when it was armed */
	uint32_t event;
	const void *begun;
	system_call made;
	open_call transactions[8], holds[16], records[16];
};

/* The calling thread's, made if need be; null: there is no memory. */
thread_checks *checks();
/* Null, too, if the thread has none yet. */
thread_checks *checks_if_made();
/* The thread ends: the kernel must not read its selector any more. */
void stop_watching(thread_checks *c);

/* Call the handler; text is made of m and of what is said. */
void report(rseq_misuse *m, const char *what, const char *advice);
const char *system_call_name(long number);
/* Write a line to stderr: a checking mode was asked for that cannot be. */
void complain(const char *what, const char *why);

/* rseq_event() in a thread whose system calls are watched. */
uint32_t watched_event(const void *caller);
/* Whether the environment asks for that in all programs, or in none. */
enum class watch { as_compiled, always, never };
watch watch_wanted();
/* The store with that number was refused: because of a system call? */
void report_system_call(uint32_t event, const uintptr_t *v, const void *caller);

/* rseq_event_count_() proper: publish the token, count. */
uint32_t count_event();
bool token_published();
/* As if disturbed. */
void take_token();

/* Whether an object is on one of the cache's stacks, now. */
bool cache_holds(const rseq_cache *c, const void *object);
/* What a pool can say of an object: nothing, if its own thread is in there. */
enum class pool_object { unknown, foreign, shared, elsewhere };
pool_object pool_knows(rseq_pool *p, const void *object);
/* Whether a record lies in the ring, and whether it is to be filled in. */
bool ring_has(const rseq_ring *r, const void *record);
bool ring_awaits(const void *record);
