/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_RSEQ_H
#define RSEQ_RSEQ_H

#include <rseq/cpu.h>
#include <rseq/event.h>
#include <rseq/query.h>
#include <rseq/ops.h>
#include <rseq/index.h>
#include <rseq/array.h>
#include <rseq/counter.h>
#include <rseq/transaction.h>
#include <rseq/version.h>

#endif
