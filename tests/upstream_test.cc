/* SPDX-License-Identifier: MIT */
/*
 * What <rseq/upstream.h> is for: a program for the other librseq compiles
 * unchanged, runs and is right; what that library accepts by mistake is not
 * accepted.
 */
#include <fstream>

#include "harness.hh"

using namespace harness;

class Upstream : public VariantTest {
protected:
	void expect_right(const strings &arguments) const
	{
		const outcome got = run(strings{
			build_rseq("upstream_program")} + arguments);

		ASSERT_TRUE(got.ok()) << got;
		for (const char *key : {"spinlock", "inc", "list", "buffer",
					"memcpy", "torn"})
			EXPECT_EQ(got.number(key), 0) << key << got;
		EXPECT_EQ(got.number("deref"), 42) << got;
		for (const char *key : {"cpu", "raw", "node"})
			EXPECT_EQ(got.number(key), 1) << key << got;
	}
};

INSTANTIATE_TEST_SUITE_P(, Upstream,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

TEST_P(Upstream, ProgramRunsByCpu)
{
	expect_right({});
}

TEST_P(Upstream, ProgramRunsByConcurrencyId)
{
	if (kernel_feature_size() < 28)
		GTEST_SKIP() << "this kernel has no mm_cid";
	expect_right({"cid"});
}

/* ---- what compiles ---- */

static outcome compiles(const std::string &name, const strings &compiler,
			const std::string &call)
{
	const fs::path source = scratch_dir() / "upstream" / name;

	fs::create_directories(source.parent_path());
	std::ofstream(source) << "#include <rseq/upstream.h>\n"
		"int f(intptr_t *v, intptr_t n, int cpu);\n"
		"int f(intptr_t *v, intptr_t n, int cpu) { return " << call <<
		"; }\n";
	return run(compiler + strings{"-Wall", "-Wextra", "-Werror",
				      "-fsyntax-only", source.string()} +
		   rseq_include_flags());
}

TEST(UpstreamCalls, ThatHaveNoOperationDoNotCompile)
{
	const std::string relaxed =
		"rseq_load_cbne_store__ptr(RSEQ_MO_RELAXED, "
		"RSEQ_PERCPU_CPU_ID, v, 0, n, cpu)";

	for (const strings &compiler : {strings{cc()}, strings{cxx()},
					strings{clang_or_none()}}) {
		const bool cplusplus = compiler == strings{cxx()};
		const std::string name = cplusplus ? "call.cc" : "call.c";
		if (!have(compiler[0]))
			continue;
		outcome got = compiles(name, compiler, relaxed);
		EXPECT_TRUE(got.ok()) << got;

		std::string wrong = relaxed;
		wrong.replace(wrong.find("RELAXED"), 7, "RELEASE");
		got = compiles(name, compiler, wrong);
		EXPECT_FALSE(got.ok()) << got;

		wrong = relaxed;
		wrong.replace(wrong.find("RSEQ_PERCPU_CPU_ID"), 18,
			      "(enum rseq_percpu_mode)2");
		got = compiles(name, compiler, wrong);
		EXPECT_FALSE(got.ok()) << got;
	}
}
