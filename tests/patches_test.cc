/* SPDX-License-Identifier: MIT */
/*
 * Every series applies to its version's tarball, patch by patch, without fuzz;
 * those of the versions that nothing else here builds too.
 */
#include <fstream>
#include <map>
#include <sstream>

#include "harness.hh"

namespace {

using namespace harness;

/* What the manifest says: each version's patches in their order. */
std::map<std::string, std::vector<fs::path>> manifest()
{
	const fs::path dir = source_dir() / "libc-patches";
	std::ifstream lines(dir / "manifest");
	std::map<std::string, std::vector<fs::path>> found;
	std::string line, version, sum, path;

	while (std::getline(lines, line)) {
		std::istringstream words(line);
		if (line.starts_with("#") || !(words >> version >> sum >> path))
			continue;
		found[version].push_back(dir / path);
	}
	return found;
}

std::vector<std::string> series()
{
	std::vector<std::string> names;

	for (const auto &[version, patches] : manifest())
		names.push_back(version);
	return names;
}

class Series : public testing::TestWithParam<std::string> {};

TEST_P(Series, AppliesWithoutFuzz)
{
	const outcome fetched = run({
		(source_dir() / "libc-patches/build-libc").string(),
		"--fetch-only", GetParam() }, { {}, std::chrono::seconds(300) });
	if (!fetched.ok())
		GTEST_SKIP() << "no source of " << GetParam() << " to be had: "
			     << fetched.err;
	const std::string tarball =
		fetched.out.substr(0, fetched.out.find('\n'));

	const fs::path tree = scratch_dir() / ("patched-" + GetParam());
	fs::remove_all(tree);
	fs::create_directories(tree);
	const outcome unpacked = run({ "tar", "-xf", tarball, "-C",
				       tree.string(), "--strip-components=1" });
	ASSERT_TRUE(unpacked.ok()) << unpacked;

	size_t applied = 0;
	const auto all = manifest();
	for (const auto &patch : all.at(GetParam())) {
		const std::string file = patch.filename();
		/* Debian's glibc tarball has no manual. */
		if (file.find("-manual-") != file.npos &&
		    !fs::exists(tree / "manual"))
			continue;
		const outcome got = run({ "patch", "-p1", "-F0", "-d",
					  tree.string(), "-i", patch.string() });
		EXPECT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.out.find("fuzz"), got.out.npos) << got;
		++applied;
	}
	EXPECT_GE(applied, 5u);
	fs::remove_all(tree);
}

INSTANTIATE_TEST_SUITE_P(All, Series, testing::ValuesIn(series()),
			 [](const auto &info) {
				 std::string name = info.param;
				 for (char &c : name)
					 if (!std::isalnum((unsigned char)c))
						 c = '_';
				 return name;
			 });

}
