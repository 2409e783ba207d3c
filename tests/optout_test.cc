/* SPDX-License-Identifier: MIT */
/* Each libc's way to turn rseq off, and that it is not heeded by programs
 * that run with more rights than their caller. */
#include <unistd.h>

#include <rseq/query.h>

#include "expect.hh"

using namespace harness;

class OptOut : public VariantTest {
protected:
	std::string switch_off() const
	{
		return libc().family == family::musl ?
			"TLABI_RSEQ=0" : "GLIBC_TUNABLES=glibc.pthread.rseq=0";
	}
	std::string leave_on() const
	{
		return libc().family == family::musl ?
			"TLABI_RSEQ=1" : "GLIBC_TUNABLES=glibc.pthread.rseq=1";
	}
};

INSTANTIATE_TEST_SUITE_P(, OptOut, testing::ValuesIn(variants()),
			 variant_name);

TEST_P(OptOut, LeavesTheAreaUnregistered)
{
	outcome got = run({build("status")}, {{switch_off()}});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("main.cpu_id"), -2) << got;
	EXPECT_EQ(got.number("main.length"), 0) << got;
	EXPECT_EQ(got.number("main.getcpu_wrong"), 0) << got;
	EXPECT_EQ(got.number("rseq_size"), 0) << got;
	EXPECT_EQ(got.number("main.status"), libc().line ? 1 : 0) << got;
}

TEST_P(OptOut, WithAnotherValueChangesNothing)
{
	outcome got = run({build("status")}, {{leave_on()}});

	ASSERT_TRUE(got.ok()) << got;
	expect_live(got, libc(), "main");
	EXPECT_GT(got.number("rseq_size"), 0) << got;
}

TEST_P(OptOut, HoldsForThreads)
{
	outcome got = run({build("threads")}, {{switch_off()}});

	ASSERT_TRUE(got.ok()) << got;
	for (std::string kind : {"joinable", "detached", "c11"}) {
		EXPECT_EQ(got.number(kind + ".threads"), 24) << got;
		EXPECT_EQ(got.number(kind + ".registered"), 0) << got;
		EXPECT_EQ(got.number(kind + ".length_max"), 0) << got;
		EXPECT_EQ(got.number(kind + ".getcpu_wrong"), 0) << got;
		EXPECT_EQ(got.number(kind + ".status_max"),
			  libc().line ? 1 : 0) << got;
	}
}

TEST_P(OptOut, IsKnownAsSuchAndCountersAreExact)
{
	outcome got = run({build_rseq("counter")}, {{switch_off()}});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("differ"), 0) << got;
	EXPECT_EQ(got.number("info.reason"), RSEQ_OFF_DISABLED) << got;
	EXPECT_EQ(got.number("info.error"), 0) << got;
	EXPECT_EQ(got.number("info.feature_size"), 0) << got;
}

/* On musl a detached thread has to unregister its own: see rseq(7). */
TEST_P(OptOut, LetsAProgramBringAnAreaOfItsOwn)
{
	const fs::path program = build("own_area");
	std::vector<strings> commands = {{program}};

	if (libc().family == family::glibc)
		commands.push_back({program, "registered"});
	for (const strings &command : commands) {
		const outcome got = run(command, {{switch_off()}});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("registered"), 129) << got;
		EXPECT_EQ(got.number("refused"), 0) << got;
		EXPECT_EQ(got.number("wrong"), 0) << got;
		EXPECT_EQ(got.number("libc_wrong"), 0) << got;
		EXPECT_EQ(got.number("inherited"), 1) << got;
		EXPECT_EQ(got.number("line_cpu_id"), -2) << got;
	}
}

TEST_P(OptOut, NotTakenLeavesAnAreaOfItsOwnRefused)
{
	const outcome got = run({build("own_area")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("registered"), 0) << got;
	EXPECT_EQ(got.number("refused"), 129) << got;
	EXPECT_EQ(got.number("libc_wrong"), 0) << got;
	EXPECT_GE(got.number("line_cpu_id"), 0) << got;
}

/* A directory that anybody may enter, for a program that gives rights. */
struct open_directory {
	fs::path path;
	open_directory()
	{
		char name[] = "/tmp/rseq-test-XXXXXX";
		path = mkdtemp(name);
		fs::permissions(path, fs::perms(0755));
	}
	~open_directory() { fs::remove_all(path); }
};

TEST_P(OptOut, IsIgnoredInSecureExecution)
{
	if (getuid() != 0 || !have("setpriv"))
		GTEST_SKIP() << "needs root and setpriv";
	open_directory dir;
	const fs::path program = dir.path / "status";
	fs::copy_file(build("status"), program);
	fs::permissions(program, fs::perms(04755));
	outcome got = run({"setpriv", "--reuid=65534", "--regid=65534",
			   "--clear-groups", program}, {{switch_off()}});

	if (got.ok() && got.number("secure") == 0)
		GTEST_SKIP() << "set-user-ID has no effect here";
	/* A dynamic linker that another user cannot reach. */
	if (got.err.find("failed to execute") != std::string::npos)
		GTEST_SKIP() << "the sysroot is not readable by others";
	ASSERT_TRUE(got.ok()) << got;
	expect_live(got, libc(), "main");
	EXPECT_GT(got.number("rseq_size"), 0) << got;
}
