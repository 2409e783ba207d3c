/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_ARCH_H
#define RSEQ_ARCH_H

/*
 * The verbs of this instruction set.  Without any, RSEQ_NO_SECTIONS_: no thread
 * counts as registered, operations are unavailable, all else falls back.
 */
#if defined(__x86_64__) && !defined(__ILP32__)
#include "arch/x86_64.h"
#elif defined(__i386__)
#include "arch/i386.h"
#elif defined(__aarch64__) && !defined(__ILP32__)
#include "arch/aarch64.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "arch/riscv64.h"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#include "arch/powerpc64le.h"
#elif defined(__arm__) && __ARM_ARCH >= 7 && !defined(__ARM_BIG_ENDIAN)
#include "arch/arm.h"
#elif defined(__s390x__) && __ARCH__ >= 8
#include "arch/s390x.h"
#elif defined(__mips64) && defined(__LP64__) && defined(__MIPSEL__) && \
	!defined(__mips16) && !defined(__mips_micromips)
#include "arch/mips64el.h"
#elif defined(__loongarch_lp64)
#include "arch/loongarch64.h"
#else
#include "arch/none.h"
#endif

#endif
