/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "debug.hh"
#include "guard.hh"
#include "internal.hh"

/*
 * The checks of code that is compiled with -DRSEQ_DEBUG.  They look at what is
 * there and keep as little as they can of their own, since other code of the
 * program may be compiled without, and use the same objects.
 */

/* ---- saying it ---- */

/* Where the dynamic linker is linked in. */
extern "C" __attribute__((__weak__)) int dladdr(const void *, Dl_info *);

namespace {

/* A line that is cut off where there is no room. */
class line {
public:
	line &operator<<(const char *s)
	{
		while (*s && used_ + 1 < sizeof text_)
			text_[used_++] = *s++;
		text_[used_] = 0;
		return *this;
	}
	line &number(uint64_t n, unsigned int base)
	{
		char digits[24];
		size_t i = sizeof digits - 1;

		digits[i] = 0;
		do
			digits[--i] = "0123456789abcdef"[n % base];
		while (n /= base);
		return *this << (base == 16 ? "0x" : "") << digits + i;
	}
	/* As addr2line takes it, and with the symbol where it is known. */
	line &code(const void *at)
	{
		Dl_info in = {};

		if (!dladdr || !dladdr(at, &in) || !in.dli_fname)
			return number((uintptr_t)at, 16);
		const char *const slash = strrchr(in.dli_fname, '/');
		*this << (slash ? slash + 1 : in.dli_fname) << "+";
		number((uintptr_t)at - (uintptr_t)in.dli_fbase, 16);
		return in.dli_sname ? *this << " (" << in.dli_sname << ")" :
			*this;
	}
	const char *text() const { return text_; }
	size_t size() const { return used_; }

private:
	char text_[512];
	size_t used_ = 0;
};

void write_line(line *l)
{
	errno_guard keep;
	*l << "\n";
	syscall(SYS_write, 2, l->text(), l->size());
}

rseq_misuse_t *handler;

}

void rseq_on_misuse(rseq_misuse_t *f) noexcept
{
	__atomic_store_n(&handler, f, __ATOMIC_RELEASE);
}

void report(rseq_misuse *m, const char *what, const char *advice)
{
	line l;

	l << "rseq: " << what << " ";
	l.number((uintptr_t)m->object, 16) << ", at ";
	l.code(m->caller);
	if (m->before)
		(l << ", begun at ").code(m->before);
	if (m->at) {
		(l << ", system call ").number((uint64_t)m->number, 10) <<
			" (" << system_call_name(m->number) << ") at ";
		l.code(m->at);
	}
	l << ": " << advice;
	m->text = l.text();
	rseq_misuse_t *const f = __atomic_load_n(&handler, __ATOMIC_ACQUIRE);
	if (f) {
		f(m);
		return;
	}
	write_line(&l);
	abort();
}

void complain(const char *what, const char *why)
{
	line l;

	l << "rseq: " << what << why;
	write_line(&l);
}

/* ---- what is kept of a thread ---- */

static __thread thread_checks *mine NO_ALLOCATION;

static uint32_t key_made;	/* + 1; 0: none */

/*
 * libgcc takes a program with keys for one that has all that threads need, and
 * calls what its weak references name: a static program must have it.
 */
#define HAS(name)	reinterpret_cast<void (*)()>(name)
[[gnu::used]] static void (*const brought[])() = {
	HAS(pthread_mutex_lock), HAS(pthread_mutex_unlock),
	HAS(pthread_cond_wait), HAS(pthread_cond_broadcast),
	HAS(pthread_once), HAS(pthread_getspecific),
};
#undef HAS

static void ended(void *);

static bool have_key(pthread_key_t *key)
{
	uint32_t made = __atomic_load_n(&key_made, __ATOMIC_ACQUIRE);

	if (made == 0) {
		if (pthread_key_create(key, ended) != 0)
			return false;
		if (__atomic_compare_exchange_n(&key_made, &made,
				(uint32_t)*key + 1, false, __ATOMIC_ACQ_REL,
				__ATOMIC_ACQUIRE))
			return true;
		pthread_key_delete(*key);
	}
	*key = made - 1;
	return true;
}

thread_checks *checks_if_made()
{
	return mine;
}

thread_checks *checks()
{
	thread_checks *c = mine;

	if (c)
		return c;
	errno_guard keep;
	pthread_key_t key;
	void *const at = mmap(nullptr, sizeof *c, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return nullptr;
	auto *const made = static_cast<thread_checks *>(at);
	if (!__atomic_compare_exchange_n(&mine, &c, made, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		munmap(at, sizeof *made);	/* a handler's is there */
		return c;
	}
	made->random = thread_id();
	if (have_key(&key))
		pthread_setspecific(key, made);
	return made;
}

/* Handlers use the same table: a place is taken in one step. */
template <size_t n>
static bool add(open_call (&calls)[n], const void *what, const void *at)
{
	for (open_call &o : calls) {
		const void *none = nullptr;
		if (__atomic_compare_exchange_n(&o.what, &none, what, false,
						__ATOMIC_RELAXED,
						__ATOMIC_RELAXED)) {
			o.at = at;
			return true;
		}
	}
	return false;
}

template <size_t n>
static open_call *find(open_call (&calls)[n], const void *what)
{
	for (open_call &o : calls)
		if (o.what == what)
			return &o;
	return nullptr;
}

/* Where it was added; null: it was not. */
template <size_t n>
static const void *remove(open_call (&calls)[n], const void *what)
{
	open_call *const o = find(calls, what);

	if (!o)
		return nullptr;
	const void *const at = o->at;
	__atomic_store_n(&o->what, nullptr, __ATOMIC_RELAXED);
	return at;
}

static void misuse(enum rseq_misuse_kind kind, const void *object,
		   const void *caller, const void *before, const char *what,
		   const char *advice)
{
	rseq_misuse m = {kind, nullptr, object, caller, before, -1, nullptr};

	report(&m, what, advice);
}

#define CALLER	__builtin_return_address(0)

/* ---- the ways that are seldom taken ---- */

int rseq_debug_chance_(unsigned int n) noexcept
{
	thread_checks *const c = checks();

	if (!c)
		return 0;
	c->random = c->random * 1664525 + 1013904223;
	return (c->random >> 16) % n == 0;
}

/* ---- transactions ---- */

static const char *const end_it =
	"end each transaction by a commit, or by rseq_cancel()";

void rseq_debug_begin_(struct rseq_transaction *t)
{
	static constexpr unsigned int lock_one_in = 8;
	thread_checks *const c = checks();

	if (!c)
		return;
	if (const void *const at = remove(c->transactions, t))
		misuse(RSEQ_BEGIN_WITHOUT_END, t, CALLER, at,
		       "begin without end: transaction", end_it);
	if (!add(c->transactions, t, CALLER)) {
		const open_call first = c->transactions[0];
		misuse(RSEQ_BEGIN_WITHOUT_END, first.what, CALLER, first.at,
		       "begin without end: transaction, and 7 others,",
		       end_it);
		remove(c->transactions, first.what);
		add(c->transactions, t, CALLER);
	}
	if (t->left > 0 && t->left <= RSEQ_ATTEMPTS &&
	    rseq_debug_chance_(lock_one_in))
		t->left = 0;
}

/* The first run of a body is for nothing. */
int rseq_debug_commit_(struct rseq_transaction *t)
{
	thread_checks *const c = checks();

	if (c && !remove(c->transactions, t)) {
		misuse(RSEQ_END_WITHOUT_BEGIN, t, CALLER, nullptr,
		       "commit without begin: transaction",
		       "call rseq_begin() before each commit, and commit only"
		       " if it returned a cpu");
		return 1;
	}
	return t->left == RSEQ_ATTEMPTS;
}

void rseq_debug_end_(const struct rseq_transaction *t)
{
	if (thread_checks *const c = checks())
		remove(c->transactions, t);
}

/* ---- guards ---- */

void rseq_debug_lock_(const struct rseq_hold *hold)
{
	if (thread_checks *const c = checks())
		add(c->holds, hold, CALLER);
}

/*
 * The word of a held guard names its holder.  A forked child may unlock what
 * its parent's thread has locked: that thread is not there.
 */
int rseq_debug_unlock_(const struct rseq_hold *hold)
{
	thread_checks *const c = checks();

	if (!hold->guard || !(hold->state & RSEQ_LOCKED_))
		return 0;
	const uint32_t holder = guard_holder(hold);
	errno_guard keep;
	if (holder && holder != thread_id() && thread_exists(holder)) {
		misuse(RSEQ_UNLOCK_BY_ANOTHER, hold->guard, CALLER, nullptr,
		       "unlock by a thread that does not hold it: guard",
		       "unlock in the thread that has locked");
		return 1;
	}
	if (c)
		remove(c->holds, hold);
	return 0;
}

/* ---- objects ---- */

int rseq_debug_put_(const struct rseq_cache *c, const void *object)
{
	if (!c->stacks || !object || !cache_holds(c, object))
		return 0;
	misuse(RSEQ_DOUBLE_PUT, object, CALLER, nullptr,
	       "double put: the cache has it already: object",
	       "put what you have got, once");
	return -EINVAL;
}

extern "C" int rseq_debug_cache_put_n_(struct rseq_cache *c, void **objects,
				       size_t n)
{
	for (size_t i = 0; c->stacks && i < n; ++i) {
		bool twice = false;
		for (size_t k = 0; k < i; ++k)
			twice |= objects[i] && objects[k] == objects[i];
		if (!objects[i] || !(twice || cache_holds(c, objects[i])))
			continue;
		misuse(RSEQ_DOUBLE_PUT, objects[i], CALLER, nullptr,
		       twice ? "double put: it is in the array twice: object" :
			       "double put: the cache has it already: object",
		       "put what you have got, once");
		return -EINVAL;
	}
	return rseq_cache_put_n(c, objects, n);
}

int rseq_debug_free_(struct rseq_pool *p, const void *object)
{
	const pool_object known = pool_knows(p, object);

	if (known == pool_object::foreign) {
		misuse(RSEQ_FOREIGN_POINTER, object, CALLER, nullptr,
		       "foreign pointer: not an object of this pool:",
		       "free what rseq_pool_alloc() of the same pool has"
		       " returned");
		return 1;
	}
	/* If it is in the cache instead, that is found when it is put there. */
	if (known == pool_object::shared) {
		misuse(RSEQ_DOUBLE_PUT, object, CALLER, nullptr,
		       "double free: the pool has it already: object",
		       "free what you have allocated, once");
		return 1;
	}
	return 0;
}

/* ---- records ---- */

/* Whether it is still mapped: the kernel looks, and then refuses. */
static bool readable(const void *at)
{
	static constexpr int no_such_way = 1000;
	errno_guard keep;

	return syscall(SYS_rt_sigprocmask, no_such_way, at, nullptr, 8) == 0 ||
		errno != EFAULT;
}

static bool not_committed(const void *record)
{
	return readable((const uint64_t *)record - 1) && ring_awaits(record);
}

static const char *const commit_it =
	"commit each record, or the reader stops before it";

extern "C" void *rseq_debug_ring_reserve_(struct rseq_ring *r, size_t len)
{
	void *const record = rseq_ring_reserve(r, len);
	thread_checks *const c = checks();

	if (!record || !c || add(c->records, record, CALLER))
		return record;
	/* Another thread may have committed them. */
	for (open_call &o : c->records)
		if (!not_committed(o.what))
			remove(c->records, o.what);
	if (add(c->records, record, CALLER))
		return record;
	const open_call first = c->records[0];
	misuse(RSEQ_RESERVE_WITHOUT_COMMIT, first.what, CALLER, first.at,
	       "reserve without commit: record, and 15 others,", commit_it);
	remove(c->records, first.what);
	add(c->records, record, CALLER);
	return record;
}

extern "C" void rseq_debug_ring_commit_(struct rseq_ring *r, void *record)
{
	thread_checks *const c = checks();

	if (!record)
		return;
	const void *const at = c ? remove(c->records, record) : nullptr;
	if (!ring_has(r, record)) {
		misuse(RSEQ_FOREIGN_POINTER, record, CALLER, at,
		       "foreign pointer: not a record of this ring:",
		       "commit what rseq_ring_reserve() of the same ring has"
		       " returned");
		return;
	}
	if (!ring_awaits(record)) {
		misuse(RSEQ_END_WITHOUT_BEGIN, record, CALLER, at,
		       "commit without reserve: record",
		       "commit what you have reserved, once");
		return;
	}
	rseq_ring_commit(r, record);
}

extern "C" void rseq_debug_ring_fini_(struct rseq_ring *r)
{
	thread_checks *const c = checks();

	for (size_t i = 0; c && i < sizeof c->records / sizeof *c->records;
	     ++i) {
		const open_call o = c->records[i];
		if (!o.what || !ring_has(r, o.what))
			continue;
		if (not_committed(o.what))
			misuse(RSEQ_RESERVE_WITHOUT_COMMIT, o.what, CALLER,
			       o.at, "reserve without commit: record",
			       commit_it);
		remove(c->records, o.what);
	}
	rseq_ring_fini(r);
}

/* ---- the end of a thread ---- */

static void ended(void *arg)
{
	auto *const c = static_cast<thread_checks *>(arg);

	for (const open_call &o : c->transactions)
		if (o.what)
			misuse(RSEQ_BEGIN_WITHOUT_END, o.what, o.at, nullptr,
			       "begin without end, and the thread has ended:"
			       " transaction", end_it);
	for (const open_call &o : c->holds)
		if (o.what)
			misuse(RSEQ_LOCK_WITHOUT_UNLOCK, o.what, o.at, nullptr,
			       "lock without unlock, and the thread has ended:"
			       " hold", "unlock what you have locked");
	for (const open_call &o : c->records)
		if (o.what && not_committed(o.what))
			misuse(RSEQ_RESERVE_WITHOUT_COMMIT, o.what, o.at,
			       nullptr, "reserve without commit, and the thread"
			       " has ended: record", commit_it);
	stop_watching(c);
	mine = nullptr;
	munmap(c, sizeof *c);
}
