/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rseq/ring.h>
#include <rseq/word.h>
#include "debug.hh"
#include "guard.hh"
#include "internal.hh"
#include "live.hh"

/*
 * Each cpu has two rings: one that only sections write to, and one for threads
 * that run none, which lock it.  A ring's place and the number of its records
 * are one word, so that a section commits both with one store.  A record is a
 * word that describes it and its bytes, and does not wrap: what is left at the
 * end of a ring is filled with a record that says so.
 */
namespace {

constexpr size_t page = 4096;
constexpr uint64_t magic = 0x676e69722d716573;	/* "seq-ring" */
constexpr uint32_t layout = 1;

/* The first page of the mapping. */
struct description {
	uint64_t magic;
	uint32_t layout;
	uint32_t cpus;
	uint64_t size;
	uint64_t flags;
	uint32_t waiting;
};

/* A record's word: its number << 32 | flags | length. */
constexpr uint64_t padding = 1u << 31;
constexpr uint64_t busy = 1u << 30;	/* reserved and not yet filled in */
constexpr uint64_t length_mask = busy - 1;

using head = rseq_ring_head_;

/* One ring: its head, its bytes, and whether sections write to it. */
struct ring {
	head *h;
	char *bytes;
	size_t size;

	/* That of a word, in a damaged file, too. */
	char *at(uint64_t place) const
	{
		return bytes + ((uint32_t)place & (size - 8));
	}
};

ring section_ring(const rseq_ring *r, unsigned int cpu)
{
	char *const begin = r->memory + page + cpu * r->stride;

	return {reinterpret_cast<head *>(begin), begin + page, r->size};
}

ring locked_ring(const rseq_ring *r, unsigned int cpu)
{
	char *const begin = r->memory + page + cpu * r->stride + page +
		r->size;

	return {reinterpret_cast<head *>(begin), begin + page, r->size};
}

uint64_t load(const uint64_t *word)
{
	return __atomic_load_n((const shared_word *)word, __ATOMIC_ACQUIRE);
}

void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n((shared_word *)word, value, __ATOMIC_RELEASE);
}

/* ThreadSanitizer takes only the full fence. */
void store_fence()
{
#ifdef RSEQ_TSAN_
	__sync_synchronize();
#else
	__atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

/* Further on by bytes and by records. */
uint64_t advance(uint64_t place, uint64_t bytes, uint64_t records)
{
	return ((place >> 32) + records) << 32 | (uint32_t)(place + bytes);
}

uint32_t distance(uint64_t from, uint64_t to)
{
	return (uint32_t)to - (uint32_t)from;
}

uint64_t records_between(uint64_t from, uint64_t to)
{
	return (uint32_t)(to >> 32) - (uint32_t)(from >> 32);
}

/* The bytes that a record takes. */
uint64_t whole(uint64_t word)
{
	return 8 + (((word & length_mask) + 7) & ~(uint64_t)7);
}

/* What a write does: after its word, its bytes, the ring goes from there on. */
struct plan {
	uint64_t next;		/* as it was seen */
	uint64_t oldest;
	uint64_t kept;		/* the oldest that is kept */
	char *at;
	uint64_t word;
	uint64_t then;		/* next, when it is done */
	bool pads;		/* this is padding; plan again behind it */
	bool fits;
};

/*
 * Where a record of len bytes goes.  In a ring that overwrites, the oldest are
 * given up until there is room; their words are intact, since a section that
 * writes over them comes after one that says that they are no more.
 */
plan make_plan(const ring &to, unsigned int flags, uint64_t len, uint64_t state)
{
	plan p = {};
	const uint64_t need = whole(len);

	p.next = load(&to.h->next);
	p.oldest = load(&to.h->oldest);
	const uint64_t end = to.size - ((uint32_t)p.next & (to.size - 1));
	p.pads = end < need;
	const uint64_t takes = p.pads ? end : need;
	const uint64_t from = flags & RSEQ_RING_OVERWRITE ? p.oldest :
		load(&to.h->read);

	p.kept = p.oldest;
	p.fits = distance(from, p.next) + takes <= to.size;
	if (!p.fits && (flags & RSEQ_RING_OVERWRITE)) {
		/* Farther apart: seen at two times, and walked for ever. */
		while (distance(p.kept, p.next) <= to.size &&
		       distance(p.kept, p.next) + takes > to.size) {
			const uint64_t word = load((uint64_t *)to.at(p.kept));
			if (whole(word) > to.size)
				break;	/* being written over: seen again */
			p.kept = advance(p.kept, whole(word),
					 !(word & padding));
		}
		p.fits = distance(p.kept, p.next) + takes <= to.size;
	}
	p.at = to.at(p.next);
	p.word = (p.next >> 32) << 32 | (p.pads ? padding | (end - 8) :
					 state | len);
	p.then = advance(p.next, takes, !p.pads);
	return p;
}

/* Also when nothing was written: for those who run no sections. */
void drop(const rseq_ring *r, unsigned int cpu)
{
	count_up(&section_ring(r, cpu).h->dropped, 1);
}

}

#ifndef RSEQ_NO_SECTIONS_
/* if (*v == next) { bytes[-1] = word; memcpy(bytes, src, len); *v = then; } */
RSEQ_SECTION_IF(rseq_ring_put_, cpu,
	(uint64_t *v, uint64_t next, uint64_t *bytes, uint64_t word,
	 const void *src, size_t len, uint64_t then),
	RSEQ_IF_EQ(64, RSEQ_V(v), next, different)
	RSEQ_THEN(RSEQ_RELEASE)	/* the oldest are given up, then this */
	RSEQ_THEN(RSEQ_STORE(64, word, RSEQ_BEFORE_(bytes)))
	RSEQ_THEN(RSEQ_COPY(bytes, src, len))
	RSEQ_COMMIT(RSEQ_STORE_RELEASE(64, then, RSEQ_V(v))),
	RSEQ_PLACE(v), RSEQ_IN(64, next), RSEQ_PLACE(bytes),
	RSEQ_IN(64, word), RSEQ_OPERAND(src, src), RSEQ_OPERAND(len, len),
	RSEQ_IN(64, then))
#endif

/* ---- writing ---- */

namespace {

rseq_result put(const ring &to, const plan &p, const void *data, uint64_t len,
		rseq_cpu_t cpu)
{
#ifndef RSEQ_NO_SECTIONS_
	if (p.kept != p.oldest) {
		const rseq_result result = rseq_compare_store(&to.h->oldest,
			p.oldest, p.kept, cpu);
		if (result != RSEQ_COMMITTED)
			return result;
	}
	return rseq_ring_put_(&to.h->next, p.next, (uint64_t *)(p.at + 8),
			      p.word, p.pads ? p.at : data, p.pads ? 0 : len,
			      p.then, cpu);
#else
	(void)to, (void)p, (void)data, (void)len, (void)cpu;
	return RSEQ_UNAVAILABLE;
#endif
}

void wake_reader(const rseq_ring *r)
{
	if (__builtin_expect(__atomic_load_n(r->waiting, __ATOMIC_RELAXED),
			     0)) {
		errno_guard keep;
		__atomic_store_n(r->waiting, 0, __ATOMIC_RELAXED);
		syscall(SYS_futex, r->waiting, FUTEX_WAKE, 0x7fffffff, nullptr,
			nullptr, 0);
	}
}

constexpr int again = 1;

/* By a section: 0, -ENOSPC, or again, without sections. */
int write_by_section(rseq_ring *r, const void *data, uint64_t len,
		     uint64_t state, char **where)
{
	for (int tries = 32; tries > 0; --tries) {
		const rseq_cpu_t cpu = rseq_this_cpu();
		if (cpu.n < 0 || (unsigned int)cpu.n >= r->cpus)
			return again;
		const ring to = section_ring(r, (unsigned int)cpu.n);
		const plan p = make_plan(to, r->flags, len, state);
		if (!p.fits) {
			/* Full on this cpu, if it still is this cpu's. */
			if (load(&to.h->next) != p.next ||
			    rseq_this_cpu().n != cpu.n)
				continue;
			drop(r, (unsigned int)cpu.n);
			return -ENOSPC;
		}
		const rseq_result result = put(to, p, data, state ? 0 : len,
					       cpu);
		if (result == RSEQ_UNAVAILABLE)
			return again;
		if (result == RSEQ_COMMITTED && !p.pads) {
			*where = p.at + 8;
			return 0;
		}
	}
	return again;
}

/* With the other ring locked: 0 or -ENOSPC. */
int write_locked(rseq_ring *r, const void *data, uint64_t len, uint64_t state,
		 char **where)
{
	const unsigned int here = recent_cpu();
	const unsigned int cpu = here < r->cpus ? here : here % r->cpus;
	const ring to = locked_ring(r, cpu);
	thread_lock lock(&to.h->lock, thread_lock::leaf);
	int ret = -ENOSPC;

	if (!lock.held) {	/* a handler in the middle of it */
		drop(r, cpu);
		return ret;
	}
	for (;;) {
		const plan p = make_plan(to, r->flags, len, state);
		if (!p.fits)
			break;
		store(&to.h->oldest, p.kept);
		store_fence();	/* before anything is written over */
		__atomic_store_n((shared_word *)p.at, p.word, __ATOMIC_RELAXED);
		if (!p.pads && !state && len)	/* data may be null */
			memcpy(p.at + 8, data, len);
		store(&to.h->next, p.then);
		if (!p.pads) {
			*where = p.at + 8;
			ret = 0;
			break;
		}
	}
	if (ret)
		drop(r, cpu);
	return ret;
}

int write(rseq_ring *r, const void *data, uint64_t len, uint64_t state,
	  char **where)
{
	int ret = again;

	if (!r->memory || len > r->size / 2 - 8)
		return -EINVAL;
	if (sections_live())
		ret = write_by_section(r, data, len, state, where);
	if (ret == again)
		ret = write_locked(r, data, len, state, where);
	if (ret == 0 && !state)
		wake_reader(r);
	return ret;
}

}

int rseq_ring_write(struct rseq_ring *r, const void *data, size_t len) noexcept
{
	char *where;

	return write(r, data, len, 0, &where);
}

void *rseq_ring_reserve(struct rseq_ring *r, size_t len) noexcept
{
	char *where = nullptr;

	if (r->flags & RSEQ_RING_OVERWRITE)
		return nullptr;
	return write(r, nullptr, len, busy, &where) == 0 ? where : nullptr;
}

void rseq_ring_commit(struct rseq_ring *r, void *record) noexcept
{
	if (!record)
		return;
	__atomic_fetch_and((shared_word *)record - 1, ~busy, __ATOMIC_RELEASE);
	wake_reader(r);
}

/* ---- for the checks ---- */

bool ring_has(const rseq_ring *r, const void *record)
{
	const uintptr_t at = (uintptr_t)record - (uintptr_t)r->memory;

	return r->memory && at >= 2 * page + 8 && at < r->mapped && at % 8 == 0;
}

bool ring_awaits(const void *record)
{
	return load((const uint64_t *)record - 1) & busy;
}

/* ---- reading ---- */

namespace {

/* Written over, or about to be. */
bool is_gone(const ring &from, uint64_t place)
{
	return (int32_t)distance(place, load(&from.h->oldest)) > 0;
}

/* Does that record end before the next one does, and the ring's memory? */
bool fits(const ring &from, uint64_t place, uint64_t next, uint64_t word)
{
	const uint64_t used = distance(place, next);
	const uint64_t end = from.size - ((uint32_t)place & (from.size - 1));

	return used <= from.size && whole(word) <= used && whole(word) <= end;
}

/* In this order: what is written over meanwhile is gone afterwards. */
void copy_out(const ring &from, uint64_t place, char *to, uint64_t len)
{
	const uint64_t *const bytes = (uint64_t *)(from.at(place) + 8);

	for (uint64_t i = 0; i < (len + 7) / 8; ++i)
		((uint64_t *)to)[i] = load(bytes + i);
}

long read_ring(const rseq_ring *r, const ring &from, unsigned int cpu,
	       char *copy, rseq_ring_see_t *see, void *arg)
{
	const bool overwrites = r->flags & RSEQ_RING_OVERWRITE;
	uint64_t place = load(&from.h->read);
	long seen = 0;

	for (;;) {
		const uint64_t oldest = load(&from.h->oldest);
		const uint64_t next = load(&from.h->next);
		if (overwrites && (int32_t)distance(place, oldest) > 0) {
			count_up(&from.h->lost,
				 records_between(place, oldest));
			place = oldest;
		}
		if (distance(place, next) == 0)
			break;
		const uint64_t word = load((uint64_t *)from.at(place));
		const uint64_t len = word & length_mask;
		if (word & busy)
			break;		/* and so the next ones have to wait */
		if (!fits(from, place, next, word)) {
			if (overwrites && is_gone(from, place))
				continue;
			break;		/* a file that is damaged */
		}
		if (overwrites) {
			copy_out(from, place, copy, word & padding ? 0 : len);
			if (is_gone(from, place))
				continue;
		}
		if (!(word & padding)) {
			see(arg, cpu, overwrites ? copy : from.at(place) + 8,
			    len);
			++seen;
		}
		place = advance(place, whole(word), !(word & padding));
		store(&from.h->read, place);
	}
	store(&from.h->read, place);
	return seen;
}

}

long rseq_ring_read(struct rseq_ring *r, rseq_ring_see_t *see, void *arg)
{
	long seen = 0;

	if (!r->memory || !see)
		return -EINVAL;
	thread_lock lock(&r->reader);
	if (!lock.held)
		return -EDEADLK;
	char *copy = nullptr;
	if (r->flags & RSEQ_RING_OVERWRITE) {
		errno_guard keep;
		void *const at = mmap(nullptr, r->size,
				      PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED)
			return -ENOMEM;
		copy = static_cast<char *>(at);
	}
	for (unsigned int cpu = 0; cpu < r->cpus; ++cpu) {
		seen += read_ring(r, section_ring(r, cpu), cpu, copy, see, arg);
		seen += read_ring(r, locked_ring(r, cpu), cpu, copy, see, arg);
	}
	if (copy) {
		errno_guard keep;
		munmap(copy, r->size);
	}
	return seen;
}

/* Not one that is being filled in; behind padding there is no padding. */
static bool readable(const rseq_ring *r, const ring &from)
{
	const uint64_t next = load(&from.h->next);
	const uint64_t oldest = load(&from.h->oldest);
	uint64_t place = load(&from.h->read);

	if ((r->flags & RSEQ_RING_OVERWRITE) &&
	    (int32_t)distance(place, oldest) > 0)
		place = oldest;
	for (int records = 0; records < 2; ++records) {
		if (distance(place, next) == 0)
			return false;
		const uint64_t word = load((uint64_t *)from.at(place));
		if (!(word & padding))
			return !(word & busy);
		place = advance(place, whole(word), 0);
	}
	return true;	/* written over meanwhile */
}

static bool anything_to_read(const rseq_ring *r)
{
	for (unsigned int cpu = 0; cpu < r->cpus; ++cpu)
		if (readable(r, section_ring(r, cpu)) ||
		    readable(r, locked_ring(r, cpu)))
			return true;
	return false;
}

/*
 * A writer looks at the flag behind its commit without a fence: the reader
 * makes one on all cpus between setting it and looking, or else sleeps in short
 * naps.
 */
int rseq_ring_wait(struct rseq_ring *r, unsigned int ms) noexcept
{
	static constexpr unsigned int nap = 1;

	if (!r->memory)
		return -EINVAL;
	errno_guard keep;
	__atomic_store_n(r->waiting, 1, __ATOMIC_SEQ_CST);
	const bool told = sections_live() && fence_all() == 0;
	if (anything_to_read(r)) {
		__atomic_store_n(r->waiting, 0, __ATOMIC_RELAXED);
		return 0;
	}
	for (unsigned int slept = 0; slept < ms;) {
		const unsigned int now = told ? ms : nap;
		const futex_time patience = {(long)(now / 1000),
					     (long)(now % 1000) * 1000000};
		if (syscall(SYS_futex, r->waiting, FUTEX_WAIT, 1, &patience,
			    nullptr, 0) != 0 && errno == EINTR)
			return -EINTR;
		if (anything_to_read(r))
			break;
		slept += now;
	}
	__atomic_store_n(r->waiting, 0, __ATOMIC_RELAXED);
	return anything_to_read(r) ? 0 : -ETIMEDOUT;
}

/* ---- making ---- */

namespace {

size_t span(unsigned int cpus, size_t size)
{
	return page + cpus * 2 * (page + size);
}

/* A file that is open for reading only is mapped without being changed. */
int how_to_map(int fd)
{
	if (fd < 0)
		return MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ?
		MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
}

int map(rseq_ring *r, size_t size, unsigned int cpus, int fd)
{
	const size_t bytes = span(cpus, size);
	void *const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
			      how_to_map(fd), fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	r->memory = static_cast<char *>(at);
	r->stride = 2 * (page + size);
	r->size = size;
	r->cpus = cpus;
	r->mapped = bytes;
	r->waiting = &reinterpret_cast<description *>(at)->waiting;
	return 0;
}

bool possible(size_t size)
{
	return size >= page && size <= (size_t)1 << 30 && !(size & (size - 1));
}

}

int rseq_ring_init(struct rseq_ring *r, size_t size, unsigned int flags,
		   int fd) noexcept
{
	const unsigned int cpus = rseq_cpu_limit();

	*r = {};
	if (!possible(size) || (flags & ~RSEQ_RING_OVERWRITE))
		return -EINVAL;
	errno_guard keep;
	if (fd >= 0 && (ftruncate(fd, 0) != 0 ||
			ftruncate(fd, (off_t)span(cpus, size)) != 0))
		return -errno;
	const int ret = map(r, size, cpus, fd);
	if (ret)
		return ret;
	r->flags = flags;
	auto *const d = reinterpret_cast<description *>(r->memory);
	*d = {magic, layout, cpus, size, flags, 0};
	return 0;
}

int rseq_ring_attach(struct rseq_ring *r, int fd) noexcept
{
	description d;
	struct stat file;

	*r = {};
	errno_guard keep;
	if (fstat(fd, &file) != 0)
		return -errno;
	if (pread(fd, &d, sizeof d, 0) != (ssize_t)sizeof d ||
	    d.magic != magic || d.layout != layout || !possible(d.size) ||
	    d.cpus == 0 || d.cpus > 65536 ||
	    (size_t)file.st_size < span(d.cpus, d.size))
		return -EINVAL;
	const int ret = map(r, d.size, d.cpus, fd);
	if (ret == 0)
		r->flags = (unsigned int)d.flags;
	return ret;
}

void rseq_ring_fini(struct rseq_ring *r) noexcept
{
	errno_guard keep;

	if (r->memory)
		munmap(r->memory, r->mapped);
	*r = {};
}

void rseq_ring_read_stats(const struct rseq_ring *r,
			  struct rseq_ring_stats *stats) noexcept
{
	*stats = {};
	if (!r->memory)
		return;
	for (unsigned int cpu = 0; cpu < r->cpus; ++cpu)
		for (int kind = 0; kind < 2; ++kind) {
			const ring of = kind ? locked_ring(r, cpu) :
				section_ring(r, cpu);
			const uint64_t next = load(&of.h->next);
			const uint64_t oldest = load(&of.h->oldest);
			const uint64_t read = load(&of.h->read);
			const uint64_t lost = load(&of.h->lost);
			stats->written += next >> 32;
			stats->read += (read >> 32) - lost;
			stats->dropped += load(&of.h->dropped);
			stats->overwritten += lost;
			if ((int32_t)distance(read, oldest) > 0)
				stats->overwritten +=
					records_between(read, oldest);
		}
}
