/* SPDX-License-Identifier: MIT */
/*
 * Memory that a test program here and PID 1 of a test machine share: the BAR
 * of an ivshmem device, which needs no driver and is as fast as memory.  Where
 * no program can map a BAR, on s390x, the file here is all of the machine's
 * memory, and the channel is pages of it that PID 1 has: it says which.
 * The console would lose output, since a signal can interrupt a write to it.
 *
 * The host fills in what it wants and counts request up; the machine does it
 * and sets reply to the same number.  Words are little endian: vm_word().
 */
#ifndef TESTS_VM_CHANNEL_H
#define TESTS_VM_CHANNEL_H

#include <endian.h>
#include <stdint.h>

enum {
	VM_MAGIC = 0x76657372,		/* in ready: PID 1 listens */
	VM_PAGE = 1 << 20,		/* of them, each contiguous */
	VM_PAGES = 64,
	VM_SIZE = VM_PAGES * VM_PAGE,	/* of all; also in tests/vm/run */
	VM_DATA = 1 << 20,		/* where data begins */
	VM_ROOM = VM_SIZE - VM_DATA,

	VM_FILE = 1,	/* data: a path, a zero, what the file holds */
	VM_RUN,		/* data: environment and command, see counts */
	VM_OFF,		/* power off */
};

/* A word as it is in the channel, from one of this machine, and back. */
static inline uint32_t vm_word(uint32_t x)
{
	return htole32(x);
}

struct vm_channel {
	uint32_t ready;
	/* What the machine is: */
	uint32_t feature_size, feature_align;	/* AT_RSEQ_... */
	uint32_t cpus, configured;		/* online, and in all */
	char release[64];
	uint32_t pages[VM_PAGES];	/* if they are its memory: which */

	/* What it is asked to do: */
	uint32_t request, what;
	uint32_t size;		/* bytes of data */
	uint32_t environment;	/* strings in it, then the command's */
	uint32_t arguments;
	uint32_t cancel;	/* kill what runs */

	/* What became of it: */
	uint32_t reply;
	uint32_t status;	/* as waitpid(2) has it, or not 0 */
	uint32_t out, err;	/* bytes of data: standard output, error */
};

#endif
