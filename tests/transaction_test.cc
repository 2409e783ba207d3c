/* SPDX-License-Identifier: MIT */
/* Transactions: what each function does, and how each one may end. */
#include "matrix.hh"

using namespace harness;

/* ---- every commit, whatever compiles it ---- */

static program transactions()
{
	return {"transactions", {},
		{"-x", "none", librseq(libcs().front(), {"-fPIC"})}};
}

static void expect_right(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_GE(got.number("commits"), 12) << got;
	EXPECT_GT(got.number("checks"), 20 * got.number("commits")) << got;
}

using Commits = Configurations<transactions, native>;

INSTANTIATE_TEST_SUITE_P(, Commits, Commits::numbers(), Commits::name);

TEST_P(Commits, StoreWhatTheySayOrNothing)
{
	expect_right(ran());
}

TEST(EveryCommit, IsInTheListOfThem)
{
	const strings preprocess = strings{cc(), "-E", "-P"} +
		rseq_include_flags();
	outcome header = run(preprocess + strings{
		"-include", "rseq/transaction.h", "-xc", "/dev/null"});
	outcome list = run(preprocess + strings{
		probes_dir() / "transactions.c"});

	ASSERT_TRUE(header.ok()) << header;
	ASSERT_TRUE(list.ok()) << list;
	EXPECT_EQ(all_matches(header.out, "enum rseq_result (rseq_commit\\w*)"),
		  all_matches(list.out, "\\{ \"(rseq_\\w+)\""));
}

/* ---- on each libc ---- */

class Transaction : public VariantTest {
protected:
	outcome ran(const std::string &name, const strings &how = {}) const
	{
		return run(strings{build_rseq(name)} + how);
	}
	outcome ran_without_rseq(const std::string &name) const
	{
		return run({build_rseq(name)},
			   {{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
			     "TLABI_RSEQ=0"}});
	}
};

INSTANTIATE_TEST_SUITE_P(, Transaction,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

TEST_P(Transaction, StoresWhatItSaysOrNothing)
{
	outcome got = ran("transactions");

	expect_right(got);
	EXPECT_EQ(got.number("registered"), 1) << got;
}

TEST_P(Transaction, StoresTheSameWithoutRseq)
{
	outcome got = ran_without_rseq("transactions");

	expect_right(got);
	EXPECT_EQ(got.number("registered"), 0) << got;
}

/* Else the update whose second store was to come is lost. */
TEST_P(Transaction, DoesNotBeginByAGuardSeenFromAnotherCpu)
{
	outcome got = ran("half_commit");

	if (got.code == 77)
		GTEST_SKIP() << "needs two cpus";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("sum"), got.number("commits")) << got;
}
