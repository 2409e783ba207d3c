/* SPDX-License-Identifier: MIT */
/*
 * What an operation costs, in instructions that are executed when it succeeds:
 * walked in the code that the compiler makes of it, not timed.
 */
#include <fstream>
#include <map>
#include <regex>

#include "harness.hh"

using namespace harness;

static const char *const operations[] = {
	"rseq_this_cpu", "rseq_event", "rseq_counter_add", "rseq_add",
	"rseq_compare_store", "rseq_list_push", "rseq_list_pop",
	"rseq_stack_push", "rseq_stack_pop", "rseq_this_cpu_add",
	"rseq_this_cpu_fetch_add", "rseq_this_cpu_list_push",
	"rseq_this_cpu_list_pop", "rseq_this_cpu_list_pop_all",
	"rseq_readers_enter", "rseq_readers_leave", "rseq_refcount_get",
	"rseq_refcount_put",
};

static outcome count(const std::string &name, const strings &compiler)
{
	const fs::path program = scratch_dir() / "counts" / name;

	fs::create_directories(program.parent_path());
	return run(strings{source_dir() / "tests/bench/count", source_dir(),
			   program} + compiler);
}

/* Where a stub lies in line, each section jumps over its own: at most TAKEN. */
static void expect_straight(const outcome &got, int taken = 0)
{
	ASSERT_TRUE(got.ok()) << got;
	for (const std::string op : operations) {
		EXPECT_LE(got.number(op + ".taken_branches"), taken)
			<< op << got;
		EXPECT_EQ(got.number(op + ".fences"), 0) << op << got;
	}
}

/* ---- the promises ---- */

struct promise {
	const char *operation;
	int instructions;
};

/*
 * All of them: whoever adds an instruction says so here, and in the page that
 * promises the number.
 */
static const std::vector<promise> on_x86_64_line = {
	{"rseq_this_cpu", 1}, {"rseq_event", 4}, {"rseq_add", 7},
	{"rseq_this_cpu_add", 6}, {"rseq_counter_add", 10},
}, on_x86_64_stock = {
	{"rseq_this_cpu", 3}, {"rseq_event", 7}, {"rseq_add", 9},
	{"rseq_this_cpu_add", 8}, {"rseq_counter_add", 12},
};

struct foreign_promise {
	int stores;	/* of rseq_this_cpu_add, those of its frame included */
	std::vector<promise> instructions;
};

/*
 * On the line, by the names in isas(). On aarch64 one of them reads the thread
 * pointer; from Arm on there is what keeps the registers of a call that is not
 * made.
 */
static const std::map<std::string, foreign_promise> on_line = {
	{"aarch64", {2, {{"rseq_this_cpu", 3}, {"rseq_this_cpu_add", 10},
			 {"rseq_counter_add", 13}}}},
	{"riscv64", {2, {{"rseq_this_cpu", 1}, {"rseq_add", 9},
			 {"rseq_this_cpu_add", 8}, {"rseq_counter_add", 12}}}},
	{"arm", {3, {{"rseq_this_cpu", 2}, {"rseq_this_cpu_add", 15},
		     {"rseq_counter_add", 19}, {"guard_add", 45}}}},
	{"i386", {9, {{"rseq_this_cpu", 1}, {"rseq_this_cpu_add", 27},
		      {"rseq_counter_add", 36}, {"guard_add", 78}}}},
	{"ppc64le", {4, {{"rseq_this_cpu", 2}, {"rseq_this_cpu_add", 21},
			 {"rseq_counter_add", 26}, {"guard_add", 74}}}},
	{"s390x", {3, {{"rseq_this_cpu", 5}, {"rseq_this_cpu_add", 14},
		       {"rseq_counter_add", 19}, {"guard_add", 53}}}},
	{"mips64el", {4, {{"rseq_this_cpu", 3}, {"rseq_this_cpu_add", 23},
			  {"rseq_counter_add", 27}, {"guard_add", 66}}}},
	{"loongarch64", {2, {{"rseq_this_cpu", 2}, {"rseq_this_cpu_add", 10},
			     {"rseq_counter_add", 13}, {"guard_add", 49}}}},
};

/*
 * On stock glibc, where it has had an area since 2.35: none is looked for in
 * librseq's own place.
 */
static const std::map<std::string, int> this_cpu_add_on_stock = {
	{"aarch64", 14}, {"arm", 21}, {"ppc64le", 25}, {"s390x", 17},
};

static void expect_exactly(const outcome &got,
			   const std::vector<promise> &promises)
{
	for (const auto &[operation, instructions] : promises)
		EXPECT_EQ(got.number(std::string(operation) + ".instructions"),
			  instructions) << operation << got;
}

class Counts : public LibcTest {
};

INSTANTIATE_TEST_SUITE_P(, Counts, testing::ValuesIn(libcs()), libc_name);

TEST_P(Counts, AreThosePromised)
{
#ifndef __x86_64__
	GTEST_SKIP() << "the promises are for x86-64";
#endif
	const outcome got = count(libc().name, libc().gcc());

	expect_straight(got);
	expect_exactly(got, libc().line ? on_x86_64_line : on_x86_64_stock);
	for (const std::string add : {"rseq_add", "rseq_this_cpu_add",
				      "rseq_counter_add"})
		EXPECT_EQ(got.number(add + ".stores"), 2) << got;
	EXPECT_EQ(got.number("rseq_event.stores"), 0) << got;
}

/* An index register beside the base makes an add three times as slow. */
TEST_P(Counts, AddressAWordByOneRegister)
{
#ifndef __x86_64__
	GTEST_SKIP() << "it is an x86-64 that is slow there";
#endif
	const std::string name = libc().name + "-addresses";

	ASSERT_TRUE(count(name, libc().gcc()).ok());
	for (const std::string op : {"add", "fetch_add", "list_push",
				     "list_pop"}) {
		const std::string function = "count_rseq_this_cpu_" + op;
		const outcome got = run({"objdump", "-d",
			"--disassemble=" + function,
			scratch_dir() / "counts" / name});
		EXPECT_TRUE(std::regex_search(got.out, std::regex(
			function + ">:"))) << got;
		EXPECT_FALSE(std::regex_search(got.out, std::regex(
			"%r11,(%|1\\))"))) << got;
	}
}

class ForeignCounts : public testing::TestWithParam<isa> {
};

INSTANTIATE_TEST_SUITE_P(, ForeignCounts, testing::ValuesIn(isas()),
			 [](const auto &info) { return info.param.name; });

TEST_P(ForeignCounts, HaveNoTakenBranchOnTheWay)
{
	const std::string name = GetParam().name;
	const std::string compiler = GetParam().triple + "-gcc";
	const int stub = name == "arm";

	if (!have(compiler))
		GTEST_SKIP() << compiler << " is not here";
	const outcome stock = count(name, {compiler});
	expect_straight(stock, stub);
	if (const auto found = this_cpu_add_on_stock.find(name);
	    found != this_cpu_add_on_stock.end())
		expect_exactly(stock, {{"rseq_this_cpu_add", found->second}});
	const outcome line = count(name + "-line", {
		compiler, "-isystem", source_dir() / "tests/bench/line"});
	expect_straight(line, stub);
	const auto promised = on_line.find(name);
	ASSERT_NE(promised, on_line.end()) << "nothing is promised for " << name;
	expect_exactly(line, promised->second.instructions);
	EXPECT_EQ(line.number("rseq_this_cpu_add.stores"),
		  promised->second.stores) << line;
}

/* ---- the walk ---- */

static outcome walk(const std::string &name, const std::string &format,
		    const std::string &code)
{
	const fs::path listing = scratch_dir() / "counts" / (name + ".lst");

	fs::create_directories(listing.parent_path());
	std::ofstream(listing) << "p:     file format " << format << "\n\n"
		"0000000000000010 <count_op>:\n" << code <<
		"\n0000000000000080 <other>:\n      80:\tret\n";
	return run({"awk", "-f", source_dir() / "tests/bench/walk.awk",
		    listing});
}

struct listing {
	const char *name, *format, *code;
	int instructions, stores, fences, taken;
};

static std::ostream &operator<<(std::ostream &to, const listing &l)
{
	return to << l.name;
}

class Walk : public testing::TestWithParam<listing> {
};

static const listing listings[] = {
	{"x86_64", "elf64-x86-64",
	 "      10:\tendbr64\n"
	 "      14:\tcmp    %rsi,(%rdi)\n"
	 "      18:\tjne    30 <count_op+0x20>\n"
	 "      1c:\tlock xadd %rax,(%rdi)\n"
	 "      20:\tmov    %rax,%fs:0x88\n"
	 "      24:\tmov    %fs:0x84,%eax\n"
	 "      28:\tjmp    40 <count_op+0x30>\n"
	 "      30:\tcall   80 <other>\n"
	 "      40:\tlea    0x8(%rdi),%rcx        # 1234 <x>\n"
	 "      44:\tmov    %rdx,(%rdi,%r10,1)\n"
	 "      48:\tret\n", 8, 3, 1, 1},
	{"i386", "elf32-i386",
	 "      10:\tcall   100 <__x86.get_pc_thunk.ax>\n"
	 "      15:\tadd    $0x2ff0,%eax\n"
	 "      1a:\tpush   %esi\n"
	 "      1b:\tmov    %gs:0x84,%eax\n"
	 "      21:\tjs     30 <count_op+0x20>\n"
	 "      23:\tadd    %ecx,(%edx)\n"
	 "      25:\tpop    %esi\n"
	 "      26:\tret\n", 9, 3, 0, 0},
	{"aarch64", "elf64-littleaarch64",
	 "      10:\tldr\tx15, [x0]\n"
	 "      14:\tb.ne\t30 <count_op+0x20>  // b.any\n"
	 "      18:\tcbnz\tx3, 30 <count_op+0x20>\n"
	 "      1c:\tb\t24 <count_op+0x14>\n"
	 "      20:\tbrk\t#0x45e0\n"
	 "      24:\tstlr\tx15, [x0]\n"
	 "      28:\tret\n"
	 "      30:\tb\t80 <other>\n", 5, 1, 1, 1},
	{"riscv64", "elf64-littleriscv",
	 "      10:\tlwu\tt5,4(a5)\n"
	 "      14:\tbgeu\tt5,a2,24 <count_op+0x14>\n"
	 "      18:\tsub\tt6,t6,a3\n"
	 "      1c:\tsd\tt6,0(t5) # 3120 <x>\n"
	 "      20:\tret\n"
	 "      24:\tj\t10 <count_op>\n", 4, 1, 0, 0},
	{"arm", "elf32-littlearm",
	 "      10:\tpush\t{r4, lr}\n"
	 "      12:\tbmi.n\t30 <count_op+0x20>\n"
	 "      14:\tstr.w\tr3, [ip, #8]\t@ 0x8\n"
	 "      18:\tb.n\t20 <count_op+0x10>\n"
	 "      1a:\t.short\t0xdef3\n"
	 "      20:\tdmb\tish\n"
	 "      24:\tpop\t{r4, pc}\n", 5, 2, 1, 1},
	{"ppc64le", "elf64-powerpcle",
	 "      10:\tbcl     20,4*cr7+so,14 <count_op+0x4>\n"
	 "      14:\tmflr    r11\n"
	 "      18:\tblt-    30 <count_op+0x20>\n"
	 "      1c:\tlwsync\n"
	 "      20:\tstdu    r1,-32(r1)\n"
	 "      24:\tblr\n", 5, 1, 1, 0},
	{"s390x", "elf64-s390",
	 "      10:\tstmg\t%r14,%r15,112(%r15)\n"
	 "      16:\tjgl\t30 <count_op+0x20>\n"
	 "      1c:\tagsi\t0(%r2),2\n"
	 "      22:\tbcr\t14,%r0\n"
	 "      24:\tbr\t%r14\n", 4, 2, 1, 0},
	{"mips64el", "elf64-tradlittlemips",
	 "      10:\tbltzal\tzero,18 <count_op+0x8>\n"
	 "      14:\tnop\n"
	 "      18:\tb\t24 <count_op+0x14>\n"
	 "      1c:\tsd\tra,8(sp)\n"
	 "      20:\tbreak\n"
	 "      24:\tsync\n"
	 "      28:\tjr\tra\n"
	 "      2c:\tsd\tt2,0(t1)\n", 6, 2, 1, 1},
	{"loongarch64", "elf64-loongarch",
	 "      10:\tbltz        \t$t1, 32\t# 30 <count_op+0x20>\n"
	 "      14:\tb           \t8\t# 1c <count_op+0xc>\n"
	 "      18:\tbreak       \t0x0\n"
	 "      1c:\tdbar        \t0x12\n"
	 "      20:\tst.d        \t$t2, $t1, 0\n"
	 "      24:\tstptr.w     \t$t2, $t1, 0\n"
	 "      28:\tret\n", 5, 2, 1, 1},
};

INSTANTIATE_TEST_SUITE_P(, Walk, testing::ValuesIn(listings),
			 testing::PrintToStringParamName());

TEST_P(Walk, FallsThroughAndFollowsJumps)
{
	const listing &l = GetParam();
	const outcome got = walk(l.name, l.format, l.code);

	EXPECT_EQ(got.number("op.instructions"), l.instructions) << got;
	EXPECT_EQ(got.number("op.stores"), l.stores) << got;
	EXPECT_EQ(got.number("op.fences"), l.fences) << got;
	EXPECT_EQ(got.number("op.taken_branches"), l.taken) << got;
}

TEST(WalkElsewhere, GivesNoFigures)
{
	for (const char *end : {"call   80 <other>", "jmp    80 <other>",
				"jmp    10 <count_op>", "jmp    *%rax", "nop"}) {
		const outcome got = walk("elsewhere", "elf64-x86-64",
			std::string("      10:\tnop\n      14:\t") + end +
			"\n");
		EXPECT_FALSE(got.has("op.instructions")) << got;
		EXPECT_NE(got.err.find("count_op"), std::string::npos) << got;
	}
}
