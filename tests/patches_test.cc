/* SPDX-License-Identifier: MIT */
/*
 * Every series applies to its version's source, patch by patch, without fuzz,
 * and as it would be sent; those of the versions that nothing else here builds
 * too.
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

/* A version's source without our patches: as it is built, or plain. */
struct source {
	std::string version;
	bool upstream;
};

/* Which of them a series is made for, as the table of sources says. */
std::vector<source> sources()
{
	std::ifstream lines(source_dir() / "libc-patches/sources");
	std::set<std::string> fixed;
	std::vector<source> found;
	std::string line, version, file, sum, where;

	while (std::getline(lines, line)) {
		std::istringstream words(line);
		words >> version >> file >> sum >> where;
		if (where.starts_with("fixes:"))
			fixed.insert(version);
	}
	for (const auto &[v, patches] : manifest()) {
		found.push_back({v, false});
		if (fixed.contains(v))
			found.push_back({v, true});
	}
	return found;
}

class Series : public testing::TestWithParam<source> {};

TEST_P(Series, AppliesWithoutFuzz)
{
	const auto &[version, upstream] = GetParam();
	const fs::path tree = scratch_dir() / ("patched-" + version);
	strings command = {source_dir() / "libc-patches/build-libc",
			   "--stock", "--unpack", version, tree};

	fs::remove_all(tree);
	fs::create_directories(tree.parent_path());
	if (upstream)
		command.push_back("--upstream");
	const outcome got = run(command, {{}, std::chrono::seconds(600)});
	if (got.code == 3)
		GTEST_SKIP() << got.err;
	ASSERT_TRUE(got.ok()) << got;

	size_t applied = 0;
	const auto all = manifest();
	for (const auto &patch : all.at(version)) {
		/* Debian's glibc tarball has no manual. */
		if (patch.filename().string().find("-manual-") !=
			    std::string::npos &&
		    !fs::exists(tree / "manual/threads.texi"))
			continue;
		const outcome one = run({"patch", "-p1", "-F0", "-d", tree,
					 "-i", patch});
		EXPECT_TRUE(one.ok()) << one;
		EXPECT_EQ(one.out.find("fuzz"), one.out.npos) << one;
		++applied;
	}
	EXPECT_GE(applied, 5u);
	fs::remove_all(tree);
}

/* What "build-libc --series" writes, as a maintainer would take it. */
TEST_P(Series, IsTakenByGitAm)
{
	const auto &[version, upstream] = GetParam();
	const fs::path tree = scratch_dir() / ("taken-" + version),
		series = scratch_dir() / ("series-" + version);
	const std::string tool = source_dir() / "libc-patches/build-libc";
	strings command = {tool, "--stock", "--unpack", version, tree};

	if (!have("git"))
		GTEST_SKIP() << "no git";
	fs::remove_all(tree);
	fs::remove_all(series);
	fs::create_directories(tree.parent_path());
	if (upstream)
		command.push_back("--upstream");
	outcome got = run(command, {{}, std::chrono::seconds(600)});
	if (got.code == 3)
		GTEST_SKIP() << got.err;
	ASSERT_TRUE(got.ok()) << got;
	got = run({tool, "--series", version, series});
	ASSERT_TRUE(got.ok()) << got;

	/* A commit of the files that the patches touch is all it takes.
	 * Debian's glibc tarball has no manual. */
	got = run({"sh", "-c",
		   "cd \"$0\" && git init -q && "
		   "git config user.name n && git config user.email n@n && "
		   "[ -e manual/threads.texi ] || rm -f \"$1\"/*-manual-*\n"
		   "sed -n 's,^--- a/,,p' \"$1\"/*.patch | sort -u | "
		   "while read -r f; do [ ! -e \"$f\" ] || "
		   "git add -f \"$f\"; done && git commit -qm base && "
		   "git am -q \"$1\"/*.patch && git rev-list --count HEAD && "
		   "ls \"$1\"/*.patch | wc -l && git log --format=%b",
		   tree, series}, {{}, std::chrono::seconds(600)});
	ASSERT_TRUE(got.ok()) << got;
	int commits = 0, patches = 0;
	std::istringstream(got.out) >> commits >> patches;
	EXPECT_EQ(commits, patches + 1) << got;
	EXPECT_GE(patches, 5) << got;
	/* That line is for who sends it. */
	EXPECT_EQ(got.out.find("Signed-off-by"), got.out.npos) << got;
	fs::remove_all(tree);
	fs::remove_all(series);
}

INSTANTIATE_TEST_SUITE_P(All, Series, testing::ValuesIn(sources()),
			 [](const auto &info) {
				 std::string name = info.param.version +
					 (info.param.upstream ? "-plain" : "");
				 for (char &c : name)
					 if (!std::isalnum((unsigned char)c))
						 c = '_';
				 return name;
			 });

}
