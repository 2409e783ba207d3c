/* SPDX-License-Identifier: MIT */
/* rseq-info, the program, says what rseq_query() does and why. */
#include <cerrno>
#include <cstring>

#include "harness.hh"

using namespace harness;

class Info : public testing::Test {
protected:
	void SetUp() override
	{
		program = build_dir() / "rseq-info";
		if (!fs::exists(program))
			GTEST_SKIP() << "rseq-info is not built";
	}
	static bool says(const outcome &got, const std::string &text)
	{
		return got.out.find(text) != std::string::npos;
	}
	fs::path program;
};

TEST_F(Info, PrintsTheStateForPeople)
{
	outcome got = run({program});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *text : {"owner ", "offset ", "registered ",
				 "feature size ", "state ", "cpu ", "node ",
				 "mm_cid ", "event "})
		EXPECT_TRUE(says(got, text)) << text << got;
	EXPECT_EQ(got.err, "");
}

TEST_F(Info, PrintsValidJson)
{
	outcome got = run({program, "--json"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_TRUE(says(got, "\"registered\": true")) << got;
	if (!have("python3"))
		GTEST_SKIP() << "python3 would check the syntax";
	outcome checked = run({"sh", "-c", "\"$0\" --json | "
			       "python3 -m json.tool", program});
	EXPECT_TRUE(checked.ok()) << checked << got;
}

TEST_F(Info, NamesTheReasonWhenOff)
{
	outcome got = run({program}, {{"GLIBC_TUNABLES=glibc.pthread.rseq=0"}});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_TRUE(says(got, "turned off by the environment")) << got;
	fs::path refuse = probe(libcs().front(), pie(), "refuse");
	got = run({refuse, std::to_string(EPERM), program});
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_TRUE(says(got, strerror(EPERM))) << got;
	got = run({refuse, std::to_string(EPERM), program, "--json"});
	EXPECT_TRUE(says(got, "\"registered\": false")) << got;
	EXPECT_TRUE(says(got, "\"errno\": 1")) << got;
}

TEST_F(Info, RefusesUnknownArguments)
{
	outcome got = run({program, "--bogus"});

	EXPECT_EQ(got.code, 2) << got;
	EXPECT_NE(got.err.find("'--bogus'"), std::string::npos) << got;
	EXPECT_EQ(got.out, "") << got;
	EXPECT_TRUE(run({program, "--help"}).ok());
	EXPECT_TRUE(run({program, "--version"}).ok());
	EXPECT_FALSE(run({"sh", "-c", "exec \"$0\" > /dev/full", program}).ok())
		<< "an output that cannot be written";
}
