// SPDX-License-Identifier: MIT
//! Lines and bytes of a text, and its longest line, counted by threads.
//! Usage: lines FILE
//! Built: rustc --edition 2021 -O lines.rs -l rseq-ffi -l rseq
//!
//! A counter, which always completes, and a transaction, whose body is plain
//! Rust, on data of each CPU; collected through a callback: librseq-ffi(7).

use std::os::raw::{c_int, c_uint, c_void};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{env, fs, thread};

extern "C" {
    fn rseq_counter_init(c: *mut c_void, count: usize) -> c_int;
    fn rseq_counter_sum(c: *const c_void, i: usize) -> isize;
    fn rseq_counter_fini(c: *mut c_void);
    fn rseq_percpu_alloc(size: usize, align: usize) -> *mut c_void;
    fn rseq_ffi_sizeof_counter() -> usize;
    fn rseq_ffi_sizeof_transaction() -> usize;
    fn rseq_ffi_counter_add(c: *const c_void, i: usize, n: isize);
    fn rseq_ffi_percpu_ptr(p: *const c_void, cpu: c_uint) -> *mut c_void;
    fn rseq_ffi_transaction(t: *mut c_void, guard: *mut c_void);
    fn rseq_ffi_begin(t: *mut c_void) -> c_int;
    fn rseq_ffi_cancel(t: *mut c_void);
    fn rseq_ffi_commit_64(t: *mut c_void, v: *mut u64, newv: u64) -> c_int;
    fn rseq_ffi_guard_drain(guard: *mut c_void, drain: extern "C" fn(c_uint, *mut c_void),
                            arg: *mut c_void) -> c_int;
}

/// Zeroed memory for a structure of which only librseq knows the fields.
fn structure(size: usize) -> Vec<u64> {
    vec![0; (size + 7) / 8]
}

struct Counters(Vec<u64>);

impl Counters {
    fn new(count: usize) -> Option<Self> {
        let mut c = structure(unsafe { rseq_ffi_sizeof_counter() });
        let ret = unsafe { rseq_counter_init(c.as_mut_ptr().cast(), count) };
        (ret == 0).then(|| Counters(c))
    }
    fn add(&self, i: usize, n: usize) {
        unsafe { rseq_ffi_counter_add(self.0.as_ptr().cast(), i, n as isize) }
    }
    fn sum(&self, i: usize) -> isize {
        unsafe { rseq_counter_sum(self.0.as_ptr().cast(), i) }
    }
}

/// What each CPU has in per-CPU memory: a guard, and the word it stands for.
#[repr(C)]
struct Slot {
    guard: usize,
    longest: AtomicU64,
}

/// A per-CPU pointer names all copies, and is never dereferenced.
#[derive(Clone, Copy)]
struct PerCpu(*mut Slot);
unsafe impl Sync for PerCpu {}

impl PerCpu {
    fn copy(&self, cpu: c_uint) -> *mut Slot {
        unsafe { rseq_ffi_percpu_ptr(self.0.cast(), cpu).cast() }
    }
    /// The body may run again, and stores nothing itself.
    unsafe fn record(&self, t: *mut c_void, length: u64) {
        rseq_ffi_transaction(t, self.0.cast());
        loop {
            let cpu = rseq_ffi_begin(t);
            assert!(cpu >= 0, "rseq_begin: error {}", -cpu);
            let longest = &(*self.copy(cpu as c_uint)).longest;
            if longest.load(Relaxed) >= length {
                rseq_ffi_cancel(t);
                return;
            }
            let v = longest as *const AtomicU64 as *mut u64;
            if rseq_ffi_commit_64(t, v, length) == 0 {
                return;
            }
        }
    }
}

/// Called with the guard of that CPU held: it must not panic.
extern "C" fn collect(cpu: c_uint, arg: *mut c_void) {
    let (slots, longest) = unsafe { &mut *(arg as *mut (PerCpu, u64)) };
    let theirs = unsafe { &(*slots.copy(cpu)).longest };
    *longest = (*longest).max(theirs.load(Relaxed));
}

fn main() {
    let text = fs::read(env::args().nth(1).expect("usage: lines FILE"));
    let text = text.expect("the file cannot be read");
    let mut counters = Counters::new(2).expect("no memory");
    let slots = PerCpu(unsafe { rseq_percpu_alloc(16, 64) }.cast());
    assert!(!slots.0.is_null(), "no memory");
    let lines: Vec<&[u8]> = text.split_inclusive(|&c| c == b'\n').collect();
    let work = &|part: &[&[u8]]| {
        let mut t = structure(unsafe { rseq_ffi_sizeof_transaction() });
        for line in part {
            counters.add(0, 1);
            counters.add(1, line.len());
            unsafe { slots.record(t.as_mut_ptr().cast(), line.len() as u64) }
        }
    };
    thread::scope(|s| {
        for part in lines.chunks(lines.len() / 8 + 1) {
            s.spawn(move || work(part));
        }
    });
    let mut found = (slots, 0u64);
    let arg = &mut found as *mut _ as *mut c_void;
    let ret = unsafe { rseq_ffi_guard_drain(slots.0.cast(), collect, arg) };
    assert!(ret == 0, "rseq_guard_drain: error {}", -ret);
    let (n, bytes) = (counters.sum(0), counters.sum(1));
    println!("{} lines, {} bytes, longest {}", n, bytes, found.1);
    unsafe { rseq_counter_fini(counters.0.as_mut_ptr().cast()) }
}
