/* SPDX-License-Identifier: MIT */
/* The area is live and right in threads of every kind. */
#include "expect.hh"

using namespace harness;

class Threads : public VariantTest {
protected:
	void expect_all(const strings &flags);
};

INSTANTIATE_TEST_SUITE_P(, Threads, testing::ValuesIn(variants()),
			 variant_name);

void Threads::expect_all(const strings &flags)
{
	outcome got = run({build("threads", flags)});

	ASSERT_TRUE(got.ok()) << got;
	expect_live(got, libc(), "main");
	for (const char *kind : {"joinable", "detached", "detached_late",
				 "c11"})
		expect_crowd(got, libc(), kind, 24);
	expect_crowd(got, libc(), "scheduled", 4);
	expect_live(got, libc(), "after");
	EXPECT_EQ(got.number("tls_wrong"), 0) << got;
}

TEST_P(Threads, OfEachKindAreRegistered)
{
	expect_all({});
}

TEST_P(Threads, AreRegisteredBesideAlignedThreadLocals)
{
	for (const char *align : {"1", "64", "128", "4096", "16384"}) {
		SCOPED_TRACE(align);
		expect_all({std::string("-DTLS_ALIGN=") + align});
	}
}

TEST_P(Threads, OnStacksOfTheirOwnAreRegistered)
{
	outcome got = run({build("stack")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_GT(got.number("made"), 200) << got;
	EXPECT_EQ(got.number("written"), 0) << "after their end" << got;
	expect_crowd(got, libc(), "stack", 200);
}

TEST_P(Threads, OfTimersAreRegistered)
{
	outcome got = run({build("timer")});

	ASSERT_TRUE(got.ok()) << got;
	expect_crowd(got, libc(), "timer", 5);
}

/* Static programs load no libraries. */
class Loaded : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Loaded,
			 testing::ValuesIn(variants({"pie", "no_pie"})),
			 variant_name);

TEST_P(Loaded, LibrariesSeeTheLineAndTheirThreadLocals)
{
	strings command = {build("dlopen", {"-ldl"})};

	/* Not above a page: musl does not place libraries by more. */
	for (const char *align : {"16", "64", "1024", "4096"})
		command.push_back(probe_library(
			libc(), "tlslib", std::string("tls") + align + ".so",
			{std::string("-DTLS_ALIGN=") + align}));
	outcome got = run(command);
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("loaded"), 4) << got;
	for (const char *who : {"main", "before", "after"})
		expect_crowd(got, libc(), who, 4);
	EXPECT_EQ(got.number("tls_wrong"), 0) << got;
}

/*
 * A library that a static program loads brings a second libc. In stock glibc's,
 * __rseq_offset is wrong then. This one has no thread-local data: with it glibc
 * crashes there, patched or not.
 */
class LoadedByStatic : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, LoadedByStatic,
			 testing::ValuesIn(patched_glibc_variants({"static"})),
			 variant_name);

TEST_P(LoadedByStatic, LibrarySeesTheLine)
{
	const outcome got = run({build("dlopen", {"-ldl"}),
				 probe_library(libc(), "tlslib", "tls0.so")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("loaded"), 1) << got;
	for (const char *who : {"main", "before", "after"})
		expect_crowd(got, libc(), who, who[0] == 'm' ? 1 : 8);
}
