/* SPDX-License-Identifier: MIT */
/* librseq.so: what it needs, what it exports, and that it can be loaded. */
#include <set>
#include <sstream>

#include <fnmatch.h>

#include "harness.hh"

using namespace harness;

class Library : public LibcTest {
protected:
	/* The host's is the one that "make" built, if it did. */
	fs::path library() const
	{
		fs::path built = build_dir() / ".libs/librseq.so";
		if (!libc().line && fs::exists(built))
			return built;
		return librseq_shared(libc());
	}
	std::string readelf(const char *what) const
	{
		outcome got = run({"readelf", what, "-W", library()});
		EXPECT_TRUE(got.ok()) << got;
		return got.out;
	}
};

INSTANTIATE_TEST_SUITE_P(, Library, testing::ValuesIn(libcs()), libc_name);

TEST_P(Library, NeedsNoCppRunTime)
{
	const std::string dynamic = readelf("-d");

	EXPECT_NE(dynamic.find("SONAME"), std::string::npos);
	for (const char *library : {"libstdc++", "libc++", "libgcc_s",
				    "libsupc++"})
		EXPECT_EQ(dynamic.find(library), std::string::npos) << dynamic;
}

TEST_P(Library, HasNoTextRelocations)
{
	EXPECT_EQ(readelf("-d").find("TEXTREL"), std::string::npos);
}

/* dlopen() has little room for thread-local data, and none for alignment. */
TEST_P(Library, ThreadLocalsAreSmall)
{
	std::istringstream lines(readelf("-l"));

	for (std::string line; std::getline(lines, line);) {
		if (line.find("  TLS ") == std::string::npos)
			continue;
		std::istringstream fields(line);
		std::string type, offset, address, physical, file, memory,
			align;
		fields >> type >> offset >> address >> physical >> file >>
			memory;
		while (fields >> align)
			;
		EXPECT_LE(std::stoul(memory, nullptr, 0), 64u) << line;
		EXPECT_LE(std::stoul(align, nullptr, 0), 64u) << line;
	}
}

/* What the symbol map's "global" part lists, patterns among them. */
static std::set<std::string> mapped()
{
	outcome map = run({"sed", "-n", "/global:/,/local:/s/^[ \t]*"
			   "\\([a-z0-9_*]*\\);.*/\\1/p",
			   source_dir() / "librseq/librseq.map"});
	std::istringstream words(map.out);
	std::set<std::string> names;

	for (std::string w; words >> w;)
		names.insert(w);
	return names;
}

TEST_P(Library, ExportsExactlyTheMap)
{
	outcome got = run({"nm", "-D", "--defined-only", "--format=posix",
			   library()});
	std::istringstream lines(got.out);
	std::set<std::string> missing;

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GE(mapped().size(), 9u);
	for (const std::string &name : mapped())
		if (name.find('*') == std::string::npos)
			missing.insert(name);
	for (std::string line; std::getline(lines, line);) {
		std::string name = line.substr(0, line.find_first_of(" @"));
		if (name.starts_with("LIBRSEQ_"))
			continue;
		EXPECT_NE(line.find("@@LIBRSEQ_"), std::string::npos) << line;
		EXPECT_TRUE(name.starts_with("rseq_")) << line;
		missing.erase(name);
		bool listed = false;
		for (const std::string &pattern : mapped())
			listed |= !fnmatch(pattern.c_str(), name.c_str(), 0);
		EXPECT_TRUE(listed) << line;
	}
	for (const std::string &name : missing)
		ADD_FAILURE() << name << " is not exported";
}

/* ---- x86 with pointers of 4 bytes ---- */

using LibraryOfI386 = I386Test;

/* i386's sections run under this kernel, too; and where glibc is told not to
   register, everything falls back. */
TEST_F(LibraryOfI386, CountsAndCommitsWithSectionsAndWithout)
{
	for (const char *registered : {"1", "0"}) {
		const strings env = {
			std::string("GLIBC_TUNABLES=glibc.pthread.rseq=") +
			registered};
		outcome got = run({i386_probe("counter")}, {env});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("differ"), 0) << got;
		EXPECT_EQ(got.number("sections") > 0, *registered == '1') << got;
		EXPECT_EQ(got.number("slow") > 0, *registered == '0') << got;
		got = run({i386_probe("transactions")}, {env});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("wrong"), 0) << got;
		EXPECT_GT(got.number("checks"), 100) << got;
	}
}

/* Without a libc: x32 has none in Debian, and its kernel may not run it. */
TEST(ThirtyTwoBits, HeadersCompile)
{
#ifndef __x86_64__
	GTEST_SKIP() << "only x86-64 has them";
#endif
	for (const std::string &c : {cc(), clang_or_none()})
		for (const char *bits : {"-m32", "-mx32"})
			for (const strings &language : {
				     strings{"-xc", "-std=c11"},
				     strings{"-xc++", "-std=c++11"},
				     strings{"-xc++", "-std=c++20"}}) {
				if (!have(c))
					continue;
				outcome got = run(strings{c, bits} + language +
					rseq_include_flags() + strings{
					"-ffreestanding", "-nostdinc++", "-O2",
					"-Wall", "-Wextra", "-Werror", "-c",
					"-o", "/dev/null", probes_dir() /
					"uses_all.h"});
				EXPECT_TRUE(got.ok()) << got;
			}
}

/* By a program that knows nothing of it; loaded twice, closed in between. */
TEST_P(Library, CanBeLoadedAndClosed)
{
	outcome got = run({probe(libc(), pie(), "load", {"-ldl"}), library()});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("loaded"), 1) << got;
	EXPECT_EQ(got.number("counted"), 20000) << got;
	EXPECT_EQ(got.number("closed"), 0) << got;
	EXPECT_EQ(got.number("again"), 1) << got;
}

/* ---- system calls ---- */

/* What librseq(3) tells those who write filters is what its source does. */
TEST(SystemCalls, AreThoseOfThePage)
{
	const strings wrappers = {"mmap", "munmap", "mprotect", "madvise",
		"fcntl", "fstat", "ftruncate", "pread", "getpid",
		"sched_yield", "uname", "open",
		"openat", "read", "close", "prctl", "ioctl", "nanosleep",
		"clock_gettime", "clock_nanosleep", "pthread_sigmask",
		"sysconf", "fopen"};
	std::set<std::string> made, said;

	for (const auto &e : fs::directory_iterator(source_dir() / "librseq")) {
		const std::string name = e.path().filename();
		if (!name.ends_with(".cc") || name.starts_with("rseq-info"))
			continue;
		const std::string text = content(e.path());
		made.merge(all_matches(text, "\\bSYS_(\\w+)"));
		for (const std::string &w : wrappers)
			if (!all_matches(text, "[^\\w.>](" + w +
					 ")\\(").empty())
				made.insert(w);
		if (!all_matches(text, "[^\\w](sched_getcpu)\\(").empty())
			made.insert("getcpu");
	}
	const std::string page = content(source_dir() / "man/librseq.3");
	const size_t table = page.find("system call\tmade by\n");
	ASSERT_NE(table, std::string::npos);
	for (const std::string &row : all_matches(
		     page.substr(table, page.find(".TE", table) - table),
		     "\n([^\t\n]+)\t"))
		said.merge(all_matches(row, "(\\w+)(?:,|$)"));
	for (const char *remark : {"by", "the", "vDSO", "refused"})
		said.erase(remark);
	EXPECT_EQ(made, said);
}
