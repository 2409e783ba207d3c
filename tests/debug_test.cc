/* SPDX-License-Identifier: MIT */
/* Wrong use is found and named: -DRSEQ_DEBUG, and RSEQ_CHECK=syscalls. */
#include <cerrno>
#include <csignal>
#include <fstream>
#include <unistd.h>

#include <rseq/debug.h>
#include <rseq/frame.h>

#include "harness.hh"

using namespace harness;

static const options watching{{"RSEQ_CHECK=syscalls"}},
	off{{"RSEQ_CHECK=syscalls", "GLIBC_TUNABLES=glibc.pthread.rseq=0",
	     "TLABI_RSEQ=0"}};

/* ---- system calls between rseq_event() and the store ---- */

class Watched : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Watched,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

static const char *const right_ways[] = {
	"nothing", "vdso", "handler", "calling", "all_blocked", "nodefer",
	"onstack", "storing", "abandoned",
};

struct wrong_way {
	const char *name;
	const char *call;
};

static const wrong_way wrong_ways[] = {
	{"libc", "getppid"}, {"fallback", "clock_gettime"},
	{"bare", "getppid"}, {"mask", "rt_sigprocmask"},
	{"thread", "getppid"}, {"blocking", "getppid"},
	{"child", "getppid"},
};

static void expect_quiet(const outcome &got)
{
	for (const std::string way : right_ways)
		EXPECT_EQ(got.number(way + ".reports"), 0) << way << got;
}

/* Whether librseq can, where the kernel can. */
static bool is_for_this_isa()
{
	const std::string isa = the_machine().isa;

	return isa == "x86_64" || isa == "aarch64" || isa == "riscv64";
}

static bool is_watched(const outcome &got)
{
	return is_for_this_isa() && got.number("dispatch") != 0;
}

TEST_P(Watched, EachCallIsNamedAndNoHandlerIsBlamed)
{
	outcome got = run({build_rseq("watched")}, watching);

	ASSERT_TRUE(got.ok()) << got;
	if (got.number("usable") == 0)
		GTEST_SKIP() << "this kernel restarts no sections";
	if (!is_watched(got)) {
		const std::string why = is_for_this_isa() ?
			"no syscall user dispatch" :
			"librseq cannot do it on this architecture";

		EXPECT_NE(got.err.find(why), std::string::npos) << got;
		GTEST_SKIP() << why;
	}
	expect_quiet(got);
	for (const std::string way : {"nothing", "vdso", "abandoned"})
		EXPECT_GT(got.number(way + ".stored"), 50) << way << got;
	for (const auto &[name, call] : wrong_ways) {
		const std::string way = name;
		EXPECT_EQ(got.number(way + ".reports"), 100) << way << got;
		EXPECT_EQ(got.number(way + ".stored"), 0) << way << got;
		EXPECT_EQ(got.number(way + ".number"), got.number(call))
			<< way << got;
	}
	/* A handler that waits for none but itself runs more than once. */
	EXPECT_GE(got.number("breaking.reports"), 100) << got;
	EXPECT_EQ(got.number("breaking.stored"), 0) << got;
	EXPECT_EQ(got.number("libc.kind"), RSEQ_SYSTEM_CALL) << got;
	EXPECT_EQ(got.number("bare.inside"), 1) << got;
	EXPECT_FALSE(got.has("wrong_result")) << got;
	EXPECT_TRUE(::has(got.text("libc.text"), "(getppid) at ")) << got;
	EXPECT_EQ(got.number("same"), 0) << got;
	EXPECT_EQ(got.number("child.status"), 0) << got;
	EXPECT_EQ(got.err, "") << got;
}

/* In code that is compiled for it, each event, and without being asked. */
TEST_P(Watched, InADebugBuild)
{
	const fs::path program = build_rseq("watched", {"-DRSEQ_DEBUG"});
	outcome got = run({program});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.err, "") << got;
	expect_quiet(got);
	if (got.number("usable") == 0)
		GTEST_SKIP() << "this kernel restarts no sections";
	/* One store in 16 is refused before it is tried. */
	for (const auto &[name, call] : wrong_ways) {
		const std::string way = name;
		if (!is_watched(got)) {
			EXPECT_GT(got.number(way + ".stored"), 50) << got;
			continue;
		}
		EXPECT_EQ(got.number(way + ".stored"), 0) << way << got;
		EXPECT_GT(got.number(way + ".reports"), 50) << way << got;
		EXPECT_EQ(got.number(way + ".number"), got.number(call))
			<< way << got;
	}
	got = run({program}, {{"RSEQ_CHECK=none"}});
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("libc.reports"), 0) << got;
	EXPECT_EQ(got.number("sigsys_default"), 1) << got;
}

TEST_P(Watched, OnlyWhenAsked)
{
	for (const options &how : {options{}, options{{"RSEQ_CHECK=all"}},
				   options{{"RSEQ_CHECK="}}}) {
		outcome got = run({build_rseq("watched")}, how);

		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.err, "") << got;
		for (const auto &[name, call] : wrong_ways)
			EXPECT_EQ(got.number(std::string(name) + ".reports"), 0)
				<< name << got;
		EXPECT_EQ(got.number("sigsys_default"), 1) << got;
	}
}

TEST_P(Watched, NotWithoutRseq)
{
	outcome got = run({build_rseq("watched")}, off);

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("usable"), 0) << got;
	EXPECT_EQ(got.number("libc.reports"), 0) << got;
	EXPECT_EQ(got.number("sigsys_default"), 1) << got;
}

/* Without a handler of its own the program ends, and says where and why. */
TEST_P(Watched, ByDefaultOneLineAndAbort)
{
	outcome got = run({build_rseq("watched"), "default"}, watching);

	if (!is_for_this_isa() || got.number("result") == RSEQ_COMMITTED)
		GTEST_SKIP() << "no syscall user dispatch, or not for this";
	EXPECT_EQ(got.signal, SIGABRT) << got;
	EXPECT_TRUE(got.err.starts_with("rseq: system call between")) << got;
	EXPECT_EQ(got.err.find('\n'), got.err.size() - 1) << got;
}

TEST_P(Watched, NotWithAHandlerOfTheProgram)
{
	outcome got = run({build_rseq("watched"), "own"}, watching);

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("own.reports"), 0) << got;
	EXPECT_GT(got.number("own.stored"), 50) << got;
	EXPECT_TRUE(::has(got.err, "not checked: ")) << got;
}

TEST_P(Watched, NotInSecureExecution)
{
	if (getuid() != 0 || !have("setpriv"))
		GTEST_SKIP() << "needs root and setpriv";
	char name[] = "/tmp/rseq-test-XXXXXX";
	const fs::path dir = mkdtemp(name), program = dir / "watched";
	fs::permissions(dir, fs::perms(0755));
	fs::copy_file(build_rseq("watched"), program);
	fs::permissions(program, fs::perms(04755));
	outcome got = run({"setpriv", "--reuid=65534", "--regid=65534",
			   "--clear-groups", program}, watching);
	fs::remove_all(dir);

	if (got.ok() && got.number("secure") == 0)
		GTEST_SKIP() << "set-user-ID has no effect here";
	if (got.err.find("failed to execute") != std::string::npos)
		GTEST_SKIP() << "the sysroot is not readable by others";
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("libc.reports"), 0) << got;
	EXPECT_EQ(got.number("sigsys_default"), 1) << got;
}

/* ---- what code compiled with -DRSEQ_DEBUG is checked for ---- */

class Checked : public VariantTest {
protected:
	outcome misuse(const strings &how = {}, const options &env = {}) const
	{
		return run(strings{build_rseq("misuse", {
			probes_dir() / "undebugged.c"})} + how, env);
	}
};

INSTANTIATE_TEST_SUITE_P(, Checked,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

struct misuse_case {
	const char *name;
	int kind;
};

static const misuse_case misuses[] = {
	{"begin_twice", RSEQ_BEGIN_WITHOUT_END},
	{"begin_and_end", RSEQ_BEGIN_WITHOUT_END},
	{"begin_many", RSEQ_BEGIN_WITHOUT_END},
	{"commit_unbegun", RSEQ_END_WITHOUT_BEGIN},
	{"commit_twice", RSEQ_END_WITHOUT_BEGIN},
	{"unlock_by_another", RSEQ_UNLOCK_BY_ANOTHER},
	{"lock_and_end", RSEQ_LOCK_WITHOUT_UNLOCK},
	{"double_put", RSEQ_DOUBLE_PUT}, {"put_n_there", RSEQ_DOUBLE_PUT},
	{"put_n_twice", RSEQ_DOUBLE_PUT}, {"put_mixed", RSEQ_DOUBLE_PUT},
	{"free_foreign", RSEQ_FOREIGN_POINTER},
	{"free_inner", RSEQ_FOREIGN_POINTER},
	{"free_other", RSEQ_FOREIGN_POINTER},
	{"double_free", RSEQ_DOUBLE_PUT},
	{"double_free_shared", RSEQ_DOUBLE_PUT},
	{"commit_foreign", RSEQ_FOREIGN_POINTER},
	{"commit_other", RSEQ_FOREIGN_POINTER},
	{"commit_record_twice", RSEQ_END_WITHOUT_BEGIN},
	{"reserve_and_end", RSEQ_RESERVE_WITHOUT_COMMIT},
	{"reserve_and_fini", RSEQ_RESERVE_WITHOUT_COMMIT},
	{"reserve_many", RSEQ_RESERVE_WITHOUT_COMMIT},
};

static void expect_each_found(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	for (const auto &[name, kind] : misuses) {
		const std::string what = name;
		EXPECT_EQ(got.number(what + ".reports"), 1) << what << got;
		EXPECT_EQ(got.number(what + ".kind"), kind) << what << got;
	}
	for (const std::string right : {"bodies", "right", "unlock", "put_null",
					"free", "free_null", "commit",
					"commit_elsewhere"})
		EXPECT_EQ(got.number(right + ".reports"), 0) << right << got;
	EXPECT_FALSE(got.has("nameless")) << got;
	EXPECT_EQ(got.number("errno"), 123) << got;
	EXPECT_EQ(got.err, "") << got;
	/* Nothing has come of it. */
	for (const char *refused : {"double_put.result", "put_n_there.result",
				    "put_n_twice.result", "put_mixed.result"})
		EXPECT_EQ(got.number(refused), -EINVAL) << refused << got;
	for (const char *refused : {"commit_unbegun.result",
				    "commit_twice.result"})
		EXPECT_EQ(got.number(refused), RSEQ_RESTARTED) << got;
	EXPECT_EQ(got.number("double_put.got"), 1) << got;
	EXPECT_EQ(got.number("put_n_twice.got"), 0) << got;
	EXPECT_EQ(got.number("put_mixed.got"), 1) << got;
	EXPECT_EQ(got.number("unlock.odd"), 1) << got;
	EXPECT_EQ(got.number("unlock.even"), 1) << got;
	EXPECT_EQ(got.number("read"), 2) << got;
}

static void expect_all_ways_taken(const outcome &got)
{
	EXPECT_EQ(got.number("sum"), 1000) << got;
	/* But those whose guard was locked at once. */
	EXPECT_GT(got.number("runs"), 1500) << got;
	EXPECT_GT(got.number("once"), 20) << got;
	EXPECT_LT(got.number("once"), 500) << got;
}

TEST_P(Checked, EachMisuseIsFoundAndNamed)
{
	outcome got = misuse();

	expect_each_found(got);
	expect_all_ways_taken(got);
	if (got.number("usable") == 0)
		GTEST_SKIP() << "this kernel restarts no sections";
	EXPECT_GT(got.number("locked"), 20) << got;
	EXPECT_LT(got.number("locked"), 1000) << got;
	EXPECT_GT(got.number("restarted"), 10) << got;
	EXPECT_LT(got.number("restarted"), 500) << got;
}

TEST_P(Checked, WithoutRseqToo)
{
	outcome got = misuse({}, off);

	expect_each_found(got);
	expect_all_ways_taken(got);
	EXPECT_EQ(got.number("restarted"), 0) << got;
}

TEST_P(Checked, ByDefaultOneLineAndAbort)
{
	outcome got = misuse({"default"});

	EXPECT_EQ(got.signal, SIGABRT) << got;
	EXPECT_TRUE(got.err.starts_with("rseq: begin without end: transaction "))
		<< got;
	EXPECT_TRUE(::has(got.err, "rseq_cancel()\n")) << got;
	EXPECT_EQ(got.err.find('\n'), got.err.size() - 1) << got;
}

/* Right use under signals, drains and migration: not a word. */
TEST_P(Checked, RightProgramsAreLeftAlone)
{
	for (const strings &command : {strings{"cache", "1"},
				       strings{"ring", "reserve", "1"},
				       strings{"pool", "1"}}) {
		strings all = command;
		all[0] = build_rseq(command[0], {"-DRSEQ_DEBUG"});
		const outcome got = run(all);
		EXPECT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.err, "") << got;
		for (const char *wrong : {"lost", "wrong", "torn", "missing"})
			if (got.has(wrong)) {
				EXPECT_EQ(got.number(wrong), 0) << wrong << got;
			}
	}
}

/* ---- what it costs ---- */

static strings compiled(const std::string &name, const strings &how)
{
	const fs::path source = scratch_dir() / "debug" / (name + ".c"),
		object = source.string() + ".o";

	fs::create_directories(source.parent_path());
	std::ofstream(source) << "#include <rseq/rseq.h>\n"
		"#include <rseq/pool.h>\n#include <rseq/ring.h>\n"
		"#include \"" << (probes_dir() / "uses_all.h").string() << "\"\n"
		"int begin(struct rseq_transaction *t, long *v) {\n"
		" int cpu = rseq_begin(t);\n"
		" if (cpu >= 0) cpu = rseq_commit(t, v, 1);\n"
		" rseq_cancel(t); return cpu; }\n"
		"void put(struct rseq_pool *p, void *o) {"
		" rseq_pool_free(p, o); }\n"
		"void end(struct rseq_ring *r) {"
		" rseq_ring_commit(r, rseq_ring_reserve(r, 8)); }\n";
	outcome got = run(strings{cc(), "-O2", "-c", "-o", object, source} +
			  rseq_include_flags() + how);
	EXPECT_TRUE(got.ok()) << got;
	got = run({"nm", "-u", object});
	EXPECT_TRUE(got.ok()) << got;
	const std::set<std::string> names =
		all_matches(got.out, "(rseq_\\w+)");
	return {names.begin(), names.end()};
}

/* No check, and no other way than the usual one, where none is asked for. */
TEST(Unchecked, NothingIsLeftInTheCode)
{
	const auto debugging = [](const strings &names) {
		size_t n = 0;
		for (const std::string &name : names)
			n += name.starts_with("rseq_debug_");
		return n;
	};
	const strings plain = compiled("plain", {}),
		checked = compiled("checked", {"-DRSEQ_DEBUG"});

	EXPECT_EQ(debugging(plain), 0u);
	EXPECT_GT(plain.size(), 5u);
	/* begin, commit, end, chance, event, free, put, reserve, commit */
	EXPECT_GE(debugging(checked), 9u);
}

/* The structs are the same: both kinds of code work on them. */
TEST(Unchecked, StructsAreTheSame)
{
	const auto sizes = [](const std::string &how) {
		const outcome got = run(strings{cc(), "-E", "-P", "-xc", how} +
			rseq_include_flags() +
			strings{source_dir() / "include/rseq/rseq.h"});
		EXPECT_TRUE(got.ok()) << got;
		return all_matches(got.out, "(struct \\w+ \\{[^}]*\\};)");
	};
	const std::set<std::string> plain = sizes("-URSEQ_DEBUG");

	EXPECT_GT(plain.size(), 5u);
	EXPECT_EQ(plain, sizes("-DRSEQ_DEBUG"));
}

TEST(InCpp, StructuresAndTransactionsCompile)
{
	const fs::path source = scratch_dir() / "debug/all.cc";

	fs::create_directories(source.parent_path());
	std::ofstream(source) << "#include <rseq/structures.hpp>\n"
		"#include <rseq/rseq.hpp>\n#include <rseq/pmr.hpp>\n"
		"int f(librseq::pool<long> &p, librseq::ring &r,"
		" rseq_guard *g, long *v) {\n p.destroy(p.make(1));\n"
		" rseq_ring r2 {}; rseq_ring_fini(&r2);\n"
		" return r.write(1) + librseq::transact(g, [&](int) {"
		" return librseq::store(v, 1); }).error(); }\n";
	for (const std::string &compiler : {cxx(), std::string("clang++")}) {
		if (!have(compiler))
			continue;
		const outcome got = run(strings{compiler, "-std=c++20", "-Wall",
			"-Wextra", "-Wpedantic", "-Werror", "-DRSEQ_DEBUG",
			"-O2", "-c", "-o", "/dev/null", source} +
			rseq_include_flags());
		EXPECT_TRUE(got.ok()) << got;
	}
}
