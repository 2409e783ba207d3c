// SPDX-License-Identifier: MIT
// A shell script's exit status and output, for the tests of shell programs.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <string>

struct Result {
	int status;
	std::string out;
};

inline Result sh(const std::string &script)
{
	fflush(stdout);
	FILE *pipe = popen(("exec 2>&1; " + script).c_str(), "r");
	std::string out;
	char buffer[4096];
	while (size_t n = fread(buffer, 1, sizeof buffer, pipe))
		out.append(buffer, n);
	int status = pclose(pipe);
	return {WIFEXITED(status) ? WEXITSTATUS(status)
				  : 128 + WTERMSIG(status),
		out};
}

inline bool has(const std::string &text, const std::string &part)
{
	return text.find(part) != std::string::npos;
}
