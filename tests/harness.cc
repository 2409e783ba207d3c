/* SPDX-License-Identifier: MIT */
#include "harness.hh"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <regex>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace harness {

strings operator+(strings a, const strings &b)
{
	a.insert(a.end(), b.begin(), b.end());
	return a;
}

/* ---- text ---- */

std::string content(const fs::path &file)
{
	std::ostringstream all;

	all << std::ifstream(file, std::ios::binary).rdbuf();
	return all.str();
}

bool has(const std::string &text, const std::string &part)
{
	return text.find(part) != std::string::npos;
}

std::string identifier(std::string s)
{
	std::replace(s.begin(), s.end(), '+', 'x');
	std::replace_if(s.begin(), s.end(),
			[](unsigned char c) { return !isalnum(c); }, '_');
	return s;
}

/* ---- outcome ---- */

static bool find(const std::string &out, const std::string &key,
		 std::string *value)
{
	const std::string start = key + "=";
	bool found = false;

	for (size_t at = 0; at < out.size();) {
		size_t end = out.find('\n', at);
		if (end == std::string::npos)
			end = out.size();
		if (out.compare(at, start.size(), start) == 0) {
			*value = out.substr(at + start.size(),
					    end - at - start.size());
			found = true;
		}
		at = end + 1;
	}
	return found;
}

std::set<std::string> all_matches(const std::string &text,
				  const std::string &pattern)
{
	std::set<std::string> found;
	const std::regex re(pattern);

	for (std::sregex_iterator i(text.begin(), text.end(), re), end;
	     i != end; ++i)
		found.insert((*i)[1]);
	return found;
}

long count_matches(const std::string &text, const std::string &pattern)
{
	const std::regex re(pattern);

	return std::distance(std::sregex_iterator(text.begin(), text.end(), re),
			     std::sregex_iterator());
}

bool outcome::has(const std::string &key) const
{
	std::string value;
	return find(out, key, &value);
}

std::string outcome::text(const std::string &key) const
{
	std::string value;
	find(out, key, &value);
	return value;
}

figure outcome::number(const std::string &key) const
{
	std::string value;
	char *end;

	if (!find(out, key, &value) || value.empty())
		return {};
	const long n = std::strtol(value.c_str(), &end, 0);
	return *end ? figure() : figure(n);
}

std::ostream &operator<<(std::ostream &to, const outcome &what)
{
	to << "\n$";
	for (const std::string &arg : what.command)
		to << ' ' << arg;
	to << "\n(";
	if (what.timed_out)
		to << "timed out";
	else if (what.signal)
		to << "signal " << what.signal << ", "
		   << strsignal(what.signal);
	else
		to << "exit " << what.code;
	return to << ")\n" << what.out << what.err;
}

/* ---- running ---- */

static void set_environment(const strings &env)
{
	unsetenv("GLIBC_TUNABLES");
	unsetenv("TLABI_RSEQ");
	unsetenv("TLABI_MALLOC");
	unsetenv("LD_LIBRARY_PATH");
	/* A make that a test runs is not part of the one that runs the test. */
	unsetenv("MAKEFLAGS");
	unsetenv("MFLAGS");
	unsetenv("MAKELEVEL");
	for (const std::string &e : env) {
		size_t eq = e.find('=');
		setenv(e.substr(0, eq).c_str(), e.c_str() + eq + 1, 1);
	}
}

[[noreturn]] static void child(const strings &command, const options &how,
			       int out, int err)
{
	std::vector<char *> argv;

	for (const std::string &arg : command)
		argv.push_back(const_cast<char *>(arg.c_str()));
	argv.push_back(nullptr);
	setpgid(0, 0);
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(out, 1);
	dup2(err, 2);
	set_environment(how.env);
	execvp(argv[0], argv.data());
	dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Read both pipes to their ends, or until the deadline; false: too late. */
static bool collect(int out, int err, outcome *got,
		    std::chrono::steady_clock::time_point deadline)
{
	pollfd fds[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
	std::string *to[2] = {&got->out, &got->err};

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		auto left = std::chrono::duration_cast<
			std::chrono::milliseconds>(
			deadline - std::chrono::steady_clock::now());
		if (left.count() <= 0)
			return false;
		poll(fds, 2, static_cast<int>(left.count()));
		for (int i = 0; i < 2; ++i) {
			char buffer[65536];
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
			if (n > 0)
				to[i]->append(buffer, n);
			else if (n == 0 || errno != EINTR)
				fds[i].fd = -1;
		}
	}
	return true;
}

void ended(outcome *what, int status)
{
	if (WIFEXITED(status))
		what->code = WEXITSTATUS(status);
	else
		what->signal = WTERMSIG(status);
}

outcome run(const strings &command, const options &how)
{
	outcome got;
	int out[2], err[2], status;

	if (runs_there(command))
		return run_there(command, how);
	got.command = command;
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		throw std::runtime_error("pipe2 failed");
	pid_t pid = fork();
	if (pid < 0)
		throw std::runtime_error("fork failed");
	if (pid == 0)
		child(command, how, out[1], err[1]);
	setpgid(pid, pid);	/* as the child does: whoever is first */
	close(out[1]);
	close(err[1]);

	auto deadline = std::chrono::steady_clock::now() + how.timeout;
	got.timed_out = !collect(out[0], err[0], &got, deadline);
	if (got.timed_out)
		kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(out[0]);
	close(err[0]);
	ended(&got, status);
	return got;
}

outcome sh(const std::string &script, const options &how)
{
	return run({"sh", "-c", "exec 2>&1\n" + script}, how);
}

void each(size_t n, const std::function<void(size_t)> &work)
{
	std::vector<std::thread> workers;
	std::atomic<size_t> next{0};

	for (unsigned int w = std::thread::hardware_concurrency(); w; --w)
		workers.emplace_back([&] {
			for (size_t i; (i = next++) < n;)
				work(i);
		});
	for (std::thread &w : workers)
		w.join();
}

std::vector<outcome> run_all(const std::vector<strings> &commands)
{
	std::vector<outcome> got(commands.size());

	each(commands.size(), [&](size_t i) { got[i] = run(commands[i]); });
	return got;
}

} // namespace harness
