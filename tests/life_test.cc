/* SPDX-License-Identifier: MIT */
/*
 * How threads and processes begin, fail to and end, other than in order: those
 * that live on are registered as before, and so is the next one that is made.
 */
#include <cerrno>
#include <csignal>

#include "expect.hh"

using namespace harness;

class Life : public VariantTest {
protected:
	outcome live(const std::string &what) const
	{
		return run({build("life"), what});
	}

	/* Somebody in it lives on. */
	void expect_unharmed(const outcome &got) const
	{
		ASSERT_TRUE(got.ok()) << got;
		expect_live(got, libc(), "main");
		expect_live(got, libc(), "thread");
	}
};

INSTANTIATE_TEST_SUITE_P(, Life, testing::ValuesIn(variants()), variant_name);

TEST_P(Life, ThreadsMayReturnExitAndBeCancelled)
{
	const outcome got = live("ends");

	expect_unharmed(got);
	EXPECT_EQ(got.number("made"), 128) << got;
}

TEST_P(Life, AProcessMayEndInAnyThread)
{
	const outcome left = live("exit"), aborted = live("abort");

	EXPECT_EQ(left.code, 3) << left;
	EXPECT_EQ(aborted.signal, SIGABRT) << aborted;
}

TEST_P(Life, AThreadThatCannotBeMadeLeavesNothing)
{
	const outcome got = live("no_memory");

	expect_unharmed(got);
	EXPECT_EQ(got.number("made"), 0) << got;
	EXPECT_EQ(got.number("error"), EAGAIN) << got;

	/* In a process that cannot map, or not change what is mapped. */
	const outcome no_mmap = live("no_mmap"), fixed = live("no_mprotect");
	ASSERT_TRUE(no_mmap.ok()) << no_mmap;
	EXPECT_EQ(no_mmap.number("error"), EAGAIN) << no_mmap;
	expect_live(no_mmap, libc(), "main");
	ASSERT_TRUE(fixed.ok()) << fixed;
	EXPECT_TRUE(fixed.has("error")) << fixed;	/* libcs differ */
	expect_live(fixed, libc(), "main");
}

TEST_P(Life, HandlersMayBeLeft)
{
	expect_unharmed(live("handlers"));
}

TEST_P(Life, ChildrenOfHandlersAndOfCloneAreRegistered)
{
	for (const char *what : {"fork", "clone"}) {
		SCOPED_TRACE(what);
		const outcome got = live(what);
		expect_unharmed(got);
		EXPECT_EQ(got.number("child.exit"), 0) << got;
		expect_live(got, libc(), "child");
	}
}

/* They run the libc's code with the thread pointer of their parent. */
TEST_P(Life, ChildrenThatShareTheThreadPointerHarmNothing)
{
	const outcome got = live("clone_vm");

	expect_unharmed(got);
	EXPECT_EQ(got.number("ended"), 96) << got;
	EXPECT_EQ(got.number("known"), 96) << got;
}

TEST_P(Life, TheFirstThreadMayEndFirst)
{
	expect_unharmed(live("leader"));
}

/* It ends without unregistering, and nothing is unmapped under it. */
TEST_P(Life, AStrictSandboxReadsItsCpu)
{
	const outcome got = live("strict");

	expect_unharmed(got);
	EXPECT_EQ(got.number("reads"), 1000000) << got;
}

TEST_P(Life, AThreadMayBeSteppedFromItsFirstInstruction)
{
	const outcome got = live("stepped");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("made"), 1) << got;
	EXPECT_GT(got.number("steps"), 1000) << got;
	EXPECT_EQ(got.number("child.exit"), 0) << got;
	expect_live(got, libc(), "main");
}

/* An auditor's libc is there before the program's, and beside it. */
TEST_P(Life, AnAuditorsLibcReadsTheSameLine)
{
	if (!libc().line || libc().family != family::glibc || !mode().dynamic)
		GTEST_SKIP() << "for a dynamic glibc with the line";
	const fs::path auditor = probe_library(libc(), "audit", "audit.so");
	const outcome got = run({build("start")},
				{{"LD_AUDIT=" + auditor.string()}});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GT(got.number("audit.asked"), 3) << got;
	EXPECT_EQ(got.number("audit.wrong"), 0) << got;
	EXPECT_EQ(got.number("audit.size"), got.number("rseq_size")) << got;
	for (const char *where : {"constructor", "main", "destructor"})
		expect_live(got, libc(), where);
}

TEST_P(Life, ASecondLibcReadsTheSameLine)
{
	if (!libc().line || libc().family != family::glibc || !mode().dynamic)
		GTEST_SKIP() << "for a dynamic glibc with the line";
	const outcome got = live("second_libc");

	expect_unharmed(got);
	EXPECT_GT(got.number("asked"), 0) << got;
	EXPECT_EQ(got.number("disagree"), 0) << got;
	EXPECT_EQ(got.number("inner_size"), got.number("outer_size")) << got;
	EXPECT_EQ(got.number("inner_offset"), 0x80) << got;
}
