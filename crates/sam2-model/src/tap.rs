//! A tap on the intermediate results, for tests and for looking inside.

/// Receives named intermediates of a forward pass.
pub trait Tap {
    /// Whether anybody listens. Intermediates that cost something are formed only then.
    fn enabled(&self) -> bool;
    /// One intermediate: its state-dict path, shape (channels last) and values.
    fn record(&mut self, name: &str, shape: &[usize], data: &[f32]);
    /// A stage of tracking has ended: `resize`, `encode`, `memory_tokens`, `memory_attention`, `decode` or `memory_encoder`. Told
    /// to every tap.
    fn stage(&mut self, _name: &'static str) {}
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTap;

impl Tap for NoTap {
    fn enabled(&self) -> bool {
        false
    }
    fn record(&mut self, _: &str, _: &[usize], _: &[f32]) {}
}

impl dyn Tap + '_ {
    /// Records if somebody listens; the name is formed only then.
    pub(crate) fn tap(&mut self, name: impl FnOnce() -> String, shape: &[usize], data: &[f32]) {
        if self.enabled() {
            self.record(&name(), shape, data);
        }
    }
}
