/* SPDX-License-Identifier: MIT */
/*
 * What the tests share: running a program and reading the key=value lines it
 * prints, the C libraries there are, and building a probe for one of them.
 * The probes only say what they see; every verdict is a test's.
 */
#pragma once

#include <chrono>
#include <compare>
#include <concepts>
#include <filesystem>
#include <functional>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace harness {

namespace fs = std::filesystem;
using strings = std::vector<std::string>;

strings operator+(strings a, const strings &b);

/* ---- running ---- */

/*
 * A number that a program printed, or none.  Unlike two empty optionals, two
 * that are missing are not equal, and a missing one is not less than anything:
 * an expectation about a key that was never printed fails.
 */
struct figure {
	std::optional<long> value;

	figure() = default;
	template <class T>	/* a number, or a name for one */
		requires std::integral<T> || std::is_enum_v<T>
	figure(T n) : value(static_cast<long>(n)) {}

	explicit operator bool() const { return value.has_value(); }
	long operator*() const { return value.value(); }

	friend bool operator==(const figure &a, const figure &b)
	{
		return a && b && *a == *b;
	}
	friend bool operator!=(const figure &a, const figure &b)
	{
		return a && b && *a != *b;
	}
	friend std::partial_ordering operator<=>(const figure &a,
						 const figure &b)
	{
		if (!a || !b)
			return std::partial_ordering::unordered;
		return *a <=> *b;
	}
	friend figure operator+(const figure &a, const figure &b)
	{
		return a && b ? figure(*a + *b) : figure();
	}
	friend figure operator*(const figure &a, const figure &b)
	{
		return a && b ? figure(*a * *b) : figure();
	}
	friend figure operator/(const figure &a, const figure &b)
	{
		return a && b ? figure(*a / *b) : figure();
	}
	friend std::ostream &operator<<(std::ostream &to, const figure &n)
	{
		return n ? to << *n : to << "missing";
	}
};

struct outcome {
	strings command;
	int code = -1;		/* exit status; -1 if a signal ended it */
	int signal = 0;
	bool timed_out = false;
	std::string out, err;

	bool ok() const { return code == 0; }
	bool has(const std::string &key) const;
	/* What the last line "key=value" says; "" if there is none. */
	std::string text(const std::string &key) const;
	/* The same as a number. */
	figure number(const std::string &key) const;
};

/* For EXPECT_...(...) << what: the command, how it ended, what it wrote. */
std::ostream &operator<<(std::ostream &to, const outcome &what);

struct options {
	strings env;		/* NAME=value, besides the caller's */
	std::chrono::seconds timeout{120};
};

/* The environment's own opt-outs are not passed on. */
outcome run(const strings &command, const options &how = {});

/* A shell's script: what it writes to either stream is in out, in order. */
outcome sh(const std::string &script,
	   const options &how = {{}, std::chrono::minutes(10)});

/* Call work(0) to work(n - 1), as many at a time as there are cpus. */
void each(size_t n, const std::function<void(size_t)> &work);
/* Run many in this way; in the order given. */
std::vector<outcome> run_all(const std::vector<strings> &commands);

/* What a file holds; empty if it cannot be read. */
std::string content(const fs::path &file);
bool has(const std::string &text, const std::string &part);
/* The same as part of a test's name. */
std::string identifier(std::string s);

/* What the first group of each match of pattern in text holds. */
std::set<std::string> all_matches(const std::string &text,
				  const std::string &pattern);
/* How many there are. */
long count_matches(const std::string &text, const std::string &pattern);

/* ---- where things are ---- */

fs::path source_dir();		/* TOP_SRCDIR */
fs::path build_dir();		/* TOP_BUILDDIR */
fs::path probes_dir();		/* tests/probes in the source */
fs::path tlabi_build();		/* TLABI_BUILD */
fs::path sysroots_dir();
fs::path scratch_dir();		/* tests/work in the build */
std::string cc(), cxx();	/* CC, CXX; a virtual machine's if there is */
std::string tool(const std::string &name);	/* objdump and the like */
std::string clang();		/* CLANG; empty if there is none */
std::string clang_or_none();	/* a name that is not found, then */
bool have(const std::string &tool);

/* ---- C libraries ---- */

enum class family { glibc, musl };

struct libc {
	std::string name;	/* "host", "musl-1.2.6", ... */
	enum family family;
	bool line;		/* it gives every thread the line */
	fs::path root;		/* of its sysroot; empty for the host's */
	std::string missing;	/* why it cannot be used; empty: it can */
	std::string other = {};	/* its compiler, if it has no sysroot */

	std::string compiler() const;
	/* The command that runs gcc, or clang, for it. */
	strings gcc() const, clang() const;
	fs::path loader() const;	/* its dynamic linker */
};

std::ostream &operator<<(std::ostream &to, const libc &l);
std::string libc_name(const testing::TestParamInfo<libc> &info);

/* The host's and every patched one; a placeholder where none is built. */
const std::vector<libc> &libcs();
/* Those with the line. */
std::vector<libc> patched();
/* The names of all sysroots that are built completely, patched or not. */
strings built_sysroots();
/* An unpatched one of the same family: its twin, else the system's. */
libc stock_of(const libc &l);

struct link_mode {
	std::string name;
	strings flags;
	bool dynamic;
};

const std::vector<link_mode> &link_modes();
const link_mode &pie();

/* ---- building ---- */

/* What changes whenever a file does. */
std::string stamp(const fs::path &file);
/* Compile to output unless that is up to date; the compiler's outcome. */
outcome compile(const strings &command, const fs::path &output);

/* tests/probes/NAME.c for l; throws what the compiler said if it fails. */
fs::path probe(const libc &l, const link_mode &mode, const std::string &name,
	       const strings &flags = {});
/* The same with librseq, built for l with the same flags. */
fs::path rseq_probe(const libc &l, const link_mode &mode,
		    const std::string &name, const strings &flags = {});
/* A shared object from tests/probes/NAME.c, as file. */
fs::path probe_library(const libc &l, const std::string &name,
		       const std::string &file, const strings &flags = {});
/* librseq.a for l, from the sources. */
fs::path librseq(const libc &l, const strings &flags);
/* librseq.so for l: the same sources, with the symbol map. */
fs::path librseq_shared(const libc &l);
strings rseq_include_flags();
/* What Makefile.am builds librseq with: RSEQ_SOURCES, RSEQ_CXXFLAGS. */
strings recipe(const char *variable);
std::vector<fs::path> librseq_sources();	/* those in C++ */

/* ---- other architectures ---- */

/* One that there are verbs for; its compiler and emulator may not be here. */
struct isa {
	std::string name;	/* as qemu-user has it */
	std::string triple;

	std::string gcc() const { return triple + "-gcc"; }
	std::string gxx() const { return triple + "-g++"; }
	/* A name that is not found, if there is none or it is too old. */
	std::string clang() const;
	std::string clang_flag() const { return "--target=" + triple; }
	std::string qemu() const;
};

const std::vector<isa> &isas();
const isa &isa_named(const std::string &name);
/* A probe with librseq, static, for that one's emulator. */
fs::path emulated_probe(const isa &to, const std::string &name,
			const strings &flags);

/* What has x86-64's gcc compile for i386. */
strings i386_flags();
/* Skipped if there is no libc for that. */
class I386Test : public testing::Test {
protected:
	void SetUp() override;
};
/* A probe with librseq for it, both with these flags. */
fs::path i386_probe(const std::string &name, const strings &flags = {});

/* ---- parameters ---- */

struct variant {
	harness::libc libc;
	link_mode mode;
};

std::vector<variant> variants();			/* libcs x modes */
std::vector<variant> variants(const strings &modes);	/* these modes only */
std::vector<variant> patched_variants(const strings &modes = {});
std::vector<variant> patched_glibc_variants(const strings &modes);
std::string variant_name(const testing::TestParamInfo<variant> &info);
std::ostream &operator<<(std::ostream &to, const variant &v);

/* A test of one libc and link mode; skipped where the libc is not built. */
class VariantTest : public testing::TestWithParam<variant> {
protected:
	void SetUp() override;
	const harness::libc &libc() const { return GetParam().libc; }
	const link_mode &mode() const { return GetParam().mode; }
	fs::path build(const std::string &name, const strings &flags = {}) const
	{
		return probe(libc(), mode(), name, flags);
	}
	fs::path build_rseq(const std::string &name,
			    const strings &flags = {}) const
	{
		return rseq_probe(libc(), mode(), name, flags);
	}
};

/* A test of one libc, however linked; skipped where it is not built. */
class LibcTest : public testing::TestWithParam<libc> {
protected:
	void SetUp() override;
	const harness::libc &libc() const { return GetParam(); }
};

/* ---- the machine that the programs run on ---- */

struct machine {
	bool virtual_one = false;
	std::string triple;	/* of its compilers; empty: this machine's */
	std::string isa;	/* as qemu-user has it */
	std::string release;	/* of its kernel */
	unsigned int feature_size, feature_align;	/* AT_RSEQ_... */
	unsigned int cpus;
	int slow = 1;		/* so many times longer may anything take */
	/* How long a program under load runs, and how often what the load is
	   to bring about then happens at least: on two cores, or emulated. */
	int seconds = 30;
	long enough = 1000;
};

const machine &the_machine();
/* A number of <errno.h>, which is this machine's, as that one has it. */
int machine_errno(int error);
/* AT_RSEQ_FEATURE_SIZE, and the length that a libc with the line registers. */
unsigned int kernel_feature_size();
unsigned int line_length();
int line_offset();		/* from the thread pointer */
/* Does its kernel restart sections?  On some, threads are registered only. */
bool restarts_sections();

/* What run() does with a program that is built for a virtual machine. */
bool runs_there(const strings &command);
outcome run_there(const strings &command, const options &how);
/* Fill in how it ended, from what waitpid(2) says. */
void ended(outcome *what, int status);

} // namespace harness
