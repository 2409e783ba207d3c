/* SPDX-License-Identifier: MIT */
/*
 * A token does not outlive a call of a patched libc that asks the kernel for
 * something: newer kernels leave it there, whatever happens in the call.
 */
#include "harness.hh"

using namespace harness;

class Token : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Token, testing::ValuesIn(patched_variants()),
			 variant_name);

TEST_P(Token, DoesNotOutliveACallOfLibc)
{
	outcome got = run({build_rseq("token")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("missed"), 0) << got;
	EXPECT_GT(got.number("calls"), 40) << got;
	/* Else the probe would see nothing. */
	EXPECT_GT(got.number("nothing"), got.number("tries") / 2) << got;
}
