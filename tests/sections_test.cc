/* SPDX-License-Identifier: MIT */
/*
 * A section restarts at each of its instructions, and the arrays that tell
 * debuggers of sections are true of the code.
 */
#include "harness.hh"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <elf.h>

using namespace harness;

/* ---- the program's code, as a disassembler sees it ---- */

struct instruction {
	std::string text;
	uint64_t target = 0;	/* of a jump or a branch */
};

using code = std::map<uint64_t, instruction>;

/* "  401136:\tjne    401150 <main+0x1a>" */
static code disassemble(const std::string &objdump, const fs::path &program)
{
	outcome listed = run({objdump, "-d", "--no-show-raw-insn", program});
	std::istringstream lines(listed.out);
	code all;

	EXPECT_TRUE(listed.ok()) << listed;
	for (std::string line; std::getline(lines, line);) {
		size_t colon = line.find(":\t");
		if (line.empty() || line[0] != ' ' || colon == line.npos)
			continue;
		instruction i;
		i.text = line.substr(colon + 2);
		size_t symbol = i.text.find(" <");
		size_t before = i.text.find_last_of(" \t,", symbol - 1);
		/* A remark names it for loongarch64, and data for others. */
		if (symbol != i.text.npos && before != i.text.npos &&
		    (i.text.find("# ") == i.text.npos || i.text[0] == 'b'))
			i.target = strtoull(i.text.c_str() + before + 1,
					    nullptr, 16);
		all[strtoull(line.c_str(), nullptr, 16)] = i;
	}
	return all;
}

/* ---- its sections, from a file in which all addresses are final ---- */

/* What matters of a section's or a segment's header, of either class. */
struct part {
	uint32_t name = 0;	/* or type */
	uint64_t address = 0, offset = 0, size = 0;
};

class program {
public:
	explicit program(const fs::path &path)
	{
		std::ifstream in(path, std::ios::binary);
		std::ostringstream all;

		all << in.rdbuf();
		image = all.str();
		foreign = image.at(EI_DATA) !=
			(std::endian::native == std::endian::little ?
			 ELFDATA2LSB : ELFDATA2MSB);
		if (image.at(EI_CLASS) == ELFCLASS64)
			read<Elf64_Ehdr, Elf64_Shdr, Elf64_Phdr>();
		else
			read<Elf32_Ehdr, Elf32_Shdr, Elf32_Phdr>();
	}

	/* A section; all zeros if there is none of this name. */
	part named(const std::string &name) const
	{
		for (const part &s : sections)
			if (name == image.c_str() + names + s.name)
				return s;
		return {};
	}

	/* The words of a section, which are addresses. */
	std::vector<uint64_t> words(const std::string &name) const
	{
		const part s = named(name);
		std::vector<uint64_t> found;

		for (uint64_t i = 0; i < s.size; i += 8)
			found.push_back(ours(at<uint64_t>(s.offset + i)));
		return found;
	}

	/* In this machine's byte order. */
	template <class T> T ours(T x) const
	{
		unsigned char bytes[sizeof x];

		if (!foreign)
			return x;
		memcpy(bytes, &x, sizeof x);
		std::reverse(bytes, bytes + sizeof x);
		memcpy(&x, bytes, sizeof x);
		return x;
	}

	/* What the program finds at this address when it starts, as it is. */
	template <class T> T loaded(uint64_t address) const
	{
		for (const part &p : segments)
			if (p.name == PT_LOAD && address >= p.address &&
			    address + sizeof(T) <= p.address + p.size)
				return at<T>(p.offset + address - p.address);
		ADD_FAILURE() << std::hex << address << " is not loaded";
		return {};
	}

private:
	template <class T> T at(uint64_t offset) const
	{
		T value;

		memcpy(&value, image.data() + offset, sizeof value);
		return value;
	}
	template <class Header, class Section, class Segment> void read()
	{
		const auto header = at<Header>(0);

		for (int n = 0; n < ours(header.e_shnum); ++n) {
			const auto s = at<Section>(ours(header.e_shoff) +
						   n * ours(header.e_shentsize));
			sections.push_back({ours(s.sh_name), ours(s.sh_addr),
					    ours(s.sh_offset), ours(s.sh_size)});
		}
		for (int n = 0; n < ours(header.e_phnum); ++n) {
			const auto p = at<Segment>(ours(header.e_phoff) +
						   n * ours(header.e_phentsize));
			segments.push_back({ours(p.p_type), ours(p.p_vaddr),
					    ours(p.p_offset), ours(p.p_filesz)});
		}
		names = sections.at(ours(header.e_shstrndx)).offset;
	}

	std::string image;
	bool foreign;
	std::vector<part> sections, segments;
	uint64_t names;
};

struct descriptor {
	uint32_t version, flags;
	uint64_t start, length, abort;
	uint64_t label;		/* ours: where the abort leads to */

	bool contains(uint64_t at) const
	{
		return at - start < length;
	}
};

/* ---- each instruction in turn ---- */

class AbortPoints : public VariantTest {
};

INSTANTIATE_TEST_SUITE_P(, AbortPoints, testing::ValuesIn(variants()),
			 variant_name);

/* On Arm C code has no tables without. */
static const strings unwindable = {"-funwind-tables"};

/* With the addresses of its instructions. */
static outcome run_with_traps(const fs::path &probe)
{
	const fs::path addresses = probe.string() + ".instructions";

	{
		std::ofstream list(addresses);
		list << std::hex;
		for (const auto &[address, unused] :
		     disassemble(tool("objdump"), probe))
			list << address << '\n';
	}
	return run({probe, addresses});
}

/* Did they run, as they must where the kernel restarts sections? */
static bool ran(const outcome &got)
{
	if (!restarts_sections()) {
		EXPECT_EQ(got.code, 77) << got;
		return false;
	}
	EXPECT_TRUE(got.ok()) << got;
	return got.ok();
}

TEST_P(AbortPoints, EachInstructionOfASectionRestartsIt)
{
	outcome got = run_with_traps(build_rseq("abort_points", unwindable));

	if (!ran(got))
		return;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(got.number("sections"), got.number("operations")) << got;
	EXPECT_EQ(got.number("ends"), got.number("operations")) << got;
	/* Half of them where there are no concurrency ids. */
	const int halves = kernel_feature_size() >= 28 ? 2 : 1;
	EXPECT_EQ(got.number("operations"), got.number("known") * halves / 2)
		<< got;
	EXPECT_GT(got.number("points"), 250 * halves) << got;
	/* Whole words are never copied byte by byte. */
	std::istringstream lines(got.out);
	for (std::string line; std::getline(lines, line);)
		if (line.starts_with("unreached: ")) {
			EXPECT_TRUE(line.starts_with("unreached: rseq_stack_"))
				<< line;
		}
}

/* And the transaction runs again only if its guard had been stored to. */
TEST_P(AbortPoints, EachInstructionOfACommitRestartsIt)
{
	outcome got = run_with_traps(build_rseq("commit_points", unwindable));

	if (!ran(got))
		return;
	EXPECT_EQ(got.number("wrong"), 0) << got;
	EXPECT_EQ(got.number("sections"), got.number("operations")) << got;
	EXPECT_EQ(got.number("ends"), got.number("operations")) << got;
	EXPECT_EQ(got.number("unreached"), 0) << got;
	EXPECT_EQ(got.number("odd"), 0) << got;
	EXPECT_GT(got.number("operations") + got.number("locked"), 12) << got;
	EXPECT_GE(got.number("points"), 5 * got.number("operations")) << got;
	EXPECT_LT(got.number("spurious"), got.number("points") / 2) << got;
}

using AbortPointsOfI386 = I386Test;

/* i386's programs run under x86-64's kernel, and it restarts them as well. */
TEST_F(AbortPointsOfI386, EachInstructionRestartsItsSection)
{
	if (the_machine().isa != "x86_64")
		GTEST_SKIP() << "only x86-64's kernel runs them";
	for (const std::string probe : {"abort_points", "commit_points"})
		for (const strings &how : {strings{"-fPIE", "-pie"},
					   strings{"-fno-pie", "-no-pie",
						   "-fno-omit-frame-pointer"}}) {
			outcome got = run_with_traps(i386_probe(probe, how));
			ASSERT_TRUE(got.ok()) << got;
			EXPECT_EQ(got.number("wrong"), 0) << got;
			EXPECT_EQ(got.number("sections"),
				  got.number("operations")) << got;
			EXPECT_EQ(got.number("ends"),
				  got.number("operations")) << got;
			EXPECT_GT(got.number("points"), 100) << got;
		}
}

/* ---- the arrays ---- */

struct target {
	std::string name, objdump;
	strings compiler;
	uint32_t signature;
	/* How an abort jumps through the word behind the descriptor; or it
	   branches to the label. */
	strings jump = {};
};

static std::ostream &operator<<(std::ostream &to, const target &t)
{
	return to << t.name;
}

static const target targets[] = {
	{"x86_64", "objdump", {}, 0x53053053},
	{"aarch64", "aarch64-linux-gnu-objdump", {"aarch64-linux-gnu-gcc"},
	 0xd428bc00},
	{"riscv64", "riscv64-linux-gnu-objdump", {"riscv64-linux-gnu-gcc"},
	 0xf1401073},
	{"arm", "arm-linux-gnueabihf-objdump", {"arm-linux-gnueabihf-gcc"},
	 0xe7f5def3},
	{"i386", "i686-linux-gnu-objdump", {"i686-linux-gnu-gcc"}, 0x53053053},
	{"ppc64le", "powerpc64le-linux-gnu-objdump",
	 {"powerpc64le-linux-gnu-gcc"}, 0x0fe5000b,
	 {"ld\tr12,32(r11)", "mtctr\tr12", "bctr"}},
	{"s390x", "s390x-linux-gnu-objdump", {"s390x-linux-gnu-gcc"},
	 0xb2ff0fff},
	{"mips64el", "mips64el-linux-gnuabi64-objdump",
	 {"mips64el-linux-gnuabi64-gcc"}, 0x0350000d,
	 {"ld\tt0,32(t3)", "jr\tt0", "nop"}},
	{"loongarch64", "loongarch64-linux-gnu-objdump",
	 {"loongarch64-linux-gnu-gcc"}, 0x002a0010,
	 {"ld.d\t$t0, $t3, 32", "jr\t$t0"}},
};

/* One blank for the blanks behind a mnemonic, of which some have many. */
static std::string squeezed(std::string text)
{
	const size_t from = text.find_first_of(" \t");
	const size_t to = text.find_first_not_of(" \t", from);

	if (to != text.npos)
		text.replace(from, to - from, "\t");
	return text.substr(0, to == text.npos ? from : text.npos);
}

class DebuggerArrays : public testing::TestWithParam<target> {
protected:
	void SetUp() override
	{
		const target &t = GetParam();
		strings compiler = t.compiler;

		if (compiler.empty())
			compiler = {cc()};
		if (!have(compiler[0]))
			GTEST_SKIP() << compiler[0] << " is not here";
		path = scratch_dir() / "sections" / t.name;
		outcome built = compile(compiler + rseq_include_flags() +
			strings{"-O2", "-fno-pie", "-static", "-DFAKE_AREA",
				probes_dir() / "ops.c"}, path);
		ASSERT_TRUE(built.ok()) << built;
		text = disassemble(t.objdump, path);
		file = std::make_unique<program>(path);
		for (uint64_t d : file->words("__rseq_cs_ptr_array"))
			sections.push_back(in_order(
				file->loaded<descriptor>(d)));
		std::vector<uint64_t> w =
			file->words("__rseq_exit_point_array");
		ASSERT_EQ(w.size() % 2, 0u);
		for (size_t i = 0; i < w.size(); i += 2)
			exits[w[i]].insert(w[i + 1]);
	}

	descriptor in_order(const descriptor &d) const
	{
		return {file->ours(d.version), file->ours(d.flags),
			file->ours(d.start), file->ours(d.length),
			file->ours(d.abort), file->ours(d.label)};
	}

	fs::path path;
	code text;
	std::unique_ptr<program> file;
	std::vector<descriptor> sections;
	std::map<uint64_t, std::set<uint64_t>> exits;	/* by start */
};

INSTANTIATE_TEST_SUITE_P(, DebuggerArrays, testing::ValuesIn(targets),
			 [](const testing::TestParamInfo<target> &info) {
				 return info.param.name;
			 });

/* So that it can be run under that architecture's kernel, too. */
TEST_P(DebuggerArrays, AreThoseThatTheProgramOfAbortPointsReads)
{
	const target &t = GetParam();
	const fs::path object = scratch_dir() / "sections" /
		(t.name + "_abort_points.o");
	outcome built = compile((t.compiler.empty() ? strings{cc()} :
				 t.compiler) + rseq_include_flags() +
		strings{"-O2", "-Wall", "-Wextra", "-Werror", "-c",
			probes_dir() / "abort_points.c"}, object);

	EXPECT_TRUE(built.ok()) << built;
}

TEST_P(DebuggerArrays, NameEveryDescriptorOnce)
{
	std::vector<uint64_t> named = file->words("__rseq_cs_ptr_array");
	std::set<uint64_t> once(named.begin(), named.end());

	EXPECT_GT(named.size(), 150u);
	EXPECT_EQ(once.size(), named.size());
	/* All of the section, which has nothing else in it; gas for s390x
	   pads it to its alignment. */
	const part all = file->named("__rseq_cs");
	uint64_t at = all.address;
	for (uint64_t d : once) {
		EXPECT_EQ(d, (at + 31) & ~31ull);
		at = d + sizeof(descriptor);
	}
	EXPECT_LT(all.address + all.size - at, 32u);
}

TEST_P(DebuggerArrays, DescribeRangesOfInstructions)
{
	for (const descriptor &d : sections) {
		SCOPED_TRACE(testing::Message() << std::hex << d.start);
		EXPECT_EQ(d.version, 0u);
		EXPECT_EQ(d.flags, 0u);
		EXPECT_GT(d.length, 4u);
		EXPECT_TRUE(text.contains(d.start));
		EXPECT_TRUE(text.contains(d.start + d.length));
		EXPECT_FALSE(d.contains(d.abort));
	}
}

TEST_P(DebuggerArrays, AbortBehindTheSignatureAndJumpAway)
{
	for (const descriptor &d : sections) {
		SCOPED_TRACE(testing::Message() << std::hex << d.abort);
		EXPECT_EQ(file->ours(file->loaded<uint32_t>(d.abort - 4)),
			  GetParam().signature);
		auto jump = text.find(d.abort);
		ASSERT_NE(jump, text.end());
		EXPECT_TRUE(text.contains(d.label));
		EXPECT_FALSE(d.contains(d.label));
		for (const std::string &i : GetParam().jump)
			EXPECT_EQ(squeezed((jump++)->second.text), i);
		if (!GetParam().jump.empty())
			continue;
		EXPECT_NE(jump->second.target, 0u) << jump->second.text;
		EXPECT_FALSE(d.contains(jump->second.target));
		EXPECT_EQ(jump->second.target, d.label);
	}
}

/* Every jump out of a range is an exit point, and there are no others. */
TEST_P(DebuggerArrays, ListEveryWayOutOfASection)
{
	size_t all = 0;

	for (const descriptor &d : sections) {
		SCOPED_TRACE(testing::Message() << std::hex << d.start);
		std::set<uint64_t> taken;
		for (auto i = text.find(d.start);
		     i != text.end() && d.contains(i->first); ++i)
			if (i->second.target && !d.contains(i->second.target) &&
			    i->second.target != d.start + d.length)
				taken.insert(i->second.target);
		EXPECT_EQ(exits[d.start], taken);
		all += exits[d.start].size();
	}
	EXPECT_GT(all, sections.size());
	EXPECT_EQ(exits.size(), sections.size());
}

/* The kernel knows the branch only: an abort would come after the store. */
TEST_P(DebuggerArrays, CommitInNoDelaySlot)
{
	if (GetParam().name != "mips64el")
		GTEST_SKIP() << "no delay slots";
	for (const descriptor &d : sections) {
		const uint64_t last = d.start + d.length - 4;
		SCOPED_TRACE(testing::Message() << std::hex << last);
		EXPECT_TRUE(squeezed(text[last].text).starts_with("s"));
		EXPECT_EQ(text[last].target, 0u) << text[last].text;
		EXPECT_EQ(text[last - 4].target, 0u) << text[last - 4].text;
	}
}

/* The index is read inside: nothing but this thread's area comes first. */
TEST_P(DebuggerArrays, StartWhereTheIndexIsRead)
{
	if (GetParam().name != "x86_64")
		GTEST_SKIP() << "the area has no register of its own";
	for (const descriptor &d : sections)
		EXPECT_NE(text[d.start].text.find("%fs:"), std::string::npos)
			<< text[d.start].text;
}
