/* SPDX-License-Identifier: MIT */
/* Transactions: what each function does, and how each one may end. */
#include <cerrno>
#include <csignal>
#include <fstream>

#include <rseq/frame.h>

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
	EXPECT_EQ(got.number("commits"), 15) << got;
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
		  all_matches(list.out, "\\{ \"\\w+\", \"(rseq_\\w+)\""));
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
	if (the_machine().isa != "x86_64")
		GTEST_SKIP() << "its section that rests is x86-64's";
	outcome got = ran("half_commit");

	if (got.code == 77)
		GTEST_SKIP() << "needs two cpus";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("sum"), got.number("commits")) << got;
}

/* ---- guards ---- */

static void expect_what_guards_do(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	for (const char *what : {"begin_none", "begin_cancelled", "lock_none",
				 "lock_beyond", "drain_none"})
		EXPECT_EQ(got.number(what), -EINVAL) << what << got;
	for (const char *what : {"lock_own", "begin_own", "drain_own"})
		EXPECT_EQ(got.number(what), -machine_errno(EDEADLK)) << what << got;
	for (const char *what : {"lock", "begin_after", "drain"})
		EXPECT_EQ(got.number(what), 0) << what << got;
	/* Neither an unlock after a lock that failed nor a second one. */
	EXPECT_EQ(got.number("lock_own.odd"), 1) << got;
	EXPECT_EQ(got.number("twice.lost"), 0) << got;
	EXPECT_EQ(got.number("twice.value"), 5) << got;
	EXPECT_EQ(got.number("zero.begin"), -EINVAL) << got;
	EXPECT_EQ(got.number("zero.again"), -EINVAL) << got;
	EXPECT_EQ(got.number("errno"), 123) << got;
	/* Each once, in order, held; none if one cannot be. */
	EXPECT_EQ(got.number("drain.calls"), got.number("limit")) << got;
	EXPECT_EQ(got.number("drain.wrong"), 0) << got;
	EXPECT_EQ(got.number("drain.odd"), 0) << got;
	EXPECT_EQ(got.number("drain_own.calls"), 0) << got;
	EXPECT_EQ(got.number("drain_own.odd"), 1) << got;
}

static void expect_let_go(const outcome &got)
{
	for (std::string who : {"before", "unlocked", "committed",
				"cancelled"}) {
		EXPECT_EQ(got.number(who + ".odd"), 0) << who << got;
		EXPECT_EQ(got.number(who + ".same_mask"), 1) << who << got;
	}
	EXPECT_EQ(got.number("begun.commit"), RSEQ_COMMITTED) << got;
}

/* A handler would wait for its own thread. */
static void expect_signals_blocked_while(const std::string &who,
					 const outcome &got)
{
	EXPECT_EQ(got.number(who + ".odd"), 1) << who << got;
	EXPECT_GT(got.number(who + ".blocked"), 50) << who << got;
	EXPECT_EQ(got.number(who + ".faults_blocked"), 0) << got;
}

/* A thread that ended, or was left behind by fork, holds nothing. */
static void expect_dead_holders_are_followed(const outcome &got)
{
	for (std::string dead : {"dead0", "dead1"}) {
		EXPECT_EQ(got.number(dead + ".odd"), 1) << got;
		EXPECT_EQ(got.number(dead), 0) << got;
		EXPECT_EQ(got.number(dead + ".value"), 61) << got;
		EXPECT_EQ(got.number(dead + ".lock"), 0) << got;
		EXPECT_EQ(got.number(dead + ".errno"), 123) << got;
	}
	for (std::string fork : {"fork_held", "fork_in0", "fork_in8"})
		EXPECT_EQ(got.number(fork), 0) << fork << got;
	EXPECT_EQ(got.number("fork_held.parent"), 0) << got;
	EXPECT_EQ(got.number("fork_held.value"), 71) << got;
	EXPECT_EQ(got.number("fork_in0.value"), 82) << got;
	EXPECT_EQ(got.number("fork_in8.value"), 82) << got;
}

static void expect_held_by_one(const outcome &got)
{
	expect_what_guards_do(got);
	expect_signals_blocked_while("locked", got);
	expect_signals_blocked_while("begun", got);
	expect_let_go(got);
	expect_dead_holders_are_followed(got);
	for (std::string what : {"overtaken", "while_held"}) {
		EXPECT_EQ(got.number(what), RSEQ_RESTARTED) << got;
		EXPECT_EQ(got.number(what + ".value"), 50) << got;
		EXPECT_EQ(got.number(what + ".lock"), 0) << got;
	}
}

TEST_P(Transaction, GuardsAreHeldByOne)
{
	expect_held_by_one(ran("guards"));
}

TEST_P(Transaction, GuardsAreHeldByOneWithoutRseq)
{
	expect_held_by_one(ran_without_rseq("guards"));
}

using GuardsOfI386 = I386Test;

/* There the word has no room for the holder. */
TEST_F(GuardsOfI386, AreHeldByOne)
{
	expect_held_by_one(run({i386_probe("guards")}));
}

/* By a tracer, in the middle of what it does; then it goes on. */
TEST_P(Transaction, AStoppedHolderKeepsWaitersAsleepAndNobodyElse)
{
	outcome got = ran("stopped");

	if (got.code == 77)
		GTEST_SKIP() << "no thread can be traced";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("stopped"), 1) << got;
	EXPECT_EQ(got.number("sum"), got.number("expected")) << got;
	EXPECT_EQ(got.number("even"), 1) << got;
	EXPECT_GT(got.number("drains"), 10) << got;
	/* Four waited for 400 ms: asleep, not in a loop.  Waking up takes
	   longer on an emulated cpu. */
	EXPECT_GE(got.number("wait_ms"), 1000) << got;
	EXPECT_LT(got.number("cpu_ms"), got.number("wait_ms") *
		  the_machine().slow / 20) << got;
}

/* What a library's constructor decides is asked before it has run. */
TEST_P(Transaction, GuardsExcludeInTheFirstConstructors)
{
	outcome got = ran("early_guard");

	if (got.code == 77)
		GTEST_SKIP() << "needs two cpus";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GT(got.number("committed"), 0) << got;
	/* A fence takes milliseconds on an emulated cpu. */
	EXPECT_GE(got.number("by_hand"), the_machine().virtual_one ? 50 : 20000)
		<< got;
	EXPECT_EQ(got.number("lost"), 0) << got;
	EXPECT_EQ(got.number("errors"), 0) << got;
}

static void expect_outlived(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("held"), 1) << got;
	EXPECT_EQ(got.number("waited"), 1) << got;
	EXPECT_EQ(got.number("lock"), 0) << got;
}

/* Its id stays that of a thread until the process ends. */
TEST_P(Transaction, AGuardOutlivesTheFirstThread)
{
	expect_outlived(ran("main_gone"));
}

TEST_F(GuardsOfI386, OutliveTheFirstThread)
{
	expect_outlived(run({i386_probe("main_gone")}));
}

/* However many cpus there are: up to 256 at a time. */
TEST_P(Transaction, ADrainFencesOnce)
{
	outcome got = ran("drain_fences");

	if (got.code == 77)
		GTEST_SKIP() << "no filter can be installed";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("result"), 0) << got;
	EXPECT_EQ(got.number("drained"), got.number("limit")) << got;
	EXPECT_EQ(got.number("fences"), (got.number("limit") + 255) / 256)
		<< got;
}

/* ---- what a compiler says of wrong functions ---- */

static const struct {
	const char *what, *code;
} misread[] = {
	{"begin", "rseq_begin(&t);"},
	{"lock", "rseq_guard_lock(g, 0, &h);"},
	{"drain", "rseq_guard_drain(g, drain, nullptr);"},
	{"commit", "rseq_commit(&t, &v, 1l);"},
	{"then", "rseq_commit_then(&t, &w, 1l, &v, 1l);"},
	{"block", "rseq_commit_block(&t, &w, &w, 8, &v, 1l);"},
	{"add", "rseq_add(&v, 1l, rseq_this_cpu());"},
	{"undisturbed", "rseq_store_undisturbed(rseq_event(), &v, 1l);"},
	{"counter", "rseq_counter_init(&c, 1);"},
	{"alloc", "rseq_percpu_alloc(8, 8);"},
	{"held", "librseq::held(g, 0);"},
	{"transact", "librseq::transact(g, [&](int) {"
		" return librseq::store(&v, 1l); });"},
	{"store", "librseq::store(&v, 1l);"},
	{"copy", "librseq::copy(&w, &v, 8);"},
	{"third", "(void)librseq::store(&v, 1l).then(&w, 2l).then(&x, 3l);"},
	{"first", "(void)librseq::copy(&w, &v, 8).then(&w, 2l).then(&x, 3l);"},
	{"none", "(void)librseq::transact(g, [](int) { return 1; });"},
};

class Misread : public testing::TestWithParam<std::string> {
protected:
	static outcome compiled(const std::string &compiler,
				const std::string &code)
	{
		const fs::path source = scratch_dir() / "misread.cc";
		std::ofstream(source) << "#include <rseq/rseq.hpp>\n"
			"void drain(unsigned, void *) {}\n"
			"void f(rseq_guard *g, rseq_transaction t, rseq_hold h,"
			" rseq_counter c, long v, long w, long x) {\n"
			"(void)t, (void)h, (void)c, (void)v, (void)w, (void)x,"
			" (void)g;\n" << code << "\n}\n";
		return run(strings{compiler, "-std=c++20", "-Wall", "-Wextra",
			"-Werror", "-c", "-o", "/dev/null"} + rseq_include_flags() +
			strings{source});
	}
};

INSTANTIATE_TEST_SUITE_P(, Misread, testing::Values("g++", "clang++"),
	[](const testing::TestParamInfo<std::string> &info) {
		return identifier(info.param);
	});

TEST_P(Misread, FunctionsDoNotCompileWithoutAWord)
{
	if (!have(GetParam()))
		GTEST_SKIP() << GetParam() << " is not here";
	outcome right = compiled(GetParam(), "");
	ASSERT_TRUE(right.ok()) << right;
	for (const auto &m : misread)
		EXPECT_FALSE(compiled(GetParam(), m.code).ok()) << m.what;
	right = compiled(GetParam(), "(void)librseq::transact(g, [&](int) {"
		" return librseq::store(&v, 1l).then(&w, 2l); });");
	EXPECT_TRUE(right.ok()) << right;
}

/* ---- membarrier refused ---- */

/* Who holds a guard then cannot know that no section is half done. */
TEST_P(Transaction, NobodyHoldsAGuardWhereSectionsCannotBeFenced)
{
	for (int error : {machine_errno(ENOSYS), EPERM, EINVAL}) {
		outcome got = ran("no_fence", {std::to_string(error)});
		if (got.code == 77)
			GTEST_SKIP() << "no filter can be installed";
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("no_futex"), 0) << got;
		EXPECT_EQ(got.number("main.registered"), 1) << got;
		EXPECT_EQ(got.number("main.refused"), 0) << got;
		EXPECT_EQ(got.number("main.held"), 0) << got;
		EXPECT_EQ(got.number("other.registered"), 0) << got;
		EXPECT_EQ(got.number("other.refused"), 1000) << got;
		EXPECT_EQ(got.number("other.begin"),
			  -machine_errno(ENOSYS)) << got;
		for (std::string who : {"main", "other"}) {
			EXPECT_EQ(got.number(who + ".lock"),
				  -machine_errno(ENOSYS)) << got;
			EXPECT_EQ(got.number(who + ".odd"), 0) << got;
			EXPECT_EQ(got.number(who + ".errno"), 123) << got;
		}
		EXPECT_EQ(got.number("sum"), 1000) << got;
	}
}

TEST_P(Transaction, NoFenceIsNeededWithoutRseq)
{
	outcome got = run({build_rseq("no_fence"),
				       std::to_string(machine_errno(ENOSYS))},
			  {{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
			    "TLABI_RSEQ=0"}});

	if (got.code == 77)
		GTEST_SKIP() << "no filter can be installed";
	ASSERT_TRUE(got.ok()) << got;
	for (std::string who : {"main", "other"}) {
		EXPECT_EQ(got.number(who + ".registered"), 0) << got;
		EXPECT_EQ(got.number(who + ".begin"), 0) << got;
		EXPECT_EQ(got.number(who + ".held"), 1000) << got;
		EXPECT_EQ(got.number(who + ".lock"), 0) << got;
	}
	EXPECT_EQ(got.number("sum"), 2000) << got;
}

/* ---- the undisturbed store ---- */

TEST_P(Transaction, TheUndisturbedStoreIsMadeOnlyUndisturbed)
{
	outcome got = ran("finish");

	ASSERT_TRUE(got.ok()) << got;
	for (const char *wrong : {"wrong", "operands", "signalled",
				  "token_left", "token_published", "section",
				  "event_again", "unregistered"})
		EXPECT_EQ(got.number(wrong), 0) << wrong << got;
	EXPECT_LT(got.number("restarted"), 50) << got;
	EXPECT_EQ(got.number("errno"), 123) << got;
	if (got.has("moved")) {
		EXPECT_EQ(got.number("moved"), 0) << got;
	}
}

TEST_P(Transaction, TheUndisturbedStoreSaysThatItCannotWithoutRseq)
{
	outcome got = ran_without_rseq("finish");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("unregistered"), 0) << got;
	EXPECT_FALSE(got.has("wrong")) << got;
}
