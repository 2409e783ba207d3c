/* SPDX-License-Identifier: MIT */
/*
 * The manual says what the headers say, and its examples do what it shows.
 *
 * Environment: TOP_SRCDIR, CC, RSEQ_CPPFLAGS, RSEQ_CFLAGS, RSEQ_LIBS.
 */
#include <cerrno>
#include <cstring>

#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "man_page.hh"

using namespace man;

namespace
{

const string flags = " -Wall -Wextra -Werror " +
		     env("RSEQ_CPPFLAGS", "-I" + (top / "include").string() +
					      " -I" + top.string()) +
		     " " + env("RSEQ_CFLAGS", "");
const string cc = env("CC", "cc") + " -std=c11" + flags;
const string cxx = env("CXX", "c++") + " -std=c++20" + flags;

struct scratch {
	fs::path dir = fs::temp_directory_path() / "rseq-man-XXXXXX";

	scratch()
	{
		string name = dir;
		dir = mkdtemp(name.data());
	}
	~scratch()
	{
		fs::remove_all(dir);
	}

	string write(const string &name, const string &text) const
	{
		std::ofstream(dir / name) << text;
		return dir / name;
	}
};

/* What the public headers declare, and the macros that they leave behind. */
struct api {
	string text; /* preprocessed, as tokens */
	std::set<string> function;
	std::map<string, string> macro; /* to its parameters */
	std::set<string> enumerator;
};

/* Names that end so are private; a header's guard is nobody's. */
bool is_private(const string &name)
{
	return name.ends_with("_") || name.ends_with("_H");
}

/* "T * v , T n" or "v, n" as "v n": the names alone. */
string parameters(const string &list)
{
	static const std::regex last("([A-Za-z_]\\w*)?[\\s.]*$");
	string out;

	for (const string &each : lines(replaced(list, ",", "\n"))) {
		std::smatch m;
		const string one = replaced(each, " +$", "");
		std::regex_search(one, m, last);
		const bool rest = one.ends_with("...") ||
				  one.ends_with(". . .");
		out += (out.empty() ? "" : " ") +
		       (rest ? string("...") : m[1].str());
	}
	return out;
}

/* What is inside the parenthesis that opens at text[at]. */
string inside(const string &text, size_t at)
{
	int depth = 0;

	for (size_t i = at; i < text.size(); ++i) {
		depth += (text[i] == '(') - (text[i] == ')');
		if (depth == 0)
			return text.substr(at + 1, i - at - 1);
	}
	return "";
}

/* All but upstream.h, whose names are those of another library. */
string all_headers()
{
	string text;

	for (auto &entry : fs::directory_iterator(top / "include/rseq"))
		if (entry.path().extension() == ".h" &&
		    entry.path().filename() != "upstream.h")
			text += "#include <rseq/" +
				entry.path().filename().string() + ">\n";
	return text;
}

api ask_headers()
{
	static const std::regex function("\\b(rseq_\\w+) \\(");
	static const std::regex macro("#define (\\w+)(\\(([^)]*)\\))?.*");
	static const std::regex body("\\benum rseq_\\w+ \\{[^}]*\\}");
	static const std::regex value("\\b(RSEQ_\\w+)");
	/* clang does not list prototypes. */
	const string gcc = (have("gcc") ? "gcc -std=c11" + flags : cc) + " ";
	scratch s;
	const string file = s.write("all.c", all_headers());
	const string list = s.dir / "list";
	api a;
	std::smatch m;

	sh(gcc + "-fsyntax-only -aux-info " + list + " " + file);
	for (const string &line : lines(content(list)))
		if (std::regex_search(line, m, function) && !is_private(m[1]))
			a.function.insert(m[1]);
	for (const string &line : lines(sh(gcc + "-dM -E " + file).out))
		if (std::regex_match(line, m, macro) &&
		    std::regex_search(m[1].str(), std::regex("^(RSEQ|rseq)_")) &&
		    !is_private(m[1]))
			a.macro[m[1]] = m[2].matched ? parameters(m[3]) : "-";
	a.text = tokens(sh(gcc + "-E -P " + file).out);
	for (std::sregex_iterator i(a.text.begin(), a.text.end(), body), end;
	     i != end; ++i) {
		const string names = i->str();
		for (std::sregex_iterator k(names.begin(), names.end(), value);
		     k != end; ++k)
			a.enumerator.insert(k->str());
	}
	return a;
}

const api &headers()
{
	static const api all = ask_headers();

	return all;
}

std::set<string> names_in_section_3()
{
	std::set<string> out;

	for (const page &p : pages(false))
		if (p.section() == "3")
			for (const string &name : p.names())
				out.insert(name);
	return out;
}

/* The instruction sets, as arch/ names them. */
std::vector<string> architectures()
{
	std::vector<string> out;
	std::error_code none;

	for (auto &entry : fs::directory_iterator(top / "arch", none))
		if (entry.path().extension() == ".h" &&
		    entry.path().stem() != "none")
			out.push_back(entry.path().stem());
	std::sort(out.begin(), out.end());
	return out;
}

string common_macros()
{
	string text;

	for (const char *name : {"section.h", "frame.h"})
		text += content(top / "include/rseq" / name);
	return text;
}

string macros_of(const string &isa)
{
	return content(top / "arch" / (isa + ".h"));
}

/* Whether every instruction set has the macro. */
bool everywhere(const string &macro)
{
	const std::regex define("(^|\n) *#define " + macro + "\\b");

	for (const string &isa : architectures())
		if (!std::regex_search(common_macros() + macros_of(isa),
				       define))
			return false;
	return true;
}

/* What follows prefix in a line of the text: NAME or NAME(a, b). */
std::set<string> signatures(const string &text, const string &prefix)
{
	const std::regex line_of(prefix + "(RSEQ_\\w+(\\([^)]*\\))?).*");
	std::set<string> out;
	std::smatch m;

	for (const string &line : lines(text))
		if (std::regex_match(line, m, line_of))
			out.insert(m[1]);
	return out;
}

/* .BI NAME( a ", " b ) as it is printed. */
string joined(const string &request)
{
	const string args = replaced(request, "^\\.BI? ", "");
	string out;
	bool quoted = false;

	for (char c : args)
		if (c == '"')
			quoted = !quoted;
		else if (c != ' ' || quoted)
			out += c;
	return out;
}

std::vector<string> files(const std::vector<page> &of)
{
	std::vector<string> out;

	for (const page &p : of)
		out.push_back(p.file.filename());
	return out;
}

string test_name(const testing::TestParamInfo<string> &info)
{
	return replaced(info.param, "\\W", "_");
}

class Man : public testing::TestWithParam<string>
{
      protected:
	const page p{top / "man" / GetParam()};

	void SetUp() override
	{
		if (!have("mandoc"))
			GTEST_SKIP() << "mandoc is not installed";
	}
};

class ManAlias : public Man
{
};

INSTANTIATE_TEST_SUITE_P(Pages, Man, testing::ValuesIn(files(pages(false))),
			 test_name);
INSTANTIATE_TEST_SUITE_P(Pages, ManAlias, testing::ValuesIn(files(pages(true))),
			 test_name);

TEST_P(Man, LintsClean)
{
	const string file = " '" + p.file.string() + "'";

	/* All it has to say but one: the host's own pages have such titles. */
	EXPECT_EQ(replaced(sh("mandoc -T lint" + file).out,
			   ".*lower case character in document title.*\n", ""),
		  "");
	if (have("groff")) {
		EXPECT_EQ(
		    sh("groff -Tutf8 -man -t -ww -z -rCHECKSTYLE=3" + file)
			.out,
		    "");
	}
}

TEST_P(Man, TitleLineIsThatOfTheFile)
{
	const std::regex title("\\.TH " + pattern(p.name()) + " " +
			       p.section() +
			       " \\d{4}-\\d\\d-\\d\\d \"librseq \\d+\\.\\d+\"");
	bool found = false;

	for (const string &line : lines(p.source()))
		found |= std::regex_match(line, title);
	EXPECT_TRUE(found) << "no .TH as expected";
	std::set<string> names;
	for (const string &name : p.names())
		names.insert(replaced(name, "librseq::", "rseq_"));
	EXPECT_TRUE(names.contains(p.name()))
	    << "the page is not about what it is called";
}

TEST_P(Man, SentencesBeginLines)
{
	const std::regex two("^[^.'].*[a-z)]\\. +[A-Z]");
	bool code = false;

	for (const string &line : lines(p.source())) {
		code = line == ".EX" || (code && line != ".EE");
		EXPECT_FALSE(!code && std::regex_search(line, two)) << line;
	}
}

/* A minus is \-; the backslash twice prints one. */
TEST_P(Man, EscapesOnce)
{
	for (const string &line : lines(p.source()))
		EXPECT_EQ(line.find("\\\\-"), string::npos) << line;
}

TEST_P(Man, FitsATerminal)
{
	for (const string &line : lines(p.rendered()))
		EXPECT_LE(line.size(), 78u) << line;
}

TEST_P(Man, EveryReferenceToOurPagesExists)
{
	static const std::regex reference(
	    "\\b((?:lib)?rseq[\\w+-]*|tlabi[\\w+-]*) ?\\((\\d)\\)");
	for (const string &text : {p.rendered(400), content(top / "README.md")})
		for (std::sregex_iterator
			 i(text.begin(), text.end(), reference),
		     end;
		     i != end; ++i)
			EXPECT_TRUE(
			    fs::exists(top / "man" /
				       ((*i)[1].str() + "." + (*i)[2].str())))
			    << i->str();
}

TEST_P(Man, SeeAlsoIsInOrder)
{
	static const std::regex reference("([\\w+-]+)\\((\\d)\\)");
	const string text = p.part("SEE ALSO");
	std::vector<string> found;

	for (std::sregex_iterator i(text.begin(), text.end(), reference), end;
	     i != end; ++i)
		found.push_back((*i)[2].str() + " " + (*i)[1].str());
	EXPECT_FALSE(found.empty());
	EXPECT_TRUE(std::is_sorted(found.begin(), found.end())) << text;
	EXPECT_EQ(std::count(found.begin(), found.end(),
			     p.section() + " " + p.name()),
		  0)
	    << "itself";
}

/* The page of ours that a reference such as "rseq(7)" leads to, or "". */
string leads_to(const string &name, const string &section)
{
	const page p{top / "man" / (name + "." + section)};
	std::smatch m;

	if (!fs::exists(p.file))
		return "";
	const string source = p.source();
	static const std::regex link("\\.so man\\d/(\\S+)\n");
	return std::regex_match(source, m, link) ? m[1].str()
						 : p.file.filename().string();
}

std::set<string> see_also(const page &p)
{
	static const std::regex reference("([\\w+-]+)\\((\\d)\\)");
	const string text = p.part("SEE ALSO");
	std::set<string> out;

	for (std::sregex_iterator i(text.begin(), text.end(), reference), end;
	     i != end; ++i)
		out.insert(leads_to((*i)[1], (*i)[2]));
	out.erase("");
	return out;
}

TEST_P(Man, SeeAlsoLeadsBack)
{
	for (const string &other : see_also(p))
		EXPECT_TRUE(see_also(page{top / "man" / other})
				.contains(p.file.filename()))
		    << other << " does not name " << p.file.filename();
}

/* Templates: only that there are such names. */
void expect_in_namespace(const string &includes,
			 const std::vector<string> &names)
{
	string program = includes;
	scratch s;

	for (const string &name : names)
		program += "using " + name + ";\n";
	const harness::outcome r =
	    sh(cxx + " -fsyntax-only " + s.write("names.cc", program));
	EXPECT_EQ(r.code, 0) << r.out << program;
}

/* "name ( its parameters )" in text that is tokens, or "". */
string call_in(const string &text, const string &name)
{
	std::smatch m;
	const std::regex call("\\b" + name + " (\\()");

	if (!std::regex_search(text, m, call))
		return "";
	const size_t at = static_cast<size_t>(m.position(1));
	return name + " (" + inside(text, at) + ")";
}

/*
 * A function is as the headers declare it, word for word, and the compiler
 * agrees about its result; a macro has the parameters that the page shows, a
 * constant its value.
 */
TEST_P(Man, SynopsisIsWhatTheHeadersDeclare)
{
	if (p.section() != "3" || p.name() == "librseq")
		return;
	static const std::regex constant("#define (\\w+) +/\\* (\\d+) \\*/");
	string includes, shown, prototypes, uses = "void use(void)\n{\n";
	std::smatch m;

	for (string line : lines(p.part("SYNOPSIS"))) {
		line = replaced(line, "^ +", "");
		if (line.starts_with("#include"))
			includes += line + "\n";
		else if (std::regex_match(line, m, constant))
			uses += "_Static_assert(" + m[1].str() +
				" == " + m[2].str() + ", \"\");\n";
		else if (!line.starts_with("#"))
			shown += line + "\n";
	}
	if (includes.find(".hpp") != string::npos) {
		expect_in_namespace(includes, p.names());
		return;
	}
	const string text = tokens(shown);
	int found = 0;
	for (const string &name : p.names()) {
		const auto macro = headers().macro.find(name);
		const string call = call_in(text, name);
		if (headers().function.contains(name)) {
			ASSERT_NE(call, "") << name;
			EXPECT_NE(headers().text.find(call), string::npos)
			    << call;
			uses += "(void)&" + name + ";\n";
		} else if (macro != headers().macro.end()) {
			includes += "#ifndef " + name + "\n#error no " + name +
				    "\n#endif\n";
			if (macro->second == "-")
				EXPECT_NE(uses.find("(" + name + " =="),
					  string::npos) << name;
			else
				EXPECT_EQ(parameters(inside(call,
					  call.find('('))), macro->second)
				    << name;
		} else {
			continue;
		}
		++found;
	}
	EXPECT_GT(found, 0);
	/* And nothing that is not in NAME. */
	static const std::regex function("\\b(rseq_\\w+) \\(");
	for (std::sregex_iterator i(text.begin(), text.end(), function), end;
	     i != end; ++i) {
		const auto names = p.names();
		EXPECT_NE(std::find(names.begin(), names.end(), (*i)[1].str()),
			  names.end()) << (*i)[1];
	}
	for (const string &one : lines(replaced(text, ";", ";\n")))
		for (const string &name : headers().function)
			if (call_in(one, name) != "")
				prototypes += one + "\n";
	/* The headers that the page names declare it; again is no conflict. */
	const string program = includes + uses + "}\n" + prototypes;
	scratch s;
	harness::outcome r =
	    sh(cc + " -fsyntax-only " + s.write("synopsis.c", program));
	EXPECT_EQ(r.code, 0) << r.out << program;
}

TEST_P(Man, TypesAreThoseOfTheHeaders)
{
	static const std::regex type(
	    "\\b((struct|enum) rseq\\w* \\{|typedef struct \\{)[^}]*\\}"
	    "( \\w+ ;)?");
	if (p.section() != "3")
		return;
	const string text = tokens(p.part("DESCRIPTION"));
	for (std::sregex_iterator i(text.begin(), text.end(), type), end;
	     i != end; ++i)
		EXPECT_NE(headers().text.find(i->str()), string::npos)
		    << i->str();
}

/* Words that readers stumbled over, and the ones that pages use instead. */
TEST_P(Man, ProseUsesTheFieldsWords)
{
	static const std::pair<const char *, const char *> instead[] = {
	    {"[^e] [Ss]equences?\\b", "section"},
	    {"[Cc]anceled", "cancelled"},
	    {"\\bcpus?\\b(?!_)", "CPU"},
	    {"\\bbe had\\b", "available"},
	    {"\\b[Ss]omebody\\b", "another thread"},
	    {"\\bone's own\\b", "your own"},
	    {"\\balso (if|where)\\b", "even if"},
	    {"\\b(inside|outside) of\\b", "inside"},
	    {"\\bno single\\b", "not a single"},
	};
	bool code = false;
	string prose;

	for (const string &line : lines(p.source())) {
		code = line == ".EX" || line == ".TS" || line == ".SH SYNOPSIS" ||
		       (code && line != ".EE" && line != ".TE" &&
			line != ".SH DESCRIPTION");
		if (!code && !line.starts_with(".I") &&
		    !line.starts_with(".B") && !line.starts_with(".\\\""))
			prose += line + " ";
	}
	prose = replaced(prose, "\\\\f[BI].*?\\\\f[RP]", "");
	prose = replaced(prose, "\\\\\\(aq", "'");
	for (auto &[word, better] : instead) {
		std::smatch m;
		EXPECT_FALSE(std::regex_search(prose, m, std::regex(word)))
		    << m.prefix().str().substr(
			   m.prefix().length() > 60 ?
			   static_cast<size_t>(m.prefix().length()) - 60 : 0)
		    << m.str() << ": better " << better;
	}
}

/* The same with sections and without. */
void expect_shown(const string &in, const example &e)
{
	std::vector<string> settings = {""};

	if (e.source.find("#include <rseq/") != string::npos ||
	    e.source.find("librseq") != string::npos)
		settings.push_back("GLIBC_TUNABLES=glibc.pthread.rseq=0 "
				   "TLABI_RSEQ=0 ");
	for (const string &setting : settings) {
		const harness::outcome r =
		    sh(in + setting + "timeout 60 " + e.command);
		EXPECT_EQ(r.code, 0) << setting << e.file << ":\n" << r.out;
		EXPECT_TRUE(std::regex_match(r.out, std::regex(e.output)))
		    << setting << e.file << " said:\n"
		    << r.out << "expected:\n"
		    << e.output;
	}
}

/* On the library that is built. */
void expect_of_python(const scratch &s, const example &e)
{
	const fs::path libs = fs::path(env("TOP_BUILDDIR", ".")) / ".libs";

	if (!have("python3") || !fs::exists(libs / "librseq-ffi.so"))
		GTEST_SKIP() << "no python3, or no " << libs;
	expect_shown("cd '" + s.dir.string() + "' && export LD_LIBRARY_PATH='" +
		     libs.string() + "' && ", e);
}

TEST_P(Man, ExamplesDoWhatThePageShows)
{
	const auto all = examples(p);
	const string libs = env("RSEQ_LIBS", "-lrseq");
	scratch s;

	EXPECT_EQ(all.empty(), p.section() == "1");
	if (p.name() == "rseq" && p.section() == "2" &&
	    syscall(SYS_rseq, 0, 0, 0, 0) == -1 && errno != EINVAL)
		GTEST_SKIP() << "rseq(2) says: " << strerror(errno);
	for (const example &e : all) {
		s.write(e.file, e.source);
		if (e.command.starts_with("python3 ")) {
			expect_of_python(s, e);
			continue;
		}
		ASSERT_TRUE(std::regex_search(
		    e.compile, std::regex("^((tlabi-g)?cc?|c\\+\\+)( -std=\\S+)? "
					  "-o \\S+ ")))
		    << e.file;
		const bool cpp = e.compile.starts_with("c++");
		string compile =
		    replaced(e.compile, "^(c\\+\\+|(tlabi-g)?cc?)", "");
		compile = replaced(compile, "-lrseq", "");
		const string in = "cd '" + s.dir.string() + "' && ";
		/* The flags may hold paths that begin here, not there. */
		harness::outcome r = sh(
		    replaced((cpp ? cxx : cc) + compile, " (\\w+\\.cc?)\\b",
			     (" '" + s.dir.string() + "/$1'").c_str()) +
		    (e.compile.find("-lrseq") == string::npos ? ""
							      : " " + libs) +
		    " && mv '" + e.command.substr(2) + "' '" + s.dir.string() +
		    "'");
		ASSERT_EQ(r.code, 0) << e.file << ":\n" << r.out;
		expect_shown(in, e);
	}
}

/* Rows "4 uint32_t cpu_id" of a table, constants as "RSEQ_DIFFERENT (1)". */
TEST_P(Man, NumbersAreThoseOfTheHeaders)
{
	static const std::regex row(
	    "^ +(\\d+) +(?:u|uint)(32|64)(?:_t)? (\\w+)(?:\\[(\\d)\\])?");
	static const std::regex constant("\\b(RSEQ_\\w+) \\((-?\\d+)\\)");
	string program = "#include <rseq/rseq.h>\n";
	std::smatch m;

	for (const string &line : lines(p.rendered())) {
		if (std::regex_search(line, m, row)) {
			const string field = m[3], bits = m[2], many = m[4];
			program += "_Static_assert(offsetof(struct tlabi, " +
				   field + ") == " + m[1].str() +
				   " && sizeof ((struct tlabi *)0)->" + field +
				   " == " + bits + " / 8 * " +
				   (many.empty() ? "1" : many) + ", \"" +
				   field + "\");\n";
		} else if (std::regex_search(line, m, constant) &&
			   headers().enumerator.contains(m[1])) {
			program += "_Static_assert(" + m[1].str() +
				   " == " + m[2].str() + ", \"" + m[1].str() +
				   "\");\n";
		}
	}
	EXPECT_TRUE(p.name() != "tlabi" ||
		    program.find("offsetof") != string::npos);
	scratch s;
	harness::outcome r = sh(cc + " -fsyntax-only " + s.write("numbers.c", program));
	EXPECT_EQ(r.code, 0) << r.out;
}

TEST_P(ManAlias, LeadsToAPageThatNamesIt)
{
	std::smatch m;
	const string source = p.source();
	const std::regex link("\\.so man(\\d)/([\\w+-]+\\.(\\d))\n");

	ASSERT_TRUE(std::regex_match(source, m, link)) << source;
	EXPECT_EQ(m[1], m[3]);
	EXPECT_EQ(m[1], p.section());
	const page target{top / "man" / m[2].str()};
	ASSERT_TRUE(fs::exists(target.file)) << target.file;
	const auto names = target.names();
	EXPECT_NE(std::find(names.begin(), names.end(), p.name()), names.end());
}

/*
 * Every name that a user inherits has a page: a function or an operation, and
 * what the NAME of a page says, can be asked for by its name.  Verbs and their
 * like are explained in rseq_section(3).
 */
TEST(ManPages, EveryPublicNameHasOne)
{
	if (!have("mandoc"))
		GTEST_SKIP() << "mandoc is not installed";
	const std::set<string> documented = names_in_section_3();
	std::set<string> callable = headers().function;
	string text;

	for (const page &p : pages(false))
		if (p.section() == "3")
			text += p.rendered(400);
	for (auto &[name, parameters] : headers().macro)
		if (name.starts_with("rseq_"))
			callable.insert(name);
		else
			EXPECT_TRUE(std::regex_search(
			    text, std::regex("\\b" + name + "\\b"))) << name;
	for (const string &name : callable)
		EXPECT_TRUE(documented.contains(name)) << name;
	for (const string &name : documented)
		EXPECT_TRUE(name.starts_with("librseq::") ||
			    name == "RSEQ_SECTION" ||
			    name == "RSEQ_TRANSACTION" ||
			    fs::exists(top / "man" / (name + ".3"))) << name;
	/* No more than a reader can keep in mind, beside the structures. */
	static const std::regex structure(
		"rseq_(cache|ring|pool|counters|histogram|readers|refcount)"
		"_.*");
	std::erase_if(callable, [](const string &name) {
		return std::regex_match(name, structure);
	});
	EXPECT_EQ(callable.size(), 60u) << testing::PrintToString(callable);
}

TEST(ManPages, NoneIsAboutSomethingElse)
{
	if (!have("mandoc"))
		GTEST_SKIP() << "mandoc is not installed";
	/* What has a namespace has been looked for in it. */
	for (const page &p : pages(false)) {
		if (p.section() != "3")
			continue;
		for (const string &name : p.names())
			EXPECT_TRUE(name == p.name() ||
				    name.starts_with("librseq::") ||
				    headers().function.contains(name) ||
				    headers().macro.contains(name) ||
				    headers().text.find(" " + name + " (") !=
					    string::npos ||	/* a typedef */
				    headers().text.find("struct " + name +
							" {") != string::npos)
			    << name;
	}
}

/*
 * The tags of rseq_section(3) are macros as the headers define them, or verbs
 * as the contract in <rseq/section.h> has them, on every architecture; and no
 * verb of the contract that can be used everywhere is missing.
 */
TEST(ManPages, MacrosAreThoseOfTheHeaders)
{
	std::set<string> contract;
	for (const string &sig : signatures(
		 content(top / "include/rseq/section.h"), " \\*\t"))
		if (!is_private(replaced(sig, "\\(.*", "")))
			contract.insert(sig);
	string text = common_macros();
	std::set<string> shown;
	bool tag = false;

	for (const string &isa : architectures())
		text += macros_of(isa);
	const auto defined = signatures(text, " *#define ");
	for (const string &line : lines(content(top / "man/rseq_section.3"))) {
		const string sig = joined(line);
		if (tag && sig.starts_with("RSEQ_")) {
			shown.insert(sig);
			EXPECT_TRUE(contract.contains(sig) ||
				    defined.contains(sig))
			    << sig;
			EXPECT_TRUE(everywhere(replaced(sig, "\\(.*", "")))
			    << sig;
		}
		tag = line == ".TP" || line == ".TQ";
	}
	EXPECT_GT(shown.size(), 20u);
	EXPECT_GT(contract.size(), 10u);
	for (const string &sig : contract)
		EXPECT_EQ(shown.contains(sig),
			  everywhere(replaced(sig, "\\(.*", "")))
		    << sig;
}

/* The functions that rseq_section(3) shows, and its program. */
std::vector<string> own_sections()
{
	const page p{top / "man/rseq_section.3"};
	std::vector<string> out;
	string block;

	for (const example &e : examples(p))
		out.push_back(e.source);
	for (const string &line : lines(p.source())) {
		if (line == ".SH EXAMPLES")
			break;
		if (line == ".EX")
			block = "#include <rseq/percpu.h>\n";
		else if (line == ".EE" &&
			 block.find("RSEQ_SECTION") != string::npos)
			out.push_back(block);
		else
			block += unescaped(line) + "\n";
	}
	return out;
}

TEST(ManPages, SectionsOfOnesOwnCompileForEveryArchitecture)
{
	const auto programs = own_sections();
	string without;

	ASSERT_EQ(programs.size(), 2u);
	for (const string &isa : architectures()) {
		const string gcc = isa + "-linux-gnu-gcc";
		if (!have(gcc)) {
			without += " " + isa;
			continue;
		}
		for (const string &program : programs) {
			scratch s;
			const string command =
			    gcc +
			    " -std=c11 -Wall -Wextra -Werror "
			    "-Wno-unused-function -fPIC -c -I'" +
			    top.string() + "' -I'" +
			    (top / "include").string() + "' -o '" +
			    (s.dir / "a.o").string() + "' '" +
			    s.write("a.c", program) + "' ";
			for (const char *level : {"-O0", "-O2"}) {
				const harness::outcome r = sh(command + level);
				EXPECT_EQ(r.code, 0) << isa << r.out;
			}
		}
	}
	if (!without.empty())
		GTEST_SKIP() << "no compiler for" << without;
}

TEST(ManPages, RseqInfoPrintsWhatItsPageLists)
{
	const fs::path info = fs::path(env("TOP_BUILDDIR", ".")) / "rseq-info";
	static const std::regex key("\"(\\w+)\":");

	if (!have("mandoc") || !fs::exists(info))
		GTEST_SKIP() << "mandoc is not installed, or no " << info;
	const string page_text = page{top / "man/rseq-info.1"}.part("OUTPUT");
	const string json = sh("'" + info.string() + "' --json").out;
	int keys = 0;

	for (std::sregex_iterator i(json.begin(), json.end(), key), end;
	     i != end; ++i, ++keys)
		EXPECT_TRUE(std::regex_search(
		    page_text, std::regex(" " + (*i)[1].str() + "  ")))
		    << i->str();
	EXPECT_GT(keys, 0) << json;
}

/*
 * Who writes a filter has to know them all: those that the library makes by
 * number, and every function of the libc that it calls.
 */
TEST(ManPages, LibrseqNamesItsSystemCalls)
{
	static const std::regex number("\\bSYS_(\\w+)");
	static const std::regex undefined(" U ([a-z]\\w*)$");
	static const std::map<string, string> makes = {
	    {"sched_getcpu", "getcpu"}, {"sigaction", "rt_sigaction"}};
	/* These make none. */
	static const std::set<string> none = {
	    "getauxval", "getenv", "memcpy", "memset", "strstr", "strtol",
	    "atoi",	 "syscall", "strcmp", "strrchr", "sigfillset",
	    "pthread_key_create", "pthread_key_delete", "pthread_setspecific",
	    "free",	 "strdup",	/* rseq_counters(3) names them */
	    /* not called: debug.cc has them for libgcc */
	    "pthread_mutex_lock", "pthread_mutex_unlock", "pthread_once",
	    "pthread_cond_wait", "pthread_cond_broadcast",
	    "pthread_getspecific"};
	const string library = env("RSEQ_LIBS", "");
	std::set<string> calls;
	std::smatch m;

	if (!have("mandoc") || !fs::exists(library))
		GTEST_SKIP() << "mandoc is not installed, or no librseq.a";
	for (auto &entry : fs::directory_iterator(top / "librseq")) {
		const string name = entry.path().filename();
		if (!name.ends_with(".cc") || name.starts_with("rseq-info"))
			continue;
		const string source = content(entry.path());
		for (std::sregex_iterator
			 i(source.begin(), source.end(), number), end;
		     i != end; ++i)
			calls.insert((*i)[1]);
	}
	for (const string &line : lines(sh("nm -u '" + library + "'").out))
		if (std::regex_search(line, m, undefined) &&
		    !m[1].str().starts_with("rseq_") && !none.contains(m[1]))
			calls.insert(makes.contains(m[1]) ? makes.at(m[1])
							  : m[1].str());
	EXPECT_GT(calls.size(), 10u);
	const string page_text = page{top / "man/librseq.3"}.part("NOTES");
	for (const string &call : calls)
		EXPECT_TRUE(std::regex_search(
		    page_text, std::regex("\\b" + call + "\\b"))) << call;
}

TEST(ManPages, EveryConstantIsExplained)
{
	if (!have("mandoc"))
		GTEST_SKIP() << "mandoc is not installed";
	string text;

	for (const page &p : pages(false))
		text += p.rendered();
	EXPECT_FALSE(headers().enumerator.empty());
	for (const string &name : headers().enumerator)
		EXPECT_TRUE(
		    std::regex_search(text, std::regex("\\b" + name + "\\b")))
		    << name;
}

} // namespace
