//! Binary masks at the size of an image.

use kernels::{Isa, image};

use crate::error::PromptError;

/// A binary mask, one value per pixel, row-major.
///
/// ```
/// use sam2_model::Mask;
///
/// let mask = Mask::new(3, 2, vec![false, true, true, false, true, false])?;
/// assert_eq!((mask.width(), mask.height(), mask.area()), (3, 2, 3));
/// assert_eq!(mask.bbox_xyxy(), Some([1, 0, 2, 1]));
/// assert_eq!(mask.data()[..3], [false, true, true]);
/// assert_eq!(mask.rle().mask(), mask);
/// # Ok::<(), sam2_model::error::PromptError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: usize,
    height: usize,
    data: Vec<bool>,
}

impl Mask {
    /// `data` holds `width · height` values.
    ///
    /// # Errors
    /// If it does not, or if the mask has no pixel.
    pub fn new(width: usize, height: usize, data: Vec<bool>) -> Result<Self, PromptError> {
        if data.is_empty() || data.len() != width.saturating_mul(height) {
            let found = (data.len(), 1);
            return Err(PromptError::MaskSize { expected: (width, height), found });
        }
        Ok(Self { width, height, data })
    }

    /// Of `width · height` values.
    pub(crate) fn of(data: Vec<bool>, width: usize, height: usize) -> Self {
        Self { width, height, data }
    }

    /// Logits above `threshold`.
    pub(crate) fn above(logits: &[f32], width: usize, height: usize, threshold: f32) -> Self {
        Self::of(logits.iter().map(|&x| x > threshold).collect(), width, height)
    }

    /// The pixels where `[side, side]` logits, resized to the mask's size, are above `threshold`.
    pub(crate) fn above_resized(
        isa: Isa,
        logits: &[f32],
        (width, height): (usize, usize),
        threshold: f32,
    ) -> Self {
        let side = logits.len().isqrt();
        Self {
            width,
            height,
            data: image::bilinear_above(isa, logits, (side, side), (height, width), threshold),
        }
    }

    /// Width, pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height, pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The values, `[height, width]`.
    pub fn data(&self) -> &[bool] {
        &self.data
    }

    /// Number of pixels inside.
    pub fn area(&self) -> usize {
        self.data.iter().filter(|&&x| x).count()
    }

    /// `[x0, y0, x1, y1]` of the outermost pixels inside, all inclusive; `None` if there is none.
    pub fn bbox_xyxy(&self) -> Option<[usize; 4]> {
        let rows = self.data.chunks_exact(self.width);
        rows.enumerate().fold(None, |bbox, (y, row)| {
            let Some(first) = row.iter().position(|&x| x) else { return bbox };
            let last = row.iter().rposition(|&x| x).unwrap_or(first);
            let [x0, y0, x1, _] = bbox.unwrap_or([first, y, last, y]);
            Some([x0.min(first), y0, x1.max(last), y])
        })
    }

    /// The mask as 0 and 1 in a square of `side` pixels: resized with antialiasing, then 1 from one half on.
    /// Meta: `add_new_mask` in `sam2/sam2_video_predictor.py`, which takes masks of any size.
    pub(crate) fn to_square(&self, isa: Isa, side: usize) -> Vec<f32> {
        let mut square: Vec<f32> = self.data.iter().map(|&x| f32::from(u8::from(x))).collect();
        if (self.width, self.height) != (side, side) {
            square =
                image::resize_bilinear_antialias(isa, &square, (self.height, self.width), 1, (side, side));
            square.iter_mut().for_each(|x| *x = if *x >= 0.5 { 1.0 } else { 0.0 });
        }
        square
    }

    /// Logits `[side, side]`: +10 inside and −10 outside, resized with antialiasing.
    pub(crate) fn to_logits(&self, isa: Isa, side: usize) -> Vec<f32> {
        let logits: Vec<f32> = self.data.iter().map(|&x| if x { 10.0 } else { -10.0 }).collect();
        image::resize_bilinear_antialias(isa, &logits, (self.height, self.width), 1, (side, side))
    }
}
