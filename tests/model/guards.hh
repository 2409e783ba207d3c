/* SPDX-License-Identifier: MIT */
/*
 * Guards: a commit is made if no other one came in between, on the copy that
 * begin has named, and not while the guard is held.
 */
#pragma once

#include <cstring>

#include "model.hh"

namespace model {

class guards_model {
public:
	explicit guards_model(input &in) : in_(in)
	{
		copies_ = static_cast<copy *>(rseq_percpu_alloc(sizeof(copy),
								64));
		HOLDS(copies_ != nullptr);
	}
	void run()
	{
		while (in_.more())
			step(next_actor(in_, !held()));
		unlock(actor());
		for (unsigned int cpu = 0; cpu < rseq_cpu_limit(); ++cpu)
			check(cpu);
		SAME(rseq_percpu_free(copies_), 0);
	}

private:
	/* What each cpu has. */
	struct data {
		intptr_t word;
		uint32_t half, count;
		unsigned char block[64];
	};
	struct copy {
		rseq_guard guard;
		data has;
	};
	struct what_drain_saw {
		guards_model *model;
		unsigned int calls;
	};

	bool held() const { return hold_.guard != nullptr; }
	copy *of(unsigned int cpu) { return rseq_percpu_ptr(copies_, cpu); }
	unsigned int cpu_of(const actor &a) const
	{
		return cpus()[a.place() / 2];
	}
	void check(unsigned int cpu)
	{
		const data &got = of(cpu)->has, &expected = model_[cpu];

		SAME(got.word, expected.word);
		SAME(got.half, expected.half);
		SAME(got.count, expected.count);
		HOLDS(!memcmp(got.block, expected.block, sizeof got.block));
		SAME(of(cpu)->guard.word & 1, held() && held_cpu_ == cpu);
	}
	/* For another cpu's data, or as a thread that runs no sections. */
	static bool cannot_lock()
	{
		return refused && actor::process_has_sections();
	}

	void step(const actor &a)
	{
		/* No room for the holder, who would wait for itself. */
		if (held() && sizeof(copies_->guard.word) < 8)
			return unlock(a);
		switch (in_.below(12)) {
		case 0: lock(a); break;
		case 1: unlock(a); break;
		case 2: drain(a); break;
		case 3: cancel(a); break;
		case 4: overtake(a); break;
		default: transact(a, in_.below(4)); break;
		}
	}
	/* The cpu whose copy it is about, or the error that is due. */
	int begin(const actor &a, rseq_transaction *t)
	{
		const int cpu = rseq_begin(t);

		if (cpu >= 0) {
			HOLDS(!held() || (unsigned int)cpu != held_cpu_);
			if (actor::process_has_sections())
				SAME(cpu, cpu_of(a));
			return cpu;
		}
		const bool locks = actor::process_has_sections() &&
			!a.sections();
		if (held() && (!actor::process_has_sections() ||
			       held_cpu_ == cpu_of(a))) {
			SAME(cpu, -EDEADLK);
			saw("begin_held");
		} else {
			HOLDS(locks && refused);
			SAME(cpu, -ENOSYS);
			saw("begin_without_fence");
		}
		return cpu;
	}
	void transact(const actor &a, unsigned int how)
	{
		rseq_transaction t = RSEQ_TRANSACTION(&copies_->guard);
		const intptr_t n = (intptr_t)in_.number();
		const unsigned char fill = (unsigned char)in_.byte();
		const size_t length = in_.below(9) * 8;
		unsigned char block[64];

		next("transact", a.place(), how);
		memset(block, fill, sizeof block);
		a.call([&] {
			rseq_result r;
			do {
				const int cpu = begin(a, &t);
				if (cpu < 0)
					return 0;
				r = commit(&t, (unsigned int)cpu, how, n,
					   block, length);
				if (r == RSEQ_COMMITTED)
					check((unsigned int)cpu);
			} while (r == RSEQ_RESTARTED);
			SAME(r, RSEQ_COMMITTED);
			return 0;
		});
	}
	rseq_result commit(rseq_transaction *t, unsigned int cpu,
			   unsigned int how, intptr_t n,
			   const unsigned char *block, size_t length)
	{
		data &has = of(cpu)->has, then = has;
		rseq_result r;

		HOLDS(!memcmp(&has, &model_[cpu], sizeof has));
		switch (how) {
		case 0:
			then.word = n;
			r = rseq_commit(t, &has.word, n);
			break;
		case 1:
			++then.count;
			r = rseq_commit(t, &has.count, has.count + 1);
			break;
		case 2:
			then.half = (uint32_t)n;
			then.word = n;
			r = rseq_commit_then(t, &has.half, then.half,
					     &has.word, n);
			break;
		default:
			memcpy(then.block, block, length);
			++then.count;
			r = rseq_commit_block(t, has.block, block, length,
					      &has.count, then.count);
		}
		if (r == RSEQ_COMMITTED)
			model_[cpu] = then;
		else
			leave_between(has, then, &model_[cpu]);
		return r;
	}
	/* A section that ended between its stores has made the first of them. */
	static void leave_between(const data &has, const data &then, data *old)
	{
		SAME(has.word, old->word);
		SAME(has.count, old->count);
		HOLDS(has.half == old->half || has.half == then.half);
		old->half = has.half;
		for (size_t i = 0; i < sizeof has.block; ++i) {
			HOLDS(has.block[i] == old->block[i] ||
			      has.block[i] == then.block[i]);
			old->block[i] = has.block[i];
		}
	}
	void cancel(const actor &a)
	{
		rseq_transaction t = RSEQ_TRANSACTION(&copies_->guard);

		next("cancel", a.place());
		a.call([&] {
			const int cpu = begin(a, &t);
			rseq_cancel(&t);
			if (cpu >= 0)
				check((unsigned int)cpu);
			return 0;
		});
	}
	/*
	 * Begun first, and committed behind another one, or when the guard was
	 * held meanwhile: it does not happen.
	 */
	void overtake(const actor &a)
	{
		rseq_transaction first = RSEQ_TRANSACTION(&copies_->guard),
			second = first;

		if (actor::process_has_sections() && !a.sections())
			return;		/* the first one would hold the guard */
		const bool locks = in_.byte() % 2 && !cannot_lock();

		next("overtake", a.place(), locks);
		a.call([&] {
			const int cpu = begin(a, &first);
			rseq_result r = RSEQ_RESTARTED;
			if (cpu < 0)
				return 0;
			const bool holds =
				of((unsigned int)cpu)->guard.word & 1;
			if (!holds && locks)
				r = hold_a_while((unsigned int)cpu);
			while (!holds && r == RSEQ_RESTARTED && !locks) {
				if (begin(a, &second) != cpu)
					break;
				r = commit(&second, (unsigned int)cpu, 1, 0,
					   nullptr, 0);
			}
			rseq_cancel(&second);
			if (r == RSEQ_COMMITTED) {
				intptr_t *const word =
					&of((unsigned int)cpu)->has.word;
				SAME(rseq_commit(&first, word, 12345),
				     RSEQ_RESTARTED);
				saw(locks ? "overtaken_by_lock" : "overtaken");
			}
			rseq_cancel(&first);
			check((unsigned int)cpu);
			return 0;
		});
	}
	rseq_result hold_a_while(unsigned int cpu)
	{
		rseq_hold hold;

		SAME(rseq_guard_lock(&copies_->guard, cpu, &hold), 0);
		rseq_guard_unlock(&hold);
		return RSEQ_COMMITTED;
	}
	void lock(const actor &a)
	{
		const unsigned int cpu =
			cpus()[in_.below((unsigned int)cpus().size())];
		rseq_hold again, *const hold = held() ? &again : &hold_;

		if (held() && cpu != held_cpu_)
			return;
		next("lock", a.place(), cpu);
		const bool was = held();
		const int ret = a.call([&] {
			return rseq_guard_lock(&copies_->guard, cpu, hold);
		});
		SAME(ret, was ? -EDEADLK : cannot_lock() ? -ENOSYS : 0);
		if (ret == 0) {
			held_cpu_ = cpu;
			saw("lock");
		}
		check(cpu);
		SAME(a.call([&] {
			return rseq_guard_lock(&copies_->guard,
					       rseq_cpu_limit(), &again);
		}), -EINVAL);
	}
	void unlock(const actor &a)
	{
		const unsigned int cpu = held() ? held_cpu_ : cpus()[0];

		next("unlock", a.place(), cpu);
		a.call([&] { rseq_guard_unlock(&hold_); return 0; });
		HOLDS(!held());
		check(cpu);
	}
	static void see(unsigned int cpu, void *arg)
	{
		what_drain_saw &d = *static_cast<what_drain_saw *>(arg);
		data &has = d.model->of(cpu)->has;

		SAME(cpu, d.calls);
		++d.calls;
		HOLDS(d.model->of(cpu)->guard.word & 1);
		HOLDS(!memcmp(&has, &d.model->model_[cpu], sizeof has));
		has.word = d.model->model_[cpu].word = 0;
	}
	void drain(const actor &a)
	{
		what_drain_saw d = {this, 0};

		next("drain", a.place());
		const int ret = a.call([&] {
			return rseq_guard_drain(&copies_->guard, see, &d);
		});
		if (held())
			SAME(ret, -EDEADLK);
		else
			SAME(ret, cannot_lock() ? -ENOSYS : 0);
		SAME(d.calls, ret == 0 ? rseq_cpu_limit() : 0);
		if (ret == 0)
			saw("drain");
	}

	input &in_;
	copy *copies_;
	rseq_hold hold_ = {};
	unsigned int held_cpu_ = 0;
	std::map<unsigned int, data> model_;
};

inline void guards(input &in)
{
	guards_model(in).run();
}

}
