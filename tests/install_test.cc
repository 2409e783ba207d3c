/* SPDX-License-Identifier: MIT */
/*
 * What "make install" leaves, under a DESTDIR: all that the tree has for users
 * and no more; every public header compiles alone from there, in C and C++, a
 * program builds with what pkg-config says and runs on the installed library,
 * gdb finds the commands for it and man the pages.  "make uninstall" leaves
 * nothing.
 */
#include <fstream>
#include <regex>

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

/* What lies below dir and is no folder, by its path from there. */
std::set<std::string> files_below(const fs::path &dir)
{
	std::set<std::string> names;

	for (const auto &e : fs::recursive_directory_iterator(dir))
		if (!e.is_directory())
			names.insert(e.path().lexically_relative(dir));
	return names;
}

/* The tree says what there must be, never a list that must be kept. */
TEST_F(Installed, IsWhatTheTreeHas)
{
	const fs::path real = fs::canonical(prefix / "lib/librseq.so");
	std::set<std::string> want = {
		"bin/rseq-info",
		"lib/cmake/librseq/librseq-config-version.cmake",
		"lib/cmake/librseq/librseq-config.cmake",
		"lib/pkgconfig/librseq.pc",
		"lib/pkgconfig/librseq-ffi.pc",
		"include/rseq/ffi.h",
		"share/gdb/auto-load/usr/local/lib/" +
			real.filename().string() + "-gdb.py",
		"share/librseq/librseq-gdb.py",
		"share/bash-completion/completions/build-libc",
		"share/bash-completion/completions/rseq-info",
		"share/zsh/site-functions/_rseq-info",
	};

	for (const auto &e : fs::directory_iterator(source_dir() /
						    "include/rseq"))
		want.insert("include/rseq/" + e.path().filename().string());
	for (const auto &e : fs::directory_iterator(source_dir() / "arch"))
		if (e.path().extension() == ".h")
			want.insert("include/rseq/arch/" +
				    e.path().filename().string());
	for (const auto &e : fs::directory_iterator(source_dir() / "man"))
		if (!e.is_directory())
			want.insert("share/man/man" +
				    e.path().extension().string().substr(1) +
				    "/" + e.path().filename().string());
	std::set<std::string> got = files_below(prefix);
	/* The libraries' own names are libtool's. */
	std::erase_if(got, [](const std::string &name) {
		return std::regex_match(name,
			std::regex("lib/librseq(-ffi)?\\.(so(\\.\\d+)*|a|la)"));
	});
	EXPECT_GT(want.size(), 80u);
	for (const std::string &name : want)
		EXPECT_TRUE(got.contains(name)) << "missing: " << name;
	for (const std::string &name : got)
		EXPECT_TRUE(want.contains(name)) << "not expected: " << name;
}

/* Pages, and names that lead to another's page, installed and where built. */
TEST_F(Installed, ManFindsEachPage)
{
	if (!have("man"))
		GTEST_SKIP() << "no man";
	for (const fs::path &dir : { build_dir() / "manual",
				     prefix / "share/man" })
		for (const std::string page : { "rseq.7", "rseq_counter.3",
						"rseq_counter_add.3",
						"tlabi-run.1", "rseq.2" }) {
			const outcome got = run({ "man", "-M", dir, "-E",
				"ascii", fs::path(page).extension().string()
				.substr(1), fs::path(page).stem() });
			EXPECT_TRUE(got.ok()) << got;
			EXPECT_NE(got.out.find("NAME"), std::string::npos)
				<< got;
			EXPECT_EQ(got.err, "") << got;
		}
}

TEST_F(Installed, UninstallLeavesNothing)
{
	const fs::path again = scratch_dir() / "uninstalled";
	fs::remove_all(again);
	fs::create_directories(again);
	for (const std::string goal : { "install", "uninstall" }) {
		const outcome got = run({ "make", "-s", "-C",
			build_dir().string(), goal,
			"DESTDIR=" + again.string() });
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(fs::is_empty(again), goal == "uninstall");
	}
	const outcome left = run({ "find", again.string() });
	EXPECT_EQ(left.out, again.string() + "\n");
}

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
			if (name.extension() == ".hpp" && std != "c++20")
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

/* What no header defines, from librseq-ffi, and librseq with it. */
TEST_F(Installed, AProgramThatInlinesNothingBuildsWithPkgConfig)
{
	if (!have("pkg-config"))
		GTEST_SKIP() << "no pkg-config";
	const fs::path source = root / "calls.c";
	std::ofstream(source) << "#include <rseq/ffi.h>\n"
		"unsigned int rseq_cpu_limit(void);\n"
		"int main(void) { return rseq_ffi_cpu_start() >= "
		"rseq_cpu_limit() || rseq_ffi_sizeof_counter() < 8; }\n";
	for (const std::string flag : { "", "--static " }) {
		const fs::path program = root / ("calls" + flag.substr(0, 8));
		const outcome built = sh("PKG_CONFIG_PATH=" +
			(prefix / "lib/pkgconfig").string() +
			" PKG_CONFIG_SYSROOT_DIR=" + root.string() +
			"; export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR; " +
			cc() + " " + flag.substr(1 - flag.empty()) + " -o " +
			program.string() + " " + source.string() +
			" $(pkg-config " + flag + "--cflags --libs librseq-ffi)");
		ASSERT_TRUE(built.ok()) << built;
		const outcome ran = run({ program }, { { "LD_LIBRARY_PATH=" +
			(prefix / "lib").string() } });
		EXPECT_TRUE(ran.ok()) << ran;
	}
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

/* A static program needs no more than pkg-config says. */
TEST_F(Installed, AStaticProgramBuildsWithPkgConfig)
{
	if (!have("pkg-config"))
		GTEST_SKIP() << "no pkg-config";
	const fs::path source = root / "static.c", program = root / "static";
	std::ofstream(source) << "#include <rseq/rseq.h>\n"
		"int main(void) { return rseq_cpu_limit() < 1; }\n";
	const outcome built = sh("PKG_CONFIG_PATH=" +
		(prefix / "lib/pkgconfig").string() +
		" PKG_CONFIG_SYSROOT_DIR=" + root.string() + "; export "
		"PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR; " + cc() +
		" -static -o " + program.string() + " " + source.string() +
		" $(pkg-config --static --cflags --libs librseq)");
	ASSERT_TRUE(built.ok()) << built;
	EXPECT_TRUE(run({ program.string() }).ok());
}

/* Programs of another project, built by its own build system, run. */
class Consumer : public Installed {
protected:
	fs::path copy(const std::string &name) const
	{
		const fs::path to = root / name;

		fs::remove_all(to);
		fs::create_directories(to);
		fs::copy(source_dir() / "tests/consumers" / name, to / name,
			 fs::copy_options::recursive);
		for (const fs::path &dir : { to, to / name })
			fs::copy(source_dir() / "tests/consumers/main.c", dir);
		return to / name;
	}

	void expect_to_run(const fs::path &dir, const std::string &program) const
	{
		const outcome got = run({ dir / program },
			{ { "LD_LIBRARY_PATH=" + (prefix / "lib").string() } });
		EXPECT_TRUE(got.ok()) << got;
	}
};

TEST_F(Consumer, OfCMakeFindsThePackage)
{
	if (!have("cmake"))
		GTEST_SKIP() << "no cmake";
	const fs::path dir = copy("cmake");
	const outcome built = sh("cd " + dir.string() + " && cmake -S . -B b "
		"-DCMAKE_PREFIX_PATH=" + prefix.string() + " && cmake --build "
		"b --verbose");
	ASSERT_TRUE(built.ok()) << built;
	EXPECT_TRUE(has(built.out, "-z,nodelete")) << built;
	expect_to_run(dir / "b", "shared");
	expect_to_run(dir / "b", "static");
	expect_to_run(dir / "b", "ffi");
	/* Until 1.0 another minor version is another API. */
	const outcome other = sh("cd " + dir.string() + " && sed -i 's/librseq "
		"0.1/librseq 0.2/' CMakeLists.txt && cmake -S . -B c "
		"-DCMAKE_PREFIX_PATH=" + prefix.string());
	EXPECT_FALSE(other.ok()) << other;
}

TEST_F(Consumer, OfMesonFindsThePackage)
{
	if (!have("meson") || !have("ninja") || !have("pkg-config"))
		GTEST_SKIP() << "no meson, ninja or pkg-config";
	const fs::path dir = copy("meson");
	const outcome built = sh("cd " + dir.string() + " && PKG_CONFIG_PATH=" +
		(prefix / "lib/pkgconfig").string() +
		" PKG_CONFIG_SYSROOT_DIR=" + root.string() + " meson setup b "
		"&& ninja -C b");
	ASSERT_TRUE(built.ok()) << built;
	expect_to_run(dir / "b", "shared");
	expect_to_run(dir / "b", "static");
}

/* Before it builds anything, and not because of a header that is missing. */
TEST(Foreign, TreeSaysWhereItsTestsRun)
{
	const outcome got = run({ "make", "-s", "-C", build_dir().string(),
				  "check", "build_cpu=m68k" });

	EXPECT_FALSE(got.ok()) << got;
	EXPECT_TRUE(has(got.err, "its tests do not run here; see make "
				 "check-vm")) << got;
	EXPECT_FALSE(has(got.err, "GoogleTest")) << got;
}

/* Each file that is under version control, however long its name. */
TEST(Tarball, HasWhatTheTreeHas)
{
	const std::string top = source_dir().string();
	if (!sh("test -e " + top + "/.git && git -C " + top + " rev-parse").ok())
		GTEST_SKIP() << "not under version control";
	const std::string dir = "packed";
	const std::string state = "cd " + top + " && git ls-files -z | xargs "
		"-0 stat -c '%n %y' 2>/dev/null";
	const outcome before = sh(state);
	const outcome made = run({ "make", "-s", "-C", build_dir().string(),
				   "dist", "distdir=" + dir });
	ASSERT_TRUE(made.ok()) << made;
	EXPECT_EQ(sh(state).out, before.out) << "it writes into the source";
	const outcome listed = sh("tar -tf " +
		(build_dir() / (dir + ".tar.gz")).string() +
		" | sed 's,^" + dir + "/,,'");
	fs::remove(build_dir() / (dir + ".tar.gz"));
	ASSERT_TRUE(listed.ok()) << listed;
	const std::set<std::string> packed = all_matches("\n" + listed.out,
							 "\n(.*)(?=\n)");
	const outcome tree = sh("cd " + top + " && git ls-files | grep -vE "
				"'^(\\.ci/|debian/|\\.gitignore$)'");
	const std::set<std::string> tracked = all_matches("\n" + tree.out,
							  "\n(.*)(?=\n)");
	EXPECT_GT(tracked.size(), 200u);
	for (const std::string &name : tracked)
		EXPECT_TRUE(packed.contains(name) ||
			    !fs::exists(source_dir() / name)) << name;
}

/* What is built for one sysroot is not taken for another of the same name. */
TEST(Sysroot, HasAFolderOfItsOwn)
{
	const auto folder = [](const std::string &sysroot) {
		return run({ "make", "-s", "-C", build_dir().string(),
			     "--eval", "show: ; @echo $(sysroot_build)",
			     "show", "SYSROOT=" + sysroot });
	};
	std::set<std::string> folders;

	for (const char *sysroot : { "/a/sysroot/musl-1.2.6",
				     "/b/sysroot/musl-1.2.6",
				     "/b/sysroot/musl-1.2.5" }) {
		const outcome got = folder(sysroot);
		EXPECT_TRUE(got.ok()) << got;
		EXPECT_TRUE(got.out.starts_with(build_dir().string())) << got;
		folders.insert(got.out);
	}
	EXPECT_EQ(folders.size(), 3u);
	EXPECT_EQ(folder("/a/lib/").out, folder("/a/lib").out);
}

/* One version, wherever one looks for it. */
TEST_F(Installed, VersionIsTheSameEverywhere)
{
	const std::string header = content(prefix / "include/rseq/version.h");
	const auto in_header = all_matches(header,
					   "#define RSEQ_VERSION \"(.*)\"");
	ASSERT_EQ(in_header.size(), 1u);
	const std::string version = *in_header.begin();
	std::smatch part;
	ASSERT_TRUE(std::regex_match(version, part,
		std::regex("(\\d+)\\.(\\d+)\\.(\\d+)"))) << version;
	EXPECT_EQ(all_matches(header, "RSEQ_VERSION_NUMBER (\\d+)"),
		  std::set<std::string>{ std::to_string(std::stoi(part[1]) *
			10000 + std::stoi(part[2]) * 100 +
			std::stoi(part[3])) });
	EXPECT_TRUE(has(content(prefix / "lib/pkgconfig/librseq.pc"),
			"\nVersion: " + version + "\n"));
	EXPECT_TRUE(has(content(prefix /
				"lib/cmake/librseq/librseq-config-version.cmake"),
			"PACKAGE_VERSION \"" + version + "\""));
	EXPECT_TRUE(has(content(prefix / "lib/pkgconfig/librseq-ffi.pc"),
			"\nVersion: " + version + "\nRequires: librseq = " +
			version + "\n"));
	EXPECT_EQ(run({ prefix / "bin/rseq-info", "--version" },
		      { { "LD_LIBRARY_PATH=" + (prefix / "lib").string() } })
			  .out, "rseq-info " + version + "\n");
	/* Not in the tarball. */
	const fs::path debian = source_dir() / "debian/changelog";
	EXPECT_TRUE(!fs::exists(debian) || content(debian).starts_with(
		"librseq (" + version + "-"));
	const std::string api = part[1].str() + "." + part[2].str();
	for (const auto &e : fs::directory_iterator(source_dir() / "man")) {
		const std::string page = content(e.path());
		if (!e.is_regular_file() || page.starts_with(".so "))
			continue;
		EXPECT_TRUE(has(page, " \"librseq " + api + "\"\n"))
			<< e.path();
	}
	/* What is being worked on, or what has been released. */
	EXPECT_TRUE(std::regex_search(content(source_dir() / "CHANGELOG.md"),
		std::regex("\n## \\[(Unreleased\\]\n|" + version +
			   "\\] - 20\\d\\d-\\d\\d-\\d\\d\n)")));
}

/*
 * The other librseq is in no registry: a stand-in with its names, its soname
 * and the one function that tells it from ours.
 */
class OtherLibrseq : public testing::Test {
protected:
	const fs::path root = scratch_dir() / "other",
		       prefix = root / "usr/local";

	void SetUp() override
	{
		fs::remove_all(root);
		fs::create_directories(prefix / "include/rseq");
		fs::create_directories(prefix / "lib");
		std::ofstream(prefix / "include/rseq/rseq.h")
			<< "int rseq_register_current_thread(void);\n";
		std::ofstream(root / "other.c")
			<< "int rseq_register_current_thread(void)\n"
			   "{ return 42; }\n";
		std::ofstream(root / "theirs.c")
			<< "#include <rseq/rseq.h>\nint main(void)\n"
			   "{ return rseq_register_current_thread() != 42; }\n";
		std::ofstream(root / "ours.c")
			<< "#include <rseq/rseq.h>\nint main(void)\n"
			   "{ return rseq_cpu_limit() < 1; }\n";
		const outcome made = sh(cc() + " -shared -fPIC -o " +
			(prefix / "lib/librseq.so.0").string() +
			" -Wl,-soname,librseq.so.0 " +
			(root / "other.c").string() + " && ln -s librseq.so.0 " +
			(prefix / "lib/librseq.so").string());
		ASSERT_TRUE(made.ok()) << made;
	}

	outcome link(const std::string &name) const
	{
		return run({ cc(), "-o", root / name, root / (name + ".c"),
			     "-I", prefix / "include", "-L", prefix / "lib",
			     "-lrseq" });
	}

	outcome start(const std::string &name) const
	{
		return run({ root / name },
			   { { "LD_LIBRARY_PATH=" +
			       (prefix / "lib").string() } });
	}

	outcome install() const
	{
		return run({ "make", "-s", "-C", build_dir(), "install",
			     "DESTDIR=" + root.string() });
	}
};

TEST_F(OtherLibrseq, IsNotOverwritten)
{
	const std::set<std::string> before = files_below(prefix);
	const outcome got = install();

	EXPECT_FALSE(got.ok()) << got;
	EXPECT_TRUE(has(got.err, "is another librseq's; choose another "
				 "--prefix")) << got;
	EXPECT_EQ(files_below(prefix), before);
	EXPECT_EQ(content(prefix / "include/rseq/rseq.h"),
		  "int rseq_register_current_thread(void);\n");
	/* Said when it can still be chosen. */
	const fs::path build = root / "build";
	fs::create_directories(build);
	const outcome configured = sh("cd " + build.string() + " && " +
		(source_dir() / "configure").string() + " -q --prefix=" +
		prefix.string());
	EXPECT_TRUE(configured.ok()) << configured;
	EXPECT_TRUE(has(configured.out, "another librseq is installed in " +
					(prefix / "include").string()))
		<< configured;
}

/* For running, both may be there: each program finds its own. */
TEST_F(OtherLibrseq, RunsBesideOurs)
{
	ASSERT_TRUE(link("theirs").ok());
	fs::remove_all(prefix / "include");
	fs::remove(prefix / "lib/librseq.so");
	ASSERT_TRUE(install().ok());
	const outcome linked = link("ours");
	ASSERT_TRUE(linked.ok()) << linked;
	for (const char *name : { "theirs", "ours" }) {
		const outcome got = start(name);
		EXPECT_TRUE(got.ok()) << got;
	}
	const outcome needs = sh("objdump -p " + (root / "ours").string() +
				 " | grep NEEDED");
	EXPECT_TRUE(has(needs.out, "librseq.so.1\n")) << needs;
}

}
