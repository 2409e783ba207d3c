/* SPDX-License-Identifier: MIT */
/*
 * What "make install" leaves, under a DESTDIR: every public header compiles
 * alone from there, in C and C++, a program builds with what pkg-config says
 * and runs on the installed library, and gdb finds the commands for it.
 */
#include <fstream>

#include "harness.hh"

namespace {

using namespace harness;

class Installed : public testing::Test {
protected:
	static inline fs::path root, prefix;
	static inline outcome made;

	static void SetUpTestSuite()
	{
		root = scratch_dir() / "installed";
		prefix = root / "usr/local";
		fs::remove_all(root);
		fs::create_directories(root);
		made = run({ "make", "-s", "-C", build_dir().string(),
			     "install", "DESTDIR=" + root.string() });
	}
	void SetUp() override { ASSERT_TRUE(made.ok()) << made; }
};

TEST_F(Installed, EveryHeaderCompilesAlone)
{
	size_t headers = 0;

	for (const auto &file :
	     fs::directory_iterator(prefix / "include/rseq")) {
		const fs::path name = file.path().filename();
		if (file.is_directory())
			continue;
		++headers;
		const fs::path source = root / "alone.c";
		std::ofstream(source) << "#include <rseq/" << name.string()
				      << ">\nint main(void) { return 0; }\n";
		const strings tail = { "-Wall", "-Wextra", "-Wpedantic",
				       "-Werror", "-fsyntax-only", "-I",
				       (prefix / "include").string(),
				       source.string() };
		for (const std::string std : { "c11", "c++11", "c++20" }) {
			if (name.extension() == ".hpp" && std == "c11")
				continue;
			const strings language = { "-x",
				std == "c11" ? "c" : "c++", "-std=" + std };
			const outcome got =
				run(strings{ cc() } + language + tail);
			EXPECT_TRUE(got.ok()) << got;
		}
	}
	EXPECT_GT(headers, 10u);
}

TEST_F(Installed, AProgramBuildsWithPkgConfigAndRuns)
{
	if (!have("pkg-config"))
		GTEST_SKIP() << "no pkg-config";
	const outcome flags = run({ "pkg-config", "--cflags", "--libs",
				    "librseq" },
		{ { "PKG_CONFIG_PATH=" +
			    (prefix / "lib/pkgconfig").string(),
		    "PKG_CONFIG_SYSROOT_DIR=" + root.string() } });
	ASSERT_TRUE(flags.ok()) << flags;

	const fs::path source = root / "count.c", program = root / "count";
	std::ofstream(source)
		<< "#include <rseq/rseq.h>\n"
		   "int main(void)\n"
		   "{\n"
		   "\tstruct rseq_counter c;\n"
		   "\tif (rseq_counter_init(&c, 1))\n"
		   "\t\treturn 2;\n"
		   "\trseq_counter_add(&c, 0, 42);\n"
		   "\treturn rseq_counter_sum(&c, 0) != 42;\n"
		   "}\n";
	const outcome built = run({ "sh", "-c",
		cc() + " -o " + program.string() + " " + source.string() +
		" " + flags.out.substr(0, flags.out.find('\n')) });
	ASSERT_TRUE(built.ok()) << built;
	const outcome ran = run({ program.string() },
		{ { "LD_LIBRARY_PATH=" + (prefix / "lib").string() } });
	EXPECT_TRUE(ran.ok()) << ran;
}

/* Beside the library's real name, not that of a link to it. */
TEST_F(Installed, GdbFindsTheCommandsOfTheLibrary)
{
	const fs::path real = fs::canonical(prefix / "lib/librseq.so"),
		gdb = prefix / "share/gdb/auto-load/usr/local/lib" /
			(real.filename().string() + "-gdb.py");

	for (const fs::path &file :
	     { gdb, prefix / "share/librseq/librseq-gdb.py" })
		EXPECT_TRUE(run({ "cmp", file.string(),
				  (source_dir() / "librseq/librseq-gdb.py")
					  .string() })
				    .ok())
			<< file;
}

TEST_F(Installed, RseqInfoRuns)
{
	const outcome ran = run({ (prefix / "bin/rseq-info").string(),
				  "--json" },
		{ { "LD_LIBRARY_PATH=" + (prefix / "lib").string() } });

	EXPECT_TRUE(ran.ok()) << ran;
	EXPECT_NE(ran.out.find("\"registered\": true"), std::string::npos)
		<< ran;
}

}
