// SPDX-License-Identifier: MIT
// tlabi-run and tlabi-gcc in every sysroot that is built: what cannot be
// started is refused with the reason, a copied sysroot starts nothing, and
// --tree puts a whole tree of processes on the libc.

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "harness.hh"

using namespace harness;

namespace
{

// Another user where this one is root; "" where it is not.
std::string as_nobody()
{
	return geteuid() ? ""
			 : "setpriv --reuid nobody --regid nogroup "
			   "--clear-groups ";
}

class Wrappers : public testing::TestWithParam<std::string>
{
      protected:
	fs::path dir;
	const fs::path root = sysroots_dir() / GetParam();
	const bool musl = has(GetParam(), "musl");

	void SetUp() override
	{
		char name[] = "/tmp/wrappers_test.XXXXXX";
		dir = mkdtemp(name);
		fs::permissions(dir, fs::perms(0755));
	}

	void TearDown() override
	{
		fs::remove_all(dir);
	}

	// A wrapper's name for the shell.
	std::string tool(const char *name) const
	{
		return (root / "bin" / name).string() + " ";
	}

	// A file in the test's directory.
	std::string file(const char *name) const
	{
		return (dir / name).string();
	}

	void compile_with(const std::string &compiler, const char *name,
			  const char *flags = "") const
	{
		outcome r = sh("echo '#include <stdio.h>\nint main(void) { "
			       "puts(\"started\"); return 0; }' | " +
			       compiler + " " + flags + " -xc - -o " +
			       file(name));
		ASSERT_EQ(r.code, 0) << r;
	}

	void expect_refusal(const std::string &program, int status,
			    const char *reason,
			    const std::string &user = "") const
	{
		outcome r = sh(user + tool("tlabi-run") + program);
		EXPECT_EQ(r.code, status) << r;
		EXPECT_TRUE(has(r.out, reason)) << r;
		EXPECT_FALSE(has(r.out, "started")) << r;
		EXPECT_EQ(r.out.find('\n'), r.out.size() - 1)
			<< "not one line: " << r;
	}
};

TEST_P(Wrappers, AProgramIsStarted)
{
	compile_with(tool("tlabi-gcc"), "program");
	EXPECT_EQ(sh(tool("tlabi-run") + file("program")).out, "started\n");
}

TEST_P(Wrappers, AScriptIsRefused)
{
	ASSERT_EQ(sh("printf '#!/bin/sh\\necho started\\n' > " +
		     file("script") + " && chmod +x " + file("script"))
			  .code,
		  0);
	expect_refusal(file("script"), 126, "is a script");
	EXPECT_TRUE(has(sh(tool("tlabi-run") + file("script")).out,
			"use tlabi-run --tree " + file("script")));
}

TEST_P(Wrappers, AStaticProgramIsRefused)
{
	compile_with(tool("tlabi-gcc"), "static", "-static");
	expect_refusal(file("static"), 126, "is static");
	compile_with(tool("tlabi-gcc"), "static-pie", "-static-pie");
	expect_refusal(file("static-pie"), 126, "is static");
}

TEST_P(Wrappers, AnotherLibcsProgramIsRefused)
{
	std::string theirs = musl ? "glibc" : "musl";
	if (musl)
		compile_with(cc(), "other");
	else if (have("musl-gcc"))
		compile_with("musl-gcc", "other");
	else
		GTEST_SKIP() << "no musl-gcc";
	expect_refusal(file("other"), 126,
		       ("is for another libc, " + theirs).c_str());
	if (musl) {	/* glibc's loader as MIPS names it */
		compile_with(cc(), "mips",
			     "-Wl,-dynamic-linker,/lib64/ld.so.1");
		expect_refusal(file("mips"), 126, "is for another libc, glibc");
	}
}

TEST_P(Wrappers, AnotherMachinesProgramIsRefused)
{
	if (!have("aarch64-linux-gnu-gcc"))
		GTEST_SKIP() << "no aarch64-linux-gnu-gcc";
	compile_with("aarch64-linux-gnu-gcc", "other");
	expect_refusal(file("other"), 126, "another kind of machine");
}

TEST_P(Wrappers, ASetUserIdProgramIsRefused)
{
	if (geteuid())
		GTEST_SKIP() << "only root can make one of another user";
	compile_with(tool("tlabi-gcc"), "program");
	fs::permissions(file("program"), fs::perms(04755));
	outcome r = sh(as_nobody() + "test -x " + root.string());
	if (r.code)
		GTEST_SKIP() << "others may not enter " << root;
	expect_refusal(file("program"), 126, "is set-user-ID", as_nobody());
	EXPECT_EQ(sh(tool("tlabi-run") + file("program")).out, "started\n");
	// Of another user and the own group.
	ASSERT_EQ(chown(file("program").c_str(), 1, getegid()), 0);
	fs::permissions(file("program"), fs::perms(04755));
	expect_refusal(file("program"), 126, "is set-user-ID");
}

// As in a shell, where a folder's name is no pattern.
TEST_P(Wrappers, PathIsTakenAsItIs)
{
	fs::create_directories(dir / "b[1]");
	fs::create_directories(dir / "b1");
	compile_with(tool("tlabi-gcc"), "b[1]/program");
	ASSERT_EQ(sh("cp /bin/false " + file("b1/program")).code, 0);
	const outcome r = sh("PATH='" + file("b[1]") + "':$PATH " +
			     tool("tlabi-run") + "program");
	EXPECT_EQ(r.out, "started\n") << r;
}

// A link there may be another user's, who is waiting for root.
TEST_P(Wrappers, NothingBesideATemporaryFileIsWritten)
{
	const std::string mktemp = file("bin/mktemp");

	if (!musl || sh("ls /etc/ld-musl-*.path").code)
		GTEST_SKIP() << "no paths to be put into a file";
	fs::create_directories(dir / "bin");
	sh("printf '%s\\n' '#!/bin/sh' 'file=$(" +
	   sh("command -v mktemp | tr -d \"\\n\"").out +
	   " \"$@\") && ln -s " + file("victim") +
	   " $file.paths && echo $file' > " + mktemp + "; chmod +x " + mktemp);
	const outcome r = sh("export TMPDIR=" + dir.string() + " PATH=" +
			     file("bin") + ":$PATH; " + tool("tlabi-run") +
			     "--tree echo started");
	if (r.code == 126)
		GTEST_SKIP() << r;
	EXPECT_EQ(r.out, "started\n") << r;
	EXPECT_FALSE(fs::exists(dir / "victim"));
	EXPECT_FALSE(sh("ls -d " + file("*.paths")).code) << "cannot fail";
}

// For which there is nothing to link.
TEST_P(Wrappers, CompilerSaysItsVersion)
{
	for (const std::string &cc : {std::string("gcc"), std::string("clang")})
		if (have(cc)) {
			const outcome r = sh("TLABI_CC=" + cc + " " +
					     tool("tlabi-gcc") + "-v");
			EXPECT_EQ(r.code, 0) << r;
			EXPECT_TRUE(has(r.out, cc + " version ")) << r;
		}
}

TEST_P(Wrappers, WhatIsNoProgramIsRefused)
{
	expect_refusal("/nowhere/program", 127, "no such program");
	expect_refusal("no-such-program", 127, "no such program");
	expect_refusal(dir.string(), 127, "no such program");
	ASSERT_EQ(sh("echo text > " + file("text")).code, 0);
	expect_refusal(file("text"), 126, "is not executable");
	fs::permissions(file("text"), fs::perms(0755));
	expect_refusal(file("text"), 126, "is no program");
	expect_refusal("--unknown", 2, "unknown option");
	EXPECT_EQ(sh(tool("tlabi-run")).code, 2);
}

// A shell has commands of that name, which are not meant.
TEST_P(Wrappers, AProgramIsLookedForInThePath)
{
	compile_with(tool("tlabi-gcc"), "echo");
	EXPECT_EQ(sh("PATH=" + dir.string() + ":$PATH " + tool("tlabi-run") +
		     "echo")
			  .out,
		  "started\n");
}

TEST_P(Wrappers, ACopyStartsNothing)
{
	compile_with(tool("tlabi-gcc"), "program");
	ASSERT_EQ(sh("mkdir " + file("copy") + " && cp -a " +
		     (root / "bin").string() + " " + file("copy"))
			  .code,
		  0);
	for (const char *name : {"tlabi-run", "tlabi-gcc", "tlabi-g++"}) {
		fs::path copy = dir / "copy/bin" / name;
		if (!fs::exists(copy))
			continue;
		outcome r = sh(copy.string() + " " + file("program"));
		EXPECT_EQ(r.code, 126) << r;
		EXPECT_TRUE(has(r.out, "is a copy of " + root.string())) << r;
		EXPECT_FALSE(has(r.out, "started")) << r;
	}
	fs::create_symlink(root / "bin/tlabi-run", dir / "link");
	EXPECT_EQ(sh(file("link") + " " + file("program")).out, "started\n");
	EXPECT_EQ(sh("cd " + (root / "bin").string() + " && ./tlabi-run " +
		     file("program"))
			  .out,
		  "started\n");
}

INSTANTIATE_TEST_SUITE_P(, Wrappers, testing::ValuesIn(built_sysroots()),
			 [](const auto &i) { return identifier(i.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Wrappers);

// ---- --tree, in each of the ways to a mount namespace ----

struct Way {
	const char *name;
	bool root;	   // as root
	const char *tools; // that are hidden
};

void PrintTo(const Way &way, std::ostream *to)
{
	*to << way.name;
}

const std::vector<Way> ways = {
	{"RootUnshares", true, ""},
	{"UserUnshares", false, "bwrap"},
	{"UserBubblewraps", false, "unshare"},
};

class Tree : public testing::TestWithParam<std::tuple<std::string, Way>>
{
      protected:
	fs::path dir, system, own;
	const fs::path root = sysroots_dir() / std::get<0>(GetParam());
	const Way &way = std::get<1>(GetParam());
	const bool musl = has(root.filename(), "musl");
	std::string tree;

	void SetUp() override
	{
		char name[] = "/tmp/wrappers_test.XXXXXX";
		dir = mkdtemp(name);
		fs::permissions(dir, fs::perms(0777));

		own = sh("sed -n 's/^loader=//p' " +
			 (root / "share/tlabi/sysroot.txt").string() +
			 " | tr -d '\\n'")
			      .out;
		for (const char *lib : {"/lib64", "/lib"})
			if (system.empty() &&
			    fs::exists(lib / own.filename()))
				system = lib / own.filename();
		if (system.empty())
			GTEST_SKIP() << "the system has no " << own.filename();
		if (way.root && geteuid())
			GTEST_SKIP() << "needs root";
		if (!way.root &&
		    sh(as_nobody() + "test -x " + own.string()).code)
			GTEST_SKIP() << "others may not enter " << root;

		fs::create_directory(dir / "tmp");
		fs::permissions(dir / "tmp", fs::perms(0777));
		tree = (way.root ? "" : as_nobody()) + "env TMPDIR=" +
		       (dir / "tmp").string() + " PATH=" +
		       without(way.tools) + " " +
		       (root / "bin/tlabi-run").string() + " --tree ";
		outcome r = sh(tree + "true");
		if (r.code == 126 && has(r.out, "not permitted"))
			GTEST_SKIP() << r.out;
	}

	void TearDown() override
	{
		fs::remove_all(dir);
	}

	// A PATH of links to the system's programs without one of them.
	std::string without(const std::string &hidden) const
	{
		fs::path bin = dir / "bin";
		fs::create_directory(bin);
		for (const char *place :
		     {"/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"})
			for (const auto &entry : fs::directory_iterator(place)) {
				fs::path name = entry.path().filename();
				std::error_code there;
				if (name != hidden)
					fs::create_symlink(entry.path(),
							   bin / name, there);
			}
		return bin;
	}
};

// The file that the kernel starts for a program is the sysroot's, for the
// program and what it starts, and nobody else's.
TEST_P(Tree, ScriptsAndChildrenAreOnTheLibc)
{
	std::string same = "test " + system.string() + " -ef " + own.string();
	fs::path script = dir / "script";
	sh("printf '#!/bin/sh\\n" + same + " && sh -c \"" + same +
	   " && echo both $1\"\\n' > " + script.string() + " && chmod 755 " +
	   script.string());
	EXPECT_NE(sh(same).code, 0) << "the test cannot fail";
	outcome r = sh(tree + script.string() + " arguments");
	EXPECT_EQ(r.code, 0) << r;
	EXPECT_EQ(r.out, "both arguments\n");
	EXPECT_NE(sh(same).code, 0) << "the system was changed";
}

TEST_P(Tree, AProgramFindsItself)
{
	outcome r = sh(tree + "readlink /proc/self/exe");
	EXPECT_TRUE(has(r.out, "readlink") || has(r.out, "coreutils")) << r;
	EXPECT_EQ(sh(tree + "cat /proc/self/comm").out, "cat\n");
	EXPECT_EQ(sh(tree + "id -u").out,
		  sh((way.root ? "" : as_nobody()) + "id -u").out);
}

// One that names the system's loader, as those from elsewhere do.
TEST_P(Tree, CppFindsItsLibrary)
{
	if (!musl || !fs::exists(root / "bin/tlabi-g++"))
		GTEST_SKIP() << "no C++ library on this musl";
	const std::string program = (dir / "cpp").string();
	outcome r = sh("printf '#include <iostream>\n"
		       "int main() { std::cout << 42; }' > " + program +
		       ".cc && " + (root / "bin/tlabi-g++").string() + " -o " +
		       program + " " + program + ".cc -Wl,-dynamic-linker=" +
		       system.string() + " && ! readelf -d " + program +
		       " | grep -E 'R(UN)?PATH'");
	ASSERT_EQ(r.code, 0) << r;
	r = sh(tree + program);
	EXPECT_EQ(r.out, "42") << r;
	EXPECT_TRUE(fs::is_empty(dir / "tmp")) << "a file is left";
}

TEST_P(Tree, TheExitStatusIsTheProgramS)
{
	EXPECT_EQ(sh(tree + "sh -c 'exit 7'").code, 7);
	EXPECT_EQ(sh(tree + "no-such-program").code, 127);
}

TEST_P(Tree, ADaemonStaysOnTheLibc)
{
	std::string found = (dir / "found").string();
	outcome r = sh(tree + "sh -c 'setsid sh -c \"sleep 1; test " +
		       system.string() + " -ef " + own.string() +
		       "; echo \\$? > " + found +
		       "\" > /dev/null 2>&1 < /dev/null &'; "
		       "for i in $(seq 100); do test -s " +
		       found + " && break; sleep 0.1; done; cat " + found);
	EXPECT_EQ(r.out, "0\n") << r;
}

TEST_P(Tree, ASignalReachesTheProgram)
{
	if (way.name == std::string("UserBubblewraps"))
		GTEST_SKIP() << "bubblewrap stays its parent";
	outcome r = sh("exec 2> /dev/null; " + tree +
		       "sh -c 'trap \"exit 5\" TERM; while :; do sleep 0.1; "
		       "done' & sleep 1; kill $!; wait $!");
	EXPECT_EQ(r.code, 5) << r;
}

// The program is on the line's libc: its loader prints its own version.
TEST_P(Tree, ProgramsOfTheSystemRunOnIt)
{
	if (musl)
		GTEST_SKIP() << "this system has no programs for musl";
	std::string version = "getconf GNU_LIBC_VERSION";
	outcome r = sh(tree + version);
	EXPECT_EQ(r.code, 0) << r;
	EXPECT_TRUE(has(root.filename(),
			r.out.substr(r.out.find(' ') + 1,
				     r.out.size() - r.out.find(' ') - 2)))
		<< r;
}

INSTANTIATE_TEST_SUITE_P(, Tree,
			 testing::Combine(testing::ValuesIn(built_sysroots()),
					  testing::ValuesIn(ways)),
			 [](const auto &i) {
				 return identifier(std::get<0>(i.param)) + "_" +
					std::get<1>(i.param).name;
			 });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Tree);

// What is missing is said, and nothing is started or left behind.
TEST_P(Wrappers, ATreeThatCannotBeIsRefused)
{
	ASSERT_EQ(sh("mkdir " + file("bin") + " && cd " + file("bin") +
		     " && printf '#!/bin/sh\\necho unshare: unshare failed: "
		     "Operation not permitted >&2; exit 1\\n' > unshare && "
		     "chmod +x unshare && for c in sh id od sed cat readlink "
		     "dirname mktemp rm echo; do ln -s $(PATH=/usr/bin:/bin "
		     "which $c) $c; done")
			  .code,
		  0);
	outcome r = sh("mkdir " + file("tmp") + "; TMPDIR=" + file("tmp") +
		       " PATH=" + file("bin") + " " + tool("tlabi-run") +
		       "--tree echo started");
	EXPECT_EQ(r.code, 126) << r;
	EXPECT_FALSE(has(r.out, "started")) << r;
	if (!has(r.out, "there is no /lib")) {
		EXPECT_TRUE(has(r.out, "Operation not permitted")) << r;
		EXPECT_TRUE(has(r.out, "bwrap: not installed")) << r;
		EXPECT_TRUE(has(r.out, "user.max_user_namespaces")) << r;
	}
	EXPECT_TRUE(fs::is_empty(file("tmp")));
}

} // namespace
