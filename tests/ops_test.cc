/* SPDX-License-Identifier: MIT */
/*
 * Every operation does what its model does, whatever its operands are and
 * whatever compiles it: tests/probes/ops.c says how it is called.
 */
#include "harness.hh"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

using namespace harness;

static const strings strict = {"-Wall", "-Wextra", "-Wpedantic", "-Werror"};

/* ---- the matrix of compilers and their flags ---- */

struct config {
	std::string name;
	strings compiler, flags, runner;
	std::string missing;
};

struct result {
	outcome built, ran;
};

static result build_and_run(const config &c)
{
	const fs::path out = scratch_dir() / "ops" / c.name;
	result r;

	if (!c.missing.empty())
		return r;
	r.built = compile(c.compiler + c.flags + strict +
			  rseq_include_flags() +
			  strings{"-DFAKE_AREA", probes_dir() / "ops.c"}, out);
	if (r.built.ok())
		r.ran = run(c.runner + strings{out});
	return r;
}

/* All of them, as many at a time as there are cpus. */
static std::vector<result> build_and_run_all(const std::vector<config> &all)
{
	std::vector<result> results(all.size());
	std::vector<std::thread> workers;
	std::atomic<size_t> next = 0;

	for (unsigned int n = 0; n < std::thread::hardware_concurrency(); ++n)
		workers.emplace_back([&] {
			for (size_t i; (i = next++) < all.size();)
				results[i] = build_and_run(all[i]);
		});
	for (std::thread &t : workers)
		t.join();
	return results;
}

static std::string identifier(std::string s)
{
	std::string id;

	for (char c : s)
		if (isalnum(static_cast<unsigned char>(c)))
			id += c;
		else if (c == '+')
			id += 'x';
	return id;
}

static const strings optimizations = {"-O0", "-O1", "-O2", "-O3", "-Os"};

static void add(std::vector<config> &all, const strings &compiler,
		const std::string &standard, const strings &flags,
		const std::string &prefix, const strings &runner = {})
{
	config c = {prefix + identifier(standard), compiler,
		    strings{"-x", standard[1] == '+' ? "c++" : "c",
			    "-std=" + standard} + flags, runner, {}};

	for (const std::string &f : flags)
		if (f[1] == 'O' || f.starts_with("-fP") || f == "-fno-pie")
			c.name += "_" + identifier(f);
	if (!have(compiler[0]))
		c.missing = compiler[0] + " is not here";
	if (!runner.empty() && !have(runner[0]))
		c.missing = runner[0] + " is not here";
	all.push_back(c);
}

static std::string clang_or_none()
{
	return clang().empty() ? "clang" : clang();
}

static std::vector<config> native()
{
	std::vector<config> all;

	for (const auto &[name, compiler] :
	     {std::pair{"gcc_", cc()}, std::pair{"clang_", clang_or_none()}})
		for (const char *standard : {"c11", "c++11", "c++20"})
			for (const std::string &o : optimizations)
				for (const strings &pic :
				     {strings{"-fPIC", "-pie"},
				      strings{"-fPIE", "-pie"},
				      strings{"-fno-pie", "-no-pie"}})
					add(all, {compiler}, standard,
					    strings{o} + pic, name);
	return all;
}

/* Where registers meet: each pair of operands the same variable. */
static std::vector<config> aliased()
{
	std::vector<config> all;

	for (const std::string &o : optimizations) {
		const strings flags = {o, "-DALIASED"};
		add(all, {cc()}, "c11", flags, "gcc_aliased_");
		add(all, {clang_or_none()}, "c11", flags, "clang_aliased_");
	}
	return all;
}

static std::vector<config> foreign()
{
	std::vector<config> all;

	for (const std::string isa : {"aarch64", "riscv64"})
		for (const char *o : {"-O0", "-O2"}) {
			const strings flags = {o, "-DALIASED", "-static"};
			const strings runner = {"qemu-" + isa + "-static"};
			const std::string triple = isa + "-linux-gnu";
			add(all, {triple + "-gcc"}, "c11", flags,
			    isa + "_gcc_", runner);
			add(all, {clang_or_none(), "--target=" + triple},
			    "c11", flags, isa + "_clang_", runner);
			if (!have(triple + "-gcc"))
				all.back().missing = "no libc for " + isa;
		}
	return all;
}

/* The four results of each kind, and memory, as the model has them. */
static void expect_as_modelled(const outcome &ran)
{
	ASSERT_TRUE(ran.ok()) << ran;
	EXPECT_EQ(ran.number("wrong"), 0) << ran;
	EXPECT_GT(ran.number("operations"), 100) << ran;
	for (const char *some : {"restarted", "committed", "different",
				 "unavailable"})
		EXPECT_GT(ran.number(some), 500) << ran;
}

/* A suite of one test for each configuration of a list. */
template <std::vector<config> (*list)()>
class Configurations : public testing::TestWithParam<size_t> {
public:
	static const std::vector<config> &all()
	{
		static const std::vector<config> some = list();
		return some;
	}
	static auto numbers()
	{
		return testing::Range<size_t>(0, all().size());
	}
	static std::string name(const testing::TestParamInfo<size_t> &info)
	{
		return all()[info.param].name;
	}
	static void SetUpTestSuite()
	{
		std::vector<config> wanted = all();
		const auto *suite = testing::UnitTest::GetInstance()->
			current_test_suite();

		for (int i = 0; i < suite->total_test_count(); ++i)
			if (!suite->GetTestInfo(i)->should_run())
				wanted[i].missing = "not asked for";
		results = build_and_run_all(wanted);
	}

protected:
	void SetUp() override
	{
		const config &c = all()[GetParam()];

		if (!c.missing.empty())
			GTEST_SKIP() << c.missing;
		ASSERT_TRUE(results[GetParam()].built.ok())
			<< results[GetParam()].built;
	}
	const outcome &ran() const { return results[GetParam()].ran; }

private:
	static inline std::vector<result> results;
};

using Semantics = Configurations<native>;
using AliasedOperands = Configurations<aliased>;
using OtherArchitectures = Configurations<foreign>;

INSTANTIATE_TEST_SUITE_P(, Semantics, Semantics::numbers(), Semantics::name);
INSTANTIATE_TEST_SUITE_P(, AliasedOperands, AliasedOperands::numbers(),
			 AliasedOperands::name);
INSTANTIATE_TEST_SUITE_P(, OtherArchitectures, OtherArchitectures::numbers(),
			 OtherArchitectures::name);

TEST_P(Semantics, EveryOperationDoesWhatItsModelDoes)
{
	expect_as_modelled(ran());
}

TEST_P(AliasedOperands, AreNeitherModifiedNorMixedUp)
{
	expect_as_modelled(ran());
	EXPECT_GT(ran().number("aliased"), 5000) << ran();
}

/* Operands that are fields of structures among them. */
TEST_P(OtherArchitectures, AssembleEveryOperationAndItIsRight)
{
	expect_as_modelled(ran());
	EXPECT_GT(ran().number("aliased"), 5000) << ran();
}

/* ---- on a registered thread, of each libc ---- */

class Registered : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Registered,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

TEST_P(Registered, EveryOperationDoesWhatItsModelDoes)
{
	expect_as_modelled(run({build_rseq("ops", {"-DALIASED"})}));
}

/* mm_cid reads 0 on such a thread, like another thread's: it is no index. */
TEST_P(Registered, NoOperationRunsOnAnUnregisteredThread)
{
	const fs::path probe = build_rseq("ops", {"-DALIASED"});
	outcome ran = run({probe}, {{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
				     "TLABI_RSEQ=0"}});

	ASSERT_TRUE(ran.ok()) << ran;
	EXPECT_EQ(ran.number("wrong"), 0) << ran;
	EXPECT_EQ(ran.number("committed"), 0) << ran;
	EXPECT_EQ(ran.number("restarted"), 0) << ran;
	EXPECT_GT(ran.number("unavailable"), 10000) << ran;
}

/* As in the program: do r = ...; while (r == RSEQ_RESTARTED). */
TEST_P(Registered, ObviousLoopsEndWhereRseqIsMissing)
{
	const fs::path probe = build_rseq("aborts");

	for (const char *kind : {"add", "cbne_mm_cid", "list", "index_add",
				 "index_list_mm_cid", "array"}) {
		outcome ran = run({probe, kind, "1", "1"},
				  {{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
				    "TLABI_RSEQ=0"}});
		EXPECT_FALSE(ran.timed_out) << ran;
		EXPECT_EQ(ran.code, 3) << "not told that it cannot" << ran;
	}
}

/* ---- the list of them is complete ---- */

TEST(EveryOp, ListsEveryOperationThatTheHeadersHave)
{
	const strings preprocess = strings{cc(), "-E", "-P"} +
		rseq_include_flags();
	outcome headers = run(preprocess + strings{
		"-include", "rseq/index.h", "-include", "rseq/array.h", "-xc",
		"/dev/null"});
	outcome list = run(preprocess + strings{
		"-DFAKE_AREA", probes_dir() / "ops.c"});

	ASSERT_TRUE(headers.ok()) << headers;
	ASSERT_TRUE(list.ok()) << list;
	EXPECT_EQ(all_matches(headers.out,
			      "enum rseq_result (rseq_\\w+)\\((?!void)"),
		  all_matches(list.out, "\\{ \"(rseq_\\w+)\""));
}
