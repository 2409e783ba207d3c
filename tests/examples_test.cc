/* SPDX-License-Identifier: MIT */
/* The examples do what they say, wherever they are built. */
#include "harness.hh"

using namespace harness;

static fs::path source(const std::string &example)
{
	return source_dir() / "examples" / (example + ".c");
}

static void expect_exact(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("taken") + got.number("left"),
		  got.number("permits")) << got;
	EXPECT_GT(got.number("taken"), got.number("permits") / 2) << got;
}

static const strings off = {"GLIBC_TUNABLES=glibc.pthread.rseq=0",
			    "TLABI_RSEQ=0"};

class Example : public VariantTest {
protected:
	fs::path built(const std::string &example,
		       const std::string &name = {},
		       const strings &flags = {}) const
	{
		const fs::path out = scratch_dir() / libc().name /
			mode().name / (example + name);
		strings command = libc().gcc() + mode().flags +
			rseq_include_flags() + flags + strings{"-std=gnu11",
			"-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
			"-pthread", source(example), librseq(libc(), {})};
		outcome compiled = compile(command, out);

		EXPECT_TRUE(compiled.ok()) << compiled;
		return out;
	}
};

class OwnSection : public Example {
};

INSTANTIATE_TEST_SUITE_P(, OwnSection,
			 testing::ValuesIn(variants({"no_pie", "static"})),
			 variant_name);

TEST_P(OwnSection, TakesEachPermitOnce)
{
	expect_exact(run({built("own_section")}));
}

/* With something to happen between any two of its steps. */
TEST_P(OwnSection, TakesEachPermitOnceWhenDelayed)
{
	expect_exact(run({built("own_section", "_delayed", {
		"-include", probes_dir() / "inject.h"})}));
}

TEST_P(OwnSection, TakesEachPermitOnceWithoutRseq)
{
	expect_exact(run({built("own_section")}, {off}));
}

class Transaction : public Example {
};

INSTANTIATE_TEST_SUITE_P(, Transaction,
			 testing::ValuesIn(variants({"no_pie", "static"})),
			 variant_name);

TEST_P(Transaction, PushesTheNodeWithRseqAndWithout)
{
	for (const strings &env : {strings{}, off}) {
		outcome got = run({built("transaction")}, {env});
		EXPECT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.out, "pushed\n");
	}
}

class Undisturbed : public VariantTest {
protected:
	fs::path built() const
	{
		const fs::path out = scratch_dir() / libc().name /
			mode().name / "undisturbed";
		outcome compiled = compile(libc().gcc() + mode().flags +
			rseq_include_flags() + strings{"-std=c11", "-O2",
			"-Wall", "-Wextra", "-Wpedantic", "-Werror",
			source_dir() / "examples/undisturbed.c",
			librseq(libc(), {})}, out);

		EXPECT_TRUE(compiled.ok()) << compiled;
		return out;
	}
};

INSTANTIATE_TEST_SUITE_P(, Undisturbed,
			 testing::ValuesIn(variants({"no_pie", "static"})),
			 variant_name);

TEST_P(Undisturbed, KeepsMostSamples)
{
	outcome got = run({built()});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("samples"), 50000) << got;
	EXPECT_GT(got.number("kept"), 25000) << got;
	EXPECT_LE(got.number("kept"), got.number("samples")) << got;
	EXPECT_LE(got.number("kept.longest"), got.number("samples.longest"))
		<< got;
}

/* Nobody would tell that one was disturbed. */
TEST_P(Undisturbed, KeepsNoneWithoutRseq)
{
	outcome got = run({built()}, {{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
				       "TLABI_RSEQ=0"}});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("samples"), 50000) << got;
	EXPECT_EQ(got.number("kept"), 0) << got;
	EXPECT_NE(got.err, "") << got;
}

struct target {
	std::string name;
	harness::isa isa;
	strings compiler;
};

static std::ostream &operator<<(std::ostream &to, const target &t)
{
	return to << t.name;
}

static std::vector<target> targets()
{
	std::vector<target> all;

	for (const isa &i : isas()) {
		all.push_back({i.name + "_gcc", i, {i.gcc()}});
		all.push_back({i.name + "_clang", i, {i.clang(), i.clang_flag()}});
	}
	return all;
}

class OwnSectionOn : public testing::TestWithParam<target> {
};

INSTANTIATE_TEST_SUITE_P(, OwnSectionOn, testing::ValuesIn(targets()),
			 [](const testing::TestParamInfo<target> &info) {
				 return info.param.name;
			 });

/* librseq for t, made by clang: the cross gcc of Debian knows no C++. */
static strings librseq_for(const target &t)
{
	strings objects;

	for (const fs::path &source : librseq_sources()) {
		const fs::path out = scratch_dir() / "examples" / t.isa.name /
			(source.stem().string() + ".o");
		outcome compiled = compile(strings{
			t.isa.clang(), t.isa.clang_flag(),
			"-x", "c++", "-nostdinc++", "-O2", "-c", source} +
			recipe("RSEQ_CXXFLAGS") + rseq_include_flags(), out);
		EXPECT_TRUE(compiled.ok()) << compiled;
		objects.push_back(out);
	}
	return objects;
}

/* There is no rseq under qemu-user: it goes the other way. */
TEST_P(OwnSectionOn, AnotherArchitectureCompilesAndRuns)
{
	const target &t = GetParam();
	const std::string qemu = t.isa.qemu();

	for (const std::string &tool : {t.compiler[0], t.isa.clang(), qemu,
					t.isa.gcc()})
		if (!have(tool))
			GTEST_SKIP() << tool << " is not here";
	for (const char *o : {"-O0", "-O2"}) {
		const fs::path out = scratch_dir() / "examples" / (t.name + o);
		strings command = t.compiler + rseq_include_flags() + strings{
			o, "-std=gnu11", "-Wall", "-Wextra", "-Wpedantic",
			"-Werror", "-static", "-pthread",
			source("own_section")} + librseq_for(t);
		outcome compiled = compile(command, out);
		ASSERT_TRUE(compiled.ok()) << compiled;
		expect_exact(run({qemu, out}));
	}
}

/* Each of its competitors as its friend would write it. */
TEST(Histogram, CountsEachByteAndDividesNowhere)
{
	const fs::path out = scratch_dir() / "histogram", object =
		out.string() + ".o";
	outcome got = compile(strings{cxx()} + rseq_include_flags() + strings{
		"-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror",
		"-fno-exceptions", "-fno-rtti", "-c",
		source_dir() / "examples/histogram.cc"}, object);
	ASSERT_TRUE(got.ok()) << got;
	/* A division a count costs more than what is compared. */
	EXPECT_EQ(all_matches(sh("objdump -d " + object.string()).out,
			      "\\s(i?div)[lq]?\\s"), std::set<std::string>{});
	got = compile({cxx(), "-pthread", object,
		       librseq(libcs().front(), {})}, out);
	ASSERT_TRUE(got.ok()) << got;
	got = run({out, out});
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_TRUE(has(got.out, "all counts are equal to the sequential "
				 "count\n")) << got;
	EXPECT_EQ(all_matches(got.out, "\n  (\\w.*?)  +\\d"),
		  (std::set<std::string>{"sequential, no threads",
			"rseq_counter_add", "shared atomic", "per-cpu atomic",
			"plain thread-local"})) << got;
}
