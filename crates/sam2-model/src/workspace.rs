//! What a forward pass runs with: instruction set, reusable buffers, tap.

use std::sync::{Mutex, PoisonError};

use kernels::Isa;

use crate::tap::Tap;

/// Buffers that go round: taken for an intermediate, given back, taken again.
#[derive(Debug, Default)]
pub struct Workspace {
    free: Vec<Vec<f32>>,
}

impl Workspace {
    /// `len` floats of unspecified content: the smallest free buffer that is large enough, else a new one in place of the
    /// largest that is not. So there are never more buffers than were in use at once.
    pub(crate) fn take(&mut self, len: usize) -> Vec<f32> {
        let capacity = |i: &usize| self.free[*i].capacity();
        let fit = (0..self.free.len()).filter(|i| capacity(i) >= len).min_by_key(capacity);
        let mut buffer = match fit {
            Some(i) => self.free.swap_remove(i),
            None => {
                if let Some(largest) = (0..self.free.len()).max_by_key(capacity) {
                    self.free.swap_remove(largest);
                }
                Vec::with_capacity(len)
            }
        };
        buffer.resize(len, 0.0);
        buffer
    }

    /// Gives back a buffer that was taken.
    pub(crate) fn give(&mut self, buffer: Vec<f32>) {
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
    pub(crate) fn take(&mut self, len: usize) -> Vec<f32> {
        self.workspace.take(len)
    }

    pub(crate) fn give(&mut self, buffer: Vec<f32>) {
        self.workspace.give(buffer);
    }
}
