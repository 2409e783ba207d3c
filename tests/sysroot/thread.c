/* Prints what a sysroot's wrapper must get right: the libc, its headers. */
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>

static void *thread(void *arg)
{
	puts(arg);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;

	(void)argv;
	if (pthread_create(&t, NULL, thread, "in a thread"))
		return 1;
	pthread_join(t, NULL);
	return sqrt(argc) != 1 || PATH_MAX != 4096 || FUTEX_WAKE != 1;
}
