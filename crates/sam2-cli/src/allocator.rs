//! The system's allocator; when it has no more memory, the program ends in one line, as after other failures.
//! The standard library would abort, with several lines of its own
//! (docs/decisions/0043-a-refused-allocation-ends-in-one-line.md).

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// The allocator of this program.
pub struct Allocator;

/// Exit code of a failure.
static FAILURE: AtomicU8 = AtomicU8::new(1);
/// Whether a refusal is an answer that is waited for.
static PROBING: AtomicBool = AtomicBool::new(false);
/// Whether the program is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Sets the exit code for the case that memory runs out.
pub fn fail_with(code: u8) {
    FAILURE.store(code, Ordering::Relaxed);
}

/// Whether this many bytes can be had.
pub fn has(bytes: usize) -> bool {
    PROBING.store(true, Ordering::Relaxed);
    let reserved = Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
    PROBING.store(false, Ordering::Relaxed);
    reserved
}

/// Ends the program because `bytes` more were refused. Nothing here allocates.
#[cold]
fn refused(bytes: usize) {
    if PROBING.load(Ordering::Relaxed) || cfg!(not(unix)) {
        return;
    }
    let code = i32::from(FAILURE.load(Ordering::Relaxed));
    // Another thread, or this one once more: the first is ending the program.
    if ENDING.swap(true, Ordering::Relaxed) {
        std::thread::sleep(std::time::Duration::from_secs(5));
        exit(code);
    }
    sam2_media::files::remove_temporary_if_free();
    let mut line = [0; 160];
    let mut rest = &mut line[..];
    // A line that is longer is cut.
    let _ = writeln!(
        rest,
        "error: not enough memory: the system refuses {bytes} bytes more; smaller pictures or fewer objects \
         need less"
    );
    let length = 160 - rest.len();
    let _ = std::io::stderr().write_all(&line[..length]);
    exit(code);
}

/// Ends the process at once: other threads may hold locks.
#[cfg(unix)]
fn exit(code: i32) {
    signal_hook::low_level::exit(code);
}

#[cfg(not(unix))]
fn exit(_: i32) {}

/// Passes on what the system returned.
fn checked(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if pointer.is_null() {
        refused(bytes);
    }
    pointer
}

// SAFETY: every method passes its arguments to `System`, which has the same contract, and returns its answer
// unchanged; `refused` does not allocate and does not unwind.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size above zero, as `System` requires.
        checked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size above zero, as `System` requires.
        checked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer is from `System` with this layout: this allocator returns no other.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the pointer is from `System` with this layout, and the caller's new size is above zero.
        checked(unsafe { System.realloc(pointer, layout, bytes) }, bytes)
    }
}
