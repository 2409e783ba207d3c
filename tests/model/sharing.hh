/* SPDX-License-Identifier: MIT */
/* Readers, of whom it is known who is in; references, which are counted. */
#pragma once

#include <rseq/readers.h>
#include <rseq/refcount.h>

#include "model.hh"

namespace model {

class readers_model {
public:
	explicit readers_model(input &in) : in_(in) {}
	void run()
	{
		init();
		while (in_.more())
			step(next_actor(in_));
		while (!reading_.empty())
			leave(actor());
		SAME(rseq_readers_wait(&readers_, 0), 0);
		rseq_readers_fini(&readers_);
		HOLDS(!readers_.counts && !readers_.flips);
	}

private:
	static constexpr size_t most = 40;

	/* Some are never made: those count by atomic operations. */
	void init()
	{
		const actor a = next_actor(in_);

		if (in_.one_in(4))
			return;
		const bool starved = starves(in_);
		next("init", starved);
		const int ret = a.call([&] {
			return rseq_readers_init(&readers_);
		}, starved);
		HOLDS(ret == 0 || (ret == -ENOMEM && starved));
		if (readers_.counts)
			saw("percpu");
		else
			HOLDS(ret == -ENOMEM || refused ||
			      !actor::process_has_sections());
	}
	void step(const actor &a)
	{
		const unsigned int what = in_.below(16);

		if (what == 0)
			mood_ = 2 + in_.below(10);
		else if (what < 4)
			wait(a);
		else if (what - 4 < mood_)
			enter(a);
		else
			leave(a);
	}
	void enter(const actor &a)
	{
		/* Late: the phase was flipped since it was looked at. */
		const uint32_t late = in_.one_in(4);

		if (reading_.size() == most) {
			leave(a);
			return;
		}
		next("enter", a.place(), late);
		readers_.flips -= late;
		const rseq_reading in = a.call([&] {
			return rseq_readers_enter(&readers_);
		});
		SAME(in.phase, readers_.flips & 1);
		readers_.flips += late;
		reading_.push_back(in);
	}
	/* Any of them, as another thread than the one that entered. */
	void leave(const actor &a)
	{
		if (reading_.empty())
			return;
		const size_t i = in_.below((unsigned int)reading_.size());
		const rseq_reading in = reading_[i];

		next("leave", a.place(), in.phase);
		reading_[i] = reading_.back();
		reading_.pop_back();
		a.call([&] { rseq_readers_leave(&readers_, in); return 0; });
	}
	/* None is in, or one is: nothing in between, and not by itself. */
	void wait(const actor &a)
	{
		const uint32_t before = readers_.flips;
		const int ms = in_.one_in(16) ? 1 : 0;

		next("wait", a.place(), (long)reading_.size());
		const int ret = a.call([&] {
			return rseq_readers_wait(&readers_, ms);
		});
		SAME(ret, reading_.empty() ? 0 : -ETIMEDOUT);
		saw(ret ? "wait_in_vain" : "wait");
		if (readers_.flips != before)
			saw("flip");
	}

	input &in_;
	rseq_readers readers_ = {};
	std::vector<rseq_reading> reading_;
	unsigned int mood_ = 6;		/* of 12 entering or leaving */
};

inline void readers(input &in)
{
	readers_model(in).run();
}

class refcount_model {
public:
	explicit refcount_model(input &in) : in_(in) { init(actor()); }
	void run()
	{
		while (in_.more())
			step(next_actor(in_));
		if (!killed_)
			kill(actor());
		while (references_)
			put(actor());
	}

private:
	void init(const actor &a)
	{
		const bool starved = starves(in_);

		count_ = {};
		references_ = 1;
		killed_ = false;
		if (in_.one_in(4))
			return;		/* all zeros is one, too */
		next("init", starved);
		const int ret = a.call([&] {
			return rseq_refcount_init(&count_);
		}, starved);
		HOLDS(ret == 0 || (ret == -ENOMEM && starved));
		if (count_.words)
			saw("percpu");
	}
	void step(const actor &a)
	{
		if (references_ == 0) {
			init(a);
			return;
		}
		switch (in_.below(16)) {
		case 0: kill(a); break;
		case 1: case 2: case 3: case 4: case 5: case 6: get(a); break;
		default: put(a); break;
		}
	}
	void get(const actor &a)
	{
		next("get", a.place(), (long)references_);
		a.call([&] { rseq_refcount_get(&count_); return 0; });
		++references_;
	}
	/* The first one is given back by a kill. */
	void put(const actor &a)
	{
		if (references_ == 1 && !killed_) {
			get(a);
			return;
		}
		next("put", a.place(), (long)references_);
		--references_;
		SAME(a.call([&] { return rseq_refcount_put(&count_); }),
		     references_ == 0);
		if (references_ == 0)
			saw("last_put");
	}
	void kill(const actor &a)
	{
		next("kill", a.place(), (long)references_);
		const int ret = a.call([&] {
			return rseq_refcount_kill(&count_);
		});
		if (killed_) {
			SAME(ret, -EINVAL);
			saw("kill_again");
			return;
		}
		killed_ = true;
		--references_;
		SAME(ret, references_ == 0);
		HOLDS(!count_.words);
		saw(ret ? "kill_last" : "kill");
	}

	input &in_;
	rseq_refcount count_ = {};
	size_t references_ = 0;
	bool killed_ = false;
};

inline void refcount(input &in)
{
	refcount_model(in).run();
}

}
