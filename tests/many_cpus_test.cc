/* SPDX-License-Identifier: MIT */
/*
 * Whatever there is for each cpu, on as many of them as this machine has:
 * tests/vm/cells has some with 64, with 128, and with 4096 possible ones.
 */
#include "expect.hh"

#include <iostream>

using namespace harness;

/* A drain holds each cpu's guard; a page has that and the counter.  The rest
   is stacks, stdio and the threads. */
static void expect_exact(const outcome &got, long rounds)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("online"), the_machine().cpus) << got;
	EXPECT_EQ(got.number("errors"), 0) << got;
	EXPECT_EQ(got.number("added"), got.number("threads") * rounds) << got;
	EXPECT_EQ(got.number("drained"), got.number("added")) << got;
	EXPECT_LT(got.number("init_kib"), 1024) << got;
	EXPECT_LT(got.number("used_kib"), 1024 + got.number("page_kib") *
		  (got.number("limit") + got.number("online") * 16)) << got;
	std::cout << "costs:";
	for (const char *what : {"online", "limit", "used_kib", "sum_us",
				 "first_drain_us", "drain_us",
				 "busy_drain_us", "few_highest_cid"})
		std::cout << " | " << got.text(what);
	std::cout << " |\n";
}

class ManyCpus : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, ManyCpus,
			 testing::ValuesIn(variants({"static"})), variant_name);

TEST_P(ManyCpus, AreExactAndCostWhatIsUsed)
{
	const long rounds = the_machine().virtual_one ? 50 : 20000;
	const outcome got = run({build_rseq("many_cpus"),
				 std::to_string(rounds)},
				{{}, std::chrono::minutes(5)});

	expect_exact(got, rounds);
	EXPECT_GE(got.number("limit"), got.number("possible")) << got;
	EXPECT_EQ(got.number("limit"), got.number("set_bits")) << got;
	if (got.number("few_highest_cid") < 0)
		GTEST_SKIP() << "no concurrency ids here";
	EXPECT_LT(got.number("few_highest_cid"), got.number("few")) << got;
	EXPECT_LT(got.number("highest_cid"), got.number("online")) << got;
}

/* On this machine, whose kernel is made to say that there can be as many. */
class PretendedCpus : public testing::TestWithParam<int> {
};

INSTANTIATE_TEST_SUITE_P(, PretendedCpus, testing::Values(64, 256, 1024, 4096, 8192));

TEST_P(PretendedCpus, AreExactAndCostWhatIsUsed)
{
	const outcome got = run({rseq_probe(libcs().front(), pie(), "many_cpus",
		{"-DCPUS=" + std::to_string(GetParam()),
		 "-Wl,--wrap=syscall"}), "20000"});

	expect_exact(got, 20000);
	EXPECT_EQ(got.number("limit"), GetParam()) << got;
}
