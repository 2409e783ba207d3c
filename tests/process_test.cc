/* SPDX-License-Identifier: MIT */
/* The area across fork, vfork, posix_spawn and exec. */
#include "expect.hh"

using namespace harness;

class Process : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Process, testing::ValuesIn(variants()),
			 variant_name);

TEST_P(Process, ForkedChildrenAndTheirThreadsAreRegistered)
{
	outcome got = run({build("fork")});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *who : {"child", "child_thread", "grandchild",
				"child_of_thread", "after_fork", "prepare",
				"parent", "atfork_child", "hooked", "end"})
		expect_live(got, libc(), who);
	for (const char *who : {"child", "grandchild", "child_of_thread",
				"hooked"})
		EXPECT_EQ(got.number(who + std::string(".exit")), 0) << got;
}

TEST_P(Process, TheLineSurvivesVforkAndSpawn)
{
	outcome got = run({build("fork")});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *who : {"spawned", "after_vfork", "after_spawn"})
		expect_live(got, libc(), who);
	for (const char *who : {"vfork.exit", "spawn.exit"})
		EXPECT_EQ(got.number(who), 0) << got;
	EXPECT_NE(got.number("spawn_failed"), 0) << got;
}

TEST_P(Process, ExecAndAFailedExecLeaveItRegistered)
{
	outcome got = run({build("exec")});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *who : {"main", "failed", "by_main",
				"failed_in_thread", "by_thread"})
		expect_live(got, libc(), who);
}
