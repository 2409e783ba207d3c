/* SPDX-License-Identifier: MIT */
/*
 * Memory that a test program here and PID 1 of a test machine share: the BAR
 * of an ivshmem device, which needs no driver and is as fast as memory.  The
 * console would lose output, since a signal can interrupt a write to it.
 *
 * The host fills in what it wants and counts request up; the machine does it
 * and sets reply to the same number.  Everything is little endian.
 */
#ifndef TESTS_VM_CHANNEL_H
#define TESTS_VM_CHANNEL_H

#include <stdint.h>

enum {
	VM_MAGIC = 0x76657372,		/* in ready: PID 1 listens */
	VM_SIZE = 64 << 20,		/* of all: a power of two */
	VM_DATA = 1 << 20,		/* where data begins */
	VM_ROOM = VM_SIZE - VM_DATA,

	VM_FILE = 1,	/* data: a path, a zero, what the file holds */
	VM_RUN,		/* data: environment and command, see counts */
	VM_OFF,		/* power off */
};

struct vm_channel {
	uint32_t ready;
	/* What the machine is: */
	uint32_t feature_size, feature_align;	/* AT_RSEQ_... */
	uint32_t cpus, configured;		/* online, and in all */
	char release[64];

	/* What it is asked to do: */
	uint32_t request, what;
	uint32_t size;		/* bytes of data */
	uint32_t environment;	/* strings in it, then the command's */
	uint32_t arguments;
	uint32_t cancel;	/* kill what runs */

	/* What became of it: */
	uint32_t reply;
	int32_t status;		/* as waitpid(2) has it */
	uint32_t out, err;	/* bytes of data: standard output, error */
};

#endif
