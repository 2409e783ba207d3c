/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_ARCH_H
#define RSEQ_ARCH_H

#if defined(__x86_64__) && !defined(__ILP32__)
#include "arch/x86_64.h"
#else
#error "rseq: unsupported architecture: write arch/ISA.h, see arch/README"
#endif

#endif
