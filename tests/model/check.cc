/* SPDX-License-Identifier: MIT */
/*
 * check STRUCTURE SEED RUNS [signals] [no_fence]: so many runs of random
 * operations on a structure beside its model, with SEED, SEED + 1, ...; it ends
 * by a signal where they disagree.  With signals, 5000 a second.  With no_fence
 * the kernel refuses membarrier(2).
 */
#include <cinttypes>
#include <cstring>
#include <random>

#include <signal.h>
#include <sys/time.h>

#include "structures.hh"
#include "../probes/filter.h"

static long signals;

static void on_signal(int)
{
	__atomic_fetch_add(&signals, 1, __ATOMIC_RELAXED);
}

static void start_signals()
{
	struct sigaction action = {};
	const itimerval often = {{0, 200}, {0, 200}};

	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, nullptr);
	setitimer(ITIMER_REAL, &often, nullptr);
}

int main(int argc, char **argv)
{
	void (*run)(model::input &) = nullptr;

	for (const model::structure &s : model::structures)
		if (argc > 3 && !strcmp(argv[1], s.name))
			run = s.run;
	if (!run) {
		fputs("usage: check STRUCTURE SEED RUNS [signals] [no_fence]\n",
		      stderr);
		return 2;
	}
	const uint64_t seed = strtoull(argv[2], nullptr, 10);
	const long runs = atol(argv[3]);
	for (int i = 4; i < argc; ++i) {
		if (!strcmp(argv[i], "signals"))
			start_signals();
		if (!strcmp(argv[i], "no_fence") &&
		    refuse_call(SYS_membarrier, EPERM) == 0)
			model::refused = true;
	}
	model::actor::move(0);
	printf("seed=%" PRIu64 "\n", seed);
	for (long i = 0; i < runs; ++i) {
		std::mt19937_64 random(seed + (uint64_t)i);
		std::vector<uint8_t> bytes(random() % 2000);

		for (uint8_t &byte : bytes)
			byte = (uint8_t)random();
		model::the_journal.subject = std::string(argv[1]) + " of seed " +
			std::to_string(seed + (uint64_t)i);
		model::the_journal.operations = 0;
		fflush(stdout);
		model::input in(bytes.data(), bytes.size());
		run(in);
		if (model::forked)
			_exit(0);
	}
	printf("runs=%ld\nsignals=%ld\nsections=%d\n", runs, signals,
	       model::actor::process_has_sections());
	for (const auto &[what, times] : model::the_journal.saw)
		printf("saw.%s=%ld\n", what.c_str(), times);
	return 0;
}
