/* SPDX-License-Identifier: MIT */
/* All models, by the names that check and the fuzzers know them by. */
#pragma once

#include "cache.hh"
#include "counters.hh"
#include "guards.hh"
#include "lists.hh"
#include "pool.hh"
#include "ring.hh"
#include "sharing.hh"

namespace model {

struct structure {
	const char *name;
	void (*run)(input &);
};

inline constexpr structure structures[] = {
	{"cache", cache},
	{"counter", counter},
	{"counters", counters},
	{"guards", guards},
	{"histogram", histogram},
	{"lists", lists},
	{"percpu", percpu},
	{"pool", pool},
	{"readers", readers},
	{"refcount", refcount},
	{"ring", ring},
};

}
