/* SPDX-License-Identifier: MIT */
/* What must be true of a thread's area that tests/probes/area.h described. */
#pragma once

#include "harness.hh"

namespace harness {

inline unsigned int registered_status()
{
	return 1 | line_length() << 8;
}

/* A registered thread: ids right on each cpu, length as the kernel has it. */
inline void expect_live(const outcome &got, const libc &l,
			const std::string &where)
{
	SCOPED_TRACE(where);
	EXPECT_GE(got.number(where + ".cpu_id"), 0) << got;
	EXPECT_GT(got.number(where + ".cpus"), 0) << got;
	EXPECT_EQ(got.number(where + ".wrong"), 0) << got;
	EXPECT_EQ(got.number(where + ".getcpu_wrong"), 0) << got;
	EXPECT_EQ(got.number(where + ".reserved"), 0) << got;
	if (!l.line) {
		EXPECT_GE(got.number(where + ".length"), 32) << got;
		return;
	}
	EXPECT_EQ(got.number(where + ".length"), line_length()) << got;
	EXPECT_EQ(got.number(where + ".status"), registered_status()) << got;
	EXPECT_EQ(got.number(where + ".event"), 0) << got;
}

/* The same of each thread of a crowd; it has at least so many. */
inline void expect_crowd(const outcome &got, const libc &l,
			 const std::string &who, int threads)
{
	SCOPED_TRACE(who);
	EXPECT_GE(got.number(who + ".threads"), threads) << got;
	EXPECT_EQ(got.number(who + ".registered"),
		  got.number(who + ".threads")) << got;
	EXPECT_GT(got.number(who + ".cpus"), 0) << got;
	EXPECT_EQ(got.number(who + ".wrong"), 0) << got;
	EXPECT_EQ(got.number(who + ".getcpu_wrong"), 0) << got;
	EXPECT_EQ(got.number(who + ".reserved"), 0) << got;
	if (!l.line) {
		EXPECT_GE(got.number(who + ".length"), 32) << got;
		return;
	}
	for (const char *of : {".length", ".length_max"})
		EXPECT_EQ(got.number(who + of), line_length()) << got;
	for (const char *of : {".status", ".status_max"})
		EXPECT_EQ(got.number(who + of), registered_status()) << got;
	EXPECT_EQ(got.number(who + ".event"), 0) << got;
}

} // namespace harness
