/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_ARCH_H
#define RSEQ_ARCH_H

#if defined(__x86_64__) && !defined(__ILP32__)
#include "arch/x86_64.h"
#elif defined(__aarch64__) && !defined(__ILP32__)
#include "arch/aarch64.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "arch/riscv64.h"
#else
#error "rseq: unsupported architecture: write arch/ISA.h, see arch/README"
#endif

#endif
