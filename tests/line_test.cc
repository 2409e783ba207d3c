/* SPDX-License-Identifier: MIT */
/* The area is live and right from the first instruction of a program on. */
#include <fstream>
#include <map>

#include "expect.hh"

using namespace harness;

class Line : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Line, testing::ValuesIn(variants()), variant_name);

TEST_P(Line, IsLiveBeforeMainAndInIt)
{
	outcome got = run({build("start")});

	ASSERT_TRUE(got.ok()) << got;
	for (const char *where : {"constructor", "late_constructor", "main",
				  "destructor"})
		expect_live(got, libc(), where);
	/* musl runs no preinit functions; glibc does. */
	EXPECT_EQ(got.has("preinit.cpu_id"), libc().family == family::glibc);
	if (got.has("preinit.cpu_id"))
		expect_live(got, libc(), "preinit");
}

TEST_P(Line, StockVariablesTellTheTruth)
{
	outcome got = run({build("start")});
	const unsigned int n = kernel_feature_size();

	EXPECT_EQ(got.number("rseq_flags"), 0) << got;
	if (!libc().line) {
		EXPECT_GE(got.number("rseq_size"), 20) << got;
		return;
	}
	EXPECT_EQ(got.number("rseq_offset"), line_offset()) << got;
	unsigned int expected = n == 0 ? 20 : n <= line_length() ? n : 28;
	EXPECT_EQ(got.number("rseq_size"), expected) << got;
}

/*
 * Two threads on a cpu, each in the optimized mode, which is the line's, and
 * asking for more of its time slice.
 */
class Slices : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Slices,
	testing::ValuesIn(patched_variants({"pie", "static"})), variant_name);

TEST_P(Slices, AreGrantedAndNothingIsLost)
{
	const outcome got = run({build_rseq("slices")});
	constexpr int not_enabled = 524;	/* the kernel's ENOTSUPP */

	ASSERT_TRUE(got.ok()) << got;
	if (got.number("error") == EINVAL || got.number("error") == not_enabled) {
		EXPECT_FALSE(the_machine().release.ends_with("-slice")) << got;
		GTEST_SKIP() << the_machine().release
			     << " has no time slice extension";
	}
	EXPECT_EQ(got.number("error"), 0) << got;
	EXPECT_GT(got.number("granted"), 0) << got;
	EXPECT_GT(got.number("yielded"), 0) << got;
	EXPECT_EQ(got.number("sum"), got.number("adds")) << got;
}

/* glibc only, and not static: there they run before there is any thread. */
class Resolver : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Resolver,
	testing::ValuesIn(patched_glibc_variants({"pie", "no_pie"})),
	variant_name);

TEST_P(Resolver, SeesTheLine)
{
	if (the_machine().isa == "mips64el")
		GTEST_SKIP() << "no ifunc on mips64el";
	outcome got = run({build("resolver")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("ran"), 1) << got;
	EXPECT_GE(got.number("cpu_id"), 0) << got;
	EXPECT_EQ(got.number("status"), registered_status()) << got;
}

/* What <sys/tlabi.h> brings, and what became of libc's own use of the line. */
class Libc : public LibcTest {
};

INSTANTIATE_TEST_SUITE_P(, Libc, testing::ValuesIn(patched()), libc_name);

TEST_P(Libc, HeaderShowsTheSameNamesOnEach)
{
	fs::create_directories(scratch_dir());
	const fs::path file = scratch_dir() / "tlabi_names.c";
	std::ofstream(file) <<
		"#include <sys/tlabi.h>\n"
		"TLABI_REQUIRE;\n"
		"uintptr_t names(void)\n"
		"{\n"
		"\tstruct tlabi *line = 0;\n"
		"\treturn (uintptr_t)&line->status + INT32_MAX + UINT64_C(1) +\n"
		"\t\t__tlabi_v1 + sizeof line->__reserved1 +\n"
		"\t\tsizeof line->slice_ctrl;\n"
		"}\n";
	const outcome made = run(libc().gcc() + strings{
		"-std=c11", "-pedantic", "-Wall", "-Werror", "-c", "-o",
		"/dev/null", file});
	EXPECT_TRUE(made.ok()) << made;

	const outcome macros = run(libc().gcc() + strings{"-E", "-dM", file});
	ASSERT_TRUE(macros.ok()) << macros;
	std::set<std::string> names =
		all_matches(macros.out, "#define (TLABI_\\w+)");
	/* That of a libc whose malloc has something to tell. */
	names.erase("TLABI_MALLOC_STATS");
	EXPECT_EQ(names, (std::set<std::string>{
			  "TLABI_OFFSET", "TLABI_REQUIRE", "TLABI_SIZE",
			  "TLABI_STATUS_ERRNO", "TLABI_STATUS_LENGTH",
			  "TLABI_STATUS_VERSION", "TLABI_VERSION"}));
}

/* So that fork(2), after which the kernel writes to the line in parent and
   child, has no more pages to copy than without. */
TEST_P(Libc, IsOnThePageThatAForkedChildWritesTo)
{
	if (libc().family != family::musl)
		GTEST_SKIP() << "of musl";
	const outcome got = run({tool("nm"), libc().root / "lib/libc.so"});
	std::set<std::string> pages;

	ASSERT_TRUE(got.ok()) << got;
	for (const char *name : {"builtin_tls", "__thread_list_lock", "__libc",
				 "maplock"}) {
		const auto found = all_matches(got.out,
			std::string("([0-9a-f]+) [bd] ") + name + "\n");
		ASSERT_EQ(found.size(), 1u) << name;
		pages.insert(found.begin()->substr(0,
						   found.begin()->size() - 3));
	}
	EXPECT_EQ(pages.size(), 1u) << got;
}

/* Not those of the compiler's own libc, which may lack what this one has. */
class Headers : public LibcTest {
};

INSTANTIATE_TEST_SUITE_P(, Headers, testing::ValuesIn(patched()), libc_name);

TEST_P(Headers, AreTheSysroots)
{
	fs::create_directories(scratch_dir());
	const fs::path file = scratch_dir() / "headers.cc";
	std::ofstream(file) << "#include <stdlib.h>\n#include <limits.h>\n"
			       "#include <sys/rseq.h>\n#include <sys/tlabi.h>\n"
			       "unsigned int signature = RSEQ_SIG;\n";
	for (const strings &language : {strings{"-xc"}, strings{"-xc++"}}) {
		const outcome got = run(libc().gcc() + language + strings{
			"-E", "-H", "-o", "/dev/null", file});
		ASSERT_TRUE(got.ok()) << got;
		const std::set<std::string> found =
			all_matches(got.err, "\\n\\.+ (/\\S+)");
		EXPECT_TRUE(found.contains(libc().root / "include/sys/rseq.h"))
			<< got;
		for (const std::string &header : found) {
			const std::string real = fs::canonical(header);
			EXPECT_TRUE(header.starts_with(libc().root.string()) ||
				    real.find("/gcc") != real.npos ||
				    real.find("/c++/") != real.npos) << header;
		}
	}
}

TEST_P(Libc, SchedGetcpuReadsItWithOneInstruction)
{
	const fs::path file = libc().root / "lib" /
		(libc().family == family::musl ? "libc.so" : "libc.so.6");
	const outcome got = run({tool("objdump"), "-d", "--no-show-raw-insn",
				 "--disassemble=sched_getcpu", file});
	/* Of the constant offset, not of a register; musl copies the thread
	   pointer first where the compiler cannot name it. */
	static const std::map<std::string, const char *> reads = {
		{"x86_64", "mov +%fs:0x84,%eax"},
		{"i386", "mov +%gs:0x84,%eax"},
		{"aarch64", "ldu?r\\tw[0-9]+, \\[x[0-9]+, #(?:-124|4)\\]"},
		{"riscv64", "lw\\ta[0-9],-124\\((?:tp|a5)\\)"},
		{"mips64el", "lw\\tv[01],-28796\\(v[01]\\)"},
		{"loongarch64", "ld(?:ptr)?\\.w +\t\\$a0, \\$tp, -124"},
		{"s390x", "lt?\\t%r[0-9],132\\(%r[0-9]\\)"},
		{"ppc64le", "lwz +r[0-9]+,-28860\\(r13\\)"},
		{"arm", "ldr(?:\\.w)?\\tr[0-9], \\[r[0-9], #-124\\]"},
	};

	if (!reads.contains(the_machine().isa))
		GTEST_SKIP() << "not known of " << the_machine().isa;
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_NE(got.out.find("<sched_getcpu>:\n"), got.out.npos) << got;
	/* The same one twice counts as two. */
	EXPECT_EQ(count_matches(got.out, reads.at(the_machine().isa)), 1)
		<< got;
}
