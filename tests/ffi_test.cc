/* SPDX-License-Identifier: MIT */
/*
 * librseq-ffi has a function for everything that is inline in the headers, and
 * each does what the inline one does when Python or Rust calls it, with
 * sections and without.
 */
#include <fstream>
#include <map>
#include <regex>

#include "harness.hh"

using namespace harness;

namespace {

const strings off = {"GLIBC_TUNABLES=glibc.pthread.rseq=0", "TLABI_RSEQ=0"};

fs::path libs()
{
	return build_dir() / ".libs";
}

fs::path library()
{
	return libs() / "librseq-ffi.so";
}

/* What a library exports. */
std::set<std::string> exported(const fs::path &file)
{
	return all_matches(sh("nm -D --defined-only '" + file.string() +
			      "'").out, " [TDBR] (\\w+)@@");
}

/* The public C headers. */
std::vector<fs::path> header_files()
{
	std::vector<fs::path> files;

	for (const auto &e :
	     fs::directory_iterator(source_dir() / "include/rseq"))
		if (e.path().extension() == ".h" &&
		    e.path().filename() != "upstream.h")
			files.push_back(e.path());
	return files;
}

std::string headers()
{
	std::string text;

	for (const fs::path &file : header_files())
		text += content(file);
	return text;
}

class Ffi : public testing::Test {
protected:
	void SetUp() override
	{
		if (!fs::exists(library()))
			GTEST_SKIP() << "no shared library is built";
	}
	/* A program of another language, which finds the libraries. */
	static outcome start(const strings &command, strings env = {})
	{
		env.push_back("LD_LIBRARY_PATH=" + libs().string());
		return run(command, {env});
	}
	static void expect_same_with_sections_and_without(
		const strings &command, const std::string &out)
	{
		for (const strings &env : {strings{}, off}) {
			const outcome got = start(command, env);
			EXPECT_TRUE(got.ok()) << got;
			EXPECT_EQ(got.out, out) << got;
		}
	}
};

/* ---- what there is ---- */

/*
 * Read from the text of the headers, not as make-ffi reads them: a name that is
 * called or defined there is librseq's, or it is inline and librseq-ffi has it
 * for each kind of id and width of word.
 */
TEST_F(Ffi, HasAllThatIsInlineAndNoMore)
{
	const std::string text = headers();
	const std::set<std::string> in_librseq =
		exported(libs() / "librseq.so");
	const std::set<std::set<std::string>> complete = {
		{""}, {"_cpu", "_cid"}, {"_32", "_64"},
		{"_cpu_32", "_cpu_64", "_cid_32", "_cid_64"},
		{"_32_32", "_32_64", "_64_32", "_64_64"},
	};
	std::set<std::string> have = exported(library());
	size_t inlines = 0;

	EXPECT_GT(in_librseq.size(), 40u);
	for (const std::string &name :
	     all_matches(text, "\\brseq_([a-z0-9_]*[a-z0-9])\\((?!\\d\\))")) {
		const std::string full = "rseq_" + name;
		/* Of functions that are called back. */
		if (in_librseq.contains(full) || name.ends_with("_t"))
			continue;
		std::set<std::string> endings;
		std::erase_if(have, [&](const std::string &symbol) {
			std::smatch m;
			const bool its = std::regex_match(symbol, m,
				std::regex("rseq_ffi_" + name +
					   "((_c[pi][ud])?(_(32|64))*)"));
			if (its)
				endings.insert(m[1]);
			return its;
		});
		EXPECT_TRUE(complete.contains(endings)) << full << " has "
			<< testing::PrintToString(endings);
		/* An operation with an id has one for each kind of it. */
		std::smatch m;
		if (std::regex_search(text, m, std::regex(
			    "\n#define " + full + "\\((.*)\\)"))) {
			EXPECT_EQ(std::regex_search(m[1].str(),
						    std::regex("\\bid$")),
				  !endings.empty() &&
				  endings.begin()->starts_with("_c")) << full;
		}
		++inlines;
	}
	EXPECT_GT(inlines, 40u);
	for (const std::string &name :
	     all_matches(text, "\nstruct rseq_([a-z0-9_]*[a-z0-9]) \\{"))
		EXPECT_EQ(have.erase("rseq_ffi_sizeof_" + name), 1u) << name;
	for (const std::string &name :
	     all_matches(text, "\n#define RSEQ_([A-Z_]*[A-Z])\\(")) {
		std::string small = name;
		for (char &c : small)
			c = static_cast<char>(tolower(c));
		if (has(text, "\nstruct rseq_" + small + " {")) {
			EXPECT_EQ(have.erase("rseq_ffi_" + small), 1u) << name;
		}
	}
	EXPECT_EQ(have, std::set<std::string>{});
}

/* make-ffi, of the tree's headers and one more, into dir. */
outcome make_ffi(const fs::path &dir, const std::string &more,
		 const strings &compiler = {cc()}, const strings &env = {})
{
	fs::remove_all(dir);
	fs::create_directories(dir);
	fs::copy(source_dir() / "include", dir / "include",
		 fs::copy_options::recursive);
	std::ofstream(dir / "include/rseq/more.h")
		<< "#include <rseq/rseq.h>\n" << more;
	return run(strings{source_dir() / "librseq/make-ffi", dir,
			   "rseq/more.h", "--"} + compiler +
		   strings{"-I" + (dir / "include").string(),
			   "-I" + source_dir().string()}, {env});
}

/* Whatever is in the libc's headers, and whichever awk there is. */
TEST(MakeFfi, GivesTheSameByAnyCompilerAndAwk)
{
	const fs::path dir = scratch_dir() / "make-ffi-same";
	std::string first;
	int many = 0;

	for (const strings &compiler : {strings{cc()}, {cc(), "-g3"},
		{cc(), "-fsanitize=thread"}, {clang_or_none()}, {"musl-gcc"},
		{"aarch64-linux-gnu-gcc"}, {"riscv64-linux-gnu-gcc"}})
		for (const std::string awk : {"awk", "mawk", "gawk"}) {
			if (!have(compiler[0]) || !have(awk) ||
			    (awk != "awk" && compiler != strings{cc()}))
				continue;
			const outcome got = make_ffi(dir, "", compiler,
						     {"AWK=" + awk});
			ASSERT_TRUE(got.ok()) << awk << got;
			const std::string made = content(dir / "ffi.h") +
				content(dir / "ffi.c");
			if (first.empty())
				first = made;
			EXPECT_EQ(made, first) << awk << got;
			++many;
		}
	EXPECT_GE(many, 4);
}

TEST(MakeFfi, FindsAFunctionAndAMacroThatAreNew)
{
	const fs::path dir = scratch_dir() / "make-ffi";
	const outcome got = make_ffi(dir,
		"RSEQ_INLINE_ rseq_cid_t rseq_new(int (*f)(int, char), long n)\n"
		"{ (void)f; (void)n; return rseq_this_cid(); }\n"
		"RSEQ_INLINE_ int rseq_most_cpu_64_(uint64_t *v, rseq_cpu_t id)\n"
		"{ *v = 1; return id.n; }\n"
		"RSEQ_INLINE_ int rseq_most_cpu_32_(uint32_t *v, rseq_cpu_t id)\n"
		"{ *v = 1; return id.n; }\n"
		"RSEQ_INLINE_ int rseq_mine_(void) { return 1; }\n"
		"#define rseq_most(v, id) RSEQ_WIDTH_(rseq_most_cpu, v)(v, id)\n"
		"struct rseq_new { int n; };\n");

	ASSERT_TRUE(got.ok()) << got;
	const std::string header = content(dir / "ffi.h");
	for (const char *line : {
		"int rseq_ffi_new(int (*f)(int, char), long n);",
		"int rseq_ffi_most_cpu_64(uint64_t *v, int id);",
		"int rseq_ffi_most_cpu_32(uint32_t *v, int id);",
		"size_t rseq_ffi_sizeof_new(void);",
		"unsigned int rseq_ffi_cpu_start(void);"})
		EXPECT_TRUE(has(header, std::string("\n") + line + "\n"))
			<< line << header;
	EXPECT_FALSE(has(header, "mine"));
	const outcome built = compile(strings{cc(), "-std=c11", "-O2", "-Wall",
		"-Wextra", "-Wpedantic", "-Werror", "-c",
		"-I" + (dir / "include").string(), dir / "ffi.c"} +
		rseq_include_flags(), dir / "ffi.o");
	EXPECT_TRUE(built.ok()) << built;
}

/* Then nothing is built, rather than a library that lacks it. */
TEST(MakeFfi, RefusesWhatItCannotCall)
{
	const fs::path dir = scratch_dir() / "make-ffi-refuses";
	outcome got = make_ffi(dir, "#define rseq_loop(n) for (;;) (void)(n)\n");

	EXPECT_FALSE(got.ok()) << got;
	EXPECT_TRUE(has(got.err, "rseq_loop() calls no inline function"))
		<< got;
	EXPECT_FALSE(fs::exists(dir / "ffi.c"));
	got = make_ffi(dir, "RSEQ_INLINE_ int rseq_two(void) { return 1; }\n"
		"RSEQ_INLINE_ int rseq_three_(void) { return 1; }\n"
		"#define rseq_two() rseq_three_()\n");
	EXPECT_FALSE(got.ok()) << got;
	EXPECT_TRUE(has(got.err, "rseq_ffi_two() for two")) << got;
	for (const char *taken : {"struct rseq_info rseq_some(int n);",
				  "int rseq_some(struct rseq_info of);"}) {
		std::string some = taken;
		some.replace(some.size() - 1, 1, " { (void)0; }\n");
		got = make_ffi(dir, "static inline " + some);
		EXPECT_FALSE(got.ok()) << got;
		EXPECT_TRUE(has(got.err, "rseq_ffi_some() has a structure by "
				"value")) << got;
	}
}

/* Beside the inline ones, under names that do not clash, however linked. */
TEST_F(Ffi, IsUsedBesideTheHeaders)
{
	const fs::path dir = scratch_dir() / "ffi";
	std::string program = "#include <rseq/rseq.h>\n";

	for (const fs::path &file : header_files())
		program += "#include <rseq/" + file.filename().string() + ">\n";
	program += "#include \"ffi.h\"\n"
		"int main(void)\n{\n\tstruct rseq_counter c;\n"
		"\tif (rseq_counter_init(&c, 1))\n\t\treturn 2;\n"
		"\trseq_counter_add(&c, 0, 40);\n"
		"\trseq_ffi_counter_add(&c, 0, 2);\n";

	fs::create_directories(dir);
	for (const std::string &name :
	     all_matches(headers(), "\nstruct rseq_([a-z0-9_]*[a-z0-9]) \\{"))
		program += "\tif (rseq_ffi_sizeof_" + name +
			"() != sizeof(struct rseq_" + name +
			"))\n\t\treturn 3;\n";
	program += "\treturn rseq_counter_sum(&c, 0) != 42;\n}\n";
	std::ofstream(dir / "both.c") << program;
	const std::string so = libs().string();
	const std::map<std::string, strings> ways = {
		{"shared", {"-L" + so, "-lrseq-ffi", "-lrseq"}},
		{"archives", {libs() / "librseq-ffi.a", libs() / "librseq.a"}},
		{"static", {"-static", libs() / "librseq-ffi.a",
			    libs() / "librseq.a"}},
	};
	for (const strings &language :
	     {strings{cc(), "-std=c11"}, strings{cxx(), "-x", "c++",
						 "-std=c++11"}})
		for (const auto &[way, link] : ways) {
			const outcome built = compile(language + strings{
				"-O2", "-Wall", "-Wextra", "-Wpedantic",
				"-Werror", "-I" +
				(build_dir() / "librseq").string(),
				dir / "both.c", "-x", "none"} +
				rseq_include_flags() + link,
				dir / (way + language.back()));
			ASSERT_TRUE(built.ok()) << built;
			const outcome got =
				start({dir / (way + language.back())});
			EXPECT_TRUE(got.ok()) << got;
		}
}

/* ---- Python ---- */

class Python : public Ffi {
protected:
	void SetUp() override
	{
		Ffi::SetUp();
		if (!have("python3"))
			GTEST_SKIP() << "python3 is not here";
	}
	outcome probe(const char *what, const strings &env = {}) const
	{
		return start({"python3", probes_dir() / "ffi.py", what}, env);
	}
};

TEST_F(Python, CallsEachFunctionAndItDoesWhatItsPageSays)
{
	const outcome got = probe("everything");
	const std::set<std::string> called = all_matches(got.out,
							 " (rseq_ffi_\\w+)");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(called, exported(library()));
	EXPECT_EQ(got.number("usable"), 1) << got;
	EXPECT_EQ(got.number("unavailable"), 0) << got;
	EXPECT_GT(got.number("committed"), 400) << got;
	EXPECT_GT(got.number("different"), 15) << got;
}

TEST_F(Python, FindsThemUnavailableWithoutRseq)
{
	const outcome got = probe("everything", off);

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(got.number("usable"), 0) << got;
	EXPECT_EQ(got.number("committed"), 0) << got;
	EXPECT_GT(got.number("unavailable"), 400) << got;
}

TEST_F(Python, HoldsGuardsWhileItsThreadsTakeTurns)
{
	for (const strings &env : {strings{}, off}) {
		const outcome got = probe("drained", env);
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("wrong"), 0) << got;
		EXPECT_GT(got.number("drains"), 0) << got;
	}
}

/* Of the real files of this tree. */
TEST_F(Python, ExampleCountsFilesAndBytes)
{
	strings command = {"python3", source_dir() / "examples/latency.py"};
	uintmax_t bytes = 0;
	size_t files = 0;

	for (const auto &e : fs::directory_iterator(source_dir() / "man"))
		if (e.is_regular_file()) {
			command.push_back(e.path());
			bytes += e.file_size();
			++files;
		}
	ASSERT_GT(files, 100u);
	const std::string n = std::to_string(files);
	for (const strings &env : {strings{}, off}) {
		const outcome got = start(command, env);
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_TRUE(std::regex_match(got.out, std::regex(
			n + " files, " + std::to_string(bytes) + " bytes\n" +
			n + " timed: half of them within [1-9]\\d* ns, "
			"99 % within [1-9]\\d* ns\n"))) << got;
	}
}

/* ---- Rust ---- */

class Rust : public Ffi {
protected:
	const fs::path program = scratch_dir() / "ffi/lines";

	void SetUp() override
	{
		Ffi::SetUp();
		if (!have("rustc"))
			GTEST_SKIP() << "rustc is not here";
		fs::create_directories(program.parent_path());
	}
};

TEST_F(Rust, ExampleCountsLinesAndFindsTheLongest)
{
	const fs::path text = source_dir() / "tests/ffi_test.cc";
	size_t lines = 0, longest = 0, bytes = 0, length = 0;

	const outcome built = compile({"rustc", "--edition", "2021", "-O", "-D",
		"warnings", source_dir() / "examples/lines.rs", "-L", libs(),
		"-l", "rseq-ffi", "-l", "rseq"}, program);
	ASSERT_TRUE(built.ok()) << built;
	for (const char c : content(text)) {
		++bytes;
		longest = std::max(longest, ++length);
		if (c == '\n') {
			++lines;
			length = 0;
		}
	}
	expect_same_with_sections_and_without({program, text},
		std::to_string(lines) + " lines, " + std::to_string(bytes) +
		" bytes, longest " + std::to_string(longest) + "\n");
}

}
