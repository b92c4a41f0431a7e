//! The threads that the work runs in: a pool of the library's own, which `fork` does not break.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::failure::Failure;

/// A pool and the process that its threads run in.
struct Pool {
    process: u32,
    pool: Arc<ThreadPool>,
}

static POOL: Mutex<Option<Pool>> = Mutex::new(None);
/// The number of threads that was asked for; 0 for one per core.
static THREADS: AtomicUsize = AtomicUsize::new(0);
const MOST: usize = 1024;

/// Number of threads of the work that starts from now on; 0 for one per core.
pub fn set_threads(n: i32) -> Result<(), Failure> {
    let wanted = usize::try_from(n).ok().filter(|n| *n <= MOST);
    let wanted = wanted.ok_or_else(|| Failure::argument(format!("{n} threads; 0 to {MOST} can be set")))?;
    THREADS.store(wanted, Ordering::Relaxed);
    let old = lock().take();
    forget_if_forked(old);
    Ok(())
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

fn current() -> Result<Arc<ThreadPool>, Failure> {
    let mut slot = lock();
    if let Some(Pool { process, pool }) = &*slot
        && *process == std::process::id()
    {
        return Ok(Arc::clone(pool));
    }
    // 0 is rayon's word for one per core too.
    let built = ThreadPoolBuilder::new().num_threads(THREADS.load(Ordering::Relaxed)).build();
    let pool = Arc::new(built.map_err(|error| Failure::internal(&format!("cannot start threads: {error}")))?);
    forget_if_forked(slot.replace(Pool { process: std::process::id(), pool: Arc::clone(&pool) }));
    Ok(pool)
}

/// Runs `work` in the pool. A panic of it goes on in the caller.
pub fn run<T: Send>(work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    current()?.install(work)
}
