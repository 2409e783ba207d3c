/* SPDX-License-Identifier: MIT */
/* Where things are, the C libraries that are here, and tests of each. */
#include "harness.hh"

#include <algorithm>
#include <cstdlib>

namespace harness {

/* ---- where things are ---- */

static std::string from_env(const char *name, const std::string &otherwise)
{
	const char *value = getenv(name);
	return value && *value ? value : otherwise;
}

fs::path source_dir()
{
	return fs::absolute(from_env("TOP_SRCDIR", "."));
}

fs::path build_dir()
{
	return fs::absolute(from_env("TOP_BUILDDIR", "."));
}

fs::path probes_dir()
{
	return source_dir() / "tests/probes";
}

fs::path scratch_dir()
{
	const fs::path all = build_dir() / "tests/work";
	return the_machine().triple.empty() ? all : all / the_machine().triple;
}

fs::path tlabi_build()
{
	return from_env("TLABI_BUILD", source_dir() / "build");
}

fs::path sysroots_dir()
{
	const fs::path all = tlabi_build() / "sysroot";
	return the_machine().triple.empty() ? all : all / the_machine().triple;
}

/* A tool of binutils or gcc, for the machine that programs run on. */
std::string tool(const std::string &name)
{
	const std::string &triple = the_machine().triple;
	return triple.empty() ? name : triple + '-' + name;
}

std::string cc()
{
	return the_machine().triple.empty() ? from_env("CC", "cc") : tool("gcc");
}

std::string cxx()
{
	return the_machine().triple.empty() ? from_env("CXX", "c++") : tool("g++");
}

bool have(const std::string &tool)
{
	return run({"sh", "-c", "command -v \"$0\"", tool}).ok();
}

std::string clang()
{
	static const std::string found = [] {
		std::string name = from_env("CLANG", "clang");
		if (!the_machine().triple.empty() || !have(name))
			return std::string();
		return name;
	}();
	return found;
}

std::string clang_or_none()
{
	return clang().empty() ? "clang" : clang();
}

/* ---- C libraries ---- */

std::string libc::compiler() const
{
	if (!root.empty())
		return root / "bin/tlabi-gcc";
	return other.empty() ? cc() : other;
}

strings libc::gcc() const
{
	return {compiler()};
}

strings libc::clang() const
{
	if (root.empty())
		return {harness::clang()};
	return {"env", "TLABI_CC=" + harness::clang(), compiler()};
}

fs::path libc::loader() const
{
	if (!root.empty()) {
		outcome about = run({"cat", root / "share/tlabi/sysroot.txt"});
		return about.text("loader");
	}
	return family == family::musl ? "/lib/ld-musl-x86_64.so.1" :
		"/lib64/ld-linux-x86-64.so.2";
}

/* What build-libc writes last is there. */
static bool complete(const fs::path &root)
{
	return fs::exists(root / "share/tlabi/sysroot.txt");
}

static libc sysroot(const fs::path &root)
{
	libc l;

	l.name = root.filename();
	l.family = l.name.starts_with("musl") ? family::musl : family::glibc;
	l.line = !l.name.ends_with("-stock");
	l.root = root;
	if (!complete(root))
		l.missing = l.name + " is not built completely";
	return l;
}

/* Why the distribution's libc registers no thread: its header says how. */
static std::string why_not_host()
{
	if (run({"sh", "-c", "echo '#include <sys/rseq.h>\n"
			     "int signature = RSEQ_SIG;' | "
			     "\"$0\" -fsyntax-only -x c -", cc()}).ok())
		return {};
	return "this machine's libc has no rseq on " + the_machine().isa;
}

static std::vector<libc> find_libcs()
{
	std::vector<libc> found = {{"host", family::glibc, false, {},
				    why_not_host()}};
	std::vector<fs::path> roots;
	std::error_code none;

	for (const auto &e : fs::directory_iterator(sysroots_dir(), none))
		if (fs::exists(e.path() / "bin/tlabi-gcc"))
			roots.push_back(e.path());
	std::sort(roots.begin(), roots.end());
	for (const char *name : {"glibc", "musl"}) {
		size_t before = found.size();
		for (const fs::path &root : roots) {
			libc l = sysroot(root);
			if (l.line && l.name.starts_with(name))
				found.push_back(l);
		}
		if (found.size() == before)
			found.push_back({name, *name == 'g' ? family::glibc
							    : family::musl,
					 true, {},
					 std::string("no patched ") + name +
					 ": see libc-patches/build-libc"});
	}
	return found;
}

const std::vector<libc> &libcs()
{
	static const std::vector<libc> all = find_libcs();
	return all;
}

std::vector<libc> patched()
{
	std::vector<libc> some;

	for (const libc &l : libcs())
		if (l.line)
			some.push_back(l);
	return some;
}

strings built_sysroots()
{
	strings names;
	std::error_code none;

	for (const auto &e : fs::directory_iterator(sysroots_dir(), none))
		if (complete(e.path()))
			names.push_back(e.path().filename());
	return names;
}

libc stock_of(const libc &l)
{
	fs::path twin = l.root.string() + "-stock";

	if (!l.root.empty() && complete(twin))
		return sysroot(twin);
	if (l.family == family::glibc)
		return libcs().front();
	/* Debian's is for this machine. */
	return {"musl-tools", family::musl, false, {},
		the_machine().triple.empty() && have("musl-gcc") ? "" :
		"no stock musl: see build-libc --stock", "musl-gcc"};
}

static std::vector<link_mode> find_link_modes()
{
	std::vector<link_mode> all = {
		{"pie", {"-fPIE", "-pie"}, true},
		{"no_pie", {"-fno-pie", "-no-pie"}, true},
		{"static", {"-fno-pie", "-no-pie", "-static"}, false},
		{"static_pie", {"-fPIE", "-static-pie"}, false},
	};

	/* What the libc does differently, and no more: time is short there. */
	if (the_machine().virtual_one)
		std::erase_if(all, [](const link_mode &m) {
			return m.name == "no_pie" || m.name == "static_pie";
		});
	return all;
}

const std::vector<link_mode> &link_modes()
{
	static const std::vector<link_mode> all = find_link_modes();
	return all;
}

const link_mode &pie()
{
	return link_modes().front();
}

/* ---- parameters ---- */

static std::vector<variant> cross(const std::vector<libc> &ls,
				  const strings &modes)
{
	std::vector<variant> all;

	for (const libc &l : ls)
		for (const link_mode &m : link_modes())
			if (modes.empty() || std::find(modes.begin(),
						       modes.end(), m.name) !=
			    modes.end())
				all.push_back({l, m});
	return all;
}

std::vector<variant> variants()
{
	return cross(libcs(), {});
}

std::vector<variant> variants(const strings &modes)
{
	return cross(libcs(), modes);
}

std::vector<variant> patched_variants(const strings &modes)
{
	return cross(patched(), modes);
}

std::vector<variant> patched_glibc_variants(const strings &modes)
{
	std::vector<variant> some = patched_variants(modes);

	std::erase_if(some, [](const variant &v) {
		return v.libc.family != family::glibc;
	});
	return some;
}

std::string variant_name(const testing::TestParamInfo<variant> &info)
{
	return identifier(info.param.libc.name + "_" + info.param.mode.name);
}

std::ostream &operator<<(std::ostream &to, const variant &v)
{
	return to << v.libc.name << ' ' << v.mode.name;
}

std::ostream &operator<<(std::ostream &to, const libc &l)
{
	return to << l.name;
}

std::string libc_name(const testing::TestParamInfo<libc> &info)
{
	return identifier(info.param.name);
}

void LibcTest::SetUp()
{
	if (!libc().missing.empty())
		GTEST_SKIP() << libc().missing;
}

void VariantTest::SetUp()
{
	if (!libc().missing.empty())
		GTEST_SKIP() << libc().missing;
}

} // namespace harness
