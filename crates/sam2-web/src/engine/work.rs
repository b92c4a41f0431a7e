//! How a job runs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rayon::ThreadPool;

use crate::app::App;
use crate::error::ApiError;

/// Threads for clicks.
pub struct Pools {
    pub own: ThreadPool,
    pub big: Arc<ThreadPool>,
}

impl Pools {
    /// Runs in all threads, or in one of its own while a clip is tracked. The results are the same bits.
    pub fn install<T: Send>(&self, app: &App, work: impl FnOnce() -> T + Send) -> T {
        if app.is_tracking() { self.own.install(work) } else { self.big.install(work) }
    }
}

/// Runs a job; a panic, which is a bug, ends the job and not the thread.
pub fn guarded<T>(job: impl FnOnce() -> Result<T, ApiError>) -> Result<T, ApiError> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|panic| Err(ApiError::internal(words(&*panic))))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let what = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("unknown cause");
    format!("internal error: {what}; this is a bug in sam2, please report it")
}
