/* SPDX-License-Identifier: MIT */
/* Per-cpu memory: what is given and refused, what it costs, where it ends. */
#include "harness.hh"

using namespace harness;

static void expect_no_mistake(const outcome &got, long checks)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_GE(got.number("checks"), checks) << got;
}

class PerCpu : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, PerCpu,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

TEST_P(PerCpu, GivesZeroedObjectsOfEachSizeAndAlignment)
{
	expect_no_mistake(run({build_rseq("percpu"), "api"}), 80);
}

TEST_P(PerCpu, ObjectsNeverOverlap)
{
	expect_no_mistake(run({build_rseq("percpu"), "many"}), 600);
}

TEST_P(PerCpu, IsRefusedWithoutAddressSpace)
{
	expect_no_mistake(run({build_rseq("percpu"), "short"}), 7);
}

/* Either of the calls that a chunk takes. */
TEST_P(PerCpu, IsRefusedWhereNothingCanBeMapped)
{
	for (const char *call : {"mmap", "mprotect"})
		expect_no_mistake(run({build_rseq("percpu"), "refused", call}),
				  1);
}

/* A child has the lock that another thread of its parent held. */
TEST_P(PerCpu, CanBeAllocatedInAChildThatWasForkedMeanwhile)
{
	expect_no_mistake(run({build_rseq("percpu"), "fork"}), 300);
}

TEST_P(PerCpu, IsRefusedInAHandlerThatInterruptsAllocation)
{
	outcome got = run({build_rseq("percpu"), "handler"});

	expect_no_mistake(got, 2);
	EXPECT_GE(got.number("in_the_middle"), 0) << got;
}

TEST_P(PerCpu, CannotBeWrittenToBehindTheLastCpu)
{
	expect_no_mistake(run({build_rseq("percpu"), "beyond"}), 5);
}

/* Of 4096 cpus, which are pretended, four have touched theirs. */
TEST_P(PerCpu, CostsWhatIsTouched)
{
	outcome got = run({build_rseq("percpu", {"-DCPUS=4096",
				      "-Wl,--wrap=syscall"}), "large"});

	expect_no_mistake(got, 2);
	EXPECT_EQ(got.number("limit"), 4096) << got;
	EXPECT_GT(got.number("space"), 4096 * 64) << got;
	/* Four pages, page tables and stdio, and what the kernel counts late. */
	const figure enough = got.number("page") * 256;
	EXPECT_LT(got.number("used"), enough) << got;
	EXPECT_LT(got.number("used_after"), enough) << got;
}
