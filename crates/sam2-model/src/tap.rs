//! A tap on intermediate results, for tests and debugging.

/// Receives named intermediates of a forward pass.
///
/// ```
/// use sam2_model::advanced::Tap;
/// # use sam2_model::{Frame, ImagePredictor, Points};
///
/// /// Names and shapes of all intermediates.
/// struct Names(Vec<(String, Vec<usize>)>);
///
/// impl Tap for Names {
///     fn enabled(&self) -> bool {
///         true
///     }
///     fn record(&mut self, name: &str, shape: &[usize], _data: &[f32]) {
///         self.0.push((name.to_owned(), shape.to_vec()));
///     }
/// }
///
/// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
/// # let mut predictor = ImagePredictor::new(sam2_micro::model());
/// let mut names = Names(Vec::new());
/// predictor.set_image_tapped(&picture, &mut names);
/// assert!(names.0.iter().any(|(name, _)| name.contains("trunk.blocks.0")));
/// predictor.predict_tapped(&Points::click(48.0, 32.0).into(), &mut names)?;
/// assert!(names.0.iter().any(|(name, _)| name.contains("sam_mask_decoder")));
/// # Ok::<(), sam2_model::error::ImageError>(())
/// ```
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
