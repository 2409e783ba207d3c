/* SPDX-License-Identifier: MIT */
/*
 * A program built for the line does not link with, nor start on, a libc that
 * has none, and the message names what is missing.  One built for stock glibc
 * runs where there is a line too.
 */
#include "harness.hh"

using namespace harness;

static const char marker[] = "__tlabi_v1";
static const char version[] = "GLIBC_ABI_TLABI";

class Link : public VariantTest {
protected:
	void SetUp() override
	{
		VariantTest::SetUp();
		if (IsSkipped())
			return;
		stock = stock_of(libc());
		if (!stock.missing.empty())
			GTEST_SKIP() << stock.missing;
	}
	fs::path object(const strings &compiler, const std::string &name,
			const strings &flags) const;
	void expect_refusal(const fs::path &object, const strings &flags) const;
	bool names_what_is_missing(const std::string &text) const
	{
		return text.find(marker) != std::string::npos ||
			text.find(version) != std::string::npos;
	}

	harness::libc stock;
};

INSTANTIATE_TEST_SUITE_P(, Link, testing::ValuesIn(patched_variants()),
			 variant_name);

fs::path Link::object(const strings &compiler, const std::string &name,
		      const strings &flags) const
{
	fs::path out = scratch_dir() / libc().name / mode().name / name;
	strings code = {mode().flags.front()};	/* -fPIE or -fno-pie */

	outcome got = compile(compiler + code + rseq_include_flags() +
		strings{"-std=c11", "-O2", "-c",
			probes_dir() / "needs_line.c"} + flags, out);
	EXPECT_TRUE(got.ok()) << got;
	return out;
}

/* It links with the libc it is for, and then runs; not with the stock one. */
void Link::expect_refusal(const fs::path &object, const strings &flags) const
{
	const strings link = mode().flags + flags + strings{object};
	const fs::path program = object.string() + ".program";

	outcome got = run(libc().gcc() + link + strings{"-o", program});
	ASSERT_TRUE(got.ok()) << got;
	got = run({program});
	EXPECT_GE(got.number("cpu"), 0) << got;
	got = run(stock.gcc() + link + strings{"-o", object.string() + ".not"});
	EXPECT_FALSE(got.ok()) << got;
	EXPECT_NE(got.err.find(marker), std::string::npos) << got;
}

TEST_P(Link, IsRefusedByAStockLibc)
{
	for (const char *linker : {"bfd", "lld"})
		for (const char *gc : {"-Wl,--no-gc-sections",
				       "-Wl,--gc-sections"}) {
			SCOPED_TRACE(std::string(linker) + gc);
			const std::string ld = std::string("-fuse-ld=") +
				linker;
			if (!have(std::string("ld.") + linker))
				continue;
			expect_refusal(object(libc().gcc(), "gcc.o", {}),
				       {ld, gc});
			expect_refusal(object(libc().gcc(), "sections.o",
				{"-ffunction-sections", "-fdata-sections"}),
				       {ld, gc});
			if (!clang().empty())
				expect_refusal(object(libc().clang(),
						      "clang.o", {}), {ld, gc});
		}
}

TEST_P(Link, IsRefusedByAStockLibcWithLinkTimeOptimisation)
{
	expect_refusal(object(libc().gcc(), "lto.o", {"-flto"}),
		       {"-flto", "-O2", "-Wl,--gc-sections"});
}

/* Whether the program was linked with the patched libc and then meets, when
 * it starts, a stock one. */
class Start : public Link {
};

INSTANTIATE_TEST_SUITE_P(, Start,
	testing::ValuesIn(patched_variants({"pie", "no_pie"})), variant_name);

TEST_P(Start, IsRefusedByAStockLibc)
{
	fs::path program = probe(libc(), mode(), "needs_line",
				 rseq_include_flags());
	outcome where = run(stock.gcc() + strings{"-print-file-name=libc.so"});
	fs::path libraries = fs::canonical(
		where.out.substr(0, where.out.find('\n'))).parent_path();

	EXPECT_GE(run({program}).number("cpu"), 0);
	/* It may have been linked with a search path of its own: the program's
	 * name is empty to the loader. */
	strings command{stock.loader()};
	if (libc().family == family::glibc)
		command = command + strings{"--inhibit-rpath", ""};
	outcome got = run(command + strings{"--library-path",
			   libraries.string() + ":/lib/x86_64-linux-gnu",
			   program});
	EXPECT_GT(got.code, 0) << got;
	EXPECT_TRUE(names_what_is_missing(got.err)) << got;
	EXPECT_FALSE(got.has("cpu")) << got;
}

TEST_P(Start, LoadingALibraryBuiltForTheLineIsRefused)
{
	fs::path library = probe_library(libc(), "needs_line", "needs_line.so",
					 rseq_include_flags() +
					 strings{"-DLIBRARY"});
	outcome got = run({probe(libc(), mode(), "load", {"-ldl"}), library});

	EXPECT_EQ(got.number("loaded"), 1) << got;
	got = run({probe(stock, mode(), "load", {"-ldl"}), library});
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("loaded"), 0) << got;
	EXPECT_TRUE(names_what_is_missing(got.text("error"))) << got;
}

/* ---- programs for stock glibc ---- */

static void expect_counted(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GE(got.number("size"), 20) << got;
	EXPECT_EQ(got.number("flags"), 0) << got;
	EXPECT_GE(got.number("cpu_id"), 0) << got;
	EXPECT_EQ(got.number("sum"), got.number("expected")) << got;
}

class StockProgram : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, StockProgram, testing::ValuesIn(variants()),
			 variant_name);

TEST_P(StockProgram, CompilesAndCounts)
{
	expect_counted(run({build("stock_program")}));
}

/*
 * How a linker settles a weak reference, or whose definition wins, is the
 * linker's affair: a program may find no area then, never another one's.
 */
TEST_P(StockProgram, FindsTheAreaOrNoneByWeakVariables)
{
	int linked = 0;

	for (const char *linker : {"bfd", "gold", "lld", "mold"})
		for (const char *how : {"-UDEFINED", "-DDEFINED"}) {
			SCOPED_TRACE(std::string(linker) + how);
			/* gold cannot. */
			if (!have(std::string("ld.") + linker) ||
			    (!mode().dynamic && mode().name != "static" &&
			     std::string(linker) == "gold"))
				continue;
			const outcome got = run({build("stock_variables",
				{std::string("-fuse-ld=") + linker, how})});
			ASSERT_TRUE(got.ok()) << got;
			++linked;
			/* musl's, and those of an archive, are always found. */
			if (libc().family == family::musl || !mode().dynamic) {
				EXPECT_EQ(got.number("there"), 1) << got;
				EXPECT_GE(got.number("size"), 20) << got;
			}
			if (got.number("there") != 1 || got.number("size") == 0)
				continue;
			EXPECT_EQ(got.number("flags"), 0) << got;
			EXPECT_GE(got.number("cpu_id"), 0) << got;
			if (libc().line) {
				EXPECT_EQ(got.number("offset"), line_offset())
					<< got;
			}
		}
	EXPECT_GE(linked, 2);
}

/* The very binary that the host's compiler made. */
class HostBinary : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, HostBinary,
	testing::ValuesIn(patched_glibc_variants({"pie", "no_pie"})),
	variant_name);

TEST_P(HostBinary, RunsUnmodifiedOnTheLine)
{
	fs::path program = probe(libcs().front(), mode(), "stock_program");

	expect_counted(run({libc().root / "bin/tlabi-run", program}));
}
