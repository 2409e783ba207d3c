/* SPDX-License-Identifier: MIT */
/* All models, by the names that check and the fuzzers know them by. */
#pragma once

#include "cache.hh"
#include "counters.hh"
#include "lists.hh"
#include "pool.hh"
#include "ring.hh"

namespace model {

struct structure {
	const char *name;
	void (*run)(input &);
};

inline constexpr structure structures[] = {
	{"cache", cache},
	{"counter", counter},
	{"counters", counters},
	{"histogram", histogram},
	{"lists", lists},
	{"percpu", percpu},
	{"pool", pool},
	{"ring", ring},
};

}
