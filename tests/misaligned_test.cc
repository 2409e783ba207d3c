/* SPDX-License-Identifier: MIT */
/*
 * An operation on a word that is known not to be aligned does not compile, and
 * what is aligned, or not known to be otherwise, does.
 */
#include <fstream>
#include <regex>

#include "harness.hh"

using namespace harness;

struct language {
	std::string name;
	strings compiler;
};

static std::ostream &operator<<(std::ostream &to, const language &l)
{
	return to << l.name;
}

static const char *const every_level[] = {"-O0", "-O1", "-O2", "-O3", "-Os",
					  "-Og"};

class Misaligned : public testing::TestWithParam<language> {
protected:
	void SetUp() override
	{
		if (!have(GetParam().compiler[0]))
			GTEST_SKIP() << GetParam().compiler[0] << " is not here";
	}
	bool is_clang() const { return GetParam().name.starts_with("clang"); }
	strings command(const std::string &level, const strings &more) const
	{
		return GetParam().compiler + rseq_include_flags() +
			strings{level, "-c", "-o", "/dev/null"} + more;
	}
	/* The outcome for a function of each of these values. */
	outcome check(const std::string &level, const strings &values,
		      const std::string &declarations = "") const;
	void expect_all_refused(const std::string &level, const strings &values,
				const std::string &declarations = "") const;
	void expect_all_right(const std::string &level, const strings &values,
			      const std::string &declarations = "") const;
};

class MisalignedCpp : public Misaligned {
};

static std::string name_of(const testing::TestParamInfo<language> &info)
{
	return info.param.name;
}

static std::vector<language> cpp_languages()
{
	const strings flags = {"-x", "c++", "-std=c++11"};

	return {{"gcc_cpp", strings{cxx()} + flags},
		{"clang_cpp", strings{clang_or_none(), "-ferror-limit=0"} +
		 flags}};
}

static std::vector<language> languages()
{
	const strings flags = {"-x", "c", "-std=c11"};
	std::vector<language> all = cpp_languages();

	all.push_back({"gcc_c", strings{cc()} + flags});
	all.push_back({"clang_c", strings{clang_or_none(), "-ferror-limit=0"} +
		       flags});
	for (const isa &i : isas())
		/* There, 8 bytes have no section. */
		if (i.name != "arm" && i.name != "i386")
			all.push_back({i.name, strings{i.gcc()} + flags});
	return all;
}

INSTANTIATE_TEST_SUITE_P(, Misaligned, testing::ValuesIn(languages()), name_of);
INSTANTIATE_TEST_SUITE_P(, MisalignedCpp, testing::ValuesIn(cpp_languages()),
			 name_of);

/* The errors in order: r for the one to expect, m for the one to see. */
static std::string errors_of(const std::string &messages)
{
	static const std::regex error(
		"error: .*(to be refused|no multiple of the word's size)");
	std::string order;

	for (std::sregex_iterator i(messages.begin(), messages.end(), error),
	     end; i != end; ++i)
		order += (*i)[1] == "to be refused" ? 'r' : 'm';
	return order;
}

TEST_P(Misaligned, IsRefusedForEachPlaceOfEachOperation)
{
	std::vector<strings> commands;
	size_t operations = 0;

	for (const char *level : {"-O1", "-O2", "-Os"})
		for (const char *n : {"0", "1", "2", "3"})
			commands.push_back(command(level, {
				"-DWRONG=" + std::string(n),
				probes_dir() / "misaligned.c"}));
	for (const outcome &got : run_all(commands)) {
		const std::string errors = errors_of(got.err);

		EXPECT_NE(got.code, 0) << got;
		EXPECT_TRUE(std::regex_match(errors, std::regex("(rm+)+")))
			<< errors << got;
		operations += std::count(errors.begin(), errors.end(), 'r');
	}
	EXPECT_GT(operations, 450u);
}

TEST_P(Misaligned, IsNothingThatIsNotKnown)
{
	std::vector<strings> commands;

	for (const char *level : every_level)
		commands.push_back(command(level, {
			"-Wall", "-Wextra",
			"-Wpedantic", "-Werror", "-Wno-unused-function",
			probes_dir() / "misaligned.c"}));
	for (const outcome &got : run_all(commands))
		EXPECT_TRUE(got.ok() && got.err.empty()) << got;
}

/* ---- what compilers know ---- */

static const char objects[] =
	"static struct __attribute__((__packed__)) {\n"
	"	char tag;\n"
	"	uint32_t word;\n"
	"	intptr_t odd;\n"
	"} packed __attribute__((__aligned__(64)));\n"
	"static char bytes[64] __attribute__((__aligned__(64)));\n"
	"static intptr_t words[8];\n"
	"static const rseq_cpu_t cpu = { 0 };\n";

outcome Misaligned::check(const std::string &level, const strings &values,
			  const std::string &declarations) const
{
	const fs::path file = scratch_dir() / "misaligned" / GetParam().name;
	int n = 0;

	fs::create_directories(file.parent_path());
	std::ofstream out(file);
	out << "#include <rseq/rseq.h>\n" << objects << declarations;
	for (const std::string &value : values) {
		const std::string f = "f" + std::to_string(n++) +
			"(char *p, size_t n)";
		out << "int " << f << ";\nint " << f << "\n{\n"
		    << "	(void)p, (void)n, (void)packed, (void)bytes;\n"
		    << "	(void)words, (void)cpu;\n	return " << value << ";\n}\n";
	}
	out.close();
	return run(command(level, {file}));
}

void Misaligned::expect_all_refused(const std::string &level,
				    const strings &values,
				    const std::string &declarations) const
{
	for (const std::string &value : values) {
		outcome got = check(level, {value}, declarations);
		EXPECT_NE(got.code, 0) << value << got;
		EXPECT_TRUE(errors_of(got.err).starts_with("m"))
			<< value << got;
	}
}

void Misaligned::expect_all_right(const std::string &level,
				  const strings &values,
				  const std::string &declarations) const
{
	outcome got = check(level, values, declarations);

	EXPECT_TRUE(got.ok()) << got;
}

/* gcc also knows where an object of this file is; clang 14 does not ask. */
TEST_P(Misaligned, IsWhatTheOptimizerKnows)
{
	const std::string add = "rseq_add((intptr_t *)",
			  add_u32 = "rseq_add((uint32_t *)";
	strings wrong = {
		add + "0x1004, 1, cpu)",
		add_u32 + "0x1002, 1, cpu)",
		add + "(((uintptr_t)p & ~(uintptr_t)7) + 1), 1, cpu)",
		"rseq_this_cpu_add((intptr_t *)0x1004, 1)",
		"rseq_this_cid_add((uint32_t *)0x1002, 1)",
	};
	if (!is_clang())
		wrong = wrong + strings{
			add + "&bytes[1], 1, cpu)",
			add + "&packed.odd, 1, cpu)",
			add_u32 + "&packed.word, 1, cpu)",
			add + "((char *)&words[n] + 4), 1, cpu)",
		};
	const strings right = {
		add + "0x1008, 1, cpu)",
		add_u32 + "0x1004, 1, cpu)",
		add + "&bytes[8], 1, cpu)",
		add + "&bytes[n], 1, cpu)",
		add + "(p + 1), 1, cpu)",
		add + "&words[n], 1, cpu)",
		"rseq_this_cpu_add(words, 1)",
		"rseq_this_cid_add((uint32_t *)0x1004, 1)",
	};

	expect_all_refused("-O1", wrong);
	expect_all_refused("-O2", wrong);
	for (const char *level : every_level)
		expect_all_right(level, right);
	/* Nothing is known then. */
	expect_all_right("-O0", wrong);
}

TEST_P(MisalignedCpp, IsRefusedByOverloads)
{
	expect_all_refused("-O1", {
		"rseq_add((long *)0x1001, 1, cpu)",
		"rseq_compare_store((char **)0x1004, p, p, cpu)",
		"rseq_exchange((unsigned *)p, 1u, (unsigned *)0x1001, cpu)",
		"rseq_this_cpu_add((int *)0x1002, 1)",
		"rseq_stack_pop((long *)0x1001, words, words, cpu)",
		"rseq_stack_pop_n(words, words, (long *)0x1001, n, cpu)"});
	expect_all_right("-O1", {
		"rseq_add((long *)0x1008, 1, cpu)",
		"rseq_add((int *)0x1004, 1, cpu)",
		"rseq_stack_pop_n(words, words, (long *)0x1008, n, cpu)"});
}

TEST_P(Misaligned, IsRefusedInASectionOfOnesOwn)
{
	const std::string section =
		"RSEQ_SECTION(set, cpu, (intptr_t *v, intptr_t n),\n"
		"	RSEQ_COMMIT(RSEQ_STORE(64, n, RSEQ_V(v))),\n"
		"	RSEQ_PLACE(v), RSEQ_IN(64, n))\n";

	expect_all_refused("-O2", {"set((intptr_t *)0x1001, 0, cpu)"}, section);
	expect_all_right("-O2", {"set((intptr_t *)0x1008, 0, cpu)"}, section);
}
