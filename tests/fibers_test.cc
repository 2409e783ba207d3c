/* SPDX-License-Identifier: MIT */
/* What rseq(7) says of coroutines that are resumed in another thread. */
#include "harness.hh"

#include <algorithm>
#include <fstream>

using namespace harness;

class Fibers : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Fibers, testing::ValuesIn(variants({"pie",
			 "static"})), variant_name);

TEST_P(Fibers, LoseNothingWhenTheyMoveBetweenThreads)
{
	if (libc().family == family::musl)
		GTEST_SKIP() << "musl has no swapcontext()";
	for (const strings &env : {strings{}, strings{
		"GLIBC_TUNABLES=glibc.pthread.rseq=0"}}) {
		outcome got = run({build_rseq("fibers",
					      {"-O2", "-DRSEQ_FIBERS"})},
				  {env});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("committed"), got.number("expected"))
			<< got;
		EXPECT_EQ(got.number("added"), got.number("expected")) << got;
	}
}

/*
 * How code reads the thread pointer where compilers read it, or a sum with it,
 * once in a function.  There is no rseq under qemu-user: the code is read.
 */
struct reader {
	std::string isa, compiler, read;
};

static std::ostream &operator<<(std::ostream &to, const reader &r)
{
	return to << r.isa << ' ' << r.compiler;
}

static const reader readers[] = {
	{"aarch64", "gcc", "tpidr_el0"}, {"aarch64", "clang", "tpidr_el0"},
	{"riscv64", "gcc", ", tp"}, {"riscv64", "clang", ", tp"},
	{"mips64el", "gcc", "rdhwr"}, {"mips64el", "clang", "rdhwr"},
	{"loongarch64", "gcc", "$r2"}, {"loongarch64", "clang", "$tp"},
};

class FibersElsewhere : public testing::TestWithParam<reader> {
};

INSTANTIATE_TEST_SUITE_P(, FibersElsewhere, testing::ValuesIn(readers),
			 [](const auto &info) {
				 return info.param.isa + "_" +
					 info.param.compiler;
			 });

TEST_P(FibersElsewhere, FindTheThreadAnewAfterASwitch)
{
	const auto &all = isas();
	const auto i = std::find_if(all.begin(), all.end(), [](const isa &x) {
		return x.name == GetParam().isa;
	});
	ASSERT_NE(i, all.end());
	const strings compiler = GetParam().compiler == "gcc" ?
		strings{i->gcc()} :
		strings{i->clang(), i->clang_flag()};

	for (const std::string &tool : {compiler[0], i->gcc()})
		if (!have(tool))
			GTEST_SKIP() << tool << " is not here";
	const fs::path dir = scratch_dir() / "fibers";
	fs::create_directories(dir);
	const fs::path source = dir / (i->name + GetParam().compiler + ".c");
	std::ofstream(source) <<
		"#include <rseq/rseq.h>\n"
		"void switch_thread(void);\n"
		"int f(long *v)\n{\n"
		"	int r = rseq_add(v, 1, rseq_this_cpu());\n"
		"	switch_thread();\n"
		"	return r + rseq_add(v, 1, rseq_this_cpu());\n}\n";
	for (const char *level : {"-O1", "-O2", "-O3"}) {
		const fs::path out = source.string() + level + ".s";
		outcome built = run(compiler + rseq_include_flags() + strings{
			"-DRSEQ_FIBERS", level, "-fPIC", "-std=c11", "-S",
			"-o", out, source});
		ASSERT_TRUE(built.ok()) << built;
		std::string code = content(out);
		std::transform(code.begin(), code.end(), code.begin(),
			       [](unsigned char c) { return std::tolower(c); });
		code.resize(std::min(code.size(), code.find("\t.addrsig")));
		const size_t last = code.rfind("switch_thread");
		ASSERT_NE(last, std::string::npos);
		EXPECT_NE(code.find(GetParam().read, last), std::string::npos)
			<< code;
	}
}
