// SPDX-License-Identifier: MIT
// The main of every test program. Its last line counts the tests, its exit
// status is 0, 1 for a failure, or 77 if every test was skipped.

#include <gtest/gtest.h>

#include <cstdio>

int main(int argc, char **argv)
{
	testing::InitGoogleTest(&argc, argv);
	if (GTEST_FLAG_GET(list_tests))
		return RUN_ALL_TESTS();

	int status = RUN_ALL_TESTS();
	const testing::UnitTest &run = *testing::UnitTest::GetInstance();
	int passed = run.successful_test_count();
	int failed = run.failed_test_count();
	int skipped = run.skipped_test_count();

	// After RUN_ALL_TESTS, since listeners end in reverse order: one that
	// counts would speak before the default printer does.
	if ((status && !failed) || run.total_test_count() == 0)
		failed = 1; // a test environment; or no test was linked in
	std::printf("%d passed, %d failed", passed, failed);
	if (skipped)
		std::printf(", %d skipped", skipped);
	std::puts("");
	if (failed)
		return 1;
	return skipped && !passed ? 77 : 0;
}
