/* SPDX-License-Identifier: MIT */
/*
 * A program as one writes it for the other librseq: a spinlock, a list, a stack
 * of pointers and one of records for each cpu, by its inline operations, which
 * <rseq/upstream.h> spells.  Only the name of the header is not that library's.
 *
 *	upstream_program [cid]
 */
#define _GNU_SOURCE
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rseq/upstream.h>

#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))
#define NR_THREADS	8
#define NR_REPS		20000
#define NR_CPUS		8192

static enum rseq_percpu_mode opt_cid;

static int get_current_cpu_id(void)
{
	return opt_cid ? (int)rseq_current_mm_cid() : (int)rseq_cpu_start();
}

/* The mode has to be a constant. */
#define PERCPU(op, mo, ...)						\
	(opt_cid ? op(mo, RSEQ_PERCPU_MM_CID, __VA_ARGS__) :		\
		   op(mo, RSEQ_PERCPU_CPU_ID, __VA_ARGS__))

/* ---- spinlock ---- */

struct percpu_lock_entry {
	intptr_t v;
} __attribute__((aligned(128)));

struct percpu_lock {
	struct percpu_lock_entry c[NR_CPUS];
};

struct test_data_entry {
	intptr_t count;
} __attribute__((aligned(128)));

struct spinlock_test_data {
	struct percpu_lock lock;
	struct test_data_entry c[NR_CPUS];
};

static int rseq_this_cpu_lock(struct percpu_lock *lock)
{
	int cpu;

	for (;;) {
		int ret;

		cpu = get_current_cpu_id();
		ret = PERCPU(rseq_load_cbne_store__ptr, RSEQ_MO_RELAXED,
			     &lock->c[cpu].v, 0, 1, cpu);
		if (rseq_likely(!ret))
			break;
		/* Retry if comparison fails or rseq aborts. */
		sched_yield();
	}
	rseq_smp_acquire__after_ctrl_dep();
	return cpu;
}

static void rseq_percpu_unlock(struct percpu_lock *lock, int cpu)
{
	assert(lock->c[cpu].v == 1);
	rseq_smp_store_release(&lock->c[cpu].v, 0);
}

static void *test_percpu_spinlock_thread(void *arg)
{
	struct spinlock_test_data *data = arg;

	if (rseq_register_current_thread()) {
		fprintf(stderr, "rseq_register_current_thread failed\n");
		abort();
	}
	for (int i = 0; i < NR_REPS; i++) {
		int cpu = rseq_this_cpu_lock(&data->lock);
		data->c[cpu].count++;
		rseq_percpu_unlock(&data->lock, cpu);
	}
	if (rseq_unregister_current_thread()) {
		fprintf(stderr, "rseq_unregister_current_thread failed\n");
		abort();
	}
	return NULL;
}

static void test_percpu_spinlock(void)
{
	static struct spinlock_test_data data;
	pthread_t test_threads[NR_THREADS];
	intptr_t sum = 0;

	for (int i = 0; i < NR_THREADS; i++)
		pthread_create(&test_threads[i], NULL,
			       test_percpu_spinlock_thread, &data);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(test_threads[i], NULL);
	for (int i = 0; i < NR_CPUS; i++)
		sum += data.c[i].count;
	printf("spinlock=%ld\n", (long)(sum - (intptr_t)NR_THREADS * NR_REPS));
}

/* ---- counter ---- */

static void *test_percpu_inc_thread(void *arg)
{
	struct test_data_entry *c = arg;

	if (rseq_register_current_thread())
		abort();
	for (int i = 0; i < NR_REPS; i++) {
		int ret;

		do {
			int cpu = get_current_cpu_id();
			ret = PERCPU(rseq_load_add_store__ptr, RSEQ_MO_RELAXED,
				     &c[cpu].count, 1, cpu);
		} while (rseq_unlikely(ret));
	}
	return NULL;
}

static void test_percpu_inc(void)
{
	static struct test_data_entry c[NR_CPUS];
	pthread_t test_threads[NR_THREADS];
	intptr_t sum = 0;

	for (int i = 0; i < NR_THREADS; i++)
		pthread_create(&test_threads[i], NULL, test_percpu_inc_thread, c);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(test_threads[i], NULL);
	for (int i = 0; i < NR_CPUS; i++)
		sum += c[i].count;
	printf("inc=%ld\n", (long)(sum - (intptr_t)NR_THREADS * NR_REPS));
}

/* ---- list ---- */

struct percpu_list_node {
	intptr_t data;
	struct percpu_list_node *next;
};

struct percpu_list_entry {
	struct percpu_list_node *head;
} __attribute__((aligned(128)));

struct percpu_list {
	struct percpu_list_entry c[NR_CPUS];
};

static void this_cpu_list_push(struct percpu_list *list,
			       struct percpu_list_node *node)
{
	for (;;) {
		intptr_t *targetptr, newval, expect;
		int ret, cpu = get_current_cpu_id();

		/* Load list->c[cpu].head with single-copy atomicity. */
		expect = (intptr_t)RSEQ_READ_ONCE(list->c[cpu].head);
		newval = (intptr_t)node;
		targetptr = (intptr_t *)&list->c[cpu].head;
		node->next = (struct percpu_list_node *)expect;
		ret = PERCPU(rseq_load_cbne_store__ptr, RSEQ_MO_RELAXED,
			     targetptr, expect, newval, cpu);
		if (rseq_likely(!ret))
			break;
	}
}

static struct percpu_list_node *this_cpu_list_pop(struct percpu_list *list)
{
	for (;;) {
		struct percpu_list_node *head;
		intptr_t *targetptr, expectnot, *load;
		long offset;
		int ret, cpu = get_current_cpu_id();

		targetptr = (intptr_t *)&list->c[cpu].head;
		expectnot = (intptr_t)NULL;
		offset = offsetof(struct percpu_list_node, next);
		load = (intptr_t *)&head;
		ret = PERCPU(rseq_load_cbeq_store_add_load_store__ptr,
			     RSEQ_MO_RELAXED, targetptr, expectnot, offset,
			     load, cpu);
		if (rseq_likely(!ret))
			return head;
		if (ret > 0)
			return NULL;
	}
}

static void *test_percpu_list_thread(void *arg)
{
	struct percpu_list *list = arg;

	if (rseq_register_current_thread())
		abort();
	for (int i = 0; i < NR_REPS; i++) {
		struct percpu_list_node *node = this_cpu_list_pop(list);

		sched_yield();	/* Encourage shuffling. */
		if (node)
			this_cpu_list_push(list, node);
	}
	return NULL;
}

static void test_percpu_list(void)
{
	static struct percpu_list list;
	pthread_t test_threads[NR_THREADS];
	intptr_t sum = 0, expected_sum = 0;

	for (int i = 0; i < NR_CPUS; i++)
		for (int j = 1; j <= 100 && i < 16; j++) {
			struct percpu_list_node *node = malloc(sizeof(*node));

			assert(node);
			expected_sum += j;
			node->data = j;
			node->next = list.c[i].head;
			list.c[i].head = node;
		}
	for (int i = 0; i < NR_THREADS; i++)
		pthread_create(&test_threads[i], NULL, test_percpu_list_thread,
			       &list);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(test_threads[i], NULL);
	for (int i = 0; i < NR_CPUS; i++)
		while (list.c[i].head) {
			struct percpu_list_node *node = list.c[i].head;

			list.c[i].head = node->next;
			sum += node->data;
			free(node);
		}
	printf("list=%ld\n", (long)(sum - expected_sum));
}

/* ---- buffers ---- */

#define BUFFER_ITEM_PER_CPU	100

struct memcpy_item {
	intptr_t a, b;
};

struct percpu_buffer_entry {
	intptr_t offset;
	intptr_t copies;
	intptr_t array[BUFFER_ITEM_PER_CPU];
	struct memcpy_item copy[BUFFER_ITEM_PER_CPU];
} __attribute__((aligned(128)));

static bool this_cpu_buffer_push(struct percpu_buffer_entry *buffer,
				 intptr_t item)
{
	for (;;) {
		int ret, cpu = get_current_cpu_id();
		intptr_t offset = RSEQ_READ_ONCE(buffer[cpu].offset);

		if (offset == BUFFER_ITEM_PER_CPU)
			return false;
		ret = PERCPU(rseq_load_cbne_store_store__ptr, RSEQ_MO_RELEASE,
			     &buffer[cpu].offset, offset,
			     &buffer[cpu].array[offset], item, offset + 1, cpu);
		if (rseq_likely(!ret))
			return true;
	}
}

static intptr_t this_cpu_buffer_pop(struct percpu_buffer_entry *buffer)
{
	for (;;) {
		int ret, cpu = get_current_cpu_id();
		intptr_t offset = RSEQ_READ_ONCE(buffer[cpu].offset), head;

		if (offset == 0)
			return 0;
		head = RSEQ_READ_ONCE(buffer[cpu].array[offset - 1]);
		ret = PERCPU(rseq_load_cbne_load_cbne_store__ptr,
			     RSEQ_MO_RELAXED, &buffer[cpu].offset, offset,
			     &buffer[cpu].array[offset - 1], head, offset - 1,
			     cpu);
		if (rseq_likely(!ret))
			return head;
	}
}

static bool this_cpu_memcpy_push(struct percpu_buffer_entry *buffer,
				 struct memcpy_item item)
{
	for (;;) {
		int ret, cpu = get_current_cpu_id();
		intptr_t offset = RSEQ_READ_ONCE(buffer[cpu].copies);

		if (offset == BUFFER_ITEM_PER_CPU)
			return false;
		ret = PERCPU(rseq_load_cbne_memcpy_store__ptr, RSEQ_MO_RELEASE,
			     &buffer[cpu].copies, offset,
			     &buffer[cpu].copy[offset], &item, sizeof(item),
			     offset + 1, cpu);
		if (rseq_likely(!ret))
			return true;
	}
}

static intptr_t pushed, popped, copied;

static void *test_percpu_buffer_thread(void *arg)
{
	struct percpu_buffer_entry *buffer = arg;
	intptr_t in = 0, out = 0, made = 0;

	if (rseq_register_current_thread())
		abort();
	for (intptr_t i = 1; i <= NR_REPS; i++) {
		struct memcpy_item item = { i, -i };

		if (this_cpu_buffer_push(buffer, i))
			in += i;
		if (i % 4)
			out += this_cpu_buffer_pop(buffer);
		if (this_cpu_memcpy_push(buffer, item))
			made += i;
	}
	__atomic_fetch_add(&pushed, in, __ATOMIC_RELAXED);
	__atomic_fetch_add(&popped, out, __ATOMIC_RELAXED);
	__atomic_fetch_add(&copied, made, __ATOMIC_RELAXED);
	return NULL;
}

static void test_percpu_buffer(void)
{
	struct percpu_buffer_entry *buffer =
		aligned_alloc(128, NR_CPUS * sizeof(*buffer));
	pthread_t test_threads[NR_THREADS];
	intptr_t left = 0, in_copies = 0;
	long torn = 0;

	assert(buffer);
	memset(buffer, 0, NR_CPUS * sizeof(*buffer));
	for (int i = 0; i < NR_THREADS; i++)
		pthread_create(&test_threads[i], NULL,
			       test_percpu_buffer_thread, buffer);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(test_threads[i], NULL);
	for (int i = 0; i < NR_CPUS; i++) {
		for (intptr_t j = 0; j < buffer[i].offset; j++)
			left += buffer[i].array[j];
		for (intptr_t j = 0; j < buffer[i].copies; j++) {
			in_copies += buffer[i].copy[j].a;
			torn += buffer[i].copy[j].a != -buffer[i].copy[j].b;
		}
	}
	printf("buffer=%ld\nmemcpy=%ld\ntorn=%ld\n",
	       (long)(pushed - popped - left), (long)(copied - in_copies), torn);
	free(buffer);
}

/* ---- one word behind another ---- */

static void test_deref(void)
{
	struct { intptr_t pad; intptr_t *count; } entry, *ptr = &entry;
	intptr_t count = 40;
	int ret;

	entry.count = &count;
	do {
		int cpu = get_current_cpu_id();
		ret = PERCPU(rseq_load_add_load_load_add_store__ptr,
			     RSEQ_MO_RELAXED, (intptr_t *)&ptr,
			     (long)sizeof(intptr_t), 2, cpu);
	} while (rseq_unlikely(ret));
	printf("deref=%ld\n", (long)count);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "cid"))
		opt_cid = RSEQ_PERCPU_MM_CID;
	if (!rseq_available(RSEQ_AVAILABLE_QUERY_KERNEL) ||
	    rseq_register_current_thread()) {
		fprintf(stderr, "Error: rseq is unavailable\n");
		return EXIT_FAILURE;
	}
	if (opt_cid && !rseq_mm_cid_available()) {
		fprintf(stderr, "Error: mm_cid is unavailable\n");
		return EXIT_FAILURE;
	}
	test_percpu_spinlock();
	test_percpu_inc();
	test_percpu_list();
	test_percpu_buffer();
	test_deref();
	/* Never negative, unlike rseq_this_cpu() in a thread without rseq. */
	printf("cpu=%d\nraw=%d\nnode=%d\n", (int)rseq_current_cpu() >= 0,
	       rseq_current_cpu_raw() >= 0,
	       !rseq_node_id_available() || (int)rseq_current_node_id() >= 0);
	return EXIT_SUCCESS;
}
