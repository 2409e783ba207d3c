/* SPDX-License-Identifier: MIT */
/* The area as code in loaded libraries sees it, and their thread-local data. */
#include "area.h"

#include <dlfcn.h>
#include <pthread.h>

enum { MAX_LIBS = 8, N = 8 };

static int (*visit[MAX_LIBS])(struct seen *);
static int libs, tls_wrong;
static struct crowd crowd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t loaded;

static void visit_all(void)
{
	for (int i = 0; i < libs; ++i) {
		struct seen s;
		pthread_mutex_lock(&lock);
		tls_wrong += visit[i](&s);
		join_crowd(&crowd, &s);
		pthread_mutex_unlock(&lock);
	}
}

static void *before(void *unused)
{
	pthread_barrier_wait(&loaded);
	visit_all();
	return unused;
}

static void *after(void *unused)
{
	visit_all();
	return unused;
}

static void finish(const char *who)
{
	say_crowd(who, &crowd);
	memset(&crowd, 0, sizeof crowd);
}

int main(int argc, char **argv)
{
	pthread_t t[N];

	pthread_barrier_init(&loaded, NULL, N + 1);
	for (int i = 0; i < N; ++i)
		pthread_create(&t[i], NULL, before, NULL);
	for (int i = 1; i < argc; ++i) {
		void *lib = dlopen(argv[i], RTLD_NOW);
		if (!lib) {
			printf("error=%s\n", dlerror());
			return 0;
		}
		*(void **)&visit[libs++] = dlsym(lib, "visit");
	}
	printf("loaded=%d\n", libs);
	visit_all();
	finish("main");
	pthread_barrier_wait(&loaded);
	for (int i = 0; i < N; ++i)
		pthread_join(t[i], NULL);
	finish("before");
	for (int i = 0; i < N; ++i)
		pthread_create(&t[i], NULL, after, NULL);
	for (int i = 0; i < N; ++i)
		pthread_join(t[i], NULL);
	finish("after");
	printf("tls_wrong=%d\n", tls_wrong);
	return 0;
}
