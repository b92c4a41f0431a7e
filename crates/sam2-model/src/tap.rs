//! A tap on intermediate results, for tests and debugging.

/// Receives named intermediates of a forward pass.
pub trait Tap {
    /// Whether the tap records; costly intermediates are computed only then.
    fn enabled(&self) -> bool;
    /// One intermediate: its state-dict path, shape (channels last) and values.
    fn record(&mut self, name: &str, shape: &[usize], data: &[f32]);
    /// Called at the end of a tracking stage: `resize`, `encode`, `memory_tokens`, `memory_attention`,
    /// `decode` or `memory_encoder`, even if the tap does not record.
    fn stage(&mut self, _name: &'static str) {}
}

/// A tap that records nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTap;

impl Tap for NoTap {
    fn enabled(&self) -> bool {
        false
    }
    fn record(&mut self, _: &str, _: &[usize], _: &[f32]) {}
}

impl dyn Tap + '_ {
    /// Records if the tap is enabled; the name is formatted only then.
    pub(crate) fn tap(&mut self, name: impl FnOnce() -> String, shape: &[usize], data: &[f32]) {
        if self.enabled() {
            self.record(&name(), shape, data);
        }
    }
}
