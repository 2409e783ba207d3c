// SPDX-License-Identifier: MIT
/*
 * registered [--tree] line|none|any PID...
 *
 * Looks from outside, by ptrace(2), at where each thread of the processes (and
 * of their descendants) has registered its rseq area: in the line of tlabi(7),
 * elsewhere, or nowhere.  Exit status: 0 all are as the first argument says,
 * 1 some are not, 77 the kernel does not let this process look.
 */
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

constexpr auto get_rseq_configuration = static_cast<__ptrace_request>(0x420f);

struct rseq_configuration {
	uint64_t area;
	uint32_t size, signature, flags, pad;
};

/* Where the line is, for the thread stopped under ptrace. */
#if defined(__x86_64__)
uint64_t line_of(pid_t tid)
{
	user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, tid, nullptr, &registers))
		return 0;
	return registers.fs_base + 0x80;
}
#elif defined(__aarch64__)
uint64_t line_of(pid_t tid)
{
	uint64_t pointer = 0;
	iovec place = {&pointer, sizeof(pointer)};

	if (ptrace(PTRACE_GETREGSET, tid, NT_ARM_TLS, &place))
		return 0;
	return pointer - 128;
}
#else
#error "say where the line of this architecture is"
#endif

enum place { line, elsewhere, none, gone, unread, places };
const char *const place_name[places] = {"line", "elsewhere", "none", "gone",
					"unread"};

bool not_allowed;

place unread_or_gone()
{
	if (errno == ESRCH)
		return gone;
	if (errno == EPERM)
		not_allowed = true;
	return unread;
}

place look_once(pid_t tid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, tid, nullptr, nullptr))
		return unread_or_gone();
	ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return gone;

	rseq_configuration found = {};
	place where;
	uint64_t expected = line_of(tid);
	if (ptrace(get_rseq_configuration, tid,
		   reinterpret_cast<void *>(sizeof(found)), &found) < 0)
		where = unread_or_gone();
	else if (!found.area)
		where = none;
	else
		where = found.area == expected ? line : elsewhere;

	/* A signal that was on its way when it stopped is not lost. */
	bool signal = status >> 16 == 0;
	ptrace(PTRACE_DETACH, tid, nullptr,
	       reinterpret_cast<void *>(signal ? WSTOPSIG(status) : 0L));
	return where;
}

bool ended(const fs::path &task)
{
	std::string text;
	std::getline(std::ifstream(task / "stat"), text);
	size_t name = text.rfind(')');
	return name == text.npos || std::strchr("ZX", text[name + 2]);
}

/*
 * A thread that is being made or is ending, and a child of vfork(), is not
 * registered for a moment.
 */
place look(pid_t tid, const fs::path &task)
{
	place where = none;

	for (int again = 0; again < 5; again++) {
		if (ended(task))
			return gone;
		where = look_once(tid);
		if (where != none && where != unread)
			break;
		usleep(30000);
	}
	return where;
}

std::string first_line(const fs::path &file)
{
	std::string text;
	std::getline(std::ifstream(file), text);
	return text;
}

std::vector<pid_t> numbers_in(const fs::path &dir)
{
	std::vector<pid_t> found;
	std::error_code vanished;

	for (const auto &entry : fs::directory_iterator(dir, vanished))
		if (pid_t id = atoi(entry.path().filename().c_str()))
			found.push_back(id);
	std::sort(found.begin(), found.end());
	return found;
}

fs::path proc(pid_t pid)
{
	return "/proc/" + std::to_string(pid);
}

void add_descendants(pid_t pid, std::vector<pid_t> &all)
{
	all.push_back(pid);
	for (pid_t tid : numbers_in(proc(pid) / "task")) {
		std::ifstream children(proc(pid) / "task" /
				       std::to_string(tid) / "children");
		for (pid_t child; children >> child;)
			add_descendants(child, all);
	}
}

struct count {
	int of[places] = {};

	void operator+=(const count &other)
	{
		for (int p = 0; p < places; p++)
			of[p] += other.of[p];
	}

	void print() const
	{
		for (int p = 0; p < places; p++)
			if (of[p])
				std::printf(" %s=%d", place_name[p], of[p]);
		std::puts("");
	}
};

count look_at_process(pid_t pid)
{
	count seen;

	for (pid_t tid : numbers_in(proc(pid) / "task"))
		seen.of[look(tid, proc(pid) / "task" / std::to_string(tid))]++;
	return seen;
}

} // namespace

int main(int argc, char **argv)
{
	std::vector<std::string> arguments(argv + 1, argv + argc);
	bool tree = !arguments.empty() && arguments[0] == "--tree";
	if (tree)
		arguments.erase(arguments.begin());
	const std::vector<std::string> known = {"line", "none", "any"};
	if (arguments.size() < 2 ||
	    std::find(known.begin(), known.end(), arguments[0]) == known.end()) {
		std::fputs("usage: registered [--tree] line|none|any PID...\n",
			   stderr);
		return 2;
	}

	std::vector<pid_t> processes;
	for (size_t i = 1; i < arguments.size(); i++) {
		pid_t pid = atoi(arguments[i].c_str());
		if (tree)
			add_descendants(pid, processes);
		else
			processes.push_back(pid);
	}

	count all;
	for (pid_t pid : processes) {
		std::string name = first_line(proc(pid) / "comm");
		/* The one program of a tree that is outside of it. */
		if (tree && name == "bwrap")
			continue;
		count here = look_at_process(pid);
		std::printf("%d %s:", pid, name.c_str());
		here.print();
		all += here;
	}
	std::printf("registered:");
	all.print();

	if (all.of[unread])
		return not_allowed ? 77 : 1;
	int looked_at = all.of[line] + all.of[elsewhere] + all.of[none];
	if (!looked_at)
		return 1;
	if (arguments[0] == "line")
		return looked_at != all.of[line];
	if (arguments[0] == "none")
		return looked_at != all.of[none];
	return 0;
}
