/* SPDX-License-Identifier: MIT */
/*
 * The ring: for each cpu and kind of thread a queue of records, in so many
 * bytes, of which the model knows which one is dropped or overwritten.
 */
#pragma once

#include <deque>

#include <fcntl.h>
#include <sys/mman.h>

#include <rseq/ring.h>

#include "model.hh"

namespace model {

using bytes = std::vector<uint8_t>;

/* In the order in which they lie there; padding is one, too. */
struct record {
	bytes data;
	uint64_t takes = 0;
	bool padding = false, busy = false, read = false;
	void *room = nullptr;	/* reserved and not committed */
};

struct queue {
	uint64_t next = 0;	/* bytes, from where it began */
	uint64_t used = 0;
	std::deque<record> records;

	void forget_oldest()
	{
		used -= records.front().takes;
		records.pop_front();
	}
};

class ring_model {
public:
	explicit ring_model(input &in) : in_(in) {}
	void run()
	{
		init();
		while (in_.more())
			step(next_actor(in_, file_ < 0));
		for (record *r : pending())
			commit(actor(), r);
		read(actor());
		check_stats();
		if (file_ >= 0)
			attach();
		rseq_ring_fini(&ring_);
		if (file_ >= 0)
			close(file_);
		SAME(rseq_ring_write(&ring_, "x", 1), -EINVAL);
	}

private:
	void init()
	{
		static constexpr size_t sizes[] = {4096, 4096, 8192, 1 << 16,
						   0, 5000, 2048};
		const size_t size = sizes[in_.below(in_.one_in(8) ? 7 : 4)];
		const unsigned int flags = in_.below(17) / 8;
		const actor a = next_actor(in_);

		if (in_.one_in(3))
			file_ = memfd_create("ring", 0);
		next("init", (long)size, flags);
		const int ret = a.call([&] {
			return rseq_ring_init(&ring_, size, flags, file_);
		}, starves(in_));
		if (ret == -ENOMEM)
			saw("no_ring");
		else
			SAME(ret, size >= 4096 && size != 5000 && flags < 2 ?
			     0 : -EINVAL);
		there_is_ = ret == 0;
		size_ = size;
		overwrites_ = flags == RSEQ_RING_OVERWRITE;
		if (there_is_ && in_.byte() % 2)
			go_far();
		if (file_ >= 0 && !there_is_) {
			close(file_);
			file_ = -1;
		}
	}
	/* As if four gigabytes had been written: positions are modulo 2^32. */
	void go_far()
	{
		static constexpr size_t page = 4096;

		saw("far");
		for (const unsigned int cpu : cpus())
			for (size_t kind = 0; kind < 2; ++kind) {
				auto *const h =
					reinterpret_cast<rseq_ring_head_ *>(
						ring_.memory + page +
						cpu * ring_.stride +
						kind * (page + size_));
				h->next = h->oldest = h->read =
					(uint32_t)(0 - size_);
			}
	}
	/* Its words have 8 bytes, which sections of 32 bits do not store. */
	queue &mine(const actor &a)
	{
		return queues_[sizeof(void *) == 8 ? a.place() :
			       a.locked_place()];
	}

	void step(const actor &a)
	{
		const unsigned int what = in_.below(16);

		if (what < 9)
			write(a, in_.below(in_.one_in(3) ?
					   (unsigned int)size_ / 2 + 9 : 60));
		else if (what < 11)
			reserve(a, in_.below(200));
		else if (what < 13)
			commit_some(a);
		else if (what == 13)
			read(a);
		else if (what == 14 && file_ >= 0)
			attach();
		else
			wait(a);
		check_stats();
	}

	/* Where a record of that length goes; nullptr: it is dropped. */
	record *place(queue &q, size_t length)
	{
		const uint64_t need = 8 + (length + 7) / 8 * 8;

		for (;;) {
			record r;
			const uint64_t end = size_ - q.next % size_;

			r.padding = end < need;
			r.takes = r.padding ? end : need;
			while (q.used + r.takes > size_ && overwrites_) {
				const record &oldest = q.records.front();
				overwritten_ += !oldest.padding && !oldest.read;
				q.forget_oldest();
			}
			if (q.used + r.takes > size_) {
				++dropped_;
				saw("dropped");
				return nullptr;
			}
			q.next += r.takes;
			q.used += r.takes;
			q.records.push_back(r);
			if (!r.padding) {
				++written_;
				return &q.records.back();
			}
			saw("padding");
		}
	}
	bytes some(size_t length)
	{
		bytes b(length);
		uint8_t at = (uint8_t)in_.byte();

		for (uint8_t &byte : b)
			byte = at = (uint8_t)(at * 5 + 1);
		return b;
	}
	void write(const actor &a, size_t length)
	{
		const bytes data = some(length);

		next("write", a.place(), (long)length);
		const int ret = a.call([&] {
			return rseq_ring_write(&ring_, data.data(), length);
		});
		if (!there_is_ || length > size_ / 2 - 8) {
			SAME(ret, -EINVAL);
			return;
		}
		record *const r = place(mine(a), length);
		SAME(ret, r ? 0 : -ENOSPC);
		if (r)
			r->data = data;
	}
	void reserve(const actor &a, size_t length)
	{
		next("reserve", a.place(), (long)length);
		void *const room = a.call([&] {
			return rseq_ring_reserve(&ring_, length);
		});
		record *const r = there_is_ && !overwrites_ ?
			place(mine(a), length) : nullptr;
		HOLDS((room != nullptr) == (r != nullptr));
		if (!r)
			return;
		saw("reserved");
		SAME((uintptr_t)room % 8, 0u);
		r->room = room;
		r->busy = true;
		r->data = some(length);
	}
	std::vector<record *> pending()
	{
		std::vector<record *> all;

		for (queue &q : queues_)
			for (record &r : q.records)
				if (r.busy)
					all.push_back(&r);
		return all;
	}
	void commit_some(const actor &a)
	{
		const std::vector<record *> all = pending();

		if (!all.empty())
			commit(a, all[in_.below((unsigned int)all.size())]);
	}
	void commit(const actor &a, record *r)
	{
		next("commit", a.place(), (long)r->data.size());
		a.call([&] {
			std::copy(r->data.begin(), r->data.end(),
				  static_cast<uint8_t *>(r->room));
			rseq_ring_commit(&ring_, r->room);
			return 0;
		});
		r->busy = false;
	}

	/* ---- reading ---- */

	struct seen {
		unsigned int cpu;
		bytes data;
	};
	struct reader {
		rseq_ring *ring;
		std::vector<seen> all;
	};
	static void see(void *arg, unsigned int cpu, const void *data, size_t n)
	{
		reader &r = *static_cast<reader *>(arg);
		const auto *const at = static_cast<const uint8_t *>(data);

		r.all.push_back({cpu, bytes(at, at + n)});
		if (r.ring->mapped)	/* one at a time */
			SAME(rseq_ring_read(r.ring, see, arg), -EDEADLK);
	}
	/* What is to be read now, in order; up to the first that is busy. */
	std::vector<seen> readable(bool mark)
	{
		std::vector<seen> all;

		for (unsigned int i = 0; i < places; ++i)
			for (record &r : queues_[i].records) {
				if (r.busy)
					break;
				if (r.read)
					continue;
				if (!r.padding)
					all.push_back({cpus()[i / 2], r.data});
				r.read = mark;
			}
		return all;
	}
	static void same_records(const std::vector<seen> &got,
				 const std::vector<seen> &expected)
	{
		SAME(got.size(), expected.size());
		for (size_t i = 0; i < got.size(); ++i) {
			SAME(got[i].cpu, expected[i].cpu);
			HOLDS(got[i].data == expected[i].data);
		}
	}
	void read(const actor &a)
	{
		const bool starved = there_is_ && overwrites_ && starves(in_) &&
			in_.more();
		reader r = {&ring_, {}};

		next("read", a.place(), starved);
		if (starved) {	/* it wants memory for copies */
			SAME(a.call([&] {
				return rseq_ring_read(&ring_, see, &r);
			}, true), -ENOMEM);
			saw("read_without_memory");
			return;
		}
		const long ret = a.call([&] {
			return rseq_ring_read(&ring_, see, &r);
		});
		if (!there_is_) {
			SAME(ret, -EINVAL);
			return;
		}
		const std::vector<seen> expected = readable(true);
		SAME(ret, (long)expected.size());
		same_records(r.all, expected);
		read_ += expected.size();
		if (!expected.empty())
			saw("read");
		for (queue &q : queues_)
			while (!overwrites_ && !q.records.empty() &&
			       q.records.front().read)
				q.forget_oldest();
	}
	/* As after a crash, by a file that is open for reading only. */
	void attach()
	{
		const std::string name = "/proc/self/fd/" +
			std::to_string(file_);
		const int fd = open(name.c_str(), O_RDONLY);
		rseq_ring other;
		reader r = {&other, {}};

		next("attach");
		SAME(rseq_ring_attach(&other, fd), 0);
		const std::vector<seen> expected = readable(false);
		SAME(rseq_ring_read(&other, see, &r), (long)expected.size());
		same_records(r.all, expected);
		rseq_ring_fini(&other);
		close(fd);
		saw("attach");
	}
	/* There is something exactly if read would give something. */
	void wait(const actor &a)
	{
		next("wait", a.place());
		const int ret = a.call([&] {
			return rseq_ring_wait(&ring_, 0);
		});
		SAME(ret, !there_is_ ? -EINVAL :
		     readable(false).empty() ? -ETIMEDOUT : 0);
		if (!pending().empty())
			saw("wait_for_commit");
	}
	void check_stats()
	{
		rseq_ring_stats s;

		rseq_ring_read_stats(&ring_, &s);
		SAME(s.written, written_);
		SAME(s.read, read_);
		SAME(s.dropped, dropped_);
		SAME(s.overwritten, overwritten_);
		if (s.overwritten)
			saw("overwritten");
	}

	input &in_;
	rseq_ring ring_;
	int file_ = -1;
	bool there_is_ = false, overwrites_ = false;
	size_t size_ = 0;
	queue queues_[places];
	uint64_t written_ = 0, read_ = 0, dropped_ = 0, overwritten_ = 0;
};

inline void ring(input &in)
{
	ring_model(in).run();
}

}
