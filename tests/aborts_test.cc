/* SPDX-License-Identifier: MIT */
/*
 * Nothing is lost, doubled or torn when the kernel restarts sections all the
 * time: each operation, under migration and signals that use the same objects.
 */
#include "harness.hh"

#include <iostream>

using namespace harness;

struct load {
	variant on;
	std::string kind;
};

/* By an id, on objects of a cpu; and by a per-cpu pointer, on the same. */
static const strings kinds = {
	"add", "compare", "compare_release", "put", "copy", "fetch_add",
	"exchange", "or_and", "list", "list_all", "compare_list", "stack",
	"batch",
};
static const strings percpu_kinds = {"add", "fetch_add", "list", "list_all"};

/*
 * Those by concurrency id are the same code on another index: on the host only, and at
 * fixed addresses, of which compilers make more.
 */
static std::vector<load> loads()
{
	std::vector<load> all;

	for (const variant &v : variants({"pie", "static"})) {
		const bool by_cpu = v.mode.name == "pie";
		const bool by_cid = !by_cpu && v.libc.name == "host" &&
			kernel_feature_size() >= 28;

		for (const std::string &kind : kinds)
			if (by_cpu || by_cid)
				all.push_back({v, kind +
					(by_cid ? "_cid" : "")});
		for (const std::string &kind : percpu_kinds)
			if (by_cpu || by_cid)
				all.push_back({v, (by_cid ? "this_cid_" :
					"this_cpu_") + kind});
	}
	return all;
}

static std::ostream &operator<<(std::ostream &to, const load &l)
{
	return to << l.on << ' ' << l.kind;
}

static outcome under_load(const variant &on, const std::string &kind,
			  const char *aborts, const char *seconds)
{
	outcome got = run({rseq_probe(on.libc, on.mode, "aborts"), kind,
			   aborts, seconds});

	if (got.ok())
		std::cout << kind << ": " << got.text("aborts")
			  << " aborts, " << got.text("signals")
			  << " signals, " << got.text("migrations")
			  << " migrations\n";
	return got;
}

class Aborts : public testing::TestWithParam<load> {
};

INSTANTIATE_TEST_SUITE_P(, Aborts, testing::ValuesIn(loads()),
	[](const testing::TestParamInfo<load> &info) {
		const load &l = info.param;
		return variant_name({l.on, 0}) + "_" + l.kind;
	});

TEST_P(Aborts, LoseNothing)
{
	const load &l = GetParam();

	if (!l.on.libc.missing.empty())
		GTEST_SKIP() << l.on.libc.missing;
	const std::string seconds = std::to_string(the_machine().seconds);
	outcome got = under_load(l.on, l.kind, "2000", seconds.c_str());
	ASSERT_TRUE(got.ok()) << got;
	EXPECT_EQ(got.number("failed"), 0) << got;
	EXPECT_GE(got.number("aborts"), the_machine().enough) << got;
	EXPECT_GT(got.number("migrations"), 0) << got;
	for (const char *bad : {"lost", "wrong", "lost_nodes", "lost_items",
				"lost_tokens", "wrong_copies"})
		EXPECT_EQ(got.number(bad), 0) << got;
}

/* Else the others would prove nothing. */
class Control : public testing::TestWithParam<const char *> {
};

INSTANTIATE_TEST_SUITE_P(, Control,
			 testing::Values("no_check", "late_store"));

TEST_P(Control, IsSeenToLoseUpdates)
{
	outcome got;

	for (int tries = 0; tries < 10; ++tries) {
		got = under_load({libcs().front(), pie()}, GetParam(),
				 "1000000", "1");
		ASSERT_TRUE(got.ok()) << got;
		if (got.number("lost") > 0)
			return;
	}
	FAIL() << "no update was lost under this load" << got;
}
