/* SPDX-License-Identifier: MIT */
/* Which kernels librseq trusts to restart a section on arm64. */
#include <gtest/gtest.h>

#include "librseq/kernel.hh"

namespace {

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

}
