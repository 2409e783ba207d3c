/* SPDX-License-Identifier: MIT */
/* As a libc with the line has it, for architectures that have none yet. */
#include <stdint.h>

#if defined __s390__ || defined __i386__
#define TLABI_OFFSET	0x80
#elif defined __powerpc__
#define TLABI_OFFSET	(-0x7000 - 192)
#elif defined __mips__
#define TLABI_OFFSET	(-0x7000 - 128)
#else
#define TLABI_OFFSET	(-128)
#endif
#define TLABI_REQUIRE	extern const unsigned char __tlabi_v1

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
} __attribute__((__aligned__(64)));
