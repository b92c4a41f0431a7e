//! What a forward pass runs with: instruction set, reusable buffers, tap.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use kernels::Isa;

use crate::tap::Tap;

/// Floats lent by a [`Workspace`]: a slice of what was allocated, all of which stays initialised, so that taking more of it later costs
/// nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer {
    floats: Vec<f32>,
    len: usize,
}

impl Buffer {
    /// Keeps the first `len` floats.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(floats: Vec<f32>) -> Self {
        Self { len: floats.len(), floats }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.floats[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.floats[..self.len]
    }
}

/// Buffers that go round: taken for an intermediate, given back, taken again.
#[derive(Debug, Default)]
pub struct Workspace {
    free: Vec<Buffer>,
}

impl Workspace {
    /// `len` floats of unspecified content: the smallest free buffer that is large enough, else a new one in place of the
    /// largest that is not. So there are never more buffers than were in use at once.
    pub(crate) fn take(&mut self, len: usize) -> Buffer {
        let capacity = |i: &usize| self.free[*i].floats.len();
        let fit = (0..self.free.len()).filter(|i| capacity(i) >= len).min_by_key(capacity);
        if let Some(i) = fit {
            return Buffer { len, ..self.free.swap_remove(i) };
        }
        if let Some(largest) = (0..self.free.len()).max_by_key(capacity) {
            self.free.swap_remove(largest);
        }
        Buffer { floats: vec![0.0; len], len }
    }

    /// Gives back a buffer that was taken.
    pub(crate) fn give(&mut self, buffer: Buffer) {
        self.free.push(buffer);
    }
}

/// Workspaces for passes that run beside each other: as many as there were at once.
#[derive(Debug, Default)]
pub(crate) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// Lends one.
    pub fn with<R>(&self, f: impl FnOnce(&mut Workspace) -> R) -> R {
        let free = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workspace = free().pop().unwrap_or_default();
        let result = f(&mut workspace);
        free().push(workspace);
        result
    }
}

/// The surroundings of a forward pass.
pub struct Run<'a> {
    pub(crate) isa: Isa,
    pub(crate) workspace: &'a mut Workspace,
    pub(crate) tap: &'a mut dyn Tap,
}

impl Run<'_> {
    pub(crate) fn take(&mut self, len: usize) -> Buffer {
        self.workspace.take(len)
    }

    pub(crate) fn give(&mut self, buffer: Buffer) {
        self.workspace.give(buffer);
    }
}
