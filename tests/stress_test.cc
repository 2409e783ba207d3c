/* SPDX-License-Identifier: MIT */
/* Sums are exact under preemption, migration and signals, all at once. */
#include "harness.hh"

using namespace harness;

class Stress : public VariantTest {
protected:
	outcome under_load(const std::string &kind) const
	{
		return run({build_rseq("stress"), kind,
			    std::to_string(the_machine().seconds)});
	}
	void expect_exact(const std::string &kind) const
	{
		outcome got = under_load(kind);

		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("failed"), 0) << got;
		EXPECT_EQ(got.number("registered"), 1) << got;
		/* It was the load that it should be. */
		EXPECT_GE(got.number("signals"), the_machine().enough) << got;
		if (the_machine().cpus > 1) {
			EXPECT_GE(got.number("migrations"), the_machine().enough)
				<< got;
		}
		EXPECT_EQ(got.number("sum"), got.number("expected")) << got;
	}
};

INSTANTIATE_TEST_SUITE_P(, Stress,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

TEST_P(Stress, CounterIsExact)
{
	expect_exact("counter");
}

TEST_P(Stress, AddIsExact)
{
	expect_exact("add");
}

TEST_P(Stress, CompareStoreIsExact)
{
	expect_exact("compare");
}

TEST_P(Stress, AddToPerCpuMemoryIsExact)
{
	expect_exact("percpu");
}

/* Else the others would prove nothing. */
TEST_P(Stress, PlainAddsLoseUpdates)
{
	outcome got;

	for (int tries = 0; tries < 20; ++tries) {
		got = under_load("plain");
		ASSERT_TRUE(got.ok()) << got;
		if (got.number("sum") < got.number("expected"))
			return;
	}
	FAIL() << "no update was lost under this load" << got;
}
