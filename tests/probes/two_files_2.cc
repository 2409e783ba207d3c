/* SPDX-License-Identifier: MIT */
#include "two_files.hpp"

int other_file(word *w)
{
	return count(w) + count_if(&w->value, 3);
}
