/* SPDX-License-Identifier: MIT */
/*
 * The library's ABI beside abi/, the description of the last release's: what
 * programs are linked to may be added to and not changed.  "make abi" writes the
 * description, with a release.
 */
#include <fstream>
#include <regex>

#include <sys/utsname.h>

#include "harness.hh"

using namespace harness;

namespace {

/* What abidiff's exit status consists of. */
enum { FAILED = 1, USAGE = 2, CHANGED = 4, INCOMPATIBLE = 8 };

outcome compare(const fs::path &old, const fs::path &now)
{
	return run({ "abidiff", "--drop-private-types", "--headers-dir2",
		     (source_dir() / "include").string(), old, now });
}

class Abi : public testing::TestWithParam<std::string> {
protected:
	fs::path library, described;

	void SetUp() override
	{
		utsname machine;

		uname(&machine);
		library = build_dir() / ".libs" / (GetParam() + ".so");
		described = source_dir() / "abi" /
			(GetParam() + "-" + machine.machine + ".abi");
		if (!have("abidiff"))
			GTEST_SKIP() << "abidiff is not installed";
		if (!fs::exists(library))
			GTEST_SKIP() << "no shared library is built";
		if (!fs::exists(described))
			GTEST_SKIP() << "no release has been made for "
				     << machine.machine;
	}
};

INSTANTIATE_TEST_SUITE_P(, Abi, testing::Values("librseq", "librseq-ffi"),
			 [](const auto &info) {
				 return identifier(info.param);
			 });

TEST_P(Abi, IsThatOfTheLastRelease)
{
	const bool released = std::regex_search(
		content(source_dir() / "CHANGELOG.md"),
		std::regex("\n## \\[\\d+\\.\\d+\\.\\d+\\] - "));
	const outcome got = compare(described, library);

	ASSERT_GE(got.code, 0) << got;
	ASSERT_FALSE(got.code & (FAILED | USAGE)) << got;
	if (!released)
		GTEST_SKIP() << "no release yet; since the last \"make abi\": "
			     << (got.code ? got.out : "no change");
	EXPECT_FALSE(got.code & INCOMPATIBLE) << got <<
		"programs that are linked break: undo it, or give the library "
		"a new soname (-version-info) and run \"make abi\"";
}

/* The gate closes: on a function that is gone, and on a struct that grew. */
TEST(AbiGate, SeesAChangeThatBreaksPrograms)
{
	if (!have("abidiff"))
		GTEST_SKIP() << "abidiff is not installed";
	const fs::path dir = scratch_dir() / "abi";
	const std::string map = content(source_dir() / "librseq/librseq.map");
	fs::create_directories(dir);
	std::ofstream(dir / "same.map") << map;
	std::ofstream(dir / "gone.map")
		<< std::regex_replace(map, std::regex("\trseq_strreason;\n"), "");
	fs::remove_all(dir / "grown");
	fs::create_directories(dir / "grown");
	for (const char *part : { "include", "arch", "librseq" })
		fs::copy(source_dir() / part, dir / "grown" / part,
			 fs::copy_options::recursive);
	const fs::path query = dir / "grown/include/rseq/query.h";
	const std::string header = content(query);
	std::ofstream(query) << std::regex_replace(header,
		std::regex("\tint\t+error;"), "long error;");
	ASSERT_NE(content(query), header);

	auto build = [&](const fs::path &top, const std::string &name,
			 const fs::path &by) {
		return sh("cd " + top.string() + " && " + cc() +
			" -x c++ -std=c++20 -nostdinc++ -g -O2 -fPIC -shared "
			"-fno-exceptions -fno-rtti -fno-threadsafe-statics "
			"-I include -I . -Wl,-soname,librseq.so.1 "
			"-Wl,--version-script=" + by.string() + " -o " +
			(dir / name).string() + " $(ls librseq/*.cc | "
			"grep -v rseq-info)");
	};
	for (const auto &[top, name, by] :
	     { std::tuple(source_dir(), "same.so", dir / "same.map"),
	       std::tuple(source_dir(), "gone.so", dir / "gone.map"),
	       std::tuple(dir / "grown", "grown.so", dir / "same.map") }) {
		const outcome got = build(top, name, by);
		ASSERT_TRUE(got.ok()) << got;
	}
	EXPECT_EQ(compare(dir / "same.so", dir / "same.so").code, 0);
	for (const char *name : { "gone.so", "grown.so" }) {
		const outcome got = compare(dir / "same.so", dir / name);
		EXPECT_TRUE(got.code > 0 && got.code & CHANGED) << got;
	}
	EXPECT_TRUE(compare(dir / "same.so", dir / "gone.so").code &
		    INCOMPATIBLE);
}

} // namespace
