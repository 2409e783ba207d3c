/* SPDX-License-Identifier: MIT */
/*
 * Byte histogram of a file, by more threads than cpus, over per-cpu counters;
 * checked against a sequential count, and timed beside what one would use
 * otherwise.  C++20 without a C++ run time, so that it builds on any libc.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rseq/rseq.hpp>

namespace {

constexpr size_t symbols = 256;
constexpr size_t block = 1 << 16;
constexpr unsigned max_threads = 1024;

struct bytes {
	const unsigned char *data;
	size_t size;
};

using histogram = intptr_t[symbols];

struct alignas(64) padded_histogram {
	histogram n;
};

/* Threads take blocks in turn, so that each one moves through the file. */
template <class Worker> struct job {
	bytes in;
	size_t next;
	const Worker &worker;

	static void *run(void *self)
	{
		job &j = *static_cast<job *>(self);

		j.worker([&](auto add) {
			for (;;) {
				size_t at = __atomic_fetch_add(
					&j.next, block, __ATOMIC_RELAXED);
				if (at >= j.in.size)
					return;
				size_t end = j.in.size - at < block ?
					j.in.size : at + block;
				for (; at < end; ++at)
					add(j.in.data[at]);
			}
		});
		return nullptr;
	}
};

double cpu_seconds()
{
	timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* Count in with threads threads; the cpu time that this took, in seconds. */
template <class Worker>
double count(bytes in, unsigned threads, const Worker &worker)
{
	job<Worker> j { in, 0, worker };
	pthread_t t[max_threads];
	unsigned started = 0;
	const double start = cpu_seconds();

	for (; started < threads; ++started)
		if (pthread_create(&t[started], nullptr, j.run, &j))
			break;
	if (started == 0)
		j.run(&j);
	for (unsigned i = 0; i < started; ++i)
		pthread_join(t[i], nullptr);
	return cpu_seconds() - start;
}

bool report(const char *how, double seconds, bytes in, const histogram &got,
	    const histogram &want)
{
	printf("  %-38s %7.2f ns per count\n", how, seconds * 1e9 / in.size);
	for (size_t i = 0; i < symbols; ++i)
		if (got[i] != want[i]) {
			fprintf(stderr, "histogram: %s: byte 0x%02zx counted "
				"%jd times, but it occurs %jd times\n", how, i,
				(intmax_t)got[i], (intmax_t)want[i]);
			return false;
		}
	return true;
}

bool compare(bytes in, unsigned threads)
{
	histogram want {}, got {};
	const unsigned cpus = rseq_cpu_limit();
	double t;
	bool ok = true;

	t = cpu_seconds();
	for (size_t i = 0; i < in.size; ++i)
		++want[in.data[i]];
	report("sequential, no threads", cpu_seconds() - t, in, want, want);

	librseq::counter counter { symbols };
	if (counter.error()) {
		fprintf(stderr, "histogram: rseq_counter_init: %s\n",
			strerror(-counter.error()));
		return false;
	}
	t = count(in, threads, [&](auto each) {
		each([&](unsigned char c) { counter.add(c); });
	});
	for (size_t i = 0; i < symbols; ++i)
		got[i] = counter.sum(i);
	ok &= report("rseq_counter_add", t, in, got, want);

	memset(got, 0, sizeof got);
	t = count(in, threads, [&](auto each) {
		each([&](unsigned char c) {
			__atomic_fetch_add(&got[c], 1, __ATOMIC_RELAXED);
		});
	});
	ok &= report("shared atomic", t, in, got, want);

	auto *rows = static_cast<padded_histogram *>(
		aligned_alloc(64, cpus * sizeof(padded_histogram)));
	if (!rows) {
		fprintf(stderr, "histogram: out of memory\n");
		return false;
	}
	memset(rows, 0, cpus * sizeof *rows);
	t = count(in, threads, [&](auto each) {
		each([&](unsigned char c) {
			/* always below cpus: no test, no division */
			__atomic_fetch_add(&rows[rseq_cpu_start()].n[c], 1,
					   __ATOMIC_RELAXED);
		});
	});
	memset(got, 0, sizeof got);
	for (unsigned cpu = 0; cpu < cpus; ++cpu)
		for (size_t i = 0; i < symbols; ++i)
			got[i] += rows[cpu].n[i];
	free(rows);
	ok &= report("per-cpu atomic", t, in, got, want);

	memset(got, 0, sizeof got);
	t = count(in, threads, [&](auto each) {
		histogram own {};
		each([&](unsigned char c) {
			/* as a program counts that may be read meanwhile */
			*(volatile intptr_t *)&own[c] = own[c] + 1;
		});
		for (size_t i = 0; i < symbols; ++i)
			__atomic_fetch_add(&got[i], own[i], __ATOMIC_RELAXED);
	});
	ok &= report("plain thread-local", t, in, got, want);
	return ok;
}

int usage(FILE *to, int status)
{
	fputs("usage: histogram [--threads N] FILE\n", to);
	return status;
}

}

/* What the numbers can show here, so that nobody takes them for more. */
void expect(unsigned cpus)
{
	if (cpus == 1)
		puts("one cpu: nothing contends; what is left is the price of "
		     "an instruction");
	else
		printf("%u cpus%s: with more of them the shared atomic gets "
		       "slower, the per-cpu ones do not;\nthread-local is "
		       "faster still, where memory per thread does not "
		       "matter\n", cpus,
		       cpus < 8 ? " contend little" : "");
}

/* What a program pays to know its cpu: see it with objdump. */
extern "C" __attribute__((__noinline__)) int read_cpu()
{
	return rseq_this_cpu().n;
}

int main(int argc, char **argv)
{
	const unsigned cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = 2 * cpus + 1;
	const char *path = nullptr;

	for (int i = 1; i < argc; ++i) {
		if (!strcmp(argv[i], "--help"))
			return usage(stdout, 0);
		if (!strcmp(argv[i], "--threads") && i + 1 < argc)
			threads = strtoul(argv[++i], nullptr, 10);
		else if (argv[i][0] != '-' && !path)
			path = argv[i];
		else
			return usage(stderr, 2);
	}
	if (!path || threads == 0 || threads > max_threads)
		return usage(stderr, 2);

	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		fprintf(stderr, "histogram: %s: %s\n", path, strerror(errno));
		return 1;
	}
	if (!S_ISREG(st.st_mode) || st.st_size == 0) {
		fprintf(stderr, "histogram: %s: not a file with bytes in it\n",
			path);
		return 1;
	}
	void *map = mmap(nullptr, st.st_size, PROT_READ,
			 MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED) {
		fprintf(stderr, "histogram: %s: %s\n", path, strerror(errno));
		return 1;
	}

	rseq_info info;
	rseq_query(&info, sizeof info);
	printf("%s: %jd bytes, %u threads, %u cpus; rseq: %s; main on cpu %d\n",
	       path, (intmax_t)st.st_size, threads, cpus,
	       rseq_strreason(info.reason), read_cpu());
	puts("cpu time, one run, side by side:");
	if (!compare({ static_cast<unsigned char *>(map), (size_t)st.st_size },
		     threads))
		return 1;
	puts("all counts are equal to the sequential count");
	expect(rseq_cpu_limit());
	return 0;
}
