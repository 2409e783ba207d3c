// SPDX-License-Identifier: MIT
// Exceptions within threads and from one to another, thread-local destructors,
// and the unwinding of a cancelled thread where the libc does that.
#include <atomic>
#include <cstdio>
#include <exception>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <unistd.h>

static std::atomic<int> destroyed, caught, local_destroyed, waiting;

struct Counted {
	~Counted() { destroyed++; }
};

struct Local {
	std::string text = "local";
	~Local() { local_destroyed++; }
};
static thread_local Local local;

static int deep(int levels)
{
	Counted here;
	if (!levels)
		throw std::runtime_error("deep");
	return deep(levels - 1) + 1;
}

static void *wait_for_cancel(void *)
{
	Counted here;
	waiting = 1;
	for (;;)
		pause();
}

static bool ok = true;

static void expect(const char *what, int is, int should)
{
	if (is == should)
		return;
	std::printf("%s: %d, expected %d\n", what, is, should);
	ok = false;
}

int main()
{
	std::vector<std::thread> threads;
	for (int i = 0; i < 8; i++)
		threads.emplace_back([] {
			local.text += "x";
			for (int k = 0; k < 500; k++)
				try {
					deep(20);
				} catch (const std::runtime_error &) {
					caught++;
				}
		});
	for (std::thread &thread : threads)
		thread.join();

	auto thrown = std::async(std::launch::async, [] { return deep(3); });
	try {
		thrown.get();
	} catch (const std::exception &) {
		caught++;
	}
	expect("caught", caught, 8 * 500 + 1);
	expect("destroyed", destroyed, 8 * 500 * 21 + 4);
	expect("thread-local objects destroyed", local_destroyed, 8);

#ifdef __GLIBC__
	pthread_t thread;
	int before = destroyed;
	pthread_create(&thread, nullptr, wait_for_cancel, nullptr);
	while (!waiting)
		usleep(1000);
	pthread_cancel(thread);
	pthread_join(thread, nullptr);
	expect("destroyed by cancellation", destroyed - before, 1);
#else
	(void)wait_for_cancel;
#endif
	std::puts(ok ? "exceptions ok" : "wrong");
	return !ok;
}
