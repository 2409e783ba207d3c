/* SPDX-License-Identifier: MIT */
/* The harness tells apart how programs end, and reads what they print. */
#include <csignal>
#include <fstream>

#include <sstream>

#include "harness.hh"

using namespace harness;

TEST(Run, TellsHowAProgramEnded)
{
	EXPECT_EQ(run({"sh", "-c", "exit 3"}).code, 3);
	EXPECT_EQ(run({"/nonexistent/program"}).code, 127);
	outcome got = run({"sh", "-c", "kill -SEGV $$"});
	EXPECT_EQ(got.signal, SIGSEGV);
	EXPECT_EQ(got.code, -1);
	EXPECT_FALSE(got.ok());
}

TEST(Run, EndsWhatHangsAndItsChildren)
{
	outcome got = run({"sh", "-c", "sleep 1000 & echo here; wait"},
			  {{}, std::chrono::seconds(1)});

	EXPECT_TRUE(got.timed_out);
	EXPECT_EQ(got.signal, SIGKILL);
	EXPECT_EQ(got.out, "here\n");
}

TEST(Run, KeepsOutputsApartAndWhole)
{
	outcome got = run({"sh", "-c",
			   "head -c 300000 /dev/zero; echo problem >&2"});

	EXPECT_EQ(got.out.size(), 300000u);
	EXPECT_EQ(got.err, "problem\n");
}

TEST(Run, PassesNoOptOutOnButWhatIsAsked)
{
	setenv("TLABI_RSEQ", "0", 1);
	outcome got = run({"sh", "-c", "echo tlabi=$TLABI_RSEQ mine=$MINE"},
			  {{"MINE=1=2"}});
	unsetenv("TLABI_RSEQ");
	EXPECT_EQ(got.out, "tlabi= mine=1=2\n");
}

TEST(Run, ReadsKeysAndValues)
{
	outcome got = run({"printf", "a=1\\nab=0x10\\ntext=b=c\\nodd=1x\\n"
			   "a=-2\\nnone=\\nend=7"});

	EXPECT_EQ(got.number("a"), -2) << "the last one counts";
	EXPECT_EQ(got.number("ab"), 16);
	EXPECT_EQ(got.text("text"), "b=c");
	EXPECT_EQ(got.number("end"), 7);
	for (const char *key : {"odd", "none", "b", "missing"})
		EXPECT_FALSE(got.number(key)) << key;
	EXPECT_TRUE(got.has("none"));
	EXPECT_FALSE(got.has("b"));
}

TEST(Run, AMissingNumberMeetsNoExpectation)
{
	const figure none, five = 5;

	EXPECT_FALSE(none == none || none != none || none == 0 || none != 0);
	EXPECT_FALSE(none < 0 || none > 0 || none <= none || none >= none);
	EXPECT_FALSE(none < five || none > five || none / 20 < five);
	EXPECT_TRUE(five == 5 && five != 6 && five < 6 && five >= 5u);
	EXPECT_EQ(testing::PrintToString(none), "missing");
	EXPECT_EQ(testing::PrintToString(five), "5");
}

TEST(Shell, GivesBothStreamsInOrder)
{
	outcome got = sh("echo one; echo two >&2\necho three; exit 4");

	EXPECT_EQ(got.out, "one\ntwo\nthree\n");
	EXPECT_EQ(got.code, 4);
}

TEST(Compile, RedoesWhatChangedOnly)
{
	fs::path dir = scratch_dir() / "harness";
	fs::path source = dir / "program.c", out = dir / "program";
	strings command = {cc(), source};

	fs::create_directories(dir);
	std::ofstream(source) << "int main(void) { return 4; }\n";
	ASSERT_TRUE(compile(command, out).ok());
	EXPECT_EQ(run({out}).code, 4);
	auto first = fs::last_write_time(out);
	ASSERT_TRUE(compile(command, out).ok());
	EXPECT_EQ(fs::last_write_time(out), first);
	std::ofstream(source) << "int main(void) { return 15; }\n";
	ASSERT_TRUE(compile(command, out).ok());
	EXPECT_EQ(run({out}).code, 15);
	std::ofstream(source) << "int main(void) { return }\n";
	EXPECT_FALSE(compile(command, out).ok());
	EXPECT_FALSE(fs::exists(out)) << "an old program is no result";
}

/* Here, or on the virtual machine that tests/vm/run has booted. */
TEST(Machine, RunsWhatIsBuiltForItAndIsWhatItSays)
{
	const fs::path dir = scratch_dir() / "harness", file = dir / "file";

	fs::create_directories(dir);
	std::ofstream(dir / "machine.c") <<
		"#include <stdio.h>\n#include <stdlib.h>\n"
		"#include <sys/utsname.h>\n#include <unistd.h>\n"
		"int main(int n, char **arg) {\n"
		"	char text[9] = \"\"; struct utsname u; uname(&u);\n"
		"	FILE *f = n > 1 ? fopen(arg[1], \"r\") : NULL;\n"
		"	if (f && !fgets(text, sizeof text, f)) return 1;\n"
		"	printf(\"release=%s\\nisa=%s\\nfile=%s\\nmine=%s\\n"
		"cpus=%ld\\n\", u.release, u.machine, text,\n"
		"		getenv(\"MINE\"), sysconf(_SC_NPROCESSORS_ONLN));\n"
		"	fputs(\"problem\", stderr);\n"
		"	if (n > 2) for (;;) pause();\n"
		"	return 7; }\n";
	std::ofstream(file) << "content";
	ASSERT_TRUE(compile({cc(), "-static", dir / "machine.c"},
			    dir / "machine").ok());
	outcome got = run({dir / "machine", file}, {{"MINE=1=2"}});
	EXPECT_EQ(got.code, 7) << got;
	EXPECT_EQ(got.text("release"), the_machine().release);
	/* Of arm the kernel says which version, of mips64 no byte order. */
	const std::string isa = the_machine().isa == "mips64el" ? "mips64" :
		the_machine().isa == "i386" ? "i686" : the_machine().isa;
	EXPECT_TRUE(got.text("isa").starts_with(isa)) << got;
	EXPECT_EQ(got.number("cpus"), the_machine().cpus);
	EXPECT_EQ(got.text("file"), "content");
	EXPECT_EQ(got.text("mine"), "1=2");
	EXPECT_EQ(got.err, "problem");
	/* A file that has changed is sent again. */
	std::ofstream(file) << "other";
	EXPECT_EQ(run({dir / "machine", file}).text("file"), "other");
	got = run({dir / "machine", file, "wait"},
		  {{}, std::chrono::seconds(1)});
	EXPECT_TRUE(got.timed_out);
	EXPECT_EQ(got.signal, SIGKILL);
	EXPECT_EQ(run({dir / "machine"}).code, 7) << "and goes on";
}

static outcome run_cell(const fs::path &build, const strings &before,
			const std::string &cell)
{
	return run(before + strings{source_dir() / "tests/vm/run",
				    source_dir(), build_dir(), cell},
		   {{"TLABI_BUILD=" + build.string()}});
}

/* Two would write into one channel. */
TEST(Cells, RunOnceAtATimeInATree)
{
	const fs::path build = scratch_dir() / "cells", vm = build / "vm";

	fs::create_directories(vm / "amd64-6.1");
	const outcome got = run_cell(build, {"flock", vm / "amd64-6.1/lock"},
				     "amd64-6.1");
	EXPECT_EQ(got.code, 1) << got;
	EXPECT_TRUE(has(got.out, "amd64-6.1: another run of it goes on in " +
			vm.string())) << got;
	EXPECT_TRUE(got.out.ends_with("0 passed, 1 failed, 0 skipped\n")) << got;
}

TEST(Cells, AreListedIfOneIsNotKnown)
{
	const outcome got = run_cell(scratch_dir() / "cells", {}, "vax-6.1");

	EXPECT_EQ(got.code, 2) << got;
	EXPECT_TRUE(has(got.err, "no cell vax-6.1; there are:")) << got;
	EXPECT_TRUE(has(got.err, "riscv64-7.2")) << got;
}

/* What one cell gave takes the place of its own row and of no other. */
TEST(Cells, AreMergedIntoTheReportRowByRow)
{
	const fs::path top = scratch_dir() / "merge", here = top / "tests/vm",
		vm = top / "build/vm", report = here / "report.md";
	const std::string head = "# Kernels\n\nText of | its own.\n",
		titles = "| machine | kernel | by | patched libcs | tests | s | "
			"notes | on | commit |\n|---|---|---|---|---|---|---|---|---|\n",
		no_load = "\n## Tests: `load`\n\n" + titles,
		load = no_load + "| amd64-6.1 | load |\n",
		later = "| arm64-6.1 | x |\n", fresh = "| amd64-6.1 | new |\n",
		mine = "\n## Tests: `Mine.*`\n\n" + titles + fresh,
		costs = "\n## Many cpus\n\nText.\n\n| machine | online |\n|---|---|\n",
		pretended = "| pretended | 64 |\n| pretended | 256 |\n\n![](cpus.svg)\n";
	const auto merge = [&](const std::string &filter, const std::string &cell) {
		return run({here / "run", "--merge", top, top, cell},
			   {{"TLABI_BUILD=" + (top / "build").string(),
			     "TLABI_VM_FILTER=" + filter}});
	};

	fs::remove_all(top);
	fs::create_directories(here);
	fs::create_directories(vm / "amd64-6.1");
	for (const char *name : {"run", "cells", "merge.awk"})
		fs::copy(source_dir() / "tests/vm" / name, here);
	fs::create_directory_symlink(source_dir() / "libc-patches",
				     top / "libc-patches");
	std::ofstream(report) << head << "\n## Tests: `Mine.*`\n\n" << titles
		<< "| amd64-5.10 | x |\n| amd64-6.1 | old |\n| gone | x |\n" << later
		<< load << costs << "| amd64-6.1 | 2 |\n" << pretended;
	const std::string before = content(report);

	/* As the cell itself names its row. */
	const auto has_run = [&](const std::string &filter) {
		return run({"sh", "-c", "printf '%s\n| amd64-6.1 | new |\n' "
			    "\"$2\" > \"$1/row-$(printf %s \"$2\" | cksum | "
			    "tr ' ' -)\"", "sh", vm / "amd64-6.1", filter}).ok();
	};

	EXPECT_EQ(merge("Mine.*", "amd64-6.1").code, 1) << "it has not run";
	EXPECT_EQ(content(report), before);
	ASSERT_TRUE(has_run("Mine.*"));
	ASSERT_TRUE(merge("Mine.*", "amd64-6.1").ok());
	EXPECT_EQ(content(report), head + "\n## Tests: `Mine.*`\n\n" + titles +
		  "| amd64-5.10 | x |\n" + fresh + later + "| gone | x |\n" +
		  load + costs + "| amd64-6.1 | 2 |\n" + pretended);
	const std::string merged = content(report);
	ASSERT_TRUE(merge("Mine.*", "amd64-6.1").ok());
	EXPECT_EQ(content(report), merged) << "once more is the same";
	EXPECT_EQ(merge("load", "amd64-6.1").code, 1) << "other tests";
	EXPECT_EQ(content(report), merged);
	/* Without a word of what, that is what the cell's line says; what
	   it said before has no row then. */
	EXPECT_EQ(merge("", "amd64-6.1").code, 1) << "that it has not run";
	ASSERT_TRUE(has_run("short"));
	ASSERT_TRUE(merge("", "amd64-6.1").ok());
	EXPECT_EQ(content(report), head + "\n## Tests: `Mine.*`\n\n" + titles +
		  "| amd64-5.10 | x |\n" + fresh + later + "| gone | x |\n" +
		  no_load + "\n## Tests: `short`\n\n" + titles + fresh + costs +
		  "| amd64-6.1 | 2 |\n" + pretended);
	/* A table that is not there yet, and a cost. */
	std::ofstream(report) << head << load << costs << pretended;
	std::ofstream(vm / "amd64-6.1/cost") << "| 4 |\n";
	ASSERT_TRUE(merge("Mine.*", "amd64-6.1").ok());
	EXPECT_EQ(content(report), head + load + mine + costs +
		  "| amd64-6.1 | 4 |\n" + pretended);
}

/* ---- the tree ---- */

static size_t width(const std::string &line)
{
	size_t n = 0;

	for (const char c : line)
		n = c == '\t' ? (n / 8 + 1) * 8 : n + 1;
	return n;
}

/* 80 columns for what users get to read, 100 for tests. */
TEST(Lines, AreNoWiderThanTheyMayBe)
{
	int read = 0;

	for (const auto &[dir, limit] : {std::pair("include/rseq", 80),
					 {"arch", 80}, {"librseq", 80},
					 {"examples", 80}, {"tests", 100},
					 {"tests/model", 100},
					 {"tests/probes", 100}})
		for (const auto &e :
		     fs::directory_iterator(source_dir() / dir)) {
			static const std::set<std::string> kinds = {
				".h", ".hh", ".hpp", ".c", ".cc"};
			if (!kinds.contains(e.path().extension()))
				continue;
			std::istringstream text(content(e.path()));
			std::string line;
			for (int n = 1; std::getline(text, line); ++n)
				EXPECT_LE(width(line), (size_t)limit)
					<< e.path() << ":" << n;
			++read;
		}
	EXPECT_GT(read, 100);
}

/* A cpu_set_t ends at cpu 1023: on a machine that can have more of them the
   kernel refuses to fill one in. */
TEST(Probes, HaveCpusByTheirOneHeaderOnly)
{
	int read = 0;

	for (const auto &e : fs::directory_iterator(probes_dir())) {
		if (e.path().filename() == "cpus.h")
			continue;
		for (const char *name : {"cpu_set_t", "CPU_SET"})
			EXPECT_FALSE(has(content(e.path()), name))
				<< name << " in " << e.path();
		++read;
	}
	EXPECT_GT(read, 90);
}

/* What a probe knows of one architecture alone is found here, in seconds, and
   not in a machine of another. */
class Foreign : public testing::TestWithParam<isa> {
};

INSTANTIATE_TEST_SUITE_P(, Foreign, testing::ValuesIn(isas()),
			 [](const auto &info) { return info.param.name; });

TEST_P(Foreign, EveryProbeCompiles)
{
	const isa &to = GetParam();
	/* About x86-64: its instructions, its registers, its arch_prctl(2). */
	std::set<std::string> others = {"half_commit.c", "stock_program.c",
					"untouched.c"};
	const fs::path dir = scratch_dir() / "foreign" / to.name;
	std::vector<strings> commands;

	if (!have(to.gcc()))
		GTEST_SKIP() << "no " << to.gcc() << " here";
	if (to.name == "mips64el")	/* which has no ifunc */
		others.insert({"resolver.c", "static_resolver.c"});
	fs::create_directories(dir);
	/* glibc before 2.35 has no area, and of riscv64 no signature. */
	std::ofstream(dir / "area.h") << "#include <sys/rseq.h>\n"
		"#if defined __riscv && !defined RSEQ_SIG\n"
		"#define RSEQ_SIG 0xf1401073\n#endif\n";
	for (const auto &e : fs::directory_iterator(probes_dir()))
		if (e.path().extension() == ".c" &&
		    !others.contains(e.path().filename()))
			commands.push_back(strings{to.gcc(), "-std=gnu11", "-O1",
				"-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE=",
				/* What tests of wrong use are built with. */
				"-Wno-alloc-size-larger-than",
				"-Wno-free-nonheap-object",
				"-Wno-use-after-free",
				"-Wno-unused-function", "-include",
				dir / "area.h", "-S", "-o", "/dev/null"} +
				rseq_include_flags() + strings{e.path()});
	EXPECT_GT(commands.size(), 80u);
	for (const outcome &got : run_all(commands))
		EXPECT_TRUE(got.ok()) << got;
}
