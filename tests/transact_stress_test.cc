/* SPDX-License-Identifier: MIT */
/*
 * Transactions lose nothing and do nothing twice, whatever happens to their
 * threads: tests/probes/transact_stress.c says what does.
 */
#include "harness.hh"

#include <algorithm>
#include <cerrno>
#include <iostream>

using namespace harness;

/* With delays in the sections, and in that of the library. */
static fs::path delayed(const variant &on)
{
	strings code;

	for (const std::string &f : on.mode.flags)
		if (f.starts_with("-f"))
			code.push_back(f);
	return probe(on.libc, on.mode, "transact_stress", rseq_include_flags() +
		     strings{librseq(on.libc, code + strings{
				"-include", probes_dir() / "inject.h"})});
}

static const strings off = {"GLIBC_TUNABLES=glibc.pthread.rseq=0",
			    "TLABI_RSEQ=0"};

static void expect_exact(const outcome &got)
{
	ASSERT_TRUE(got.ok()) << got;
	for (const char *bad : {"failed", "bad_children", "lost", "lost_others",
				"lost_nodes", "wrong"})
		EXPECT_EQ(got.number(bad), 0) << bad << got;
	EXPECT_GT(got.number("counted") + got.number("spare"), 0) << got;
	EXPECT_EQ(got.number("stats.commits"), got.number("commits")) << got;
}

static void print(const std::string &kind, const outcome &got)
{
	std::cout << kind << ':';
	for (const char *what : {"counted", "disturbed", "reruns", "signals",
				 "migrations", "forks"})
		std::cout << ' ' << got.text(what) << ' ' << what;
	std::cout << ", " << got.text("stats.locks") << " held\n";
}

/* ---- under load ---- */

struct load {
	variant on;
	std::string kind;
};

static std::ostream &operator<<(std::ostream &to, const load &l)
{
	return to << l.on << ' ' << l.kind;
}

static std::vector<load> loads()
{
	std::vector<load> all;

	for (const variant &v : variants({"pie"}))
		for (const char *kind : {"guard", "pair", "lock", "mixed",
					 "drain", "event"})
			all.push_back({v, kind});
	return all;
}

class TransactStress : public testing::TestWithParam<load> {
};

INSTANTIATE_TEST_SUITE_P(, TransactStress, testing::ValuesIn(loads()),
	[](const testing::TestParamInfo<load> &info) {
		const load &l = info.param;
		return variant_name({l.on, 0}) + "_" + l.kind;
	});

TEST_P(TransactStress, LosesNothingAndDoesNothingTwice)
{
	const auto &[on, kind] = GetParam();

	if (!on.libc.missing.empty())
		GTEST_SKIP() << on.libc.missing;
	outcome got = run({delayed(on), kind, "2000",
			   std::to_string(the_machine().seconds)});
	expect_exact(got);
	print(kind, got);
	/* It was the load that it should be. */
	EXPECT_GE(got.number("disturbed"), 2 * the_machine().enough) << got;
	EXPECT_GE(got.number("signals"), the_machine().enough) << got;
	EXPECT_GT(got.number("migrations"), 100) << got;
	if (kind == "event")
		return;
	EXPECT_GT(got.number("forks"), 0) << got;
	EXPECT_GT(got.number("stats.locks"),
		  the_machine().virtual_one ? 10 : 100) << got;
	EXPECT_GE(got.number("stats.conflicts"), got.number("reruns")) << got;
}

using TransactStressOfI386 = I386Test;

/* Children of fork wait there for a holder that they do not have. */
TEST_F(TransactStressOfI386, LosesNothingWhereHoldersAreGone)
{
	outcome got = run({i386_probe("transact_stress", {"-include",
			probes_dir() / "inject.h"}), "mixed", "500", "2"});
	expect_exact(got);
	EXPECT_GT(got.number("forks"), 0) << got;
	EXPECT_GT(got.number("disturbed"), 0) << got;
}

/* Else the others would prove nothing. */
class TransactControl : public testing::TestWithParam<const char *> {
};

INSTANTIATE_TEST_SUITE_P(, TransactControl,
			 testing::Values("guard_unchecked", "guard_outside",
					 "event_outside", "event_token"),
	[](const testing::TestParamInfo<const char *> &info) {
		return std::string(info.param);
	});

TEST_P(TransactControl, IsSeenToLoseUpdates)
{
	outcome got;

	for (int tries = 0; tries < 10; ++tries) {
		got = run({delayed({libcs().front(), pie()}), GetParam(),
			   "1000000000", "0"});
		ASSERT_TRUE(got.ok()) << got;
		if (got.number("lost") != 0)
			return;
	}
	FAIL() << "no update was lost under this load" << got;
}

/* ---- how often a body runs again ---- */

/* Bodies per signal, in percent. */
static double reruns(const std::string &kind)
{
	outcome got = run({rseq_probe(libcs().front(), pie(), "transact_stress",
				      {"-DNO_DELAYS"}), kind, "1000000000",
			   "1"});

	expect_exact(got);
	EXPECT_GT(got.number("signals"), 1000) << got;
	const double percent = 100.0 * *got.number("reruns") /
		*got.number("signals");
	std::cout << kind << ": " << got.text("reruns")
		  << " bodies run again for " << got.text("signals")
		  << " signals, " << percent << " %\n";
	return percent;
}

/*
 * Handlers work on something else, so only those that ran meanwhile on the same
 * cpu matter.  How many that are is up to who else is on it.
 */
TEST(TransactReruns, AreFewByGuard)
{
	double least = 100;

	for (int tries = 0; tries < 5 && least >= 6; ++tries)
		least = std::min(least, reruns("measure_guard"));
	EXPECT_LT(least, 6);
}

TEST(TransactReruns, AreMostByEvent)
{
	EXPECT_GT(reruns("measure_event"), 50);
}

/* ---- where no section runs ---- */

class TransactWithoutRseq : public VariantTest {
protected:
	void expect_same(const strings &before, const strings &env = {}) const
	{
		for (const char *kind : {"guard", "lock", "drain", "event"}) {
			outcome got = run(before + strings{
				build_rseq("transact_stress"), kind, "1", "-1"},
				{env});
			expect_exact(got);
			EXPECT_EQ(got.number("sections"), 0) << got;
			if (kind == std::string("event")) {
				EXPECT_GT(got.number("spare"), 0) << got;
			}
		}
	}
};

INSTANTIATE_TEST_SUITE_P(, TransactWithoutRseq,
			 testing::ValuesIn(variants({"pie", "static"})),
			 variant_name);

TEST_P(TransactWithoutRseq, LosesNothingSwitchedOff)
{
	expect_same({}, off);
}

TEST_P(TransactWithoutRseq, LosesNothingRefused)
{
	const fs::path refuse = probe(libcs().front(), pie(), "refuse");

	for (int error : {machine_errno(ENOSYS), EPERM, EINVAL})
		expect_same({refuse, std::to_string(error)});
}

TEST_P(TransactWithoutRseq, LosesNothingInValgrind)
{
	if (!have("valgrind"))
		GTEST_SKIP() << "valgrind is not installed";
	if (!mode().dynamic)
		GTEST_SKIP() << "one of them takes long enough";
	expect_same({"valgrind", "-q", "--error-exitcode=9", "--tool=none"});
}
