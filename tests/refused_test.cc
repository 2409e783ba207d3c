/* SPDX-License-Identifier: MIT */
/* rseq(2) refused by a filter: programs are unharmed and know the reason. */
#include <cerrno>
#include <csignal>

#include <rseq/query.h>

#include "expect.hh"

using namespace harness;

class Refused : public VariantTest {
protected:
	static outcome under_filter(int error, const strings &command)
	{
		fs::path refuse = probe(libcs().front(), pie(), "refuse");
		return run(strings{refuse, std::to_string(error)} + command);
	}
};

INSTANTIATE_TEST_SUITE_P(, Refused, testing::ValuesIn(variants()),
			 variant_name);

static std::vector<int> errors()
{
	return {machine_errno(ENOSYS), EPERM, EINVAL, EBUSY, ENOMEM};
}

TEST_P(Refused, FromTheStartTheAreaSaysSo)
{
	const fs::path program = build("status");

	for (int error : errors()) {
		outcome got = under_filter(error, {program});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("main.cpu_id"), -2) << got;
		EXPECT_EQ(got.number("main.getcpu_wrong"), 0) << got;
		EXPECT_GT(got.number("main.cpus"), 0) << got;
		EXPECT_EQ(got.number("rseq_size"), 0) << got;
		if (!libc().line)
			continue;
		EXPECT_EQ(got.number("main.status"), 1 | error << 16) << got;
	}
}

TEST_P(Refused, FromTheStartThreadsAreUnharmed)
{
	const fs::path program = build("threads");

	for (int error : errors()) {
		outcome got = under_filter(error, {program});
		ASSERT_TRUE(got.ok()) << got;
		for (std::string kind : {"joinable", "detached", "c11"}) {
			EXPECT_EQ(got.number(kind + ".threads"), 24) << got;
			EXPECT_EQ(got.number(kind + ".registered"), 0) << got;
			EXPECT_EQ(got.number(kind + ".getcpu_wrong"), 0)
				<< got;
			if (!libc().line)
				continue;
			for (const char *of : {".status", ".status_max"})
				EXPECT_EQ(got.number(kind + of),
					  1 | error << 16) << got;
		}
	}
}

TEST_P(Refused, FromTheStartCountersAreExactAndTheReasonIsKnown)
{
	const fs::path program = build_rseq("counter");

	for (int error : errors()) {
		outcome got = under_filter(error, {program});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("differ"), 0) << got;
		EXPECT_EQ(got.number("sections"), 0) << got;
		EXPECT_GT(got.number("slow"), 0) << got;
		EXPECT_EQ(got.number("info.mode"), RSEQ_MODE_OFF) << got;
		EXPECT_EQ(got.number("info.length"), 0) << got;
		EXPECT_EQ(got.number("info.feature_size"), 0) << got;
		/* Stock glibc keeps no record; EINVAL is ambiguous there. */
		if (!libc().line && error == EINVAL) {
			EXPECT_EQ(got.number("info.reason"), RSEQ_OFF_UNKNOWN)
				<< got;
			continue;
		}
		EXPECT_EQ(got.number("info.reason"), RSEQ_OFF_REFUSED) << got;
		EXPECT_EQ(got.number("info.error"), error) << got;
	}
}

/* Asking is a system call on aarch64; a thread that moves asks again. */
TEST_P(Refused, FromTheStartAFallbackAsksForItsCpuOnceInAWhile)
{
	const outcome got = under_filter(EPERM, {build_rseq("asks", {
		"-Wl,--wrap=sched_getcpu"})});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("sum"), got.number("adds")) << got;
	for (const char *asked : {"asked", "ring.asked", "cache.asked"})
		EXPECT_EQ(got.number(asked) * 64, got.number("adds")) << got;
	for (const char *row : {"row0", "row1", "records0", "records1"})
		EXPECT_EQ(got.number(row) * 2, got.number("adds")) << got;
}

/* Stock glibc aborts the process: only those with the line can pass. */
class RefusedLater : public VariantTest {
protected:
	void expect_unregistered(const outcome &got, const std::string &who,
				 int error);
};

INSTANTIATE_TEST_SUITE_P(, RefusedLater, testing::ValuesIn(patched_variants()),
			 variant_name);

void RefusedLater::expect_unregistered(const outcome &got,
				       const std::string &who, int error)
{
	SCOPED_TRACE(who);
	EXPECT_EQ(got.number(who + ".threads"), 128) << got;
	EXPECT_EQ(got.number(who + ".registered"), 0) << got;
	EXPECT_EQ(got.number(who + ".getcpu_wrong"), 0) << got;
	EXPECT_EQ(got.number(who + ".status"), 1 | error << 16) << got;
	EXPECT_EQ(got.number(who + ".status_max"), 1 | error << 16) << got;
}

TEST_P(RefusedLater, TheProgramGoesOnAndCountsExactly)
{
	const fs::path program = build_rseq("late");

	for (int error : errors()) {
		outcome got = run({program, std::to_string(error)});
		ASSERT_TRUE(got.ok()) << got;
		expect_unregistered(got, "late", error);
		expect_unregistered(got, "late_detached", error);
		EXPECT_EQ(got.number("late_info.reason"), RSEQ_OFF_REFUSED)
			<< got;
		EXPECT_EQ(got.number("late_info.error"), error) << got;
		EXPECT_EQ(got.number("late_info.length"), 0) << got;
		/* Those registered before stay so. */
		for (std::string who : {"early", "itself"}) {
			EXPECT_EQ(got.number(who + ".registered"), 128) << got;
			EXPECT_EQ(got.number(who + ".wrong"), 0) << got;
		}
		EXPECT_EQ(got.number("after.wrong"), 0) << got;
		EXPECT_EQ(got.number("main_info.reason"), restarts_sections() ?
			  RSEQ_ON : RSEQ_ON_NO_SECTIONS) << got;
		EXPECT_EQ(got.number("sum"), got.number("expected")) << got;
	}
}

/*
 * What that costs programs that were written for stock glibc, which ends the
 * process instead: they take __rseq_size for all threads, and their loop does
 * not end in one that was refused.
 */
TEST_P(RefusedLater, TheLoopOfAProgramForStockGlibcSpins)
{
	if (the_machine().isa != "x86_64")
		GTEST_SKIP() << "the program has a section for x86-64";
	const outcome got = run({build("stock_program"),
				 std::to_string(EPERM)});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GE(got.number("size"), 20) << got;
	EXPECT_GT(got.number("attempts"), 0) << got;
	EXPECT_EQ(got.number("after"), got.number("attempts")) << got;
	/* Threads that are registered are not affected. */
	EXPECT_LT(got.number("before"), 1000) << got;
	EXPECT_LT(got.number("itself"), 1000) << got;
}

/* Now and then: each thread says what became of it, and no other's reason. */
TEST_P(RefusedLater, EachThirdThreadIsAloneWithIt)
{
	const fs::path future = probe(libcs().front(), pie(), "future");
	const fs::path program = build("threads");

	for (int error : errors()) {
		/* The probe asks by registering, and takes EINVAL for "another
		 * area"; what it then tries would register the thread. */
		if (error == EINVAL)
			continue;
		const outcome got = run(
			{future, "28", "32", "28", program},
			{{"REFUSE_EVERY=3",
			  "REFUSE_WITH=" + std::to_string(error)}});
		if (got.code == 77)
			GTEST_SKIP() << got.err;
		SCOPED_TRACE(error);
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("refused"), *got.number("calls") / 3)
			<< got;
		EXPECT_GT(got.number("refused"), 20) << got;
		for (std::string kind : {"joinable", "detached", "c11"}) {
			EXPECT_EQ(got.number(kind + ".threads"), 24) << got;
			/* Not exactly a third: the probe asks, too. */
			EXPECT_GT(got.number(kind + ".registered"), 8) << got;
			EXPECT_LT(got.number(kind + ".registered"), 24) << got;
			EXPECT_EQ(got.number(kind + ".getcpu_wrong"), 0)
				<< got;
			EXPECT_EQ(got.number(kind + ".status"), 1 | 32 << 8)
				<< got;
			EXPECT_EQ(got.number(kind + ".status_max"),
				  1 | error << 16) << got;
		}
	}
}

/* ---- a filter that kills ---- */

/* Where rseq is made to be called; the way out is not to call it at all. */
class Killed : public VariantTest {
protected:
	outcome under_filter(const std::string &what, bool off)
	{
		const std::string how = libc().family == family::musl ?
			"TLABI_RSEQ=0" : "GLIBC_TUNABLES=glibc.pthread.rseq=0";
		options with;

		if (off)
			with.env = {how};
		return run({build_rseq("killed"), what}, with);
	}

	void expect_killed(const std::string &what)
	{
		const outcome got = under_filter(what, false);

		EXPECT_EQ(got.signal, SIGSYS) << got;
		EXPECT_FALSE(got.has("alive")) << got;
	}

	void expect_alive(const std::string &what, bool off)
	{
		const outcome got = under_filter(what, off);

		EXPECT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("alive"), 1) << got;
	}
};

INSTANTIATE_TEST_SUITE_P(, Killed, testing::ValuesIn(variants()),
			 variant_name);

TEST_P(Killed, WhenAThreadIsMadeUnlessTurnedOff)
{
	expect_killed("joinable");
	expect_alive("joinable", true);
}

/* Only musl unmaps the stack, and the area with it, in the thread itself. */
TEST_P(Killed, WhenADetachedThreadEndsOnMuslUnlessTurnedOff)
{
	if (libc().family == family::musl)
		expect_killed("detached");
	else
		expect_alive("detached", false);
	expect_alive("detached", true);
}

/* It asks whether the area is this thread's own. */
TEST_P(Killed, ByRseqQueryUnlessTurnedOff)
{
	expect_killed("query");
	expect_alive("query", true);
}
