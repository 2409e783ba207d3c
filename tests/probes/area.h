/* SPDX-License-Identifier: MIT */
/*
 * What a probe says about the rseq area of a thread, by looking at its bytes
 * and asking the kernel: nothing here is librseq's.
 */
#ifndef PROBE_AREA_H
#define PROBE_AREA_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cpus.h"
#include "thread_pointer.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sys/rseq.h>

#if __has_include(<sys/tlabi.h>)
#include <sys/tlabi.h>
#define HAVE_LINE 1
#else
#define HAVE_LINE 0
#endif

#define SOMETIMES __attribute__((__unused__)) static

/* Offsets of fields in the area; those from 32 on exist in a line only. */
enum { CPU_ID_START = 0, CPU_ID = 4, NODE_ID = 20, MM_CID = 24, EVENT = 48,
       STATUS = 52 };

static inline char *area(void)
{
#if HAVE_LINE
	return thread_pointer() + TLABI_OFFSET;
#else
	return thread_pointer() + __rseq_offset;
#endif
}

static inline uint32_t word(int offset)
{
	return *(volatile uint32_t *)(area() + offset);
}

static inline void set_word(int offset, uint32_t value)
{
	*(volatile uint32_t *)(area() + offset) = value;
}

static inline unsigned int kernel_cpu(void)
{
	unsigned int cpu = -1u;

	syscall(SYS_getcpu, &cpu, NULL, NULL);
	return cpu;
}

/*
 * The length that the kernel has registered for this thread at this address,
 * 0 if none, -1 if it is another address, -2 if the kernel cannot be asked.
 * Registering again changes nothing: EBUSY says that it is the same area, and
 * EINVAL that it is another address or length.
 */
SOMETIMES int registered_length(void)
{
	static _Alignas(64) char other[64];
	static volatile char taken;

	while (__atomic_test_and_set(&taken, __ATOMIC_ACQUIRE))
		sched_yield();
	long r = syscall(SYS_rseq, other, 32, 0, RSEQ_SIG);
	int e = errno;
	if (r == 0)
		syscall(SYS_rseq, other, 32, 1, RSEQ_SIG);
	__atomic_clear(&taken, __ATOMIC_RELEASE);
	if (r == 0)
		return 0;
	if (e != EINVAL)
		return -2;
	for (int len = 32; len <= 64; ++len)
		if (syscall(SYS_rseq, area(), len, 0, RSEQ_SIG) == -1 &&
		    errno == EBUSY)
			return len;
	return -1;
}

/* What was seen of one thread. */
struct seen {
	int cpu_id;
	int start;
	uint32_t status;	/* 0 where there is no line */
	uint32_t event;
	int length;
	int cpus;		/* on how many cpus it was pinned in turn */
	int wrong;		/* on how many the area said something else */
	int getcpu_wrong;	/* on how many sched_getcpu() did */
	int reserved;		/* bytes that should be zero and are not */
};

/* On every cpu that this thread may use: does the area follow? */
SOMETIMES void follow(struct seen *s)
{
	const size_t words = cpu_words();
	unsigned long all[words];

	allowed_cpus(all);
	for (unsigned int cpu = 0; cpu < words * CPU_BITS; ++cpu) {
		if (!has_cpu(all, cpu) || run_on(0, cpu))
			continue;
		++s->cpus;
		s->wrong += kernel_cpu() != cpu || word(CPU_ID) != cpu ||
			word(CPU_ID_START) != cpu;
		s->getcpu_wrong += sched_getcpu() != (int)cpu;
	}
	allow_cpus(0, all);
}

SOMETIMES void look(struct seen *s)
{
	memset(s, 0, sizeof *s);
	s->cpu_id = (int)word(CPU_ID);
	s->start = (int)word(CPU_ID_START);
#if HAVE_LINE
	s->status = word(STATUS);
	s->event = word(EVENT);
	for (int i = 33; i < 48; ++i)
		s->reserved += area()[i] != 0;
	for (int i = 56; i < 64; ++i)
		s->reserved += area()[i] != 0;
	s->reserved += (uintptr_t)area() % 64 != 0;
#endif
	s->length = registered_length();
	follow(s);
}

SOMETIMES void say(const char *where, const struct seen *s)
{
	printf("%s.cpu_id=%d\n%s.start=%d\n%s.status=%#x\n%s.event=%u\n"
	       "%s.length=%d\n%s.cpus=%d\n%s.wrong=%d\n%s.getcpu_wrong=%d\n"
	       "%s.reserved=%d\n", where, s->cpu_id, where, s->start, where,
	       (unsigned int)s->status, where, (unsigned int)s->event, where,
	       s->length, where, s->cpus, where, s->wrong, where,
	       s->getcpu_wrong, where, s->reserved);
	fflush(stdout);
}

/* Look and say at once. */
SOMETIMES void tell(const char *where)
{
	struct seen s;

	look(&s);
	say(where, &s);
}

/* Many threads of one kind, of which every one should look alike. */
struct crowd {
	int threads, registered, wrong, getcpu_wrong, reserved;
	int cpus;		/* least */
	int length[2];		/* least and greatest */
	uint32_t status[2];
	uint32_t event;		/* greatest */
};

static inline int least(int a, int b) { return a < b ? a : b; }
static inline int greatest(int a, int b) { return a > b ? a : b; }

/* Not locked: the caller does that. */
SOMETIMES void join_crowd(struct crowd *c, const struct seen *s)
{
	if (c->threads++ == 0) {
		c->cpus = s->cpus;
		c->length[0] = c->length[1] = s->length;
		c->status[0] = c->status[1] = s->status;
	}
	c->registered += s->cpu_id >= 0;
	c->wrong += s->wrong;
	c->getcpu_wrong += s->getcpu_wrong;
	c->reserved += s->reserved;
	c->cpus = least(c->cpus, s->cpus);
	c->length[0] = least(c->length[0], s->length);
	c->length[1] = greatest(c->length[1], s->length);
	if (s->status < c->status[0])
		c->status[0] = s->status;
	if (s->status > c->status[1])
		c->status[1] = s->status;
	if (s->event > c->event)
		c->event = s->event;
}

SOMETIMES void say_crowd(const char *who, const struct crowd *c)
{
	printf("%s.threads=%d\n%s.registered=%d\n%s.wrong=%d\n"
	       "%s.getcpu_wrong=%d\n%s.reserved=%d\n%s.cpus=%d\n"
	       "%s.length=%d\n%s.length_max=%d\n%s.status=%#x\n"
	       "%s.status_max=%#x\n%s.event=%u\n", who, c->threads, who,
	       c->registered, who, c->wrong, who, c->getcpu_wrong, who,
	       c->reserved, who, c->cpus, who, c->length[0], who,
	       c->length[1], who, (unsigned int)c->status[0], who,
	       (unsigned int)c->status[1], who, (unsigned int)c->event);
	fflush(stdout);
}

#endif
