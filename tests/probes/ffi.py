# SPDX-License-Identifier: MIT
"""Calls every function of librseq-ffi as another language would: what came of
the operations, and whether each did what its page says (wrong=0)."""
import ctypes
import errno
import os
import sys
import threading
import time
from ctypes import POINTER, byref, c_int, c_size_t, c_ssize_t, c_uint, \
    c_uint32, c_uint64, c_void_p

HERE = min(os.sched_getaffinity(0))
COMMITTED, DIFFERENT, UNAVAILABLE, RESTARTED = 0, 1, 2, -1

ffi = ctypes.CDLL("librseq-ffi.so.1", use_errno=True)
NULL = c_void_p(None)
called, results, wrong = set(), {}, []


def function(name, result, *arguments):
    if name.startswith("rseq_ffi_"):
        called.add(name)
    f = ffi[name]
    f.restype, f.argtypes = result, arguments
    return f


def call(name, *arguments, result=c_int):
    """With the arguments' own types; byref() is a pointer."""
    types = [c_void_p if type(a).__name__ == "CArgObject" else type(a)
             for a in arguments]
    return function("rseq_ffi_" + name, result, *types)(*arguments)


def expect(what, got, wanted):
    if got != wanted:
        wrong.append(f"{what}: {got}, not {wanted}")


def operation(name, *arguments, where=None, most=COMMITTED):
    """Again as long as it is restarted; what it says where sections run."""
    while True:
        ids = [c_int(call("this_" + where))] if where else []
        got = call(name, *arguments, *ids)
        if got != RESTARTED:
            break
    results[got] = results.get(got, 0) + 1
    if got != UNAVAILABLE:
        expect(name, got, most)
    return got != UNAVAILABLE


def word(bits, value):
    """With a neighbour on each side, which must stay as they are."""
    kind = c_uint32 if bits == 32 else c_uint64
    return (kind * 3)(7, value, 7), kind


def at(words):
    return byref(words, ctypes.sizeof(words) // 3)


def words_by_id(where, bits):
    high = 1 << (bits - 1)
    kind_of = f"_{where}_{bits}"
    for name, before, operand, after in [
            ("add", high, high + 5, 5), ("and", high + 6, high + 3, high + 2),
            ("or", high, 3, high + 3)]:
        v, kind = word(bits, before)
        ran = operation(name + kind_of, at(v), kind(operand), where=where)
        expect(name + kind_of, list(v), [7, after if ran else before, 7])
    for name, before, operand, after in [
            ("fetch_add", high, high + 5, 5), ("exchange", high, 4, 4),
            ("exchange_release", high, 4, 4)]:
        v, kind = word(bits, before)
        old, _ = word(bits, 0)
        ran = operation(name + kind_of, at(v), kind(operand), at(old),
                        where=where)
        expect(name + kind_of, (list(v), list(old)),
               ([7, after, 7], [7, before, 7]) if ran else
               ([7, before, 7], [7, 0, 7]))
    for name in "compare_store", "compare_store_release":
        v, kind = word(bits, high)
        ran = operation(name + kind_of, at(v), kind(high), kind(9),
                        where=where)
        expect(name + kind_of, list(v), [7, 9 if ran else high, 7])
        operation(name + kind_of, at(v), kind(1), kind(2), where=where,
                  most=DIFFERENT)
        expect(name + kind_of, list(v), [7, 9 if ran else high, 7])


def node():
    """Its pointer to the next one is its second word."""
    n = (c_size_t * 2)()
    return n, c_size_t(ctypes.addressof(n)), byref(n, ctypes.sizeof(c_size_t))


def lists(push, pop, pop_all, head, first, **where):
    """Push two and pop three; head() is where the list begins, for pushing."""
    (one, one_at, one_next), (two, two_at, two_next) = node(), node()
    ran = operation(push, first, one_at, one_next, **where)
    operation(push, first, two_at, two_next, **where)
    expect(push, head(), two_at.value if ran else 0)
    for wanted in two_at.value, one_at.value, 0:
        got = c_size_t(0)
        operation(pop, first, byref(got), c_size_t(ctypes.sizeof(c_size_t)),
                  most=COMMITTED if wanted else DIFFERENT, **where)
        expect(pop, got.value, wanted if ran else 0)
    # A chain of both, in one step each way.
    two[1] = one_at.value
    operation(push, first, two_at, one_next, **where)
    expect(push, head(), two_at.value if ran else 0)
    for wanted in two_at.value, 0:
        got = c_size_t(0)
        operation(pop_all, first, byref(got),
                  most=COMMITTED if wanted else DIFFERENT, **where)
        expect(pop_all, got.value, wanted if ran else 0)


def stacks(where):
    for release in "", "_release":
        slots, count, item = (c_size_t * 4)(), c_size_t(0), c_size_t(0)
        push, push_n = (f"stack_push{n}{release}_{where}" for n in ("", "_n"))
        pop, pop_n = (f"stack_pop{n}_{where}" for n in ("", "_n"))
        items, back = (c_size_t * 2)(8, 9), (c_size_t * 2)()
        four, two = c_ssize_t(4), c_size_t(2)
        ran = operation(push, slots, byref(count), four, c_size_t(5),
                        where=where)
        operation(push_n, slots, byref(count), four, items, two, where=where)
        operation(push_n, slots, byref(count), four, items, two, where=where,
                  most=DIFFERENT)
        expect(push, (list(slots), count.value),
               ([5, 8, 9, 0], 3) if ran else ([0] * 4, 0))
        operation(pop, slots, byref(count), byref(item), where=where)
        operation(pop_n, slots, byref(count), back, two, where=where)
        expect(pop, (item.value, list(back), count.value),
               (9, [5, 8], 0) if ran else (0, [0, 0], 0))
        operation(pop, slots, byref(count), byref(item), where=where,
                  most=DIFFERENT)


def percpu(size):
    p = function("rseq_percpu_alloc", c_void_p, c_size_t, c_size_t)(size, 64)
    return c_void_p(p)


def copies(p, kind):
    limit = function("rseq_cpu_limit", c_uint)()
    return [ctypes.cast(call("percpu_ptr", p, c_uint(cpu), result=c_void_p),
                        POINTER(kind)) for cpu in range(limit)]


def words_percpu(where):
    for bits in 32, 64:
        p = percpu(8)
        _, kind = word(bits, 0)
        high = kind(1 << (bits - 1))
        ran = operation(f"this_{where}_add_{bits}", p, high)
        got = set()
        for _ in range(100):
            old = kind(0)
            operation(f"this_{where}_fetch_add_{bits}", p, kind(1), byref(old))
            got.add(old.value)
        total = sum(c[0] for c in copies(p, kind))
        expect(f"this_{where}_add_{bits}", total,
               high.value + 100 if ran else 0)
        if not ran:
            expect(f"this_{where}_fetch_add_{bits}", got, {0})
        expect("free", function("rseq_percpu_free", c_int, c_void_p)(p), 0)


def lists_percpu(where):
    """On one cpu: else what was pushed here may be missing there."""
    p = percpu(8)
    lists(f"this_{where}_list_push", f"this_{where}_list_pop",
          f"this_{where}_list_pop_all",
          lambda: max(c[0] for c in copies(p, c_size_t)), p)
    expect("free", function("rseq_percpu_free", c_int, c_void_p)(p), 0)


def structure(name):
    """All zeros."""
    return ctypes.create_string_buffer(
        call("sizeof_" + name, result=c_size_t))


def transaction(guard):
    t = structure("transaction")
    call("transaction", t, guard, result=None)
    return t


def transactions():
    """These always complete, sections or not."""
    guard = percpu(16)

    def commit(name, *arguments):
        t = transaction(guard)
        while True:
            if call("begin", t) < 0:
                wrong.append(name + ": begin")
                return
            got = call(name, t, *arguments)
            if got == COMMITTED:
                return
            expect(name, got, RESTARTED)

    for bits in 32, 64:
        v, kind = word(bits, 0)
        commit(f"commit_{bits}", at(v), kind(9))
        expect(f"commit_{bits}", list(v), [7, 9, 7])
        block, v = (ctypes.c_char * 5)(), word(bits, 0)[0]
        commit(f"commit_block_{bits}", block, (ctypes.c_char * 5)(*b"hello"),
               c_size_t(5), at(v), kind(9))
        expect(f"commit_block_{bits}", (block.raw, list(v)),
               (b"hello", [7, 9, 7]))
        for bits2 in 32, 64:
            v, (v2, kind2) = word(bits, 0)[0], word(bits2, 0)
            commit(f"commit_then_{bits2}_{bits}", at(v2), kind2(4), at(v),
                   kind(9))
            expect("commit_then", (list(v2), list(v)), ([7, 4, 7], [7, 9, 7]))
    t = transaction(guard)
    expect("begin", call("begin", t) >= 0, True)
    call("cancel", t, result=None)

    # The holder has the guard to itself, in Python's code as well.
    seen = []
    drain_t = ctypes.CFUNCTYPE(None, c_uint, c_void_p)

    def drain(cpu, arg):
        seen.append((cpu, arg))
        if cpu == HERE:
            expect("begin, held", call("begin", transaction(guard)),
                   -errno.EDEADLK)
    got = call("guard_drain", guard, drain_t(drain), c_void_p(77))
    expect("guard_drain", got, 0)
    expect("guard_drain", seen,
           [(cpu, 77) for cpu in range(len(copies(guard, c_size_t)))])
    hold = structure("hold")
    expect("guard_lock", call("guard_lock", guard, c_uint(0), hold), 0)
    expect("guard_lock, held", call("guard_lock", guard, c_uint(0),
                                    structure("hold")), -errno.EDEADLK)
    call("guard_unlock", hold, result=None)


def undisturbed():
    """One store in many is undisturbed, if it can be told at all."""
    v = c_size_t(0)
    for _ in range(1000):
        event = c_uint32(call("event", result=c_uint32))
        got = call("store_undisturbed", event, byref(v), c_size_t(9))
        if got != RESTARTED:
            break
    results[got] = results.get(got, 0) + 1
    expect("store_undisturbed", v.value, 9 if got == COMMITTED else 0)


def structures():
    counter, counters = structure("counter"), structure("counters")
    init = function("rseq_counter_init", c_int, c_void_p, c_size_t)
    total = function("rseq_counter_sum", c_ssize_t, c_void_p, c_size_t)
    expect("counter_init", init(counter, 2), 0)

    def count():
        for _ in range(1000):
            call("counter_add", counter, c_size_t(1), c_ssize_t(-3),
                 result=None)
            call("counters_add", counters, c_size_t(700), c_ssize_t(2),
                 result=None)
    threads = [threading.Thread(target=count) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect("counter_add", (total(counter, 0), total(counter, 1)), (0, -12000))
    total = function("rseq_counters_sum", c_ssize_t, c_void_p, c_size_t)
    expect("counters_add", total(counters, 700), 8000)

    histogram = structure("histogram")
    buckets = (c_uint64 * 496)()
    for value in 3, 2**63, 2**63:
        call("histogram_add", histogram, c_uint64(value), result=None)
    function("rseq_histogram_read", c_uint64, c_void_p, c_void_p)(histogram,
                                                                 buckets)
    high = call("histogram_bucket", c_uint64(2**63), result=c_uint)
    expect("histogram_add", (buckets[3], buckets[high], sum(buckets)),
           (1, 2, 3))

    given, back = [], []
    refill_t = ctypes.CFUNCTYPE(c_size_t, c_void_p, POINTER(c_void_p), c_size_t)
    drain_t = ctypes.CFUNCTYPE(None, c_void_p, POINTER(c_void_p), c_size_t)

    def refill(arg, objects, n):
        for i in range(n):
            given.append(0x1000 + 16 * len(given))
            objects[i] = given[-1]
        return n

    def drain(arg, objects, n):
        back.extend(objects[i] for i in range(n))
    cache, callbacks = structure("cache"), (refill_t(refill), drain_t(drain))
    init = function("rseq_cache_init", c_int, c_void_p, c_size_t, refill_t,
                    drain_t, c_void_p)
    expect("cache_init", init(cache, 8, *callbacks, None), 0)
    mine = [call("cache_get", cache, result=c_void_p) for _ in range(20)]
    for object in mine:
        expect("cache_put", call("cache_put", cache, c_void_p(object)), 0)
    expect("cache_get", (len(set(mine)), set(mine) <= set(given)), (20, True))
    function("rseq_cache_fini", None, c_void_p)(cache)
    expect("cache_put", sorted(back), sorted(given))

    pool = structure("pool")
    init = function("rseq_pool_init", c_int, c_void_p, c_size_t, c_size_t,
                    c_size_t)
    owns = function("rseq_pool_owns", c_int, c_void_p, c_void_p)
    expect("pool_init", init(pool, 100, 0, 0), 0)
    object = c_void_p(call("pool_alloc", pool, result=c_void_p))
    expect("pool_owns", (owns(pool, object), owns(pool, pool)), (1, 0))
    call("pool_free", pool, object, result=None)
    function("rseq_pool_fini", None, c_void_p)(pool)

    readers = structure("readers")
    init = function("rseq_readers_init", c_int, c_void_p)
    expect("readers_init", init(readers), 0)
    reading = [c_uint(call("readers_enter", readers, result=c_uint))
               for _ in range(2)]
    for one in reading:
        expect("readers_wait, in", call("readers_wait", readers, c_int(0)),
               -errno.ETIMEDOUT)
        call("readers_leave", readers, one, result=None)
    expect("readers_wait", call("readers_wait", readers, c_int(-1)), 0)
    function("rseq_readers_fini", None, c_void_p)(readers)

    refcount = structure("refcount")
    init = function("rseq_refcount_init", c_int, c_void_p)
    expect("refcount_init", init(refcount), 0)
    for _ in range(2):
        call("refcount_get", refcount, result=None)
    expect("refcount", [call("refcount_put", refcount),
                        call("refcount_kill", refcount),
                        call("refcount_kill", refcount),
                        call("refcount_put", refcount)],
           [0, 0, -errno.EINVAL, 1])

    for name in "guard", "cache_stats", "pool_stats", "ring", "ring_stats", \
            "stats", "info", "misuse", "reading":
        expect(name, len(structure(name)) > 0, True)


def numbers():
    usable = call("usable")
    expect("this_cpu", call("this_cpu") >= 0, bool(usable))
    expect("cpu_start", call("cpu_start", result=c_uint) <
           function("rseq_cpu_limit", c_uint)(), True)
    ids = function("rseq_feature_size", c_uint)() >= 28 and usable
    for name in "this_cid", "node_id":
        expect(name, call(name) >= 0, bool(ids))
    area = call("self", result=c_void_p)
    expect("self", area is not None, True)
    expect("offset", call("offset", result=c_ssize_t) != 0, True)
    print(f"usable={usable}\nids={int(bool(ids))}")


def everything():
    # On one cpu, for what looks at a cpu's own copy.
    os.sched_setaffinity(0, {HERE})
    ctypes.set_errno(12345)
    numbers()
    for where in "cpu", "cid":
        for bits in 32, 64:
            words_by_id(where, bits)
        for release in "", "_release":
            head = c_size_t(0)
            lists(f"list_push{release}_{where}", f"list_pop_{where}",
                  f"list_pop_all_{where}", lambda: head.value, byref(head),
                  where=where)
        stacks(where)
        words_percpu(where)
        lists_percpu(where)
    transactions()
    undisturbed()
    structures()
    call("prepare_unload", result=None)
    expect("errno", ctypes.get_errno(), 12345)


def drained():
    """Transactions of many threads, and drains of all cpus meanwhile; in each
    body and with each guard held, another thread has its turn in Python.  No
    update is lost, and no two threads wait for each other."""
    THREADS, EACH = 4, 50
    sys.setswitchinterval(1e-5)
    p = percpu(16)      # a guard, a count
    count = copies(c_void_p(p.value + 8), c_uint64)
    taken, drains = 0, 0
    drain_t = ctypes.CFUNCTYPE(None, c_uint, c_void_p)

    def add():
        t = transaction(p)
        for _ in range(EACH):
            while True:
                cpu = call("begin", t)
                if cpu < 0:
                    wrong.append("begin")
                    return
                n = count[cpu][0]
                time.sleep(0)   # another thread's turn
                if call("commit_64", t, count[cpu], c_uint64(n + 1)) == 0:
                    break

    def take(cpu, arg):
        nonlocal taken
        n = count[cpu][0]
        time.sleep(0)
        taken += n
        count[cpu][0] = 0
    threads = [threading.Thread(target=add, daemon=True)
               for _ in range(THREADS)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        expect("guard_drain", call("guard_drain", p, drain_t(take), NULL), 0)
        drains += 1
        time.sleep(0.001)
    for t in threads:
        t.join()
    expect("guard_drain", call("guard_drain", p, drain_t(take), NULL), 0)
    expect("taken", taken, THREADS * EACH)
    print(f"drains={drains}")


{"everything": everything, "drained": drained}[sys.argv[1]]()
for problem in wrong:
    print("wrong:", problem)
print(f"wrong={len(wrong)}")
for name, result in [("committed", COMMITTED), ("different", DIFFERENT),
                     ("unavailable", UNAVAILABLE)]:
    print(f"{name}={results.get(result, 0)}")
print("called", *sorted(called))
