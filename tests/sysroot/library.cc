// SPDX-License-Identifier: MIT
// Parts of the C++ library that lean on the libc: streams, files, clocks,
// locales, regular expressions, condition variables.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <locale>
#include <mutex>
#include <random>
#include <regex>
#include <semaphore>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>

static int failures;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	std::cout << what << " is wrong\n";
	failures++;
}

struct Base {
	virtual ~Base() = default;
};
struct Derived : Base {
};

int main()
{
	namespace fs = std::filesystem;
	using namespace std::chrono_literals;

	std::stringstream text;
	text << 3.25 << ' ' << std::hex << 255;
	double d = 0;
	std::string s;
	text >> d >> s;
	check(d == 3.25 && s == "ff", "stringstream");

	char name[] = "/tmp/library.XXXXXX";
	int file = mkstemp(name);
	std::ofstream(name) << "a line\n";
	std::string line;
	std::getline(std::ifstream(name), line);
	check(file >= 0 && line == "a line" && fs::file_size(name) == 7, "files");
	fs::remove(name);

	check(std::regex_match("2026-11", std::regex("[0-9]+-[0-9]{2}")),
	      "regex");
	check(std::toupper('x', std::locale()) == 'X' && std::isspace(' '),
	      "ctype");
	check(std::random_device()() != std::random_device()() ||
		      std::random_device()() != std::random_device()(),
	      "random_device");
	check(std::stod("2.5") == 2.5 && std::to_string(7) == "7",
	      "conversions");

	std::mutex mutex;
	std::condition_variable changed;
	bool ready = false;
	std::jthread thread([&](std::stop_token stop) {
		{
			std::lock_guard hold(mutex);
			ready = true;
		}
		changed.notify_one();
		while (!stop.stop_requested())
			std::this_thread::sleep_for(1ms);
	});
	{
		std::unique_lock hold(mutex);
		check(changed.wait_for(hold, 30s, [&] { return ready; }),
		      "condition_variable");
	}
	std::counting_semaphore<4> semaphore(0);
	check(!semaphore.try_acquire_for(1ms), "semaphore");
	std::atomic<int> word(1);
	std::jthread waker([&] {
		word = 2;
		word.notify_one();
	});
	word.wait(1);
	check(word == 2, "atomic wait");

	Base *base = new Derived;
	check(dynamic_cast<Derived *>(base), "dynamic_cast");
	delete base;

	if (!failures)
		std::cout << "library ok" << std::endl;
	return failures != 0;
}
