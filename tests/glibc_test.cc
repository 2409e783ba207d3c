/* SPDX-License-Identifier: MIT */
/*
 * The glibc series from glibc's own point of view, in the build tree that
 * build-libc leaves: struct pthread is where it was, glibc's tests of rseq and
 * of the line pass, and so does its check of the ABI.  In a virtual machine,
 * too, whose glibc is another architecture's, or whose kernel is another.
 */
#include <fstream>
#include <map>
#include <sstream>

#include "harness.hh"

namespace {

using namespace harness;

struct tree {
	std::string name;	/* "glibc-2.43" */
	fs::path src, obj;
	libc l = {};
};

std::vector<tree> built_trees()
{
	std::vector<tree> found;

	for (const auto &l : libcs()) {
		const fs::path work = tlabi_build() / "work" /
			the_machine().triple / l.name;
		if (l.family == family::glibc && l.line &&
		    fs::exists(work / "obj" / "libc.so"))
			found.push_back({ l.name, work / "src", work / "obj",
					  l });
	}
	if (found.empty())
		found.push_back({ "none", {}, {} });
	return found;
}

class Glibc : public testing::TestWithParam<tree> {
protected:
	void SetUp() override
	{
		if (GetParam().src.empty())
			GTEST_SKIP() << "no build tree of a patched glibc: see"
				" libc-patches/build-libc";
	}
};

std::string tree_name(const testing::TestParamInfo<tree> &info)
{
	std::string name = info.param.name;
	for (char &c : name)
		if (!std::isalnum((unsigned char)c))
			c = '_';
	return name;
}

/* "member offset" lines as a map, and sizeof and alignof. */
std::map<std::string, long> layout(const fs::path &src, const fs::path &obj)
{
	const outcome got = run({ (source_dir() / "tests/glibc-layout").string(),
				  src.string(), obj.string() });
	std::map<std::string, long> members;
	std::istringstream lines(got.out);
	std::string member;
	long offset;

	EXPECT_TRUE(got.ok()) << got;
	while (lines >> member >> offset)
		members[member] = offset;
	return members;
}

/* SRC configured in OBJ as AS was, and with MORE arguments; done once. */
void configure(const fs::path &src, const fs::path &obj, const tree &as,
	       const strings &more = {})
{
	const fs::path done = obj / "configured";

	if (fs::exists(done))
		return;
	fs::remove_all(obj);
	fs::create_directories(obj);
	const outcome made = run(strings{ "sh", "-c",
		"set -e; cd \"$1\"; src=$2 as=$3; shift 3; more=;"
		" for arg; do more=\"$more '$arg'\"; done;"
		" eval \"\\\"$src/configure\\\""
		" $(\"$as/config.status\" --config) $more\"",
		"sh", obj.string(), src.string(), as.obj.string() } + more,
		{ {}, std::chrono::seconds(900) });
	EXPECT_TRUE(made.ok()) << made;
	if (made.ok())
		std::ofstream(done) << "\n";
}

/* The same version without patches, configured as the patched one was. */
tree stock_twin(const tree &patched)
{
	const fs::path dir = scratch_dir() / (patched.name + "-unpatched");
	const tree twin { patched.name, dir / "src", dir / "obj" };

	if (!fs::exists(twin.src)) {
		fs::create_directories(dir);
		const std::string plain = "-upstream";
		std::string version = patched.name;
		strings unpack = {source_dir() / "libc-patches/build-libc",
				  "--stock", "--unpack"};
		if (version.ends_with(plain)) {
			version.resize(version.size() - plain.size());
			unpack.push_back("--upstream");
		}
		const outcome unpacked =
			run(unpack + strings{version, twin.src},
			    {{}, std::chrono::seconds(600)});
		EXPECT_TRUE(unpacked.ok()) << unpacked;
	}
	configure(twin.src, twin.obj, patched);
	return twin;
}

TEST_P(Glibc, WhatIsKnownOfStructPthreadStays)
{
	const tree twin = stock_twin(GetParam());
	const auto before = layout(twin.src, twin.obj);
	const auto after = layout(GetParam().src, GetParam().obj);

	/* i386 has other members where the line is to be. */
	const bool inserted = the_machine().isa == "i386";

	ASSERT_GT(before.size(), 40u);
	for (const auto &[member, offset] : before) {
		const auto found = after.find(member);
		if (found == after.end())
			ADD_FAILURE() << member << " is gone";
		else if (member != "sizeof" && member != "alignof") {
			EXPECT_EQ(found->second,
				  offset + (inserted && offset >= line_offset()
						    ? 64 : 0)) << member;
		}
	}
	EXPECT_EQ(after.at("alignof"), 64);
	if (inserted) {
		EXPECT_EQ(after.at("tlabi"), line_offset());
		EXPECT_EQ(before.count("tlabi"), 0u);
		EXPECT_EQ(before.at("tid"), 0x68);	/* Chromium's sandbox */
		EXPECT_EQ(after.at("sizeof"), before.at("sizeof") + 64);
		EXPECT_EQ(before.at("alignof"), 64);
		return;
	}
	if (line_offset() > 0) {	/* in room that was there */
		EXPECT_EQ(after.at("sizeof"),
			  (before.at("sizeof") + 63) / 64 * 64);
		if (the_machine().isa == "x86_64") {
			EXPECT_EQ(after.at("sizeof"), before.at("sizeof"));
			EXPECT_EQ(after.at("alignof"), before.at("alignof"));
		}
		EXPECT_EQ(after.at("header.tlabi"), line_offset());
		EXPECT_EQ(before.count("header.tlabi"), 0u);
		return;
	}
	/* Behind all members, and the thread pointer behind it, or 0x7000
	 * bytes further away. */
	EXPECT_GE(after.at("tlabi"), before.at("sizeof"));
	EXPECT_EQ(after.at("tlabi") % 64, 0);
	EXPECT_LT(after.at("tlabi") - before.at("sizeof"), 64);
	EXPECT_LE(after.at("sizeof") - after.at("tlabi"),
		  -line_offset() % 0x1000);
	EXPECT_EQ(before.count("tlabi"), 0u);
}

/* An ABI without the line, compiled on x86-64, and which objdump reads it. */
struct lineless {
	const char *abi, *host, *flags, *tools;
};

/* The instructions of an object of glibc, which is compiled in IN for that. */
std::string instructions(const tree &in, const fs::path &object,
			 const std::string &tools)
{
	const std::string made = in.obj / object;
	/* Assertions have their line in them. */
	const outcome got = run({"make", "-r", "PARALLELMFLAGS=", "-C",
		in.src / object.parent_path(), "objdir=" + in.obj.string(),
		"CPPFLAGS-" + object.stem().string() + ".c=-DNDEBUG", made},
		{{}, std::chrono::seconds(300)});

	EXPECT_TRUE(got.ok()) << got;
	const outcome said = run({tools + "objdump", "-dr",
				  "--no-show-raw-insn", made});
	EXPECT_TRUE(said.ok()) << said;
	/* It begins with the file's name. */
	const size_t start = said.out.find("Disassembly");
	EXPECT_NE(start, std::string::npos) << object;
	return start == std::string::npos ? "" : said.out.substr(start);
}

/*
 * Where there is no line, what the patches touch compiles to what it was: an
 * ABI that shares its headers with x86-64 and i386, and one with riscv64.
 */
TEST_P(Glibc, WithoutALineTheInstructionsAreThoseOfStock)
{
	if (the_machine().isa != "x86_64")
		GTEST_SKIP() << "compiles with x86-64's gcc -mx32";
	const tree &patched = GetParam(), stock = stock_twin(patched);

	for (const lineless &to : {
		     lineless{"x32", "x86_64-linux-gnux32", "-mx32", ""},
		     {"rv32", "riscv32-linux-gnu",
		      "-march=rv32imafdc -mabi=ilp32d", "riscv64-linux-gnu-"}}) {
		const std::string tools = to.tools;
		tree with = patched, without = stock;
		const fs::path dir = scratch_dir() / (patched.name + "-" + to.abi);
		/* Labels of debug information would differ. */
		const strings how = {std::string("--host=") + to.host,
				     "--disable-cet", "CFLAGS=-O2",
				     "CC=" + tools + "gcc " + to.flags,
				     "CXX=" + tools + "g++ " + to.flags};

		if (!have(tools + "gcc")) {
			std::cout << "no " << tools << "gcc: not compared\n";
			continue;
		}
		/* glibc 2.36 has the area on riscv64 by the patches only. */
		if (!tools.empty() && !fs::exists(stock.src /
			     "sysdeps/unix/sysv/linux/riscv/bits/rseq.h"))
			continue;
		with.obj = dir / "patched";
		without.obj = dir / "stock";
		for (const tree *t : {&with, &without}) {
			configure(t->src, t->obj, patched, how);
			ASSERT_FALSE(HasFailure());
		}
		/* csu first, as in a build: it makes headers. */
		for (const char *object : {
			     "csu/libc-tls.o", "elf/rtld.os", "elf/dl-support.o",
			     "elf/dl-tls_init_tp.os", "elf/dl-tls_init_tp.o",
			     "nptl/pthread_create.os", "nptl/pthread_create.o" })
			EXPECT_EQ(instructions(with, object, tools),
				  instructions(without, object, tools))
				<< object << " of " << to.abi;
		/* The one that is meant to differ: it still compiles. */
		EXPECT_NE(instructions(with, "posix/sched_getcpu.os", tools)
				  .find("<vsyscall_sched_getcpu>:"),
			  std::string::npos);
	}
}

struct own_test {
	const char *name;
	strings env = {};
	bool runs_itself = false;	/* it is told how it was started */
	const char *module = "";	/* of the same directory */
};

/* The file NAME of TREE's directory DIR, built there; a copy of it. */
fs::path built(const tree &in, const fs::path &dir, const std::string &name)
{
	const fs::path made = in.obj / dir / name;
	const fs::path copy = scratch_dir() / (in.name + "-tests") / name;
	const outcome got = run({"make", "-r", "PARALLELMFLAGS=", "-C",
				 in.src / dir, "objdir=" + in.obj.string(),
				 made}, {{}, std::chrono::seconds(900)});

	EXPECT_TRUE(got.ok()) << got;
	fs::create_directories(copy.parent_path());
	fs::copy_file(made, copy, fs::copy_options::overwrite_existing);
	return copy;
}

/* A program of glibc's tests on the machine, as its makefile would start it. */
outcome run_elsewhere(const tree &in, const own_test &t)
{
	const fs::path name = t.name;
	const fs::path dir = name.parent_path(), file = name.filename();
	const bool dynamic = !file.string().ends_with("-static");
	const fs::path program = built(in, dir, file);
	const std::string path = (in.l.root / "lib").string() + ":" +
		program.parent_path().string();
	strings command = {program}, env = t.env;

	env.push_back("TIMEOUTFACTOR=10");
	if (!dynamic) {		/* for what it loads */
		env.push_back("LD_LIBRARY_PATH=" + path);
	} else {
		/* What is to run there is in the tests' own folder. */
		const fs::path loader = program.parent_path() / "ld.so";
		fs::copy_file(in.l.loader(), loader,
			      fs::copy_options::overwrite_existing);
		command = {loader, "--library-path", path, program};
	}
	if (t.runs_itself)
		command = command + strings{"--"} + command;
	if (*t.module)		/* as an argument, so that it is there */
		command.push_back(built(in, dir, t.module));
	return run(command, {env, std::chrono::seconds(300)});
}

/* What "make test t=NAME" of glibc prints is PASS, FAIL or UNSUPPORTED. */
TEST_P(Glibc, ItsOwnTestsOfRseqAndTheLinePass)
{
	const strings off = { "GLIBC_TUNABLES=glibc.pthread.rseq=0" };
	const char *module = "tst-rseq-tls-range-mod.so";
	const std::vector<own_test> all = {
		{"nptl/tst-tlabi"}, {"nptl/tst-tlabi-static"},
		{"nptl/tst-tlabi-disable", off},
		{"nptl/tst-tlabi-disable-static", off},
		{"nptl/tst-tlabi-version", {}, false, "tst-tlabi-version-mod.so"},
		{"nptl/tst-tlabi-version-static"},
		{"nptl/tst-tlabi-refused", {}, true},
		{"nptl/tst-tlabi-length", {}, true},
		{"nptl/tst-rseq-nptl"}, {"nptl/tst-rseq-nptl-static"},
		{"misc/tst-rseq"}, {"misc/tst-rseq-static"},
		{"misc/tst-rseq-disable", off},
		{"misc/tst-rseq-disable-static", off},
		{"elf/tst-rseq-tls-range", {}, false, module},
		{"elf/tst-rseq-tls-range-static", {}, false, module},
		{"elf/tst-rseq-tls-range-4096", {}, false, module},
		{"elf/tst-rseq-tls-range-4096-static", {}, false, module},
	};

	int run_here = 0;
	for (const own_test &t : all) {
		/* Older versions have fewer, and have them in other places. */
		const std::string name = t.name;
		const std::string base = fs::path(name).filename();
		const fs::path file = GetParam().src /
			"sysdeps/unix/sysv/linux" / (base + ".c");
		if (!fs::exists(file)) {
			EXPECT_EQ(base.find("tlabi"), base.npos) << base;
			continue;
		}
		++run_here;
		if (the_machine().virtual_one) {
			const outcome got = run_elsewhere(GetParam(), t);
			/* Old kernels do not tell how much they want. */
			const bool untold = base == "tst-tlabi-length" &&
				!kernel_feature_size();
			EXPECT_EQ(got.code, untold ? 77 : 0) << got;
			continue;
		}
		const outcome got = run({ "make", "-C", GetParam().obj.string(),
					  "test", "t=" + name },
					{ {}, std::chrono::seconds(600) });
		EXPECT_TRUE(got.ok()) << got;
		EXPECT_NE((got.out + got.err).find("PASS: " + name),
			  std::string::npos) << got;
	}
	EXPECT_GE(run_here, 11);
}

/*
 * Its ABI check compares the length of a path too, which depends on --prefix;
 * with ours that object, and nothing else, differs, patched or not.
 */
TEST_P(Glibc, ItsCheckOfTheAbiPasses)
{
	const fs::path obj = GetParam().obj;
	const outcome got = run({ "make", "-k", "-C", obj.string(),
				  "check-abi" },
				{ {}, std::chrono::seconds(900) });
	std::istringstream lines(got.out);
	std::string line;

	while (std::getline(lines, line))
		if (line.starts_with("+GLIBC") || line.starts_with("-GLIBC")) {
			EXPECT_NE(line.find("_nl_default_dirname"),
				  std::string::npos) << line;
		}

	size_t passed = 0;
	for (const auto &dir : fs::directory_iterator(obj)) {
		if (!dir.is_directory())
			continue;
		for (const auto &file : fs::directory_iterator(dir.path())) {
			const std::string name = file.path().filename();
			if (!name.starts_with("check-abi") ||
			    !name.ends_with(".test-result"))
				continue;
			std::string verdict;
			std::getline(std::ifstream(file.path()) >> std::ws,
				     verdict);
			if (verdict.starts_with("PASS"))
				++passed;
			else
				EXPECT_EQ(name, "check-abi-libc.test-result")
					<< verdict;
		}
	}
	EXPECT_GT(passed, 5u) << got;
}

INSTANTIATE_TEST_SUITE_P(Built, Glibc, testing::ValuesIn(built_trees()),
			 tree_name);

}
