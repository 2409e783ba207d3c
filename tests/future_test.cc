/* SPDX-License-Identifier: MIT */
/*
 * Kernels with more rseq features than today's.  What a libc with the line
 * registers there is what such a kernel takes, fits into the line, and is what
 * it says of it, in every thread.  No such kernel is to be had: a supervisor
 * plays its part, see probes/future.c; the registration itself is this
 * kernel's.
 */
#include "harness.hh"

using namespace harness;

namespace {

struct future {
	int size, align, least;
	unsigned int length, features;	/* registered, and __rseq_size */
	int refused;			/* tries that such a kernel refuses */
};

const future futures[] = {
	{28, 32, 28, 32, 28, 0},
	{33, 64, 33, 33, 33, 0},
	{40, 64, 40, 40, 40, 0},
	{48, 64, 48, 48, 48, 0},
	/* The line has no room for more: the first 32 bytes. */
	{56, 64, 56, 32, 28, 0},
	{64, 64, 64, 32, 28, 0},
	{80, 128, 80, 32, 28, 0},
	{40, 128, 40, 32, 28, 0},
	/* One that does not take what it says: the second try is 32. */
	{40, 64, 48, 32, 28, 1},
};

class Future : public VariantTest {
protected:
	static outcome on(const future &kernel, const fs::path &program)
	{
		return run({probe(libcs().front(), pie(), "future"),
			    std::to_string(kernel.size),
			    std::to_string(kernel.align),
			    std::to_string(kernel.least), program});
	}

	static std::string name(const future &kernel)
	{
		return std::to_string(kernel.size) + " bytes, aligned to " +
			std::to_string(kernel.align);
	}
};

INSTANTIATE_TEST_SUITE_P(, Future, testing::ValuesIn(patched_variants()),
			 variant_name);

}

TEST_P(Future, TheLengthIsOneThatItTakesAndTheLineHasRoomFor)
{
	const fs::path program = build("status");

	for (const future &kernel : futures) {
		SCOPED_TRACE(name(kernel));
		const outcome got = on(kernel, program);
		if (got.code == 77)
			GTEST_SKIP() << got.err;
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("accepted"), 1) << got;
		EXPECT_EQ(got.number("refused"), kernel.refused) << got;
		EXPECT_EQ(got.number("length_max"), kernel.length) << got;
		EXPECT_EQ(got.number("main.length"), kernel.length) << got;
		EXPECT_EQ(got.number("main.status"), 1 | kernel.length << 8)
			<< got;
		EXPECT_EQ(got.number("rseq_size"), kernel.features) << got;
		EXPECT_GT(got.number("main.cpus"), 0) << got;
		EXPECT_EQ(got.number("main.wrong"), 0) << got;
	}
}

TEST_P(Future, EveryThreadRegistersTheSame)
{
	const fs::path program = build("threads");

	for (const future &kernel : futures) {
		SCOPED_TRACE(name(kernel));
		const outcome got = on(kernel, program);
		if (got.code == 77)
			GTEST_SKIP() << got.err;
		ASSERT_TRUE(got.ok()) << got;
		/* The first thread has learned what the kernel takes, on
		 * musl; glibc asks in each. */
		EXPECT_GE(got.number("refused"), kernel.refused) << got;
		EXPECT_EQ(got.number("length_min"), kernel.length) << got;
		EXPECT_EQ(got.number("length_max"), kernel.length) << got;
		for (std::string kind : {"joinable", "detached", "c11"}) {
			EXPECT_EQ(got.number(kind + ".threads"), 24) << got;
			EXPECT_EQ(got.number(kind + ".registered"), 24) << got;
			EXPECT_EQ(got.number(kind + ".wrong"), 0) << got;
			for (const char *of : {".status", ".status_max"})
				EXPECT_EQ(got.number(kind + of),
					  1 | kernel.length << 8) << got;
		}
	}
}
