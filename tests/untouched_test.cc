/* SPDX-License-Identifier: MIT */
/*
 * A libc with the line registers it and stores to it no more: not when it asks
 * the kernel for something, not for a child with its parent's thread pointer,
 * not with a thread pointer that is another environment's or none.
 */
#include <csignal>

#include "harness.hh"

using namespace harness;

class Untouched : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Untouched, testing::ValuesIn(patched_variants()),
			 variant_name);

TEST_P(Untouched, RseqCsSurvivesCallsOfLibc)
{
	const outcome got = run({build("untouched"), "calls"});

	ASSERT_TRUE(got.ok()) << got;
	ASSERT_GT(got.number("tries"), 0) << got;
	EXPECT_EQ(got.number("kept.stores"), 0) << got;
	/* The kernel takes a few away when it preempts the thread. */
	for (const std::string &call :
	     all_matches(got.out, "kept\\.(\\w+)="))
		if (call != "stores") {
			EXPECT_GT(got.number("kept." + call), 0)
				<< call << got;
		}
}

TEST_P(Untouched, SectionsLoseNothingBesideAChildThatSharesTheThreadPointer)
{
	const outcome got = run({build("untouched"), "beside"});

	if (got.code == 77)
		GTEST_SKIP() << "rseq is not available, or not x86-64";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GT(got.number("asked"), 10000) << got;
	EXPECT_GT(got.number("added"), 10000) << got;
	EXPECT_EQ(got.number("lost"), 0) << got;
}

TEST_P(Untouched, MemoryOfAForeignThreadPointerIsNotWritten)
{
	const outcome got = run({build("untouched"), "foreign"});

	if (got.code == 77)
		GTEST_SKIP() << "the thread pointer cannot be set";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("written"), 0) << got;
}

/* As on stock glibc: an upgrade must not take away what worked. */
class StaticResolver : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, StaticResolver,
			 testing::ValuesIn(patched_glibc_variants(
				 {"static", "static_pie"})),
			 variant_name);

TEST_P(StaticResolver, MayMakeASystemCall)
{
	const outcome got = run({build("static_resolver",
				       {"-fno-stack-protector"})});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("ran"), 1) << got;
	EXPECT_EQ(got.number("right"), 1) << got;
}
