/* SPDX-License-Identifier: MIT */
/*
 * What linkers and loaders make of sections: kept once where two files have
 * them, dropped with dead code, position independent, and gone when nobody
 * needs them any more.
 */
#include <csignal>
#include <sstream>

#include "harness.hh"

using namespace harness;

struct tools {
	std::string name, cc, cxx, linker;
	strings target;
};

static std::ostream &operator<<(std::ostream &to, const tools &t)
{
	return to << t.name;
}

static std::vector<tools> native()
{
	std::vector<tools> all;

	for (const char *linker : {"bfd", "lld"}) {
		all.push_back({std::string("gcc_") + linker, cc(), cxx(),
			       linker, {}});
		all.push_back({std::string("clang_") + linker,
			       clang_or_none(), clang_or_none(), linker, {}});
	}
	return all;
}

static std::vector<tools> all_targets()
{
	std::vector<tools> all = native();

	for (const isa &i : isas()) {
		all.push_back({i.name + "_gcc_bfd", i.gcc(), "", "bfd", {}});
		all.push_back({i.name + "_clang_lld", i.clang(), "", "lld",
			       {i.clang_flag()}});
	}
	return all;
}

class WithTools : public testing::TestWithParam<tools> {
protected:
	void SetUp() override
	{
		if (!have(GetParam().cc))
			GTEST_SKIP() << GetParam().cc << " is not here";
		if (!have("ld." + GetParam().linker))
			GTEST_SKIP() << GetParam().linker << " is not here";
		if (!GetParam().target.empty() &&
		    !have(GetParam().target[0].substr(9) + "-gcc"))
			GTEST_SKIP() << "no libc for " << GetParam().name;
		outcome nothing = compile(compiler() +
			strings{"-nostdlib", "-shared", "-xc", "/dev/null"},
			output("nothing.so"));
		if (nothing.err.find("unknown emulation") != std::string::npos)
			GTEST_SKIP() << GetParam().linker << " does not link"
				     << " for " << GetParam().name;
	}
	strings compiler() const
	{
		return strings{GetParam().cc} + GetParam().target +
			rseq_include_flags() +
			strings{"-fuse-ld=" + GetParam().linker, "-Wall",
				"-Wextra", "-Werror"};
	}
	fs::path output(const std::string &name) const
	{
		return scratch_dir() / "linkage" / GetParam().name / name;
	}
	fs::path source(const std::string &name) const
	{
		return probes_dir() / name;
	}
	/* Of the host's libc. */
	std::string rseq_library() const
	{
		return librseq(libcs().front(), {"-fPIC"});
	}
};

static std::string tools_name(const testing::TestParamInfo<tools> &info)
{
	return info.param.name;
}

class TwoFiles : public WithTools {
};

INSTANTIATE_TEST_SUITE_P(, TwoFiles, testing::ValuesIn(native()), tools_name);

/* Each of both functions is there once, with its section and its exits. */
TEST_P(TwoFiles, WithTheSameTemplateAndInlineFunctionLink)
{
	for (const char *o : {"-O0", "-O2"}) {
		const fs::path out = output(std::string("two_files") + o);
		outcome built = compile(compiler() + strings{
			"-std=c++20", "-x", "c++", o, source("two_files_1.cc"),
			source("two_files_2.cc"), "-x", "none",
			rseq_library()}, out);
		ASSERT_TRUE(built.ok()) << built;
		outcome got = run({out});
		EXPECT_EQ(got.number("result"), 0) << got;
		EXPECT_EQ(got.number("value"), 4) << got;
		EXPECT_EQ(got.number("sections"), 2) << got;
		EXPECT_EQ(got.number("exits"), 3) << got;
	}
}

class GcSections : public WithTools {
};

INSTANTIATE_TEST_SUITE_P(, GcSections, testing::ValuesIn(native()),
			 tools_name);

static bool has_symbol(const fs::path &file, const std::string &name)
{
	outcome symbols = run({"nm", file});

	EXPECT_TRUE(symbols.ok()) << symbols;
	return symbols.out.find(" " + name + "\n") != std::string::npos;
}

/* In bytes; -1: there is no such section. */
static long section_size(const fs::path &file, const std::string &name)
{
	outcome got = run({"readelf", "-SW", file});
	size_t at = got.out.find(" " + name + " ");
	std::string type, address, offset, size;

	if (at == got.out.npos)
		return -1;
	std::istringstream(got.out.substr(at + name.size() + 2)) >> type >>
		address >> offset >> size;
	return std::stol(size, nullptr, 16);
}

/*
 * The program does not use __start___rseq_cs_ptr_array: where that is used,
 * bfd keeps all sections of this name unless it is told -z start-stop-gc.
 */
TEST_P(GcSections, KeepTheArraysOfLiveCodeAndDropDeadCode)
{
	const fs::path out = output("dead_code");
	outcome built = compile(compiler() + strings{
		"-O2", "-ffunction-sections", "-Wl,--gc-sections",
		source("dead_code.c"), rseq_library()}, out);
	ASSERT_TRUE(built.ok()) << built;
	outcome got = run({out});
	EXPECT_EQ(got.number("result"), 0) << got;
	EXPECT_EQ(got.number("value"), 1) << got;
	/* A descriptor, and where its abort leads to. */
	EXPECT_EQ(section_size(out, "__rseq_cs"), 40) << got;
	EXPECT_EQ(section_size(out, "__rseq_cs_ptr_array"), 8) << got;
	EXPECT_EQ(section_size(out, "__rseq_exit_point_array"), 16) << got;
	EXPECT_TRUE(has_symbol(out, "live"));
	EXPECT_FALSE(has_symbol(out, "dead"));
}

class SharedObject : public WithTools {
};

INSTANTIATE_TEST_SUITE_P(, SharedObject, testing::ValuesIn(all_targets()),
			 tools_name);

/* Of every operation, whatever the linker has to leave to the loader. */
TEST_P(SharedObject, HasNoTextRelocations)
{
	const fs::path out = output("every_op.so");
	outcome built = compile(compiler() + strings{
		"-O2", "-fPIC", "-shared", "-Wl,-z,text", "-DFAKE_AREA",
		source("ops.c")}, out);

	ASSERT_TRUE(built.ok()) << built;
	outcome dynamic = run({"readelf", "-d", "-W", out});
	EXPECT_EQ(dynamic.out.find("TEXTREL"), std::string::npos) << dynamic;
}

/* ---- the libc's variable ---- */

class WeakDeclaration : public testing::TestWithParam<std::string> {
};

INSTANTIATE_TEST_SUITE_P(, WeakDeclaration,
			 testing::Values("bfd", "gold", "lld", "mold"),
			 [](const auto &info) { return info.param; });

/*
 * A weak declaration makes every reference of its file weak, and a linker may
 * take the variable not to be there: the file's own look says so then, but
 * librseq's finds it.  The library is shared where it can be: the archive's own
 * references, which are strong, would settle it for the linker.
 */
TEST_P(WeakDeclaration, OfTheLibcsVariableDoesNotMisleadLibrseq)
{
	const std::string &linker = GetParam();
	const std::vector<strings> modes = {
		{"-fPIE", "-pie"}, {"-fno-pie", "-no-pie"}, {"-static"},
	};
	const fs::path shared = build_dir() / ".libs",
		out = scratch_dir() / ("linkage/weak_" + linker);
	const strings dynamic = {shared / "librseq.so",
				 "-Wl,-rpath," + shared.string()};
	const strings archive = {librseq(libcs().front(), {"-fPIC"})};
	size_t built = 0;

	if (!have("ld." + linker))
		GTEST_SKIP() << linker << " is not here";
	ASSERT_TRUE(fs::exists(shared / "librseq.so"));
	fs::create_directories(out.parent_path());
	for (const std::string &c : {cc(), clang_or_none()})
		for (const strings &mode : modes) {
			if (!have(c))
				continue;
			outcome got = run(strings{c} + mode +
				rseq_include_flags() + strings{"-O2",
				"-fuse-ld=" + linker, "-o", out,
				probes_dir() / "weak.c"} +
				(mode.front() == "-static" ? archive :
				 dynamic));
			ASSERT_TRUE(got.ok()) << got;
			got = run({out});
			ASSERT_TRUE(got.ok()) << got;
			EXPECT_GE(got.number("cpu"), 0) << got;
			EXPECT_EQ(got.number("result"), 0) << got;
			EXPECT_EQ(got.number("value"), 2) << got;
			++built;
		}
	EXPECT_GE(built, modes.size());
}

/* ---- an archive in a shared object ---- */

/* As "make" has built it, for the system's libc. */
TEST(Plugin, CarriesTheArchive)
{
	const fs::path archive = build_dir() / ".libs/librseq.a",
		plugin = scratch_dir() / "linkage/plugin.so";
	const libc &host = libcs().front();

	ASSERT_TRUE(fs::exists(archive));
	fs::create_directories(plugin.parent_path());
	outcome got = run(strings{cc(), "-O2", "-fPIC", "-shared",
			  "-Wl,-z,defs", "-Wl,-z,nodelete", "-o", plugin,
			  probes_dir() / "plugin.c", archive} +
			  rseq_include_flags());
	ASSERT_TRUE(got.ok()) << got;
	got = run({probe(host, pie(), "load", {"-ldl"}), plugin});
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("loaded"), 1) << got;
	EXPECT_EQ(got.number("plugged"), 0) << got;
}

/* ---- optimisation when linking ---- */

struct lto {
	std::string name;
	strings flags;
};

class LinkTimeOptimisation : public WithTools {
};

INSTANTIATE_TEST_SUITE_P(, LinkTimeOptimisation,
	testing::Values(tools{"gcc_bfd", cc(), cxx(), "bfd", {}},
			tools{"clang_lld", clang_or_none(), clang_or_none(),
			      "lld", {}}), tools_name);

TEST_P(LinkTimeOptimisation, ChangesNoResult)
{
	const lto modes[] = {
		{"pie", {"-fPIE", "-pie"}},
		{"no_pie", {"-fno-pie", "-no-pie"}},
		{"static", {"-fno-pie", "-static"}},
	};

	for (const lto &mode : modes) {
		const fs::path out = output("lto_" + mode.name);
		outcome built = compile(compiler() + mode.flags + strings{
			"-O2", "-flto", "-DFAKE_AREA", source("ops.c")}, out);
		ASSERT_TRUE(built.ok()) << built;
		outcome got = run({out});
		EXPECT_EQ(got.number("wrong"), 0) << got;
		EXPECT_GT(got.number("committed"), 1000) << got;
	}
}

/* ---- an object that comes and goes ---- */

class Unload : public VariantTest {
protected:
	/* One that is not kept, and one that is: as librseq.pc links them. */
	outcome unload(const std::string &how, const strings &flags = {}) const
	{
		fs::path object = probe_library(libc(), "unload_object",
			"unload_object" + std::to_string(flags.size()) + ".so",
			rseq_include_flags() + flags);

		return run({build("unload", {"-ldl"}), object, how});
	}
};

INSTANTIATE_TEST_SUITE_P(, Unload, testing::ValuesIn(variants({"pie"})),
			 variant_name);

TEST_P(Unload, IsSafeOnceEachThreadHasPrepared)
{
	outcome got = unload("leave");

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("closed"), 0) << got;
	/* musl keeps what it has once loaded. */
	EXPECT_EQ(got.number("mapped"), libc().family == family::musl) << got;
	EXPECT_EQ(got.number("survived"), 1) << got;
}

TEST_P(Unload, IsSafeForAnObjectThatStays)
{
	outcome got = unload("", {"-Wl,-z,nodelete"});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("closed"), 0) << got;
	EXPECT_EQ(got.number("mapped"), 1) << got;
	EXPECT_EQ(got.number("survived"), 1) << got;
}

/* Else the two above would prove nothing. */
TEST_P(Unload, KillsWhoHasNotPrepared)
{
	if (libc().family == family::musl)
		GTEST_SKIP() << "musl keeps what it has once loaded";
	outcome got = unload("");

	EXPECT_EQ(got.number("mapped"), 0) << got;
	EXPECT_EQ(got.signal, SIGSEGV) << got;
}
