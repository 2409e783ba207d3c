/* SPDX-License-Identifier: MIT */
/* A manual page, as source and as a reader sees it. */
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "harness.hh"

namespace man
{

using harness::content, harness::have, harness::sh;
namespace fs = std::filesystem;
using std::string;

inline string env(const char *name, const string &otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

inline const fs::path top = env("TOP_SRCDIR", ".");

inline std::vector<string> lines(const string &text)
{
	std::vector<string> out;
	std::istringstream in(text);

	for (string line; getline(in, line);)
		out.push_back(line);
	return out;
}

inline string replaced(string text, const char *pattern, const char *by)
{
	return std::regex_replace(text, std::regex(pattern), by);
}

/* A line of source as text: the escapes that the examples use. */
inline string unescaped(const string &line)
{
	string s = replaced(line, "\\\\&", "");

	s = replaced(s, "\\\\-", "-");
	s = replaced(s, "\\\\\\(aq", "'");
	s = replaced(s, "\\\\\\(dq", "\"");
	return replaced(s, "\\\\(e|\\[rs\\])", "\\");
}

/* C source as tokens, so that layout and comments do not count. */
inline string tokens(const string &text)
{
	static const std::regex token("[A-Za-z_0-9]+|\\S");
	const string code =
	    replaced(text, "/\\*[^*]*\\*+(?:[^/*][^*]*\\*+)*/", " ");
	string out;

	for (std::sregex_iterator i(code.begin(), code.end(), token), end;
	     i != end; ++i)
		out += (out.empty() ? "" : " ") + i->str();
	return out;
}

struct page {
	fs::path file;

	string name() const
	{
		return file.stem();
	}
	string section() const
	{
		return file.extension().string().substr(1);
	}
	string source() const
	{
		return content(file);
	}
	bool alias() const
	{
		return source().starts_with(".so ");
	}

	/* The page at this many columns, without bold and italics. */
	string rendered(int width = 78) const
	{
		string text =
		    sh("mandoc -T ascii -O width=" + std::to_string(width) +
			" '" + file.string() + "'")
			.out;
		return replaced(text, "[^\n]\b", "");
	}

	/* The text of one section, as wide as its longest line needs. */
	string part(const string &heading) const
	{
		string out;
		bool inside = false;

		for (const string &line : lines(rendered(400))) {
			if (!line.empty() && line[0] != ' ')
				inside = line == heading;
			else if (inside)
				out += line + "\n";
		}
		return out;
	}

	/* The names that the page is about. */
	std::vector<string> names() const
	{
		std::vector<string> out;
		const string text = part("NAME");
		static const std::regex name("[\\w:+-]+");
		const size_t end = text.find(" - ");

		for (std::sregex_iterator i(
			 text.begin(),
			 text.begin() + (end == string::npos ? 0 : end), name),
		     none;
		     i != none; ++i)
			out.push_back(i->str());
		return out;
	}
};

inline std::vector<page> pages(bool aliases)
{
	std::vector<page> out;
	std::error_code none;

	for (auto &entry : fs::directory_iterator(top / "man", none)) {
		const page p{entry.path()};
		const string ext = p.file.extension();
		if (ext.size() == 2 && isdigit(ext[1]) && p.alias() == aliases)
			out.push_back(p);
	}
	std::sort(out.begin(), out.end(),
		  [](const page &a, const page &b) { return a.file < b.file; });
	return out;
}

/* An example program, and the terminal session that the page shows of it. */
struct example {
	string file;
	string source;
	string compile, command; /* as shown */
	string output;		 /* as shown: a regular expression */
};

/* Text in italics stands for whatever is there. */
inline string pattern(const string &shown)
{
	string s = replaced(shown, "\\\\fI.*?\\\\fP", "\x01");

	s = replaced(unescaped(s), "[.*+?^$(){}|\\[\\]\\\\]", "\\$&");
	return replaced(s, "\x01", ".+");
}

inline std::vector<example> examples(const page &p)
{
	static const std::regex begin("\\.\\\\\" SRC BEGIN \\((.*)\\)");
	static const std::regex prompt("\\.RB \"\\$ \" \"?([^\"]*)\"?");
	std::vector<example> out;
	example next;
	bool session = false, program = false;
	std::smatch m;

	for (const string &line : lines(p.source())) {
		if (std::regex_match(line, m, begin)) {
			next.file = m[1];
			program = true;
		} else if (line == ".\\\" SRC END") {
			out.push_back(next);
			next = {};
			program = false;
		} else if (line == ".EX" || line == ".EE") {
			session = false;
		} else if (program) {
			next.source += unescaped(line) + "\n";
		} else if (std::regex_match(line, m, prompt)) {
			const string text = unescaped(m[1]);
			session = text.starts_with("./") ||
				  text.starts_with("python3 ");
			(session ? next.command : next.compile) = text;
		} else if (session) {
			next.output += pattern(line) + "\n";
		}
	}
	return out;
}

} // namespace man
