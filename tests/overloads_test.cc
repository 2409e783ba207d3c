/* SPDX-License-Identifier: MIT */
/* What C++ makes of the operations, and what neither language accepts. */
#include <fstream>
#include <regex>
#include <set>

#include "harness.hh"

using namespace harness;

struct dialect {
	std::string name, compiler, standard;
};

static std::ostream &operator<<(std::ostream &to, const dialect &d)
{
	return to << d.name;
}

class Overloads : public testing::TestWithParam<dialect> {
protected:
	void SetUp() override
	{
		if (!have(GetParam().compiler))
			GTEST_SKIP() << GetParam().compiler << " is not here";
	}
	strings compiler() const
	{
		return strings{GetParam().compiler, "-std=" +
			GetParam().standard, "-Wall", "-Wextra", "-Wpedantic",
			"-Werror"} + rseq_include_flags();
	}
	fs::path output(const std::string &name) const
	{
		return scratch_dir() / "overloads" / GetParam().name / name;
	}
};

static std::string dialect_name(const testing::TestParamInfo<dialect> &info)
{
	return info.param.name;
}

static std::vector<dialect> dialects()
{
	std::vector<dialect> all;

	for (const char *standard : {"11", "20"}) {
		const std::string s = standard;
		all.push_back({"gcc_" + s, cxx(), "c++" + s});
		all.push_back({"clang_" + s, clang_or_none(), "c++" + s});
	}
	return all;
}

INSTANTIATE_TEST_SUITE_P(, Overloads, testing::ValuesIn(dialects()),
			 dialect_name);

TEST_P(Overloads, DoWhatTheirNamesSayOnEachType)
{
	if (kernel_feature_size() < 28)
		GTEST_SKIP() << "the kernel gives no mm_cid";
	for (const char *o : {"-O0", "-O2"}) {
		const fs::path out = output(std::string("overloads") + o);
		outcome built = compile(compiler() + strings{
			o, "-x", "c++", probes_dir() / "overloads.cc", "-x",
			"none", librseq(libcs().front(), {"-fPIC"})}, out);
		ASSERT_TRUE(built.ok()) << built;
		outcome got = run({out});
		ASSERT_TRUE(got.ok()) << got;
		EXPECT_EQ(got.number("wrong"), 0) << got;
		EXPECT_GT(got.number("checks"), 300) << got;
	}
}

/* rseq::transact(), with exceptions and without, and where rseq is off. */
TEST_P(Overloads, CommitWhatABodyReturns)
{
	const strings off = {"GLIBC_TUNABLES=glibc.pthread.rseq=0"};

	for (const strings &flags : {strings{"-O0"}, strings{"-O2"},
				     strings{"-O2", "-fno-exceptions"}}) {
		const fs::path out = output("transact" + flags.back());
		outcome built = compile(compiler() + flags + strings{
			"-x", "c++", probes_dir() / "transact.cc", "-x",
			"none", librseq(libcs().front(), {"-fPIC"}),
			"-lstdc++"}, out);
		ASSERT_TRUE(built.ok()) << built;
		for (const outcome &got : {run({out}), run({out}, {off})}) {
			ASSERT_TRUE(got.ok()) << got;
			EXPECT_EQ(got.number("wrong"), 0) << got;
			EXPECT_GT(got.number("checks"), 200) << got;
			EXPECT_EQ(got.has("threw"), flags.size() == 1) << got;
		}
	}
}

TEST(EveryOverload, IsThereForEveryOperation)
{
	outcome got = run(strings{cxx(), "-E", "-P", "-include",
				  "rseq/ops.hpp", "-xc++", "/dev/null"} +
			  rseq_include_flags());
	ASSERT_TRUE(got.ok()) << got;
	/* The functions, without those for a width. */
	std::set<std::string> operations;
	for (const std::string &name : all_matches(got.out,
			"enum rseq_result rseq_(\\w+)\\((?!void)"))
		if (!name.ends_with("_u32") && !name.ends_with("_u64"))
			operations.insert(name);
	EXPECT_GT(operations.size(), 50u);
	EXPECT_EQ(operations, all_matches(got.out, "template <class T> inline "
		"[^(]*\\(\\(__always_inline__\\)\\) rseq_result (\\w+)\\("));
}

/* ---- what does not compile ---- */

struct mistake {
	std::string name, statement, message;
};

static const char declarations[] =
	"#include <rseq/rseq.h>\n"
	"struct node { struct node *next; };\n"
	"struct other { struct other *next; };\n"
	"short s; double d; uint32_t u32; uint64_t u64; intptr_t word;\n"
	"extern const uint32_t constant; int *pointer; uint32_t slots[4];\n"
	"struct node *head, node; struct other other; intptr_t count;\n";

class Compiled : public Overloads {
protected:
	/* Of a function that consists of this; the compiler's outcome. */
	outcome check(const std::string &name, const std::string &statement,
		      const std::string &include) const
	{
		const fs::path file = output(name + ".x");

		fs::create_directories(file.parent_path());
		std::ofstream(file) << declarations << include
			<< "int f(void);\nint f(void)\n{\n\treturn "
			<< statement << ";\n}\n";
		const bool c = GetParam().standard == "c11";
		return run(compiler() + strings{"-x", c ? "c" : "c++",
						"-fsyntax-only", file});
	}
	void expect_mistakes(const std::vector<mistake> &all,
			     const std::string &include) const
	{
		for (const mistake &m : all) {
			outcome got = check(m.name, m.statement, include);
			EXPECT_NE(got.code, 0) << m.statement << got;
			EXPECT_NE(got.err.find(m.message), std::string::npos)
				<< m.statement << got;
		}
	}
};

class CompiledCpp : public Compiled {
};

static std::vector<dialect> with_c()
{
	std::vector<dialect> all = dialects();

	all.push_back({"gcc_c11", cc(), "c11"});
	all.push_back({"clang_c11", clang_or_none(), "c11"});
	return all;
}

INSTANTIATE_TEST_SUITE_P(, Compiled, testing::ValuesIn(with_c()),
			 dialect_name);
INSTANTIATE_TEST_SUITE_P(, CompiledCpp, testing::ValuesIn(dialects()),
			 dialect_name);

/* In C by the type of the pointer. */
TEST_P(Compiled, FunctionsRefuseAWordOfTheWrongWidth)
{
	const std::string right[] = {
		"rseq_load_add_store(&word, 1, 0)",
		"rseq_load_add_store_u32(&u32, 1, 0)",
		"rseq_load_add_store_u64(&u64, 1, 0)",
	};

	for (const std::string &statement : right) {
		outcome got = check("right", statement, "");
		EXPECT_TRUE(got.ok()) << got;
	}
	expect_mistakes({
		{"u32", "rseq_load_add_store(&u32, 1, 0)", "rror"},
		{"s", "rseq_load_add_store(&s, 1, 0)", "rror"},
		{"sign", "rseq_load_add_store(&u64, 1, 0)", "rror"},
		{"word", "rseq_load_add_store_u32(&word, 1, 0)", "rror"},
		{"u64", "rseq_load_add_store_u64(&u32, 1, 0)", "rror"},
		{"const", "rseq_load_add_store_u32(&constant, 1, 0)", "rror"},
		{"index", "rseq_index_push(&u32, 4, 1, &word, 1)", "rror"},
	}, "");
}

/* Modes are functions of their own: there is no argument to get wrong. */
TEST_P(Compiled, FunctionsAreOnlyThoseOfTheRightModes)
{
	expect_mistakes({
		{"order", "rseq_load_add_store_release(&word, 1, 0)", "rror"},
		{"by", "rseq_load_add_store_node_id(&word, 1, 0)", "rror"},
		{"u16", "rseq_load_add_store_u16(&word, 1, 0)", "rror"},
		{"mode", "rseq_load_add_store(&word, 1, 0, 0)", "rror"},
	}, "");
}

/* With one thing replaced by another in a section that is right. */
TEST_P(Compiled, SectionsRefuseWhatTheyCannotMean)
{
	const std::string right =
		"static inline int set(intptr_t *v, intptr_t n, int id)\n"
		"{\n"
		"	RSEQ_CRITICAL(cpu_id,\n"
		"		RSEQ_IF_INDEX(cpu_id, id, abort)\n"
		"		RSEQ_COMMIT(RSEQ_STORE(64, n, RSEQ_V(v))),\n"
		"		RSEQ_WITH(RSEQ_ID, RSEQ_PLACE(v),\n"
		"			  RSEQ_IN(64, n)),\n"
		"		abort);\n"
		"	return 0;\n"
		"abort:	return 1;\n"
		"}\n";
	const struct {
		const char *name, *part, *other;
	} mistakes[] = {
		{"width", "64, n, ", "16, n, "},
		{"field", "cpu_id", "node_id"},
		{"field_start", "cpu_id", "cpu_id_start"},
		{"field_of_another", "INDEX\\(cpu_id", "INDEX(mm_cid"},
		{"operand", "RSEQ_PLACE\\(v\\),", ""},
		{"place", "V\\(v\\)", "V(w)"},
		{"label", "\tabort\\)", "\tother)"},
		{"exit", "id, abort", "id, other"},
	};

	outcome got = check("right_section", "set(&word, 1, 0)", right);
	EXPECT_TRUE(got.ok()) << got;
	for (const auto &m : mistakes)
		expect_mistakes({{m.name, "set(&word, 1, 0)", "rror"}},
				std::regex_replace(right, std::regex(m.part),
						   m.other));
}

TEST_P(CompiledCpp, OverloadsRefuseWhatIsNoWordOrTooWide)
{
	const char include[] = "#include <rseq/rseq.hpp>\n";

	outcome right = check("right_overload",
			      "rseq::load_add_store(&u32, 1, 0)", include);
	EXPECT_TRUE(right.ok()) << right;
	expect_mistakes({
		{"short", "rseq::load_add_store(&s, 1, 0)",
		 "the word is no integer and no pointer"},
		{"double", "rseq::exchange(&d, 1, &d, 0)",
		 "the word is no integer and no pointer"},
		{"constant", "rseq::load_add_store(&constant, 1, 0)",
		 "the word is no integer and no pointer"},
		{"wide", "rseq::load_add_store(&u32, u64, 0)",
		 "the value is wider than the word"},
		{"wide_expect", "rseq::load_cbne_store(&u32, u64, 1, 0)",
		 "the value is wider than the word"},
		{"fraction", "rseq::load_add_store(&u64, 1.5, 0)",
		 "the value is no integer"},
		{"pointer", "rseq::load_add_store(&pointer, &pointer[1], 0)",
		 "arithmetic on no integer"},
		{"memcpy", "rseq::load_cbne_memcpy_store(&u32, 0, &u64, &d, 8,"
		 " 1, 0)", "only for words of a pointer's size"},
		{"slots", "rseq::array_push(slots, &count, 4, 1, 0)",
		 "only for words of a pointer's size"},
		{"two", "rseq::load_cbne_store_store(&u32, 0, &u64, 1, 2, 0)",
		 "no matching function"},
		{"list", "rseq::index_push(&head, 8, 1, &other.next, &other)",
		 "no matching function"},
		{"node", "rseq::load_cbne_store(&head, nullptr, &other, 0)",
		 "other"},
	}, include);
}

/* What a body returns is checked like an operation's operands. */
TEST_P(CompiledCpp, TransactionsRefuseStoresOfTheWrongType)
{
	const char include[] = "#include <rseq/rseq.hpp>\n"
		"rseq_guard guard; rseq_guards guards = {&guard, 8, 1};\n";
	const auto body = [](const std::string &what) {
		return "(int)rseq::transact(guards, [](int) { return " + what +
			"; }).error()";
	};

	outcome right = check("right_store", body("rseq::store(&head, &node)"),
			      include);
	EXPECT_TRUE(right.ok()) << right;
	expect_mistakes({
		{"store_short", body("rseq::store(&s, 1)"),
		 "the word is no integer and no pointer"},
		{"store_wide", body("rseq::store(&u32, u64)"),
		 "the value is wider than the word"},
		{"store_other", body("rseq::store(&head, &other)"), "other"},
		{"then_other", body("rseq::store(&head, &node).then(&u64, 1)"),
		 "rror"},
		{"nothing", body("rseq::nothing"), "given_type"},
	}, include);
}
