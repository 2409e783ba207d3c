/* SPDX-License-Identifier: MIT */
/* The C libraries that are here, and building probes for each of them. */
#include "harness.hh"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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
	return build_dir() / "tests/work";
}

static fs::path sysroots_dir()
{
	return fs::path(from_env("TLABI_BUILD", source_dir() / "build")) /
		"sysroot";
}

std::string cc()
{
	return from_env("CC", "cc");
}

std::string cxx()
{
	return from_env("CXX", "c++");
}

bool have(const std::string &tool)
{
	return run({"sh", "-c", "command -v \"$0\"", tool}).ok();
}

std::string clang()
{
	static const std::string found = [] {
		std::string name = from_env("CLANG", "clang");
		return have(name) ? name : std::string();
	}();
	return found;
}

/* ---- C libraries ---- */

static std::string content(const fs::path &file)
{
	std::ifstream in(file, std::ios::binary);
	std::ostringstream all;

	all << in.rdbuf();
	return all.str();
}

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
		outcome about;
		about.out = content(root / "share/tlabi/sysroot.txt");
		return about.text("loader");
	}
	return family == family::musl ? "/lib/ld-musl-x86_64.so.1" :
		"/lib64/ld-linux-x86-64.so.2";
}

static libc sysroot(const fs::path &root)
{
	libc l;

	l.name = root.filename();
	l.family = l.name.starts_with("musl") ? family::musl : family::glibc;
	l.line = !l.name.ends_with("-stock");
	l.root = root;
	if (!fs::exists(root / "share/tlabi/sysroot.txt"))
		l.missing = l.name + " is not built completely";
	return l;
}

static std::vector<libc> find_libcs()
{
	std::vector<libc> found = {{"host", family::glibc, false, {}, {}}};
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
					 " is built: see libc-patches/build-libc"});
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

libc stock_of(const libc &l)
{
	fs::path twin = l.root.string() + "-stock";

	if (!l.root.empty() && fs::exists(twin / "share/tlabi/sysroot.txt"))
		return sysroot(twin);
	if (l.family == family::glibc)
		return libcs().front();
	return {"musl-tools", family::musl, false, {},
		have("musl-gcc") ? "" : "no stock musl: see build-libc --stock",
		"musl-gcc"};
}

const std::vector<link_mode> &link_modes()
{
	static const std::vector<link_mode> all = {
		{"pie", {"-fPIE", "-pie"}, true},
		{"no_pie", {"-fno-pie", "-no-pie"}, true},
		{"static", {"-fno-pie", "-no-pie", "-static"}, false},
		{"static_pie", {"-fPIE", "-static-pie"}, false},
	};
	return all;
}

const link_mode &pie()
{
	return link_modes().front();
}

/* ---- building ---- */

static std::string stamp(const fs::path &file)
{
	struct stat st;

	if (stat(file.c_str(), &st))
		return "-";
	return std::to_string(st.st_size) + "." +
		std::to_string(st.st_mtim.tv_sec) + "." +
		std::to_string(st.st_mtim.tv_nsec);
}

/* Of every file that some build may include. */
static const std::string &shared_inputs()
{
	static const std::string all = [] {
		std::vector<fs::path> files;
		std::string s;

		for (const char *dir : {"include/rseq", "arch", "librseq",
					"tests/probes"})
			for (const auto &e :
			     fs::directory_iterator(source_dir() / dir))
				if (std::string x = e.path().extension();
				    x == ".h" || x == ".hh" || x == ".hpp")
					files.push_back(e.path());
		std::sort(files.begin(), files.end());
		for (const fs::path &f : files)
			s += stamp(f) + ' ';
		return s;
	}();
	return all;
}

static std::string key_of(const strings &command)
{
	std::string key = shared_inputs();

	for (const std::string &arg : command) {
		key += '\n' + arg;
		if (!arg.starts_with('/') || !fs::is_regular_file(arg))
			continue;
		key += ' ' + stamp(arg);
		if (arg.ends_with("/bin/tlabi-gcc"))
			for (const char *file : {"libc.so", "libc.a",
						 "libc.so.6"})
				key += ' ' + stamp(fs::path(arg).parent_path() /
						   "../lib" / file);
	}
	return key;
}

/* Held while an output is made: several test programs may want it at once. */
struct file_lock {
	int fd;
	explicit file_lock(const fs::path &file)
		: fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666))
	{
		flock(fd, LOCK_EX);
	}
	~file_lock() { close(fd); }
};

outcome compile(const strings &command, const fs::path &output)
{
	const fs::path key_file = output.string() + ".key";
	const std::string key = key_of(command);

	fs::create_directories(output.parent_path());
	file_lock lock(output.string() + ".lock");
	outcome done;
	done.command = command;
	done.code = 0;
	if (fs::exists(output) && content(key_file) == key)
		return done;
	fs::remove(key_file);
	fs::remove(output);
	done = run(command + strings{"-o", output});
	if (done.ok())
		std::ofstream(key_file, std::ios::binary) << key;
	return done;
}

static fs::path must(const outcome &compiled, const fs::path &output)
{
	if (!compiled.ok()) {
		std::ostringstream what;
		what << "does not compile:" << compiled;
		throw std::runtime_error(what.str());
	}
	return output;
}

/* A name for what these flags make, beside what others make of the source. */
static std::string with_flags(const std::string &name, const strings &flags)
{
	std::string all;

	for (const std::string &f : flags)
		all += f + ' ';
	if (all.empty())
		return name;
	std::ostringstream hex;
	hex << name << '-' << std::hex << std::hash<std::string>()(all);
	return hex.str();
}

static const strings probe_flags = {"-std=gnu11", "-O2", "-g", "-Wall",
				    "-Wextra", "-Werror", "-pthread"};

fs::path probe(const libc &l, const link_mode &mode, const std::string &name,
	       const strings &flags)
{
	fs::path out = scratch_dir() / l.name / mode.name /
		with_flags(name, flags);

	return must(compile(strings{l.compiler()} + probe_flags + mode.flags +
				    strings{probes_dir() / (name + ".c")} +
				    flags, out), out);
}

fs::path probe_library(const libc &l, const std::string &name,
		       const std::string &file, const strings &flags)
{
	fs::path out = scratch_dir() / l.name / "lib" / file;

	return must(compile(strings{l.compiler()} + probe_flags +
				    strings{"-fPIC", "-shared",
					    probes_dir() / (name + ".c")} +
				    flags, out), out);
}

strings rseq_include_flags()
{
	return {"-I" + (source_dir() / "include").string(),
		"-I" + source_dir().string()};
}

/* The objects of librseq for l, in dir. */
static strings librseq_objects(const libc &l, const strings &flags,
			       const fs::path &dir)
{
	strings objects;

	for (const auto &e : fs::directory_iterator(source_dir() / "librseq")) {
		fs::path source = e.path();
		if (source.extension() != ".cc" ||
		    source.filename() == "rseq-info.cc")
			continue;
		fs::path object = dir / source.stem();
		object += ".o";
		must(compile(strings{l.compiler(), "-x", "c++", "-std=c++20",
				     "-nostdinc++", "-O2", "-Wall", "-Wextra",
				     "-Werror", "-fno-exceptions", "-fno-rtti",
				     "-fno-threadsafe-statics", "-c", source} +
				     rseq_include_flags() + flags, object),
		     object);
		objects.push_back(object);
	}
	std::sort(objects.begin(), objects.end());
	return objects;
}

fs::path librseq(const libc &l, const strings &flags)
{
	const fs::path dir = scratch_dir() / l.name / with_flags("rseq", flags);
	const fs::path archive = dir / "librseq.a", made = dir / "new.a";
	std::string key;

	fs::create_directories(dir);
	file_lock lock(dir / "lock");
	const strings objects = librseq_objects(l, flags, dir);
	for (const std::string &o : objects)
		key += o + ' ' + stamp(o) + '\n';
	if (content(dir / "key") == key)
		return archive;
	fs::remove(made);
	must(run(strings{"gcc-ar", "rcsD", made} + objects), made);
	fs::rename(made, archive);
	std::ofstream(dir / "key", std::ios::binary) << key;
	return archive;
}

fs::path librseq_shared(const libc &l)
{
	const fs::path dir = scratch_dir() / l.name / "rseq-shared";
	const fs::path out = dir / "librseq.so";

	fs::create_directories(dir);
	file_lock lock(dir / "lock");
	strings objects = librseq_objects(l, {"-fPIC"}, dir);
	return must(compile(strings{l.compiler(), "-shared",
		"-Wl,--version-script=" +
		(source_dir() / "librseq/librseq.map").string(),
		"-Wl,-soname,librseq.so", "-Wl,-z,text", "-Wl,-z,defs",
		"-Wl,-z,nodelete"} + objects, out), out);
}

fs::path rseq_probe(const libc &l, const link_mode &mode,
		    const std::string &name, const strings &flags)
{
	strings code;

	for (const std::string &f : mode.flags + flags)
		if (f.starts_with("-f") || f.starts_with("-O"))
			code.push_back(f);
	return probe(l, mode, name, rseq_include_flags() + flags +
		     strings{librseq(l, code)});
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

static std::string identifier(std::string s)
{
	std::replace_if(s.begin(), s.end(),
			[](unsigned char c) { return !isalnum(c); }, '_');
	return s;
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
