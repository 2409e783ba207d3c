/* SPDX-License-Identifier: MIT */
/* The pages of the commands say what --help says, and completion offers it. */
#include <fstream>
#include <regex>

#include "harness.hh"

using namespace harness;

namespace {

using names = std::set<std::string>;

struct command {
	std::string name;
	strings program;	/* empty: its own help is a compiler's */
};

std::ostream &operator<<(std::ostream &to, const command &c)
{
	return to << c.name;
}

/* tlabi-run is made when a sysroot is. */
strings runner()
{
	for (const libc &l : patched())
		if (l.missing.empty())
			return { (l.root / "bin/tlabi-run").string() };
	return {};
}

std::vector<command> commands()
{
	return {
		{ "rseq-info", { (build_dir() / "rseq-info").string() } },
		{ "build-libc", { (source_dir() / "libc-patches/build-libc")
					  .string() } },
		{ "tlabi-run", runner() },
		{ "tlabi-gcc", {} },
	};
}

class Command : public testing::TestWithParam<command> {
protected:
	/* As the page is read, not as it is written. */
	std::string page() const
	{
		const outcome got = sh("mandoc -T ascii -O width=200 " +
			(source_dir() / "man" / (GetParam().name + ".1"))
				.string() + " | col -b");
		EXPECT_TRUE(got.ok()) << got;
		return got.out;
	}

	static std::string part(const std::string &page, const std::string &of)
	{
		const size_t from = page.find("\n" + of + "\n");
		if (from == page.npos)
			return "";
		const std::string rest = page.substr(from + of.size() + 2);
		std::smatch next;
		return std::regex_search(rest, next, std::regex("\n[A-Z]")) ?
			rest.substr(0, next.position()) + "\n" : rest;
	}
};

INSTANTIATE_TEST_SUITE_P(, Command, testing::ValuesIn(commands()),
	[](const testing::TestParamInfo<command> &info) {
		return identifier(info.param.name);
	});

TEST_P(Command, HasAPageWithAllThatAScriptNeeds)
{
	if (!have("mandoc") || !have("col"))
		GTEST_SKIP() << "no mandoc or col";
	for (const char *of : { "EXIT STATUS", "ENVIRONMENT", "FILES",
				"EXAMPLES", "SEE ALSO" })
		EXPECT_NE(part(page(), of), "") << of;
}

TEST_P(Command, PageAndHelpNameTheSame)
{
	if (!have("mandoc") || !have("col"))
		GTEST_SKIP() << "no mandoc or col";
	if (GetParam().name == "tlabi-gcc")
		GTEST_SKIP() << "its --help is the compiler's";
	if (GetParam().program.empty())
		GTEST_SKIP() << "no patched libc is built";
	const outcome got = run(GetParam().program + strings{"--help"});
	const std::string help = got.out + got.err, text = page();
	const std::string option = "\n +(--[a-z-]+)";

	EXPECT_TRUE(has(help, "Usage: " + GetParam().name)) << got;
	EXPECT_EQ(all_matches(help, option),
		  all_matches("\n" + part(text, "OPTIONS"), option));
	/* Each option is in one line of the synopsis at least, or [option]. */
	const std::string synopsis = part(text, "SYNOPSIS");
	for (const std::string &o : all_matches(help, option))
		EXPECT_TRUE(has(synopsis, o) || has(synopsis, "[option]")) << o;
	for (const std::string &variable :
	     all_matches(help, "\n  ([A-Z][A-Z_]+) "))
		EXPECT_TRUE(has(part(text, "ENVIRONMENT"), variable))
			<< variable;
	const size_t status = help.find("Exit status: ");
	if (status == help.npos)
		return;
	for (const std::string &n : all_matches(help.substr(status),
						"\\b(\\d+)[ +]"))
		EXPECT_TRUE(std::regex_search(
			part(text, "EXIT STATUS"),
			std::regex("(^|\n) +" + n + "\\b"))) << n;
}

/* What bash completion answers to these words of a command line. */
names completed(const strings &words)
{
	std::string script = ". " + (source_dir() /
		"completions/rseq-info.bash").string() + "\n_librseq '" +
		words.front() + "' '" + words.back() + "' '" +
		words[words.size() - 2] + "'\nprintf ' %s\\n' "
		"\"${COMPREPLY[@]}\"\n";
	const outcome got = run({ "bash", "-c", script });

	EXPECT_TRUE(got.ok()) << got;
	return all_matches(got.out, " (\\S+)\n");
}

TEST(Completion, OffersWhatHelpAndListShow)
{
	if (!have("bash"))
		GTEST_SKIP() << "no bash";
	for (const command &c : commands()) {
		if (c.name != "rseq-info" && c.name != "build-libc")
			continue;
		const std::string program = c.program.front();
		const names all = all_matches(run({ program, "--help" }).out,
					      "\n +(--[a-z-]+)");
		EXPECT_GE(all.size(), 4u);
		EXPECT_EQ(completed({ program, "--" }), all);
	}
	const std::string info = commands()[0].program.front(),
			  build = commands()[1].program.front();
	EXPECT_EQ(completed({ info, "--j" }), names{"--json"});
	EXPECT_TRUE(completed({ info, "--stats", "mk" }).contains("mkdir"));
	const names versions = completed({ build, "" });
	for (const char *v : { "musl", "glibc", "glibc-2.43", "musl-1.2.6" })
		EXPECT_TRUE(versions.contains(v)) << v;
	EXPECT_TRUE(completed({ build, "--prefix", "/us" }).contains("/usr"));
}

TEST(Completion, OfZshIsOne)
{
	if (!have("zsh"))
		GTEST_SKIP() << "no zsh";
	const outcome got = run({ "zsh", "-n", source_dir() /
				  "completions/_rseq-info" });
	EXPECT_TRUE(got.ok()) << got;
}

/* make gives its variables to all that it runs: INSTALL=yes, as this once was
   called, stood in for install(1) where a libc was configured. */
TEST(Programs, AreInstalledByAVariableOfItsOwnName)
{
	const auto commands = [](const std::string &variable) {
		const outcome got = run({ "make", "-n", "-C", build_dir(),
					  "check-programs", variable });
		EXPECT_TRUE(has(got.out, "tests/programs/run")) << got;
		return got.out;
	};

	EXPECT_TRUE(has(commands("PROGRAMS_INSTALL=yes"), "--install"));
	EXPECT_FALSE(has(commands("INSTALL=yes"), "--install"));
}

/* The script itself is in question here: build-libc is a stand-in that gives a
   libc or, for glibc, what is asked for, and what compilers make does nothing
   and succeeds. */
class ProgramsScript : public testing::Test
{
      protected:
	const fs::path top = scratch_dir() / "programs",
		       root = top / "sysroot";

	static void script(const fs::path &path, const std::string &text)
	{
		fs::create_directories(path.parent_path());
		std::ofstream(path) << "#!/bin/sh\n" << text;
		fs::permissions(path, fs::perms(0755));
	}

	void SetUp() override
	{
		fs::remove_all(top);
		fs::create_directories(top / "tests");
		fs::create_directory_symlink(source_dir() / "tests/programs",
					     top / "tests/programs");
		script(top / "libc-patches/build-libc",
		       "[ \"$1\" != glibc ] || [ -z \"$GLIBC\" ] || "
		       "exit $GLIBC\necho " + root.string() + "\n");
		for (const char *cc : {"tlabi-gcc", "tlabi-g++"})
			script(root / "bin" / cc,
			       "while [ \"$1\" != -o ]; do shift; done\n"
			       "cp /bin/true \"$2\"\n");
		script(root / "bin/tlabi-run", "shift; exec \"$@\"\n");
	}

	outcome run_it(const std::string &program,
		       strings environment = {})
	{
		const std::string bin = (root / "bin").string();

		environment.push_back("CC=" + bin + "/tlabi-gcc");
		environment.push_back("CXX=" + bin + "/tlabi-g++");
		return run({ top / "tests/programs/run", top, top / "build",
			     program },
			   { environment, std::chrono::minutes(2) });
	}
};

TEST_F(ProgramsScript, RefusesAProgramThatItDoesNotKnow)
{
	const outcome got = run_it("edis");

	EXPECT_EQ(got.code, 2) << got;
	EXPECT_TRUE(has(got.err, "no program edis; there are: threads "))
		<< got;
}

TEST_F(ProgramsScript, EndsIfALibcCannotBeBuilt)
{
	const outcome got = run_it("threads", { "GLIBC=4" });

	EXPECT_EQ(got.code, 4) << got;
	EXPECT_EQ(got.out, "");
}

/* One that crashes behind its last word has failed. */
TEST_F(ProgramsScript, JudgesByHowAProgramEnds)
{
	script(top / "node", "echo workers ok\n"
			     "[ -z \"$HOLD\" ] || exec sleep 60\nexit 3\n");
	const outcome got = run_it("node",
				   { "NODE=" + (top / "node").string() });

	EXPECT_EQ(got.code, 77) << got;
	EXPECT_TRUE(has(got.out, "fails on stock")) << got;
	EXPECT_FALSE(has(got.out, "\nok ")) << got;
}

/* ---- tests/against-stock ---- */

static outcome compare(const std::string &script)
{
	return run({ "bash", "-c", "set -u; export LC_ALL=C; here=$0 failed=0; "
				   ". \"$0/compare\"; cd \"$1\"; " + script,
		     source_dir() / "tests/against-stock", scratch_dir() });
}

TEST(AgainstStock, TheWorstOfATestsResultsCounts)
{
	const outcome got = compare("printf '%s\\n' 'PASS b' 'PASS a' 'FAIL a' "
				    "'EXIT-1 b' 'SKIP c' 'PASS c' | worst");

	EXPECT_EQ(got.out, "FAIL a\nEXIT-1 b\nPASS c\n") << got;
}

TEST(AgainstStock, TwoThatDoNothingAreNotAlike)
{
	const std::string end = "differences x stock patched; "
				"echo failed=$failed";
	outcome got = compare("echo NOT-BUILT a | tee stock > patched; " + end);

	EXPECT_TRUE(has(got.out, "failed=1\n")) << got;
	got = compare("printf '%s\\n' 'NOT-BUILT a' 'PASS b' | "
		      "tee stock > patched; " + end);
	EXPECT_TRUE(has(got.out, "failed=0\n")) << got;
}

} // namespace
