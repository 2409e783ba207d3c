/* SPDX-License-Identifier: MIT */
/*
 * Write records of 32 bytes to a ring of this cpu: one of librseq's, one behind
 * a mutex, and LTTng's, if this is built with it.
 *
 *	write	as fast as possible; the oldest records are overwritten
 *	paced	a million a second in all, which another thread reads; the
 *		newest are dropped when there is no room
 */
#include <sched.h>

#include <rseq/structures.hpp>
#include "workers.hh"
#ifdef BENCH_LTTNG
#include "lttng_tp.h"
#endif

namespace {

enum { LENGTH = 32, RING = 1 << 20, CPUS = 1024 };

struct record {
	char bytes[LENGTH];
};
record sample;
bool paced;

template <void (*write)()> void batch(int)
{
	for (int i = 0; i < BATCH; ++i)
		write();
	if (!paced)
		return;
	int threads = 0;
	while (threads < MAX_THREADS && workers::all[threads].thread)
		++threads;
	const timespec pause = { 0, threads * BATCH * 1000l };
	nanosleep(&pause, nullptr);
}

/* ---- librseq's ---- */

rseq_ring ring;
pthread_t reader;
long seen;

void see(void *, unsigned int, const void *data, size_t)
{
	seen += *static_cast<const char *>(data) == 0;
}

void *read_ring(void *)
{
	while (!workers::stop) {
		(void)rseq_ring_wait(&ring, 10);
		(void)rseq_ring_read(&ring, see, nullptr);
	}
	return nullptr;
}

bool make_ring()
{
	return rseq_ring_init(&ring, RING, RSEQ_RING_OVERWRITE, -1) == 0;
}

bool make_read_ring()
{
	paced = true;
	return rseq_ring_init(&ring, RING, 0, -1) == 0 &&
		pthread_create(&reader, nullptr, read_ring, nullptr) == 0;
}

void write_ring()
{
	(void)rseq_ring_write(&ring, &sample, sizeof sample);
}

double ring_lost()
{
	rseq_ring_stats s;

	pthread_join(reader, nullptr);
	rseq_ring_read_stats(&ring, &s);
	return (double)s.dropped / (double)(s.written + s.dropped);
}

/* ---- a ring and a lock a cpu ---- */

struct alignas(64) locked {
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	size_t next, read, dropped;
	record *records;
};
locked of_cpu[CPUS];
constexpr size_t records = RING / LENGTH;

void write_locked()
{
	locked &l = of_cpu[sched_getcpu() & (CPUS - 1)];

	pthread_mutex_lock(&l.lock);
	if (!l.records)
		l.records = static_cast<record *>(malloc(RING));
	if (l.records && (!paced || l.next - l.read < records))
		l.records[l.next++ % records] = sample;
	else
		++l.dropped;
	pthread_mutex_unlock(&l.lock);
}

void *read_locked(void *)
{
	while (!workers::stop) {
		for (locked &l : of_cpu) {
			if (__atomic_load_n(&l.next, __ATOMIC_RELAXED) ==
			    l.read)
				continue;
			pthread_mutex_lock(&l.lock);
			for (; l.read != l.next; ++l.read)
				see(nullptr, 0, &l.records[l.read % records],
				    LENGTH);
			pthread_mutex_unlock(&l.lock);
		}
		const timespec nap = { 0, 1000000 };
		nanosleep(&nap, nullptr);
	}
	return nullptr;
}

bool make_read_locked()
{
	paced = true;
	return pthread_create(&reader, nullptr, read_locked, nullptr) == 0;
}

double locked_lost()
{
	size_t written = 0, dropped = 0;

	pthread_join(reader, nullptr);
	for (const locked &l : of_cpu) {
		written += l.next;
		dropped += l.dropped;
	}
	return (double)dropped / (double)(written + dropped);
}

/* ---- LTTng's: whoever starts this has a session, and asks it what is lost */

#ifdef BENCH_LTTNG
void write_lttng()
{
	lttng_ust_tracepoint(librseq_bench, record, sample.bytes);
}

bool make_paced()
{
	paced = true;
	return true;
}
#endif

constexpr competitor competitors[] = {
	{"write-librseq", batch<write_ring>, make_ring, nullptr},
	{"write-mutex", batch<write_locked>, nullptr, nullptr},
	{"paced-librseq", batch<write_ring>, make_read_ring, ring_lost},
	{"paced-mutex", batch<write_locked>, make_read_locked, locked_lost},
#ifdef BENCH_LTTNG
	{"write-lttng", batch<write_lttng>, nullptr, nullptr},
	{"paced-lttng", batch<write_lttng>, make_paced, nullptr},
#endif
};

}

int main(int argc, char **argv)
{
	return workers::run(argc, argv, competitors);
}
