/* SPDX-License-Identifier: MIT */
/*
 * malloc_alone: allocate and free in the only thread there is, a fixed number
 * of times.  For counting instructions.
 */
#include <stdlib.h>

enum { BLOCKS = 256, ROUNDS = 100000 };

int main(void)
{
	static void *blocks[BLOCKS];
	unsigned int random = 1;

	for (int i = 0; i < ROUNDS; ++i) {
		void **one = &blocks[(random >> 8) % BLOCKS];

		random = random * 1103515245 + 12345;
		free(*one);
		*one = malloc(1 + (random >> 16) % 1200);
	}
	return 0;
}
