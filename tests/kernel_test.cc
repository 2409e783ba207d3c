/* SPDX-License-Identifier: MIT */
/* Which kernels librseq trusts to restart a section on arm64. */
#include "harness.hh"

#include "librseq/kernel.hh"

namespace {

using namespace harness;

TEST(Arm64Kernel, SkipsRestartsFrom619Until7014)
{
	for (const char *release : { "6.19.0", "6.19", "6.19.14+deb14-arm64",
				     "6.19.0-rc3", "7.0.0", "7.0-rc1",
				     "7.0.4-1-arm64", "7.0.13+deb14-cloud" })
		EXPECT_TRUE(arm64_skips_restarts(release)) << release;
}

TEST(Arm64Kernel, RestartsInAllOthers)
{
	for (const char *release : { "4.18.0", "5.10.223", "6.1.0-44-arm64",
				     "6.18.44", "6.1", "6.190.1", "7.0.14",
				     "7.0.100", "7.1.8", "7.10.0", "70.0.1",
				     "17.0.1", "", "unknown", "7" })
		EXPECT_FALSE(arm64_skips_restarts(release)) << release;
}

long occurrences(const std::string &text, const std::string &part)
{
	long n = 0;

	for (size_t at = 0; (at = text.find(part, at)) != text.npos; ++n)
		at += part.size();
	return n;
}

/*
 * A thread without rseq, in the pointers that such a kernel's processes have:
 * both say no, and must not say yes together.  There is no rseq under
 * qemu-user, and the release is what it is told.
 */
TEST(Arm64Kernel, WithoutRestartsAndRseqCountersAreExact)
{
	const isa &arm64 = isa_named("aarch64");
	const std::string qemu = arm64.qemu();

	for (const std::string &tool : {arm64.gcc(), arm64.gxx(), qemu})
		if (!have(tool))
			GTEST_SKIP() << tool << " is not here";
	const fs::path program = emulated_probe(arm64, "counter", {});
	outcome got;
	for (const char *release : {"6.18.0", "6.19.14", "7.0.13", "7.2.0"}) {
		got = run({qemu, "-r", release, program});
		EXPECT_TRUE(got.ok()) << release << got;
		EXPECT_EQ(got.number("differ"), 0) << release << got;
		EXPECT_EQ(got.number("sections"), 0) << release << got;
	}
	/* 8 threads of 50000 adds ask at first and then once in 64 of them;
	   the program itself asks, too, but seldom. */
	got = run({qemu, "-strace", program});
	EXPECT_TRUE(got.ok()) << got.code;
	EXPECT_GE(occurrences(got.err, " getcpu("), 8 * 782);
	EXPECT_LT(occurrences(got.err, " getcpu("), 8 * 782 + 100);
}

}
