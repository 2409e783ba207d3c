/* SPDX-License-Identifier: MIT */
/*
 * bench OUT.json NAME=PROGRAM...: runs the programs in turn, several times, so
 * that noise meets them all alike; keeps each figure's minimum; prints a table
 * with a column a program, and writes the same as JSON.
 */
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

using figures = std::map<std::string, double>;

struct program {
	std::string name, path;
	figures best;
};

/* Run p once and merge its key=value lines; false if it failed. */
bool run(program &p)
{
	FILE *out = popen(("'" + p.path + "'").c_str(), "r");
	if (!out)
		return false;

	char line[256];
	while (fgets(line, sizeof line, out)) {
		const std::string s = line;
		const auto eq = s.find('=');
		if (eq == s.npos)
			continue;
		const double v = std::strtod(s.c_str() + eq + 1, nullptr);
		auto [it, first] = p.best.try_emplace(s.substr(0, eq), v);
		if (!first && v < it->second)
			it->second = v;
	}
	return pclose(out) == 0;
}

void print_table(const std::vector<program> &programs, const figures &keys)
{
	std::printf("%-32s", "");
	for (const auto &p : programs)
		std::printf(" %20s", p.name.c_str());
	for (const auto &[key, unused] : keys) {
		std::printf("\n%-32s", key.c_str());
		for (const auto &p : programs) {
			const auto it = p.best.find(key);
			if (it == p.best.end())
				std::printf(" %20s", "-");
			else
				std::printf(" %20.3f", it->second);
		}
	}
	std::puts("");
}

bool write_json(const char *path, const std::vector<program> &programs)
{
	std::ofstream out(path);
	const char *outer = "";

	out << "{";
	for (const auto &p : programs) {
		const char *inner = "";
		out << outer << "\n  \"" << p.name << "\": {";
		for (const auto &[key, value] : p.best) {
			out << inner << "\n    \"" << key << "\": " << value;
			inner = ",";
		}
		out << "\n  }";
		outer = ",";
	}
	out << "\n}\n";
	return bool(out.flush());
}

}

int main(int argc, char **argv)
{
	constexpr int turns = 7;
	std::vector<program> programs;
	figures keys;

	for (int i = 2; i < argc; ++i) {
		const std::string arg = argv[i];
		const auto eq = arg.find('=');
		if (eq == arg.npos) {
			std::cerr << "bench: not NAME=PROGRAM: " << arg << "\n";
			return 2;
		}
		programs.push_back({ arg.substr(0, eq), arg.substr(eq + 1), {} });
	}
	if (programs.empty()) {
		std::cerr << "usage: bench OUT.json NAME=PROGRAM...\n";
		return 2;
	}

	for (int turn = 0; turn < turns; ++turn)
		for (auto &p : programs)
			if (!run(p)) {
				std::cerr << "bench: " << p.path << " failed\n";
				return 1;
			}
	for (const auto &p : programs)
		keys.insert(p.best.begin(), p.best.end());
	print_table(programs, keys);
	if (!write_json(argv[1], programs)) {
		std::cerr << "bench: cannot write " << argv[1] << "\n";
		return 1;
	}
}
