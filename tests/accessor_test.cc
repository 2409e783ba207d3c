/* SPDX-License-Identifier: MIT */
/*
 * The fast path is the one that is taken.  A libc with the line: one
 * instruction.  Stock glibc: __rseq_offset, however the program is linked; a
 * weak reference that was quietly resolved to zero would turn rseq off.
 */
#include <sstream>

#include "harness.hh"

using namespace harness;

/* ---- the instructions ---- */

class Accessor : public LibcTest {
};

INSTANTIATE_TEST_SUITE_P(, Accessor, testing::ValuesIn(patched()), libc_name);

/* The instructions of a function in an object file, one a line. */
static strings disassemble(const fs::path &object, const std::string &function)
{
	outcome got = run({"objdump", "-d", "--no-show-raw-insn",
			   "--disassemble=" + function, object});
	std::istringstream lines(got.out);
	strings found;

	for (std::string line; std::getline(lines, line);) {
		size_t tab = line.find(":\t");
		if (tab == std::string::npos)
			continue;
		std::string insn = line.substr(tab + 2);
		insn.erase(insn.find_last_not_of(" \t") + 1);
		if (!insn.starts_with("nop") && !insn.starts_with("cs nop"))
			found.push_back(insn);
	}
	return found;
}

TEST_P(Accessor, IsOneInstructionOnTheLine)
{
	std::vector<strings> compilers = {libc().gcc()};
	if (!clang().empty())
		compilers.push_back(libc().clang());
	int n = 0;

	for (const strings &c : compilers)
		for (const char *language : {"-xc", "-xc++"})
			for (const char *model : {"-fPIC", "-fPIE",
						  "-fno-pie"}) {
				fs::path out = scratch_dir() / libc().name /
					("accessor" + std::to_string(n++) +
					 ".o");
				outcome got = compile(c + rseq_include_flags() +
					strings{"-O2", "-nostdinc++", model,
						"-fcf-protection=none", "-c",
						language, probes_dir() /
						"accessor.c"}, out);
				ASSERT_TRUE(got.ok()) << got;
				strings code = disassemble(out, "read_cpu");
				ASSERT_EQ(code.size(), 2u) << got;
				EXPECT_EQ(code[0], "mov    %fs:0x84,%eax");
				EXPECT_TRUE(code[1].starts_with("ret"))
					<< code[1];
			}
}

/* ---- what is counted where ---- */

static void expect_sections_only(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GE(got.number("info.cpu"), 0) << got;
	EXPECT_GE(got.number("info.feature_size"), 20) << got;
	EXPECT_EQ(got.number("differ"), 0) << got;
	EXPECT_GT(got.number("sections"), 0) << got;
	EXPECT_EQ(got.number("slow"), 0) << got;
}

class FastPath : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, FastPath, testing::ValuesIn(variants()),
			 variant_name);

TEST_P(FastPath, IsTaken)
{
	expect_sections_only(run({build_rseq("counter")}));
}

TEST_P(FastPath, IsTakenWithLinkTimeOptimisation)
{
	expect_sections_only(run({build_rseq("counter", {"-flto"})}));
}

TEST_P(FastPath, IsTakenWithClang)
{
	if (clang().empty())
		GTEST_SKIP() << "no clang";
	fs::path out = scratch_dir() / libc().name / mode().name /
		"counter-clang";
	outcome got = compile(libc().clang() + mode().flags +
		rseq_include_flags() +
		strings{"-std=gnu11", "-O2", "-pthread",
			probes_dir() / "counter.c",
			librseq(libc(), {mode().flags.front()})}, out);
	ASSERT_TRUE(got.ok()) << got;
	expect_sections_only(run({out}));
}

class SharedFastPath : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, SharedFastPath,
			 testing::ValuesIn(variants({"pie", "no_pie"})),
			 variant_name);

TEST_P(SharedFastPath, IsTaken)
{
	fs::path library = librseq_shared(libc());

	expect_sections_only(run({build("counter", rseq_include_flags() +
		strings{library, "-Wl,-rpath," +
			library.parent_path().string()})}));
}
