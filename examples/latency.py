#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads files with many threads; how many bytes, and how long a file took.

usage: latency.py FILE...

Counters and a histogram of each CPU, in librseq, by ctypes: see
librseq-ffi(7).  Python releases its lock while it reads and hashes, so that
the threads do run at once.
"""
import concurrent.futures
import ctypes
import hashlib
import sys
import time
from ctypes import c_char_p, c_double, c_long, c_size_t, c_ssize_t, c_uint64, \
    c_void_p

# Its functions, and those of the librseq that it is linked to.
rseq = ctypes.CDLL("librseq-ffi.so.1")


def function(name, result, *arguments):
    f = rseq[name]
    f.restype, f.argtypes = result, arguments
    return f


make = function("rseq_counters_make", c_long, c_void_p, c_char_p)
add = function("rseq_ffi_counters_add", None, c_void_p, c_size_t, c_ssize_t)
total = function("rseq_counters_sum", c_ssize_t, c_void_p, c_size_t)
record = function("rseq_ffi_histogram_add", None, c_void_p, c_uint64)
read = function("rseq_histogram_read", c_uint64, c_void_p, c_void_p)
quantile = function("rseq_histogram_quantile", c_uint64, c_void_p, c_double)


def structure(name):
    """All zeros is an empty one; how long it is, the library says."""
    size = function("rseq_ffi_sizeof_" + name, c_size_t)
    return ctypes.create_string_buffer(size())


counters, latencies = structure("counters"), structure("histogram")
FILES, BYTES = make(counters, b"files"), make(counters, b"bytes")


def digest(name):
    start = time.monotonic_ns()
    with open(name, "rb") as file:
        text = file.read()
    hashlib.sha256(text).digest()
    record(latencies, time.monotonic_ns() - start)
    add(counters, FILES, 1)
    add(counters, BYTES, len(text))


def main():
    if FILES < 0 or BYTES < 0:
        sys.exit("no memory for counters")
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for _ in threads.map(digest, sys.argv[1:]):
            pass
    counts = (c_uint64 * 496)()     # RSEQ_HISTOGRAM_BUCKETS
    timed = read(latencies, counts)
    print(f"{total(counters, FILES)} files, {total(counters, BYTES)} bytes")
    print(f"{timed} timed: half of them within {quantile(counts, 0.5)} ns, "
          f"99 % within {quantile(counts, 0.99)} ns")


main()
