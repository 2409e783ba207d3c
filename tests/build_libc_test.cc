// SPDX-License-Identifier: MIT
// libc-patches/build-libc, run as a person would run it. Most tests give it
// a copy of libc-patches whose table has one libc, "musl-0.1", that builds
// in a second and can be stopped in any phase.

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "harness.hh"

using namespace harness;

namespace
{

void write(const fs::path &path, const std::string &text)
{
	fs::create_directories(path.parent_path());
	std::ofstream(path) << text;
}

std::string first_word(const std::string &text)
{
	return text.substr(0, text.find_first_of(" \n"));
}

const char whole_libc[] =
	"object 1\nobject 2\nobject 3\nobject 4\nobject 5\nobject 6\n"
	"object 7\nobject 8\nobject 9\nobject 10\nobject 11\nobject 12\n";

class BuildLibc : public testing::Test
{
      protected:
	const fs::path data = source_dir() / "tests/build-libc";
	const std::string native = first_word(sh("gcc -dumpmachine").out);
	const char *greet = "0001-greet-otherwise.patch";
	fs::path dir, patches, tarball, prefix, work;

	void SetUp() override
	{
		char name[] = "/tmp/build_libc_test.XXXXXX";
		dir = mkdtemp(name);
		fs::permissions(dir, fs::perms(0755)); // for apt's own user
		// A root of Debian has mawk, which forgives less than gawk.
		fs::create_directories(dir / "awk");
		if (have("mawk"))
			sh("ln -s $(command -v mawk) " +
			   (dir / "awk/awk").string());
		patches = dir / "libc-patches";
		prefix = dir / "build/sysroot/musl-0.1";
		work = dir / "build/work";
		fs::copy(source_dir() / "libc-patches", patches,
			 fs::copy_options::recursive);

		tarball = dir / "tarballs/musl-0.1.tar.gz";
		fs::create_directories(tarball.parent_path());
		sh("tar -C " + data.string() + " -czf " + tarball.string() +
		   " musl-0.1");
		table("musl-0.1.tar.gz", "http://127.0.0.1:9/");
		fs::remove_all(patches / "musl");
		fs::create_directories(patches / "musl");
		fs::copy(data / greet, patches / "musl");
		manifest();
	}

	void TearDown() override
	{
		fs::remove_all(dir);
	}

	std::string checksum() const
	{
		return first_word(sh("sha256sum " + tarball.string()).out);
	}

	void table(const std::string &file, const std::string &where)
	{
		write(patches / "sources", "# one libc\nmusl-0.1 " + file +
						   " " + checksum() + " " +
						   where + "\n");
	}

	// The patches that are there now are the series.
	void manifest() const
	{
		outcome r = build("--manifest");
		ASSERT_EQ(r.code, 0) << r.out;
	}

	// Nothing but what the test gives, no network unless it says so, and
	// no C++ runtime for what is no libc.
	outcome build(const std::string &arguments,
		     const std::string &environment = "") const
	{
		return sh(command(arguments, environment));
	}

	std::string command(const std::string &arguments,
			    const std::string &environment = "") const
	{
		return "env -u CC -u TLABI_SOURCES TLABI_OFFLINE=1 PATH=" +
		       (dir / "awk").string() + ":$PATH TLABI_BUILD=" +
		       (dir / "build").string() + " " + environment + " " +
		       (patches / "build-libc").string() + " --without-c++ " +
		       arguments;
	}

	outcome build_it(const std::string &environment = "") const
	{
		return build("--source-dir " + (dir / "tarballs").string() +
				     " musl-0.1",
			     environment);
	}

	bool complete() const
	{
		return fs::exists(prefix / "share/tlabi/sysroot.txt");
	}

	void expect_whole() const
	{
		EXPECT_TRUE(complete());
		EXPECT_EQ(content(prefix / "lib/libc.so"), whole_libc);
		EXPECT_EQ(content(prefix / "lib/greeting"),
			  "one\npatched\nthree\n");
		EXPECT_TRUE(fs::exists(prefix / "include/linux/futex.h"));
		EXPECT_TRUE(fs::exists(prefix / "bin/tlabi-gcc"));
		EXPECT_TRUE(fs::exists(prefix / "bin/tlabi-run"));
	}
};

TEST_F(BuildLibc, BuildsAndRecordsWhatItBuilt)
{
	outcome r = build_it();
	ASSERT_EQ(r.code, 0) << r.out;
	expect_whole();
	std::string record = content(prefix / "share/tlabi/sysroot.txt");
	EXPECT_TRUE(has(record, "libc=musl\nversion=0.1\npatched=yes\n"));
	EXPECT_TRUE(has(record, "sha256=" + checksum() + "\n"));
	EXPECT_TRUE(has(record, "loader=" + prefix.string() +
					"/lib/ld-musl-fake.so.1\n"));
	EXPECT_TRUE(has(r.out, "log: " + dir.string() +
				       "/build/log/musl-0.1.log\n"));
	EXPECT_TRUE(has(content(dir / "build/log/musl-0.1.log"),
			"0001-greet-otherwise.patch"));

	auto time = fs::last_write_time(prefix / "lib/libc.so");
	r = build_it();
	EXPECT_EQ(r.code, 0);
	EXPECT_TRUE(has(r.out, "up to date")) << r.out;
	EXPECT_EQ(fs::last_write_time(prefix / "lib/libc.so"), time);
}

TEST_F(BuildLibc, StockHasNoPatchesAndItsOwnPlace)
{
	outcome r = build("--stock --source-dir " +
			 (dir / "tarballs").string() + " musl-0.1");
	ASSERT_EQ(r.code, 0) << r.out;
	fs::path stock = dir / "build/sysroot/musl-0.1-stock";
	EXPECT_EQ(content(stock / "lib/greeting"), "one\nhello\nthree\n");
	EXPECT_TRUE(has(content(stock / "share/tlabi/sysroot.txt"),
			"patched=no\n"));
	EXPECT_FALSE(complete());
}

/* By its name, which is that of the file in libc-patches/musl. */
TEST_F(BuildLibc, OnePatchCanBeLeftOut)
{
	const std::string name =
		"0011-malloc-keep-free-slots-in-a-cache-for-each-cpu.patch";
	ASSERT_TRUE(fs::exists(source_dir() / "libc-patches/musl" / name));
	fs::rename(patches / "musl" / greet, patches / "musl" / name);
	manifest();
	ASSERT_EQ(build_it().code, 0);
	expect_whole();
	outcome r = build("--without-percpu-malloc --source-dir " +
			 (dir / "tarballs").string() + " musl-0.1");
	ASSERT_EQ(r.code, 0) << r.out;
	fs::path without = dir / "build/sysroot/musl-0.1-without-percpu-malloc";
	EXPECT_EQ(content(without / "lib/greeting"), "one\nhello\nthree\n");
	std::string record = content(without / "share/tlabi/sysroot.txt");
	EXPECT_TRUE(has(record, "patched=yes\n")) << record;
	EXPECT_TRUE(has(record, "patches=0\n")) << record;
}

TEST_F(BuildLibc, ChangedPatchRebuilds)
{
	ASSERT_EQ(build_it().code, 0);
	std::string patch = content(data / greet);
	patch.replace(patch.find("+patched"), 8, "+changed");
	write(patches / "musl" / greet, patch);
	manifest();
	ASSERT_EQ(build_it().code, 0);
	EXPECT_EQ(content(prefix / "lib/greeting"), "one\nchanged\nthree\n");
}

TEST_F(BuildLibc, SeriesThatIsNotWholeNamesTheFile)
{
	const fs::path patch = patches / "musl" / greet;
	const std::string text = content(patch), refused =
		"build-libc: the series of musl-0.1 is not whole: musl/";
	outcome r;

	write(patch, text + "\n");
	r = build_it();
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, refused + greet + " has changed: SHA-256 is "))
		<< r.out;
	fs::remove(patch);
	r = build_it();
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, refused + greet + " is missing; ")) << r.out;
	write(patch, text);

	// One that the manifest does not have, and one that it forgot.
	write(patches / "musl/0002-more.patch", text);
	r = build_it();
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, refused + "0002-more.patch is in the folder or"
					 " in the manifest"))
		<< r.out;
	fs::remove(patches / "musl/0002-more.patch");
	write(patches / "musl/0.1/0002-other.patch", text);
	r = build_it();
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, refused + "0.1/0002-other.patch has no"
					 " namesake in musl/"))
		<< r.out;
	fs::remove_all(patches / "musl/0.1");
	EXPECT_FALSE(fs::exists(dir / "build/work"));

	const std::string table = content(patches / "manifest");
	write(patches / "manifest", "");
	r = build_it();
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, refused + greet)) << r.out;
	write(patches / "manifest", table);
	EXPECT_EQ(build_it().code, 0);
	expect_whole();
}

// A folder's form of a patch holds for its version and older ones.
TEST_F(BuildLibc, VersionFolderWinsAndServesOlderVersions)
{
	std::string other = content(data / greet);
	other.replace(other.find("+patched"), 8, "+special");
	const std::string row = content(patches / "sources");
	std::string rows = row;

	for (const char *v : {"0.2", "0.10"})
		rows += std::string("musl-") + v + row.substr(
			row.find("musl-0.1 ") + 8);
	write(patches / "sources", rows);
	write(patches / "musl/0.2" / greet, other);
	manifest();
	const std::string list = content(patches / "manifest");
	const auto row_of = [&](const std::string &version,
				const std::string &path) {
		return "\nmusl-" + version + " " +
			first_word(sh("sha256sum " +
				      (patches / path).string()).out) +
			" " + path + "\n";
	};
	const std::string common = std::string("musl/") + greet,
			  special = std::string("musl/0.2/") + greet;
	EXPECT_TRUE(has(list, row_of("0.1", special))) << list;
	EXPECT_TRUE(has(list, row_of("0.2", special))) << list;
	EXPECT_TRUE(has(list, row_of("0.10", common))) << list;
	ASSERT_EQ(build_it().code, 0);
	EXPECT_EQ(content(prefix / "lib/greeting"), "one\nspecial\nthree\n");
}

TEST_F(BuildLibc, SeriesIsWrittenAsItWouldBeSent)
{
	const std::string text = content(data / greet);
	const fs::path out = dir / "series";

	write(patches / "musl/0001-greet-otherwise.patch",
	      "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00"
	      " 2001\nFrom: a <a@example.org>\nDate: Wed, 25 Nov 2026 18:00:00"
	      " +0000\nSubject: [PATCH] greet otherwise\n\nThe reason.\n---\n" +
	      text);
	write(patches / "musl/0002-again.patch",
	      "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00"
	      " 2001\nFrom: a <a@example.org>\nDate: Wed, 25 Nov 2026 18:00:00"
	      " +0000\nSubject: [PATCH] again\n\nAnother.\n---\n"
	      "--- a/greeting\n+++ b/greeting\n@@ -1,3 +1,3 @@\n"
	      " one\n-patched\n+again\n three\n");
	write(patches / "musl/cover-letter", "greetings\n\nThe case.\n");
	manifest();
	outcome r = build("--series musl-0.1 " + out.string());
	ASSERT_EQ(r.code, 0) << r.out;
	EXPECT_EQ(content(out / "0000-cover-letter"),
		  "Subject: [PATCH 0/2] greetings\n\nThe case.\n");
	EXPECT_TRUE(has(r.out, "no patch has a Signed-off-by line")) << r.out;
	EXPECT_TRUE(has(content(out / "0002-again.patch"),
			"\nSubject: [PATCH 2/2] again\n"));

	if (system("command -v git >/dev/null"))
		GTEST_SKIP() << "git is not here";
	r = sh("cp -r " + (data / "musl-0.1").string() + " " +
	       (dir / "tree").string() + " && cd " + (dir / "tree").string() +
	       " && git init -q && git config user.name n && "
	       "git config user.email n@example.org && git add . && "
	       "git commit -qm base && git am -q " + out.string() +
	       "/*.patch && git log --format=%s && cat greeting");
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_EQ(r.out, "again\ngreet otherwise\nbase\none\nagain\nthree\n");

	// What is there already is left alone.
	r = build("--series musl-0.1 " + out.string());
	EXPECT_EQ(r.code, 2);
	EXPECT_TRUE(has(r.out, "is not empty")) << r.out;
	EXPECT_EQ(build("--series musl-0.1").code, 2);
}

TEST_F(BuildLibc, ListShowsDefaultSourceAndSysroot)
{
	outcome r = build("--list");
	EXPECT_EQ(r.code, 0);
	EXPECT_TRUE(has(r.out, "musl-0.1     default  -          none"
			       "               not built"))
		<< r.out;
	ASSERT_EQ(build_it().code, 0);
	fs::create_directories(dir / "build/cache");
	fs::copy(tarball, dir / "build/cache");
	r = build("--list");
	EXPECT_TRUE(has(r.out, "default  cache      none               " +
				       prefix.string()))
		<< r.out;
}

TEST_F(BuildLibc, PlainNameIsTheNewestThatCanBeHad)
{
	std::string known = content(patches / "sources");
	write(patches / "sources",
	      "musl-0.2 musl-0.2.tar.gz " + std::string(64, '0') +
		      " http://127.0.0.1:9/\n" + known);
	outcome r = build("--which --source-dir " +
			 (dir / "tarballs").string() + " musl 2>/dev/null");
	EXPECT_EQ(r.code, 0);
	EXPECT_EQ(r.out, "musl-0.1\n");
	r = build("--which musl");
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, "no source of any musl")) << r.out;
}

TEST_F(BuildLibc, UnknownVersionListsTheKnownOnes)
{
	outcome r = build("musl-9.9");
	EXPECT_EQ(r.code, 2);
	EXPECT_EQ(r.out, "build-libc: unknown LIBC-VERSION musl-9.9; "
			 "known are musl-0.1\n");
	r = build("musl-0x1");
	EXPECT_EQ(r.code, 2) << "a dot is a dot: " << r.out;
	EXPECT_EQ(build("").code, 2);
	EXPECT_EQ(build("--jobs 0 musl-0.1").code, 2);
	EXPECT_EQ(build("--prefix").code, 2);
}

TEST_F(BuildLibc, UnknownHostListsTheKnownOnes)
{
	outcome r = build("--host=m68k-linux-gnu musl-0.1");
	EXPECT_EQ(r.code, 2);
	EXPECT_TRUE(has(r.out, "unknown --host m68k-linux-gnu; known are "
			       "x86_64-linux-gnu aarch64-linux-gnu "
			       "riscv64-linux-gnu s390x-linux-gnu "
			       "powerpc64le-linux-gnu arm-linux-gnueabihf "
			       "i686-linux-gnu mips64el-linux-gnuabi64 "
			       "loongarch64-linux-gnu\n"))
		<< r.out;

	r = build("--host=riscv64-linux-gnu musl-0.1", "CC='gcc -O1'");
	EXPECT_EQ(r.code, 2);
	EXPECT_TRUE(has(r.out, "gcc -O1 builds for " + native +
			       ", not for riscv64-linux-gnu")) << r.out;
}

// Headers, tools and wrapper are the other machine's.
TEST_F(BuildLibc, HostTakesNothingOfThisMachine)
{
	if (!have("aarch64-linux-gnu-gcc"))
		GTEST_SKIP() << "aarch64-linux-gnu-gcc is not here";
	outcome r = build("--host aarch64-linux-gnu --source-dir " +
			  (dir / "tarballs").string() + " musl-0.1");
	prefix = dir / "build/sysroot/aarch64-linux-gnu/musl-0.1";
	ASSERT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(r.out, prefix.string() + "\n")) << r.out;
	// arm64 has it, x86-64 has not.
	EXPECT_TRUE(fs::exists(prefix / "include/asm/sve_context.h"));
	EXPECT_FALSE(fs::exists(prefix / "include/asm/vsyscall.h"));
	EXPECT_TRUE(has(content(prefix / "share/tlabi/sysroot.txt"),
			"machine=aarch64-linux-gnu\n"));
	r = sh((prefix / "bin/tlabi-gcc").string() + " -dumpmachine");
	EXPECT_EQ(r.out, "aarch64-linux-gnu\n");
	EXPECT_FALSE(fs::exists(dir / "build/sysroot/musl-0.1"));
	// The same without being told, where CC says so.
	r = build("--source-dir " + (dir / "tarballs").string() + " musl-0.1",
		  "CC=aarch64-linux-gnu-gcc");
	EXPECT_TRUE(has(r.out, "up to date: " + prefix.string())) << r.out;
}

// uname(1), which is played here, has other words for them than the compiler.
TEST_F(BuildLibc, OwnMachineIsKnownByEitherName)
{
	for (const strings &own : {
		     strings{"ppc64le", "powerpc64le-linux-gnu"},
		     strings{"armv7l", "arm-linux-gnueabihf"}}) {
		if (!have(own[1] + "-gcc"))
			GTEST_SKIP() << own[1] << "-gcc is not here";
		write(dir / "awk/uname", "#!/bin/sh\necho " + own[0] + "\n");
		fs::permissions(dir / "awk/uname", fs::perms(0755));
		outcome r = build_it("CC=" + own[1] + "-gcc");
		EXPECT_TRUE(has(r.out, "\n" + prefix.string() + "\n")) << r.out;
		EXPECT_FALSE(fs::exists(dir / "build/sysroot" / own[1]));
		EXPECT_TRUE(has(content(prefix / "share/tlabi/sysroot.txt"),
				"machine=" + own[1] + "\n"));
	}
}

TEST_F(BuildLibc, CorruptTarballIsNamedAndTheNextSourceUsed)
{
	fs::path bad = dir / "tarballs/musl-0.1.tar.gz";
	std::string expected = checksum();
	fs::create_directories(dir / "build/cache");
	fs::copy(tarball, dir / "build/cache");
	for (const char *damage : {"truncate -s -9 ", "printf xx >> "}) {
		sh(damage + bad.string());
		std::string got = checksum();
		outcome r = build("--fetch-only --source-dir " +
				 (dir / "tarballs").string() + " musl-0.1");
		EXPECT_EQ(r.code, 0);
		EXPECT_TRUE(has(r.out, bad.string() +
					       " is corrupt or truncated: "
					       "SHA-256 is " +
					       got + ", expected " + expected))
			<< r.out;
		EXPECT_TRUE(has(r.out, "/build/cache/musl-0.1.tar.gz\n"));
	}
	fs::remove_all(dir / "build/cache");
	outcome r = build_it();
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, "is corrupt or truncated")) << r.out;
	EXPECT_TRUE(has(r.out, "give it by --source-dir")) << r.out;
	EXPECT_FALSE(complete());
}

TEST_F(BuildLibc, MissingToolIsNamedBeforeAnythingStarts)
{
	fs::path bin = dir / "bin";
	fs::create_directories(bin);
	sh("cd " + bin.string() +
	   " && ln -s /bin/[!.]* /usr/bin/[!.]* .; rm make patch");
	outcome r = build_it("PATH=" + bin.string());
	EXPECT_EQ(r.code, 3);
	EXPECT_EQ(r.out.find("build-libc: missing: make patch; "), 0u) << r.out;
	EXPECT_TRUE(has(r.out, " make patch\n")) << r.out;
	EXPECT_EQ(std::count(r.out.begin(), r.out.end(), '\n'), 1);
	EXPECT_FALSE(fs::exists(dir / "build/work"));
}

// A manifest without checksums would pass for one.
TEST_F(BuildLibc, ManifestThatCannotBeMadeIsLeftAsItIs)
{
	const fs::path bin = dir / "bin";
	const std::string table = content(patches / "manifest");

	fs::create_directories(bin);
	sh("cd " + bin.string() +
	   " && ln -s /bin/[!.]* /usr/bin/[!.]* .; rm sha256sum");
	outcome r = build("--manifest", "PATH=" + bin.string());
	EXPECT_EQ(r.code, 3) << r.out;
	EXPECT_TRUE(has(r.out, "missing: sha256sum; ")) << r.out;
	EXPECT_EQ(content(patches / "manifest"), table);

	fs::create_directory(patches / "musl/0002-folder.patch");
	r = build("--manifest");
	EXPECT_EQ(r.code, 4) << r.out;
	EXPECT_TRUE(has(r.out, "cannot read musl/0002-folder.patch"))
		<< r.out;
	EXPECT_EQ(content(patches / "manifest"), table);
}

TEST_F(BuildLibc, LogOfABuildUnderWayIsLeftAlone)
{
	const fs::path log = dir / "build/log/musl-0.1.log";
	const std::string known = content(patches / "sources");

	write(patches / "sources",
	      "musl-0.2 musl-0.2.tar.gz " + std::string(64, '0') +
		      " http://127.0.0.1:9/\n" + known);
	manifest();
	write(log, "of another run\n");
	for (const char *what : {"--which musl", "--fetch-only musl-0.1",
				 "--unpack musl-0.1 "}) {
		const std::string more = std::string(what).ends_with(" ") ?
			(dir / "tree").string() : "";
		const outcome r = build("--source-dir " +
					(dir / "tarballs").string() + " " +
					what + more);
		EXPECT_EQ(r.code, 0) << r.out;
		EXPECT_EQ(content(log), "of another run\n") << what;
	}
	EXPECT_EQ(content(dir / "tree/greeting"), "one\npatched\nthree\n");
}

TEST_F(BuildLibc, UpToDateNeedsNoLog)
{
	ASSERT_EQ(build_it().code, 0);
	fs::remove(dir / "build/log/musl-0.1.log");
	fs::create_directory(dir / "build/log/musl-0.1.log");
	const outcome r = build_it();
	EXPECT_EQ(r.code, 0);
	EXPECT_EQ(r.out, "musl-0.1: up to date: " + prefix.string() + "\n" +
				 prefix.string() + "\n");
}

// What a developer's shell may set, and a libc must not be built with.
TEST_F(BuildLibc, OtherHeadersAreNotFound)
{
	write(dir / "poison/link.h", "#error poison\n");
	const outcome r = build_it("CPATH=" + (dir / "poison").string());
	EXPECT_EQ(r.code, 0) << r.out;
	expect_whole();
}

// make's variables are in the environment, from where configure takes its tools.
TEST_F(BuildLibc, OtherToolsAreNotUsed)
{
	const outcome r = build_it("INSTALL=yes CXX=false");
	EXPECT_EQ(r.code, 0) << r.out;
	expect_whole();
}

// Nor is what make, tar and bash itself take from there.
TEST_F(BuildLibc, OptionsInTheEnvironmentChangeNothing)
{
	write(dir / "poison.mk", "all:; @echo poison; exit 1\n");
	for (const std::string &set :
	     strings{"MAKEFILES=" + (dir / "poison.mk").string(),
		     "TAR_OPTIONS=--exclude=configure", "SHELLOPTS=noglob",
		     "BASHOPTS=failglob"}) {
		fs::remove_all(dir / "build");
		const outcome r = build_it(set);
		EXPECT_EQ(r.code, 0) << set << "\n" << r.out;
		expect_whole();
	}
	// An earlier run's files are written over.
	fs::remove_all(dir / "build");
	ASSERT_EQ(build_it("FAKE_FAIL=5").code, 4);
	const outcome r = build_it("SHELLOPTS=noclobber");
	EXPECT_EQ(r.code, 0) << r.out;
	expect_whole();
}

// bash takes SECONDS for its clock, and TMOUT for how long a read may wait:
// that of the watchdog lasts as long as the phase, here of 2 s.
TEST_F(BuildLibc, ClocksInTheEnvironmentAreNotItsOwn)
{
	write(dir / "awk/patch",
	      "#!/bin/sh\nsleep 2\nPATH=${PATH#*:}\nexec patch \"$@\"\n");
	fs::permissions(dir / "awk/patch", fs::perms(0755));
	const outcome r = build_it("TMOUT=1 SECONDS=60000");
	EXPECT_EQ(r.code, 0) << r.out;
	expect_whole();
	EXPECT_TRUE(has(r.out, "musl-0.1: done in 0:")) << r.out;
}

TEST_F(BuildLibc, CompilerThatNoWrapperCanHoldIsRefused)
{
	const outcome r = build_it("CC='gcc -Wl,-O1'");
	EXPECT_EQ(r.code, 2) << r.out;
	EXPECT_TRUE(has(r.out, "cannot hold: gcc -Wl,-O1; put it into a"
			       " script")) << r.out;
	EXPECT_FALSE(fs::exists(dir / "build/work"));
}

TEST_F(BuildLibc, EachWordOfTheCompilerIsLookedFor)
{
	outcome r = build_it("CC='no-such-ccache gcc'");
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, "missing: no-such-ccache; ")) << r.out;
	r = build_it("CC='gcc -O1'");
	EXPECT_EQ(r.code, 0) << r.out;
}

TEST_F(BuildLibc, PatchThatDoesNotApplyNamesFileAndHunk)
{
	fs::path second = patches / "musl/0002-again.patch";
	fs::copy(data / greet, second);
	manifest();
	outcome r = build_it();
	EXPECT_EQ(r.code, 4);
	EXPECT_TRUE(has(r.out, "0002-again.patch does not apply to "
			       "musl-0.1.tar.gz: greeting: "))
		<< r.out;
	write(second, "--- a/greeting\n+++ b/greeting\n@@ -1,3 +1,3 @@\n"
		      " one\n-absent\n+present\n three\n");
	manifest();
	r = build_it();
	EXPECT_EQ(r.code, 4);
	EXPECT_TRUE(has(r.out, "greeting: hunk #1 FAILED at 1")) << r.out;
	write(second, "--- a/nowhere\n+++ b/nowhere\n@@ -1,3 +1,3 @@\n"
		      " one\n-absent\n+present\n three\n");
	manifest();
	r = build_it();
	EXPECT_EQ(r.code, 4);
	EXPECT_TRUE(has(r.out, "nowhere: no such file")) << r.out;
	EXPECT_FALSE(fs::exists(dir / "build/work/musl-0.1/src"));
	EXPECT_FALSE(complete());

	fs::remove(second);
	manifest();
	EXPECT_EQ(build_it().code, 0);
	expect_whole();
}

TEST_F(BuildLibc, ManualPatchIsSkippedWhereThereIsNoManual)
{
	write(patches / "musl/0002-manual-tell.patch",
	      "--- a/manual/x\n+++ b/manual/x\n@@ -1,1 +1,1 @@\n-a\n+b\n");
	manifest();
	outcome r = build_it();
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(content(dir / "build/log/musl-0.1.log"),
			"0002-manual-tell.patch skipped"));
}

TEST_F(BuildLibc, FailedBuildShowsTheErrorAndTheLog)
{
	outcome r = build_it("FAKE_FAIL=5");
	EXPECT_EQ(r.code, 4);
	EXPECT_TRUE(has(r.out, "x.c:3: error: boom")) << r.out;
	EXPECT_TRUE(has(r.out, "build of musl-0.1 failed")) << r.out;
	EXPECT_TRUE(has(r.out, "/build/log/musl-0.1.log\n")) << r.out;
	EXPECT_FALSE(complete());
	EXPECT_EQ(build_it().code, 0);
	expect_whole();
}

TEST_F(BuildLibc, ACxxRuntimeThatCannotBeBuiltIsSaidSo)
{
	outcome r = build("--with-c++ --source-dir " +
				  (dir / "tarballs").string() + " musl-0.1",
			  "CC=clang");
	if (!have("clang"))
		GTEST_SKIP() << "no clang, which has no libstdc++ to build";
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, "no C++ runtime for musl-0.1: clang is not gcc"))
		<< r;
	EXPECT_FALSE(complete());
	ASSERT_EQ(build_it("CC=clang").code, 0);
	expect_whole();
	EXPECT_FALSE(fs::exists(prefix / "bin/tlabi-g++"));
	EXPECT_TRUE(has(content(prefix / "share/tlabi/sysroot.txt"),
			"\nc++=none\n"));
}

// The stamps' keys, with other headers in the place of the system's.
TEST_F(BuildLibc, OtherKernelHeadersAreAnotherBuild)
{
	outcome r = run({"bash", "-c",
			 "mkdir $1 && cd $1; here=$2 libc=musl version=0.1 "
			 "prefix=/p cc=gcc; for f in fetch phases sysroot; do "
			 ". $here/lib/$f.sh; done; patches() { :; }; "
			 "header_directories() { pwd; }; "
			 "key() { keys x; echo $build_key; }; echo 1 > a.h; "
			 "key; touch a.h; key; echo 2 > a.h; key",
			 "bash", dir / "headers", patches});
	std::vector<std::string> keys;
	std::istringstream lines(r.out);
	for (std::string line; std::getline(lines, line);)
		keys.push_back(line);
	ASSERT_EQ(keys.size(), 3u) << r;
	EXPECT_EQ(keys[0].size(), 64u) << r;
	EXPECT_EQ(keys[0], keys[1]);
	EXPECT_NE(keys[0], keys[2]);
}

TEST_F(BuildLibc, PrefixThatIsNoSysrootIsLeftAlone)
{
	write(dir / "mine/file", "precious");
	outcome r = build("--prefix " + (dir / "mine").string() +
			 " --source-dir " + (dir / "tarballs").string() +
			 " musl-0.1");
	EXPECT_EQ(r.code, 2);
	EXPECT_TRUE(has(r.out, "exists and is no sysroot")) << r.out;
	EXPECT_EQ(content(dir / "mine/file"), "precious");
}

// Compilers and sed take a comma apart, make and specs files a percent sign.
TEST_F(BuildLibc, PathThatToolsWouldTakeApartIsRefused)
{
	for (const char *name : {"a,b", "a%b", "a b"}) {
		outcome r = build("--prefix '" + (dir / name).string() +
				  "' --source-dir " +
				  (dir / "tarballs").string() + " musl-0.1");
		EXPECT_EQ(r.code, 2) << r.out;
		EXPECT_TRUE(has(r.out, "do not build under a path")) << r.out;
		EXPECT_FALSE(fs::exists(dir / name));
	}
}

// Only where it builds does a path have to be plain.
TEST_F(BuildLibc, ItMayLieUnderAnyPath)
{
	const fs::path odd = dir / "a b,&c";

	fs::create_directory(odd);
	fs::rename(patches, odd / "libc-patches");
	patches = "'" + (odd / "libc-patches").string() + "'";
	outcome r = build_it();
	EXPECT_EQ(r.code, 0) << r.out;
	expect_whole();
	r = build("--series musl-0.1 " + (dir / "series").string());
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(content(dir / "series" / greet),
			"[PATCH 1/1] greet otherwise"));

	r = build("--deb --source-dir " + (dir / "tarballs").string() +
		  " musl-0.1 '" + (odd / "deb").string() + "'");
	EXPECT_TRUE(has(r.out, "do not build under a path") ||
		    has(r.out, "missing: ")) << r.out;
	EXPECT_FALSE(fs::exists(odd / "deb"));
}

// realpath(1) would take them for options, and the prefix be the system's.
TEST_F(BuildLibc, FolderMayBeginWithADash)
{
	const fs::path place = dir / "place";
	fs::rename(dir / "tarballs", dir / "-t");
	const outcome r = sh("cd " + dir.string() + " && " +
			     command("--source-dir=-t --destdir=-d --prefix " +
					     place.string() + " musl-0.1",
				     "TLABI_BUILD=-b"));
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_FALSE(fs::exists(place));
	EXPECT_TRUE(fs::exists(dir / "-b/work"));
	prefix = dir / "-d" / place.relative_path();
	expect_whole();
}

TEST_F(BuildLibc, WhatWouldBeIgnoredIsRefused)
{
	outcome r = build("--list --which musl-0.1");
	EXPECT_EQ(r.code, 2);
	EXPECT_EQ(r.out, "build-libc: --list and --which exclude each other\n");
	r = build("--list musl-0.1");
	EXPECT_EQ(r.code, 2);
	EXPECT_TRUE(has(r.out, "--list is about all versions")) << r.out;
}

TEST_F(BuildLibc, ALinkToItStartsIt)
{
	fs::create_symlink(patches / "build-libc", dir / "link");
	fs::rename(dir / "link", dir / "tarballs/link");
	outcome r = sh("cd / && env TLABI_OFFLINE=1 TLABI_BUILD=" +
		       (dir / "build").string() + " " +
		       (dir / "tarballs/link").string() + " --list");
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(r.out, "\nmusl-0.1 ")) << r.out;
}

// For a package: at its place below another directory, with the headers of
// the package that has them.
TEST_F(BuildLibc, DestdirHoldsWhatBelongsIntoThePrefix)
{
	const fs::path root = dir / "root", place = "/usr/lib/none/tlabi/musl";
	const std::string how = "--prefix " + place.string() + " --destdir " +
		root.string() + " --source-dir " +
		(dir / "tarballs").string() + " musl-0.1";
	outcome r = build(how);
	ASSERT_EQ(r.code, 0) << r.out;
	EXPECT_FALSE(fs::exists(place));
	prefix = root / place.relative_path();
	EXPECT_TRUE(has(r.out, "\n" + prefix.string() + "\n")) << r.out;
	expect_whole();
	EXPECT_TRUE(fs::is_symlink(prefix / "include/linux"));
	EXPECT_TRUE(has(content(prefix / "share/tlabi/sysroot.txt"),
			"\nprefix=" + place.string() + "\n"));
	EXPECT_TRUE(has(content(prefix / "bin/tlabi-gcc"),
			"-specs=" + place.string() + "/lib/tlabi-gcc.specs"));
	EXPECT_FALSE(has(sh("grep -r " + dir.string() + " " +
			    (prefix / "bin").string() + " " +
			    (prefix / "etc").string()).out, "root"));
	r = build(how);
	EXPECT_EQ(r.code, 0);
	EXPECT_TRUE(has(r.out, "up to date: " + prefix.string())) << r.out;
}

TEST_F(BuildLibc, DebLeavesTheOtherOptionsOut)
{
	outcome r = build("--deb musl-0.1");
	EXPECT_EQ(r.code, 2);
	EXPECT_TRUE(has(r.out, "--deb needs a directory")) << r.out;
	r = build("--stock --deb musl-0.1 " + (dir / "deb").string());
	EXPECT_EQ(r.code, 2);
	EXPECT_TRUE(has(r.out, "leave the other options out")) << r.out;
	write(dir / "deb/file", "precious");
	r = build("--deb --source-dir " + (dir / "tarballs").string() +
		  " musl-0.1 " + (dir / "deb").string());
	EXPECT_TRUE(r.code == 2 || r.code == 3) << r.out;
	EXPECT_TRUE(has(r.out, "is not empty") ||
		    has(r.out, "missing: ")) << r.out;
	EXPECT_EQ(content(dir / "deb/file"), "precious");
}

// Whatever was on the way when a run ended is no reason to refuse the folder, or
// to take it for complete. The packages are a stand-in for
// dpkg-buildpackage's, which readme_test has built in earnest.
TEST_F(BuildLibc, DebTakesUpAFolderThatWasLeftUnfinished)
{
	const fs::path deb = dir / "deb", tool = dir / "awk/dpkg-buildpackage",
		       seen = dir / "seen";
	const std::string run = command("--deb --source-dir " +
		(dir / "tarballs").string() + " musl-0.1 " + deb.string());

	fs::copy(source_dir() / "man", dir / "man");
	write(dir / "awk/dh", "#!/bin/sh\n");
	write(tool, "#!/bin/sh\necho half >../x_amd64.deb\ntouch " +
			    seen.string() + "\n[ -z \"$FAIL\" ] || exit 1\n"
			    "[ -z \"$HANG\" ] || sleep 100\n"
			    "echo whole >../x_amd64.deb\n");
	for (const fs::path &t : {tool, dir / "awk/dh"})
		fs::permissions(t, fs::perms(0755));

	outcome r = sh("FAIL=1 " + run);
	EXPECT_EQ(r.code, 4) << r.out;
	EXPECT_TRUE(fs::remove(seen)) << r.out;
	EXPECT_FALSE(fs::exists(deb));
	fs::create_directory(deb);
	r = sh("HANG=1 " + run + " & for i in $(seq 300); do [ ! -e " +
	       seen.string() + " ] || break; sleep 0.1; done; kill -9 $!; "
	       "wait $!");
	EXPECT_TRUE(fs::remove(seen)) << r.out;
	EXPECT_TRUE(fs::is_empty(deb));

	r = sh(run);
	ASSERT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(r.out, deb.string() + "/x_amd64.deb\n")) << r.out;
	EXPECT_EQ(content(deb / "x_amd64.deb"), "whole\n");
	EXPECT_EQ(sh("cd " + dir.string() + " && ls -A deb && ls -d .deb* "
		     "2>/dev/null").out,
		  "musl-tlabi_0.1.orig.tar.xz\nx_amd64.deb\n");

	r = sh(run);
	EXPECT_EQ(r.code, 2);
	EXPECT_TRUE(has(r.out, "is not empty")) << r.out;
}

TEST_F(BuildLibc, SecondRunWaitsForTheFirst)
{
	std::string run = command("--source-dir " +
				  (dir / "tarballs").string() + " musl-0.1");
	outcome r = sh(run + " & " + run + "; a=$?; wait $!; exit $((a + $?))");
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(r.out, "waiting for another")) << r.out;
	expect_whole();
}

TEST_F(BuildLibc, WaitingRunCanBeTerminated)
{
	const std::string run = command("--source-dir " +
		(dir / "tarballs").string() + " musl-0.1"),
		lock = (work / "musl-0.1/lock").string(),
		log = (dir / "log").string();
	write(lock, "");
	const outcome r = sh(
		"(exec 9>" + lock + "; flock 9; exec sleep 60) >/dev/null 2>&1 "
		"& holder=$!\n"
		"while flock -n " + lock + " true; do sleep 0.1; done\n"
		"exec 3>" + log + "; exec " + run + " 2>&3 & run=$!\n"
		"for i in $(seq 100); do grep -q waiting " + log +
		" && break; sleep 0.1; done\n"
		"kill -TERM $run; wait $run; echo status $?\n"
		"kill $holder && echo in time; cat " + log);
	EXPECT_TRUE(has(r.out, "status 143\nin time\n")) << r.out;
}

// As on some network file systems: no two runs at a time must be promised.
TEST_F(BuildLibc, WithoutLocksNothingIsBuilt)
{
	write(dir / "awk/flock", "#!/bin/sh\nexit 71\n");
	fs::permissions(dir / "awk/flock", fs::perms(0755));
	const outcome r = build_it();
	EXPECT_EQ(r.code, 4) << r.out;
	EXPECT_TRUE(has(r.out, "build-libc: cannot lock " + work.string() +
				       "/musl-0.1; choose"))
		<< r.out;
	EXPECT_FALSE(complete());
}

// What is put together there is one of the two, not something of each.
TEST_F(BuildLibc, TwoForOnePlaceDoNotMix)
{
	const std::string row = content(patches / "sources"),
		pid = (dir / "pid").string(),
		how = "--prefix " + (dir / "place").string() +
			" --source-dir " + (dir / "tarballs").string() +
			" musl-0.";
	write(patches / "sources", row + "musl-0.2" +
	      row.substr(row.find("musl-0.1 ") + 8));
	manifest();
	const outcome r = sh(
		"exec " + command(how + "1", "FAKE_STOP=install FAKE_PID=" +
				  pid) + " >/dev/null 2>&1 & run=$!\n"
		"for i in $(seq 300); do [ -s " + pid +
		" ] && break; sleep 0.1; done\n" + command(how + "2") +
		"\necho status $?; kill $run; wait $run");
	ASSERT_TRUE(fs::exists(pid)) << "never got there: " << r.out;
	EXPECT_TRUE(has(r.out, "another build-libc is about to write to " +
				       (dir / "place").string())) << r.out;
	EXPECT_TRUE(has(r.out, "status 4\n")) << r.out;
	EXPECT_FALSE(fs::exists(dir / "place"));
	EXPECT_EQ(build(how + "2").code, 0);
	EXPECT_EQ(content(dir / "place/lib/libc.so"), whole_libc);
}

TEST_F(BuildLibc, NoNetworkIsSaidSo)
{
	write(dir / "apt/sources.list",
	      "deb http://127.0.0.1:9/debian stable main\n");
	table("musl_0.1.orig.tar.gz", "archive:trixie");
	write(patches / "sources",
	      content(patches / "sources") + "musl-0.1 musl-0.1.tar.gz " +
		      checksum() + " http://127.0.0.1:9/\n");
	outcome r = build("musl-0.1",
			 "TLABI_OFFLINE= TLABI_APT_ETC=" +
				 (dir / "apt").string());
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, "give it by --source-dir")) << r.out;
	EXPECT_TRUE(has(r.out, "to be had: none")) << r.out;
	for (const std::string how : {"curl", "wget"})
		EXPECT_TRUE(has(r.out, "http://127.0.0.1:9/ cannot be had by " +
					       how + ": ") ||
			    has(r.out, "there is no " + how))
			<< r.out;
	EXPECT_TRUE(has(r.out, "suite trixie cannot be had: ") ||
		    has(r.out, "this machine has no apt"))
		<< r.out;
}

// A stand-in for the machine's own tool of that name.
class Chain : public BuildLibc
{
      protected:
	std::string environment, port;
	fs::path bin;

	void SetUp() override
	{
		BuildLibc::SetUp();
		if (system("command -v apt-get gpg gpgconf python3 curl wget "
			   ">/dev/null"))
			GTEST_SKIP() << "apt-get, gpg, python3, curl or wget "
					"is not here";
		bin = dir / "bin";
		environment = "TLABI_OFFLINE= http_proxy= TLABI_APT_ETC=" +
			      (dir / "apt").string() + " PATH=" +
			      bin.string() + ":$PATH";
		fs::create_directories(bin);
		if (fs::exists(dir / "awk/awk"))
			fs::copy_symlink(dir / "awk/awk", bin / "awk");
	}

	void archive(const std::string &valid_until = "")
	{
		outcome r = sh("bash " + (data / "archive").string() + " " +
			       dir.string() + " '" + valid_until + "'");
		ASSERT_EQ(r.code, 0) << r.out;
		write(dir / "apt/sources.list",
		      "deb [signed-by=" + (dir / "key.gpg").string() +
			      "] file:" + (dir / "repo").string() +
			      " stable main\n");
	}

	void breaks(const std::string &tool)
	{
		write(bin / tool, "#!/bin/sh\necho '" + tool +
					  ": the wire is cut' >&2\nexit 7\n");
		fs::permissions(bin / tool, fs::perms(0755));
	}
};

TEST_F(Chain, EachLinkIsTriedWhenThoseBeforeAreBroken)
{
	archive();
	std::string pid = sh("python3 " + (data / "serve").string() + " " +
			     (dir / "tarballs").string() +
			     " >/dev/null 2>&1 & echo $!; while [ ! -s " +
			     (dir / "tarballs/port").string() +
			     " ]; do sleep 0.1; done")
				  .out;
	const std::string upstream =
		"http://127.0.0.1:" + content(dir / "tarballs/port") + "/";
	write(patches / "sources",
	      "musl-0.1 musl_0.1.orig.tar.gz " + checksum() +
		      " archive:forky,trixie\nmusl-0.1 musl-0.1.tar.gz " +
		      checksum() + " " + upstream + "\n");
	// Broken: what is given, what is kept, and the first suite.
	write(dir / "given/musl-0.1.tar.gz", "no archive");
	write(dir / "build/cache/musl-0.1.tar.gz", "no archive");
	const std::string ask = "--fetch-only --source-dir " +
				(dir / "given").string() + " musl-0.1";
	outcome r = build(ask, environment);
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(r.out, "given/musl-0.1.tar.gz is corrupt")) << r.out;
	EXPECT_TRUE(has(r.out, "cache/musl-0.1.tar.gz is corrupt")) << r.out;
	EXPECT_TRUE(has(r.out, "cache/musl_0.1.orig.tar.gz\n")) << r.out;

	// The second one, too: it delivers something else.
	write(dir / "repo/pool/musl_0.1.orig.tar.gz", "no archive");
	for (const std::string broken : {"", "curl"}) {
		fs::remove_all(dir / "build/cache");
		if (!broken.empty())
			breaks(broken);
		r = build(ask, environment);
		EXPECT_EQ(r.code, 0) << r.out;
		EXPECT_TRUE(has(r.out, "cache/musl-0.1.tar.gz\n")) << r.out;
	}

	// All of them: each reason is given.
	fs::remove_all(dir / "build/cache");
	breaks("wget");
	r = build(ask, environment);
	sh("kill " + pid);
	EXPECT_EQ(r.code, 3) << r.out;
	for (const std::string &reason :
	     strings{"not in " + (dir / "given").string(),
		     "suite forky cannot be had: ",
		     "suite trixie did not deliver musl_0.1.orig.tar.gz: ",
		     upstream.substr(0, upstream.size()) +
			     " cannot be had by curl: the wire is cut",
		     " cannot be had by wget: the wire is cut"})
		EXPECT_TRUE(has(r.out, reason)) << reason << "\n" << r.out;
}

// The default's suite is out of reach: the version before it is not.
TEST_F(Chain, AnotherVersionsSuiteIsAskedAllTheSame)
{
	archive();
	write(patches / "sources",
	      "musl-0.2 musl_0.2.orig.tar.gz " + std::string(64, '0') +
		      " archive:forky,sid\nmusl-0.1 musl_0.1.orig.tar.gz " +
		      checksum() + " archive:trixie\n");
	outcome r = build("--fetch-only musl", environment);
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(r.out, "cache/musl_0.1.orig.tar.gz\n")) << r.out;
}

TEST_F(Chain, AnExpiredSuiteIsCalledExpired)
{
	archive("Sat, 01 Jan 2022 00:00:00 UTC");
	table("musl_0.1.orig.tar.gz", "archive:trixie");
	// Whatever the system's apt has been told about dates.
	write(bin / "apt-get", "#!/bin/sh\nexec " +
		first_word(sh("command -v apt-get").out) +
		" -o Acquire::Check-Valid-Until=true -o "
		"Acquire::Check-Date=true \"$@\"\n");
	fs::permissions(bin / "apt-get", fs::perms(0755));
	std::string list = content(dir / "apt/sources.list");
	list.insert(list.find('[') + 1, "check-valid-until=no ");
	write(dir / "apt/sources.list", list);
	EXPECT_EQ(build("--fetch-only musl-0.1", environment).code, 0);
	fs::remove_all(dir / "build/cache");
	list.replace(list.find("=no "), 4, "=yes ");
	write(dir / "apt/sources.list", list);
	outcome r = build("--fetch-only musl-0.1", environment);
	EXPECT_EQ(r.code, 3) << r.out;
	EXPECT_TRUE(has(r.out, "suite trixie cannot be had: Release file"))
		<< r.out;
	EXPECT_TRUE(has(r.out, "is expired")) << r.out;
}

// Without make one has no use for a source, nor for advice about sources.
TEST_F(BuildLibc, ToolsAreAskedForBeforeSources)
{
	fs::path bin = dir / "bin";
	fs::create_directories(bin);
	sh("cd " + bin.string() +
	   " && ln -s /bin/[!.]* /usr/bin/[!.]* .; rm make");
	write(patches / "sources",
	      content(patches / "sources") + "musl-0.2 musl-0.2.tar.gz " +
		      checksum() + " http://127.0.0.1:9/\n");
	for (const std::string name : {"musl", "musl-0.1"}) {
		outcome r = build(name, "PATH=" + bin.string());
		EXPECT_EQ(r.code, 3);
		EXPECT_TRUE(has(r.out, "build-libc: missing: make; "))
			<< r.out;
		EXPECT_FALSE(has(r.out, "source")) << r.out;
	}
}

TEST_F(BuildLibc, ArchiveIsAskedWithoutTouchingTheSystems)
{
	if (system("command -v apt-get gpg gpgconf >/dev/null"))
		GTEST_SKIP() << "apt-get or gpg is not here";
	outcome r = sh("bash " + (data / "archive").string() + " " +
		      dir.string());
	ASSERT_EQ(r.code, 0) << r.out;
	table("musl_0.1.orig.tar.gz", "archive:trixie");
	std::string environment =
		"TLABI_OFFLINE= TLABI_APT_ETC=" + (dir / "apt").string();
	const std::string state = "ls -lR --time-style=full-iso /etc/apt "
				  "/var/lib/apt /var/cache/apt";
	std::string before = sh(state).out;

	std::string repo = dir.string() + "/repo", key = dir.string() +
							 "/key.gpg";
	const std::string forms[][2] = {
		{"sources.list",
		 "deb [arch=amd64 signed-by=" + key + "] file:" + repo +
			 " stable main\n"},
		{"sources.list.d/own.sources",
		 "Types: deb\nURIs: file:" + repo +
			 "\nSuites: stable stable-updates\n"
			 "Components: main\nSigned-By: " +
			 key + "\n"},
	};
	for (const auto &form : forms) {
		write(dir / "apt" / form[0], form[1]);
		r = build("--fetch-only musl-0.1", environment);
		EXPECT_EQ(r.code, 0)
			<< r.out << content(dir / "build/log/musl-0.1.log");
		EXPECT_TRUE(
			has(r.out, "/build/cache/musl_0.1.orig.tar.gz\n"));
		fs::remove_all(dir / "build/cache");
		fs::remove(dir / "apt" / form[0]);
	}

	// The key is what makes the archive one of this machine's own.
	write(dir / "apt/sources.list",
	      "deb [trusted=yes] file:" + repo + " stable main\n");
	r = build("--fetch-only musl-0.1", environment);
	EXPECT_EQ(r.code, 3) << r.out;
	EXPECT_EQ(sh(state).out, before);
}

TEST_F(BuildLibc, UpstreamIsAskedAndWhatItSendsIsChecked)
{
	if (system("command -v python3 curl >/dev/null"))
		GTEST_SKIP() << "python3 or curl is not here";
	std::string pid = sh("python3 " + (data / "serve").string() + " " +
			     (dir / "tarballs").string() +
			     " >/dev/null 2>&1 & echo $!; while [ ! -s " +
			     (dir / "tarballs/port").string() +
			     " ]; do sleep 0.1; done")
				  .out;
	table("musl-0.1.tar.gz",
	      "http://127.0.0.1:" + content(dir / "tarballs/port") + "/");
	outcome good = build("--fetch-only musl-0.1",
			    "TLABI_OFFLINE= http_proxy=");
	fs::remove_all(dir / "build/cache");
	sh("truncate -s 100 " + tarball.string());
	outcome bad = build("--fetch-only musl-0.1",
			   "TLABI_OFFLINE= http_proxy=");
	sh("kill " + pid);
	EXPECT_EQ(good.code, 0) << good.out;
	EXPECT_TRUE(has(good.out, "/build/cache/musl-0.1.tar.gz\n"));
	EXPECT_EQ(bad.code, 3);
	EXPECT_TRUE(has(bad.out, "corrupt or truncated")) << bad.out;
	EXPECT_FALSE(fs::exists(dir / "build/cache/musl-0.1.tar.gz"));
}

// The distribution's fixes: a line before the others of the greeting.
class Fixes : public BuildLibc
{
      protected:
	static fs::path fixes_of(const std::string &revision)
	{
		return "musl_" + revision + ".debian.tar.xz";
	}

	void make_fixes(const std::string &revision, const std::string &line)
	{
		const fs::path debian = dir / "debian/patches";
		write(debian / "series", "# the order\n\nfirst.diff\n");
		write(debian / "first.diff",
		      "--- a/greeting\n+++ b/greeting\n@@ -1,3 +1,4 @@\n+" +
			      line + "\n one\n hello\n three\n");
		ASSERT_TRUE(sh("tar -C " + dir.string() + " -cJf " +
			       (tarball.parent_path() / fixes_of(revision))
				       .string() +
			       " debian").ok());
	}

	void fixes_table(const std::string &kind)
	{
		const std::string known = fixes_of("0.1-1");
		fs::rename(tarball, tarball.parent_path() /
					    "musl_0.1.orig.tar.gz");
		tarball = tarball.parent_path() / "musl_0.1.orig.tar.gz";
		table("musl_0.1.orig.tar.gz", "archive:trixie");
		write(patches / "sources",
		      content(patches / "sources") + "musl-0.1 " + known + " " +
			      first_word(sh("sha256sum " +
					    (tarball.parent_path() / known)
						    .string()).out) +
			      " " + kind + ":trixie-security,trixie\n");
	}

	std::string greeting() const
	{
		return content(prefix / "lib/greeting");
	}
};

TEST_F(Fixes, GoOnBeforeThePatches)
{
	make_fixes("0.1-1", "mended");
	fixes_table("fixes");
	EXPECT_TRUE(has(build("--list").out, "  0.1-1  "));
	outcome r = build_it();
	ASSERT_EQ(r.code, 0) << r.out;
	EXPECT_EQ(greeting(), "mended\none\npatched\nthree\n");
	EXPECT_TRUE(has(content(prefix / "share/tlabi/sysroot.txt"),
			"\nfixes=musl_0.1-1.debian.tar.xz\n"));
	EXPECT_TRUE(has(build_it().out, "up to date"));

	const std::string tarballs = "--source-dir " +
		tarball.parent_path().string() + " musl-0.1";
	ASSERT_EQ(build("--stock " + tarballs).code, 0);
	EXPECT_EQ(content(dir / "build/sysroot/musl-0.1-stock/lib/greeting"),
		  "mended\none\nhello\nthree\n");

	r = build("--upstream " + tarballs);
	ASSERT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(r.out, "a plain release with no later fixes"))
		<< r.out;
	EXPECT_EQ(content(dir / "build/sysroot/musl-0.1-upstream/lib/greeting"),
		  "one\npatched\nthree\n");
}

TEST_F(Fixes, ThatCannotBeHadAreMissed)
{
	make_fixes("0.1-1", "mended");
	fixes_table("fixes");
	fs::remove(tarball.parent_path() / fixes_of("0.1-1"));
	const outcome r = build_it();
	EXPECT_EQ(r.code, 3);
	EXPECT_TRUE(has(r.out, "no source for musl-0.1: no fixes: not in"))
		<< r.out;
	EXPECT_TRUE(has(r.out, "(musl_0.1.orig.tar.gz"
			       " musl_0.1-1.debian.tar.xz)")) << r.out;
	EXPECT_FALSE(complete());
}

TEST_F(Fixes, ThatOursAreMadeForCannotBeLeftOut)
{
	make_fixes("0.1-1", "mended");
	fixes_table("base");
	const std::string tarballs = "--source-dir " +
		tarball.parent_path().string() + " musl-0.1";
	const outcome r = build("--upstream " + tarballs);
	EXPECT_EQ(r.code, 2);
	EXPECT_TRUE(has(r.out, "made for the distribution's source")) << r.out;
	EXPECT_EQ(build("--stock --upstream " + tarballs).code, 0);
	EXPECT_EQ(build_it().code, 0);
}

TEST_F(Fixes, ThatDoNotApplyFailTheBuild)
{
	make_fixes("0.1-1", "mended\n bogus");
	fixes_table("fixes");
	const outcome r = build_it();
	EXPECT_EQ(r.code, 4);
	EXPECT_TRUE(has(r.out, "fixes of musl-0.1 failed")) << r.out;
	EXPECT_FALSE(complete());
}

TEST_F(Fixes, NewerOnesOfTheArchiveAreTakenOnItsSignature)
{
	if (system("command -v apt-get gpg gpgconf >/dev/null"))
		GTEST_SKIP() << "apt-get or gpg is not here";
	make_fixes("0.1-1", "mended");
	make_fixes("0.1-2", "newer");
	fs::copy(tarball, tarball.parent_path() / "musl_0.1.orig.tar.gz");
	outcome r = sh("bash " + (data / "archive").string() + " " +
		       dir.string());
	ASSERT_EQ(r.code, 0) << r.out;
	fs::remove(tarball.parent_path() / "musl_0.1.orig.tar.gz");
	fixes_table("fixes");
	write(dir / "apt/sources.list",
	      "deb [signed-by=" + dir.string() + "/key.gpg] file:" +
		      dir.string() + "/repo stable main\n");
	const std::string environment =
		"TLABI_OFFLINE= TLABI_APT_ETC=" + (dir / "apt").string();

	r = build("musl-0.1", environment);
	ASSERT_EQ(r.code, 0) << r.out
		<< content(dir / "build/log/musl-0.1.log");
	EXPECT_TRUE(has(r.out, "musl_0.1-2.debian.tar.xz is newer than what"
			       " is known here")) << r.out;
	EXPECT_EQ(greeting(), "newer\none\npatched\nthree\n");
	EXPECT_TRUE(has(build("musl-0.1").out, "up to date"));

	// One that is in the table has to be what the table says.
	fs::remove_all(dir / "build");
	std::string rows = content(patches / "sources");
	rows += "musl-0.1 musl_0.1-2.debian.tar.xz " + std::string(64, '0') +
		" fixes:trixie\n";
	write(patches / "sources", rows);
	r = build("musl-0.1", environment);
	ASSERT_EQ(r.code, 0) << r.out;
	EXPECT_TRUE(has(r.out, "corrupt or truncated")) << r.out;
	EXPECT_EQ(greeting(), "mended\none\npatched\nthree\n");
}

// apt has checked nothing of what did not come whole.
TEST_F(Fixes, NewerOnesThatComeInPartAreNotTaken)
{
	if (system("command -v apt-get >/dev/null && command -v gpgconf "
		   ">/dev/null && command -v python3 >/dev/null"))
		GTEST_SKIP() << "apt-get, gpg or python3 is not here";
	make_fixes("0.1-1", "mended");
	make_fixes("0.1-2", "newer");
	fixes_table("fixes");
	fs::copy(tarball, dir / "tarballs/musl-0.1.tar.gz");
	ASSERT_EQ(sh("bash " + (data / "archive").string() + " " +
		     dir.string()).code, 0);
	const std::string repo = (dir / "repo").string(),
		pid = sh("python3 " + (data / "serve").string() + " " + repo +
			 " " + fixes_of("0.1-2").string() +
			 " >/dev/null 2>&1 & echo $!; while [ ! -s " + repo +
			 "/port ]; do sleep 0.1; done").out;
	write(dir / "apt/sources.list",
	      "deb [signed-by=" + dir.string() + "/key.gpg] http://127.0.0.1:" +
		      content(repo + "/port") + " stable main\n");
	const outcome r = build("musl-0.1", "TLABI_OFFLINE= http_proxy= "
				"TLABI_APT_ETC=" + (dir / "apt").string());
	sh("kill " + pid);
	ASSERT_EQ(r.code, 0) << r.out;
	EXPECT_FALSE(has(r.out, "vouches")) << r.out;
	EXPECT_EQ(greeting(), "mended\none\npatched\nthree\n");
	EXPECT_FALSE(fs::exists(dir / "build/cache" / fixes_of("0.1-2")));
}

class Interrupted : public BuildLibc,
		    public testing::WithParamInterface<const char *>
{
};

TEST_P(Interrupted, NextRunCompletes)
{
	fs::create_directories(dir / "bin");
	for (const char *tool : {"tar", "patch"})
		fs::copy(data / "hanging-tool", dir / "bin" / tool);
	std::string path =
		"PATH=" + (dir / "bin").string() + ":$PATH ";
	std::string pid = (dir / "pid").string();
	std::string run = command("--source-dir " +
					  (dir / "tarballs").string() +
					  " musl-0.1",
				  path + "FAKE_PID=" + pid +
					  " FAKE_STOP=" + GetParam());
	outcome r = sh("exec 3>&1; exec " + run +
		      " >/dev/null 2>&1 3>&- & run=$!; "
		      "for i in $(seq 100); do [ -s " +
		      pid +
		      " ] && break; sleep 0.1; done; kill -9 $run; wait $run; "
		      "alive() { grep -qs '^State:.[^Z]' /proc/$(cat " +
		      pid +
		      ")/status; }; for i in $(seq 50); do alive || exit 0; "
		      "sleep 0.1; done; echo the phase goes on; exit 1");
	ASSERT_TRUE(fs::exists(pid)) << "never got there: " << r.out;
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_FALSE(complete());

	r = build_it();
	EXPECT_EQ(r.code, 0) << r.out << content(dir / "build/log/musl-0.1.log");
	expect_whole();
}

INSTANTIATE_TEST_SUITE_P(Phase, Interrupted,
			 testing::Values("tar", "patch", "configure", "build",
					 "install"));

TEST_F(BuildLibc, FullDiskIsSaidSoAndTheNextRunWorks)
{
	fs::path disk = dir / "build";
	fs::create_directories(disk);
	std::string run = command("--source-dir " +
				  (dir / "tarballs").string() + " musl-0.1");
	// A file system of its own, seen by these two runs only.
	write(dir / "script",
	      "mount -t tmpfs -o size=16m none " + disk.string() +
		      " || exit 99\n"
		      "FAKE_SIZE=20 " + run + "; echo status $?\n"
		      "[ ! -e " + (prefix / "share").string() +
		      " ] || echo looks complete\n" + run +
		      "; echo status $?\ncat " +
		      (prefix / "lib/libc.so").string() + "\n");
	std::string script = "sh " + (dir / "script").string();
	outcome r = sh("unshare -m " + script);
	if (r.code == 1 || r.code == 99)
		r = sh("unshare -rm " + script);
	if (r.code == 1 || r.code == 99)
		GTEST_SKIP() << "cannot mount a small file system: " << r.out;
	EXPECT_TRUE(has(r.out, "no space left under " + disk.string()))
		<< r.out;
	EXPECT_TRUE(has(r.out, "musl-0.1.log\nstatus 4\n")) << r.out;
	EXPECT_FALSE(has(r.out, "looks complete")) << r.out;
	EXPECT_TRUE(has(r.out, std::string("status 0\n") + whole_libc))
		<< r.out;
}

// The real musl, killed with -9 in the middle of its compilation.
TEST(RealMusl, InterruptedBuildIsCompleted)
{
	std::string tool =
		(source_dir() / "libc-patches/build-libc").string();
	outcome r = sh(tool + " --fetch-only musl 2>/dev/null");
	if (r.code)
		GTEST_SKIP() << "no source of musl can be had";
	fs::path tarball = r.out.substr(0, r.out.find('\n'));
	std::string version =
		first_word(sh(tool + " --which --source-dir " +
			      tarball.parent_path().string() +
			      " musl 2>/dev/null")
				   .out);

	char name[] = "/tmp/build_libc_test.XXXXXX";
	fs::path dir = mkdtemp(name);
	fs::path objects = dir / "work" / (version + "-stock") / "obj";
	fs::path root = dir / "sysroot" / (version + "-stock");
	std::string run = "env TLABI_BUILD=" + dir.string() + " " +
			  (getenv("CC") || system("command -v ccache >/dev/null")
				   ? ""
				   : "CCACHE_NOHASHDIR=1 CC='ccache gcc' ") +
			  tool + " --stock --without-c++ --source-dir " +
			  tarball.parent_path().string() + " " + version;
	std::string count = "$(find " + objects.string() +
			    " -name '*.lo' 2>/dev/null | wc -l)";
	sh(run + " >/dev/null 2>&1 & for i in $(seq 600); do [ " + count +
	   " -lt 100 ] || break; sleep 0.2; done; kill -9 $!; wait $!");
	EXPECT_FALSE(fs::exists(root));
	std::string before = sh("sleep 0.5; echo " + count).out;
	EXPECT_EQ(sh("sleep 1; echo " + count).out, before)
		<< "the compilation goes on";

	r = sh(run);
	EXPECT_EQ(r.code, 0) << r.out;
	EXPECT_FALSE(has(r.out, "configure")) << "resumed, not begun anew";
	r = sh("cd " + dir.string() +
	       " && echo '#include <stdio.h>\nint main(void) { return "
	       "puts(\"hello\") < 0; }' | " +
	       (root / "bin/tlabi-gcc").string() + " -xc - -o hello && ./hello");
	EXPECT_EQ(r.out, "hello\n");
	fs::remove_all(dir);
}

} // namespace
