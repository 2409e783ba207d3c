/* SPDX-License-Identifier: MIT */
/* A write behind the end of a block, for those who find such. */
#include <pthread.h>
#include <stdlib.h>

static void *overrun(void *unused)
{
	volatile char *block = malloc(10);

	(void)unused;
	block[10] = 1;
	free((void *)block);
	return NULL;
}

int main(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, overrun, NULL);
	return pthread_join(thread, NULL);
}
