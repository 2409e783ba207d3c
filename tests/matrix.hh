/* SPDX-License-Identifier: MIT */
/* One program, compiled in many ways and run: a test for each of them. */
#pragma once

#include "harness.hh"

namespace harness {

struct config {
	std::string name;
	strings compiler, flags, runner;
	std::string missing;
};

struct result {
	outcome built, ran;
};

/* What is compiled: a probe, and what comes before and after its name. */
struct program {
	std::string name;
	strings before, after;
};

inline result build_and_run(const program &p, const config &c)
{
	static const strings strict = {"-Wall", "-Wextra", "-Wpedantic",
				       "-Werror"};
	const fs::path out = scratch_dir() / p.name / c.name;
	result r;

	if (!c.missing.empty())
		return r;
	r.built = compile(c.compiler + c.flags + strict +
			  rseq_include_flags() + p.before +
			  strings{probes_dir() / (p.name + ".c")} + p.after,
			  out);
	if (r.built.ok())
		r.ran = run(c.runner + strings{out});
	return r;
}

/* All of them, as many at a time as there are cpus. */
inline std::vector<result> build_and_run_all(const program &p,
					     const std::vector<config> &all)
{
	std::vector<result> results(all.size());

	each(all.size(),
	     [&](size_t i) { results[i] = build_and_run(p, all[i]); });
	return results;
}

inline const strings optimizations = {"-O0", "-O1", "-O2", "-O3", "-Os"};

inline void add(std::vector<config> &all, const strings &compiler,
		const std::string &standard, const strings &flags,
		const std::string &prefix, const strings &runner = {})
{
	config c = {prefix + identifier(standard), compiler,
		    strings{"-x", standard[1] == '+' ? "c++" : "c",
			    "-std=" + standard} + flags, runner, {}};

	for (const std::string &f : flags)
		if (f[1] == 'O' || f.starts_with("-fP") || f == "-fno-pie")
			c.name += "_" + identifier(f.substr(1));
	if (!have(compiler[0]))
		c.missing = compiler[0] + " is not here";
	if (!runner.empty() && !have(runner[0]))
		c.missing = runner[0] + " is not here";
	all.push_back(c);
}

/* Each language, level and kind of code, by each compiler. */
inline std::vector<config> native()
{
	std::vector<config> all;

	for (const auto &[name, compiler] :
	     {std::pair{"gcc_", cc()}, std::pair{"clang_", clang_or_none()}})
		for (const char *standard : {"c11", "c++11", "c++20"})
			for (const std::string &o : optimizations)
				for (const strings &pic :
				     {strings{"-fPIC", "-pie"},
				      strings{"-fPIE", "-pie"},
				      strings{"-fno-pie", "-no-pie"}})
					add(all, {compiler}, standard,
					    strings{o} + pic, name);
	return all;
}

/* A suite of one test for each configuration of a list. */
template <program (*what)(), std::vector<config> (*list)()>
class Configurations : public testing::TestWithParam<size_t> {
public:
	static const std::vector<config> &all()
	{
		static const std::vector<config> some = list();
		return some;
	}
	static auto numbers()
	{
		return testing::Range<size_t>(0, all().size());
	}
	static std::string name(const testing::TestParamInfo<size_t> &info)
	{
		return all()[info.param].name;
	}
	static void SetUpTestSuite()
	{
		std::vector<config> wanted = all();
		const auto *suite = testing::UnitTest::GetInstance()->
			current_test_suite();

		for (int i = 0; i < suite->total_test_count(); ++i)
			if (!suite->GetTestInfo(i)->should_run())
				wanted[i].missing = "not asked for";
		results = build_and_run_all(what(), wanted);
	}

protected:
	void SetUp() override
	{
		const config &c = all()[GetParam()];

		if (!c.missing.empty())
			GTEST_SKIP() << c.missing;
		ASSERT_TRUE(results[GetParam()].built.ok())
			<< results[GetParam()].built;
	}
	const outcome &ran() const { return results[GetParam()].ran; }

private:
	static inline std::vector<result> results;
};

} // namespace harness
