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

/* Called by inline functions and nobody else, so without a page. */
const std::set<string> internal = {
    "rseq_begin_slow",	     "rseq_conflict",	  "rseq_copy_hold",
    "rseq_counter_add_slow", "rseq_event_count",  "rseq_event_token",
    "rseq_guard_of", "rseq_look",	     "rseq_misaligned",	  "rseq_done", "rseq_release",
    "rseq_retry",	     "rseq_thread_event", "rseq_thread_line",
    "rseq_sections_broken",
};

/* Where there is no line, on aarch64, and where the compiler optimizes. */
bool declared_elsewhere(const string &name)
{
	return name.starts_with("rseq_thread") ||
	       name == "rseq_sections_broken" || name == "rseq_misaligned";
}

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

/* What the public headers declare. */
struct api {
	std::map<string, string> declaration; /* of functions, variables */
	std::set<string> type;		      /* struct and enum bodies */
	std::set<string> enumerator;
};

/* One declaration at file scope, without what a page leaves out. */
void declare(api &a, string text)
{
	static const std::regex function("\\b((?:rseq|tlabi)_\\w+) \\(");
	static const std::regex variable("^extern .*?\\b(rseq_\\w+)$");
	static const std::regex type("(struct|enum) (rseq|tlabi)\\w* \\{.*\\}");
	static const std::regex value("\\b(RSEQ_\\w+)");
	std::smatch m;

	text = tokens(text);
	text = replaced(text, "__attribute__ \\( \\( .*? \\) \\) ?", "");
	text = replaced(text, "\\b(static|inline|__extension__) ", "");
	text = replaced(text, " $", "");
	if (std::regex_search(text, m, type)) {
		a.type.insert(m.str());
		const string body = m.str();
		for (std::sregex_iterator i(body.begin(), body.end(), value),
		     end;
		     i != end; ++i)
			a.enumerator.insert(i->str());
	}
	if (text.starts_with("typedef"))
		return;
	if (std::regex_search(text, m, type))
		text = replaced(text, "\\{.*\\} ", "");
	if (text.starts_with("extern") && std::regex_search(text, m, variable))
		a.declaration[m[1]] = text;
	else if (std::regex_search(text, m, function))
		a.declaration[m[1]] = replaced(text, "^extern ", "");
}

/* Declarations end with ; or are followed by the body of a function. */
api parse(const string &text)
{
	static const std::regex body("\\b(struct|union|enum)\\b[^()=;]*$");
	api a;
	string part;
	int depth = 0;
	bool keep = true;

	for (char c : text) {
		if (c == '{' && depth++ == 0)
			keep = std::regex_search(part, body);
		if (depth == 0 && c == ';') {
			declare(a, part);
			part.clear();
		} else if (keep || depth == 0) {
			part += c;
		}
		if (c == '}' && --depth == 0 && !keep) {
			part.pop_back();
			declare(a, part);
			part.clear();
			keep = true;
		}
	}
	return a;
}

const api &headers()
{
	static const api all = [] {
		scratch s;
		string text;
		for (auto &entry : fs::directory_iterator(top / "include/rseq"))
			if (entry.path().extension() == ".h")
				text += "#include <rseq/" +
					entry.path().filename().string() +
					">\n";
		return parse(
		    sh(cc + " -E -P " + s.write("all.c", text)).out);
	}();
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

/*
 * The functions that a page documents by a rule: a row "name() [_a][_b|_c]" in
 * its DESCRIPTION stands for name_a(), name_b(), name_a_b() and so on.
 */
std::map<string, string> variants(const page &p)
{
	static const std::regex row(
	    "^ *(rseq_\\w+)\\(\\) +((?:\\[[_a-z0-9|]+\\])+) *$");
	static const std::regex suffix("\\[([^\\]]*)\\]");
	std::map<string, string> base;
	std::smatch m;

	for (const string &line : lines(p.part("DESCRIPTION"))) {
		if (!std::regex_match(line, m, row))
			continue;
		std::vector<string> all = {m[1]};
		const string rule = m[2];
		for (std::sregex_iterator i(rule.begin(), rule.end(), suffix),
		     end;
		     i != end; ++i) {
			const std::vector<string> so_far = all;
			const string either =
			    replaced((*i)[1].str(), "\\|", "\n");
			for (const string &ending : lines(either))
				for (const string &name : so_far)
					all.push_back(name + ending);
		}
		for (const string &name : all)
			if (name != m[1])
				base[name] = m[1];
	}
	return base;
}

/* The instruction sets, as arch/ names them. */
std::vector<string> architectures()
{
	std::vector<string> out;
	std::error_code none;

	for (auto &entry : fs::directory_iterator(top / "arch", none))
		if (entry.path().extension() == ".h")
			out.push_back(entry.path().stem());
	std::sort(out.begin(), out.end());
	return out;
}

string common_macros()
{
	string text;

	for (const char *name :
	     {"section.h", "operation.h", "ops.h", "index.h",
	      "transaction.h"})
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
		names.insert(replaced(name, "::", "_"));
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

TEST_P(Man, SynopsisIsWhatTheHeadersDeclare)
{
	if (p.section() != "3")
		return;
	string includes, prototypes, uses = "void use(void)\n{\n";
	std::set<string> shown;

	for (string line : lines(p.part("SYNOPSIS"))) {
		line = replaced(line, "^ +", "");
		if (line.starts_with("#"))
			includes += line + "\n";
		else if (!line.starts_with("cc ") &&
			 !line.starts_with("RSEQ_") &&
			 !line.starts_with("tlabi-gcc "))
			prototypes += line + "\n";
	}
	if (includes.find(".hpp") != string::npos) {
		expect_in_namespace(includes, p.names());
		return;
	}
	for (auto &[name, text] : parse(prototypes).declaration) {
		auto real = headers().declaration.find(name);
		ASSERT_NE(real, headers().declaration.end()) << name;
		EXPECT_EQ(text, real->second);
		shown.insert(name);
		uses += "(void)&" + name + ";\n";
	}
	for (const string &name : p.names())
		EXPECT_EQ(headers().declaration.contains(name),
			  shown.contains(name))
		    << name;
	EXPECT_EQ(shown.empty(), p.name() == "librseq");

	/* The headers that the page names declare it; again is no conflict. */
	const string program = includes + uses + "}\n" + prototypes;
	scratch s;
	harness::outcome r = sh(cc + " -fsyntax-only " + s.write("synopsis.c", program));
	EXPECT_EQ(r.code, 0) << r.out << program;
}

/* A variant is the function in the SYNOPSIS but for its name and its words. */
TEST_P(Man, VariantsAreThoseOfTheHeaders)
{
	if (p.section() != "3")
		return;
	const auto names = p.names();

	for (auto &[name, base] : variants(p)) {
		EXPECT_NE(std::find(names.begin(), names.end(), base),
			  names.end())
		    << base;
		auto real = headers().declaration.find(name);
		ASSERT_NE(real, headers().declaration.end()) << name;
		string text =
		    replaced(headers().declaration.at(base),
			     ("\\b" + base + "\\b").c_str(), name.c_str());
		if (name.ends_with("_u32"))
			text = replaced(text, "\\bintptr_t\\b", "uint32_t");
		if (name.ends_with("_u64"))
			text = replaced(text, "\\bintptr_t\\b", "uint64_t");
		EXPECT_EQ(real->second, text);
	}
}

TEST_P(Man, TypesAreThoseOfTheHeaders)
{
	if (p.section() != "3")
		return;
	for (const string &type :
	     parse(replaced(p.part("DESCRIPTION"), "[^{};]*\n +(?=struct|enum)",
			    "\n"))
		 .type)
		EXPECT_TRUE(headers().type.contains(type)) << type;
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
		ASSERT_TRUE(std::regex_search(
		    e.compile, std::regex("^((tlabi-g)?cc?|c\\+\\+) -o \\S+ ")))
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
		/* The same with sequences and without. */
		std::vector<string> settings = {""};
		if (e.source.find("enum rseq_result") != string::npos)
			settings.push_back(
			    "GLIBC_TUNABLES=glibc.pthread.rseq=0 "
			    "TLABI_RSEQ=0 ");
		for (const string &setting : settings) {
			r = sh(in + setting + "timeout 60 " + e.command);
			EXPECT_EQ(r.code, 0) << setting << e.file << ":\n"
					       << r.out;
			EXPECT_TRUE(
			    std::regex_match(r.out, std::regex(e.output)))
			    << setting << e.file << " said:\n"
			    << r.out << "expected:\n"
			    << e.output;
		}
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

TEST(ManPages, EveryFunctionHasOne)
{
	if (!have("mandoc"))
		GTEST_SKIP() << "mandoc is not installed";
	const std::set<string> documented = names_in_section_3();
	std::map<string, string> by_rule;

	for (const page &p : pages(false))
		if (p.section() == "3")
			by_rule.merge(variants(p));
	EXPECT_GT(by_rule.size(), 50u);
	EXPECT_GT(headers().declaration.size(), internal.size());
	for (auto &[name, text] : headers().declaration) {
		EXPECT_EQ(documented.contains(name) + by_rule.contains(name),
			  !internal.contains(name))
		    << text;
		EXPECT_EQ(fs::exists(top / "man" / (name + ".3")),
			  documented.contains(name))
		    << text;
	}
}

TEST(ManPages, NoneIsAboutSomethingElse)
{
	if (!have("mandoc"))
		GTEST_SKIP() << "mandoc is not installed";
	/* What has a namespace has been looked for in it. */
	for (const string &name : names_in_section_3())
		EXPECT_TRUE(
		    headers().declaration.contains(name) || name == "librseq" ||
		    name.starts_with("rseq::") || name == "rseq_critical" ||
		    everywhere(name) ||
		    std::any_of(headers().type.begin(), headers().type.end(),
				[&](const string &type) {
					return type.starts_with("struct " +
								name + " ");
				}))
		    << name;
	for (const string &name : internal)
		EXPECT_TRUE(headers().declaration.contains(name) ||
			    declared_elsewhere(name))
		    << name;
}

/*
 * The tags of rseq_critical(3) are macros as the headers define them, or verbs
 * as the contract in <rseq/section.h> has them, on every architecture; and no
 * verb of the contract that can be used everywhere is missing.
 */
TEST(ManPages, MacrosAreThoseOfTheHeaders)
{
	const auto contract = signatures(common_macros(), " \\*\t");
	string text = common_macros();
	std::set<string> shown;
	bool tag = false;

	for (const string &isa : architectures())
		text += macros_of(isa);
	const auto defined = signatures(text, " *#define ");
	for (const string &line : lines(content(top / "man/rseq_critical.3"))) {
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

/* The functions that rseq_critical(3) shows, and its program. */
std::vector<string> own_sections()
{
	const page p{top / "man/rseq_critical.3"};
	std::vector<string> out;
	string block;

	for (const example &e : examples(p))
		out.push_back(e.source);
	for (const string &line : lines(p.source())) {
		if (line == ".SH EXAMPLES")
			break;
		if (line == ".EX")
			block = "#include <rseq/index.h>\n";
		else if (line == ".EE" &&
			 block.find("RSEQ_CRITICAL") != string::npos)
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
