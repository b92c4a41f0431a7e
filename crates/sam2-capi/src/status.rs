//! The status of a call, this thread's last error, and the version.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::failure::Failure;
use crate::pool;
use crate::types::{SAM2_ABI_VERSION, SAM2_OK, Status};

const EMPTY: &CStr = c"";

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(text) => text,
    Err(_) => panic!("a version without NUL"),
};

thread_local! {
    /// The line of this thread's last failure; empty after a success.
    static LAST: RefCell<CString> = RefCell::default();
}

/// Runs the body of an entry point. A panic does not cross into C.
pub fn enter(work: impl FnOnce() -> Result<(), Failure>) -> Status {
    let result = catch_unwind(AssertUnwindSafe(work));
    let failure = match result.map_err(|panic| Failure::panic(&*panic)) {
        Ok(Ok(())) => None,
        Ok(Err(failure)) | Err(failure) => Some(failure),
    };
    let (status, text) = match failure {
        None => (SAM2_OK, CString::default()),
        Some(Failure { status, text }) => (status, CString::new(text.replace('\0', " ")).unwrap_or_default()),
    };
    // Without a line where the thread is ending and its variables are gone.
    let _ = LAST.try_with(|last| last.replace(text));
    status
}

/// Runs the body of an entry point that cannot fail and returns `otherwise` after a panic.
pub fn enter_or<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

/// Version of the library, such as "0.1.0". Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn sam2_version() -> *const c_char {
    VERSION.as_ptr()
}

/// SAM2_ABI_VERSION of the library that is loaded: compare with that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn sam2_abi_version() -> u32 {
    SAM2_ABI_VERSION
}

/// Why this thread's last call failed, as one line of UTF-8: what, why, what to do. Empty after a success.
/// Valid until this thread's next call of a function that returns a sam2_status.
#[unsafe(no_mangle)]
pub extern "C" fn sam2_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(EMPTY.as_ptr())
}

/// Number of threads of all work that starts from now on, at most 1024; 0, the default: one per core. Results
/// are the same bits for any number.
#[unsafe(no_mangle)]
pub extern "C" fn sam2_set_threads(n: i32) -> Status {
    enter(|| pool::set_threads(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{SAM2_BUSY, SAM2_INTERNAL};

    fn last() -> String {
        // SAFETY: the line of this thread, which is read before the next call.
        unsafe { CStr::from_ptr(sam2_last_error()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_and_a_line() {
        assert_eq!(enter(|| panic!("that {}", 1)), SAM2_INTERNAL);
        assert_eq!(last(), "internal error: that 1");
        assert_eq!(enter(|| Err(Failure::busy())), SAM2_BUSY);
        assert!(last().contains("another thread"));
        std::thread::spawn(|| assert_eq!(last(), "")).join().expect("another thread has its own line");
        assert_eq!(enter(|| Ok(())), SAM2_OK);
        assert_eq!(last(), "");
        assert_eq!(enter_or(7, || panic!("none")), 7);
    }
}
