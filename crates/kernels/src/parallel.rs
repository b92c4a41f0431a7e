//! The only call sites of rayon: disjoint pieces of an output, and scratch memory per thread.
//!
//! Everything runs in rayon's current pool (`ThreadPool::install` or the global one). Every piece can be
//! stolen by another thread (`with_max_len(1)`). By default rayon splits into a few large jobs, and a core
//! that is slower for a while delays the others.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::LocalKey;

use half::f16;
use rayon::prelude::*;

/// Number of threads of the current pool.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Calls `f(index, chunk)` for every `chunk_len` elements of `out` (the last chunk may be shorter), in
/// parallel.
///
/// ```
/// let mut out = [0; 5];
/// kernels::parallel::for_each_chunk_mut(&mut out, 2, |i, chunk| chunk.fill(i));
/// assert_eq!(out, [0, 0, 1, 1, 2]);
/// ```
pub fn for_each_chunk_mut<T: Send>(
    out: &mut [T],
    chunk_len: usize,
    f: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    if out.len() <= chunk_len {
        if !out.is_empty() {
            f(0, out);
        }
        return;
    }
    out.par_chunks_mut(chunk_len).enumerate().with_max_len(1).for_each(|(i, chunk)| f(i, chunk));
}

/// Two outputs cut in step: `f(index, chunk of a, chunk of b)`.
///
/// # Panics
/// If the two do not have the same number of chunks.
pub fn for_each_chunk_mut2<T: Send, U: Send>(
    a: &mut [T],
    a_chunk: usize,
    b: &mut [U],
    b_chunk: usize,
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
) {
    assert_eq!(
        a.len().div_ceil(a_chunk),
        b.len().div_ceil(b_chunk),
        "outputs cut into different numbers of chunks"
    );
    let chunks = a.par_chunks_mut(a_chunk).zip(b.par_chunks_mut(b_chunk)).enumerate().with_max_len(1);
    chunks.for_each(|(i, (a, b))| f(i, a, b));
}

/// Calls `f(index, item)` for every item, in parallel.
pub fn for_each_mut<T: Send>(items: &mut [T], f: impl Fn(usize, &mut T) + Sync + Send) {
    items.par_iter_mut().enumerate().with_max_len(1).for_each(|(i, item)| f(i, item));
}

/// `f(0)`, … `f(count − 1)` in this order, computed in parallel.
///
/// ```
/// assert_eq!(kernels::parallel::map(4, |i| i * i), [0, 1, 4, 9]);
/// ```
pub fn map<R: Send>(count: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    (0..count).into_par_iter().with_max_len(1).map(f).collect()
}

/// [`map`] for a few large jobs that are parallel inside as well: every thread takes the next job that has
/// not started, so at most as many are in progress as there are threads.
pub fn map_large<R: Send>(count: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < count);
    let lane = |_| std::iter::from_fn(take).map(|i| (i, f(i))).collect::<Vec<_>>();
    let lanes: Vec<Vec<(usize, R)>> =
        (0..threads().min(count)).into_par_iter().with_max_len(1).map(lane).collect();
    let mut results: Vec<(usize, R)> = lanes.into_iter().flatten().collect();
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The results of both, computed in parallel.
pub fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    rayon::join(a, b)
}

/// Runs `f` on every thread of the pool and collects the results.
pub fn broadcast<R: Send>(f: impl Fn() -> R + Sync) -> Vec<R> {
    rayon::broadcast(|_| f())
}

/// Rows per task: enough tasks to balance the threads, as many for each, at most `max` rows; few rows are a
/// multiple of `multiple`.
///
/// The division never changes a result, only which thread computes it.
///
/// ```
/// # use kernels::parallel::{rows_per_task, threads};
/// assert_eq!(rows_per_task(8000 * threads(), 9, 100), 100);
/// assert_eq!(rows_per_task(5, 9, 100), 9);
/// ```
pub fn rows_per_task(rows: usize, multiple: usize, max: usize) -> usize {
    let threads = threads();
    let tasks = rows.div_ceil(max).max(4 * threads).next_multiple_of(threads);
    let even = rows.div_ceil(tasks);
    // From here on a smaller last tile costs less than tasks of different size.
    if even >= 8 * multiple {
        return even;
    }
    even.next_multiple_of(multiple).min(max.next_multiple_of(multiple)).max(multiple)
}

thread_local! {
    static FLOATS: Pool<f32> = const { RefCell::new(Vec::new()) };
    static BYTES: Pool<u8> = const { RefCell::new(Vec::new()) };
    static INTEGERS: Pool<i16> = const { RefCell::new(Vec::new()) };
    static HALVES: Pool<f16> = const { RefCell::new(Vec::new()) };
}

type Pool<T> = RefCell<Vec<Vec<T>>>;

/// Calls `f` with `len` floats of unspecified content, aligned to a cache line. The thread reuses the memory.
pub fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    lend(&FLOATS, len, f)
}

/// As [`with_scratch`], bytes.
pub fn with_scratch_u8<R>(len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    lend(&BYTES, len, f)
}

/// As [`with_scratch`], 16-bit integers.
pub fn with_scratch_i16<R>(len: usize, f: impl FnOnce(&mut [i16]) -> R) -> R {
    lend(&INTEGERS, len, f)
}

/// As [`with_scratch`], numbers in half precision.
pub fn with_scratch_f16<R>(len: usize, f: impl FnOnce(&mut [f16]) -> R) -> R {
    lend(&HALVES, len, f)
}

fn lend<T: Copy + Default, R>(
    pool: &'static LocalKey<Pool<T>>,
    len: usize,
    f: impl FnOnce(&mut [T]) -> R,
) -> R {
    const LINE: usize = 64;
    // Removed from its slot while in use: a nested call, or a task stolen meanwhile, gets another buffer.
    let mut buffer = pool.with_borrow_mut(Vec::pop).unwrap_or_default();
    let needed = len + LINE / size_of::<T>();
    if buffer.len() < needed {
        // Not grown in place: its content need not be copied, and growth by doubling would keep memory for
        // good.
        drop(std::mem::take(&mut buffer));
        buffer = vec![T::default(); needed];
    }
    let start = buffer.as_ptr().align_offset(LINE);
    let result = f(&mut buffer[start..start + len]);
    pool.with_borrow_mut(|pool| pool.push(buffer));
    result
}
