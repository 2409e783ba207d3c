/* SPDX-License-Identifier: MIT */
/*
 * Cache, ring, pool, counter set, readers and reference counts: whatever
 * happens at once, each object is in one place, each record is whole, each sum
 * is exact, nothing in use is given up; and the same where rseq is off.
 */
#include <fstream>

#include "harness.hh"

using namespace harness;

namespace {

struct place {
	variant where;
	bool off;
};

std::ostream &operator<<(std::ostream &to, const place &p)
{
	return to << p.where << (p.off ? ", rseq off" : "");
}

std::vector<place> places()
{
	std::vector<place> all;

	for (const variant &v : variants({"pie", "static"}))
		for (const bool off : {false, true})
			if (!off || v.mode.dynamic)
				all.push_back({v, off});
	return all;
}

const options without_rseq{{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
			    "TLABI_RSEQ=0"}};

class Structures : public testing::TestWithParam<place> {
protected:
	void SetUp() override
	{
		if (!GetParam().where.libc.missing.empty())
			GTEST_SKIP() << GetParam().where.libc.missing;
	}
	outcome of(const strings &command, const strings &flags = {}) const
	{
		strings all = command;
		all[0] = rseq_probe(GetParam().where.libc, GetParam().where.mode,
				    command[0], flags);
		return run(all, GetParam().off ? without_rseq : options{});
	}
};

INSTANTIATE_TEST_SUITE_P(, Structures, testing::ValuesIn(places()),
			 [](const auto &info) {
				 return identifier(info.param.where.libc.name) +
					 "_" + info.param.where.mode.name +
					 (info.param.off ? "_off" : "");
			 });

void expect_no_mistake(const outcome &got, long checks)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_GE(got.number("checks"), checks) << got;
}

void expect_conserved(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GT(got.number("gets"), 10000) << got;
	EXPECT_GT(got.number("handled"), 100) << got;
	EXPECT_GT(got.number("drains"), 0) << got;
	EXPECT_EQ(got.number("failed"), 0) << got;
	EXPECT_EQ(got.number("unbalanced"), 0) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(got.number("lost"), 0) << got;
}

}

TEST_P(Structures, CacheHandsEachObjectOutOnce)
{
	expect_conserved(of({"cache", "2"}));
}

TEST_P(Structures, RingKeepsRecordsWhole)
{
	for (const std::string kind : {"drop", "overwrite", "reserve"}) {
		const outcome got = of({"ring", kind, "1"});

		ASSERT_TRUE(got.ok()) << got;
		EXPECT_GT(got.number("written"), 1000) << got;
		EXPECT_GT(got.number("handled"), 10) << got;
		EXPECT_EQ(got.number("torn"), 0) << got;
		EXPECT_EQ(got.number("disordered"), 0) << got;
		EXPECT_EQ(got.number("unaccounted"), 0) << got;
		EXPECT_EQ(got.number("stats.written"), got.number("written"))
			<< got;
		EXPECT_EQ(got.number("stats.dropped"), got.number("refused"))
			<< got;
		EXPECT_EQ(got.number("stats.read"), got.number("seen")) << got;
		if (kind == "overwrite") {
			/* But for handlers that interrupt a locked ring. */
			if (!GetParam().off) {
				EXPECT_EQ(got.number("refused"), 0) << got;
			}
			EXPECT_GT(got.number("stats.overwritten"), 0) << got;
		}
	}
}

TEST_P(Structures, RecordsSurviveACrash)
{
	const outcome got = of({"ring_crash", "17"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GT(got.number("looks"), 100) << got;
	EXPECT_GT(got.number("between"), 20) << got;
	EXPECT_EQ(got.number("failed"), 0) << got;
	EXPECT_EQ(got.number("lost"), 0) << got;
	EXPECT_EQ(got.number("torn"), 0) << got;
	EXPECT_EQ(got.number("holes"), 0) << got;
	/* The one that was killed on the way had not written all. */
	EXPECT_NE(got.out.find("found=3\n"), std::string::npos) << got;
	EXPECT_EQ(got.number("found"), 1) << got;
}

TEST_P(Structures, PoolKeepsObjectsApart)
{
	const outcome got = of({"pool", "1"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GT(got.number("allocs"), 10000) << got;
	EXPECT_GT(got.number("passes"), 1000) << got;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(got.number("missing"), 0) << got;
	EXPECT_EQ(got.number("over"), 0) << got;
	EXPECT_EQ(got.number("left"), 0) << got;
}

TEST_P(Structures, CountersLoseNothing)
{
	const outcome got = of({"counters"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("sum"), got.number("expected")) << got;
	EXPECT_EQ(got.number("missed"), 0) << got;
	EXPECT_EQ(got.number("first"), 0) << got;
	EXPECT_EQ(got.number("second"), 1) << got;
	EXPECT_EQ(got.text("name"), "requests") << got;
	EXPECT_EQ(got.number("none"), 1) << got;
	EXPECT_EQ(got.number("above"), 1) << got;
	EXPECT_EQ(got.number("made"), 2) << got;
	EXPECT_EQ(got.number("read"), 1) << got;
	EXPECT_EQ(got.number("lost"), 2) << got;
	EXPECT_EQ(got.number("out"), 0) << got;
	EXPECT_EQ(got.number("full"), -ENOSPC) << got;
	EXPECT_EQ(got.number("empty"), 0) << got;
	EXPECT_EQ(got.number("bad_buckets"), 0) << got;
	EXPECT_EQ(got.number("values"), got.number("expected_values")) << got;
	EXPECT_EQ(got.number("median"), 480) << got;
	EXPECT_EQ(got.number("highest"), 960) << got;
}

/* ---- bad use ---- */

static const strings in_mmap = {"-Wl,--wrap=mmap,--wrap=munmap"};

/* Of what was never made, put twice, forked, or left by threads that died. */
TEST_P(Structures, CacheAnswersMisuse)
{
	expect_no_mistake(of({"cache_api"}), 4000);
}

/* Also what handlers and threads that end do in the middle of a call. */
TEST_P(Structures, PoolAnswersMisuse)
{
	expect_no_mistake(of({"pool_api"}, in_mmap), 100);
}

/* And files that are damaged, at random. */
TEST_P(Structures, RingAnswersMisuse)
{
	expect_no_mistake(of({"ring_api"}), 4000);
}

TEST_P(Structures, CountersAnswerMisuse)
{
	expect_no_mistake(of({"counters_api"}, in_mmap), 100);
}

/*
 * Where a word that is not aligned is a fault; on arm with a time_t that is
 * longer than the kernel's.  There is no rseq under qemu-user, and its memory
 * and system calls are the emulator's, too.
 */
class OtherArchitectures : public testing::TestWithParam<isa> {
};

TEST_P(OtherArchitectures, RingAnswersMisuse)
{
	const isa &to = GetParam();
	const strings flags = {"-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64"};

	for (const std::string &tool : {to.gcc(), to.gxx(), to.qemu()})
		if (!have(tool))
			GTEST_SKIP() << tool << " is not here";
	const fs::path program = emulated_probe(to, "ring_api", flags);
	expect_no_mistake(run({to.qemu(), program, "emulated"}), 4000);
}

INSTANTIATE_TEST_SUITE_P(, OtherArchitectures,
			 testing::Values(isa_named("aarch64"),
					 isa_named("arm")),
			 [](const auto &i) { return i.param.name; });

/* All of this on a machine with 4096 cpus, which is pretended. */
TEST(StructuresHere, DoTheSameOnALargeMachine)
{
	const strings large = {"-DCPUS=4096", "-Wl,--wrap=syscall"};

	for (const auto &[name, flags] : {std::pair("cache_api", large),
			std::pair("ring_api", large),
			std::pair("pool_api", large + in_mmap),
			std::pair("counters_api", large + in_mmap)})
		expect_no_mistake(run({rseq_probe(libcs().front(), pie(), name,
						  flags)}), 100);
	for (const std::string what : {"api", "model", "fork"})
		expect_no_mistake(run({rseq_probe(libcs().front(), pie(),
						  "sharing", large), what}), 8);
}

/* ---- a cpu that goes away ---- */

/*
 * A real one, where that disturbs nobody else: in a virtual machine of ours,
 * or where RSEQ_OFFLINE is set.
 */
TEST_P(Structures, WhatACpuLeftBehindIsFound)
{
	if (!the_machine().virtual_one && !getenv("RSEQ_OFFLINE"))
		GTEST_SKIP() << "RSEQ_OFFLINE is not set";
	const outcome got = of({"offline"});

	if (got.code == 77)
		GTEST_SKIP() << got.out;
	expect_no_mistake(got, 20);
}

/* ---- readers and reference counts ---- */

TEST_P(Structures, WhatIsInUseIsNotGivenUp)
{
	const outcome got = of({"sharing", "stress", "1"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("failed"), 0) << got;
	EXPECT_GT(got.number("reads"), 10000) << got;
	EXPECT_GT(got.number("handled"), 100) << got;
	EXPECT_GT(got.number("moved"), 100) << got;
	EXPECT_GT(got.number("kills"), 10) << got;
	EXPECT_EQ(got.number("errors"), 0) << got;
	EXPECT_EQ(got.number("early"), 0) << got;
	EXPECT_EQ(got.number("twice"), 0) << got;
	EXPECT_EQ(got.number("kept"), 0) << got;
}

/* With something to happen between any two steps of a section. */
TEST_P(Structures, ACountEndsOnceThoughItIsUsed)
{
	const outcome got = of({"sharing", "fight", "1"}, {
		"-include", probes_dir() / "inject.h"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GT(got.number("rounds"), 10) << got;
	EXPECT_GT(got.number("used"), 10) << got;
	EXPECT_EQ(got.number("errors"), 0) << got;
	EXPECT_EQ(got.number("twice"), 0) << got;
}

TEST_P(Structures, ReadersAndReferencesAreAsTheModelHasThem)
{
	const outcome got = of({"sharing", "model"});

	expect_no_mistake(got, 4000);
	EXPECT_GT(got.number("waits"), 1000) << got;
	EXPECT_EQ(got.number("told"), got.number("rounds")) << got;
}

TEST_P(Structures, ReadersAndReferencesNeedNoInit)
{
	const outcome got = of({"sharing", "api"});

	expect_no_mistake(got, 36);
	if (GetParam().off) {
		EXPECT_EQ(got.number("percpu"), 0) << got;
	}
}

TEST_P(Structures, ReadersAndReferencesDoWithoutMemory)
{
	expect_no_mistake(of({"sharing", "memory"}), 24);
}

TEST_P(Structures, ReadersAndReferencesAreForked)
{
	const outcome got = of({"sharing", "fork"});

	expect_no_mistake(got, 8);
	EXPECT_EQ(got.number("child.wrong"), 0) << got;
}

TEST_P(Structures, ReadersAndReferencesSayThatTheFenceIsRefused)
{
	expect_no_mistake(of({"sharing", "refused", "before"}), 12);
	expect_no_mistake(of({"sharing", "refused", "after"}), 7);
}

/* In the middle of a call; or a child is forked there. */
TEST_P(Structures, AThreadMayDieWhileItReadsOrCounts)
{
	expect_no_mistake(of({"sharing_deaths", "fence"},
			     {"-Wl,--wrap=syscall"}), 17);
}

TEST(StructuresHere, AThreadMayDieAtAnyStepOfReadingAndCounting)
{
	for (const options &how : {options{}, without_rseq}) {
		const outcome got = run({rseq_probe(libcs().front(), pie(),
			"sharing_deaths", {"-Wl,--wrap=syscall"}), "steps"},
			how);
		if (got.code == 77)
			GTEST_SKIP() << "steps are known on x86-64 only";
		expect_no_mistake(got, 500);
		EXPECT_GT(got.number("died"), 50) << got;
		EXPECT_GT(got.number("taken_over"), 10) << got;
	}
}

/* The writers' fence is what orders: what comes just before it is seen. */
TEST_P(Structures, WritersSeeWhatComesBeforeTheirFence)
{
	const outcome got = of({"sharing", "fences"}, {"-DFENCES",
			       "-Wl,--wrap=syscall"});

	if (got.code == 77)
		GTEST_SKIP() << "readers are counted atomically";
	expect_no_mistake(got, 5);
}

/* ---- all at once, with a delay between any two steps of a section ---- */

static const strings kinds = {"cache", "counters", "list", "pool", "ring",
			      "stack"};

/* Some at a time: the more there are, the more often all are disturbed. */
static std::vector<outcome> conserve(const strings &command,
				     const options &with = {})
{
	std::vector<outcome> got(kinds.size());
	const auto work = [&](size_t i) {
		got[i] = run(command + strings{kinds[i], "1"}, with);
	};

	if (!the_machine().virtual_one)
		each(kinds.size(), work);
	for (size_t i = 0; the_machine().virtual_one && i < kinds.size(); ++i)
		work(i);
	return got;
}

static fs::path conserve_program(const variant &v)
{
	const strings delays = {"-include",
				(probes_dir() / "inject.h").string()};

	return probe(v.libc, v.mode, "conserve", rseq_include_flags() +
		     delays + strings{librseq(v.libc, delays +
					      strings{"-fPIE"})});
}

static void expect_all_there(const outcome &got, bool sections)
{
	const std::string &kind = got.command[got.command.size() - 2];
	const bool in_sections = kind == "list" || kind == "stack";
	strings none = {"failed", "wrong", "lost", "bad_children"};

	ASSERT_TRUE(got.ok()) << got;
	/* It was the load that it should be. */
	EXPECT_GT(got.number("signals"), 50) << got;
	EXPECT_GT(got.number("faults"), 0) << got;
	EXPECT_GT(got.number("forks"), 0) << got;
	if (the_machine().cpus > 1) {
		EXPECT_GT(got.number("migrations"), 20) << got;
	}
	if (!in_sections) {
		EXPECT_GT(got.number("drains"), 0) << got;
	} else {
		EXPECT_GT(got.number("unavailable"), 100) << got;
	}
	if (sections || !in_sections) {
		EXPECT_GT(got.number("entries"), 1000) << got;
	}
	if (kind == "list" && sections) {
		EXPECT_GT(got.number("chains"), 10) << got;
	}
	if (kind == "cache")
		none = none + strings{"unbalanced", "over"};
	if (kind == "cache" || in_sections)
		none = none + strings{"twice", "gaps", "untold"};
	if (kind == "pool")
		none = none + strings{"over", "left"};
	if (kind == "ring")
		none = none + strings{"different", "miscounted"};
	for (const std::string &key : none)
		EXPECT_EQ(got.number(key), 0) << key << got;
}

class Conserved : public testing::TestWithParam<place> {
};

static std::vector<place> dynamic_places()
{
	std::vector<place> all = places();

	std::erase_if(all, [](const place &p) {
		return !p.where.mode.dynamic;
	});
	return all;
}

INSTANTIATE_TEST_SUITE_P(, Conserved, testing::ValuesIn(dynamic_places()),
			 [](const auto &info) {
				 return identifier(info.param.where.libc.name) +
					 (info.param.off ? "_off" : "");
			 });

TEST_P(Conserved, WhenAllHappensAtOnce)
{
	const auto &[where, off] = GetParam();

	if (!where.libc.missing.empty())
		GTEST_SKIP() << where.libc.missing;
	for (const outcome &got : conserve({conserve_program(where)},
					   off ? without_rseq : options{}))
		expect_all_there(got, !off);
}

/* By a filter, as a container has it. */
TEST(ConservedHere, WhenRseqIsRefused)
{
	const variant here = {libcs().front(), pie()};

	for (const outcome &got : conserve({probe(here.libc, pie(), "refuse"),
					    "1", conserve_program(here)}))
		expect_all_there(got, false);
}

/* ---- the examples ---- */

static outcome example(const std::string &file, const strings &arguments = {})
{
	const fs::path program = scratch_dir() / "examples" /
		fs::path(file).stem();
	const bool cplusplus = fs::path(file).extension() == ".cc";
	const outcome built = compile(
		(cplusplus ? strings{cxx(), "-std=c++20"} : strings{cc()}) +
		strings{"-O2", "-Wall", "-Wextra", "-Werror",
			(source_dir() / "examples" / file).string(),
			librseq(libcs().front(), {"-O2", "-fPIE"}).string(),
			"-pthread", "-o", program.string()} +
		rseq_include_flags(), program);

	return built.ok() ? run(strings{program.string()} + arguments) : built;
}

/* Without comments and empty lines, two of them are 40 lines at most. */
TEST(StructureExamples, AreAsShortAsTheyMayBe)
{
	const fs::path all = source_dir() / "examples";

	for (const auto &entry : fs::directory_iterator(all)) {
		const std::string text = content(entry.path());
		const long lines = std::count(text.begin(), text.end(), '\n');
		/* The demo measures, too. */
		if (entry.path().filename() != "histogram.cc") {
			EXPECT_LE(lines, 120) << entry.path();
		}
	}
	for (const std::string name : {"object_cache.c", "trace_ring.c"}) {
		const outcome code = sh("sed 's,/[*].*[*]/,,; /^.[*]/,/[*].$/d'"
			" '" + (all / name).string() + "' | grep -c '[^[:space:]]'"
			" | sed s/^/lines=/");
		EXPECT_LE(code.number("lines"), 40) << code;
		EXPECT_GT(code.number("lines"), 20) << code;
	}
}

TEST(StructureExamples, CacheLosesNothing)
{
	const outcome got = example("object_cache.c");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("lost"), 0) << got;
}

TEST(StructureExamples, TraceHasTheLastEvents)
{
	const outcome got = example("trace_ring.c",
				    {(scratch_dir() / "trace").string()});

	ASSERT_TRUE(got.ok()) << got;
	long last = 0;
	for (const char *key : {"last.0", "last.1", "last.2", "last.3"})
		if (got.number(key) > last)
			last = *got.number(key);
	EXPECT_EQ(last, 100000) << got;
}

TEST(StructureExamples, RequestsAreReportedOnce)
{
	const outcome got = example("requests.c");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("all"), 4 * 200000) << got;
	EXPECT_EQ(got.number("measured"), 4 * 200000) << got;
}

TEST(StructureExamples, RegistryExportsEveryCounter)
{
	const outcome got = example("registry.c");

	ASSERT_TRUE(got.ok()) << got;
	for (const std::string module : {"0", "39"}) {
		EXPECT_TRUE(has(got.out, "cache_hits_total{module=\"" + module +
				"\"} 72000\n")) << got;
		EXPECT_TRUE(has(got.out, "cache_misses_total{module=\"" +
				module + "\"} 8000\n")) << got;
	}
}

/* Each table was looked up in as a whole, and is freed, once. */
TEST(StructureExamples, TablesAreReloadedWhileTheyAreUsed)
{
	const std::string text = source_dir() / "README.md";
	const outcome got = example("reload.c", {text});
	const outcome expected = sh("echo words=$(wc -w <'" + text + "')");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("words"), expected.number("words")) << got;
	EXPECT_GT(got.number("looked_up"), 0) << got;
	EXPECT_EQ(*got.number("looked_up") % *got.number("words"), 0) << got;
	EXPECT_EQ(got.number("replaced"), 50) << got;
	EXPECT_EQ(got.number("freed"), got.number("replaced")) << got;
}

/* A real text, counted by other tools, too. */
TEST(StructureExamples, WordsAreCountedAsOthersDo)
{
	const std::string text = source_dir() / "README.md";
	const outcome got = example("word_count.cc", {text});
	const outcome expected = sh("tr A-Z a-z <'" + text +
				    "' | tr -cs a-z '\\n' | grep . | sort >" +
				    (scratch_dir() / "words").string() +
				    "; cd " + scratch_dir().string() +
				    "; echo words=$(wc -l <words);"
				    "echo different=$(uniq <words | wc -l)");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("words"), expected.number("words")) << got;
	EXPECT_EQ(got.number("different"), expected.number("different")) << got;
	EXPECT_GT(got.number("words"), 100) << got;
}

/* ---- in C++, without its library ---- */

TEST(StructureClasses, DoWhatTheirFunctionsDo)
{
	const fs::path program = scratch_dir() / "structures";

	for (const std::string &compiler : {cc(), clang_or_none()}) {
		if (!have(compiler))
			continue;
		const outcome built = compile(strings{compiler} +
			rseq_include_flags() + strings{"-std=c++20",
				"-fno-exceptions", "-O2", "-Wall", "-Wextra",
				"-Wpedantic", "-Werror", "-x", "c++",
				probes_dir() / "structures.cc", "-x", "none",
				librseq(libcs().front(), {"-O2", "-fPIE"}),
				"-pthread"}, program);
		ASSERT_TRUE(built.ok()) << built;
		for (const options &how : {options{}, without_rseq})
			expect_no_mistake(run({program}, how), 28);
	}
}

/* As a memory resource and as an allocator, with that library. */
TEST(StructureClasses, PoolsServeContainers)
{
	const fs::path program = scratch_dir() / "pmr";
	const outcome built = compile(strings{cxx(), "-std=c++20", "-O2",
		"-Wall", "-Wextra", "-Wpedantic", "-Werror",
		probes_dir() / "pmr.cc", librseq(libcs().front(),
						 {"-O2", "-fPIE"}),
		"-pthread"} + rseq_include_flags(), program);

	ASSERT_TRUE(built.ok()) << built;
	for (const options &how : {options{}, without_rseq})
		expect_no_mistake(run({program}, how), 400);
}

/* What cannot work does not compile, and says why. */
TEST(StructureClasses, RefuseWhatCannotWork)
{
	struct trial {
		std::string statement, message;	/* none: it compiles */
	};
	std::vector<trial> trials = {
		{"librseq::cache<long, good> c(8, g)", ""},
		{"librseq::cache<long, voids> c(8, v)", "source"},
		{"librseq::cache<long, keeps> c(8, k)", "source"},
		{"librseq::cache<int, good> c(8, g)", "source"},
		{"librseq::pool<long> p", ""},
		{"librseq::pool<owner> p", ""},
		{"librseq::pool<large> p", "too large for a pool"},
		{"librseq::pool<aligned> p", "too large for a pool"},
		{"(void)ring->write(5)", ""},
		{"(void)ring->write(o)", "__is_trivially_copyable"},
		{"(void)ring->write(pointer)", "pointer_"},
		{"librseq::percpu<long> p", ""},
		{"librseq::percpu<plain> p", ""},
		{"librseq::percpu<wide> p", "too large for per-cpu memory"},
		{"librseq::percpu<page> p", "too large for per-cpu memory"},
		{"librseq::percpu<made> p", "begin as zero"},
		{"librseq::percpu<given> p", "begin as zero"},
		{"librseq::percpu<owner> p", "no destructor"},
		{"librseq::counter c", ""},
	};
	for (const std::string kept : {"cache<long, good>", "pool<long>",
			"counters", "ring", "readers", "readers::reading",
			"refcount"}) {
		const std::string u = "extern librseq::" + kept + " u; ";
		trials.push_back({u + "librseq::" + kept + " p(u)", "deleted"});
		trials.push_back({u + "u = u", "deleted"});
	}
	for (const std::string ignored : {"pool<long> u; u.make(1)",
			"pool<long> u; u.error()", "cache<long, good> u; u.get()",
			"cache<long, good> u; u.error()",
			"cache<long, good> u; u.flush()",
			"cache<long, good> u; u.resize(4)",
			"counter u; u.error()", "counter u; u.sum(0)",
			"counters u; u.sum(0)", "counters u; u.name(0)",
			"ring u; u.error()", "readers u; u.read()",
			"readers u; u.wait()", "refcount u; u.put()",
			"refcount u; u.kill()"})
		trials.push_back({"extern librseq::" + ignored,
				  "unused-result"});
	std::vector<outcome> got(trials.size());
	each(trials.size(), [&](size_t i) {
		const fs::path file = scratch_dir() /
			("refused-" + std::to_string(i) + ".cc");
		std::ofstream(file) << "#include <rseq/rseq.hpp>\n"
			"#include <rseq/structures.hpp>\n"
			"struct good { size_t refill(long **, size_t);"
			" void drain(long **, size_t); } g;\n"
			"struct voids { void refill(long **, size_t);"
			" void drain(long **, size_t); } v;\n"
			"struct keeps { size_t refill(long **, size_t); } k;\n"
			"struct large { char c[8193]; };\n"
			"struct wide { char c[65537]; };\n"
			"struct alignas(128) aligned { char c; };\n"
			"struct alignas(8192) page { char c; };\n"
			"struct owner { ~owner(); int *p; } o;\n"
			"struct made { made(); int i; };\n"
			"struct given { int i = 1; };\n"
			"struct plain { rseq_guard g; plain *next; int i[3]; };\n"
			"int *pointer; librseq::ring *ring;\n"
			"void f() { " << trials[i].statement << "; }\n";
		got[i] = run(strings{cxx(), "-std=c++20", "-Wall", "-Werror",
				     "-fsyntax-only", file} +
			     rseq_include_flags());
	});
	for (size_t i = 0; i < trials.size(); ++i) {
		const auto &[statement, message] = trials[i];
		EXPECT_EQ(got[i].ok(), message.empty()) << statement << got[i];
		EXPECT_TRUE(has(got[i].err, message)) << statement << got[i];
	}
}

/* ---- sanitizers, on the host ---- */

/* An object that is free is nobody's to touch. */
TEST(PoisonedPool, AnAccessIsReported)
{
	const fs::path program = rseq_probe(libcs().front(), pie(), "poisoned",
					    {"-fsanitize=address", "-g"});

	for (const std::string how : {"read", "write"}) {
		const outcome got = run({program, how});
		EXPECT_FALSE(got.ok()) << got;
		EXPECT_TRUE(has(got.err, "use-after-poison")) << got;
	}
	const outcome got = run({program, "allocated"});
	EXPECT_TRUE(got.ok() && got.err.empty()) << got;
}

class SanitizedStructures : public testing::TestWithParam<const char *> {
};

INSTANTIATE_TEST_SUITE_P(, SanitizedStructures,
			 testing::Values("thread", "address,undefined"),
			 [](const auto &info) {
				 return identifier(info.param);
			 });

TEST_P(SanitizedStructures, ReportNothing)
{
	const strings flags = {"-O1", "-g", std::string("-fsanitize=") +
			       GetParam()};

	for (const strings &command : {strings{"cache", "1"},
				       strings{"ring", "drop", "1"},
				       strings{"ring", "overwrite", "1"},
				       strings{"pool", "1"},
				       strings{"counters"},
				       strings{"sharing", "stress", "1"},
				       strings{"sharing", "fork"}}) {
		strings all = command;
		all[0] = rseq_probe(libcs().front(), pie(), command[0], flags);
		const outcome got = run(all);
		EXPECT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.err, "") << got;
	}
}
