/* SPDX-License-Identifier: MIT */
/* A structure beside its model, with what libFuzzer makes up: -DSTRUCTURE=. */
#include "structures.hh"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	model::input in(data, size);

	model::the_journal.operations = 0;
	model::actor::move(0);
	model::STRUCTURE(in);
	return 0;
}
