/* SPDX-License-Identifier: MIT */
/* Sanitizers have nothing to say of programs that use the operations well. */
#include <unistd.h>

#include "harness.hh"

using namespace harness;

struct build {
	std::string name, compiler, sanitizer;
};

static std::ostream &operator<<(std::ostream &to, const build &b)
{
	return to << b.name;
}

static std::vector<build> builds()
{
	const std::string c = clang().empty() ? "clang" : clang();
	std::vector<build> all;

	for (std::string sanitizer : {"address", "undefined", "thread"}) {
		all.push_back({"gcc_" + sanitizer, cc(), sanitizer});
		all.push_back({"clang_" + sanitizer, c, sanitizer});
	}
	return all;
}

class Sanitizer : public testing::TestWithParam<build> {
protected:
	void SetUp() override
	{
		if (!have(GetParam().compiler))
			GTEST_SKIP() << GetParam().compiler << " is not here";
	}
	fs::path built(const std::string &name, const strings &flags = {}) const
	{
		const build &b = GetParam();
		const fs::path out = scratch_dir() / "sanitizers" / b.name /
			name;
		outcome compiled = compile(strings{b.compiler,
			"-fsanitize=" + b.sanitizer,
			"-fno-sanitize-recover=all", "-std=gnu11", "-g", "-O1",
			"-Wall", "-Wextra", "-Werror", "-pthread"} + flags +
			rseq_include_flags() +
			strings{probes_dir() / (name + ".c"),
				librseq(libcs().front(), {"-fPIC"})}, out);

		EXPECT_TRUE(compiled.ok()) << compiled;
		return out;
	}
};

INSTANTIATE_TEST_SUITE_P(, Sanitizer, testing::ValuesIn(builds()),
			 [](const testing::TestParamInfo<build> &info) {
				 return info.param.name;
			 });

TEST_P(Sanitizer, FindsNothingInAnyOperation)
{
	outcome got = run({built("ops", {"-DALIASED"})});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(got.err, "") << got;
}

/* ThreadSanitizer sees nothing of a section, and must be told of each. */
TEST_P(Sanitizer, FindsNothingInThreadsThatShareThroughSections)
{
	const fs::path probe = built("aborts");

	for (const char *kind : {"add", "list", "list_all", "this_cpu_list",
				 "this_cpu_list_all", "stack", "batch",
				 "exchange"}) {
		outcome got = run({probe, kind, "300", "30"});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.err, "") << got;
		for (const char *bad : {"lost", "wrong", "lost_nodes",
					"lost_items", "lost_tokens"})
			EXPECT_EQ(got.number(bad), 0) << got;
	}
}

/* A reader that holds no guard: the last store of a commit is a release. */
TEST_P(Sanitizer, FindsNothingInWhatACommitPublishes)
{
	outcome got = run({built("publish")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.err, "") << got;
	EXPECT_EQ(got.number("read"), 3) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
}

TEST_P(Sanitizer, FindsNothingInTransactions)
{
	const fs::path probe = built("transact_stress");

	for (const char *kind : {"guard", "pair", "lock", "mixed", "drain",
				 "event"}) {
		outcome got = run({probe, kind, "300", "30"});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.err, "") << got;
		for (const char *bad : {"lost", "lost_others", "lost_nodes",
					"wrong", "bad_children"})
			EXPECT_EQ(got.number(bad), 0) << got;
	}
}

/* ---- mistakes ---- */

/* Each is found, and by its name. */
TEST_P(Sanitizer, FindsMistakesThroughSections)
{
	const std::string &sanitizer = GetParam().sanitizer;
	const fs::path probe = built("sanitized");
	strings mistakes;
	std::string name;

	if (sanitizer == "address") {
		mistakes = {"freed", "freed_block", "beyond"};
		name = "ERROR: AddressSanitizer: heap-";
	} else if (sanitizer == "thread") {
		if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
			mistakes = {"other_cpu", "different"};
		name = "WARNING: ThreadSanitizer: data race";
	}
	for (const std::string &kind : mistakes) {
		outcome got = run({probe, kind});
		EXPECT_NE(got.code, 0) << got;
		EXPECT_TRUE(has(got.err, name)) << got;
	}
	for (const char *kind : {"right_results", "right_transaction"}) {
		outcome got = run({probe, kind});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.err, "") << got;
	}
}

/* What a section has stored is initialized. */
TEST(MemorySanitizer, FindsNothingInResults)
{
	if (!have(clang_or_none()))
		GTEST_SKIP() << "clang is not here";
	const fs::path out = scratch_dir() / "sanitizers/clang_memory";
	outcome compiled = compile(strings{clang(), "-fsanitize=memory",
		"-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror",
		"-pthread"} + rseq_include_flags() + strings{
		probes_dir() / "sanitized.c",
		librseq(libcs().front(), {"-fPIC"})}, out);
	ASSERT_TRUE(compiled.ok()) << compiled;
	outcome got = run({out, "right_results"});
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.err, "") << got;
}
