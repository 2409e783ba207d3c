/* SPDX-License-Identifier: MIT */
/* valgrind has no rseq(2): programs run in it all the same. */
#include <cerrno>

#include <rseq/query.h>

#include "expect.hh"

using namespace harness;

class Valgrind : public VariantTest {
protected:
	outcome in_valgrind(const fs::path &program) const
	{
		/* In static glibc memcheck finds errors that are not there. */
		bool check = mode().dynamic || libc().family != family::glibc;
		return run({"valgrind", "-q", "--error-exitcode=9",
			    check ? "--tool=memcheck" : "--tool=none",
			    program});
	}
	void SetUp() override
	{
		VariantTest::SetUp();
		if (!have("valgrind"))
			GTEST_SKIP() << "valgrind is not installed";
	}
};

INSTANTIATE_TEST_SUITE_P(, Valgrind,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

TEST_P(Valgrind, TheAreaSaysThatItIsNotRegistered)
{
	outcome got = in_valgrind(build("status"));

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("main.cpu_id"), -2) << got;
	EXPECT_EQ(got.number("rseq_size"), 0) << got;
	EXPECT_EQ(got.number("main.status"),
		  libc().line ? 1 | ENOSYS << 16 : 0) << got;
}

TEST_P(Valgrind, CountersAreExact)
{
	outcome got = in_valgrind(build_rseq("counter"));

	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("differ"), 0) << got;
	EXPECT_EQ(got.number("sections"), 0) << got;
	EXPECT_EQ(got.number("info.reason"), RSEQ_OFF_REFUSED) << got;
	EXPECT_EQ(got.number("info.error"), ENOSYS) << got;
}
