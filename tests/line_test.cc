/* SPDX-License-Identifier: MIT */
/* The area is live and right from the first instruction of a program on. */
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

/* glibc only, and not static: there they run before there is any thread. */
class Resolver : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, Resolver,
	testing::ValuesIn(patched_glibc_variants({"pie", "no_pie"})),
	variant_name);

TEST_P(Resolver, SeesTheLine)
{
	outcome got = run({build("resolver")});

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("ran"), 1) << got;
	EXPECT_GE(got.number("cpu_id"), 0) << got;
	EXPECT_EQ(got.number("status"), registered_status()) << got;
}
