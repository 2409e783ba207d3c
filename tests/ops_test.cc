/* SPDX-License-Identifier: MIT */
/*
 * Every operation does what its model does, whatever its operands are and
 * whatever compiles it: tests/probes/ops.c says how it is called.
 */
#include "matrix.hh"

#include <regex>

using namespace harness;

static program ops()
{
	return {"ops", {"-DFAKE_AREA"}, {}};
}

/* Where registers meet: each pair of operands the same variable. */
static std::vector<config> aliased()
{
	std::vector<config> all;

	for (const std::string &o : optimizations) {
		const strings flags = {o, "-DALIASED"};
		add(all, {cc()}, "c11", flags, "gcc_aliased_");
		add(all, {clang_or_none()}, "c11", flags, "clang_aliased_");
	}
	return all;
}

/* The other syntax of x86's assembler, and code that may touch no vector. */
static std::vector<config> guests()
{
	std::vector<config> all;

#ifdef __x86_64__
	for (const char *flag : {"-masm=intel", "-mgeneral-regs-only"})
		for (const char *o : {"-O0", "-O2"}) {
			const strings flags = {o, flag, "-DALIASED"};
			const std::string name = identifier(flag) + "_";
			add(all, {cc()}, "c11", flags, "gcc" + name);
			add(all, {clang_or_none()}, "c11", flags,
			    "clang" + name);
		}
#endif
	return all;
}

static std::vector<config> foreign()
{
	std::vector<config> all;

	for (const isa &i : isas())
		for (const char *o : {"-O0", "-O2"}) {
			strings flags = {o, "-DALIASED", "-static"};
			/* gcc's is Thumb, and has no sections at -O0 */
			if (i.name == "arm" && flags[0] == "-O0")
				flags.push_back("-marm");
			add(all, {i.gcc()}, "c11", flags, i.name + "_gcc_",
			    {i.qemu()});
			add(all, {i.clang(), i.clang_flag()}, "c11",
			    flags, i.name + "_clang_", {i.qemu()});
			if (!have(i.gcc()))
				all.back().missing = "no libc for " + i.name;
		}
	return all;
}

/* The four results of each kind, and memory, as the model has them. */
static void expect_as_modelled(const outcome &ran)
{
	ASSERT_TRUE(ran.ok()) << ran;
	EXPECT_EQ(ran.number("wrong"), 0) << ran;
	EXPECT_GT(ran.number("operations"), 90) << ran;
	for (const char *some : {"restarted", "committed", "different",
				 "unavailable"})
		EXPECT_GT(ran.number(some), 500) << ran;
}

using Semantics = Configurations<ops, native>;
using AliasedOperands = Configurations<ops, aliased>;
using Guests = Configurations<ops, guests>;
using OtherArchitectures = Configurations<ops, foreign>;

INSTANTIATE_TEST_SUITE_P(, Semantics, Semantics::numbers(), Semantics::name);
INSTANTIATE_TEST_SUITE_P(, AliasedOperands, AliasedOperands::numbers(),
			 AliasedOperands::name);
INSTANTIATE_TEST_SUITE_P(, Guests, Guests::numbers(), Guests::name);
INSTANTIATE_TEST_SUITE_P(, OtherArchitectures, OtherArchitectures::numbers(),
			 OtherArchitectures::name);

TEST_P(Semantics, EveryOperationDoesWhatItsModelDoes)
{
	expect_as_modelled(ran());
}

TEST_P(AliasedOperands, AreNeitherModifiedNorMixedUp)
{
	expect_as_modelled(ran());
	EXPECT_GT(ran().number("aliased"), 5000) << ran();
}

TEST_P(Guests, AssembleEveryOperationAndItIsRight)
{
	expect_as_modelled(ran());
}

/* Operands that are fields of structures among them. */
TEST_P(OtherArchitectures, AssembleEveryOperationAndItIsRight)
{
	expect_as_modelled(ran());
	EXPECT_GT(ran().number("aliased"), 5000) << ran();
}

/* ---- on a registered thread, of each libc ---- */

class Registered : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Registered,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

TEST_P(Registered, EveryOperationDoesWhatItsModelDoes)
{
	expect_as_modelled(run({build_rseq("ops", {"-DALIASED"})}));
}

/* mm_cid reads 0 on such a thread, like another thread's: it is no index. */
TEST_P(Registered, NoOperationRunsOnAnUnregisteredThread)
{
	const fs::path probe = build_rseq("ops", {"-DALIASED"});
	outcome ran = run({probe}, {{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
				     "TLABI_RSEQ=0"}});

	ASSERT_TRUE(ran.ok()) << ran;
	EXPECT_EQ(ran.number("wrong"), 0) << ran;
	EXPECT_EQ(ran.number("committed"), 0) << ran;
	EXPECT_EQ(ran.number("restarted"), 0) << ran;
	EXPECT_GT(ran.number("unavailable"), 10000) << ran;
}

/* As in the program: do r = ...; while (r == RSEQ_RESTARTED). */
TEST_P(Registered, ObviousLoopsEndWhereRseqIsMissing)
{
	const fs::path probe = build_rseq("aborts");

	for (const char *kind : {"add", "compare_cid", "list", "this_cpu_add",
				 "this_cid_list", "stack"}) {
		outcome ran = run({probe, kind, "1", "1"},
				  {{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
				    "TLABI_RSEQ=0"}});
		EXPECT_FALSE(ran.timed_out) << ran;
		EXPECT_EQ(ran.code, 3) << "not told that it cannot" << ran;
	}
}

/* ---- the list of them is complete ---- */

/* The function that does what a row { "rseq_add", "uint32_t", "cpu" says. */
static std::string function_of(std::string op, const std::string &type,
			       const std::string &where)
{
	const std::string percpu = "rseq_" + where + "_";

	if (op.ends_with("_"))
		return op;
	if (op.starts_with(percpu))
		op = "rseq_" + op.substr(percpu.size());
	if (type == "pointer")
		return op + "_" + where + "_";
	return op + "_" + where + (type == "uint32_t" ? "_32_" : "_64_");
}

TEST(EveryOp, ListsEveryOperationThatTheHeadersHave)
{
	const strings preprocess = strings{cc(), "-E", "-P"} +
		rseq_include_flags();
	outcome headers = run(preprocess + strings{
		"-include", "rseq/percpu.h", "-include", "rseq/stack.h", "-xc",
		"/dev/null"});
	outcome list = run(preprocess + strings{
		"-DFAKE_AREA", probes_dir() / "ops.c"});
	const std::regex row("\\{ \"(rseq_\\w+)\", \"(\\w+)\", \"(\\w+)\"");
	std::set<std::string> listed;

	ASSERT_TRUE(headers.ok()) << headers;
	ASSERT_TRUE(list.ok()) << list;
	for (std::sregex_iterator m(list.out.begin(), list.out.end(), row), end;
	     m != end; ++m)
		listed.insert(function_of(m->str(1), m->str(2), m->str(3)));
	EXPECT_EQ(all_matches(headers.out,
			      "enum rseq_result (rseq_\\w+)\\s*\\((?!void)"),
		  listed);
}
