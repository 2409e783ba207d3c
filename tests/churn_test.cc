/* SPDX-License-Identifier: MIT */
/*
 * Threads end while they are being preempted and moved.  A libc that unmaps
 * the stack of a detached thread before the kernel has let go of the line in
 * it does not live through this.
 */
#include "expect.hh"

using namespace harness;

class Churn : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Churn,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

TEST_P(Churn, OfDetachedThreadsHarmsNothing)
{
	static const int count = 100000;
	outcome got = run({build("churn"), std::to_string(count)});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("ran"), got.number("created")) << got;
	EXPECT_EQ(got.number("created"), count) << got;
	EXPECT_EQ(got.number("unregistered"), 0) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_GT(got.number("migrations"), 100) << got;
	expect_live(got, libc(), "main");
}
