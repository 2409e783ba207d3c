// SPDX-License-Identifier: MIT
// What a sysroot has beside the libc: locales, the loader's cache, ldd, kernel
// headers, and on musl a C++ runtime.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "harness.hh"

using namespace harness;

namespace
{

std::vector<std::string> built(const std::string &kind,
			       const std::string &needs = "bin/tlabi-run")
{
	std::vector<std::string> names;
	std::error_code none;
	for (const auto &entry : fs::directory_iterator(sysroots_dir(), none))
		if (has(entry.path().filename(), kind) &&
		    fs::exists(entry.path() / "share/tlabi/sysroot.txt") &&
		    fs::exists(entry.path() / needs))
			names.push_back(entry.path().filename());
	return names;
}

template <class Parameter>
class Scratch : public testing::TestWithParam<Parameter>
{
      protected:
	fs::path dir;

	void SetUp() override
	{
		char name[] = "/tmp/furnish_test.XXXXXX";
		dir = mkdtemp(name);
	}

	void TearDown() override
	{
		fs::remove_all(dir);
	}

	std::string file(const char *name) const
	{
		return (dir / name).string();
	}
};

// ---- glibc ----

class Furnished : public Scratch<std::string>
{
      protected:
	const fs::path root = sysroots_dir() / GetParam();

	std::string tool(const char *name) const
	{
		return (root / "bin" / name).string() + " ";
	}

	// A program that needs a library of the system's, linked by hand so
	// that no development package is asked for.
	void SetUp() override
	{
		Scratch::SetUp();
		zlib = sh("PATH=$PATH:/sbin ldconfig -p | sed -n "
			  "'s/.*libz.so.1 .*x86-64.*=> //p' | head -n 1 | "
			  "tr -d '\\n'")
			       .out;
	}

	void build_z()
	{
		if (zlib.empty())
			GTEST_SKIP() << "this system has no libz.so.1";
		outcome r = sh("echo 'const char *zlibVersion(void); int "
			       "puts(const char *); int main(void) { "
			       "puts(zlibVersion()); return 0; }' | " +
			       tool("tlabi-gcc") + "-xc - -l:libz.so.1 -o " +
			       file("z"));
		ASSERT_EQ(r.code, 0) << r;
	}

	std::string zlib;
};

TEST_P(Furnished, CUtf8IsALocale)
{
	outcome r = sh("LC_ALL=C.UTF-8 " + tool("tlabi-run") +
		       "locale charmap");
	EXPECT_EQ(r.out, "UTF-8\n") << r;
	r = sh("echo '#include <locale.h>\n#include <stdio.h>\n"
	       "#include <wchar.h>\nint main(void) { puts(setlocale(LC_ALL, "
	       "\"C.UTF-8\") ? \"set\" : \"refused\"); wchar_t c; "
	       "char text[] = {0xc3, 0xa4, 0}; "
	       "printf(\"%d\", mbtowc(&c, text, 2)); }' | " +
	       tool("tlabi-gcc") + "-xc - -include stdlib.h -o " +
	       file("locale") + " && " + file("locale"));
	EXPECT_EQ(r.out, "set\n2") << r;
}

TEST_P(Furnished, TheSystemsLocalesAreThere)
{
	std::string systems = sh("locale -a | grep -vxE 'C|POSIX'").out;
	if (systems.empty())
		GTEST_SKIP() << "this system has no locales";
	std::string own = "\n" + sh(tool("tlabi-run") + "locale -a").out;
	for (const std::string &name : all_matches(systems, "([^\n]+)\n"))
		EXPECT_TRUE(has(own, "\n" + name + "\n")) << name << own;
	EXPECT_EQ(fs::read_symlink(root / "lib/locale/locale-archive"),
		  "/usr/lib/locale/locale-archive");
}

TEST_P(Furnished, ALibraryOfTheSystemIsFound)
{
	build_z();
	outcome r = sh(file("z"));
	EXPECT_EQ(r.code, 0) << r;
	// Without a cache, too: the loader knows the system's places.
	r = sh(sh("printf %s " + root.string() + "/lib/ld-linux*.so.*").out +
	       " --inhibit-cache " + file("z"));
	EXPECT_EQ(r.code, 0) << r;
}

TEST_P(Furnished, LddListsWhatWillBeLoaded)
{
	build_z();
	outcome r = sh(tool("ldd") + file("z"));
	EXPECT_EQ(r.code, 0) << r;
	EXPECT_TRUE(has(r.out, "libc.so.6 => " +
				       (root / "lib/libc.so.6").string()))
		<< r;
	EXPECT_TRUE(has(r.out, "libz.so.1 => /")) << r;
	EXPECT_FALSE(has(r.out, "not found")) << r;
	r = sh(tool("ldd") + "/bin/sh");
	EXPECT_EQ(r.code, 0) << r;
	EXPECT_TRUE(has(r.out, (root / "lib/libc.so.6").string())) << r;
}

// Both wrappers write the loader's cache anew when the system's is newer.
TEST_P(Furnished, TheCacheFollowsTheSystems)
{
	if (!fs::exists("/etc/ld.so.cache"))
		GTEST_SKIP() << "this system's loader has no cache";
	build_z();
	fs::path cache = root / "etc/ld.so.cache";
	for (const std::string &command :
	     {tool("tlabi-run") + file("z"),
	      tool("tlabi-gcc") + "-xc -E /dev/null"}) {
		sh("touch -d 2000-01-01 " + cache.string());
		EXPECT_EQ(sh(command).code, 0);
		EXPECT_GT(fs::last_write_time(cache),
			  fs::last_write_time("/etc/ld.so.cache"));
	}
	EXPECT_EQ(sh("ls " + (root / "etc").string()).out,
		  "ld.so.cache\nld.so.conf\nrpc\n");
	outcome r = sh((root / "sbin/ldconfig").string() + " -p");
	EXPECT_TRUE(has(r.out, " => " + zlib)) << r;
	EXPECT_LT(r.out.find((root / "lib/libc.so.6").string()),
		  r.out.find("=> /lib/x86_64-linux-gnu/libc.so.6"));
}

INSTANTIATE_TEST_SUITE_P(, Furnished, testing::ValuesIn(built("glibc")),
			 [](const auto &i) { return identifier(i.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Furnished);

// ---- kernel headers ----

class AnyLibc : public Scratch<std::string>
{
};

TEST_P(AnyLibc, TheRecordSaysWhichKernelHeaders)
{
	fs::path root = sysroots_dir() / GetParam();
	outcome r = sh("printf '#include <linux/version.h>\\nLINUX_VERSION_"
		       "MAJOR LINUX_VERSION_PATCHLEVEL\\n' | " +
		       (root / "bin/tlabi-gcc").string() +
		       " -xc -E -P - | tr ' ' . | tr -d '\\n'");
	EXPECT_TRUE(has(content(root / "share/tlabi/sysroot.txt"),
			"\nkernel_headers=" + r.out + "."))
		<< r << content(root / "share/tlabi/sysroot.txt");
}

INSTANTIATE_TEST_SUITE_P(, AnyLibc, testing::ValuesIn(built("")),
			 [](const auto &i) { return identifier(i.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AnyLibc);

// ---- C++ on musl ----

class CxxOnMusl : public Scratch<
			  std::tuple<std::string, const char *, const char *>>
{
      protected:
	const fs::path root = sysroots_dir() / std::get<0>(GetParam());
	const std::string compiler = std::get<1>(GetParam());
	const std::string mode = std::get<2>(GetParam());

	void SetUp() override
	{
		Scratch::SetUp();
		if (!have(compiler))
			GTEST_SKIP() << compiler << " is not here";
	}

	std::string cxx(const std::string &flags = "-O1") const
	{
		return "TLABI_CXX=" + compiler + " " +
		       (root / "bin/tlabi-g++").string() + " -std=c++20 " +
		       mode + " " + flags + " ";
	}

	std::string source(const char *name) const
	{
		return (source_dir() / name).string() + " ";
	}
};

TEST_P(CxxOnMusl, ExceptionsThreadsAndThreadLocalObjects)
{
	outcome r = sh(cxx("-O1 -Wall -Werror") +
		       source("tests/programs/exceptions.cc") + "-o " +
		       file("program") + " && " + file("program"));
	EXPECT_EQ(r.out, "exceptions ok\n") << r;
}

// Slow to compile, so not in every mode.
TEST_P(CxxOnMusl, TheLibraryInOneProgram)
{
	if (mode != (compiler == "g++" ? "-static-pie" : "-pie"))
		return;
	outcome r = sh(cxx("-O1 -Wall -Werror") +
		       source("tests/sysroot/library.cc") + "-o " +
		       file("program") + " && " + file("program"));
	EXPECT_EQ(r.out, "library ok\n") << r;
}

// An exception that leaves one object and is caught in another: one unwinder.
TEST_P(CxxOnMusl, ExceptionsPassBetweenObjects)
{
	if (has(mode, "static"))
		GTEST_SKIP() << "no shared objects";
	outcome r = sh(
		"cd " + dir.string() +
		" && echo '#include <string>\nvoid thrower(std::string s) { "
		"throw s + \"!\"; }' > a.cc && " +
		cxx("-fPIC -shared") +
		"a.cc -o liba.so && echo '#include <dlfcn.h>\n"
		"#include <iostream>\n#include <string>\nint main() { auto f = "
		"(void (*)(std::string))dlsym(dlopen(\"./liba.so\", RTLD_NOW), "
		"\"_Z7throwerNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcE"
		"EE\"); try { f(\"thrown\"); } catch (std::string &s) { "
		"std::cout << s << std::endl; } }' > b.cc && " +
		cxx("") + "b.cc -o b && ./b");
	EXPECT_EQ(r.out, "thrown!\n") << r;
	r = sh("sed -n 's/^loader=//p' " +
	       (root / "share/tlabi/sysroot.txt").string());
	r = sh(r.out.substr(0, r.out.find('\n')) + " --list " + file("b"));
	EXPECT_TRUE(has(r.out, (root / "lib/libgcc_s.so.1").string())) << r;
	EXPECT_FALSE(has(r.out, " /lib")) << r;
	EXPECT_FALSE(has(r.out, " /usr")) << r;
}

INSTANTIATE_TEST_SUITE_P(
	, CxxOnMusl,
	testing::Combine(testing::ValuesIn(built("musl", "bin/tlabi-g++")),
			 testing::Values("g++", "clang++"),
			 testing::Values("-pie", "-no-pie", "-static",
					 "-static-pie")),
	[](const auto &i) {
		return identifier(std::get<0>(i.param) + "_" +
				  std::get<1>(i.param) + std::get<2>(i.param));
	});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CxxOnMusl);

} // namespace
