/* SPDX-License-Identifier: MIT */
/*
 * A real gdb with librseq's commands: what they show is so, a section is one
 * step for them, and nothing that gdb does of itself leaves one unprotected.
 * And gdb without them: a transaction can be stepped through to its end.
 */
#include <fstream>
#include <regex>

#include <sched.h>
#include <unistd.h>

#include "harness.hh"

using namespace harness;

/* ---- running gdb ---- */

static strings loaded()
{
	return {"source " + (source_dir() / "librseq/librseq-gdb.py").string()};
}

static strings stopped_at(const std::string &function)
{
	return {"break " + function, "run", "delete"};
}

/* To main, and s is the section of this function. */
static strings with_section_of(const std::string &function)
{
	return loaded() + strings{"break main", "run",
		"python s = next(s for s in sections() if "
			"symbol(s.start)[0] == '" + function + "')"};
}

/* Stopped with a breakpoint on the commit in push(), the head being loaded. */
static strings stopped_in_section()
{
	return with_section_of("push") + strings{
		"python code = gdb.selected_inferior().architecture()."
			"disassemble(s.start, s.commit - 1)",
		"python gdb.execute('break *%d' % code[-1]['addr'])",
		"continue"};
}

/* Do it until the thread has left the function, but not for ever. */
static strings step_out_of(const std::string &function,
			   const std::string &command, int limit)
{
	return {"set $steps = 0",
		"while $_any_caller_is(\"" + function + "\", 9) && $steps < " +
			std::to_string(limit),
		command, "set $steps = $steps + 1", "end",
		"printf \"\\nsteps=%d\\n\", $steps"};
}

/* The commands, until one of them fails. */
static outcome gdb(const fs::path &program, const strings &commands,
		   const strings &options = {}, const strings &env = {})
{
	const fs::path file = program.string() + "." +
		std::to_string(getpid()) + ".gdb";
	std::ofstream to(file);

	to << "set pagination off\nset width 0\nset confirm off\n";
	for (const std::string &c : commands)
		to << c << '\n';
	to.close();
	outcome got = run(strings{"gdb", "-nx", "-batch"} + options +
			  strings{"-x", file, program},
			  {strings{"DEBUGINFOD_URLS="} + env});
	fs::remove(file);
	return got;
}

static long times(const outcome &got, const std::string &pattern)
{
	return count_matches(got.out, pattern);
}

/* A field as "info rseq" shows it. */
static std::string field(const outcome &got, const std::string &name)
{
	const std::regex line("\n  " + name + " +(.*)\n");
	std::smatch m;

	return std::regex_search(got.out, m, line) ? m[1].str() : "";
}

/* Why no program can be run in gdb here; empty: it can. */
static std::string gdb_missing()
{
	static const std::string why = [] {
		if (!have("gdb"))
			return "gdb is not installed";
		outcome got = run({"gdb", "-nx", "-batch", "-ex",
				   "python print('has py' + 'thon')", "-ex",
				   "run", "/bin/true"});
		if (got.out.find("has python") == std::string::npos)
			return "gdb has no Python";
		return got.out.find("exited normally") == std::string::npos ?
			"gdb cannot run a program here" : "";
	}();
	return why;
}

/* ---- each libc, static and not, optimized and not ---- */

struct debuggee {
	variant on;
	std::string level;
};

static std::vector<debuggee> debuggees(const strings &modes,
				       const strings &levels)
{
	std::vector<debuggee> all;

	for (const variant &v : variants(modes))
		for (const std::string &level : levels)
			all.push_back({v, level});
	return all;
}

static std::ostream &operator<<(std::ostream &to, const debuggee &d)
{
	return to << d.on << ' ' << d.level;
}

static std::string debuggee_name(const testing::TestParamInfo<debuggee> &info)
{
	return variant_name({info.param.on, 0}) + "_" +
		info.param.level.substr(1);
}

class Gdb : public testing::TestWithParam<debuggee> {
protected:
	void SetUp() override
	{
		if (!libc().missing.empty())
			GTEST_SKIP() << libc().missing;
		if (!gdb_missing().empty())
			GTEST_SKIP() << gdb_missing();
	}
	const harness::libc &libc() const { return GetParam().on.libc; }
	fs::path probe() const
	{
		return rseq_probe(libc(), GetParam().on.mode, "debugged",
				  {GetParam().level});
	}
	fs::path built(const fs::path &source, const strings &with) const
	{
		const debuggee &d = GetParam();
		const fs::path out = scratch_dir() / libc().name /
			d.on.mode.name / ("gdb-" + source.stem().string() +
					  d.level);
		outcome compiled = compile(libc().gcc() + d.on.mode.flags +
			rseq_include_flags() + strings{d.level, "-g",
			"-std=c11", "-Wall", "-Wextra", "-Wpedantic",
			"-Werror", "-pthread", source} + with, out);

		EXPECT_TRUE(compiled.ok()) << compiled;
		return out;
	}
	fs::path transaction() const
	{
		return built(source_dir() / "examples/transaction.c",
			     {librseq(libc(), {})});
	}
};

INSTANTIATE_TEST_SUITE_P(, Gdb,
	testing::ValuesIn(debuggees({"pie", "static"}, {"-O0", "-O2"})),
	debuggee_name);

TEST_P(Gdb, ShowsTheAreaAsItIs)
{
	outcome got = gdb(probe(), loaded() + stopped_at("push") +
			  strings{"info rseq", "continue"});
	const std::string cpu = got.text("cpu");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("nodes"), 1) << got;
	EXPECT_EQ(field(got, "cpu_id"), cpu) << got;
	EXPECT_EQ(field(got, "cpu_id_start"), cpu) << got;
	EXPECT_EQ(field(got, "rseq_cs"), "0x0: nothing is armed") << got;
	EXPECT_EQ(field(got, "mm_cid").empty(), kernel_feature_size() < 28)
		<< got;
	EXPECT_EQ(field(got, "section"), "none") << got;
	EXPECT_EQ(field(got, "offset") == "+0x80 (the line)", libc().line)
		<< got;
	EXPECT_EQ(field(got, "status"), !libc().line ? "" :
		  "version 1, " + std::to_string(line_length()) +
		  " bytes registered, errno 0") << got;
}

TEST_P(Gdb, ShowsThatAThreadIsNotRegistered)
{
	outcome got = gdb(probe(), loaded() + stopped_at("push") +
			  strings{"info rseq"}, {},
			  {"GLIBC_TUNABLES=glibc.pthread.rseq=0",
			   "TLABI_RSEQ=0"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(field(got, "cpu_id"),
		  "-2: registration refused or turned off") << got;
	EXPECT_EQ(field(got, "mm_cid"), "") << got;
}

TEST_P(Gdb, NamesTheSectionThatTheThreadIsIn)
{
	outcome got = gdb(probe(), stopped_in_section() +
			  strings{"info rseq", "info rseq sections"});
	const std::string address = "0x\\w+",
		push = "push \\(rseq_list_push_this_cpu_\\), debugged\\.c:";

	ASSERT_TRUE(got.ok()) << got;
	/* The lines of the call; in the list, that of the function. */
	for (const std::string &line : {
		     "rseq_cs +" + address + ": " + push + "3[6-9]",
		     "section +" + push + "3[6-9]", "start +" + address,
		     "commit +" + address, "abort +" + address,
		     "exits +" + address, std::string("state +armed: .*")})
		EXPECT_EQ(times(got, "\n  " + line + "(?=\n)"), 1)
			<< line << got;
	for (const std::string &section : {
		     push, std::string("count \\(rseq_add_this_cpu_64_")})
		EXPECT_EQ(times(got, "\n" + address + " +" + address + " +" +
				address + " +" + section), 1) << section << got;
}

TEST_P(Gdb, FinishesASectionThatItHasInterrupted)
{
	outcome got = gdb(probe(), stopped_in_section() + strings{"delete",
			  "rseq finish", "info rseq", "continue"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(times(got, "\nSection aborted: push .*\n#\\d +"
			"(0x\\w+ in )?push \\(n=.*debugged\\.c:"), 1) << got;
	EXPECT_EQ(field(got, "rseq_cs"), "0x0: nothing is armed") << got;
	EXPECT_EQ(got.number("nodes"), 1) << got;
}

TEST_P(Gdb, StepsOverASectionAsOneStep)
{
	for (const char *command : {"step", "next", "stepi"}) {
		outcome got = gdb(probe(), loaded() + stopped_at("push") +
			step_out_of("push", std::string("rseq ") + command,
				    300) +
			strings{"printf \"pushed=%d\\n\", "
				"here->head == &own", "continue"});

		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(times(got, "\nSection committed: push "), 1)
			<< got;
		EXPECT_EQ(got.number("pushed"), 1) << got;
		EXPECT_LT(got.number("steps"), 300) << got;
		EXPECT_EQ(got.number("nodes"), 1) << got;
	}
}

TEST_P(Gdb, StepsSeveralTimesButNotOverABreakpoint)
{
	outcome got = gdb(probe(), loaded() + stopped_at("push") +
			  strings{"break count", "rseq next 500",
				  "printf \"there=%d\\n\", "
				  "$_any_caller_is(\"count\", 9)"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("there"), 1) << got;
	EXPECT_EQ(times(got, "\nSection committed: push "), 1) << got;
}

/* By gdb's own commands: its commits fail until the guard is locked. */
TEST_P(Gdb, OfItselfStepsThroughATransaction)
{
	for (const char *command : {"step", "next", "stepi"}) {
		outcome got = gdb(transaction(), stopped_at("push_one") +
				  step_out_of("push_one", command, 5000) +
				  strings{"continue"});

		ASSERT_TRUE(got.ok()) << got;
		EXPECT_GT(got.number("steps"), 2) << got;
		EXPECT_LT(got.number("steps"), 5000) << got;
		EXPECT_EQ(times(got, "\\bpushed\n"), 1) << got;
		EXPECT_EQ(times(got, "exited normally"), 1) << got;
	}
}

TEST_P(Gdb, CommitsATransactionInTheFirstAttempt)
{
	/* A thread may be moved at each stop, and that is a conflict. */
	const std::string stay = "set exec-wrapper taskset -c " +
		std::to_string(sched_getcpu());
	outcome got = gdb(transaction(), loaded() + strings{stay} +
			  stopped_at("push_one") +
			  step_out_of("push_one", "rseq next", 100) +
			  strings{"print *(struct slot *)((char *)slots + "
				  "cpu * 65536)", "continue"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(times(got, "\nSection committed: push_one "), 1)
		<< got;
	/* One event, and not locked. */
	EXPECT_EQ(times(got, "word = 2\\}, head = 0x"), 1) << got;
	EXPECT_EQ(times(got, "\\bpushed\n"), 1) << got;
}

/* It is armed long before it starts, and the token may be a copy. */
TEST_P(Gdb, KnowsTheSectionOfTheThreadsEvent)
{
	const bool shared = GetParam().on.mode.dynamic;
	const fs::path library = librseq_shared(libc());
	outcome got = gdb(!shared ? probe() :
		built(probes_dir() / "debugged.c", {library, "-Wl,-rpath," +
			library.parent_path().string()}),
		with_section_of("rseq_store_undisturbed_") + strings{
		"python gdb.execute('break *%d' % s.start)", "continue",
		"info rseq", "delete", "rseq finish", "continue"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(times(got, "\n  rseq_cs +0x\\w+: rseq_event_token_: "), 1)
		<< got;
	EXPECT_EQ(times(got, "\n  state +armed: "), 1) << got;
	EXPECT_EQ(times(got, "\nSection aborted: rseq_store_undisturbed_"), 1)
		<< got;
	EXPECT_EQ(got.number("word"), 42) << got;
}

/* ---- what gdb does of itself ---- */

class GdbItself : public Gdb {
protected:
	/* As another thread does that runs on this cpu meanwhile. */
	const strings push_another{"set var other.next = here->head",
				   "set var here->head = &other"};
};

INSTANTIATE_TEST_SUITE_P(, GdbItself,
	testing::ValuesIn(debuggees({"pie", "static"}, {"-O2"})),
	debuggee_name);

/*
 * gdb before 14 knows how long the registers of older cpus are together; where
 * there are more, as with AMX, it can write none, and so call no function (J.
 * Baldwin, "Handle variable XSAVE layouts", gdb-patches, July 2023).
 */
static bool cannot_write_registers(const outcome &got)
{
	return (got.out + got.err).find("Couldn't write extended state status")
		!= std::string::npos;
}

/* It must be another's node that the section finds when it runs on. */
TEST_P(GdbItself, AbortsASectionWithABreakpointInIt)
{
	outcome got = gdb(probe(), stopped_in_section() + push_another +
			  strings{"continue", "delete", "continue"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("nodes"), 2) << got;
}

TEST_P(GdbItself, LosesAnUpdateWhereItMayStepOutOfLine)
{
	outcome got = gdb(probe(), stopped_in_section() + push_another +
			  strings{"set displaced-stepping on", "continue"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("nodes"), 1) << got;
}

TEST_P(GdbItself, AbortsASectionInWhichAFunctionIsCalled)
{
	outcome got = gdb(probe(), stopped_in_section() + push_another +
			  strings{"print twice(21)", "info rseq", "delete",
				  "continue"});

	if (cannot_write_registers(got))
		GTEST_SKIP() << "this gdb cannot write this cpu's registers";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(times(got, " = 42\n"), 1) << got;
	EXPECT_EQ(times(got, "\n  state +armed: "), 1) << got;
	EXPECT_EQ(got.number("nodes"), 2) << got;
}

TEST_P(GdbItself, LosesAnUpdateByACallThatNobodyUndoes)
{
	outcome got = gdb(probe(), stopped_in_section() + push_another +
			  strings{"python gdb.events.inferior_call.disconnect("
				  "calls.called)", "print twice(21)",
				  "info rseq", "delete", "python\ntry:\n"
				  " gdb.execute('rseq finish')\n"
				  "except gdb.error as e:\n print(e)\nend",
				  "continue"});

	if (cannot_write_registers(got))
		GTEST_SKIP() << "this gdb cannot write this cpu's registers";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(times(got, "\n  state +NOT ARMED: "), 1) << got;
	EXPECT_EQ(times(got, "would run on unprotected"), 1) << got;
	EXPECT_EQ(got.number("nodes"), 1) << got;
}

/* The last time it waits for them, so they must get through it too. */
TEST_P(GdbItself, StepsWhileOtherThreadsRunTheSameSection)
{
	outcome got = gdb(probe(), loaded() + strings{"break push", "run 3",
		"delete", "set $steps = 0", "set $astray = 0", "set $n = 0",
		"while $n < 10", "tbreak count thread 1", "continue",
		"while $_any_caller_is(\"count\", 9) && $steps < 500",
		"rseq next", "set $steps = $steps + 1",
		"set $astray = $astray + ($_thread != 1)", "end",
		"set $n = $n + 1", "end",
		"printf \"\\nsteps=%d\\nastray=%d\\n\", $steps, $astray",
		"continue"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(times(got, "\nSection committed: count "), 10)
		<< got;
	EXPECT_LT(got.number("steps"), 500) << got;
	EXPECT_EQ(got.number("astray"), 0) << got;
	EXPECT_GT(got.number("count"), 10) << got;
	EXPECT_EQ(got.number("lost"), 0) << got;
}

TEST_P(GdbItself, ShowsTheSectionInACoreFile)
{
	const std::string core = probe().string() + ".core";
	outcome dumped = gdb(probe(), stopped_in_section() +
			     strings{"gcore " + core, "delete", "continue"});
	outcome got = gdb(probe(), loaded() + strings{"core-file " + core,
						       "info rseq"});

	fs::remove(core);
	ASSERT_TRUE(dumped.ok()) << dumped;
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(field(got, "cpu_id"), dumped.text("cpu")) << got << dumped;
	EXPECT_EQ(times(got, "\n  section +push (.*\n)+  state +armed: "), 1)
		<< got;
}

/* ---- where there is nothing to show ---- */

class GdbSays : public testing::Test {
protected:
	void SetUp() override
	{
		if (!gdb_missing().empty())
			GTEST_SKIP() << gdb_missing();
	}
};

TEST_F(GdbSays, ThatTheProgramDoesNotRun)
{
	outcome got = gdb("/bin/true", loaded() + strings{"info rseq"});

	EXPECT_FALSE(got.ok()) << got;
	EXPECT_NE(got.err.find("The program is not being run"),
		  std::string::npos) << got;
}

TEST_F(GdbSays, ThatThereIsNoSection)
{
	outcome got = gdb("/bin/true", loaded() + strings{"starti",
							   "rseq finish"});

	EXPECT_FALSE(got.ok()) << got;
	EXPECT_NE(got.err.find("in no section"), std::string::npos) << got;
}

TEST_F(GdbSays, ThatTheLibcHasNoArea)
{
	const libc musl = stock_of({"", family::musl, true, {}, {}});
	const fs::path source = scratch_dir() / "no_area.c",
		program = scratch_dir() / "no_area";

	if (!musl.missing.empty())
		GTEST_SKIP() << musl.missing;
	fs::create_directories(scratch_dir());
	std::ofstream(source) << "int main(void) { return 0; }\n";
	outcome compiled = compile(musl.gcc() + strings{source}, program);
	ASSERT_TRUE(compiled.ok()) << compiled;
	outcome got = gdb(program, loaded() + strings{"break main", "run",
						      "info rseq"});
	EXPECT_FALSE(got.ok()) << got;
	EXPECT_NE(got.err.find("this libc has no rseq area"),
		  std::string::npos) << got;
}

/* ---- as it is installed ---- */

TEST_F(GdbSays, WhatItSaysWithoutBeingToldToLoadAnything)
{
	const fs::path root = scratch_dir() / "for_gdb",
		prefix = root / "usr/local", program = root / "transaction";

	fs::remove_all(root);
	/* A prefix that ends like the configured one, as libtool asks. */
	outcome made = run({"make", "-s", "-C", build_dir(), "install",
			    "prefix=" + prefix.string()});
	ASSERT_TRUE(made.ok()) << made;
	outcome compiled = run({cc(), "-g", "-o", program, source_dir() /
		"examples/transaction.c", "-I" + (prefix / "include").string(),
		"-L" + (prefix / "lib").string(), "-lrseq",
		"-Wl,-rpath," + (prefix / "lib").string()});
	ASSERT_TRUE(compiled.ok()) << compiled;
	outcome got = gdb(program, {"break main", "run", "info rseq"},
		{"-iex", "add-auto-load-safe-path " + root.string(),
		 "-iex", "add-auto-load-scripts-directory " +
			(prefix / "share/gdb/auto-load").string()});
	EXPECT_TRUE(got.ok()) << got;
	EXPECT_NE(field(got, "cpu_id"), "") << got;
}
