/* SPDX-License-Identifier: MIT */
/*
 * What the models share: bytes that say what to do, the threads that do it, and
 * the end when a structure and its model disagree.  A seed's random bytes are
 * such (check.cc), and a fuzzer's (fuzz.cc).
 */
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rseq/rseq.h>
#include <sys/rseq.h>

#include "../probes/cpus.h"

namespace model {

/* ---- what to do ---- */

class input {
public:
	input(const uint8_t *data, size_t n) : at_(data), end_(data + n) {}

	bool more() const { return at_ < end_; }
	unsigned int byte() { return more() ? *at_++ : 0; }
	unsigned int below(unsigned int n)
	{
		unsigned int v = byte();

		for (unsigned int m = (n - 1) >> 8; m; m >>= 8)
			v = v << 8 | byte();
		return v % n;
	}
	bool one_in(unsigned int n) { return below(n) == 0; }
	/* Of any magnitude. */
	uint64_t number()
	{
		uint64_t v = 0;

		for (unsigned int n = byte() % 9; n; --n)
			v = v << 8 | byte();
		return v;
	}

private:
	const uint8_t *at_, *end_;
};

/* ---- what was done, and seen ---- */

struct journal {
	std::string subject;		/* structure, seed */
	std::map<std::string, long> saw;	/* that it has come to that */
	long operations = 0;
	struct { const char *what; long a, b; } last[16] = {};
};
inline journal the_journal;

/* Say what comes next. */
inline void next(const char *what, long a = 0, long b = 0)
{
	the_journal.last[the_journal.operations++ % 16] = {what, a, b};
}

inline void saw(const char *what)
{
	++the_journal.saw[what];
}

[[noreturn]] inline void disagree(const char *file, int line,
				  const std::string &what)
{
	const journal &j = the_journal;

	printf("%s:%d: %s\n%s, operation %ld; the last ones:\n", file, line,
	       what.c_str(), j.subject.c_str(), j.operations);
	for (long i = j.operations > 16 ? j.operations - 16 : 0;
	     i < j.operations; ++i)
		printf("\t%s(%ld, %ld)\n", j.last[i % 16].what,
		       j.last[i % 16].a, j.last[i % 16].b);
	fflush(stdout);
	abort();
}

#define HOLDS(condition) ((condition) ? (void)0 :			\
	model::disagree(__FILE__, __LINE__, #condition))
#define SAME(got, expected)						\
	model::same(got, expected, #got, __FILE__, __LINE__)

template <class A, class B>
void same(const A &got, const B &expected, const char *what, const char *file,
	  int line)
{
	if (static_cast<B>(got) != expected)
		disagree(file, line, std::string(what) + " is " +
			 std::to_string((long long)got) + ", expected " +
			 std::to_string((long long)expected));
}

/* ---- who does it ---- */

/* The cpus that there are to run on, four at most. */
inline const std::vector<unsigned int> &cpus()
{
	static const std::vector<unsigned int> all = [] {
		std::vector<unsigned long> set(cpu_words());
		std::vector<unsigned int> some;

		allowed_cpus(set.data());
		for (unsigned int i = 0; i < set.size() * CPU_BITS; ++i)
			if (has_cpu(set.data(), i) && some.size() < 4)
				some.push_back(i);
		return some;
	}();
	return all;
}

/* No more memory is mapped while this exists. */
class starving {
public:
	explicit starving(bool so) : so_(so)
	{
		if (!so_)
			return;
		getrlimit(RLIMIT_AS, &was_);
		const rlimit none = {0, was_.rlim_max};
		setrlimit(RLIMIT_AS, &none);
	}
	~starving()
	{
		if (so_)
			setrlimit(RLIMIT_AS, &was_);
	}

private:
	bool so_;
	rlimit was_ = {};
};

/*
 * The one thread that works, as one that runs sections, or as one that is not
 * registered.  It stays on a cpu until it is moved: what comes out is certain.
 */
class actor {
public:
	/* As which kind; where there are no sections, both are the same. */
	static void be(bool registered)
	{
		if (!length() || registered == rseq_usable())
			return;
		rseq_prepare_unload();
		syscall(SYS_rseq, rseq_self(), length(), !registered, RSEQ_SIG);
		SAME(rseq_usable() != 0, registered);
	}
	static void move(unsigned int nth)
	{
		nth_ = nth % (unsigned int)cpus().size();
		run_on(0, cpus()[nth_]);
		settled_ = false;
	}
	explicit actor(bool registered = true)
		: sections_(registered && length())
	{
		if (!settled_)
			settle();
		be(registered);
	}

	bool sections() const { return sections_; }
	/* Where what it does goes: a cpu, and which half of its memory. */
	unsigned int place() const { return 2 * nth_ + !sections_; }
	unsigned int locked_place() const { return 2 * nth_ + 1; }

	/* Call f, with no memory left to be had if starved. */
	template <class F> auto call(F f, bool starved = false) const
	{
		const starving s(starved);

		errno = unlikely;
		const auto result = f();
		SAME(errno, +unlikely);		/* is left alone */
		return result;
	}
	static bool process_has_sections() { return length(); }

private:
	static constexpr int unlikely = 4711;

	/* Registered bytes, when the process began. */
	static unsigned int length()
	{
		static const unsigned int n = [] {
			rseq_info info;

			rseq_query(&info, sizeof info);
			return rseq_usable() ? info.length : 0;
		}();
		return n;
	}

	/* Where there are no sections, librseq asks once in 64 uses. */
	static void settle()
	{
		rseq_counter uses;

		be(false);
		SAME(rseq_counter_init(&uses, 1), 0);
		for (int i = 0; i < 64; ++i)
			rseq_counter_add(&uses, 0, 1);
		rseq_counter_fini(&uses);
		settled_ = true;
	}

	static inline unsigned int nth_ = 0;
	static inline bool settled_ = false;
	bool sections_;
};

inline constexpr unsigned int places = 8;	/* of four cpus */

/* Under a sanitizer or a fuzzer these would end the program themselves. */
#ifdef CALM
inline constexpr bool calm = true;
#else
inline constexpr bool calm = false;
#endif
/* Emulators of processes take no notice of the limit. */
inline bool can_starve()
{
	static const bool can = [] {
		const starving s(true);
		void *const at = mmap(nullptr, 4096, PROT_READ,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return at == MAP_FAILED || munmap(at, 4096) != 0;
	}();
	return can;
}
inline bool starves(input &in)
{
	return !calm && in.one_in(8) && can_starve();
}

/* This is a child, which ends with its run. */
inline bool forked;
/* The kernel refuses membarrier(2). */
inline bool refused;

/* As whom the next is done; before it, it may move or the process fork. */
inline actor next_actor(input &in, bool may_fork = true)
{
	const unsigned int what = in.byte();

	if (what < 2) {
		next("move", what);
		actor::move(what + 2 * in.below(2));
	} else if (what == 8 && may_fork && !calm && !forked && in.one_in(4)) {
		next("fork");
		saw("fork");
		/* Both go on; what the parent has is not the child's. */
		const pid_t child = fork();
		if (child == 0) {
			forked = true;
		} else {
			int status = -1;
			while (waitpid(child, &status, 0) < 0 &&
			       errno == EINTR)
				;
			SAME(status, 0);	/* of the child */
		}
	}
	return actor(what % 4 != 3);
}

}
