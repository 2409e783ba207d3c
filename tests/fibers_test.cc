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
 * On aarch64 the thread pointer is in a system register that compilers read
 * once in a function.  There is no rseq under qemu-user: the code is read.
 */
class FibersOnAarch64 : public testing::TestWithParam<std::string> {
};

INSTANTIATE_TEST_SUITE_P(, FibersOnAarch64, testing::Values("gcc", "clang"));

TEST_P(FibersOnAarch64, FindTheThreadAnewAfterASwitch)
{
	const strings compiler = GetParam() == "gcc" ?
		strings{"aarch64-linux-gnu-gcc"} :
		strings{clang().empty() ? "clang" : clang(),
			"--target=aarch64-linux-gnu"};

	for (const std::string &tool : {compiler[0],
					std::string("aarch64-linux-gnu-gcc")})
		if (!have(tool))
			GTEST_SKIP() << tool << " is not here";
	const fs::path dir = scratch_dir() / "fibers";
	fs::create_directories(dir);
	std::ofstream(dir / "switch.c") <<
		"#include <rseq/rseq.h>\n"
		"void switch_thread(void);\n"
		"int f(long *v)\n{\n"
		"	int r = rseq_add(v, 1, rseq_this_cpu());\n"
		"	switch_thread();\n"
		"	return r + rseq_add(v, 1, rseq_this_cpu());\n}\n";
	for (const char *level : {"-O1", "-O2", "-O3"}) {
		const fs::path out = dir / (GetParam() + level + ".s");
		outcome built = run(compiler + rseq_include_flags() + strings{
			"-DRSEQ_FIBERS", level, "-fPIC", "-std=c11", "-S",
			"-o", out, dir / "switch.c"});
		ASSERT_TRUE(built.ok()) << built;
		std::string code = content(out);
		std::transform(code.begin(), code.end(), code.begin(),
			       [](unsigned char c) { return std::tolower(c); });
		const size_t last = code.rfind("bl\tswitch_thread");
		ASSERT_NE(last, std::string::npos);
		EXPECT_NE(code.find("tpidr_el0", last), std::string::npos)
			<< code;
	}
}
