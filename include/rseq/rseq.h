/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_RSEQ_H
#define RSEQ_RSEQ_H

#include <rseq/cpu.h>
#include <rseq/event.h>
#include <rseq/query.h>
#include <rseq/word.h>
#include <rseq/list.h>
#include <rseq/stack.h>
#include <rseq/percpu.h>
#include <rseq/counter.h>
#include <rseq/transaction.h>
#include <rseq/version.h>

#endif
