/* SPDX-License-Identifier: MIT */
/*
 * malloc on the line: what musl's hardening catches it catches with caches in
 * front of it, nothing is handed out twice, memory comes back, and processes
 * that cannot or shall not use the caches do not.
 */
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include <sched.h>
#include <unistd.h>

#include "harness.hh"

using namespace harness;

/* Left out by --without-percpu-malloc. */
static bool left_out(const libc &l)
{
	return l.name.ends_with("-without-percpu-malloc");
}

/* The patch has sections for these only: elsewhere it changes nothing. */
static bool has_sections()
{
	const std::string &isa = the_machine().isa;

	return isa == "x86_64" || isa == "aarch64" || isa == "riscv64";
}

/* Built with the patch, or such whose malloc has no caches. */
static std::vector<variant> musls(bool with = true)
{
	std::vector<variant> some = patched_variants({"pie", "static"});

	std::erase_if(some, [&](const variant &v) {
		return v.libc.family != family::musl ||
			(with ? left_out(v.libc) :
			 !left_out(v.libc) && has_sections());
	});
	return some;
}

static int cpus()
{
	cpu_set_t all;

	return sched_getaffinity(0, sizeof all, &all) ? 1 : CPU_COUNT(&all);
}

/* Calls of malloc() and free() are not for the compiler to remove. */
static const strings as_written = {"-fno-builtin"};

class Malloc : public VariantTest {
protected:
	void SetUp() override
	{
		if (!has_sections())
			GTEST_SKIP() << "no caches on " << the_machine().isa;
		VariantTest::SetUp();
	}
	outcome ran(const std::string &what, const strings &env = {}) const
	{
		return run({build("malloc_process", as_written), what},
			   {env});
	}
};

INSTANTIATE_TEST_SUITE_P(, Malloc, testing::ValuesIn(musls()), variant_name);

/* ---- misuse ---- */

static std::string verdict(const outcome &got)
{
	if (!got.has("ready"))
		return "not ready";
	return got.signal ? "signal " + std::to_string(got.signal) :
		got.ok() && got.has("survived") ? "survived" : "failed";
}

/*
 * On the unpatched libc gcc may have dropped the checks at the block's end,
 * except for x86: the series mends that, too.
 */
static bool dropped(const std::string &name)
{
	return (name.starts_with("overflow") || name == "wrong_size") &&
		the_machine().isa != "x86_64";
}

/* Each on the unpatched libc, too: neither more is caught nor less. */
TEST_P(Malloc, CatchesTheSameMisuse)
{
	const harness::libc stock = stock_of(libc());

	if (!stock.missing.empty())
		GTEST_SKIP() << stock.missing;
	const fs::path here = build("malloc_misuse", as_written);
	const fs::path there = probe(stock, mode(), "malloc_misuse",
				     as_written);
	std::istringstream names(run({here}).out);
	std::vector<strings> commands;

	for (std::string name; names >> name;)
		for (const char *size : {"12", "24", "100", "124", "200",
					 "500", "2000", "4000", "20000"})
			for (const fs::path &program : {here, there})
				commands.push_back({program, name, size});
	std::vector<outcome> got = run_all(commands);
	std::map<std::string, int> seen;
	int cached = 0;

	ASSERT_GE(got.size(), 36u * 9 * 2);
	for (size_t i = 0; i < got.size(); i += 2) {
		const std::string &name = commands[i][1];

		/* free() was interrupted, and the block went elsewhere. */
		for (int again = 0; again < 3 && commands[i][2] != "20000" &&
		     got[i].number("cached") == 0; ++again)
			got[i] = run(commands[i]);
		if (!dropped(name) || verdict(got[i + 1]) != "survived") {
			EXPECT_EQ(verdict(got[i]), verdict(got[i + 1]))
				<< got[i] << got[i + 1];
		}
		++seen[verdict(got[i])];
		cached += got[i].number("cached") == 1;
	}
	/* What is no misuse, or a read and write of freed memory, or forged
	 * with the secret, survives; and 16 bytes behind a block of 12 is where
	 * the next one is. */
	EXPECT_EQ(seen["survived"], 3 * 9 + 2);
	EXPECT_EQ(seen["signal 11"], (int)got.size() / 2 - 3 * 9 - 2);
	/* All sizes but the last one are cached. */
	EXPECT_EQ(cached, 13 * 8);
}

/* ---- what it answers ---- */

TEST_P(Malloc, KeepsItsPromises)
{
	const harness::libc stock = stock_of(libc());
	outcome got = run({build("malloc_promises", as_written)});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *all : {"apart", "aligned", "exact", "zero", "kept"})
		EXPECT_EQ(got.number(all), 6000 * 3) << got;
	EXPECT_EQ(got.number("errors"), 0) << got;
	EXPECT_EQ(got.number("aligned_to"), got.number("large_enough")) << got;
	EXPECT_GT(got.number("aligned_to"), 1000) << got;
	if (!stock.missing.empty())
		GTEST_SKIP() << "not compared: " << stock.missing;
	EXPECT_EQ(got.out, run({probe(stock, mode(), "malloc_promises",
				      as_written)}).out);
}

/* ---- nothing lost or doubled ---- */

TEST_P(Malloc, HandsEachBlockOutOnceUnderStress)
{
	outcome got = run({build("malloc_stress", as_written), "5"});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *bad : {"wrong", "not_zero", "out_of_memory",
				"bad_children"})
		EXPECT_EQ(got.number(bad), 0) << got;
	for (const char *done : {"operations", "short_lived", "forks",
				 "refused", "signals", "migrations"})
		EXPECT_GT(got.number(done), 0) << got;
	/* A slow machine does little more than fill them in that time. */
	EXPECT_GT(got.number("hits"), got.number("misses") *
		  (got.number("operations") > 100000 ? 10 : 1)) << got;
}

/* The addresses of a program's instructions, one a line. */
static fs::path instructions(const fs::path &program)
{
	const fs::path file = program.string() + ".instructions";
	outcome listed = run({"objdump", "-d", "--no-show-raw-insn", program});
	std::istringstream lines(listed.out);
	std::ofstream list(file);

	for (std::string line; std::getline(lines, line);) {
		const size_t colon = line.find(":\t");
		if (line.starts_with(" ") && colon != line.npos)
			list << line.substr(0, colon) << '\n';
	}
	return file;
}

TEST_P(Malloc, RestartsAtEachInstruction)
{
	if (mode().dynamic)
		GTEST_SKIP() << "the sections are not in the program";
	const fs::path program = build_rseq("malloc_points", as_written);
	outcome got = run({program, instructions(program)});

	if (got.code == 77)
		GTEST_SKIP() << "not registered";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(got.number("unreached"), 0) << got;
	/* Two of malloc(), one of free(), one a refill, two a flush, of which
	 * the last one seen is either. */
	EXPECT_GE(got.number("sections"), 5) << got;
	EXPECT_EQ(got.number("ends"), got.number("sections")) << got;
	EXPECT_GE(got.number("points"), 5 * 10) << got;
	EXPECT_GT(got.number("disturbed"), 0) << got;
}

/* ---- memory ---- */

TEST_P(Malloc, GivesMemoryBack)
{
	const harness::libc stock = stock_of(libc());

	if (!stock.missing.empty())
		GTEST_SKIP() << stock.missing;
	const fs::path here = build("malloc_memory", as_written);
	const fs::path there = probe(stock, mode(), "malloc_memory",
				     as_written);

	for (const char *pattern : {"passed", "freed", "classes", "threads",
				    "forks"}) {
		SCOPED_TRACE(pattern);
		outcome got = run({here, pattern});
		outcome without = run({there, pattern});

		ASSERT_TRUE(got.ok() && without.ok()) << got << without;
		/* A slot that is kept keeps the pages around it, too. */
		EXPECT_LE(got.number("rss"),
			  without.number("rss") + 4096 * cpus())
			<< got << without;
		EXPECT_GT(got.number("bytes"), 0) << got;
		EXPECT_LE(got.number("bytes"), got.number("limit")) << got;
		EXPECT_LE(got.number("limit"), 341000l * cpus()) << got;
	}
}

/*
 * A memory cgroup beside or below this process's own, for one program: what it
 * needs above that ends it.
 */
class memory_group {
public:
	explicit memory_group(long bytes)
	{
		const std::string own = content("/proc/self/cgroup");
		const fs::path root = "/sys/fs/cgroup";

		for (const std::string &at : all_matches(own, ":memory:/(.*)"))
			make(root / "memory" / at, bytes,
			     {"memory.limit_in_bytes",
			      "memory.memsw.limit_in_bytes"},
			     "memory.max_usage_in_bytes", "memory.oom_control");
		/* Where processes are there can be no groups below. */
		for (const std::string &at : all_matches(own, "0::/(.*)"))
			make((root / at).parent_path(), bytes,
			     {"memory.max", "memory.swap.max"}, "memory.peak",
			     "memory.events");
	}
	memory_group(const memory_group &) = delete;
	~memory_group()
	{
		if (made())
			rmdir(dir.c_str());
	}

	bool made() const { return !dir.empty(); }
	outcome run(const strings &command) const
	{
		return harness::run(strings{"sh", "-c",
					    "echo $$ > \"$0\" && exec \"$@\"",
					    dir / "cgroup.procs"} + command);
	}
	/* The most that it had, in bytes, and how many programs it ended. */
	long peak() const { return number_in(peak_file, "^([0-9]+)"); }
	long killed() const { return number_in(events, "oom_kill ([0-9]+)"); }

private:
	fs::path dir, peak_file, events;

	void make(const fs::path &parent, long bytes, const strings &limits,
		  const char *peak_name, const char *events_name)
	{
		std::string name = parent / "rseq-test-XXXXXX";

		if (made() || !fs::exists(parent / "cgroup.procs") ||
		    !mkdtemp(name.data()))
			return;
		dir = name;
		peak_file = dir / peak_name;
		events = dir / events_name;
		/* Swap may not be counted. */
		for (const std::string &limit : limits)
			std::ofstream(dir / limit) << bytes << std::flush;
		if (content(dir / limits[0]).find_first_of("123456789") !=
		    std::string::npos && peak() >= 0 && killed() >= 0)
			return;
		rmdir(dir.c_str());
		dir.clear();
	}

	static long number_in(const fs::path &file, const std::string &pattern)
	{
		for (const std::string &n : all_matches(content(file), pattern))
			return std::stol(n);
		return -1;
	}
};

/*
 * Four threads that hold 32 MB of blocks, of one size after another.  Beyond
 * what they need on the unpatched libc they get what the caches of two cpus
 * hold (0.7 MB), 64 bytes for each group of small blocks (2.2 MB), and some
 * pages around the blocks.
 */
TEST_P(Malloc, LivesWhereTheUnpatchedOneDoesInAMemoryCgroup)
{
	const harness::libc stock = stock_of(libc());

	if (!stock.missing.empty())
		GTEST_SKIP() << stock.missing;
	if (the_machine().virtual_one)
		GTEST_SKIP() << "makes groups on the machine it runs on itself";
	const fs::path here = build("malloc_memory", as_written);
	const fs::path there = probe(stock, mode(), "malloc_memory",
				     as_written);
	const memory_group wide(1l << 30);

	if (!wide.made())
		GTEST_SKIP() << "no memory cgroup can be made here";
	const outcome free = wide.run({there, "held"});
	const long need = wide.peak();

	ASSERT_TRUE(free.ok()) << free;
	EXPECT_EQ(free.number("wrong"), 0) << free;
	ASSERT_GT(need, 32l << 20);
	{
		const memory_group enough(need + (4l << 20));
		const outcome got = enough.run({here, "held"});

		EXPECT_TRUE(got.ok()) << got << "\nneed: " << need;
		EXPECT_EQ(got.number("wrong"), 0) << got;
		EXPECT_EQ(enough.killed(), 0);
		EXPECT_GT(got.number("limit"), 0) << got;
	}
	/* What is not enough ends both. */
	for (const fs::path &program : {here, there}) {
		const memory_group little(need / 2);
		const outcome got = little.run({program, "held"});

		EXPECT_EQ(got.signal, 9) << got;
		EXPECT_EQ(little.killed(), 1) << got;
	}
}

TEST_P(Malloc, TakesBackWhatLiesIdle)
{
	if (cpus() < 2)
		GTEST_SKIP() << "needs two cpus";
	outcome got = ran("idle");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_GT(got.number("before.bytes"), 8000) << got;
	/* What one class on one cpu may hold. */
	EXPECT_LE(got.number("after.bytes"), 62 * 32 + 1000) << got;
}

/*
 * Blocks of another cpu's groups are cached where they are freed until there
 * have been 1024 of them; then they go back.  A call in 30 misses.
 */
TEST_P(Malloc, KeepsEachGroupToOneCpu)
{
	if (cpus() < 2)
		GTEST_SKIP() << "needs two cpus";
	outcome got = ran("moved");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_GT(got.number("few.hits"), got.number("before.hits") + 900)
		<< got;
	EXPECT_LT(got.number("many.hits"), got.number("few.hits") + 124)
		<< got;
	EXPECT_GT(got.number("own.hits"), got.number("taken.hits") + 800)
		<< got;
}

/* ---- when there is one thread ---- */

TEST_P(Malloc, LeavesSingleThreadedProcessesAlone)
{
	outcome got = ran("alone");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	for (const char *key : {"end.hits", "end.bytes", "end.limit"})
		EXPECT_EQ(got.number(key), 0) << got;
}

/* What valgrind counts, since timings are no verdict. */
static long instructions_of(const fs::path &program)
{
	outcome got = run({"valgrind", "--tool=callgrind",
			   "--callgrind-out-file=/dev/null", program});
	const size_t at = got.err.find("Collected : ");

	return got.ok() && at != got.err.npos ?
		std::stol(got.err.substr(at + strlen("Collected : "))) : -1;
}

TEST_P(Malloc, CostsASingleThreadNothing)
{
	const harness::libc stock = stock_of(libc());

	/* Debian's is of a version and a build of its own. */
	if (stock.root.empty())
		GTEST_SKIP() << "no stock of this version: see build-libc "
			"--stock";
	if (!have("valgrind"))
		GTEST_SKIP() << "needs valgrind";
	const long with = instructions_of(build("malloc_alone", as_written));
	const long without = instructions_of(probe(stock, mode(),
						   "malloc_alone",
						   as_written));

	/* Some 370 for each round. */
	ASSERT_GT(without, 100000 * 100);
	ASSERT_GT(with, 0);
	EXPECT_LE(with, without + without / 100);
}

/* Text and read-only data, in bytes. */
static long text_of(const fs::path &program)
{
	std::istringstream sizes(run({"size", program}).out);
	std::string titles;
	long text = -1;

	std::getline(sizes, titles);
	sizes >> text;
	return text;
}

TEST_P(Malloc, StaysOutOfAnEmptyProgram)
{
	const harness::libc stock = stock_of(libc());

	if (!stock.missing.empty())
		GTEST_SKIP() << stock.missing;
	if (mode().dynamic)
		GTEST_SKIP() << "the libc is not in the program";
	const long with = text_of(build("empty"));
	const long without = text_of(probe(stock, mode(), "empty", {}));

	ASSERT_GT(without, 0);
	EXPECT_LE(with, without + 3000);
}

TEST_P(Malloc, FollowsAProcessIntoThreadsAndBack)
{
	outcome got = ran("back");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_GT(got.number("with.hits"), 7000) << got;
	EXPECT_GT(got.number("with.bytes"), 0) << got;
	EXPECT_EQ(got.number("alone.hits"), got.number("with.hits")) << got;
	EXPECT_EQ(got.number("alone.bytes"), 0) << got;
	EXPECT_GT(got.number("again.hits"), got.number("alone.hits")) << got;
}

/* ---- what a process does ---- */

TEST_P(Malloc, SurvivesForksAndSpawns)
{
	for (const std::string what : {"fork", "vfork", "clone", "spawn"}) {
		outcome got = ran(what);

		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("wrong"), 0) << got;
		EXPECT_EQ(got.number("bad_children"), 0) << got;
		EXPECT_GT(got.number("rounds"), 0) << got;
		if (what == "fork")
			continue;
		EXPECT_GT(got.number("before.hits"), 0) << got;
		EXPECT_GT(got.number("after.hits"), got.number("before.hits"))
			<< got;
		if (what == "spawn")
			continue;
		/* The kernel would not restart a section of a child that
		 * shares its parent's line. */
		EXPECT_EQ(got.number("child.hits"), got.number("before.hits"))
			<< got;
	}
}

TEST_P(Malloc, SurvivesCancellation)
{
	outcome got = ran("cancel");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
}

TEST_P(Malloc, ReportsThatMemoryIsOut)
{
	outcome got = ran("limit");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(got.number("errno"), 0) << got;
	EXPECT_EQ(got.number("out"), 1) << got;
	/* There was no room for the caches. */
	EXPECT_EQ(got.number("end.limit"), 0) << got;
}

TEST_P(Malloc, ServesThreadsWithoutRseqBesideOthers)
{
	outcome got = ran("refused");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_GE(got.number("rounds"), 2000) << got;
	EXPECT_EQ(got.number("unregistered"), 1) << got;
	EXPECT_GT(got.number("end.hits"), 7000) << got;
}

/* ---- off ---- */

TEST_P(Malloc, CanBeTurnedOff)
{
	for (const char *off : {"TLABI_MALLOC=0", "TLABI_RSEQ=0"}) {
		outcome got = ran("threads", {off});

		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("wrong"), 0) << got;
		EXPECT_EQ(got.number("end.hits"), 0) << got;
		EXPECT_EQ(got.number("end.limit"), 0) << got;
	}
	outcome got = ran("threads", {"TLABI_MALLOC=1"});
	EXPECT_GT(got.number("end.hits"), 7000) << got;
}

TEST_P(Malloc, CannotBeTurnedOffInSecureExecution)
{
	if (getuid() != 0 || !have("setpriv"))
		GTEST_SKIP() << "needs root and setpriv";
	char name[] = "/tmp/rseq-test-XXXXXX";
	const fs::path dir = mkdtemp(name), program = dir / "program";

	fs::permissions(dir, fs::perms(0755));
	fs::copy_file(build("malloc_process", as_written), program);
	fs::permissions(program, fs::perms(04755));
	outcome got = run({"setpriv", "--reuid=65534", "--regid=65534",
			   "--clear-groups", program, "threads"},
			  {{"TLABI_MALLOC=0"}});
	fs::remove_all(dir);
	if (got.err.find("failed to execute") != std::string::npos)
		GTEST_SKIP() << "the sysroot is not readable by others";
	ASSERT_TRUE(got.ok()) << got;
	if (got.number("secure") == 0)
		GTEST_SKIP() << "set-user-ID has no effect here";
	EXPECT_GT(got.number("end.hits"), 7000) << got;
}

/* In constructors, on both sides of a library, and behind it. */
TEST_P(Malloc, ServesLibrariesThatAreLoaded)
{
	if (!mode().dynamic)
		GTEST_SKIP() << "nothing can be loaded";
	const harness::libc stock = stock_of(libc());

	for (const harness::libc &l : {libc(), stock}) {
		if (!l.missing.empty())
			continue;
		strings command = {probe(l, mode(), "malloc_loading",
					 as_written)};

		for (const char *file : {"loaded_1.so", "loaded_2.so"})
			command.push_back(probe_library(l, "malloc_loaded",
							file, as_written));
		command.push_back(probe_library(l, "malloc_other",
						"malloc_other.so", as_written));
		outcome got = run(command);

		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("wrong"), 0) << got;
		EXPECT_GT(got.number("rounds"), 200) << got;
		EXPECT_EQ(got.number("late.malloc_is_ours"), 1) << got;
		EXPECT_EQ(got.number("late.its_own"), 1) << got;
		if (!l.line)
			continue;
		/* The constructor's thread frees and allocates 1000 times. */
		EXPECT_GT(got.number("loaded.hits"), 1900) << got;
		EXPECT_GT(got.number("beside.hits"),
			  got.number("loaded.hits") + 100 * 40 * 4) << got;
		EXPECT_GT(got.number("late.hits"),
			  got.number("beside.hits") + 100 * 40 * 4) << got;
	}
}

/* Nothing used, and where the libc can know of it, nothing reserved. */
static void expect_unused(const strings &command, const strings &env,
			  bool known)
{
	outcome got = run(command, {env});
	outcome off = run(command, {env + strings{"TLABI_MALLOC=0"}});

	ASSERT_TRUE(got.ok() && off.ok()) << got << off;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(got.number("end.hits"), 0) << got;
	EXPECT_EQ(got.number("end.limit"), 0) << got;
	if (known) {
		EXPECT_EQ(got.number("end.mapped"), off.number("end.mapped"))
			<< got << off;
	}
}

TEST_P(Malloc, GivesWayToTheProgramsAllocator)
{
	const fs::path other = probes_dir() / "malloc_other.c";

	expect_unused({build("malloc_process", as_written +
			     strings{"-D_GNU_SOURCE", "-include", other}),
		       "threads"}, {}, mode().dynamic);
}

/* One that is loaded in front. */
TEST_P(Malloc, GivesWayToAnotherAllocator)
{
	if (!mode().dynamic)
		GTEST_SKIP() << "nothing can be loaded in front";
	const fs::path other = probe_library(libc(), "malloc_other",
					     "malloc_other.so", as_written);
	expect_unused({build("malloc_process", as_written), "threads"},
		      {"LD_PRELOAD=" + other.string()}, true);
}

/* ---- left out ---- */

class WithoutMalloc : public VariantTest {};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WithoutMalloc);
INSTANTIATE_TEST_SUITE_P(, WithoutMalloc, testing::ValuesIn(musls(false)),
			 variant_name);

TEST_P(WithoutMalloc, HasNoCaches)
{
	outcome got = run({build("malloc_stress", as_written), "1"});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *bad : {"wrong", "not_zero", "out_of_memory",
				"bad_children"})
		EXPECT_EQ(got.number(bad), 0) << got;
	EXPECT_GT(got.number("operations"), 0) << got;
	EXPECT_EQ(got.has("hits"), !left_out(libc())) << got;
	if (got.has("hits")) {
		EXPECT_EQ(got.number("hits") + got.number("misses"), 0) << got;
	}
}
