/* SPDX-License-Identifier: MIT */
/* The area in threads on stacks of the program's own, of any size and place. */
#include "area.h"

#include <limits.h>
#include <pthread.h>

enum { MAX = 1 << 20, FILL = 0xa5 };

static _Alignas(4096) unsigned char memory[MAX + 4096];
static struct crowd crowd;

static void *visit(void *unused)
{
	struct seen s;

	look(&s);
	join_crowd(&crowd, &s);
	return unused;
}

static int try(size_t size, size_t shift)
{
	pthread_attr_t attr;
	pthread_t t;

	memset(memory, FILL, shift + size);
	pthread_attr_init(&attr);
	if (pthread_attr_setstack(&attr, memory + shift, size) ||
	    pthread_create(&t, &attr, visit, NULL))
		return 0;
	pthread_join(t, NULL);
	/* What is over is over: nobody writes where the thread was. */
	memset(memory, FILL, shift + size);
	sched_yield();
	for (size_t i = 0; i < shift + size; ++i)
		if (memory[i] != FILL)
			return -1;
	return 1;
}

int main(void)
{
	static const size_t above[] = {0, 16, 1024, 2048, 4096, 6144, 8192,
		10240, 12288, 14336, 16384, 20480, 24576, 32768, 65536,
		131072, 1 << 19};
	static const size_t shifts[] = {0, 1, 7, 8, 15, 16, 24, 31, 32, 33, 40,
		48, 56, 63, 64, 4095};
	const size_t least_size = (size_t)sysconf(_SC_THREAD_STACK_MIN);
	int made = 0, refused = 0, written = 0;

	for (size_t i = 0; i < sizeof above / sizeof *above; ++i)
		for (size_t j = 0; j < sizeof shifts / sizeof *shifts; ++j)
			switch (try(least_size + above[i], shifts[j])) {
			case 1:
				++made;
				break;
			case 0:
				++refused;
				break;
			default:
				++written;
			}
	printf("made=%d\nrefused=%d\nwritten=%d\n", made, refused, written);
	say_crowd("stack", &crowd);
	return 0;
}
