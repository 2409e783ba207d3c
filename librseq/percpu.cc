/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rseq/percpu.h>
#include "internal.hh"

/*
 * A chunk is address space for RSEQ_PERCPU_STRIDE bytes of each cpu; pages come
 * when they are touched, and from the node of the cpu that touches them.  No
 * access is possible beyond the last cpu, up to where cpu 1024 would be: a
 * process that is moved to a machine with more cpus than it knows of must not
 * write into something else.
 */
namespace {

constexpr size_t stride = RSEQ_PERCPU_STRIDE;
constexpr size_t unit = 16;
constexpr size_t units = stride / unit;
constexpr size_t page = 4096;
constexpr unsigned int least_cpus = 1024;

struct chunk {
	chunk *next;
	char *base;		/* cpu 0's */
	bool used[units];
	uint16_t length[units];	/* at an object's first unit, its units - 1 */
	bool first[units];
};

chunk *chunks;
/*
 * The thread that changes chunks, or 0.  Whatever state it leaves them in when
 * a fork interrupts it, some units stay used in the child and nothing else is
 * wrong.
 */
uint32_t holder;

/* Is the last cpu at the end of a chunk, and not at its beginning? */
constexpr bool upwards = 0 RSEQ_PERCPU_SIGN_ 1 > 0;

size_t span(unsigned int cpus)
{
	return (cpus > least_cpus ? cpus : least_cpus) * stride + stride;
}

chunk *make_chunk()
{
	const unsigned int cpus = rseq_cpu_limit();
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *const made = mmap(nullptr, sizeof(chunk), PROT_READ | PROT_WRITE,
				flags, -1, 0);
	if (made == MAP_FAILED)
		return nullptr;
	const size_t all = span(cpus), size = cpus * stride;
	void *const space = mmap(nullptr, all, PROT_NONE, flags | MAP_NORESERVE,
				 -1, 0);
	char *const copies = static_cast<char *>(space) +
		(upwards ? 0 : all - size);
	if (space == MAP_FAILED ||
	    mprotect(copies, size, PROT_READ | PROT_WRITE) != 0) {
		if (space != MAP_FAILED)
			munmap(space, all);
		munmap(made, sizeof(chunk));
		return nullptr;
	}
	/* One cpu's touch shall not bring the pages of 32 cpus. */
	madvise(copies, size, MADV_NOHUGEPAGE);

	chunk *const c = static_cast<chunk *>(made);
	c->base = copies + (upwards ? 0 : size - stride);
	c->next = chunks;
	__atomic_store_n(&chunks, c, __ATOMIC_RELEASE);
	return c;
}

/* The first of n free units at a multiple of step, or units. */
size_t find(const chunk &c, size_t n, size_t step)
{
	for (size_t at = 0; at + n <= units; at += step) {
		size_t i = 0;
		while (i < n && !c.used[at + i])
			++i;
		if (i == n)
			return at;
	}
	return units;
}

void *take(chunk &c, size_t at, size_t n)
{
	c.length[at] = (uint16_t)(n - 1);
	for (size_t i = 0; i < n; ++i)
		c.used[at + i] = true;
	c.first[at] = true;
	return c.base + at * unit;
}

/* Zero it as far as it is not zero: a page that nobody touched stays so. */
void clear(char *at, char *end)
{
	char *const inner = (char *)(((uintptr_t)at + page - 1) & ~(page - 1));
	char *const outer = (char *)((uintptr_t)end & ~(page - 1));

	if (inner < outer && madvise(inner, (size_t)(outer - inner),
				     MADV_DONTNEED) == 0) {
		clear(at, inner);
		clear(outer, end);
		return;
	}
	for (uint64_t *word = (uint64_t *)at; (char *)word < end; ++word)
		if (*word)
			*word = 0;
}

}

void *rseq_percpu_alloc(size_t size, size_t align) noexcept
{
	if (align == 0)
		align = unit;
	if (size == 0 || size > stride || align > page || (align & (align - 1)))
		return nullptr;
	errno_guard keep;
	const size_t n = (size + unit - 1) / unit;
	const size_t step = align > unit ? align / unit : 1;
	thread_lock lock(&holder, thread_lock::leaf);

	if (!lock.held)
		return nullptr;
	void *p = nullptr;
	for (chunk *c = chunks; c && !p; c = c->next) {
		const size_t at = find(*c, n, step);
		if (at < units)
			p = take(*c, at, n);
	}
	if (!p) {
		chunk *const c = make_chunk();
		p = c ? take(*c, 0, n) : nullptr;
	}
	if (p && !rseq_sections_work_here_())
		p = (void *)((uintptr_t)p | (uintptr_t)RSEQ_PERCPU_NONE_);
	return p;
}

int rseq_percpu_free(void *p) noexcept
{
	if (!p)
		return 0;
	errno_guard keep;
	char *const at = static_cast<char *>(rseq_copy_of_(p, 0));
	thread_lock lock(&holder, thread_lock::leaf);

	if (!lock.held)
		return -EDEADLK;
	for (chunk *c = chunks; c; c = c->next) {
		const size_t offset = (size_t)(at - c->base);
		const size_t i = offset / unit;

		if (offset >= stride)
			continue;
		if (offset % unit || !c->first[i])
			break;
		const size_t n = c->length[i] + 1u;
		c->first[i] = false;
		char *copy;
		RSEQ_FOR_EACH_CPU(copy, at)
			clear(copy, copy + n * unit);
		for (size_t k = 0; k < n; ++k)
			c->used[i + k] = false;
		return 0;
	}
	return -EINVAL;
}
