/* SPDX-License-Identifier: MIT */
/*
 * Every series applies to its version's tarball, patch by patch, without fuzz;
 * those of the versions that nothing else here builds too.
 */
#include <algorithm>

#include "harness.hh"

namespace {

using namespace harness;

std::vector<std::string> series()
{
	std::vector<std::string> names;

	for (const auto &dir :
	     fs::directory_iterator(source_dir() / "libc-patches")) {
		const std::string name = dir.path().filename();
		if (name.starts_with("glibc-") || name.starts_with("musl-"))
			names.push_back(name);
	}
	std::sort(names.begin(), names.end());
	return names;
}

std::vector<fs::path> patches_of(const std::string &name)
{
	std::vector<fs::path> patches;

	for (const auto &file :
	     fs::directory_iterator(source_dir() / "libc-patches" / name))
		if (file.path().extension() == ".patch")
			patches.push_back(file.path());
	std::sort(patches.begin(), patches.end());
	return patches;
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
	for (const auto &patch : patches_of(GetParam())) {
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
