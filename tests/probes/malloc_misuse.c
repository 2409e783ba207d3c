/* SPDX-License-Identifier: MIT */
/*
 * malloc_misuse CASE SIZE [alone]: misuse a block of SIZE bytes.  Says
 * ready=1 before it, and survived=1 if the process outlives it.  Unless
 * "alone", other threads exist, so that a libc that has a cache for each cpu
 * uses it: cached=1 if it says that the block went there.
 */
#include "cpus.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if __has_include(<sys/tlabi.h>)
#include <sys/tlabi.h>
#endif

static size_t size;
static int alone;

static unsigned long long held(void)
{
#ifdef TLABI_MALLOC_STATS
	struct tlabi_malloc_stats now;

	tlabi_malloc_stats(&now);
	return now.bytes;
#else
	return 0;
#endif
}

static void *rest(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* With neighbours, so that what is freed does not leave the process at once. */
static unsigned char *block(void)
{
	static void *volatile neighbour;
	unsigned char *p = NULL;

	for (int i = 0; i < 64; ++i) {
		neighbour = malloc(size);
		if (i == 32)
			p = neighbour;
	}
	memset(p, 0x11, size);
	return p;
}

/* A block that is free, where the next malloc() would look first. */
static unsigned char *freed(void)
{
	unsigned char *p = block();
	const unsigned long long before = held();

	free(p);
	printf("cached=%d\n", held() > before);
	return p;
}

static void ready(void)
{
	printf("ready=1\n");
	fflush(stdout);
}

/* ---- the cases ---- */

static void none(void)
{
	unsigned char *p = freed();

	ready();
	p = block();
	p = realloc(p, size + 1);
	free(p);
}

static void double_free(void)
{
	unsigned char *p = freed();

	ready();
	free(p);
}

static void double_free_later(void)
{
	unsigned char *p = block(), *q[100];

	for (int i = 0; i < 100; ++i)
		q[i] = block();
	free(p);
	for (int i = 0; i < 100; i += 2)
		free(q[i]);
	ready();
	free(p);
}

static void double_free_elsewhere(void)
{
	unsigned char *p = NULL;

	run_on_nth(0);
	p = freed();
	run_on_nth(1);
	ready();
	free(p);
}

static void *free_it(void *p)
{
	free(p);
	return NULL;
}

static void double_free_by_thread(void)
{
	unsigned char *p = freed();
	pthread_t other;

	ready();
	pthread_create(&other, NULL, free_it, p);
	pthread_join(other, NULL);
}

/* They spin, since whom a futex wakes is late. */
static volatile int arrived;

static void meet(int all)
{
	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	while (arrived < all)
		;
}

static void *race(void *p)
{
	run_on_nth(1);
	meet(2);
	free(p);
	meet(4);
	return NULL;
}

static void double_free_at_once(void)
{
	unsigned char *p = block();
	pthread_t other;

	run_on_nth(0);
	ready();
	pthread_create(&other, NULL, race, p);
	meet(2);
	free(p);
	meet(4);
}

/* An attacker's or a wild write's: the header says "in use" again. */
static void restored_header(void)
{
	unsigned char *p = block();
	uint32_t header = ((uint32_t *)(void *)p)[-1];

	free(p);
	((uint32_t *)(void *)p)[-1] = header;
	ready();
	free(p);
}

static void restored_header_and_used(void)
{
	unsigned char *p = block();
	uint32_t header = ((uint32_t *)(void *)p)[-1];

	free(p);
	((uint32_t *)(void *)p)[-1] = header;
	ready();
	printf("usable=%zu\n", malloc_usable_size(p));
}

/* A replay: every byte that a wild write can reach is as it was. */
static unsigned char *replayed(void)
{
	static unsigned char image[1 << 15];
	unsigned char *p = block();
	const size_t reach = 16 + size + size / 4 + 32;
	const unsigned long long before = held();

	memcpy(image, p - 16, reach);
	free(p);
	printf("cached=%d\n", held() > before);
	memcpy(p - 16, image, reach);
	return p;
}

static void replayed_block(void)
{
	unsigned char *p = replayed();

	ready();
	free(p);
}

static void replayed_block_elsewhere(void)
{
	unsigned char *p;

	run_on_nth(0);
	p = replayed();
	run_on_nth(1);
	ready();
	free(p);
}

static void replayed_block_and_resized(void)
{
	unsigned char *p = replayed();

	ready();
	p = realloc(p, size + 5000);
	printf("got=%d\n", p != NULL);
}

static void replayed_block_and_used(void)
{
	unsigned char *p = replayed();

	ready();
	printf("usable=%zu\n", malloc_usable_size(p));
}

static void realloc_freed(void)
{
	unsigned char *p = freed();

	ready();
	p = realloc(p, size + 5000);
	printf("got=%d\n", p != NULL);
}

static void shrink_freed(void)
{
	unsigned char *p = freed();

	ready();
	p = realloc(p, size - 1);
	printf("got=%d\n", p != NULL);
}

static void usable_freed(void)
{
	unsigned char *p = freed();

	ready();
	printf("usable=%zu\n", malloc_usable_size(p));
}

static void foreign_stack(void)
{
	_Alignas(16) unsigned char here[512] = {0};

	ready();
	free(here + 256);
}

static void foreign_data(void)
{
	static _Alignas(16) unsigned char here[512];

	ready();
	free(here + 256);
}

static void misaligned_by_1(void)
{
	unsigned char *p = block();

	ready();
	free(p + 1);
}

static void misaligned_by_8(void)
{
	unsigned char *p = block();

	ready();
	free(p + 8);
}

static void interior(void)
{
	unsigned char *p = block();

	ready();
	free(p + 16);
}

static void interior_of_zeros(void)
{
	unsigned char *p = block();

	memset(p, 0, size);
	ready();
	free(p + 16);
}

static void overflow(void)
{
	unsigned char *p = block();

	p[size] = 1;
	ready();
	free(p);
}

static void overflow_seen_by_realloc(void)
{
	unsigned char *p = block();

	p[size] = 1;
	ready();
	p = realloc(p, size + 5000);
	printf("got=%d\n", p != NULL);
}

static void overflow_to_the_end(void)
{
	unsigned char *p = block();

	memset(p + size, 1, 16);
	ready();
	free(p);
}

static void underflow(void)
{
	unsigned char *p = block();

	p[-4] = 1;
	ready();
	free(p);
}

static void wrong_index(void)
{
	unsigned char *p = block();

	p[-3] ^= 1;
	ready();
	free(p);
}

static void wrong_offset(void)
{
	unsigned char *p = block();

	p[-1] ^= 1;
	ready();
	free(p);
}

static void wrong_size(void)
{
	unsigned char *p = block();

	p[-3] |= 7 << 5;
	ready();
	free(p);
}

/*
 * mallocng's own: a group of blocks begins with a pointer to what is kept about
 * it, 40 bytes in a page that begins with a secret.
 */
struct about {
	void *prev, *next, *group;
	int available, freed;
	unsigned long long shape;
};

static struct about **group_of(unsigned char *p)
{
	return (void *)(p - 16 * *(uint16_t *)(void *)(p - 2) - 16);
}

static void group_of_nothing(void)
{
	unsigned char *p = block();

	*group_of(p) = NULL;
	ready();
	free(p);
}

static void group_of_another(void)
{
	unsigned char *p = block(), *q = malloc(size * 4);

	*group_of(p) = *group_of(q);
	ready();
	free(p);
}

/* All that is kept about it, but for the secret. */
static void group_without_secret(void)
{
	static _Alignas(4096) struct about page[8];
	unsigned char *p = block();

	page[4] = **group_of(p);
	*group_of(p) = &page[4];
	ready();
	free(p);
}

static void group_beside_its_place(void)
{
	unsigned char *p = block();

	*group_of(p) = (void *)((uintptr_t)*group_of(p) + 8);
	ready();
	free(p);
}

/* A forged one that passes: with the secret, but where none can lie. */
static void group_between_places(void)
{
	unsigned char *p = block();
	struct about *forged = (void *)(((uintptr_t)*group_of(p) | 4095) - 47);
	const unsigned long long before = held();

	*forged = **group_of(p);
	forged->shape &= ~32ULL;	/* not to be unmapped */
	*group_of(p) = forged;
	ready();
	free(p);
	printf("cached=%d\n", held() > before);
}

static void block_without_group(void)
{
	static _Alignas(16) unsigned char here[1 << 15];
	unsigned char *p = block();

	memcpy(here + 16, p - 16, size + 16);
	*(uint16_t *)(void *)(here + 30) = 1;
	*(void **)(void *)here = *group_of(p);
	ready();
	free(here + 32);
}

static void use_after_free(void)
{
	unsigned char *p = freed();

	memset(p, 0x55, size);
	ready();
	p = block();
	free(p);
}

static void stale_alignment(void)
{
	unsigned char *p = aligned_alloc(256, size);

	free(p);
	ready();
	free(p);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
#define CASE(name)	{ #name, name }
	CASE(none), CASE(double_free), CASE(double_free_later),
	CASE(double_free_elsewhere), CASE(double_free_by_thread),
	CASE(double_free_at_once), CASE(restored_header),
	CASE(restored_header_and_used), CASE(replayed_block),
	CASE(replayed_block_elsewhere), CASE(replayed_block_and_resized),
	CASE(replayed_block_and_used), CASE(realloc_freed),
	CASE(shrink_freed), CASE(usable_freed), CASE(foreign_stack),
	CASE(foreign_data), CASE(misaligned_by_1), CASE(misaligned_by_8),
	CASE(interior), CASE(interior_of_zeros), CASE(overflow),
	CASE(overflow_seen_by_realloc), CASE(overflow_to_the_end),
	CASE(underflow), CASE(wrong_index), CASE(wrong_offset),
	CASE(wrong_size), CASE(group_of_nothing), CASE(group_of_another),
	CASE(group_without_secret), CASE(group_beside_its_place),
	CASE(group_between_places), CASE(block_without_group),
	CASE(use_after_free), CASE(stale_alignment),
};

int main(int argc, char **argv)
{
	pthread_t other;

	if (argc < 3) {
		for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
			puts(cases[i].name);
		return 0;
	}
	size = strtoul(argv[2], NULL, 0);
	alone = argc > 3;
	if (!alone)
		pthread_create(&other, NULL, rest, NULL);
	block();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
		if (!strcmp(argv[1], cases[i].name)) {
			cases[i].run();
			printf("survived=1\n");
			return 0;
		}
	return 2;
}
