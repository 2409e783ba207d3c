/* SPDX-License-Identifier: MIT */
/* Each function of librseq by itself, on each libc. */
#include <cerrno>
#include <thread>

#include <rseq/frame.h>
#include <rseq/query.h>

#include "harness.hh"

using namespace harness;

class Api : public VariantTest {
protected:
	options off() const
	{
		return {{libc().family == family::musl ? "TLABI_RSEQ=0" :
			 "GLIBC_TUNABLES=glibc.pthread.rseq=0"}};
	}
};

INSTANTIATE_TEST_SUITE_P(, Api, testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

/* ---- rseq_counter ---- */

TEST_P(Api, CounterInitRefusesWhatCannotBe)
{
	outcome got = run({build_rseq("counter_api")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("zero"), -EINVAL) << got;
	for (std::string what : {"most", "overflow", "overflow_rows", "huge",
				 "one_too_many"})
		EXPECT_EQ(got.number(what), -ENOMEM) << what << got;
	for (std::string what : {"zero", "most", "overflow", "overflow_rows",
				 "huge", "one_too_many"}) {
		EXPECT_EQ(got.number(what + ".errno"), 0) << got;
		EXPECT_EQ(got.number(what + ".empty"), 1) << got;
	}
	EXPECT_EQ(got.number("most_that_fit"), 0) << got;
}

static void expect_sums(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("init"), 0) << got;
	EXPECT_EQ(got.number("count"), 3) << got;
	EXPECT_EQ(got.number("aligned"), 1) << got;
	EXPECT_EQ(got.number("fresh"), 0) << got;
	EXPECT_EQ(got.number("sum0"), 1005) << got;
	EXPECT_EQ(got.number("sum1"), -499500) << got;
	EXPECT_EQ(got.number("sum2"), 1) << "it wraps" << got;
	EXPECT_EQ(got.number("errno"), 123) << got;
	EXPECT_EQ(got.number("fini"), 1) << got;
	EXPECT_EQ(got.number("zeroed"), 0) << got;
}

TEST_P(Api, CounterSums)
{
	expect_sums(run({build_rseq("counter_api")}));
}

TEST_P(Api, CounterSumsWithoutRseq)
{
	expect_sums(run({build_rseq("counter_api")}, off()));
}

/* ---- rseq_query, rseq_this_cpu and their like ---- */

TEST_P(Api, QueryRefusesAnotherSize)
{
	outcome got = run({build_rseq("query_api")});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *what : {"null", "size_0", "size_less", "size_more"})
		EXPECT_EQ(got.number(what), -EINVAL) << got;
	EXPECT_EQ(got.number("errno"), 123) << got;
	EXPECT_EQ(got.number("reasons_distinct"), 1) << got;
}

TEST_P(Api, QueryTellsWhatTheKernelHas)
{
	outcome got = run({build_rseq("query_api")});

	ASSERT_TRUE(got.ok()) << got;
	for (std::string who : {"info", "after"}) {
		EXPECT_EQ(got.number(who + ".owner"), libc().line ?
			  RSEQ_OWNER_LINE : RSEQ_OWNER_LIBC) << got;
		EXPECT_EQ(got.number(who + ".version"), libc().line ? 1 : 0);
		EXPECT_EQ(got.number(who + ".reason"), RSEQ_ON) << got;
		EXPECT_EQ(got.number(who + ".error"), 0) << got;
		EXPECT_EQ(got.number(who + ".length"),
			  got.number("registered_length")) << got;
		EXPECT_EQ(got.number(who + ".mode"),
			  got.number("registered_length") > 32 ?
			  RSEQ_MODE_OPTIMIZED : RSEQ_MODE_LEGACY) << got;
		EXPECT_EQ(got.number(who + ".kernel_feature_size"),
			  got.number("auxv")) << got;
		EXPECT_EQ(got.number(who + ".area_right"), 1) << got;
		EXPECT_EQ(got.number(who + ".self"), 1) << got;
	}
	const figure kernel = got.number("auxv");
	EXPECT_EQ(got.number("info.feature_size"), kernel == 0 ? 20 :
		  kernel <= got.number("registered_length") ? kernel : 28)
		<< got;
}

static void expect_vfork_child_known(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("vfork"), 0) << got;
	EXPECT_EQ(got.number("vfork.reason"), RSEQ_OFF_BORROWED) << got;
	EXPECT_EQ(got.number("vfork.mode"), RSEQ_MODE_OFF) << got;
	EXPECT_EQ(got.number("vfork.length"), 0) << got;
}

TEST_P(Api, QueryKnowsAVforkChild)
{
	expect_vfork_child_known(run({build_rseq("query_api")}));
}

using ApiOfI386 = I386Test;

/* No address of 4 bytes gives it away, as one does of 8. */
TEST_F(ApiOfI386, QueryKnowsAVforkChild)
{
	outcome got = run({i386_probe("query_api")});
	expect_vfork_child_known(got);
	EXPECT_EQ(got.number("info.reason"), RSEQ_ON) << got;
	EXPECT_EQ(got.number("after.reason"), RSEQ_ON) << got;
}

TEST_P(Api, AccessorsAgreeWithTheKernel)
{
	outcome got = run({build_rseq("query_api")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("cpu_right"), 1) << got;
	EXPECT_EQ(got.number("start_right"), 1) << got;
	EXPECT_GE(got.number("limit"), got.number("configured")) << got;
	EXPECT_GT(got.number("limit"), got.number("cpu")) << got;
	if (kernel_feature_size() >= 28) {
		EXPECT_EQ(got.number("node_right"), 1) << got;
		EXPECT_GE(got.number("mm_cid"), 0) << got;
		EXPECT_LT(got.number("mm_cid"), got.number("limit")) << got;
	} else {
		EXPECT_LT(got.number("node"), 0) << got;
		EXPECT_LT(got.number("mm_cid"), 0) << got;
	}
}

TEST_P(Api, AccessorsRefuseWithoutRseq)
{
	outcome got = run({build_rseq("query_api")}, off());

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_LT(got.number("cpu"), 0) << got;
	EXPECT_LT(got.number("node"), 0) << got;
	EXPECT_LT(got.number("mm_cid"), 0) << got;
	EXPECT_EQ(got.number("start"), 0) << got;
	EXPECT_EQ(got.number("info.mode"), RSEQ_MODE_OFF) << got;
	EXPECT_EQ(got.number("info.reason"), RSEQ_OFF_DISABLED) << got;
}

/* ---- rseq_cpu_limit ---- */

/* Of the kernel: whatever files, descriptors and cpus the process has. */
TEST_P(Api, CpuLimitIsNeverTooLow)
{
	const fs::path program = build_rseq("limit"),
		root = scratch_dir() / "empty";
	const figure limit = run({program}).number("limit");

	fs::create_directories(root);
	EXPECT_GT(limit, 0);
	for (const strings &without : {strings{}, strings{"descriptors"},
				       strings{"files"}, strings{"affinity"},
				       strings{"root", root}}) {
		outcome got = run(strings{program} + without);
		if (got.code == 77)
			continue;	/* chroot(2) needs a privilege */
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("limit"), limit) << got;
		EXPECT_EQ(got.number("again"), limit) << got;
		EXPECT_EQ(got.number("errno"), 123) << got;
		EXPECT_GT(got.number("limit"), got.number("cpu")) << got;
		/* A guess is high, and is not kept. */
		if (got.has("refused")) {
			EXPECT_EQ(got.number("refused"), 8192) << got;
		}
	}
}

TEST_P(Api, NothingIsACancellationPoint)
{
	outcome got = run({build_rseq("limit")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("alive"), 1) << got;
	EXPECT_EQ(got.number("cancelled"), 1) << got;
}

/* ---- rseq_event ---- */

TEST_P(Api, EventChangesWhenTheThreadIsDisturbed)
{
	outcome got = run({build_rseq("event_api")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("missed_signals"), 0) << got;
	EXPECT_EQ(got.number("missed_calling"), 0) << got;
	EXPECT_EQ(got.number("missed_moves"), 0) << got;
	EXPECT_EQ(got.number("advanced"), 1) << got;
	EXPECT_EQ(got.number("moves"),
		  the_machine().cpus > 1 ? 100 : 0) << got;
}

/* A million calls take milliseconds: few of them are disturbed. */
TEST_P(Api, EventIsMostlyQuiet)
{
	outcome got = run({build_rseq("event_api")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GE(got.number("changes"), 0) << got;
	EXPECT_LT(got.number("changes"), 10000) << got;
}

/* Nobody would tell: then every call counts. */
TEST_P(Api, EventAlwaysChangesWithoutRseq)
{
	outcome got = run({build_rseq("event_api")}, off());

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("changes"), 1000000) << got;
	EXPECT_EQ(got.number("missed_signals"), 0) << got;
	EXPECT_EQ(got.number("missed_calling"), 0) << got;
}

/* ---- operations ---- */

TEST_P(Api, OperationsHaveEachTheirResult)
{
	outcome got = run({build_rseq("operation_api")});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *done : {"add", "add_big", "compare",
				 "compare_alias", "percpu", "percpu_fetch"})
		EXPECT_EQ(got.number(done), RSEQ_COMMITTED) << done << got;
	EXPECT_EQ(got.number("add.value"), 42) << got;
	EXPECT_EQ(got.number("add_big.value"), 42) << got;
	EXPECT_EQ(got.number("compare.value"), 43) << got;
	EXPECT_EQ(got.number("percpu.value"), 7) << got;
	EXPECT_EQ(got.number("percpu_fetch.value"), 9) << got;
	EXPECT_EQ(got.number("percpu_fetch.old"), 7) << got;
	EXPECT_EQ(got.number("add_elsewhere"), RSEQ_RESTARTED) << got;
	EXPECT_EQ(got.number("compare_elsewhere"), RSEQ_RESTARTED) << got;
	EXPECT_EQ(got.number("compare_differs"), RSEQ_DIFFERENT) << got;
	for (const char *not_here : {"add_negative", "add_refused",
				     "compare_refused"})
		EXPECT_EQ(got.number(not_here), RSEQ_UNAVAILABLE)
			<< not_here << got;
	EXPECT_EQ(got.number("unchanged"), 42) << got;
	EXPECT_EQ(got.number("unchanged_too"), 43) << got;
}

TEST_P(Api, OperationsSayWhereTheyCannotRun)
{
	outcome got = run({build_rseq("operation_api")}, off());

	ASSERT_TRUE(got.ok()) << got;
	for (const char *what : {"add", "add_big", "add_elsewhere",
				 "add_negative", "add_refused", "compare",
				 "compare_differs", "compare_elsewhere",
				 "compare_refused", "compare_alias", "percpu",
				 "percpu_fetch"})
		EXPECT_EQ(got.number(what), RSEQ_UNAVAILABLE) << what << got;
	EXPECT_EQ(got.number("unchanged"), 42) << got;
	EXPECT_EQ(got.number("percpu.value"), 0) << got;
}

class Operations : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Operations, testing::ValuesIn(variants()),
			 variant_name);

TEST_P(Operations, TakeOperandsOfEachShape)
{
	for (const char *level : {"-O0", "-O1", "-O2", "-O3", "-Os"}) {
		SCOPED_TRACE(level);
		outcome got = run({build_rseq("operation_api", {level})});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("static_add"), 1000) << got;
		EXPECT_EQ(got.number("static_compare"), 1000) << got;
	}
}
