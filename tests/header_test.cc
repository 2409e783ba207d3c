/* SPDX-License-Identifier: MIT */
/*
 * The public headers compile as guests: alone, in each dialect, with each
 * compiler, level and code model, without a warning, beside the kernel's and
 * the libc's headers on the same subject.
 */
#include <algorithm>
#include <fstream>
#include <sstream>

#include "harness.hh"

using namespace harness;

struct language {
	const char *name;
	strings flags;
};

static const std::vector<language> languages = {
	{"C11", {"-x", "c", "-std=c11"}},
	{"C++11", {"-x", "c++", "-std=c++11"}},
	{"C++20", {"-x", "c++", "-std=c++20"}},
};

static const strings strict = {"-Wall", "-Wextra", "-Wpedantic", "-Werror"};

class Headers : public LibcTest {
protected:
	void SetUp() override
	{
		LibcTest::SetUp();
		fs::create_directories(dir());
	}
	fs::path dir() const
	{
		return scratch_dir() / libc().name / "headers";
	}
	/* A source that includes these, in this order. */
	fs::path source(const std::string &name, const strings &includes) const
	{
		fs::path file = dir() / name;
		std::ofstream out(file);

		for (const std::string &i : includes)
			out << "#include <" << i << ">\n";
		out << "int main(void) { return 0; }\n";
		return file;
	}
	/* gcc and clang, each in each language */
	std::vector<strings> compilers() const;
	void expect_all(const std::vector<strings> &commands) const;
};

INSTANTIATE_TEST_SUITE_P(, Headers, testing::ValuesIn(libcs()), libc_name);

std::vector<strings> Headers::compilers() const
{
	std::vector<strings> all;

	for (const language &l : languages) {
		strings flags = strict + rseq_include_flags() + l.flags;
		/* musl has no C++ library, and the headers want none. */
		if (l.flags[1] == "c++" && libc().family == family::musl)
			flags.push_back("-nostdinc++");
		all.push_back(libc().gcc() + flags);
		if (!clang().empty())
			all.push_back(libc().clang() + flags);
	}
	return all;
}

void Headers::expect_all(const std::vector<strings> &commands) const
{
	EXPECT_FALSE(commands.empty());
	for (const outcome &got : run_all(commands))
		EXPECT_TRUE(got.ok() && got.err.empty()) << got;
}

static strings public_headers(const std::string &extension)
{
	strings names;

	for (const auto &e :
	     fs::directory_iterator(source_dir() / "include/rseq"))
		if (e.path().extension() == extension)
			names.push_back("rseq/" +
					e.path().filename().string());
	return names;
}

/* With nothing before them, whatever comes behind. */
TEST_P(Headers, CompileFirst)
{
	std::vector<strings> commands;

	ASSERT_GE(public_headers(".h").size(), 9u);
	for (const std::string &header : public_headers(".h")) {
		fs::path file = source(fs::path(header).filename(),
				       {header, "rseq/rseq.h"});
		for (const strings &c : compilers())
			commands.push_back(c + strings{"-fsyntax-only", file});
	}
	expect_all(commands);
}

TEST_P(Headers, CompileBesideOthersInEitherOrder)
{
	std::vector<strings> commands;
	int n = 0;

	/* The kernel's header comes before libc's: musl insists on that. */
	for (const strings &includes :
	     {strings{"sys/rseq.h", "rseq/rseq.h"},
	      strings{"rseq/rseq.h", "sys/rseq.h"},
	      strings{"linux/rseq.h", "rseq/rseq.h"},
	      strings{"rseq/rseq.h", "linux/rseq.h"},
	      strings{"linux/rseq.h", "rseq/rseq.h", "sys/rseq.h"},
	      strings{"rseq/rseq.h", "linux/rseq.h", "sys/rseq.h"}}) {
		fs::path file = source("beside" + std::to_string(n++),
				       includes);
		for (const strings &c : compilers())
			commands.push_back(c + strings{"-fsyntax-only", file});
	}
	expect_all(commands);
}

TEST_P(Headers, CompileUsedAtEachLevelAndModel)
{
	std::vector<strings> commands;

	for (const strings &c : compilers())
		for (const char *level : {"-O0", "-O1", "-O2", "-O3", "-Os"})
			for (const char *model : {"-fPIC", "-fPIE",
						  "-fno-pie"})
				commands.push_back(
					c + strings{level, model, "-c", "-o",
						    "/dev/null",
						    probes_dir() /
						    "uses_all.h"});
	expect_all(commands);
}

/* Warnings that programs turn on, or flags with which they are built. */
TEST_P(Headers, CompileUnderTheFlagsOfTheirHosts)
{
	std::vector<strings> both = {
		{"-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wundef",
		 "-Wcast-qual", "-Wcast-align", "-Wredundant-decls",
		 "-Wpointer-arith", "-Wwrite-strings", "-Wfloat-equal"},
		{"-DRSEQ_DEBUG"},
	};
	const std::vector<strings> only_c = {
		{"-std=gnu99", "-Wno-pedantic"}, {"-std=c99"},
		{"-Wmissing-prototypes", "-Wstrict-prototypes",
		 "-Wold-style-definition"},
	}, only_cpp = {
		{"-Wold-style-cast", "-Wzero-as-null-pointer-constant",
		 "-Wmissing-declarations"},
	};
	std::vector<strings> commands;

	if (the_machine().isa == "x86_64")
		for (const char *flag : {"-masm=intel", "-mgeneral-regs-only"})
			both.push_back({flag});
	for (const strings &c : compilers()) {
		const bool cpp = std::count(c.begin(), c.end(), "c++");
		for (const auto &flags : {both, cpp ? only_cpp : only_c})
			for (const strings &f : flags)
				commands.push_back(c + f + strings{
					"-O2", "-c", "-o", "/dev/null",
					probes_dir() / "uses_all.h"});
	}
	expect_all(commands);
}

/* By a program that has its own idea of struct rseq, as many have. */
TEST_P(Headers, CompileBesideAStructRseqByHand)
{
	const fs::path file = dir() / "by_hand";
	std::vector<strings> commands;

	std::ofstream(file) << "struct rseq { unsigned int cpu_id; };\n"
		"#include <rseq/rseq.h>\n"
		"int main(void) { struct rseq mine = { 1 };\n"
		"return mine.cpu_id - 1; }\n";
	for (const strings &c : compilers())
		commands.push_back(c + strings{"-fsyntax-only", file});
	expect_all(commands);
}

TEST_P(Headers, CppWrapperCompiles)
{
	if (libc().family == family::musl)
		GTEST_SKIP() << "no C++ library for musl is asked for";
	fs::path file = source("hpp", {"rseq/rseq.hpp"});
	std::vector<strings> commands;

	for (const strings &c : compilers())
		if (std::count(c.begin(), c.end(), "-std=c++20"))
			commands.push_back(c + strings{"-fsyntax-only", file});
	expect_all(commands);
}

/* What a program pays for the include: lines that are not blank. */
TEST_P(Headers, AreSmallOncePreprocessed)
{
	fs::path file = source("small", {"rseq/rseq.h"});
	outcome got = run(libc().gcc() + rseq_include_flags() +
			  strings{"-x", "c", "-E", "-P", file});
	std::istringstream lines(got.out);
	int count = 0;

	ASSERT_TRUE(got.ok()) << got;
	for (std::string line; std::getline(lines, line);)
		count += line.find_first_not_of(" \t") != std::string::npos;
	EXPECT_GT(count, 50);
	EXPECT_LE(count, 800);
}
