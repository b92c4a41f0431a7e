//! The threads that the work runs in: a pool of this module's own, which `fork` does not break.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// A pool and the process that its threads run in.
struct Pool {
    process: u32,
    pool: Arc<ThreadPool>,
}

static POOL: Mutex<Option<Pool>> = Mutex::new(None);
/// Number of threads that was asked for; 0 for one per core.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Longest time between two looks at Ctrl-C.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// What a search that was interrupted unwinds with.
struct Interrupted;

/// Number of threads of the work that starts from now on; 0 for one per core.
#[pyfunction]
pub fn set_num_threads(n: usize) -> PyResult<()> {
    let most = 1024;
    if n > most {
        return Err(PyValueError::new_err(format!("{n} threads; at most {most} are started")));
    }
    THREADS.store(n, Ordering::Relaxed);
    let old = lock().take();
    forget_if_forked(old);
    Ok(())
}

/// Number of threads of the work that starts from now on.
#[pyfunction]
pub fn get_num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

fn lock() -> MutexGuard<'static, Option<Pool>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The threads of a parent process do not exist in its forked child, so the child must not wait for their
/// end.
fn forget_if_forked(pool: Option<Pool>) {
    if let Some(pool) = pool
        && pool.process != std::process::id()
    {
        std::mem::forget(pool);
    }
}

fn current() -> PyResult<Arc<ThreadPool>> {
    let mut slot = lock();
    if let Some(Pool { process, pool }) = &*slot
        && *process == std::process::id()
    {
        return Ok(Arc::clone(pool));
    }
    let built = ThreadPoolBuilder::new().num_threads(get_num_threads()).build();
    let pool = built.map_err(|error| PyRuntimeError::new_err(format!("cannot start threads: {error}")))?;
    let pool = Arc::new(pool);
    forget_if_forked(slot.replace(Pool { process: std::process::id(), pool: Arc::clone(&pool) }));
    Ok(pool)
}

/// Runs `work` in the pool without the GIL.
pub fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    let pool = current()?;
    py.detach(|| catch_unwind(AssertUnwindSafe(|| pool.install(work)))).map_err(|panic| internal(&*panic))
}

/// As [`run`], for long work that asks `proceed` now and then. It ends there after Ctrl-C. Signals reach only
/// Python's main thread, so the work has a thread of its own meanwhile.
pub fn run_interruptible<T: Send>(py: Python<'_>, work: impl FnOnce(&dyn Fn()) -> T + Send) -> PyResult<T> {
    let pool = current()?;
    let stop = AtomicBool::new(false);
    let guarded = || {
        pool.install(|| {
            work(&|| {
                if stop.load(Ordering::Relaxed) {
                    resume_unwind(Box::new(Interrupted));
                }
            })
        })
    };
    let mut interrupt = None;
    let result = std::thread::scope(|scope| {
        let worker = scope.spawn(|| catch_unwind(AssertUnwindSafe(guarded)));
        let mut wait = Duration::from_millis(1);
        while !worker.is_finished() {
            py.detach(|| std::thread::sleep(wait));
            wait = (wait * 2).min(LONGEST_WAIT);
            if interrupt.is_none()
                && let Err(error) = py.check_signals()
            {
                stop.store(true, Ordering::Relaxed);
                interrupt = Some(error);
            }
        }
        worker.join()
    });
    if let Some(error) = interrupt {
        return Err(error);
    }
    result.and_then(|inner| inner).map_err(|panic| internal(&*panic))
}

/// A panic as an exception.
fn internal(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    PyRuntimeError::new_err(format!("internal error: {text}; this object cannot be used any more"))
}

/// Locks the state of an object. A panic while it was locked leaves it in an unknown state.
pub fn state<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, crate::error::Fault> {
    mutex.lock().map_err(|_| crate::error::Fault::Unusable)
}
