/* SPDX-License-Identifier: MIT */
/* Transactions: what each function does, and how each one may end. */
#include "harness.hh"

using namespace harness;

class Transaction : public VariantTest {
protected:
	/* Of a program that says 77 where no thread is registered. */
	outcome ran(const std::string &name) const
	{
		return run({build_rseq(name)});
	}
};

INSTANTIATE_TEST_SUITE_P(, Transaction,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

/* Else the update whose second store was to come is lost. */
TEST_P(Transaction, DoesNotBeginByAGuardSeenFromAnotherCpu)
{
	outcome got = ran("half_commit");

	if (got.code == 77)
		GTEST_SKIP() << "needs two cpus";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("sum"), got.number("commits")) << got;
}
