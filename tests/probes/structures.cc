/* SPDX-License-Identifier: MIT */
/* What <rseq/structures.hpp> makes of the structures, without a C++ library. */
#include "checks.h"

#include <rseq/structures.hpp>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

namespace {

struct tracked {
	static int alive;
	int a, b;

	tracked(int x, int y) : a(x), b(y) { ++alive; }
	~tracked() { --alive; }
};
int tracked::alive;

/* A source of objects from the heap. */
struct heap {
	long out = 0;

	size_t refill(long **objects, size_t n)
	{
		for (size_t i = 0; i < n; ++i)
			objects[i] = new_one();
		return n;
	}
	void drain(long **objects, size_t n)
	{
		for (size_t i = 0; i < n; ++i)
			free(objects[i]);
		out -= static_cast<long>(n);
	}
	long *new_one()
	{
		++out;
		return static_cast<long *>(malloc(sizeof(long)));
	}
};

void caches()
{
	heap source;
	{
		librseq::cache<long, heap> none(0, source);
		EXPECT(none.error() == -EINVAL && !none.get());
		librseq::cache<long, heap> c(8, source);
		EXPECT(c.error() == 0);
		long *const one = c.get();
		EXPECT(one && source.out > 0);
		EXPECT(c.put(one) == 0 && c.put(nullptr) == -EINVAL);
		EXPECT(c.stats().held == static_cast<uint64_t>(source.out));
		EXPECT(c.resize(9) == -EINVAL && c.resize(4) == 0);
		EXPECT(c.flush() == 0 && source.out == 0);
		EXPECT(c.put(c.get()) == 0 && source.out > 0);
	}
	EXPECT(source.out == 0);
}

void pools()
{
	librseq::pool<tracked> p(RSEQ_SLAB_SIZE), bad(1);

	EXPECT(bad.error() == -EINVAL && !bad.make(1, 2));
	tracked *const one = p.make(3, 4);
	EXPECT(one && one->a == 3 && one->b == 4 && tracked::alive == 1);
	p.destroy(one);
	p.destroy(nullptr);
	EXPECT(tracked::alive == 0 && p.trim() == 1);
	EXPECT(p.stats().slabs == 0);
}

librseq::counters requests;	/* as it stands */

void counts()
{
	EXPECT(requests.make("some") == 0 && !strcmp(requests.name(0), "some"));
	requests.add(0);
	requests.add(0, 4);
	EXPECT(requests.sum(0) == 5 && requests.take(0) == 5);
	EXPECT(requests.take(0) == 0 && requests.sum(0) == 5);
}

void rings()
{
	struct record { int a, b; };
	librseq::ring r(4096), bad(5000);
	int sum = 0;

	EXPECT(bad.error() == -EINVAL && bad.write(record{1, 2}) == -EINVAL);
	EXPECT(r.wait(0) == -ETIMEDOUT);
	EXPECT(r.write(record{1, 2}) == 0 && r.write("x", 1) == 0);
	EXPECT(r.wait(0) == 0);
	EXPECT(r.read([&](unsigned int, const void *data, size_t len) {
		sum += len == 1 ? 100 :
			static_cast<const record *>(data)->a +
			static_cast<const record *>(data)->b;
	}) == 2);
	EXPECT(sum == 103 && r.stats().read == 2);
}

void reading()
{
	librseq::readers r;

	EXPECT(r.wait(0) == 0);
	{
		const auto outer = r.read();
		const auto inner = r.read();
		EXPECT(r.wait(0) == -ETIMEDOUT);
	}
	EXPECT(r.wait() == 0);
}

void references()
{
	librseq::refcount c, unused;

	c.get();
	EXPECT(!c.put());
	c.get();
	EXPECT(c.kill() == 0 && c.kill() == -EINVAL);
	EXPECT(c.put());
}

}

int main()
{
	caches();
	pools();
	counts();
	rings();
	reading();
	references();
	printf("checks=%d\nwrong=%d\n", checks, wrong);
	return 0;
}
