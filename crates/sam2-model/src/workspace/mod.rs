//! Context of a forward pass: instruction set, reusable buffers, tap.

mod floats;

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use kernels::Isa;

use crate::tap::Tap;
use floats::Floats;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Floats lent by a [`Workspace`]: a slice of an allocation that stays initialised, so that a longer slice
/// costs nothing later. It starts on a cache line: the allocator's large blocks do not, and every load of a
/// whole line would read two.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    floats: Floats,
    start: usize,
    len: usize,
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl Buffer {
    fn new(len: usize) -> Self {
        let floats = Floats::zeroed(len + LINE / size_of::<f32>());
        Self {
            start: floats.as_slice().as_ptr().align_offset(LINE).min(LINE / size_of::<f32>()),
            floats,
            len,
        }
    }

    /// The longest slice.
    fn capacity(&self) -> usize {
        self.floats.as_slice().len() - self.start
    }

    /// Truncates to the first `len` floats.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(floats: Vec<f32>) -> Self {
        Self { start: 0, len: floats.len(), floats: floats.into() }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.floats.as_slice()[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.floats.as_mut_slice()[self.start..self.start + self.len]
    }
}

/// Pool of reusable buffers.
#[derive(Debug, Default)]
pub struct Workspace {
    free: Vec<Buffer>,
}

impl Workspace {
    /// `len` floats of unspecified content: the smallest free buffer that is large enough, else a new one
    /// that replaces the largest free one. So there are never more buffers than the maximum in use.
    pub(crate) fn take(&mut self, len: usize) -> Buffer {
        let capacity = |i: &usize| self.free[*i].capacity();
        let fit = (0..self.free.len()).filter(|i| capacity(i) >= len).min_by_key(capacity);
        if let Some(i) = fit {
            return Buffer { len, ..self.free.swap_remove(i) };
        }
        if let Some(largest) = (0..self.free.len()).max_by_key(capacity) {
            self.free.swap_remove(largest);
        }
        Buffer::new(len)
    }

    /// Returns a buffer.
    pub(crate) fn give(&mut self, buffer: Buffer) {
        self.free.push(buffer);
    }
}

/// Pool of workspaces for concurrent passes; it has as many as the maximum in use.
#[derive(Debug, Default)]
pub(crate) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// Lends a workspace.
    pub fn with<R>(&self, f: impl FnOnce(&mut Workspace) -> R) -> R {
        let free = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workspace = free().pop().unwrap_or_default();
        let result = f(&mut workspace);
        free().push(workspace);
        result
    }
}

/// Context of a forward pass.
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
