/* SPDX-License-Identifier: MIT */
/*
 * The machine that programs run on: this one, or the virtual one that
 * tests/vm/run has booted and that waits for commands in shared memory.
 */
#include "harness.hh"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "librseq/kernel.hh"
#include "vm/channel.h"

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN 28
#endif

namespace harness {

using clock = std::chrono::steady_clock;

/* ---- the channel ---- */

/* One command at a time: test programs and their threads share a machine. */
class channel {
public:
	explicit channel(const std::string &path)
		: file(open(path.c_str(), O_RDWR | O_CLOEXEC)),
		  sent_file(path + ".sent")
	{
		if (file < 0 || flock(file, LOCK_EX))
			throw std::runtime_error("cannot open " + path);
		at = map(nullptr, VM_SIZE, 0);
		if (at != MAP_FAILED && lseek(file, 0, SEEK_END) > VM_SIZE)
			map_pages();
		if (at == MAP_FAILED)
			throw std::runtime_error("cannot map " + path);
	}
	~channel()
	{
		munmap(at, VM_SIZE);
		close(file);
	}
	channel(const channel &) = delete;
	channel &operator=(const channel &) = delete;

	volatile vm_channel &words() const
	{
		return *static_cast<volatile vm_channel *>(at);
	}
	char *data() const { return static_cast<char *>(at) + VM_DATA; }

	/* Ask, and wait for the answer; false: there was none in time. */
	bool ask(uint32_t what, const std::string &text,
		 clock::time_point deadline)
	{
		if (text.size() > VM_ROOM)
			throw std::runtime_error("too much for the machine");
		memcpy(data(), text.data(), text.size());
		words().size = vm_word(static_cast<uint32_t>(text.size()));
		words().what = vm_word(what);
		words().cancel = 0;
		__sync_synchronize();
		words().request = vm_word(vm_word(words().request) + 1);
		return wait(deadline);
	}
	bool wait(clock::time_point deadline)
	{
		while (words().reply != words().request) {
			if (clock::now() > deadline)
				return false;
			std::this_thread::sleep_for(
				std::chrono::milliseconds(2));
		}
		__sync_synchronize();
		return true;
	}

	/* A file under the same path, if the machine has it not already. */
	void send(const fs::path &path)
	{
		const std::string line = path.string() + ' ' + stamp(path);

		if (has(content(sent_file), line + '\n'))
			return;
		if (!ask(VM_FILE, path.string() + '\0' + content(path),
			 clock::now() + std::chrono::minutes(2)) ||
		    words().status)
			throw std::runtime_error("the machine did not take " +
						 path.string());
		std::ofstream(sent_file, std::ios::app) << line << '\n';
	}

private:
	void *map(void *where, size_t size, off_t from)
	{
		return mmap(where, size, PROT_READ | PROT_WRITE, MAP_SHARED |
			    (where ? MAP_FIXED : 0), file, from);
	}
	/* The file is all of the machine's memory; see open_memory() there. */
	void map_pages()
	{
		const off_t end = lseek(file, 0, SEEK_END);
		vm_channel c;

		for (off_t i = 0; i < end; i += VM_PAGE) {
			if (pread(file, &c, sizeof c, i) != sizeof c ||
			    c.ready != vm_word(VM_MAGIC) ||
			    off_t{vm_word(c.pages[0])} * VM_PAGE != i)
				continue;
			for (size_t n = 0; n < VM_PAGES; ++n)
				map(static_cast<char *>(at) + n * VM_PAGE,
				    VM_PAGE,
				    off_t{vm_word(c.pages[n])} * VM_PAGE);
			return;
		}
	}

	int file;
	std::string sent_file;
	void *at;
};

static std::string channel_path()
{
	const char *path = getenv("TLABI_VM");
	return path ? path : "";
}

/* Built for the machine, or made for what was. */
static bool of_the_machine(const std::string &path)
{
	return path.starts_with(scratch_dir().string() + '/');
}

bool runs_there(const strings &command)
{
	return the_machine().virtual_one && of_the_machine(command[0]);
}

/* A status of wait(2) with this machine's signals: MIPS numbers some
   differently. */
static int as_here(int status)
{
	static const std::map<int, int> mips = {
		{10, SIGBUS}, {12, SIGSYS}, {16, SIGUSR1}, {17, SIGUSR2},
	};
	const auto found = mips.find(WTERMSIG(status));

	if (the_machine().isa != "mips64el" || !WIFSIGNALED(status) ||
	    found == mips.end())
		return status;
	return (status & ~0x7f) | found->second;
}

outcome run_there(const strings &command, const options &how)
{
	channel to(channel_path());
	std::string text;
	outcome got;

	got.command = command;
	strings named = command;
	for (const std::string &e : how.env)
		named.push_back(e.substr(e.find('=') + 1));
	for (const std::string &path : named)
		if (of_the_machine(path) && fs::is_regular_file(path))
			to.send(path);
	for (const std::string &s : how.env + command)
		text += s + '\0';
	to.words().environment =
		vm_word(static_cast<uint32_t>(how.env.size()));
	to.words().arguments = vm_word(static_cast<uint32_t>(command.size()));
	if (!to.ask(VM_RUN, text, clock::now() + how.timeout * the_machine().slow)) {
		got.timed_out = true;
		to.words().cancel = vm_word(1);
		if (!to.wait(clock::now() + std::chrono::minutes(1)))
			throw std::runtime_error(
				"the machine does not answer any more");
	}
	const uint32_t out = vm_word(to.words().out);
	const uint32_t err = vm_word(to.words().err);
	const int status = as_here(static_cast<int>(vm_word(to.words().status)));
	got.out.assign(to.data(), out);
	got.err.assign(to.data() + ((out + 7) & ~7u), err);
	ended(&got, status);
	return got;
}

/* ---- what it is ---- */

/* A virtual one's: what PID 1 said. */
static void ask_it(machine *m)
{
	channel to(channel_path());
	char release[sizeof(vm_channel::release)];

	if (to.words().ready != vm_word(VM_MAGIC))
		throw std::runtime_error("no machine behind " + channel_path());
	for (size_t i = 0; i < sizeof release; ++i)
		release[i] = to.words().release[i];
	m->release = release;
	m->feature_size = vm_word(to.words().feature_size);
	m->feature_align = vm_word(to.words().feature_align);
	m->cpus = vm_word(to.words().cpus);
}

static machine find_machine()
{
	utsname here;
	machine m;

	uname(&here);
	m.isa = here.machine;
	if (channel_path().empty()) {
		m.release = here.release;
		m.feature_size = static_cast<unsigned int>(
			getauxval(AT_RSEQ_FEATURE_SIZE));
		m.feature_align = static_cast<unsigned int>(
			getauxval(AT_RSEQ_ALIGN));
		m.cpus = std::thread::hardware_concurrency();
		return m;
	}
	m.virtual_one = true;
	m.slow = 4;
	m.seconds = 2;
	m.enough = 1;
	if (const char *triple = getenv("TLABI_VM_TRIPLE"); triple && *triple) {
		m.triple = triple;
		m.isa = m.triple.substr(0, m.triple.find('-'));
		for (const isa &i : isas())
			if (i.triple == m.triple)
				m.isa = i.name;
	}
	ask_it(&m);
	return m;
}

int machine_errno(int error)
{
	static const std::map<int, int> mips = {{EDEADLK, 45}, {ENOSYS, 89}};

	if (the_machine().isa != "mips64el" || error < EDEADLK)
		return error;
	return mips.at(error);
}

const machine &the_machine()
{
	static const machine m = find_machine();
	return m;
}

unsigned int kernel_feature_size()
{
	return the_machine().feature_size;
}

unsigned int line_length()
{
	const unsigned int n = kernel_feature_size();

	if (n > 48 || the_machine().feature_align > 64)
		return 32;
	return n > 32 ? n : 32;
}

bool restarts_sections()
{
	return the_machine().isa != "aarch64" ||
		!arm64_skips_restarts(the_machine().release.c_str());
}

int line_offset()
{
	static const std::map<std::string, int> other = {
		{"aarch64", -128}, {"riscv64", -128}, {"arm", -128},
		{"loongarch64", -128}, {"mips64el", -0x7000 - 128},
		{"ppc64le", -0x7000 - 192},
	};
	const auto found = other.find(the_machine().isa);

	return found == other.end() ? 0x80 : found->second;
}

} // namespace harness
