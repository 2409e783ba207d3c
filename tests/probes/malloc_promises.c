/* SPDX-License-Identifier: MIT */
/*
 * malloc_promises: what malloc() and its kin answer at the edges, while another
 * thread exists.  Nothing here depends on how blocks are laid out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 6000 };

static void *rest(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void said(const char *what, void *p)
{
	printf("%s=%d errno=%d\n", what, p != NULL, errno);
	free(p);
	errno = 0;
}

static void refused(void)
{
	void *volatile none = NULL;
	void *p = malloc(100);

	memset(p, 7, 100);
	errno = 0;
	said("malloc_all", malloc(SIZE_MAX));
	said("malloc_half", malloc(PTRDIFF_MAX));
	said("malloc_above_half", malloc((size_t)PTRDIFF_MAX + 1));
	said("calloc_all", calloc(SIZE_MAX / 2, 3));
	said("calloc_nothing", calloc(SIZE_MAX, 0));
	said("realloc_all", realloc(p, SIZE_MAX));
	printf("left_alone=%d\n", ((char *)p)[0] == 7 && ((char *)p)[99] == 7);
	said("realloc_none", realloc(none, 24));
	said("malloc_0", malloc(0));
	said("aligned_to_3", aligned_alloc(3, 24));
	said("aligned_to_all", aligned_alloc(SIZE_MAX / 2 + 1, 24));
	said("aligned_all", aligned_alloc(64, SIZE_MAX));
	none = p;
	printf("memalign_3=%d memalign_2=%d untouched=%d errno=%d\n",
	       posix_memalign(&p, 3, 24), posix_memalign(&p, 2, 24),
	       p == none, errno);
	printf("usable_of_none=%zu\n", malloc_usable_size(NULL));
	free(p);
}

/* Sizes, each a few times, so that the later ones come from where the first
 * ones went. */
static void every_size(void)
{
	long apart = 0, aligned = 0, exact = 0, zero = 0, kept = 0, errors = 0;

	for (size_t n = 0; n < MOST; ++n)
		for (int again = 0; again < 3; ++again) {
			unsigned char *p = malloc(n), *q = malloc(n), *r;
			size_t dirty = 0;

			apart += p != q;
			aligned += !((uintptr_t)p % 16);
			exact += malloc_usable_size(p) == n;
			memset(p, 0xa5, n);
			memset(q, 0x5a, n);
			errno = 99;
			free(p);
			errors += errno != 99;
			r = calloc(n, 1);
			for (size_t i = 0; i < n; ++i)
				dirty |= r[i];
			zero += !dirty;
			q = realloc(q, 2 * n + 1);
			for (size_t i = 0; i < n; ++i)
				dirty |= q[i] ^ 0x5a;
			q = realloc(q, n / 2 + 1);
			for (size_t i = 0; i < n / 2; ++i)
				dirty |= q[i] ^ 0x5a;
			kept += !dirty && malloc_usable_size(q) == n / 2 + 1;
			free(q);
			free(r);
		}
	printf("apart=%ld\naligned=%ld\nexact=%ld\nzero=%ld\nkept=%ld\n"
	       "errors=%ld\n", apart, aligned, exact, zero, kept, errors);
}

static void every_alignment(void)
{
	long aligned = 0, exact = 0;

	for (size_t to = 16; to <= 1 << 16; to *= 2)
		for (size_t n = 1; n < 5000; n += 37) {
			void *p = aligned_alloc(to, n);

			aligned += p && !((uintptr_t)p % to);
			exact += malloc_usable_size(p) >= n;
			memset(p, 1, n);
			free(p);
		}
	printf("aligned_to=%ld\nlarge_enough=%ld\n", aligned, exact);
}

int main(void)
{
	pthread_t other;

	if (pthread_create(&other, NULL, rest, NULL))
		return 1;
	refused();
	every_size();
	every_alignment();
	return 0;
}
