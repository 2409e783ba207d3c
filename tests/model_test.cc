/* SPDX-License-Identifier: MIT */
/*
 * Each structure beside a model of it that is simple enough to be right: random
 * operations, by a thread that is registered and one that is not, on each cpu.
 * RSEQ_SEED and RSEQ_RUNS say which ones and how many.
 */
#include <iostream>
#include <map>
#include <random>

#include "harness.hh"

using namespace harness;

namespace {

/* What such operations come to, if they are worth anything. */
const std::map<std::string, strings> structures = {
	{"cache", {"drain", "get_n_refilled", "get_nothing", "get_refilled",
		   "put_full", "put_n_full", "resize", "resize_gives_back"}},
	{"counter", {}},
	{"counters", {"add_beyond", "add_without_memory"}},
	{"guards", {"begin_held", "drain", "lock", "overtaken",
		    "overtaken_by_lock"}},
	{"histogram", {"quantile"}},
	{"lists", {"pop_all", "pop_of_none", "push_chain", "stack_empty",
		   "stack_full", "unavailable"}},
	{"percpu", {"free"}},
	{"pool", {"alloc_at_limit", "alloc_without_memory", "trim",
		  "trim_nothing"}},
	{"readers", {"flip", "wait", "wait_in_vain"}},
	{"refcount", {"kill", "kill_again", "kill_last", "last_put"}},
	{"ring", {"attach", "dropped", "far", "overwritten", "padding", "read",
		  "read_without_memory", "reserved", "wait_for_commit"}},
};

std::string setting(const char *name, const std::string &otherwise)
{
	const char *const value = getenv(name);

	return value && *value ? value : otherwise;
}

const std::string &seed()
{
	static const std::string chosen = [] {
		const std::string s = setting("RSEQ_SEED",
			std::to_string(std::random_device()()));
		std::cout << "RSEQ_SEED=" << s << std::endl;
		return s;
	}();
	return chosen;
}

std::string runs()
{
	return setting("RSEQ_RUNS", the_machine().virtual_one ? "5" : "50");
}

/* The C++ compiler for l; empty: it has none. */
std::string cxx_of(const libc &l)
{
	if (l.root.empty())
		return cxx();
	const fs::path own = l.root / "bin/tlabi-g++";
	return fs::exists(own) ? own.string() : std::string();
}

/* tests/model/check.cc with librseq, both with these flags. */
fs::path check(const libc &l, const std::string &name,
	       const strings &flags = {})
{
	const fs::path out = scratch_dir() / l.name / "model" / name;
	const outcome built = compile(strings{cxx_of(l), "-std=c++20", "-O2",
		"-g", "-Wall", "-Wextra", "-Werror", "-pthread",
		"-static-libgcc", "-static-libstdc++"} + flags +
		rseq_include_flags() + strings{
		source_dir() / "tests/model/check.cc",
		librseq(l, flags + strings{"-fPIE"})}, out);

	EXPECT_TRUE(built.ok()) << built;
	return out;
}

void expect_agreement(const fs::path &program, const std::string &structure,
		      const strings &how = {}, const options &with = {})
{
	const outcome got = run(strings{program, structure, seed(), runs()} +
				how, with);

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.text("runs"), runs()) << got;
}

struct place {
	harness::libc libc;
	bool off;
	std::string structure;
};

std::ostream &operator<<(std::ostream &to, const place &p)
{
	return to << p.libc.name << (p.off ? ", rseq off" : "") << ", "
		  << p.structure;
}

std::vector<place> places()
{
	std::vector<place> all;

	for (const libc &l : libcs())
		for (const bool off : {false, true})
			for (const auto &[name, comes_to] : structures)
				all.push_back({l, off, name});
	return all;
}

const options without_rseq{{"GLIBC_TUNABLES=glibc.pthread.rseq=0",
			    "TLABI_RSEQ=0"}};

class Model : public testing::TestWithParam<place> {
protected:
	void SetUp() override
	{
		const libc &l = GetParam().libc;

		if (!l.missing.empty())
			GTEST_SKIP() << l.missing;
		if (cxx_of(l).empty())
			GTEST_SKIP() << l.name << " has no C++ compiler";
	}
};

INSTANTIATE_TEST_SUITE_P(, Model, testing::ValuesIn(places()),
			 [](const auto &info) {
				 return identifier(info.param.libc.name) + "_" +
					 info.param.structure +
					 (info.param.off ? "_off" : "");
			 });

std::vector<std::string> names()
{
	std::vector<std::string> all;

	for (const auto &[name, comes_to] : structures)
		all.push_back(name);
	return all;
}

class DisturbedModel : public testing::TestWithParam<std::string> {
protected:
	/* The first that can have it: no stock glibc of riscv64 has an area. */
	void SetUp() override
	{
		for (const libc &l : libcs())
			if (l.missing.empty() && !cxx_of(l).empty()) {
				libc_ = l;
				return;
			}
		GTEST_SKIP() << "no libc with an area and C++";
	}
	harness::libc libc_;
};

INSTANTIATE_TEST_SUITE_P(, DisturbedModel, testing::ValuesIn(names()),
			 [](const auto &info) { return info.param; });

}

TEST_P(Model, AgreesWithTheStructure)
{
	const place &p = GetParam();
	const outcome got = run({check(p.libc, "check"), p.structure, seed(),
				 runs()}, p.off ? without_rseq : options{});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.text("runs"), runs()) << got;
	EXPECT_EQ(got.number("sections"), !p.off && restarts_sections()) << got;
	if (the_machine().virtual_one || (p.structure == "lists" && p.off))
		return;
	for (const std::string &what : structures.at(p.structure))
		EXPECT_GT(got.number("saw." + what), 0) << what << got;
}

/* With a delay between any two steps of each section, librseq's own, too. */
TEST_P(DisturbedModel, AgreesUnderSignals)
{
	const fs::path program = check(libc_, "delayed",
		{"-include", (probes_dir() / "inject.h").string()});

	expect_agreement(program, GetParam(), {"signals"});
}

/* What cannot be done is not done by half. */
TEST_P(DisturbedModel, AgreesWithoutTheFence)
{
	expect_agreement(check(libc_, "check"), GetParam(),
			 {"no_fence"});
}

TEST_P(DisturbedModel, AgreesUnderSanitizers)
{
	const fs::path program = check(libc_, "sanitized",
		{"-fsanitize=address,undefined", "-fno-sanitize-recover=all",
		 "-O1", "-DCALM"});

	expect_agreement(program, GetParam());
}
