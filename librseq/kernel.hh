/* SPDX-License-Identifier: MIT */
#pragma once

/* The number at s, which is left behind it. */
constexpr unsigned int kernel_number(const char *&s)
{
	unsigned int n = 0;

	for (; *s >= '0' && *s <= '9'; ++s)
		n = n * 10 + static_cast<unsigned int>(*s - '0');
	return n;
}

/*
 * Linux for arm64 registered threads and updated their cpu, but restarted no
 * section and cleared no rseq_cs, from 6.19 until commit 411c1cf43039 ("arm64/
 * entry: Fix arm64-specific rseq brokenness"), which is in 7.1-rc3 and 7.0.14.
 * release is what uname(2) says, such as "7.0.12+deb14-arm64".
 */
constexpr bool arm64_skips_restarts(const char *release)
{
	const unsigned int major = kernel_number(release);
	if (*release++ != '.')
		return false;
	const unsigned int minor = kernel_number(release);
	const unsigned int patch = *release == '.' ?
		kernel_number(++release) : 0;

	return (major == 6 && minor == 19) ||
		(major == 7 && minor == 0 && patch < 14);
}
