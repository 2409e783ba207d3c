/* SPDX-License-Identifier: MIT */
/*
 * lua_threads THREADS SCRIPT [SECONDS]: run SCRIPT in as many threads at once,
 * each with a state of its own, once or for so many SECONDS.  "count" in the
 * script is the number of its thread.  Prints how often it ended well, and the
 * nanoseconds of cpu time for each; the exit status is 1 if it once did not.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

enum { MAX_THREADS = 256 };

static const char *script;
static double seconds;
static _Atomic long good, bad;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int once(lua_Integer number)
{
	lua_State *l = luaL_newstate();
	int failed;

	if (!l)
		return 1;
	luaL_openlibs(l);
	lua_pushinteger(l, number);
	lua_setglobal(l, "count");
	failed = luaL_dofile(l, script);
	if (failed)
		fprintf(stderr, "%s\n", lua_tostring(l, -1));
	lua_close(l);
	return failed;
}

static void *work(void *number)
{
	const double end = now() + seconds;

	do {
		if (once((intptr_t)number))
			++bad;
		else
			++good;
	} while (now() < end);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[MAX_THREADS];
	struct rusage used;
	int threads;

	if (argc < 3)
		return 2;
	threads = atoi(argv[1]);
	script = argv[2];
	seconds = argc > 3 ? atof(argv[3]) : 0;
	if (threads < 1 || threads > MAX_THREADS)
		return 2;
	for (intptr_t i = 0; i < threads; ++i)
		if (pthread_create(&t[i], NULL, work, (void *)i))
			return 1;
	for (int i = 0; i < threads; ++i)
		pthread_join(t[i], NULL);
	getrusage(RUSAGE_SELF, &used);
	printf("good=%ld bad=%ld ns=%.0f rss=%ld\n", good, bad,
	       ((double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3) /
	       (double)(good + bad), used.ru_maxrss);
	return bad != 0;
}
