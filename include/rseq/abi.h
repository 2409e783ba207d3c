/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_ABI_H
#define RSEQ_ABI_H

#include <stddef.h>
#include <stdint.h>

/*
 * Where this thread's area is, decided once, when the program is compiled:
 *
 *	RSEQ_LIBC_LINE	the C library has the line: a constant offset
 *	RSEQ_LIBC_STOCK	glibc 2.35 or newer: __rseq_offset
 *	neither		no area; everything reports so and falls back
 *
 * No reference is weak: one that was quietly resolved to zero by a static or
 * LTO link would turn rseq off and nobody would notice.
 */
#if defined(__has_include)
#if __has_include(<sys/tlabi.h>)
#define RSEQ_LIBC_LINE 1
#endif
#endif

#ifdef RSEQ_LIBC_LINE

#include <sys/tlabi.h>

/* The program does not link with, nor start on, a libc without the line. */
TLABI_REQUIRE;

#else

#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 35)
#define RSEQ_LIBC_STOCK 1
#endif

/* Does every such glibc have an area here?  Elsewhere the port came later. */
#if !defined(RSEQ_LIBC_STOCK) || \
	!(defined(__x86_64__) || defined(__aarch64__))
#define RSEQ_OWN_AREA 1
#endif

/* As in <sys/tlabi.h>, but glibc aligns its area to 32, like the kernel. */
struct tlabi {
	uint32_t	cpu_id_start;
	uint32_t	cpu_id;
	uint64_t	rseq_cs;
	uint32_t	flags;
	uint32_t	node_id;
	uint32_t	mm_cid;
	uint32_t	slice_ctrl;
	uint32_t	__reserved1[4];
	uint32_t	event;
	uint32_t	status;
	uint64_t	__reserved2;
} __attribute__((__aligned__(32)));

#endif

#endif
