// SPDX-License-Identifier: MIT
// The sysroots that are built: their compiler wrappers in every mode with gcc
// and clang, their runner, and that no other libc's files get in.

#include <gtest/gtest.h>


#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "harness.hh"

using namespace harness;

namespace
{

class Sysroot : public testing::Test
{
      protected:
	fs::path dir;

	void SetUp() override
	{
		char name[] = "/tmp/sysroot_test.XXXXXX";
		dir = mkdtemp(name);
	}

	void TearDown() override
	{
		fs::remove_all(dir);
	}

	std::string data(const char *file) const
	{
		return " " + (source_dir() / "tests/sysroot" / file).string() +
		       " ";
	}

	std::string program() const
	{
		return (dir / "program").string();
	}
};

TEST_F(Sysroot, OneIsBuilt)
{
	if (built_sysroots().empty())
		GTEST_SKIP() << "no sysroot is built under " << sysroots_dir();
}

class Wrapper : public Sysroot,
		public testing::WithParamInterface<
			std::tuple<std::string, const char *, const char *>>
{
      protected:
	fs::path root = sysroots_dir() / std::get<0>(GetParam());
	std::string compiler = std::get<1>(GetParam());
	std::string mode = std::get<2>(GetParam());
	bool fixed = has(mode, "-static");

	void SetUp() override
	{
		Sysroot::SetUp();
		if (!have(compiler))
			GTEST_SKIP() << compiler << " is not here";
	}

	std::string gcc() const
	{
		return "TLABI_CC=" + compiler + " " +
		       (root / "bin/tlabi-gcc ").string() + mode + " ";
	}

	void expect_own_libc()
	{
		outcome elf = sh("readelf -Wld " + program());
		EXPECT_EQ(has(elf.out, "program interpreter: " +
					       (root / "lib/ld").string()),
			  !fixed)
			<< elf.out;
		EXPECT_EQ(has(elf.out, "NEEDED"), !fixed) << elf.out;
		EXPECT_EQ(has(elf.out, "Elf file type is EXEC"),
			  mode == "-static" || has(mode, "-no-pie"))
			<< elf.out;
	}
};

class Cxx : public Wrapper
{
};
class Dynamic : public Wrapper
{
};
class Debugged : public Wrapper
{
};

TEST_P(Wrapper, ThreadsRunAndTheLibcIsTheSysroots)
{
	outcome r = sh(gcc() + "-Wall -Wextra -Werror -g" + data("thread.c") +
		      "-o " + program() + " -lm -lpthread && " + program());
	EXPECT_EQ(r.code, 0);
	EXPECT_EQ(r.out, "in a thread\n");
	expect_own_libc();
	if (fixed)
		return;
	/* The loader that the program names; musl's knows no LD_TRACE. */
	r = sh("$(readelf -Wl " + program() +
	       " | sed -n 's/.*interpreter: \\(.*\\)]/\\1/p') --list " +
	       program());
	EXPECT_EQ(r.code, 0);
	EXPECT_TRUE(has(r.out, " => /")) << r.out;
	EXPECT_FALSE(has(r.out, " /lib")) << r.out;
	EXPECT_FALSE(has(r.out, " /usr")) << r.out;
}

/* Its unwinder's locks are there, from before main() on. */
TEST_P(Wrapper, AProgramWithKeysHasAnUnwinder)
{
	outcome r = sh(gcc() + "-Wall -Wextra -Werror -funwind-tables" +
		       data("keys.c") + "-o " + program() + " && " + program());
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(r.out, "frames=")) << r.out;
}

TEST_P(Wrapper, StepByStepIsTheSame)
{
	std::string object = (dir / "o.o").string();
	std::string whole = (dir / "whole.o").string();
	std::string pie = has(mode, "-no-pie") || mode == "-static"
				  ? " -fno-pie "
				  : " -fPIE ";
	outcome r = sh(gcc() + "-Werror" + pie + "-c" + data("thread.c") +
		      "-o " + object + " && " + gcc() + "-r -nostdlib " +
		      object + " -o " + whole);
	if (mode != "-pie" && mode != "-static-pie")
		EXPECT_EQ(r.code, 0) << r.out;
	else
		whole = object; // -r with -pie is a contradiction
	r = sh(gcc() + whole + " -lm -o " + program() + " && " + program());
	EXPECT_EQ(r.code, 0);
	EXPECT_EQ(r.out, "in a thread\n");
	expect_own_libc();
}

TEST_P(Wrapper, CleanupsRunInAForcedUnwind)
{
	outcome r = sh(gcc() + "-fexceptions" + data("unwind.c") + "-o " +
		      program() + " && " + program());
	EXPECT_EQ(r.code, 0);
	EXPECT_EQ(r.out, "cleanup 7\n");
}

TEST_P(Cxx, ExceptionsAreCaught)
{
	std::string cxx = compiler == "gcc" ? "g++" : "clang++";
	outcome r = sh("TLABI_CXX=" + cxx + " " +
		      (root / "bin/tlabi-g++ ").string() + mode +
		      " -std=c++20" + data("exception.cc") + "-o " + program() +
		      " -pthread && " + program());
	EXPECT_EQ(r.code, 0);
	EXPECT_EQ(r.out, "caught\n");
	expect_own_libc();
}

TEST_P(Wrapper, HeadersAreTheSysroots)
{
	outcome r = sh("printf '#include <pthread.h>\\n#include <stdio.h>\\n"
		      "#include <asm/unistd.h>\\n' | " +
		      gcc() + "-M -xc -");
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_FALSE(has(r.out, " /usr/include")) << r.out;
	for (const char *header : {"pthread.h", "stdio.h", "asm/unistd.h"})
		EXPECT_TRUE(has(r.out, (root / "include" / header).string()) ||
			    has(r.out, (root / "usr/include" / header).string()))
			<< r.out;
}

TEST_P(Dynamic, LibrariesLoad)
{
	std::string library = (dir / "libanswer.so").string();
	std::string wrapper = "TLABI_CC=" + compiler + " " +
			      (root / "bin/tlabi-gcc ").string();
	outcome r = sh("cd " + dir.string() +
		      " && echo 'int answer(void) { return 42; }' | " +
		      wrapper + "-shared -fPIC -Wl,-z,text,-z,defs -xc - -o " +
		      library +
		      " && echo 'int answer(void); int main(void) "
		      "{ return answer() - 42; }' | " +
		      gcc() + "-xc - -L. -lanswer -Wl,-rpath," + dir.string() +
		      " -o " + program() + " && " + program());
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_FALSE(has(sh("readelf -lW " + library).out, "interpreter"));
}

TEST_P(Dynamic, RunnerRunsWhatAnotherLibcWasMeantFor)
{
	bool musl = has(root.filename(), "musl");
	std::string other =
		musl ? gcc() + "-Wl,-dynamic-linker,/nowhere/ld-musl.so.1 "
		     : compiler + " " + mode + " ";
	outcome r = sh(other + data("thread.c") + "-o " + program() +
		      " -lm -lpthread && " +
		      (root / "bin/tlabi-run ").string() + program());
	EXPECT_EQ(r.code, 0);
	EXPECT_EQ(r.out, "in a thread\n");
	r = sh((root / "bin/tlabi-run /nowhere/program").string());
	EXPECT_EQ(r.code, 127);
	EXPECT_TRUE(has(r.out, "no such program")) << r.out;
}

TEST_P(Debugged, DebuggersFollow)
{
	// DWARF 4: valgrind 3.19 cannot read clang's version 5.
	outcome r = sh(gcc() + "-gdwarf-4" + data("thread.c") + "-lm -o " + program());
	ASSERT_EQ(r.code, 0) << r.out;
	if (have("gdb")) {
		r = sh("gdb -batch -ex 'break thread' -ex run -ex backtrace "
		       "-ex continue " +
		       program());
		EXPECT_TRUE(has(r.out, "#0  thread (arg=")) << r.out;
		EXPECT_TRUE(has(r.out, "pthread_create.c")) << r.out;
		EXPECT_TRUE(has(r.out, "exited normally")) << r.out;
	}
	if (have("valgrind")) {
		r = sh("valgrind -q --error-exitcode=9 " + program());
		EXPECT_EQ(r.code, 0);
		EXPECT_EQ(r.out, "in a thread\n");
	}
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Wrapper);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Cxx);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Dynamic);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Debugged);

// The sysroots with a C++ runtime.
std::vector<std::string> with_cxx()
{
	std::vector<std::string> names;
	for (const std::string &name : built_sysroots())
		if (fs::exists(sysroots_dir() / name / "bin/tlabi-g++"))
			names.push_back(name);
	return names;
}

const auto compilers = testing::Values("gcc", "clang");
const auto modes = testing::Values("-pie", "-no-pie", "-static", "-static-pie");

const auto described = [](const auto &info) {
	std::string name = std::get<0>(info.param) + "_" +
			   std::get<1>(info.param) + std::get<2>(info.param);
	for (char &c : name)
		if (!isalnum(c))
			c = '_';
	return name;
};

INSTANTIATE_TEST_SUITE_P(Built, Wrapper,
			 testing::Combine(testing::ValuesIn(built_sysroots()),
					  compilers, modes),
			 described);
INSTANTIATE_TEST_SUITE_P(Built, Cxx,
			 testing::Combine(testing::ValuesIn(with_cxx()),
					  compilers, modes),
			 described);
INSTANTIATE_TEST_SUITE_P(Built, Dynamic,
			 testing::Combine(testing::ValuesIn(built_sysroots()),
					  compilers, testing::Values("-pie", "-no-pie")),
			 described);
INSTANTIATE_TEST_SUITE_P(Built, Debugged,
			 testing::Combine(testing::ValuesIn(built_sysroots()),
					  compilers, testing::Values("-pie")),
			 described);

} // namespace
