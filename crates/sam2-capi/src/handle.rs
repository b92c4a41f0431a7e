//! Handles that one thread uses at a time.

use std::sync::{Mutex, TryLockError};

use crate::failure::Failure;
use crate::pool;

/// The state behind a handle.
#[derive(Debug)]
pub struct Handle<T>(Mutex<T>);

impl<T: Send> Handle<T> {
    pub fn new(state: T) -> Self {
        Self(Mutex::new(state))
    }

    /// Runs `work` on the state in the library's threads. Fails at once where another thread is in a call,
    /// and for ever after a panic of `work`, which leaves an unknown state.
    pub fn with<R: Send>(
        &self,
        work: impl FnOnce(&mut T) -> Result<R, Failure> + Send,
    ) -> Result<R, Failure> {
        let mut guard = self.0.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Failure::busy(),
            TryLockError::Poisoned(_) => Failure::poisoned(),
        })?;
        let state = &mut *guard;
        pool::run(move || work(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::enter;
    use crate::types::{SAM2_BUSY, SAM2_INTERNAL, SAM2_OK};

    #[test]
    fn a_handle_is_busy_for_a_second_caller() {
        let handle = Handle::new(0);
        let status = handle.with(|_| Ok(enter(|| handle.with(|_| Ok(()))))).expect("the first caller");
        assert_eq!(status, SAM2_BUSY);
        assert_eq!(enter(|| handle.with(|_| Ok(()))), SAM2_OK);
    }

    #[test]
    fn a_panic_leaves_the_handle_unusable() {
        let handle = Handle::new(0);
        assert_eq!(enter(|| handle.with(|_| -> Result<(), _> { panic!("a bug") })), SAM2_INTERNAL);
        let failure = handle.with(|_| Ok(())).expect_err("unusable");
        assert_eq!(failure.status, SAM2_INTERNAL);
        assert!(failure.text.contains("make a new one"), "{}", failure.text);
    }
}
