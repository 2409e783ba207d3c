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
		GTEST_SKIP() << "the kernel gives no concurrency id";
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

/* librseq::transact(), with exceptions and without, and where rseq is off. */
TEST_P(Overloads, CommitWhatABodyReturns)
{
	const strings off = {"GLIBC_TUNABLES=glibc.pthread.rseq=0"};

	if (GetParam().standard == "c++11")
		GTEST_SKIP() << "<rseq/transact.hpp> is C++20";
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

/* For a cpu and for a concurrency id; what stacks are made of has none. */
TEST(EveryOverload, IsThereForEveryOperation)
{
	outcome got = run(strings{cxx(), "-std=c++11", "-E", "-P", "-include",
				  "rseq/percpu.h", "-include", "rseq/stack.h",
				  "-xc++", "/dev/null"} + rseq_include_flags());
	const std::regex function("enum rseq_result\\s+(rseq_\\w+)\\s*\\("),
		made_of("rseq_(\\w+?)_(this_)?(cpu|cid)_");
	const std::set<std::string> pieces = {"put", "put_release", "take",
					      "copy", "copy_release"};
	std::multiset<std::string> functions, overloads;

	ASSERT_TRUE(got.ok()) << got;
	for (std::sregex_iterator i(got.out.begin(), got.out.end(), function),
	     end; i != end; ++i) {
		const std::string name = (*i)[1];
		std::smatch m;

		if (!name.ends_with("_"))
			overloads.insert(name);
		else if (std::regex_match(name, m, made_of) &&
			 !pieces.contains(m[1]))
			functions.insert(m[2].matched ? "rseq_this_" +
					 m.str(3) + "_" + m.str(1) :
					 "rseq_" + m.str(1));
	}
	/* A function of each width is one overload. */
	for (const char *op : {"add", "and", "or", "fetch_add", "exchange",
			       "exchange_release", "compare_store",
			       "compare_store_release", "this_cpu_add",
			       "this_cid_add", "this_cpu_fetch_add",
			       "this_cid_fetch_add"}) {
		const std::string name = std::string("rseq_") + op;
		const size_t n = functions.erase(name);

		for (size_t i = 0; i < n / 2; ++i)
			functions.insert(name);
	}
	EXPECT_GT(functions.size(), 30u);
	EXPECT_EQ(functions, overloads);
}

/* ---- what does not compile ---- */

struct mistake {
	std::string name, statement, message;
};

static const char declarations[] =
	"#include <rseq/rseq.h>\n"
	"#include <rseq/stack.h>\n"
	"struct node { struct node *next; };\n"
	"struct other { struct other *next; };\n"
	"short s; double d; uint32_t u32; uint64_t u64; intptr_t word;\n"
	"float f32; rseq_cpu_t cpu; rseq_cid_t cid;\n"
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
		const bool c = !GetParam().standard.starts_with("c++");
		return run(compiler() + strings{"-x", c ? "c" : "c++", "-c",
						"-o", "/dev/null", file});
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

/* The type of the word chooses the width, that of the id whose data it is. */
TEST_P(Compiled, OperationsRefuseWhatIsNoWord)
{
	const std::string right[] = {
		"rseq_add(&word, 1, cpu)", "rseq_add(&u32, 1, cid)",
		"rseq_add(&u64, 1, cpu)", "rseq_this_cpu_add(&u32, 1)",
		"rseq_list_push(&head, &node, &node.next, cpu)",
		"rseq_list_pop(&head, &head, 0, cid)",
		"rseq_list_pop_all(&head, &head, cid)",
		"rseq_exchange(&head, &node, &head, cpu)",
		"rseq_compare_store(&pointer, 0, 0, cpu)",
	};

	for (const std::string &statement : right) {
		outcome got = check("right", statement, "");
		EXPECT_TRUE(got.ok()) << got;
	}
	expect_mistakes({
		{"s", "rseq_add(&s, 1, cpu)", "rror"},
		{"d", "rseq_add(&d, 1, cpu)", "rror"},
		{"const", "rseq_add(&constant, 1, cpu)", "rror"},
		{"exchange_const", "rseq_exchange(&constant, 1, &u32, cpu)",
		 "rror"},
		{"int_id", "rseq_add(&word, 1, 0)", "rror"},
		{"id", "rseq_add(&word, 1, cpu.n)", "rror"},
		{"arithmetic", "rseq_add(&pointer, 1, cpu)", "rror"},
		{"arithmetic_too", "rseq_this_cpu_add(&pointer, 1)", "rror"},
		{"integer", "rseq_add(word, 1, cpu)", "rror"},
		{"old", "rseq_exchange(&head, &node, &word, cpu)", "rror"},
		{"node", "rseq_exchange(&head, &other, &head, cpu)", "rror"},
		{"expect", "rseq_compare_store(&head, &other, &node, cpu)",
		 "rror"},
		{"list", "rseq_list_push(&head, &other, &other.next, cpu)",
		 "rror"},
		{"next", "rseq_list_push(&head, &node, &other.next, cpu)",
		 "rror"},
		{"popped", "rseq_list_pop(&head, &pointer, 0, cpu)", "rror"},
		{"popped_all", "rseq_list_pop_all(&head, &pointer, cpu)",
		 "rror"},
		{"percpu_list",
		 "rseq_this_cpu_list_push(&head, &other, &other.next)", "rror"},
		{"slots", "rseq_stack_push(slots, &count, 4, 1, cpu)", "rror"},
		{"count", "rseq_stack_push(&word, &u32, 4, 1, cpu)", "rror"},
		{"undisturbed", "rseq_store_undisturbed(1, &u32, 1)", "rror"},
	}, "");
}

/* Modes are functions of their own: there is no argument to get wrong. */
TEST_P(Compiled, OperationsAreOnlyThoseOfTheRightModes)
{
	expect_mistakes({
		{"order", "rseq_add_release(&word, 1, cpu)", "rror"},
		{"by", "rseq_this_node_add(&word, 1)", "rror"},
		{"too_many", "rseq_add(&word, 1, cpu, 0)", "rror"},
		{"too_few", "rseq_add(&word, 1)", "rror"},
	}, "");
}

/* A result that nobody looks at is a loop that was forgotten. */
TEST_P(Compiled, OperationsWarnOfAResultThatIsIgnored)
{
	for (const char *call : {
		     "rseq_add(&word, 1, cpu)", "rseq_and(&u32, 1, cid)",
		     "rseq_exchange(&u64, 1, &u64, cpu)",
		     "rseq_fetch_add(&word, 1, &word, cpu)",
		     "rseq_compare_store(&word, 1, 2, cpu)",
		     "rseq_list_push(&head, &node, &node.next, cpu)",
		     "rseq_list_pop(&head, &head, 0, cpu)",
		     "rseq_list_pop_all(&head, &head, cpu)",
		     "rseq_stack_push(&word, &count, 1, 1, cpu)",
		     "rseq_stack_pop(&word, &count, &word, cpu)",
		     "rseq_stack_push_n(&word, &count, 1, &word, 1, cpu)",
		     "rseq_stack_pop_n(&word, &count, &word, 1, cpu)",
		     "rseq_this_cpu_add(&word, 1)",
		     "rseq_this_cid_list_pop(&head, &head, 0)",
		     "rseq_store_undisturbed(1, &word, 2)",
		     "rseq_percpu_alloc(1, 1)"})
		expect_mistakes({{"ignored", std::string("0; ") + call,
				  "unused"}}, "");
}

/* With one thing replaced by another in a section that is right. */
TEST_P(Compiled, SectionsRefuseWhatTheyCannotMean)
{
	const std::string right =
		"RSEQ_SECTION(set, this_cpu, (intptr_t *v, intptr_t n),\n"
		"	RSEQ_COMMIT(RSEQ_STORE(64, n, RSEQ_AT(v))),\n"
		"	RSEQ_PLACE(v), RSEQ_IN(64, n))\n";
	const struct {
		const char *name, *part, *other;
	} mistakes[] = {
		{"width", "64, n, ", "16, n, "},
		{"where", "this_cpu", "node"},
		{"where_else", "this_cpu", "cpu_id"},
		{"parameter", "n\\)", "m)"},
		{"operand", "RSEQ_PLACE\\(v\\),", ""},
		{"place", "AT\\(v\\)", "AT(w)"},
		{"label", "RSEQ_COMMIT",
		 "RSEQ_IF_EQ(64, RSEQ_AT(v), n, different) RSEQ_COMMIT"},
		{"no_word", "\\*v,", "*w,"},
	};

	outcome got = check("right_section", "set(&word, 1)", right);
	EXPECT_TRUE(got.ok()) << got;
	for (const auto &m : mistakes)
		expect_mistakes({{m.name, "set(&word, 1)", "rror"}},
				std::regex_replace(right, std::regex(m.part),
						   m.other));
}

/* C++ says in the library's words what is wrong. */
TEST_P(CompiledCpp, OverloadsNameTheMistake)
{
	const bool concepts = GetParam().standard == "c++20";
	const char *const word = concepts ? "rseq_word" :
		"a word is a pointer or an integer of 4 or 8 bytes";
	const char *const integer = concepts ? "rseq_integer" :
		"arithmetic is for integers of 4 or 8 bytes";

	expect_mistakes({
		{"short", "rseq_exchange(&s, 1, &s, cpu)", word},
		{"double", "rseq_exchange(&d, 1, &d, cpu)", word},
		{"float", "rseq_compare_store(&f32, 1, 2, cpu)", word},
		{"constant", "rseq_exchange(&constant, 1, &u32, cpu)", "rror"},
		{"pointer", "rseq_add(&pointer, &pointer[1], cpu)", integer},
		{"slots", "rseq_stack_push(slots, &count, 4, 1, cpu)",
		 "only for words of a pointer's size"},
		{"undisturbed", "rseq_store_undisturbed(1, &u32, 1)",
		 "only for words of a pointer's size"},
		{"list", "rseq_list_push(&head, &other, &other.next, cpu)",
		 "no matching function"},
		{"node", "rseq_compare_store(&head, nullptr, &other, cpu)",
		 "other"},
	}, "");
}

/* What a body returns is checked like an operation's operands. */
TEST_P(CompiledCpp, TransactionsRefuseStoresOfTheWrongType)
{
	const char include[] = "#include <rseq/rseq.hpp>\n"
		"rseq_guard *guard;\n"
		"struct too_large { char c[RSEQ_BLOCK_MAX + 1]; } large;\n"
		"struct destroyed { ~destroyed(); } owner;\n";
	const auto body = [](const std::string &what) {
		return "(int)librseq::transact(guard, [](int) { return " +
			what + "; }).error()";
	};

	if (GetParam().standard == "c++11")
		GTEST_SKIP() << "<rseq/transact.hpp> is C++20";
	for (const char *right : {
		     "librseq::store(&head, &node)",
		     "librseq::store(&head, &node).then(&u32, 1)",
		     "librseq::copy(slots, &u64, 8).then(&count, 1)",
		     "librseq::copy(&u64, 3).then(&count, 1)"}) {
		outcome got = check("right_store", body(right), include);
		EXPECT_TRUE(got.ok()) << got;
	}
	expect_mistakes({
		{"store_short", body("librseq::store(&s, 1)"), "rror"},
		{"store_other", body("librseq::store(&head, &other)"),
		 "other"},
		{"copy_large", body("librseq::copy(&large, large).then(&count, 1)"),
		 "RSEQ_BLOCK_MAX"},
		{"copy_destroyed",
		 body("librseq::copy(&owner, owner).then(&count, 1)"),
		 "__is_trivially_copyable"},
		{"then_other",
		 body("librseq::store(&word, 1).then(&head, &other)"),
		 "other"},
		{"then_then", body("librseq::store(&word, 1).then(&u32, 1)"
				   ".then(&u32, 1)"), "then"},
		{"nothing", body("librseq::nothing"), "rror"},
	}, include);
}
