/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_VERSION_H
#define RSEQ_VERSION_H

/* Of these headers; configure takes it from here. */
#define RSEQ_VERSION "0.1.0"
/* The same to compare with: major * 10000 + minor * 100 + patch. */
#define RSEQ_VERSION_NUMBER 100

#endif
