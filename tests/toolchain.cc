/* SPDX-License-Identifier: MIT */
/* Building probes and librseq for each C library, and only when needed. */
#include "harness.hh"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace harness {

/* ---- building ---- */

std::string stamp(const fs::path &file)
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
					"tests/model", "tests/probes"})
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
	/* It may take minutes, which says nothing of what it makes. */
	done = run(command + strings{"-o", output},
		   {{}, std::chrono::minutes(10)});
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

strings recipe(const char *variable)
{
	const char *const value = getenv(variable);

	if (!value || !*value)
		throw std::runtime_error(std::string(variable) + " is not set: "
			"run the test by make check");
	std::istringstream words(value);
	return strings(std::istream_iterator<std::string>(words), {});
}

std::vector<fs::path> librseq_sources()
{
	std::vector<fs::path> sources;

	for (const std::string &name : recipe("RSEQ_SOURCES"))
		if (name.ends_with(".cc"))
			sources.push_back(source_dir() / name);
	return sources;
}

/* The objects of librseq for l, in dir. */
static strings librseq_objects(const libc &l, const strings &flags,
			       const fs::path &dir)
{
	strings objects;

	for (const fs::path &source : librseq_sources()) {
		fs::path object = dir / source.stem();
		object += ".o";
		must(compile(strings{l.compiler(), "-x", "c++"} +
			     recipe("RSEQ_CXXFLAGS") +
			     strings{"-nostdinc++", "-O2", "-Werror", "-c",
				     source} + rseq_include_flags() + flags,
			     object), object);
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

std::string isa::clang() const
{
	static std::map<std::string, bool> known;
	static std::mutex one;
	std::lock_guard lock(one);
	const auto [at, fresh] = known.try_emplace(triple);

	if (fresh && have(clang_or_none()))
		at->second = run({clang_or_none(), clang_flag(), "-xc",
				  "-fsyntax-only", "/dev/null"}).ok();
	return at->second ? clang_or_none() : "clang for " + name;
}

/* Debian's have been static under the plain name since 13. */
std::string isa::qemu() const
{
	const std::string plain = "qemu-" + name, other = plain + "-static";

	return have(other) ? other : plain;
}

const std::vector<isa> &isas()
{
	static const std::vector<isa> all = {
		{"aarch64", "aarch64-linux-gnu"},
		{"riscv64", "riscv64-linux-gnu"},
		{"arm", "arm-linux-gnueabihf"},
		{"i386", "i686-linux-gnu"},
		{"ppc64le", "powerpc64le-linux-gnu"},
		{"s390x", "s390x-linux-gnu"},
		{"mips64el", "mips64el-linux-gnuabi64"},
		{"loongarch64", "loongarch64-linux-gnu"},
	};
	return all;
}

const isa &isa_named(const std::string &name)
{
	const auto found = std::ranges::find(isas(), name, &isa::name);

	if (found == isas().end())
		throw std::runtime_error("there are no verbs for " + name);
	return *found;
}

fs::path emulated_probe(const isa &to, const std::string &name,
			const strings &flags)
{
	const fs::path dir = scratch_dir() / "emulated" / to.name,
		object = dir / (name + ".o"), program = dir / name;
	const strings common = rseq_include_flags() + strings{"-O2"} + flags;
	strings sources;

	for (const fs::path &source : librseq_sources())
		sources.push_back(source);
	must(compile(strings{to.gcc()} + common + strings{"-std=gnu11", "-c",
		probes_dir() / (name + ".c")}, object), object);
	return must(compile(strings{to.gxx()} + common +
			    recipe("RSEQ_CXXFLAGS") +
			    strings{"-static", "-pthread"} + sources +
			    strings{object}, program), program);
}

strings i386_flags()
{
	return {"-m32", "-idirafter", "/usr/include/x86_64-linux-gnu"};
}

void I386Test::SetUp()
{
	if (!fs::exists("/usr/lib32/crt1.o"))
		GTEST_SKIP() << "no 32-bit libc: libc6-dev-i386";
}

fs::path i386_probe(const std::string &name, const strings &flags)
{
	const fs::path out = scratch_dir() / "i386" / with_flags(name, flags);
	strings code = i386_flags();

	for (const std::string &f : flags)
		if (f != "-pie" && f != "-no-pie")
			code.push_back(f);
	return must(compile(strings{cc()} + probe_flags + i386_flags() +
		flags + rseq_include_flags() + strings{
		probes_dir() / (name + ".c"),
		librseq(libcs().front(), code)}, out), out);
}

} // namespace harness
