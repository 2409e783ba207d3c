/* SPDX-License-Identifier: MIT */
/* rseq-info, the program, says what rseq_query() does and why. */
#include <cerrno>
#include <cstring>
#include <fstream>
#include <fstream>

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
	for (const char *text : {"owner ", "the libc's ", "offset ",
				 "registered ", "mode ", "feature size ", "state ", "cpu ", "node ",
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
	EXPECT_TRUE(says(got, "\"sections\": false")) << got;
}

/* Both say that a thread is registered on a kernel that restarts nothing. */
TEST_F(Info, JsonAndTextAgree)
{
	const std::string source = content(source_dir() /
					   "librseq/rseq-info.cc");
	const fs::path out = scratch_dir() / "info-no-sections";
	/* The kernel here does restart them: a stand-in for the library. */
	std::ofstream(out.string() + ".cc")
		<< "#include <rseq/rseq.h>\n"
		   "int fake(rseq_info *i, size_t size)\n{\n"
		   "\tint err = rseq_query(i, size);\n"
		   "\ti->reason = RSEQ_ON_NO_SECTIONS;\n\treturn err;\n}\n"
		   "#define rseq_query fake\n"
		<< source;
	const outcome built = compile(strings{cxx(), "-std=c++20",
		"-DPACKAGE_VERSION=\"0\"", "-I",
		source_dir() / "librseq"} + rseq_include_flags() + strings{
		out.string() + ".cc",
		source_dir() / "librseq/rseq-info-stats.cc",
		librseq(libcs().front(), {})}, out);
	ASSERT_TRUE(built.ok()) << built;
	outcome got = run({out});
	EXPECT_TRUE(says(got, "registered, but this kernel does not restart "
			      "sections")) << got;
	got = run({out, "--json"});
	EXPECT_TRUE(says(got, "\"registered\": true")) << got;
	EXPECT_TRUE(says(got, "\"sections\": false")) << got;
}

TEST_F(Info, RefusesUnknownArguments)
{
	outcome got = run({program, "--bogus"});

	EXPECT_EQ(got.code, 2) << got;
	EXPECT_NE(got.err.find("'--bogus'"), std::string::npos) << got;
	EXPECT_EQ(got.out, "") << got;
	for (const strings &wrong : {strings{"--json", "extra"},
				     strings{"--stats"}, strings{"-j"},
				     strings{"--json=1"}}) {
		got = run(strings{program} + wrong);
		EXPECT_EQ(got.code, 2) << got;
		EXPECT_TRUE(has(got.err, "Usage: ")) << got;
		EXPECT_EQ(got.out, "") << got;
	}
	EXPECT_TRUE(run({program, "--help"}).ok());
	EXPECT_TRUE(run({program, "--version"}).ok());
	EXPECT_FALSE(run({"sh", "-c", "exec \"$0\" > /dev/full", program}).ok())
		<< "an output that cannot be written";
}

/* ---- the transactions of a program ---- */

class Stats : public VariantTest {
protected:
	const fs::path info = build_dir() / "rseq-info";
};

INSTANTIATE_TEST_SUITE_P(, Stats,
			 testing::ValuesIn(variants({"no_pie", "static"})),
			 variant_name);

TEST_P(Stats, CountEachThreadsTransactions)
{
	outcome got = run({build_rseq("stats")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("before"), 0) << got;
	EXPECT_EQ(got.number("errno"), 0) << got;
	EXPECT_EQ(got.number("counted"), 2) << got;
	EXPECT_EQ(got.number("asked_for_one"), 2) << got;
	EXPECT_EQ(got.number("same"), 1) << got;
	EXPECT_EQ(got.number("read_first_commits"), 100) << got;
	EXPECT_EQ(got.number("second_commits"), 200) << got;
	EXPECT_EQ(got.number("second_locks"), 1) << got;
	/* Each attempt that failed, for its own reason or by a preemption. */
	EXPECT_GE(got.number("second_conflicts") +
		  got.number("second_aborts"), got.number("attempts")) << got;
	EXPECT_GT(got.number("second_conflicts"), 0) << got;
	EXPECT_EQ(got.number("second_thread"), got.number("second_id")) << got;
	for (const char *what : {"thread", "commits", "conflicts", "aborts",
				 "locks"})
		EXPECT_EQ(got.number(std::string("second_") + what),
			  got.number(std::string("read_second_") + what)) << got;
}

TEST_P(Stats, CountTheSameWhereNoSectionRuns)
{
	outcome got = run({build_rseq("stats")},
			  {{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
			    "TLABI_RSEQ=0"}});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("registered"), 0) << got;
	EXPECT_EQ(got.number("read_first_commits"), 100) << got;
	EXPECT_EQ(got.number("read_first_locks"), 0) << got;
	EXPECT_EQ(got.number("second_locks"), 1) << got;
	EXPECT_GE(got.number("second_conflicts"), got.number("attempts"))
		<< got;
}

TEST_P(Stats, AreShownByRseqInfo)
{
	outcome got = run({info, "--stats", build_rseq("stats")});

	ASSERT_TRUE(got.ok()) << got;
	const std::string first = got.text("read_first_thread");
	const std::string second = got.text("read_second_thread");
	EXPECT_EQ(all_matches(got.out, "\n(\\d+ +\\d+) ").size(), 2u) << got;
	EXPECT_EQ(all_matches(got.out, "\n" + first + " +(\\d+) "),
		  std::set<std::string>{"100"}) << got;
	EXPECT_EQ(all_matches(got.out, "\n" + second + " +(\\d+) "),
		  std::set<std::string>{"200"}) << got;
	EXPECT_EQ(all_matches(got.out, "\nall +(\\d+) "),
		  std::set<std::string>{"300"}) << got;

	for (const strings &order : {strings{"--json", "--stats"},
				     strings{"--stats", "--json"}}) {
		got = run(strings{info} + order + strings{build_rseq("stats")});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(all_matches(got.out, "\"commits\": (\\d+),"),
			  (std::set<std::string>{"100", "200"})) << got;
	}
}

/* A number that is inherited may be any file by the time it is used. */
class StatsFile : public Stats {
protected:
	void SetUp() override
	{
		Stats::SetUp();
		if (IsSkipped())
			return;
		program = build_rseq("stats");
		file = scratch_dir() / ("database." + libc().name + "." +
					mode().name);
		std::ofstream(file) << std::string(65536, 'x');
	}
	/* The program ran and counted, and the file is as it was. */
	void expect_left_alone(const std::string &script)
	{
		outcome got = sh("file='" + file.string() + "' program='" +
				 program.string() + "' info='" +
				 info.string() + "'; " + script);
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("read_first_commits"), 100) << got;
		EXPECT_EQ(content(file), std::string(65536, 'x')) << script;
	}
	fs::path program, file;
};

INSTANTIATE_TEST_SUITE_P(, StatsFile,
			 testing::ValuesIn(variants({"no_pie"})),
			 variant_name);

TEST_P(StatsFile, IsLeftAloneIfItIsNotTheTable)
{
	for (const char *value : {"7", "7:", "7:$inode", ":$inode", "x",
				  "7x:$inode", "-1:$inode", "7:$inode ",
				  "99999999999999999999:1"})
		expect_left_alone(std::string("inode=$(stat -c %i \"$file\");"
			"RSEQ_STATS_FD=\"") + value +
			"\" \"$program\" 7<>\"$file\" <>\"$file\" 0<&0");
}

TEST_P(StatsFile, IsLeftAloneUnderTheTablesNumber)
{
	expect_left_alone("\"$info\" --stats \"$program\" \"$file\"");
}

TEST_P(StatsFile, MayBeTooShort)
{
	outcome got = sh("printf x > '" + file.string() + "'; RSEQ_STATS_FD="
			 "7:$(stat -c %i '" + file.string() + "') '" +
			 program.string() + "' 7<>'" + file.string() + "'");
	EXPECT_TRUE(got.ok()) << got;
	EXPECT_EQ(content(file), "x");
}

TEST_F(Info, PassesTheProgramsStatusOn)
{
	outcome got = run({program, "--stats", "sh", "-c", "exit 3"});
	EXPECT_EQ(got.code, 3) << got;
	EXPECT_NE(got.err.find("-DRSEQ_STATS"), std::string::npos) << got;
	EXPECT_EQ(run({program, "--stats", "sh", "-c", "kill -9 $$"}).code, 137);
	EXPECT_EQ(run({program, "--stats", "./nonsuch"}).code, 127);
	EXPECT_EQ(run({program, "--stats"}).code, 2);
}
