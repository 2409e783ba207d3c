/* SPDX-License-Identifier: MIT */
/*
 * malloc_stress SECONDS: threads allocate blocks of random sizes, write all of
 * them, resize them, pass them to each other and free each other's, while they
 * are moved from cpu to cpu, interrupted 5000 times a second, and forked; other
 * threads come and go, and one was refused rseq.  Each block has its owner's
 * pattern, which is looked at whenever it changes hands: a block that was
 * handed out twice shows another's.
 */
#include "filter.h"
#include "migrate.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#if __has_include(<sys/tlabi.h>)
#include <sys/tlabi.h>
#endif

enum { WORKERS = 6, BOXES = 2048 };

struct block {
	uint32_t size, seed;
	unsigned char fill[];
};

static struct block *boxes[BOXES];
static volatile int stop;
static _Atomic long operations, wrong, not_zero, out_of_memory, short_lived,
	forks, bad_children, refused;
static _Atomic unsigned long signals;

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

static size_t random_size(uint64_t r)
{
	switch (r % 16) {
	case 0: return r / 16 % 100000;
	case 1: case 2: return r / 16 % 5000;
	default: return r / 16 % 600;
	}
}

static void fill(struct block *b, size_t from)
{
	for (size_t i = from; i < b->size; ++i)
		b->fill[i] = (unsigned char)(b->seed + i);
}

static void check(const struct block *b, size_t size)
{
	for (size_t i = 0; i < size; ++i)
		if (b->fill[i] != (unsigned char)(b->seed + i)) {
			++wrong;
			return;
		}
}

static struct block *make(uint64_t *x)
{
	const uint64_t r = next(x);
	const size_t size = random_size(r >> 8), all = size + sizeof(struct block);
	struct block *b;

	switch (r % 8) {
	case 0:
		b = calloc(1, all);
		for (size_t i = 0; b && i < all; ++i)
			if (((unsigned char *)b)[i]) {
				++not_zero;
				break;
			}
		break;
	case 1:
		b = aligned_alloc(64, all);
		break;
	default:
		b = malloc(all);
	}
	if (!b) {
		++out_of_memory;
		return NULL;
	}
	if (malloc_usable_size(b) < all)
		++wrong;
	b->size = (uint32_t)size;
	b->seed = (uint32_t)(r >> 32);
	fill(b, 0);
	return b;
}

static void destroy(struct block *b)
{
	check(b, b->size);
	b->seed = ~b->seed;	/* whoever still has it will see */
	if (b->size)
		b->fill[0] = (unsigned char)~b->fill[0];
	free(b);
}

static struct block *resize(struct block *b, uint64_t *x)
{
	const size_t size = random_size(next(x) >> 8), old = b->size;
	struct block *larger = realloc(b, size + sizeof *b);

	if (!larger) {
		++out_of_memory;
		return b;
	}
	check(larger, size < old ? size : old);
	larger->size = (uint32_t)size;
	fill(larger, size < old ? size : old);
	return larger;
}

static void some(uint64_t *x, int rounds)
{
	while (rounds--) {
		struct block *b = make(x);

		if (b && next(x) % 4 == 0)
			b = resize(b, x);
		b = __atomic_exchange_n(&boxes[next(x) % BOXES], b,
					__ATOMIC_ACQ_REL);
		if (b)
			destroy(b);
		++operations;
	}
}

static void *work(void *slot)
{
	uint64_t x = 0x9e3779b97f4a7c15 * ((uintptr_t)slot + 1);

	be_victim((uintptr_t)slot);
	while (!stop)
		some(&x, 64);
	be_no_victim((uintptr_t)slot);
	return NULL;
}

static void *work_a_little(void *slot)
{
	uint64_t x = 0x9e3779b97f4a7c15 * ((uintptr_t)slot + 77);

	some(&x, 100);
	++short_lived;
	return NULL;
}

static void *come_and_go(void *unused)
{
	pthread_t t[8];

	for (uintptr_t n = 0; !stop; ++n) {
		for (uintptr_t i = 0; i < 8; ++i)
			if (pthread_create(&t[i], NULL, work_a_little,
					   (void *)(n * 8 + i)))
				t[i] = 0;
		for (int i = 0; i < 8; ++i)
			if (t[i])
				pthread_join(t[i], NULL);
	}
	return unused;
}

/* Its children start without rseq. */
static void *refuse(void *slot)
{
	pthread_t t;

	if (refuse_rseq(EPERM) || pthread_create(&t, NULL, work, slot))
		return NULL;
	++refused;
	pthread_join(t, NULL);
	return NULL;
}

/* The child has this thread only, until it makes another. */
static int in_child(void)
{
	uint64_t x = 0x2545f4914f6cdd1d * (uint64_t)getpid();
	pthread_t t;

	alarm(20);
	wrong = not_zero = out_of_memory = 0;
	some(&x, 50);
	if (pthread_create(&t, NULL, work_a_little, NULL))
		return 2;
	some(&x, 50);
	pthread_join(t, NULL);
	some(&x, 50);
	return wrong || not_zero || out_of_memory;
}

static void *fork_on(void *unused)
{
	while (!stop) {
		const pid_t child = fork();
		int status = -1;

		if (!child)
			_exit(in_child());
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			++bad_children;
		++forks;
	}
	return unused;
}

static void on_signal(int signal)
{
	(void)signal;
	++signals;
}

static void *interrupt(void *unused)
{
	const struct timespec pause = { 0, 200 * 1000 };

	for (unsigned int i = 0; !stop; ++i) {
		const int tid = __atomic_load_n(&victims[i % WORKERS],
						__ATOMIC_RELAXED);

		if (tid)
			syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
		if (i % 4 == 0)	/* the timer is later than asked for */
			nanosleep(&pause, NULL);
	}
	return unused;
}

int main(int argc, char **argv)
{
	struct timespec pause = { 0, 100 * 1000 };
	pthread_t t[WORKERS + 5];
	int n = 0;

	signal(SIGUSR1, on_signal);
	for (uintptr_t i = 0; i < WORKERS; ++i)
		pthread_create(&t[n++], NULL, work, (void *)i);
	pthread_create(&t[n++], NULL, migrate, &pause);
	pthread_create(&t[n++], NULL, interrupt, NULL);
	pthread_create(&t[n++], NULL, come_and_go, NULL);
	pthread_create(&t[n++], NULL, fork_on, NULL);
	pthread_create(&t[n++], NULL, refuse, (void *)(uintptr_t)WORKERS);
	sleep(argc > 1 ? (unsigned int)atoi(argv[1]) : 5);
	stop = stop_migrating = 1;
	while (n)
		pthread_join(t[--n], NULL);
	for (int i = 0; i < BOXES; ++i)
		if (boxes[i])
			destroy(boxes[i]);
	printf("operations=%ld\nwrong=%ld\nnot_zero=%ld\nout_of_memory=%ld\n"
	       "short_lived=%ld\nforks=%ld\nbad_children=%ld\nrefused=%ld\n"
	       "signals=%lu\nmigrations=%lu\n", operations, wrong, not_zero,
	       out_of_memory, short_lived, forks, bad_children, refused,
	       signals, migrations);
#ifdef TLABI_MALLOC_STATS
	struct tlabi_malloc_stats s;

	tlabi_malloc_stats(&s);
	printf("hits=%llu\nmisses=%llu\nbytes=%llu\nlimit=%llu\n",
	       (unsigned long long)s.hits, (unsigned long long)s.misses,
	       (unsigned long long)s.bytes, (unsigned long long)s.limit);
#endif
	return 0;
}
