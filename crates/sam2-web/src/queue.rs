//! A bounded queue between the server's thread and a thread of the engine.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::ApiError;
use crate::limits;

/// Jobs in the order of their kind, then of their arrival.
#[derive(Debug)]
pub struct Queue<T> {
    jobs: Mutex<Jobs<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Jobs<T> {
    /// By urgency.
    waiting: [VecDeque<T>; 2],
    closed: bool,
}

/// The queue was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Jobs that go first, and those that wait for them.
#[derive(Clone, Copy, Debug)]
pub enum Urgency {
    Now = 0,
    Later = 1,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let jobs = Jobs { waiting: Default::default(), closed: false };
        Self { jobs: Mutex::new(jobs), changed: Condvar::new() }
    }
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, Jobs<T>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job.
    ///
    /// # Errors
    /// If too many are waiting, or the engine has ended.
    pub fn push(&self, urgency: Urgency, job: T) -> Result<(), ApiError> {
        let mut jobs = self.lock();
        let waiting: usize = jobs.waiting.iter().map(VecDeque::len).sum();
        if waiting >= limits::QUEUE || jobs.closed {
            return Err(ApiError::full());
        }
        jobs.waiting[urgency as usize].push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes out the waiting jobs for which `matches` holds.
    pub fn take(&self, matches: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for list in &mut self.lock().waiting {
            let (out, kept): (VecDeque<T>, VecDeque<T>) =
                std::mem::take(list).into_iter().partition(&matches);
            *list = kept;
            taken.extend(out);
        }
        taken
    }

    /// Whether a waiting job matches.
    pub fn any(&self, matches: impl Fn(&T) -> bool) -> bool {
        self.lock().waiting.iter().flatten().any(matches)
    }

    /// The next job, if one is waiting.
    pub fn try_pop(&self) -> Option<T> {
        let mut jobs = self.lock();
        let Jobs { waiting, .. } = &mut *jobs;
        waiting.iter_mut().find_map(VecDeque::pop_front)
    }

    /// Waits for the next job so long.
    ///
    /// # Errors
    /// When the queue was closed.
    pub fn pop_within(&self, time: Duration) -> Result<Option<T>, Closed> {
        let mut jobs = self.lock();
        if !jobs.closed && jobs.waiting.iter().all(VecDeque::is_empty) && !time.is_zero() {
            let waited = self.changed.wait_timeout(jobs, time).unwrap_or_else(PoisonError::into_inner);
            jobs = waited.0;
        }
        if jobs.closed {
            return Err(Closed);
        }
        Ok(jobs.waiting.iter_mut().find_map(VecDeque::pop_front))
    }

    /// Waits for the next job; `None` when the queue was closed.
    pub fn pop(&self) -> Option<T> {
        let mut jobs = self.lock();
        loop {
            if jobs.closed {
                return None;
            }
            if let Some(job) = jobs.waiting.iter_mut().find_map(VecDeque::pop_front) {
                return Some(job);
            }
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the thread that takes jobs out; those that wait are dropped.
    pub fn close(&self) {
        let mut jobs = self.lock();
        jobs.closed = true;
        jobs.waiting.iter_mut().for_each(VecDeque::clear);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_jobs_go_first_and_the_number_is_bounded() {
        let queue = Queue::default();
        queue.push(Urgency::Later, 1).expect("room");
        queue.push(Urgency::Now, 2).expect("room");
        queue.push(Urgency::Now, 3).expect("room");
        assert_eq!(
            (queue.pop(), queue.pop(), queue.pop(), queue.try_pop()),
            (Some(2), Some(3), Some(1), None)
        );
        (0..limits::QUEUE).for_each(|i| queue.push(Urgency::Now, i).expect("room"));
        assert_eq!(queue.push(Urgency::Now, 99).expect_err("full").status, 503);
        assert_eq!((queue.take(|&i| i % 2 == 0).len(), queue.any(|&i| i == 3)), (limits::QUEUE / 2, true));
        assert_eq!(queue.pop_within(Duration::ZERO), Ok(Some(1)));
        queue.close();
        assert_eq!(queue.pop_within(Duration::from_secs(60)), Err(Closed));
        assert_eq!((queue.pop(), queue.push(Urgency::Now, 1).is_err()), (None, true));
    }
}
